//! A request as it goes out. Bodies are noise, made once: what is measured is not its making.

use std::io::Write as _;
use std::sync::LazyLock;

use crc64fast_nvme::Digest;

/// Noise of any length is this much, over and over.
const NOISE_BYTES: usize = 256 << 10;
/// A body of at most so much goes out with the head, in one call.
const SMALL_BYTES: u64 = 64 << 10;

static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    // A linear congruential generator with Knuth's constants.
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(NOISE_BYTES).collect()
});

/// Used again for request after request of a connection.
#[derive(Default)]
pub struct Message {
    /// The head, and what of the body comes before the noise.
    pub bytes: Vec<u8>,
    /// So many bytes of noise.
    pub noise: u64,
    /// The end of the body.
    pub tail: Vec<u8>,
    /// The answers that are right.
    pub statuses: &'static [u16],
    /// Which of the load's kinds it is.
    pub kind: usize,
    /// Bytes that are its work; None: the body of the answer.
    pub work_bytes: Option<u64>,
}

impl Message {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.tail.clear();
        self.noise = 0;
        self.statuses = &[200];
        self.kind = 0;
        self.work_bytes = None;
    }

    /// A request without a body. `headers` are whole lines.
    pub fn get(&mut self, host: &str, target: &str, headers: &str) {
        let _ = write!(
            self.bytes,
            "GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
        );
    }

    /// A request with so much noise as its body.
    pub fn send(&mut self, method: &str, host: &str, target: &str, headers: &str, length: u64) {
        self.head(method, host, target, headers, length);
        self.noise(length);
    }

    /// `POST` of a JSON document.
    pub fn json(&mut self, host: &str, target: &str, document: &str) {
        let headers = "Content-Type: application/json\r\n";
        self.head("POST", host, target, headers, document.len() as u64);
        self.bytes.extend_from_slice(document.as_bytes());
    }

    fn head(&mut self, method: &str, host: &str, target: &str, headers: &str, length: u64) {
        let _ = write!(
            self.bytes,
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
    }

    /// `POST` of a form with one file.
    pub fn form(&mut self, host: &str, target: &str, name: &str, length: u64) {
        const BOUNDARY: &str = "------------------------d74496d66958873e";
        const END: &str = "\r\n--------------------------d74496d66958873e--\r\n";
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let total = part.len() as u64 + length + END.len() as u64;
        let headers = format!(
            "Accept: application/json\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        );
        self.head("POST", host, target, &headers, total);
        self.bytes.extend_from_slice(part.as_bytes());
        self.noise(length);
        if self.noise > 0 {
            self.tail.extend_from_slice(END.as_bytes());
        } else {
            self.bytes.extend_from_slice(END.as_bytes());
        }
    }

    fn noise(&mut self, length: u64) {
        self.work_bytes = Some(length);
        if length <= SMALL_BYTES {
            self.bytes.extend_from_slice(&NOISE[..length as usize]);
        } else {
            self.noise = length;
        }
    }
}

/// At most so many bytes of noise, from the beginning of a piece.
pub fn noise(most: u64) -> &'static [u8] {
    &NOISE[..most.min(NOISE_BYTES as u64) as usize]
}

/// CRC-64/NVME of so much noise.
pub fn noise_crc64(length: u64) -> u64 {
    let mut digest = Digest::new();
    let mut left = length;
    while left > 0 {
        let piece = noise(left);
        digest.write(piece);
        left -= piece.len() as u64;
    }
    digest.sum64()
}
