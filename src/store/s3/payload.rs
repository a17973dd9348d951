//! Bodies of objects and of parts: how they are sent, what goes with them for S3 to check, and
//! whether its answer bears that out. What follows from an answer that does not is the caller's
//! business, as is whether to send again.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryFutureExt, stream};
use rusoto_core::ByteStream;
use rusoto_core::signature::SignedRequest;

use super::answer::unquote;
use super::integrity::Check;
use super::transport::Document;
use super::{S3Store, crc64, framing, integrity, meaning, sign};
use crate::store::{Payload, StoreError, StoreResult};

impl S3Store {
    /// Sends a payload in the way of `check`; a gathered one again while `again` allows it.
    /// Returns the CRC-64 that was given with it.
    pub(super) async fn send_payload(
        &self,
        payload: Payload,
        check: Check,
        again: fn(&StoreError) -> bool,
        build: impl Fn() -> SignedRequest,
    ) -> StoreResult<Sent> {
        match payload {
            Payload::Gathered(blocks) => {
                let proof = Proof::of(&blocks, check).await?;
                let answer = self
                    .retry_if(again, || {
                        let mut request = build();
                        let sha = proof.add_to(&mut request);
                        set_gathered(&mut request, &blocks);
                        self.send(request, sha).map_err(meaning::of_unread)
                    })
                    .await?;
                let crc64 = match proof {
                    Proof::Crc64(crc) => Some(crc),
                    Proof::Sha256(_) | Proof::Md5(_) => None,
                };
                Ok(Sent {
                    answer,
                    crc64,
                    md5: None,
                })
            }
            Payload::Streamed { len, body } if check == Check::Crc64 => {
                let mut request = build();
                // One header: of two, a strict store takes none.
                let own = request.headers().get("content-encoding");
                let own = own.map(|values| values.concat());
                let own = own.and_then(|value| String::from_utf8(value).ok());
                request.remove_header("content-encoding");
                let encoding = match own {
                    Some(own) => format!("aws-chunked,{own}"),
                    None => "aws-chunked".to_owned(),
                };
                request.add_header("content-encoding", &encoding);
                request.add_header("x-amz-decoded-content-length", &len.to_string());
                request.add_header("x-amz-trailer", crc64::HEADER);
                let crc = Arc::new(OnceLock::new());
                let body = framing::framed(body, len, Arc::clone(&crc));
                set_stream(&mut request, body, framing::framed_len(len));
                let sent = self.send(request, sign::UNSIGNED_TRAILER).await;
                Ok(Sent {
                    answer: sent.map_err(meaning::of_unread)?,
                    crc64: crc.get().copied(),
                    md5: None,
                })
            }
            Payload::Streamed { len, body } => {
                let mut request = build();
                let (body, md5) = integrity::hashed(body, len);
                set_stream(&mut request, body, len);
                let sent = self.send(request, sign::UNSIGNED).await;
                Ok(Sent {
                    answer: sent.map_err(meaning::of_unread)?,
                    crc64: None,
                    md5: md5.get().cloned(),
                })
            }
        }
    }
}

/// A body that S3 has taken, and what we know of it.
pub(super) struct Sent {
    pub(super) answer: Document,
    pub(super) crc64: Option<u64>,
    /// Of a stream without CRC-64, in lower hex.
    md5: Option<String>,
}

impl Sent {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }

    /// Fails with [`StoreError::Corrupt`] when S3 has something else than what was sent, and with
    /// [`StoreError::Unavailable`] when it was given a CRC-64 and does not say that it found it.
    pub(super) fn verdict(&self) -> StoreResult<()> {
        if let (Some(theirs), Some(ours)) = (self.plain_md5(), &self.md5)
            && theirs != *ours
        {
            let text = "the ETag is not the MD5 of what was sent";
            return Err(StoreError::Corrupt(text.into()));
        }
        let Some(ours) = self.crc64 else {
            return Ok(());
        };
        match self.header(crc64::HEADER).map(crc64::decode) {
            Some(theirs) if theirs == Some(ours) => Ok(()),
            Some(_) => Err(StoreError::Corrupt("S3 computed another CRC-64".into())),
            None => Err(StoreError::Unavailable(
                "S3 did not confirm the CRC-64".into(),
            )),
        }
    }

    /// The ETag where it is the MD5 of the bytes: not so under SSE-KMS and SSE-C.
    fn plain_md5(&self) -> Option<String> {
        let encrypted = self
            .header("x-amz-server-side-encryption")
            .unwrap_or_default();
        let customer = self.header("x-amz-server-side-encryption-customer-algorithm");
        if encrypted.starts_with("aws:kms") || customer.is_some() {
            return None;
        }
        let etag = unquote(self.header("etag").map(str::to_owned));
        let is_md5 = etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit());
        is_md5.then(|| etag.to_ascii_lowercase())
    }
}

/// What goes with a gathered body so that S3 can check it.
enum Proof {
    Crc64(u64),
    Sha256(String),
    Md5(String),
}

impl Proof {
    async fn of(blocks: &[Bytes], check: Check) -> StoreResult<Self> {
        match check {
            Check::Crc64 => Ok(Self::Crc64(crc64::of(blocks))),
            Check::Sha256 => on_blocking_thread(blocks, sign::sha256_hex_of)
                .await
                .map(Self::Sha256),
            Check::Md5 => on_blocking_thread(blocks, integrity::md5_base64)
                .await
                .map(Self::Md5),
        }
    }

    /// Adds its header; returns the `x-amz-content-sha256` that goes with it.
    fn add_to(&self, request: &mut SignedRequest) -> &str {
        match self {
            Self::Crc64(crc) => {
                request.add_header(crc64::HEADER, &crc64::encode(*crc));
                sign::UNSIGNED
            }
            Self::Sha256(hex) => hex,
            Self::Md5(base64) => {
                request.add_header("content-md5", base64);
                sign::UNSIGNED
            }
        }
    }
}

/// Up to here hashing costs less than handing it over: 64 KiB of SHA-256 take 40 µs.
const HASH_HERE_BYTES: usize = 64 << 10;

async fn on_blocking_thread(blocks: &[Bytes], hash: fn(&[Bytes]) -> String) -> StoreResult<String> {
    if blocks.iter().map(Bytes::len).sum::<usize>() <= HASH_HERE_BYTES {
        return Ok(hash(blocks));
    }
    let blocks = blocks.to_vec();
    tokio::task::spawn_blocking(move || hash(&blocks))
        .await
        .map_err(|error| StoreError::Unavailable(error.into()))
}

fn set_gathered(request: &mut SignedRequest, blocks: &[Bytes]) {
    match blocks {
        [] => request.set_payload(Some(Bytes::new())),
        [block] => request.set_payload(Some(block.clone())),
        _ => {
            let size = blocks.iter().map(Bytes::len).sum();
            let body = stream::iter(Vec::from(blocks).into_iter().map(Ok));
            request.set_payload_stream(ByteStream::new_with_size(body, size));
        }
    }
}

fn set_stream(
    request: &mut SignedRequest,
    body: impl Stream<Item = StoreResult<Bytes>> + Send + 'static,
    len: u64,
) {
    let body = body.map(|chunk| chunk.map_err(std::io::Error::other));
    request.set_payload_stream(ByteStream::new_with_size(body, len as usize));
}
