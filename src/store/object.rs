//! Objects as every store describes them: metadata, attributes, ranges, conditions, payloads.

use std::pin::Pin;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::{StoreError, StoreResult};

/// Chunks of an object on their way, in order. An error ends it.
pub type Bytestream = Pin<Box<dyn Stream<Item = StoreResult<Bytes>> + Send>>;

/// A version of an object, opaque: it means something only to the store that gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionId(pub String);

/// What the uploader says of an object besides its bytes; stored with it and given back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `x-amz-meta-*`: names in lower case without that prefix, in order of name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<(String, String)>,
    /// A random name that one upload gives its object, to know it again when an answer is lost.
    /// Stored beside the metadata as `x-amz-meta-upload-nonce`, never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// What is known of a stored object.
#[derive(Debug, Clone)]
pub struct ObjectMeta {
    /// Its key, without `KEY_PREFIX`. Not an `ObjectKey`: a bucket may hold any.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Strong entity tag without quotes.
    pub etag: String,
    /// When it was stored.
    pub last_modified: DateTime<Utc>,
    /// None where the store keeps no versions, and in listings.
    pub version_id: Option<VersionId>,
    /// Empty in listings.
    pub attributes: Attributes,
}

/// A range as asked for (RFC 9110 section 14.1.2), before the object's size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// From this offset to the end.
    From(u64),
    /// From the first offset to the second, inclusive; the second is not below the first.
    Between(u64, u64),
    /// The last so many bytes.
    Last(u64),
}

/// Bytes `start..end` of an object; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
}

impl RangeSpec {
    /// The bytes meant in an object of `size` bytes, or [`StoreError::Range`] when there are none.
    pub fn resolve(self, size: u64) -> StoreResult<ByteRange> {
        let (start, end) = match self {
            Self::From(start) => (start, size),
            Self::Between(first, last) => (first, size.min(last.saturating_add(1))),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        if start < end {
            Ok(ByteRange { start, end })
        } else {
            Err(StoreError::Range { size })
        }
    }
}

/// When a write may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only if there is no object of this key (`If-None-Match: *`).
    IfAbsent,
    /// Only if the object has this etag, given without quotes (`If-Match`).
    IfMatch(String),
}

impl Condition {
    /// Whether it holds where the object's etag is this; None where there is no object.
    #[must_use]
    pub fn holds(&self, etag: Option<&str>) -> bool {
        match self {
            Self::None => true,
            Self::IfAbsent => etag.is_none(),
            Self::IfMatch(want) => etag == Some(want),
        }
    }
}

/// An object being read.
pub struct Download {
    /// The object's description; `meta.size` is the size of the whole.
    pub meta: ObjectMeta,
    /// The bytes that `body` yields; None when it yields the whole object.
    pub range: Option<ByteRange>,
    /// The bytes.
    pub body: Bytestream,
}

/// Bytes to be stored, of a length known beforehand.
pub enum Payload {
    /// All here, in order; may be sent again when the store fails.
    Gathered(Vec<Bytes>),
    /// On their way; can be sent only once. The stream yields exactly `len` bytes or fails.
    Streamed {
        /// Bytes in all.
        len: u64,
        /// The bytes.
        body: Bytestream,
    },
}

impl Payload {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Gathered(blocks) => blocks.iter().map(|b| b.len() as u64).sum(),
            Self::Streamed { len, .. } => *len,
        }
    }

    /// Whether there is no byte in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An upload in parts that has begun.
#[derive(Debug, Clone)]
pub struct Multipart {
    /// The key it will have.
    pub key: super::ObjectKey,
    /// The store's name for it (S3 `UploadId`).
    pub upload_id: String,
    /// Bytes in every part but the last.
    pub part_size: u64,
    /// Whether the store was told to check CRC-64s: then every part must come with one.
    pub crc64: bool,
}

/// A part that the store has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// The store's tag for it, as it wants it back.
    pub etag: String,
    /// CRC-64/NVME of its bytes, where the store checks those.
    pub crc64: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_to_the_object() {
        let bytes = |start, end| Some(ByteRange { start, end });
        for (spec, size, want) in [
            (RangeSpec::From(0), 10, bytes(0, 10)),
            (RangeSpec::From(9), 10, bytes(9, 10)),
            (RangeSpec::From(10), 10, None),
            (RangeSpec::Between(2, 4), 10, bytes(2, 5)),
            (RangeSpec::Between(2, u64::MAX), 10, bytes(2, 10)),
            (RangeSpec::Last(3), 10, bytes(7, 10)),
            (RangeSpec::Last(30), 10, bytes(0, 10)),
            (RangeSpec::Last(0), 10, None),
            (RangeSpec::From(0), 0, None),
        ] {
            assert_eq!(spec.resolve(size).ok(), want, "{spec:?} of {size}");
        }
    }
}
