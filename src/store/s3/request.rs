//! Requests that rusoto's operations cannot express: writes with a condition, bodies of several
//! blocks, and answers whose document is read here. Signed and sent through rusoto's client.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::Utc;
use futures_util::{Stream, StreamExt, TryFutureExt, stream};
use rusoto_core::ByteStream;
use rusoto_core::signature::SignedRequest;

use super::integrity::Check;
use super::transport::Document;
use super::{
    S3Store, crc64, document, framing, integrity, meaning, parse_http_date, sign, unquote,
};
use crate::store::{
    Attributes, Condition, Multipart, ObjectKey, ObjectMeta, Part, Payload, Store, StoreError,
    StoreResult, VersionId,
};

impl S3Store {
    pub(super) fn request(&self, method: &str, key: &ObjectKey) -> SignedRequest {
        let path = format!("/{}/{}", self.settings.bucket, self.full(key));
        SignedRequest::new(method, "s3", &self.settings.region, &path)
    }

    /// Signs and sends; anything but a success is an error by meaning.
    pub(super) async fn send(
        &self,
        mut request: SignedRequest,
        content_sha256: &str,
    ) -> StoreResult<Document> {
        let settings = &self.settings;
        let lease = settings.credentials.get().await?;
        let signer = &settings.signer;
        signer.sign(&mut request, &lease.keys, content_sha256, Utc::now());
        let answer = self.transport.ask(request).await;
        let answer = answer.map_err(|error| meaning::of_dispatch(&error))?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let error = meaning::of_answer(answer.status.as_u16(), &answer.body);
        if meaning::is_of_credentials(&error) {
            return Err(Box::pin(self.refused(error, lease.number)).await);
        }
        Err(error)
    }

    /// Sends a payload in the way of `check`; a gathered one again while `again` allows it.
    /// Returns the CRC-64 that was given with it.
    async fn send_payload(
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

    /// S3 `PutObject`.
    pub(super) async fn put_object(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        condition: &Condition,
        payload: Payload,
    ) -> StoreResult<ObjectMeta> {
        let size = payload.len();
        // A conditional write whose answer is lost would meet itself when it is sent again.
        let again = match condition {
            Condition::None => StoreError::is_transient,
            _ => meaning::never_sent,
        };
        let build = || {
            let mut request = self.request("PUT", key);
            self.add_attributes(&mut request, key, attributes);
            add_condition(&mut request, condition);
            request
        };
        let checks = &self.settings.checks;
        let check = checks.check();
        let repeatable = match &payload {
            Payload::Gathered(blocks) => Some(blocks.clone()),
            Payload::Streamed { .. } => None,
        };
        let streamed = repeatable.is_none();
        let mut sent = self.send_payload(payload, check, again, build).await;
        // A 501 to a condition is about the condition.
        if check == Check::Crc64
            && let Err(error) = &sent
            && !(error.is_unsupported() && *condition != Condition::None)
            && meaning::knows_no_checksum(error)
            && checks.fall_back(error)
            && let Some(blocks) = repeatable
        {
            let payload = Payload::Gathered(blocks);
            sent = self
                .send_payload(payload, checks.check(), again, build)
                .await;
        }
        let sent = sent.map_err(|error| of_condition(error, condition))?;
        let version = sent.answer.version();
        if let Err(wrong) = sent.verdict() {
            let unproven = matches!(wrong, StoreError::Unavailable(_));
            // S3 only does not say so, and what was gathered was in no framing of ours. An answer
            // without ETag is not S3's, and says nothing of what S3 can do.
            let is_theirs = sent.header("etag").is_some();
            let may_stay = unproven && is_theirs && checks.fall_back(&wrong) && !streamed;
            if !may_stay {
                let nonce = attributes.nonce.as_deref();
                return Err(self.take_back(key, version, nonce, wrong).await);
            }
        }
        // Without it nobody knows what was stored: the nonce tells.
        let etag = sent
            .header("etag")
            .ok_or_else(|| StoreError::Unavailable("S3 gave no ETag".into()))?
            .to_owned();
        // S3 dates the object in the second in which it answers.
        let date = sent
            .header("date")
            .and_then(|date| parse_http_date(date).ok());
        Ok(ObjectMeta {
            key: key.as_str().to_owned(),
            size,
            etag: unquote(Some(etag)),
            last_modified: date.unwrap_or_else(Utc::now),
            version_id: version,
            attributes: attributes.clone(),
        })
    }

    /// Removes what was stored and is not what was sent; returns why the write failed. Where it
    /// cannot be removed that is nothing that a nonce may settle: it is there, and wrong.
    async fn take_back(
        &self,
        key: &ObjectKey,
        version: Option<VersionId>,
        nonce: Option<&str>,
        wrong: StoreError,
    ) -> StoreError {
        let removed = async {
            let version = match version {
                Some(version) => Some(version),
                // Another writer may have come since: only what is ours is removed.
                None => match self.head(key, None).await {
                    Ok(now) if now.attributes.nonce.as_deref() == nonce => now.version_id,
                    Ok(_) | Err(StoreError::NotFound) => return Ok(()),
                    Err(error) => return Err(error),
                },
            };
            self.delete(key, version.as_ref()).await
        };
        match removed.await {
            Ok(()) => wrong,
            Err(error) => {
                log::error!("an object that is not what was sent stays in S3: {wrong}; {error}");
                StoreError::Corrupt(wrong.to_string().into())
            }
        }
    }

    /// S3 `CreateMultipartUpload`, with CRC-64 declared where that is in force.
    pub(super) async fn create(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart> {
        let checks = &self.settings.checks;
        let crc64 = checks.check() == Check::Crc64;
        let call = |crc64: bool| async move {
            let mut request = self.request("POST", key);
            request.add_param("uploads", "");
            self.add_attributes(&mut request, key, attributes);
            if crc64 {
                request.add_header("x-amz-checksum-algorithm", "CRC64NVME");
                request.add_header("x-amz-checksum-type", "FULL_OBJECT");
            }
            request.set_payload(Some(Bytes::new()));
            let answer = self.send(request, sign::EMPTY).await?;
            let declared = answer
                .header("x-amz-checksum-algorithm")
                .is_some_and(|name| name.eq_ignore_ascii_case("CRC64NVME"));
            match document::result(&answer.body, "UploadId") {
                Some(upload_id) if !upload_id.is_empty() => Ok(Multipart {
                    key: key.clone(),
                    upload_id,
                    part_size,
                    crc64: crc64 && declared,
                }),
                _ => Err(meaning::of_answer(200, &answer.body)),
            }
        };
        // Twice would leave one behind that nobody knows of: only what never arrived is repeated.
        let created = self.retry_if(meaning::never_sent, || call(crc64)).await;
        match created {
            Err(error)
                if crc64 && meaning::knows_no_checksum(&error) && checks.fall_back(&error) =>
            {
                self.retry_if(meaning::never_sent, || call(false)).await
            }
            Ok(multipart) if crc64 && !multipart.crc64 => {
                let ignored = "CreateMultipartUpload did not confirm CRC64NVME";
                if checks.fall_back(&ignored) {
                    return Ok(multipart);
                }
                self.abort_multipart(&multipart).await?;
                Err(StoreError::Refused(ignored.into()))
            }
            outcome => outcome,
        }
    }

    /// S3 `UploadPart`.
    pub(super) async fn put_part(
        &self,
        multipart: &Multipart,
        number: u32,
        payload: Payload,
    ) -> StoreResult<Part> {
        let size = payload.len();
        let check = if multipart.crc64 {
            Check::Crc64
        } else {
            self.settings.checks.check_without_crc()
        };
        let sent = self
            .send_payload(payload, check, StoreError::is_transient, || {
                let mut request = self.request("PUT", &multipart.key);
                request.add_param("partNumber", &number.to_string());
                request.add_param("uploadId", &multipart.upload_id);
                request
            })
            .await?;
        if let Err(wrong) = sent.verdict() {
            if size > 0 {
                // It would count when the upload is resumed, and no call removes one part: an empty
                // one in its place ends the run of full parts.
                let nothing = Payload::Gathered(Vec::new());
                let emptied = Box::pin(self.put_part(multipart, number, nothing)).await;
                if let Err(error) = emptied {
                    log::error!("a part that is not what was sent stays in S3: {wrong}; {error}");
                }
            }
            return Err(wrong);
        }
        let etag = sent.header("etag").map(str::to_owned);
        Ok(Part {
            number,
            size,
            etag: etag.ok_or_else(|| StoreError::Corrupt("S3 gave a part no ETag".into()))?,
            crc64: sent.crc64,
        })
    }

    /// S3 `CompleteMultipartUpload`; the new object's etag, and its version where the bucket keeps
    /// versions.
    pub(super) async fn complete(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<(String, Option<VersionId>)> {
        let document = Bytes::from(complete_document(parts));
        let whole = if multipart.crc64 {
            crc64::combine(parts)
        } else {
            None
        };
        let call = || async {
            let mut request = self.request("POST", &multipart.key);
            request.add_param("uploadId", &multipart.upload_id);
            add_condition(&mut request, condition);
            if let Some(crc) = whole {
                request.add_header("x-amz-checksum-type", "FULL_OBJECT");
                request.add_header(crc64::HEADER, &crc64::encode(crc));
            }
            request.set_payload(Some(document.clone()));
            let sha = sign::sha256_hex(&document);
            let sent = self.send(request, &sha).await;
            let answer = sent.map_err(meaning::of_unread)?;
            // A 200 may carry an error: S3 begins to answer before it knows.
            match document::result(&answer.body, "ETag") {
                Some(etag) if !etag.is_empty() => Ok((unquote(Some(etag)), answer.version())),
                _ => Err(meaning::of_unread(meaning::of_answer(200, &answer.body))),
            }
        };
        let outcome = match condition {
            // S3 answers a second completion of the same parts like the first, MinIO with a 404
            // that the object's nonce settles.
            Condition::None => self.retry(call).await,
            _ => self.retry_if(meaning::never_sent, call).await,
        };
        outcome.map_err(|error| of_condition(error, condition))
    }

    fn add_attributes(
        &self,
        request: &mut SignedRequest,
        key: &ObjectKey,
        attributes: &Attributes,
    ) {
        let settings = &self.settings;
        // Temporary objects live for seconds and are read again: no class that bills them for a
        // month, or that gives them back after hours.
        let storage_class = settings
            .storage_class
            .as_ref()
            .filter(|_| !key.is_internal());
        request.add_optional_header("x-amz-storage-class", storage_class);
        for (name, value) in [
            ("content-type", &attributes.content_type),
            ("cache-control", &attributes.cache_control),
            ("content-language", &attributes.content_language),
            ("content-encoding", &attributes.content_encoding),
            ("x-amz-server-side-encryption", &settings.sse),
            ("x-amz-meta-upload-nonce", &attributes.nonce),
        ] {
            request.add_optional_header(name, value.as_ref());
        }
        for (name, value) in &attributes.metadata {
            request.add_header(format!("x-amz-meta-{name}"), value);
        }
    }
}

/// A body that S3 has taken, and what we know of it.
struct Sent {
    answer: Document,
    crc64: Option<u64>,
    /// Of a stream without CRC-64, in lower hex.
    md5: Option<String>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }

    /// Fails with [`StoreError::Corrupt`] when S3 has something else than what was sent, and with
    /// [`StoreError::Unavailable`] when it was given a CRC-64 and does not say that it found it.
    fn verdict(&self) -> StoreResult<()> {
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

/// `If-Match` on what is not there: some stores answer 404 where others answer 412.
pub(super) fn of_condition(error: StoreError, condition: &Condition) -> StoreError {
    match (error, condition) {
        (StoreError::NotFound, Condition::IfMatch(_)) => StoreError::Precondition,
        (error, _) => error,
    }
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

pub(super) fn add_condition(request: &mut SignedRequest, condition: &Condition) {
    match condition {
        Condition::None => {}
        Condition::IfAbsent => request.add_header("if-none-match", "*"),
        Condition::IfMatch(etag) => request.add_header("if-match", &format!("\"{etag}\"")),
    }
}

/// The parts' list as S3 wants it. Etags come from S3; what XML reserves is escaped all the same.
fn complete_document(parts: &[Part]) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("<CompleteMultipartUpload>");
    for part in parts {
        let etag = part
            .etag
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;");
        let number = part.number;
        let _ = write!(
            text,
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
        );
        if let Some(crc) = part.crc64 {
            let crc = crc64::encode(crc);
            let _ = write!(text, "<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>");
        }
        text.push_str("</Part>");
    }
    text.push_str("</CompleteMultipartUpload>");
    text
}
