//! The trace that a request belongs to, as its `traceparent` says (W3C Trace Context, Level 1,
//! section 3.2). No span of our own is made: what came is logged, and passed on as it came.

use std::fmt;

use hyper::HeaderMap;
use hyper::header::HeaderName;

/// The header.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes of version 00: version, trace id, parent id, flags, in hex, with dashes between.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

/// A `traceparent` of version 00.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Trace([u8; LENGTH]);

impl Trace {
    /// Of a request; None where there is none, more than one, or what is not valid.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => None,
        }
    }

    /// Reads one. A later version is read as far as it is like version 00, as the specification
    /// wants it, and passed on as that, with no other flag than "sampled".
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_first_chunk::<LENGTH>()?;
        let mut trace = *head;
        let fields = trace.split(|&byte| byte == b'-');
        if !fields.map(<[u8]>::len).eq([2, 32, 16, 2])
            || !trace.iter().copied().all(is_lower_hex_or_dash)
        {
            return None;
        }
        let is_zero = |field: &[u8]| field.iter().all(|&byte| byte == b'0');
        let (trace_id, parent_id) = (trace.get(3..35)?, trace.get(36..52)?);
        if is_zero(trace_id) || is_zero(parent_id) {
            return None;
        }
        match (&head[..2], rest.first()) {
            (b"00", None) => {}
            (b"00" | b"ff", _) => return None,
            (_, None | Some(b'-')) => {
                let sampled = head[LENGTH - 1].is_ascii_digit() && head[LENGTH - 1] % 2 == 1
                    || matches!(head[LENGTH - 1], b'b' | b'd' | b'f');
                trace[..2].copy_from_slice(b"00");
                trace[LENGTH - 2..].copy_from_slice(if sampled { b"01" } else { b"00" });
            }
            _ => return None,
        }
        Some(Self(trace))
    }

    /// All of it, as the header has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The trace's id: 32 hex digits.
    #[must_use]
    pub fn id(&self) -> &str {
        self.as_str().get(3..35).unwrap_or_default()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_lower_hex_or_dash(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(text: &str) -> Option<String> {
        Trace::parse(text.as_bytes()).map(|trace| trace.as_str().to_owned())
    }

    #[test]
    fn a_trace_is_read_as_the_specification_has_it() {
        assert_eq!(read(GOOD).as_deref(), Some(GOOD));
        let trace = Trace::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        let later = GOOD.replacen("00", "cc", 1).replace("-01", "-0b");
        assert_eq!(read(&later).as_deref(), Some(GOOD));
        assert_eq!(read(&format!("{later}-more")).as_deref(), Some(GOOD));
        for bad in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD[1..].to_owned(),
            format!(" {GOOD}"),
            format!("{GOOD}-"),
            format!("{GOOD}-more"),
            format!("{later}more"),
            GOOD.replacen("00", "ff", 1),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            GOOD.replace('-', "_"),
            GOOD.replace("-01", "-0g"),
            GOOD.replacen("af", "-f", 1),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(Trace::of(&headers), None);
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert!(Trace::of(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(Trace::of(&headers), None);
    }

    proptest! {
        #[test]
        fn any_valid_trace_reads_back(id in "[0-9a-f]{31}[1-9a-f]", parent in "[0-9a-f]{15}[1-9a-f]", flags in "[0-9a-f]{2}") {
            let text = format!("00-{id}-{parent}-{flags}");
            prop_assert_eq!(read(&text), Some(text));
        }

        #[test]
        fn what_is_read_is_valid_and_nothing_breaks_the_parser(text in "([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,3}|.{0,60})") {
            if let Some(read) = read(&text) {
                prop_assert_eq!(read.len(), LENGTH);
                prop_assert!(read.starts_with("00-") && read[3..52] == text[3..52]);
            }
        }
    }
}
