//! Uploads in parts: S3 `CreateMultipartUpload`, `UploadPart`, `CompleteMultipartUpload` and
//! `AbortMultipartUpload`. How a part's body goes is `payload`'s business, which parts are there is
//! `parts`', and what an upload is cut into its caller's.

use std::fmt::Write as _;

use bytes::Bytes;
use chrono::Utc;
use rusoto_s3::{AbortMultipartUploadRequest, S3};

use super::answer::unquote;
use super::integrity::Check;
use super::request::add_condition;
use super::{S3Store, crc64, document, meaning, sign};
use crate::store::{
    Attributes, Condition, Multipart, ObjectKey, ObjectMeta, Part, Payload, StoreError,
    StoreResult, VersionId,
};

impl S3Store {
    /// S3 `CreateMultipartUpload`, with CRC-64 declared where that is in force.
    pub(super) async fn create_upload(
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
        // Twice would leave one behind that nobody knows of: what may have gone in is not repeated.
        let created = self.retry_if(meaning::did_nothing, || call(crc64)).await;
        match created {
            Err(error)
                if crc64 && meaning::knows_no_checksum(&error) && checks.fall_back(&error) =>
            {
                self.retry_if(meaning::did_nothing, || call(false)).await
            }
            Ok(multipart) if crc64 && !multipart.crc64 => {
                let ignored = "CreateMultipartUpload did not confirm CRC64NVME";
                if checks.fall_back(&ignored) {
                    return Ok(multipart);
                }
                Box::pin(self.abort_upload(&multipart)).await?;
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

    /// S3 `CompleteMultipartUpload`, and how the new object is described.
    pub(super) async fn complete_upload(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let (etag, version) = self.send_completion(multipart, parts, condition).await?;
        // S3 dates such an object by its beginning, which only HEAD tells. That it is there is
        // known already: not being let to read, or finding another writer's, takes nothing away.
        let made = Box::pin(self.head_object(&multipart.key, version.as_ref())).await;
        match made {
            Ok(meta) if meta.etag == etag => Ok(meta),
            // What it says it made is not there: whoever settles that looks for it once more.
            Err(StoreError::NotFound) => Err(StoreError::Unavailable(
                "S3 said that an object is complete, and has none".into(),
            )),
            _ => Ok(ObjectMeta {
                key: multipart.key.as_str().to_owned(),
                size: parts.iter().map(|part| part.size).sum(),
                etag,
                last_modified: Utc::now(),
                version_id: version,
                attributes: Attributes::default(),
            }),
        }
    }

    /// The new object's etag, and its version where the bucket keeps versions.
    async fn send_completion(
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
            _ => self.retry_if(meaning::may_repeat, call).await,
        };
        outcome.map_err(|error| meaning::of_condition(error, condition))
    }

    /// S3 `AbortMultipartUpload`. Succeeds when it is gone.
    pub(super) async fn abort_upload(&self, multipart: &Multipart) -> StoreResult<()> {
        let request = AbortMultipartUploadRequest {
            bucket: self.bucket(),
            key: self.full(&multipart.key),
            upload_id: multipart.upload_id.clone(),
            ..AbortMultipartUploadRequest::default()
        };
        match self
            .retry(|| self.call(self.s3.abort_multipart_upload(request.clone())))
            .await
        {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The parts' list as S3 wants it. Etags come from S3; what XML reserves is escaped all the same.
fn complete_document(parts: &[Part]) -> String {
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
