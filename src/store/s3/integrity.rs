//! How S3 is made to check what it stores: CRC-64/NVME where it knows it, else SHA-256 for what
//! is gathered and MD5 against the ETag for what is streamed. Computing CRC-64 is `crc64`'s
//! business, its way into a stream `framing`'s, and sending `payload`'s.
//!
//! Measured on one core: CRC-64 of 8 MiB 0.6 ms, SHA-256 6 ms, MD5 12 to 24 ms. The first may run
//! where it stands; SHA-256 of a whole part goes to a blocking thread; MD5 of a stream is spread
//! over its chunks of at most 64 KiB, 0.1 to 0.2 ms each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use md5::{Digest as _, Md5};

use crate::config::Integrity;
use crate::store::{Bytestream, StoreResult};

/// Which check is in force; all workers learn together.
pub(super) struct Checks {
    wanted: Integrity,
    /// Auto only: the store has refused or ignored CRC-64.
    fallen_back: AtomicBool,
}

/// What is done with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Its CRC-64, as a header or a trailer, verified by the store.
    Crc64,
    /// Its SHA-256 in the signature, verified by the store; MD5 for streams.
    Sha256,
    /// `Content-MD5`, verified by the store; for streams against the ETag.
    Md5,
}

impl Checks {
    pub(super) fn new(wanted: Integrity) -> Self {
        Self {
            wanted,
            fallen_back: AtomicBool::new(false),
        }
    }

    pub(super) fn check(&self) -> Check {
        match self.wanted {
            Integrity::Auto if self.fallen_back.load(Ordering::Relaxed) => Check::Sha256,
            Integrity::Auto | Integrity::Crc64Nvme => Check::Crc64,
            Integrity::Sha256 => Check::Sha256,
            Integrity::Md5 => Check::Md5,
        }
    }

    /// The check of parts whose upload has not declared CRC-64.
    pub(super) fn check_without_crc(&self) -> Check {
        match self.wanted {
            Integrity::Md5 => Check::Md5,
            Integrity::Auto | Integrity::Crc64Nvme | Integrity::Sha256 => Check::Sha256,
        }
    }

    /// Gives CRC-64 up, where that is allowed; whether the call may be made again without.
    pub(super) fn fall_back(&self, why: &dyn std::fmt::Display) -> bool {
        if self.wanted != Integrity::Auto {
            return false;
        }
        if !self.fallen_back.swap(true, Ordering::Relaxed) {
            log::warn!("the store knows no CRC-64/NVME, going on with SHA-256 and MD5: {why}");
        }
        true
    }
}

/// MD5 of blocks in their order, as `Content-MD5` has it.
pub(super) fn md5_base64(blocks: &[Bytes]) -> String {
    let mut hash = Md5::new();
    for block in blocks {
        hash.update(block);
    }
    STANDARD.encode(hash.finalize())
}

/// The same `len` bytes; their MD5 in lower hex is left in the cell with the last: nobody asks a
/// body of known length for more than that.
pub(super) fn hashed(
    body: Bytestream,
    len: u64,
) -> (
    impl Stream<Item = StoreResult<Bytes>> + Send,
    Arc<OnceLock<String>>,
) {
    let cell = Arc::new(OnceLock::new());
    let result = Arc::clone(&cell);
    let mut hash = Md5::new();
    let mut left = len;
    let stream = body.map(move |chunk| {
        let chunk = chunk?;
        hash.update(&chunk);
        left = left.saturating_sub(chunk.len() as u64);
        if left == 0 {
            let _ = result.set(format!("{:x}", hash.clone().finalize()));
        }
        Ok(chunk)
    });
    (stream, cell)
}
