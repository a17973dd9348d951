//! What a store keeps of an object's past, and how it lets others in: versions and links.

use chrono::{DateTime, Utc};

use super::ObjectMeta;

/// Most versions that are told of one object: what S3 gives in one answer.
pub const MAX_VERSIONS: usize = 1000;

/// The newest versions of one object.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// Newest first; [`MAX_VERSIONS`] at most. Empty where there is no such object.
    pub versions: Vec<Version>,
    /// There are older ones that are not told.
    pub truncated: bool,
}

/// One version of an object.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its description; attributes are not known here. Of a delete marker the size is 0 and the
    /// etag empty.
    pub meta: ObjectMeta,
    /// What a read without a version gets.
    pub is_latest: bool,
    /// It says that from here on there was no object.
    pub is_delete_marker: bool,
}

/// Lets whoever has it read one object until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// How.
    pub access: Access,
    /// From this second on it is of no use.
    pub expires_at: DateTime<Utc>,
}

/// Where a [`Link`] leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// To the store itself: an absolute URL.
    Url(String),
    /// To this server, which asks [`super::Store::has_signed`] about it.
    Signature(String),
}
