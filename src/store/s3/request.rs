//! Requests that rusoto's operations cannot express: writes with a condition, bodies of several
//! blocks, and answers whose document is read here. Signed and sent through rusoto's client.

use std::convert::Infallible;

use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use rusoto_core::request::HttpResponse;
use rusoto_core::signature::SignedRequest;
use rusoto_core::{ByteStream, RusotoError};

use super::retry::{retry, retry_if};
use super::{S3Store, meaning, parse_http_date, unquote};
use crate::store::{
    Attributes, Condition, Multipart, ObjectKey, ObjectMeta, Part, Payload, StoreError,
    StoreResult, VersionId,
};

/// Up to here a body is signed with its SHA-256, on the thread that signs: 64 KiB take 40 µs.
const SIGNED_BYTES: usize = 64 << 10;

impl S3Store {
    fn request(&self, method: &str, key: &ObjectKey) -> SignedRequest {
        let path = format!("/{}/{}", self.settings.bucket, self.full(key));
        SignedRequest::new(method, "s3", &self.settings.region, &path)
    }

    /// Signs and sends; anything but a success is an error by meaning.
    async fn send(&self, request: SignedRequest) -> StoreResult<HttpResponse> {
        let mut response = self
            .signer
            .sign_and_dispatch(request)
            .await
            .map_err(|error| meaning::of_rusoto(RusotoError::<Infallible>::from(error)))?;
        if response.status.is_success() {
            return Ok(response);
        }
        let status = response.status.as_u16();
        let body = response
            .buffer()
            .await
            .map_err(|e| meaning::of_dispatch(&e))?;
        Err(meaning::of_answer(status, &body.body))
    }

    /// Sends a payload; a gathered one again while that is allowed and of use.
    async fn send_payload(
        &self,
        payload: Payload,
        again: fn(&StoreError) -> bool,
        build: impl Fn() -> SignedRequest,
    ) -> StoreResult<HttpResponse> {
        match payload {
            Payload::Gathered(blocks) => {
                retry_if(again, || {
                    let mut request = build();
                    set_gathered(&mut request, &blocks);
                    self.send(request)
                })
                .await
            }
            Payload::Streamed { len, body } => {
                let mut request = build();
                let body = body.map(|chunk| chunk.map_err(std::io::Error::other));
                request.set_payload_stream(ByteStream::new_with_size(body, len as usize));
                self.send(request).await
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
        let response = self
            .send_payload(payload, again, || {
                let mut request = self.request("PUT", key);
                add_attributes(&mut request, attributes);
                add_condition(&mut request, condition);
                request
            })
            .await
            .map_err(|error| of_condition(error, condition))?;
        let header = |name: &str| response.headers.get(name).cloned();
        let etag = header("etag").ok_or_else(|| StoreError::Corrupt("S3 gave no ETag".into()))?;
        Ok(ObjectMeta {
            key: key.as_str().to_owned(),
            size,
            etag: unquote(Some(etag)),
            // S3 dates the object in the second in which it answers.
            last_modified: match header("date") {
                Some(date) => parse_http_date(&date)?,
                None => Utc::now(),
            },
            version_id: header("x-amz-version-id").map(VersionId),
            attributes: attributes.clone(),
        })
    }

    /// S3 `UploadPart`.
    pub(super) async fn put_part(
        &self,
        multipart: &Multipart,
        number: u32,
        payload: Payload,
    ) -> StoreResult<Part> {
        let size = payload.len();
        let response = self
            .send_payload(payload, StoreError::is_transient, || {
                let mut request = self.request("PUT", &multipart.key);
                request.add_param("partNumber", &number.to_string());
                request.add_param("uploadId", &multipart.upload_id);
                request
            })
            .await?;
        let etag = response.headers.get("etag").cloned();
        Ok(Part {
            number,
            size,
            etag: etag.ok_or_else(|| StoreError::Corrupt("S3 gave a part no ETag".into()))?,
        })
    }

    /// S3 `CompleteMultipartUpload`; the new object's version where the bucket keeps versions.
    pub(super) async fn complete(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<Option<VersionId>> {
        let document = Bytes::from(complete_document(parts));
        let call = || async {
            let mut request = self.request("POST", &multipart.key);
            request.add_param("uploadId", &multipart.upload_id);
            add_condition(&mut request, condition);
            request.set_payload(Some(document.clone()));
            let mut response = self.send(request).await?;
            let version = response.headers.get("x-amz-version-id").cloned();
            let body = response
                .buffer()
                .await
                .map_err(|e| meaning::of_dispatch(&e))?;
            // A 200 may carry an error: S3 begins to answer before it knows.
            match meaning::xml_text(&body.body, "ETag") {
                Some(etag) if !etag.is_empty() => Ok(version.map(VersionId)),
                _ => Err(meaning::of_answer(200, &body.body)),
            }
        };
        let outcome = match condition {
            // S3 answers a second completion of the same parts like the first.
            Condition::None => retry(call).await,
            _ => retry_if(meaning::never_sent, call).await,
        };
        outcome.map_err(|error| of_condition(error, condition))
    }
}

/// `If-Match` on what is not there: some stores answer 404 where others answer 412.
fn of_condition(error: StoreError, condition: &Condition) -> StoreError {
    match (error, condition) {
        (StoreError::NotFound, Condition::IfMatch(_)) => StoreError::Precondition,
        (error, _) => error,
    }
}

fn set_gathered(request: &mut SignedRequest, blocks: &[Bytes]) {
    match blocks {
        [] => request.set_payload(Some(Bytes::new())),
        [block] if block.len() <= SIGNED_BYTES => request.set_payload(Some(block.clone())),
        _ => {
            let size = blocks.iter().map(Bytes::len).sum();
            let body = stream::iter(Vec::from(blocks).into_iter().map(Ok));
            request.set_payload_stream(ByteStream::new_with_size(body, size));
        }
    }
}

fn add_attributes(request: &mut SignedRequest, attributes: &Attributes) {
    for (name, value) in [
        ("content-type", &attributes.content_type),
        ("cache-control", &attributes.cache_control),
        ("content-language", &attributes.content_language),
        ("content-encoding", &attributes.content_encoding),
    ] {
        request.add_optional_header(name, value.as_ref());
    }
    for (name, value) in &attributes.metadata {
        request.add_header(format!("x-amz-meta-{name}"), value);
    }
}

fn add_condition(request: &mut SignedRequest, condition: &Condition) {
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
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        );
    }
    text.push_str("</CompleteMultipartUpload>");
    text
}
