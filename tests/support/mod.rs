//! What the black-box tests share: the real program on a port of its own, and a small HTTP client
//! that can send what no well-behaved client would.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::cast_precision_loss,
    reason = "each test binary uses a part of it"
)]

pub mod agent;
pub mod bucket;
pub mod client;
pub mod dice;
pub mod journal;
pub mod place;
pub mod proxy;
pub mod relay;
pub mod server;

pub use bucket::Bucket;
pub use client::{Answer, Client};
pub use dice::Dice;
pub use place::Place;
pub use server::Server;

/// Bytes that look random and are the same for the same seed (a 64-bit linear congruential
/// generator; Knuth's constants).
pub struct Noise {
    state: u64,
    left: u64,
}

impl Noise {
    pub fn new(seed: u64, len: u64) -> Self {
        Self {
            state: seed.wrapping_mul(2).wrapping_add(1),
            left: len,
        }
    }

    pub fn bytes(seed: u64, len: u64) -> Vec<u8> {
        Self::new(seed, len).flatten().collect()
    }
}

impl Iterator for Noise {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.left == 0 {
            return None;
        }
        let count = self.left.min(64 << 10);
        self.left -= count;
        let mut block = Vec::with_capacity(count as usize + 8);
        while (block.len() as u64) < count {
            self.state = self
                .state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            block.extend_from_slice(&self.state.to_le_bytes());
        }
        block.truncate(count as usize);
        Some(block)
    }
}

/// Two hex digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// SHA-256 of chunks, as hex.
pub fn sha256(chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    for chunk in chunks {
        hash.update(chunk);
    }
    hex(&hash.finalize())
}

/// Waits until `condition` holds; panics after 30 s.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Checks that it is a problem document with this status and code.
pub fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (status, code),
        "{answer:?}"
    );
}

/// Where the page's first script is, from its folder.
pub fn script(page: &str) -> &str {
    let (_, rest) = page.split_once("src=\"").unwrap();
    rest.split('"').next().unwrap()
}

/// A POST without a body.
pub fn post(client: &mut Client, target: &str) -> Answer {
    client.request("POST", target, &[], b"")
}

/// Stores it and returns the version's id.
pub fn put(client: &mut Client, key: &str, body: &[u8]) -> String {
    let put = client.put(&format!("/files/{key}"), body);
    assert!(matches!(put.status, 200 | 201), "{put:?}");
    put.json()["version_id"].as_str().unwrap().to_owned()
}
