//! Requests that no client sends: valid ones with faults put in, and noise. No part of them
//! is meant as a second request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::Dice;

/// Bytes for one connection, and how it ends.
#[derive(Debug)]
pub(crate) struct Attack {
    pub(crate) kind: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// The client says that it is done, and reads what comes.
    Finish,
    /// It goes at once.
    Drop,
    /// It reads what comes, and sends nothing more.
    Wait,
}

impl Attack {
    pub(crate) fn new(kind: impl Into<String>, bytes: Vec<u8>, dice: &mut Dice) -> Self {
        let end = match dice.below(20) {
            0 => End::Wait,
            1..4 => End::Drop,
            _ => End::Finish,
        };
        let kind = kind.into();
        Self { kind, bytes, end }
    }

    /// Sends it, at once or in pieces; what came back.
    pub(crate) fn send(&self, port: u16, dice: &mut Dice) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let wait = match self.end {
            End::Wait => Duration::from_millis(20),
            _ => Duration::from_secs(20),
        };
        stream.set_read_timeout(Some(wait)).unwrap();
        stream.set_write_timeout(Some(wait)).unwrap();
        let piece = if dice.chance(0.2) {
            1 + self.bytes.len() / 3
        } else {
            self.bytes.len().max(1)
        };
        for piece in self.bytes.chunks(piece) {
            // It may be refused before it is all sent.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let mut heard = Vec::new();
        match self.end {
            End::Drop => return heard,
            End::Finish => drop(stream.shutdown(Shutdown::Write)),
            End::Wait => {}
        }
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            heard.extend_from_slice(&buffer[..count]);
        }
        heard
    }
}

const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "PUT",
    "POST",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PRI",
    "get",
    "",
    "G\0T",
    "GET GET",
    "\u{1f600}",
];
const TARGETS: &[&str] = &[
    "/",
    "/files",
    "/files/",
    "/files/a",
    "/files/../../etc/passwd",
    "/files/%00",
    "/files/%zz",
    "/files/a#b",
    "/files?limit=-1",
    "/files?cursor=%ff",
    "/files?key=.cloud-portfolio/x&key=y",
    "/upload",
    "/uploads",
    "/uploads/AQAA",
    "/uploads/%",
    "/health",
    "*",
    "",
    "http://evil/files/x",
    "http://[::1",
    "//files//x",
    "/files?prefix=a&zip",
    "/files/x?versions&share&expires_in=0",
    "/\u{e9}",
    "/files/a\tb",
    "host:80",
    "/files?delete",
];
const HEADERS: &[&str] = &[
    "Host: a\r\nHost: b",
    "Host:",
    "Host: \0",
    "Content-Length: 5",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Expect: 100-continue",
    "Expect: x",
    "Connection: upgrade\r\nUpgrade: h2c",
    "Range: bytes=9-1,-",
    "If-Match: \"",
    "Cookie",
    ": nothing",
    "X y: z",
    "X\0: z",
    "Content-Type: multipart/form-data; boundary=",
    "Content-Type: multipart/form-data; boundary=b",
    "Tus-Resumable: 1.0.0",
    "Tus-Resumable: 9",
    "Upload-Length: 99999999999999999999",
    "Upload-Metadata: a ?,b",
    "Upload-Checksum: sha1 x",
    "Upload-Complete: ?1",
    "Upload-Complete: ?0",
    "Upload-Defer-Length: 1",
    "Upload-Metadata: filename YQ==",
    "Repr-Digest: sha-256=:",
    "Content-MD5: x",
    "X-HTTP-Method-Override: DELETE",
    "X-Request-Id: a b",
    "Origin: null",
    "Sec-Fetch-Site: cross-site",
    "X-Forwarded-For: \u{ff}",
    "Accept: text/html",
    "Content-Encoding: gzip",
    "Content-Range: bytes 0-0/1",
    "X-Amz-Meta-A: \u{e9}",
    "traceparent: 00-0-0-0",
    "Authorization: Basic !!!",
    "X: a\r\n b",
];
const BODIES: &[&str] = &[
    "",
    "hello",
    "5\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nx",
    "-1\r\n",
    "5;a=\"\r\nhello\r\n",
    "0\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n",
    "1\r\nxx\r\n",
    "{\"keys\":[",
    "[]",
    "{\"keys\":[1]}",
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\0\"\r\n\r\nx\r\n--b--\r\n",
    "--b\r\n\r\n--b--",
    "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx",
];

/// How connections of other protocols begin, and of HTTP where it is looser.
const PROTOCOLS: &[&[u8]] = &[
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"GET /\r\n",
    b"\r\n\r\n\r\n\r\n",
    b"SSH-2.0-x\r\n",
    b"GET /health HTTP/1.1\nHost: h\n\n",
];

/// One of them.
pub(crate) fn attack(dice: &mut Dice) -> Attack {
    match dice.below(10) {
        0 => Attack::new("noise", noise(dice), dice),
        1 => Attack::new("large", large(dice), dice),
        2 => {
            let half = request(dice);
            let len = dice.below(half.len() as u64) as usize;
            Attack::new("half", half[..len].to_vec(), dice)
        }
        3 => {
            let mut bytes = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3);
            bytes.extend(noise(dice));
            Attack::new("garbage after valid requests", bytes, dice)
        }
        4 => {
            let begin: &&[u8] = dice.pick(PROTOCOLS);
            Attack::new("another protocol", begin.to_vec(), dice)
        }
        5..7 => Attack::new("odd", request(dice), dice),
        _ => {
            let bytes = mutated(request(dice), dice);
            Attack::new("mutated", bytes, dice)
        }
    }
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(300)).map(|_| dice.roll() as u8).collect()
}

fn request(dice: &mut Dice) -> Vec<u8> {
    let version = dice.pick(&[
        "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/9", "",
    ]);
    let mut text = format!(
        "{} {} {version}\r\n",
        dice.pick(METHODS),
        dice.pick(TARGETS)
    );
    if dice.chance(0.8) {
        text.push_str("Host: h\r\n");
    }
    for _ in 0..dice.below(5) {
        let header: &&str = dice.pick(HEADERS);
        text.push_str(header);
        text.push_str("\r\n");
    }
    let body = dice.pick(BODIES);
    if dice.chance(0.5) {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// Beyond some limit.
fn large(dice: &mut Dice) -> Vec<u8> {
    let (line, headers) = match dice.below(5) {
        0 => (format!("/files/{}", "k".repeat(70_000)), String::new()),
        1 => ("/".into(), format!("X: {}\r\n", "x".repeat(17 << 10))),
        2 => ("/".into(), "X: y\r\n".repeat(101)),
        3 => (format!("/files?{}", "a=b&".repeat(2000)), String::new()),
        _ => ("/".into(), format!("{}: y\r\n", "X".repeat(20_000))),
    };
    format!("GET {line} HTTP/1.1\r\nHost: h\r\n{headers}\r\n").into_bytes()
}

fn mutated(mut bytes: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() as u64) as usize;
        match dice.below(5) {
            0 => bytes[at] = dice.roll() as u8,
            1 => bytes.insert(at, *dice.pick(b"\0\r\n\t :;,%#\"\x7f\xff")),
            2 if bytes.len() > 1 => drop(bytes.remove(at)),
            3 => {
                let end = bytes.len().min(at + dice.below(40) as usize);
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes[at] ^= 1 << dice.below(8),
        }
    }
    bytes
}
