//! A blocking HTTP/1.1 client over one connection. It sends heads as they are given.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One connection.
pub struct Client {
    /// Sent as `Host`.
    pub host: String,
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

/// An answer with its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of a problem document; also checks that it is one.
    pub fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let document = self.json();
        assert_eq!(document["status"], self.status);
        for field in ["type", "title", "detail"] {
            assert!(document[field].is_string(), "{field} in {document}");
        }
        assert!(self.header("x-request-id").is_some());
        document["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::try_connect(port).unwrap()
    }

    /// None when nobody listens.
    pub fn try_connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(2)))
            .unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let host = "test".to_owned();
        Some(Self {
            host,
            stream,
            reader,
        })
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    pub fn head(&mut self, target: &str) -> Answer {
        self.send_head("HEAD", target, &[]);
        self.answer_to("HEAD")
    }

    pub fn delete(&mut self, target: &str) -> Answer {
        self.request("DELETE", target, &[], b"")
    }

    pub fn put(&mut self, target: &str, body: &[u8]) -> Answer {
        self.request("PUT", target, &[], body)
    }

    /// A request with a body of known length.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        if !body.is_empty() || method == "PUT" || method == "POST" {
            all.push(("Content-Length", &length));
        }
        self.send_head(method, target, &all);
        // An early refusal may close the connection while we still send.
        let _ = self.stream.write_all(body);
        self.answer_to(method)
    }

    /// A PUT whose length is told, from a generator.
    pub fn put_stream(
        &mut self,
        target: &str,
        length: u64,
        body: impl Iterator<Item = Vec<u8>>,
    ) -> Answer {
        let length = length.to_string();
        self.send_head("PUT", target, &[("Content-Length", &length)]);
        for block in body {
            self.stream.write_all(&block).unwrap();
        }
        self.answer()
    }

    /// A request whose length is not told.
    pub fn chunked(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Iterator<Item = Vec<u8>>,
    ) -> Answer {
        let mut all = headers.to_vec();
        all.push(("Transfer-Encoding", "chunked"));
        self.send_head(method, target, &all);
        for block in body.filter(|block| !block.is_empty()) {
            let mut chunk = format!("{:x}\r\n", block.len()).into_bytes();
            chunk.extend_from_slice(&block);
            chunk.extend_from_slice(b"\r\n");
            self.stream.write_all(&chunk).unwrap();
        }
        self.stream.write_all(b"0\r\n\r\n").unwrap();
        self.answer()
    }

    /// A form with one file from a generator; the file's length is told to nobody.
    pub fn form(
        &mut self,
        target: &str,
        name: &str,
        body: impl Iterator<Item = Vec<u8>>,
    ) -> Answer {
        let (head, tail) = form_ends(name);
        let body = [head].into_iter().chain(body).chain([tail]);
        self.chunked("POST", target, &[("Content-Type", FORM)], body)
    }

    pub fn send_head(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) {
        let host = &self.host;
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        self.send(head.as_bytes());
    }

    /// Bytes as they are; a peer that closed is no failure here but at the answer.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.try_send(bytes);
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Whether an answer, or the end, can be read.
    pub fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        !matches!(peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    pub fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    pub fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer(method).expect("an answer")
    }

    /// The next answer that is not a 100; None when the connection ended instead.
    pub fn try_answer(&mut self, method: &str) -> Option<Answer> {
        let mut answer = self.read_head()?;
        while answer.status == 100 {
            answer = self.read_head()?;
        }
        if method == "HEAD" || answer.status == 204 || answer.status == 304 {
            return Some(answer);
        }
        let mut body = Vec::new();
        self.read_body(&answer, |block| body.extend_from_slice(block))?;
        answer.body = body;
        Some(answer)
    }

    /// A GET whose body goes to `sink`; the answer without its body, None when it broke off.
    pub fn download(
        &mut self,
        target: &str,
        headers: &[(&str, &str)],
        sink: impl FnMut(&[u8]),
    ) -> Option<Answer> {
        self.send_head("GET", target, headers);
        let answer = self.read_head()?;
        self.read_body(&answer, sink)?;
        Some(answer)
    }

    /// Whether the server has closed the connection, with no byte before.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.fill_buf(), Ok([]) | Err(_))
    }

    pub fn read_head(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    pub fn read_body(&mut self, answer: &Answer, mut sink: impl FnMut(&[u8])) -> Option<()> {
        let mut buffer = vec![0; 64 << 10];
        let mut copy = |reader: &mut BufReader<TcpStream>, mut left: u64| {
            while left > 0 {
                let most = buffer
                    .len()
                    .min(usize::try_from(left).unwrap_or(usize::MAX));
                let count = reader.read(&mut buffer[..most]).ok().filter(|n| *n > 0)?;
                sink(&buffer[..count]);
                left -= count as u64;
            }
            Some(())
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                self.reader.read_line(&mut line).ok()?;
                let size = u64::from_str_radix(line.trim(), 16).ok()?;
                copy(&mut self.reader, size)?;
                line.clear();
                self.reader.read_line(&mut line).ok()?;
                if size == 0 {
                    return Some(());
                }
            }
        }
        if let Some(length) = answer.header("content-length") {
            return copy(&mut self.reader, length.parse().ok()?);
        }
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).ok()?;
        sink(&rest);
        Some(())
    }
}

/// The content type that goes with [`form_ends`].
pub const FORM: &str = "multipart/form-data; boundary=boundary-of-the-test";

/// What comes before and after a file's bytes in a form.
pub fn form_ends(name: &str) -> (Vec<u8>, Vec<u8>) {
    let head = format!(
        "--boundary-of-the-test\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
    );
    (
        head.into_bytes(),
        b"\r\n--boundary-of-the-test--\r\n".to_vec(),
    )
}

/// A whole form with these files.
pub fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, bytes) in files {
        let (head, _) = form_ends(name);
        form.extend(head);
        form.extend_from_slice(bytes);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--boundary-of-the-test--\r\n");
    form
}
