//! Bytes made as they are sent: cheap, different at every place, and their CRC-64/NVME known in
//! the end, so that what arrived can be told from what did not.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crc64fast_nvme::Digest;

const BLOCK: usize = 64 << 10;

/// Blocks of noise, each with its own place written over its beginning.
pub struct Maker {
    block: Vec<u8>,
    seed: u64,
    made: u64,
    length: u64,
    digest: Digest,
}

impl Maker {
    pub fn new(seed: u64, length: u64) -> Self {
        let mut state = seed | 1;
        let block = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        Self {
            block: block.take(BLOCK).collect(),
            seed,
            made: 0,
            length,
            digest: Digest::new(),
        }
    }

    /// At most `most` further bytes; empty at the end.
    pub fn next(&mut self, most: usize) -> &[u8] {
        let left = usize::try_from(self.length - self.made).unwrap_or(usize::MAX);
        let count = BLOCK.min(most).min(left);
        let stamp = (self.seed ^ self.made).to_le_bytes();
        let stamped = stamp.len().min(count);
        self.block[..stamped].copy_from_slice(&stamp[..stamped]);
        self.made += count as u64;
        self.digest.write(&self.block[..count]);
        &self.block[..count]
    }

    /// CRC-64/NVME of all bytes so far.
    pub fn crc64(&self) -> u64 {
        self.digest.sum64()
    }
}

/// How a body is sent.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Whether its length is told.
    pub known: bool,
    /// At most so many bytes a second.
    pub rate: Option<u64>,
}

/// As fast as it goes.
pub const FAST: Manner = Manner {
    known: true,
    rate: None,
};

/// Sends one PUT on a connection of its own; the CRC-64/NVME of what was sent, once it is
/// acknowledged with 201.
pub fn put(port: u16, target: &str, seed: u64, length: u64, manner: Manner) -> io::Result<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_mins(5)))?;
    stream.set_write_timeout(Some(Duration::from_mins(5)))?;
    let framing = if manner.known {
        format!("Content-Length: {length}")
    } else {
        "Transfer-Encoding: chunked".to_owned()
    };
    let head =
        format!("PUT {target} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{framing}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut maker = Maker::new(seed, length);
    let begun = Instant::now();
    let most = if manner.rate.is_some() {
        16 << 10
    } else {
        BLOCK
    };
    let mut sent = 0;
    loop {
        let block = maker.next(most);
        if block.is_empty() {
            break;
        }
        if manner.known {
            stream.write_all(block)?;
        } else {
            write!(stream, "{:x}\r\n", block.len())?;
            stream.write_all(block)?;
            stream.write_all(b"\r\n")?;
        }
        sent += block.len() as u64;
        if let Some(rate) = manner.rate {
            let due = Duration::from_secs_f64(sent as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    if !manner.known {
        stream.write_all(b"0\r\n\r\n")?;
    }
    let answer = io::read_to_string(&mut stream)?;
    if answer.starts_with("HTTP/1.1 201 ") {
        Ok(maker.crc64())
    } else {
        Err(io::Error::other(answer))
    }
}
