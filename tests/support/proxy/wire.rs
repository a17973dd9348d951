//! HTTP/1.1 as far as the proxy needs it: heads, and bodies with a length or in chunks.

use std::io::{BufRead, Read, Result};

/// The head of a request or an answer.
pub(super) struct Head {
    /// A request's; of an answer its version.
    pub(super) method: String,
    /// A request's; of an answer its status.
    pub(super) target: String,
    pub(super) bytes: String,
    /// Bytes in the body, where it has a length.
    pub(super) length: u64,
    chunked: bool,
}

impl Head {
    /// The next head; None when the peer has closed instead.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut bytes = String::new();
        while !bytes.ends_with("\r\n\r\n") {
            if from.read_line(&mut bytes)? == 0 {
                return Ok(None);
            }
        }
        let mut words = bytes.split([' ', '\r']);
        let mut word = || words.next().unwrap_or("").to_owned();
        let (method, target) = (word(), word());
        let value = |name: &str| Self::find(&bytes, name);
        let length = value("content-length").and_then(|text| text.parse().ok());
        let chunked = value("transfer-encoding").is_some();
        Ok(Some(Self {
            method,
            target,
            length: length.unwrap_or(0),
            chunked,
            bytes,
        }))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        Self::find(&self.bytes, name).is_some()
    }

    /// The access key that a request is signed with; empty where it is not.
    pub(super) fn access_key(&self) -> &str {
        let signed = Self::find(&self.bytes, "authorization").unwrap_or_default();
        let (_, rest) = signed.split_once("Credential=").unwrap_or_default();
        rest.split('/').next().unwrap_or_default()
    }

    fn find<'a>(head: &'a str, name: &str) -> Option<&'a str> {
        head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// An answer's body as it is framed. Bounded: it is read as a whole.
    pub(super) fn body(&self, from: &mut impl BufRead, method: &str) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if method == "HEAD" || matches!(self.target.as_str(), "204" | "304") {
            return Ok(body);
        }
        if !self.chunked {
            from.take(self.length).read_to_end(&mut body)?;
            return Ok(body);
        }
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim(), 16)
                .map_err(|error| std::io::Error::other(format!("{line:?}: {error}")))?;
            body.extend_from_slice(line.as_bytes());
            from.take(size + 2).read_to_end(&mut body)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
