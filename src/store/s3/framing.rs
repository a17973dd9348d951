//! The aws-chunked framing, in which a stream's CRC-64 follows it as a trailer. What the headers say
//! of it is `payload`'s business.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use crc64fast_nvme::Digest;
use futures_util::{Stream, StreamExt, stream};

use super::crc64::{self, HEADER};
use crate::store::{Bytestream, StoreResult};

/// Bytes in a chunk of the framing. MinIO takes at most 16 MiB; AWS wants at least 8 KiB.
const CHUNK_BYTES: u64 = 1 << 20;

/// Bytes that [`framed`] makes of `len`.
pub(super) fn framed_len(len: u64) -> u64 {
    let chunk = |size: u64| format!("{size:x}").len() as u64 + 2 + size + 2;
    let full = (len / CHUNK_BYTES) * chunk(CHUNK_BYTES);
    let last = match len % CHUNK_BYTES {
        0 => 0,
        rest => chunk(rest),
    };
    // "0\r\n", the trailer's line, and an empty one.
    full + last + 3 + (HEADER.len() as u64 + 1 + 12 + 2) + 2
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
                let tail = format!("{end}0\r\n{HEADER}:{}\r\n\r\n", crc64::encode(crc));
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
            let crc = crc64::of(&[Bytes::from(data)]);
            assert_eq!(result.get(), Some(&crc));
            let tail = format!("0\r\n{HEADER}:{}\r\n\r\n", crc64::encode(crc));
            assert!(framed.ends_with(tail.as_bytes()), "{len}");
        }
    }
}
