//! Copies inside S3: `CopyObject`, and for objects that are too large for it the calls of which
//! `upload::copy` makes one in parts. The bytes never come here.

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::Utc;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rusoto_core::signature::SignedRequest;
use rusoto_s3::{CreateMultipartUploadRequest, S3};

use super::answer::{NONCE, parse_rfc3339, unquote};
use super::request::add_condition;
use super::{S3Store, document, meaning, sign};
use crate::config::MAX_PARTS;
use crate::store::{
    Attributes, Condition, KEY_IN_PATH, Multipart, ObjectKey, ObjectMeta, Part, Payload,
    StoreError, StoreResult, VersionId,
};

/// Most that `CopyObject` takes, 5 GiB (Amazon S3 API Reference, CopyObject).
pub(super) const MAX_COPY_BYTES: u64 = 5 << 30;
/// Bytes in a part copied by S3, unless 10,000 of them are too few. S3 copies several hundred
/// MB/s, so that a part is done before anyone asks whether it still lives.
const PART_BYTES: u64 = 512 << 20;

impl S3Store {
    /// S3 `CopyObject`: metadata and tags go along.
    pub(super) async fn copy_object(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        // S3 takes the condition along with the copy. Asked first it fails before anything is done.
        self.expect(to, condition).await?;
        if source.size == 0 && !self.copies_heed(condition).await? {
            // No parts could hold nothing.
            let nothing = Payload::Gathered(Vec::new());
            let attributes = Attributes {
                nonce: None,
                ..source.attributes.clone()
            };
            return Box::pin(self.put_object(to, &attributes, condition, nothing)).await;
        }
        match self.copy_whole(from, source, to, condition).await {
            // Only the source's condition was there to fail, or the source itself.
            Err(error) if *condition == Condition::None => Err(of_source(error)),
            Err(StoreError::NotFound) => Err(of_source(StoreError::NotFound)),
            outcome => outcome,
        }
    }

    /// Fails unless `condition` holds now.
    async fn expect(&self, key: &ObjectKey, condition: &Condition) -> StoreResult<()> {
        if *condition == Condition::None {
            return Ok(());
        }
        let current = match Box::pin(self.head_object(key, None)).await {
            Ok(meta) => Some(meta.etag),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error),
        };
        if condition.holds(current.as_deref()) {
            Ok(())
        } else {
            Err(StoreError::Precondition)
        }
    }

    async fn copy_whole(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let call = |condition: Condition| async move {
            let mut request = self.request("PUT", to);
            self.add_source(&mut request, from, source);
            let settings = &self.settings;
            request.add_optional_header("x-amz-server-side-encryption", settings.sse.as_ref());
            request.add_optional_header("x-amz-storage-class", settings.storage_class.as_ref());
            add_condition(&mut request, &condition);
            request.set_payload(Some(Bytes::new()));
            let (document, version) = self.send_copy(request).await?;
            let modified = document::result(&document, "LastModified");
            Ok(ObjectMeta {
                key: to.as_str().to_owned(),
                size: source.size,
                etag: etag_of(&document)?,
                last_modified: match modified {
                    Some(time) => parse_rfc3339(Some(&time))?,
                    None => Utc::now(),
                },
                version_id: version,
                attributes: source.attributes.clone(),
            })
        };
        let copied = match condition {
            // Done twice it is the same object once more.
            Condition::None => self.retry(|| call(Condition::None)).await,
            _ => {
                self.retry_if(meaning::did_nothing, || call(condition.clone()))
                    .await
            }
        };
        match copied {
            Err(error) if *condition != Condition::None && error.is_unsupported() => {
                self.retry(|| call(Condition::None)).await
            }
            outcome => outcome.map_err(|error| meaning::of_condition(error, condition)),
        }
    }

    /// S3 `CreateMultipartUpload`. Headers and metadata are carried over, also those of no meaning
    /// to this program; tags are not.
    pub(super) async fn create_copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        attributes: &Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart> {
        let asked = self.ask_head(from, source.version_id.as_ref()).await;
        let head = asked.map_err(of_source)?;
        if unquote(head.e_tag) != source.etag {
            return Err(of_source(StoreError::Precondition));
        }
        let mut metadata = head.metadata.unwrap_or_default();
        metadata.extend(attributes.nonce.clone().map(|nonce| (NONCE.into(), nonce)));
        let request = CreateMultipartUploadRequest {
            bucket: self.bucket(),
            key: self.full(to),
            content_type: head.content_type,
            content_disposition: head.content_disposition,
            content_encoding: head.content_encoding,
            content_language: head.content_language,
            cache_control: head.cache_control,
            expires: head.expires,
            website_redirect_location: head.website_redirect_location,
            metadata: Some(metadata),
            server_side_encryption: self.settings.sse.clone(),
            storage_class: self.settings.storage_class.clone(),
            ..CreateMultipartUploadRequest::default()
        };
        // Twice would leave one behind that nobody knows of: what may have gone in is not repeated.
        let created = self
            .retry_if(meaning::did_nothing, || {
                self.call(self.s3.create_multipart_upload(request.clone()))
            })
            .await?;
        Ok(Multipart {
            key: to.clone(),
            upload_id: created
                .upload_id
                .filter(|id| !id.is_empty())
                .ok_or_else(|| StoreError::Corrupt("S3 gave no upload id".into()))?,
            part_size,
            // S3 computes checksums of its own; none come from here to be declared.
            crc64: false,
        })
    }

    /// S3 `UploadPartCopy`.
    pub(super) async fn put_copied_part(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        multipart: &Multipart,
        number: u32,
    ) -> StoreResult<Part> {
        let start = u64::from(number - 1) * multipart.part_size;
        let end = source.size.min(start + multipart.part_size);
        let call = || async {
            let mut request = self.request("PUT", &multipart.key);
            request.add_param("partNumber", &number.to_string());
            request.add_param("uploadId", &multipart.upload_id);
            self.add_source(&mut request, from, source);
            // S3 takes no range of an object of 5 MB or less.
            if end - start < source.size {
                let range = format!("bytes={start}-{}", end - 1);
                request.add_header("x-amz-copy-source-range", &range);
            }
            request.set_payload(Some(Bytes::new()));
            let (document, _) = self.send_copy(request).await?;
            etag_of(&document)
        };
        let etag = self.retry(call).await.map_err(of_source)?;
        Ok(Part {
            number,
            size: end - start,
            etag: format!("\"{etag}\""),
            crc64: None,
        })
    }

    /// What is copied: this version, if it has one, with this etag.
    pub(super) fn add_source(
        &self,
        request: &mut SignedRequest,
        from: &ObjectKey,
        source: &ObjectMeta,
    ) {
        let path = format!("{}/{}", self.settings.bucket, self.full(from));
        let mut value = utf8_percent_encode(&path, KEY_IN_PATH).to_string();
        if let Some(VersionId(version)) = &source.version_id {
            let version = utf8_percent_encode(version, NON_ALPHANUMERIC);
            let _ = write!(value, "?versionId={version}");
        }
        request.add_header("x-amz-copy-source", &value);
        let etag = format!("\"{}\"", source.etag);
        request.add_header("x-amz-copy-source-if-match", &etag);
    }

    /// The answer's document, which a 200 may have an error in: S3 begins to answer, and sends
    /// white space, before it has copied.
    pub(super) async fn send_copy(
        &self,
        request: SignedRequest,
    ) -> StoreResult<(Bytes, Option<VersionId>)> {
        let sent = self.send(request, sign::EMPTY).await;
        let answer = sent.map_err(meaning::of_unread)?;
        let version = answer.version();
        Ok((answer.body, version))
    }
}

/// What a copy hears when its source is not any more what it was.
fn of_source(error: StoreError) -> StoreError {
    match error {
        StoreError::Precondition => StoreError::Conflict("the source has changed".into()),
        StoreError::NotFound => StoreError::Conflict("the source is gone".into()),
        other => other,
    }
}

pub(super) fn etag_of(document: &[u8]) -> StoreResult<String> {
    match document::result(document, "ETag") {
        Some(etag) if !etag.is_empty() => Ok(unquote(Some(etag))),
        _ => Err(meaning::of_unread(meaning::of_answer(200, document))),
    }
}

/// Bytes in a part of a copy that is too large for one call.
pub(super) fn part_size(size: u64, max_copy_bytes: u64) -> u64 {
    PART_BYTES.min(max_copy_bytes).max(size.div_ceil(MAX_PARTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_every_size() {
        assert_eq!(part_size(6 << 30, MAX_COPY_BYTES), 512 << 20);
        // S3's limit for an object.
        let largest = 50_000_000_000_000;
        let size = part_size(largest, MAX_COPY_BYTES);
        assert!(largest.div_ceil(size) <= MAX_PARTS && size <= MAX_COPY_BYTES);
    }

    #[test]
    fn a_200_with_an_error_in_it_is_an_error() {
        let late = b"   <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>";
        assert!(matches!(etag_of(late), Err(StoreError::Unavailable(_))));
        assert!(etag_of(b"").is_err());
        let good = b"\n\n<CopyObjectResult><ETag>&quot;abc&quot;</ETag></CopyObjectResult>";
        assert_eq!(etag_of(good).unwrap(), "abc");
    }
}
