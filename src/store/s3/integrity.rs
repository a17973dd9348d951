//! How S3 is made to check what it stores: CRC-64/NVME where it knows it, else SHA-256 for what
//! is gathered and MD5 against the ETag for what is streamed. Sending is `request`'s business.
//!
//! Measured on one core: CRC-64 of 8 MiB 0.6 ms, SHA-256 6 ms, MD5 12 to 24 ms. The first may run
//! where it stands; SHA-256 of a whole part goes to a blocking thread; MD5 of a stream is spread
//! over its chunks of at most 64 KiB, 0.1 to 0.2 ms each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc64fast_nvme::Digest;
use futures_util::{Stream, StreamExt, stream};
use md5::{Digest as _, Md5};

use crate::config::Integrity;
use crate::store::{Bytestream, Part, StoreResult};

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

/// The CRC-64/NVME of blocks in their order.
pub(super) fn crc64(blocks: &[Bytes]) -> u64 {
    let mut digest = Digest::new();
    for block in blocks {
        digest.write(block);
    }
    digest.sum64()
}

/// The CRC of the whole from those of its parts, in their order; None when one is not known.
pub(super) fn combine(parts: &[Part]) -> Option<u64> {
    let mut whole = 0;
    for (index, part) in parts.iter().enumerate() {
        let crc = part.crc64?;
        whole = if index == 0 {
            crc
        } else {
            append(whole, crc, part.size)
        };
    }
    Some(whole)
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

/// The polynomial of CRC-64/NVME, reflected: the top bit is x^0.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// The CRC of bytes with the CRC `first`, followed by `len` bytes with the CRC `second`: the first
/// is moved up by x^(8 len), modulo the polynomial, and the second added. What the CRC begins and
/// ends with cancels out, as both are the same.
fn append(first: u64, second: u64, len: u64) -> u64 {
    const ONE: u64 = 1 << 63;
    let mut shift = ONE;
    // x^8, squared again and again: x^(8 len) is the product of those that len's bits name.
    let mut power = ONE >> 8;
    let mut rest = len;
    while rest > 0 {
        if rest & 1 == 1 {
            shift = multiply(shift, power);
        }
        power = multiply(power, power);
        rest >>= 1;
    }
    multiply(shift, first) ^ second
}

/// The product of two polynomials, modulo [`POLYNOMIAL`].
fn multiply(left: u64, mut right: u64) -> u64 {
    let mut product = 0;
    for power in (0..64).rev() {
        if left >> power & 1 == 1 {
            product ^= right;
        }
        let carry = if right & 1 == 1 { POLYNOMIAL } else { 0 };
        right = right >> 1 ^ carry;
    }
    product
}

/// A CRC as headers have it: base64 of its 8 bytes, most significant first.
pub(super) fn encode(crc: u64) -> String {
    STANDARD.encode(crc.to_be_bytes())
}

/// What [`encode`] made.
pub(super) fn decode(text: &str) -> Option<u64> {
    let bytes = STANDARD.decode(text).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Bytes in a chunk of the framing. MinIO takes at most 16 MiB; AWS wants at least 8 KiB.
const CHUNK_BYTES: u64 = 1 << 20;
/// Name of the trailer.
pub(super) const TRAILER: &str = "x-amz-checksum-crc64nvme";

/// Bytes that [`framed`] makes of `len`.
pub(super) fn framed_len(len: u64) -> u64 {
    let chunk = |size: u64| format!("{size:x}").len() as u64 + 2 + size + 2;
    let full = (len / CHUNK_BYTES) * chunk(CHUNK_BYTES);
    let last = match len % CHUNK_BYTES {
        0 => 0,
        rest => chunk(rest),
    };
    // "0\r\n", the trailer's line, and an empty one.
    full + last + 3 + (TRAILER.len() as u64 + 1 + 12 + 2) + 2
}

/// A body in aws-chunked framing with its CRC as trailer ("Signature calculations for the
/// Authorization header: including trailing headers", Amazon S3 API Reference). The CRC is also
/// left in `result`.
pub(super) fn framed(
    body: Bytestream,
    len: u64,
    result: Arc<OnceLock<u64>>,
) -> impl Stream<Item = StoreResult<Bytes>> + Send {
    struct State {
        body: Bytestream,
        rest: Bytes,
        left: u64,
        in_chunk: u64,
        digest: Digest,
        result: Arc<OnceLock<u64>>,
        ended: bool,
    }
    let state = State {
        body,
        rest: Bytes::new(),
        left: len,
        in_chunk: 0,
        digest: Digest::new(),
        result,
        ended: false,
    };
    stream::try_unfold(state, move |mut state| async move {
        if state.ended {
            return Ok(None);
        }
        if state.in_chunk == 0 {
            // The line that ends the chunk before goes out with the head of the next.
            let end = if state.left == len { "" } else { "\r\n" };
            if state.left == 0 {
                state.ended = true;
                let crc = state.digest.sum64();
                let _ = state.result.set(crc);
                let tail = format!("{end}0\r\n{TRAILER}:{}\r\n\r\n", encode(crc));
                return Ok(Some((Bytes::from(tail), state)));
            }
            state.in_chunk = state.left.min(CHUNK_BYTES);
            let head = format!("{end}{:x}\r\n", state.in_chunk);
            return Ok(Some((Bytes::from(head), state)));
        }
        while state.rest.is_empty() {
            match state.body.next().await {
                Some(chunk) => state.rest = chunk?,
                // Shorter than the declared length: whoever sends it notices.
                None => return Ok(None),
            }
        }
        let most = usize::try_from(state.in_chunk).unwrap_or(usize::MAX);
        let chunk = state.rest.split_to(state.rest.len().min(most));
        state.digest.write(&chunk);
        state.in_chunk -= chunk.len() as u64;
        state.left -= chunk.len() as u64;
        Ok(Some((chunk, state)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(bytes: &'static [u8]) -> Part {
        Part {
            number: 1,
            size: bytes.len() as u64,
            etag: String::new(),
            crc64: Some(crc64(&[Bytes::from_static(bytes)])),
        }
    }

    #[test]
    fn crc_64_is_the_one_of_nvme_and_parts_combine_to_the_whole() {
        // The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms.
        assert_eq!(
            crc64(&[Bytes::from_static(b"123456789")]),
            0xae8b_1486_0a79_9888
        );
        let parts = [part(b"1234"), part(b""), part(b"56789")];
        assert_eq!(combine(&parts), Some(0xae8b_1486_0a79_9888));
        assert_eq!(decode(&encode(77)), Some(77));
    }

    proptest::proptest! {
        #[test]
        fn a_crc_is_put_together_of_any_two_pieces(
            first in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
            second in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        ) {
            let of = |bytes: &[u8]| crc64(&[Bytes::copy_from_slice(bytes)]);
            let whole = [&first[..], &second[..]].concat();
            let joined = append(of(&first), of(&second), second.len() as u64);
            proptest::prop_assert_eq!(joined, of(&whole));
        }
    }

    #[tokio::test]
    async fn framing_has_the_length_that_was_told_and_ends_with_the_crc() {
        for len in [
            0,
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            CHUNK_BYTES + 1,
            3 * CHUNK_BYTES,
        ] {
            let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let chunks: Vec<_> = data
                .chunks(70_001)
                .map(|c| Ok(Bytes::copy_from_slice(c)))
                .collect();
            let result = Arc::new(OnceLock::new());
            let framed = framed(Box::pin(stream::iter(chunks)), len, Arc::clone(&result));
            let framed: Vec<_> = framed.map(|chunk| chunk.unwrap()).collect().await;
            let framed = framed.concat();
            assert_eq!(framed.len() as u64, framed_len(len), "{len}");
            let crc = crc64(&[Bytes::from(data)]);
            assert_eq!(result.get(), Some(&crc));
            let tail = format!("0\r\n{TRAILER}:{}\r\n\r\n", encode(crc));
            assert!(framed.ends_with(tail.as_bytes()), "{len}");
        }
    }
}
