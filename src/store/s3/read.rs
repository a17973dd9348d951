//! Reads: S3 `HeadObject` and `GetObject`. What their answers say is read in `answer`; how a download
//! goes on after a cut is `heal`'s business.

use std::io;

use futures_util::StreamExt;
use rusoto_core::ByteStream;
use rusoto_s3::{GetObjectRequest, HeadObjectOutput, HeadObjectRequest, S3};

use super::answer::{Described, describe, own_encoding, own_metadata, parse_content_range};
use super::meaning::of_read;
use super::{S3Store, heal};
use crate::store::{
    Attributes, ByteRange, Bytestream, Download, ObjectKey, ObjectMeta, RangeSpec, StoreError,
    StoreResult, VersionId,
};

impl S3Store {
    /// S3 `HeadObject`.
    pub(super) async fn ask_head(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> StoreResult<HeadObjectOutput> {
        let request = HeadObjectRequest {
            bucket: self.bucket(),
            key: self.full(key),
            version_id: version.map(|version| version.0.clone()),
            ..HeadObjectRequest::default()
        };
        let call = || self.call(self.s3.head_object(request.clone()));
        let credentials = &self.settings.credentials;
        match self.retry(call).await {
            // A HEAD's answer cannot say that the credentials have expired: another call's can.
            Err(error @ (StoreError::Malformed(_) | StoreError::Refused(_)))
                if credentials.are_lent() =>
            {
                let number = credentials.number();
                let _ = self.list_one().await;
                if credentials.number() == number {
                    return Err(error);
                }
                self.retry(call).await
            }
            outcome => outcome,
        }
    }

    /// S3 `HeadObject`, described.
    pub(super) async fn head_object(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> StoreResult<ObjectMeta> {
        let asked = self.ask_head(key, version).await;
        let head = asked.map_err(|error| of_read(error, key, version))?;
        describe(
            key,
            Described {
                size: head.content_length,
                etag: head.e_tag,
                last_modified: head.last_modified,
                version_id: head.version_id,
                attributes: Attributes {
                    content_type: head.content_type,
                    cache_control: head.cache_control,
                    content_language: head.content_language,
                    content_encoding: own_encoding(head.content_encoding),
                    ..own_metadata(head.metadata)
                },
            },
        )
    }

    async fn size_of(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<u64> {
        Ok(Box::pin(self.head_object(key, version)).await?.size)
    }

    /// S3 `GetObject`: an object, or a range of it, that goes on where S3 cuts it.
    pub(super) async fn get_object(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<Download> {
        let (meta, range, body) = self.open(key, version, range, if_match).await?;
        let whole = ByteRange {
            start: 0,
            end: meta.size,
        };
        let span = range.unwrap_or(whole);
        let body = heal::heal(self.clone(), key.clone(), &meta, span, body);
        Ok(Download { meta, range, body })
    }

    /// S3 `GetObject`: the object, the range that comes where it is not the whole, and the bytes
    /// as this one answer has them.
    pub(super) async fn open(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<(ObjectMeta, Option<ByteRange>, Bytestream)> {
        let request = GetObjectRequest {
            bucket: self.bucket(),
            key: self.full(key),
            version_id: version.map(|version| version.0.clone()),
            range: range.map(range_header),
            if_match: if_match.map(|etag| format!("\"{etag}\"")),
            ..GetObjectRequest::default()
        };
        let got = match self
            .retry(|| self.call(self.s3.get_object(request.clone())))
            .await
        {
            Ok(got) => got,
            Err(StoreError::Range { .. }) => {
                let size = self.size_of(key, version).await?;
                return Err(StoreError::Range { size });
            }
            Err(error) => return Err(of_read(error, key, version)),
        };
        if range.is_some() && got.content_length == Some(0) {
            // MinIO sends an empty 206 for the last bytes of an empty object.
            return Err(StoreError::Range { size: 0 });
        }
        let span = got
            .content_range
            .as_deref()
            .map(parse_content_range)
            .transpose()?;
        let size = match span {
            Some((_, total)) => i64::try_from(total).ok(),
            None => got.content_length,
        };
        let meta = describe(
            key,
            Described {
                size,
                etag: got.e_tag,
                last_modified: got.last_modified,
                version_id: got.version_id,
                attributes: Attributes {
                    content_type: got.content_type,
                    cache_control: got.cache_control,
                    content_language: got.content_language,
                    content_encoding: own_encoding(got.content_encoding),
                    ..own_metadata(got.metadata)
                },
            },
        )?;
        let body = got.body.unwrap_or_else(|| ByteStream::from(Vec::new()));
        let body = body.map(|chunk| {
            chunk.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => StoreError::Timeout(error.into()),
                _ => StoreError::Unavailable(error.into()),
            })
        });
        Ok((meta, span.map(|(range, _)| range), body.boxed()))
    }
}

fn range_header(range: RangeSpec) -> String {
    // Stores keep these in 64 bits with a sign, and ignore or refuse what does not fit. No object
    // is as long as this.
    let near = |offset: u64| offset.min(1 << 60);
    match range {
        RangeSpec::From(start) => format!("bytes={}-", near(start)),
        RangeSpec::Between(first, last) => format!("bytes={}-{}", near(first), near(last)),
        RangeSpec::Last(count) => format!("bytes=-{}", near(count)),
    }
}
