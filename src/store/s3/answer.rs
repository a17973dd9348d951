//! What S3's answers say of objects, in our terms: their descriptions, keys, etags, ranges and times.
//! What a failure means is told in `meaning`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;

use crate::store::{
    Attributes, ByteRange, ObjectKey, ObjectMeta, StoreError, StoreResult, VersionId,
};

/// The metadata by which an upload's object is known again: see `upload::settle`.
pub(super) const NONCE: &str = "upload-nonce";

pub(super) struct Described {
    pub(super) size: Option<i64>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    pub(super) version_id: Option<String>,
    pub(super) attributes: Attributes,
}

pub(super) fn describe(key: &ObjectKey, from: Described) -> StoreResult<ObjectMeta> {
    let missing = |what| StoreError::Corrupt(format!("S3 gave no {what}").into());
    let modified = from.last_modified.ok_or_else(|| missing("Last-Modified"))?;
    Ok(ObjectMeta {
        key: key.as_str().to_owned(),
        size: from
            .size
            .and_then(|size| size.try_into().ok())
            .ok_or_else(|| missing("Content-Length"))?,
        etag: unquote(Some(from.etag.ok_or_else(|| missing("ETag"))?)),
        last_modified: parse_http_date(&modified)?,
        version_id: from.version_id.map(VersionId),
        attributes: from.attributes,
    })
}

/// The users' metadata, and apart from it the nonce that is ours.
pub(super) fn own_metadata(metadata: Option<HashMap<String, String>>) -> Attributes {
    let mut metadata = metadata.unwrap_or_default();
    let nonce = metadata.remove(NONCE);
    let mut metadata: Vec<_> = metadata.into_iter().collect();
    metadata.sort();
    Attributes {
        metadata,
        nonce,
        ..Attributes::default()
    }
}

/// The uploader's encoding: some stores keep the framing in which an object came beside it.
pub(super) fn own_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let own: Vec<_> = encoding
        .split(',')
        .map(str::trim)
        .filter(|text| !text.eq_ignore_ascii_case("aws-chunked") && !text.is_empty())
        .collect();
    (!own.is_empty()).then(|| own.join(", "))
}

pub(super) fn unquote(etag: Option<String>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// `bytes a-b/size`.
pub(super) fn parse_content_range(text: &str) -> StoreResult<(ByteRange, u64)> {
    let parsed = text.strip_prefix("bytes ").and_then(|rest| {
        let (span, size) = rest.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let range = ByteRange {
            start: first.parse().ok()?,
            end: last.parse::<u64>().ok()?.checked_add(1)?,
        };
        (range.start < range.end).then_some((range, size.parse().ok()?))
    });
    parsed.ok_or_else(|| StoreError::Corrupt(format!("S3's Content-Range is {text:?}").into()))
}

pub(super) fn parse_http_date(text: &str) -> StoreResult<DateTime<Utc>> {
    httpdate::parse_http_date(text)
        .map(DateTime::<Utc>::from)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

pub(super) fn parse_rfc3339(text: Option<&str>) -> StoreResult<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text.unwrap_or_default())
        .map(Into::into)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

/// With `encoding-type=url` S3 form-encodes keys: a space is a plus.
pub(super) fn decode_listed(text: &str) -> StoreResult<String> {
    percent_decode_str(&text.replace('+', "%20"))
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_or_refused() {
        let (range, size) = parse_content_range("bytes 2-4/10").unwrap();
        assert_eq!((range.start, range.end, size), (2, 5, 10));
        for odd in [
            "",
            "bytes */10",
            "bytes 4-2/10",
            "bytes 0-18446744073709551615/1",
            "0-1/2",
        ] {
            assert!(parse_content_range(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn listed_keys_are_decoded_as_s3_encodes_them() {
        assert_eq!(decode_listed("a+b%2Bc%00").unwrap(), "a b+c\0");
        assert!(decode_listed("%ff").is_err());
    }
}
