//! What every store can do, in terms that name no store: objects, keys, ranges, conditions,
//! parts. The backends are private; callers see [`Store`] and errors by meaning.
//! Buffering, retries of whole uploads and HTTP belong to others.

mod backend;
mod error;
pub mod fs;
mod history;
mod key;
mod list;
mod object;
pub mod s3;

use std::time::Duration;

use async_trait::async_trait;

pub use backend::Backend;
pub use error::{StoreError, StoreResult};
pub use history::{Access, Link, MAX_VERSIONS, Version, Versions};
pub(crate) use key::is_folded;
pub use key::{INTERNAL_PREFIX, KEY_IN_PATH, KeyError, KeyRules, MAX_KEY_BYTES, ObjectKey};
pub use list::{ListPage, ListQuery};
pub use object::{
    Attributes, ByteRange, Bytestream, Condition, Download, Multipart, ObjectMeta, Part, Payload,
    RangeSpec, VersionId,
};

/// Where objects live. One value serves one worker thread; it is cheap to call and does no I/O
/// on the calling thread.
///
/// Every method either did what it says, durably, or returns an error and left no half-written
/// object visible.
#[async_trait]
pub trait Store: Send + Sync {
    /// Succeeds when the store answers and lets us list (S3 `ListObjectsV2` of one key).
    async fn check(&self) -> StoreResult<()>;

    /// Ends when calls make it doubtful whether the store still answers, so that it is worth a
    /// [`Store::check`]. Without one, a store that is not there may keep each call waiting.
    async fn doubted(&self) {
        std::future::pending::<()>().await;
    }

    /// One page of keys in UTF-8 byte order (S3 `ListObjectsV2`). The internal prefix is left
    /// out, so a page may be short, even empty, while `next_cursor` is set.
    ///
    /// Fails with [`StoreError::InvalidCursor`] for a cursor that this store did not give out.
    async fn list(&self, query: &ListQuery) -> StoreResult<ListPage>;

    /// An object's description (S3 `HeadObject`); the current version when none is named.
    async fn head(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<ObjectMeta>;

    /// An object's bytes (S3 `GetObject`), all or the part that `range` covers. With `if_match`,
    /// only if the object still has that etag, else [`StoreError::Precondition`].
    ///
    /// Fails with [`StoreError::Range`] when the range covers no byte of the object.
    async fn get(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<Download>;

    /// Stores a whole object (S3 `PutObject`); durable when it returns.
    async fn put(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        condition: &Condition,
        payload: Payload,
    ) -> StoreResult<ObjectMeta>;

    /// Removes the object, or one version of it (S3 `DeleteObject`). Also succeeds when there was
    /// nothing. Without a version, earlier versions are kept where the store keeps versions.
    async fn delete(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<()>;

    /// The versions of this one object, newest first (S3 `ListObjectVersions`).
    async fn versions(&self, key: &ObjectKey) -> StoreResult<Versions>;

    /// Makes `to` an object like the one that `source`, an answer of [`Store::head`] for `from`,
    /// describes: bytes and attributes, moved inside the store (S3 `CopyObject`). Confirmed and
    /// durable when it returns. `to` may be `from`: that makes an older version the current one.
    /// Not for what [`Store::copy_part_size`] says must go in parts.
    ///
    /// Fails with [`StoreError::Precondition`] when `condition` does not hold for `to`, and with
    /// [`StoreError::Conflict`] when the source has changed since.
    async fn copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta>;

    /// Bytes in each part but the last of a copy of `size` bytes that [`Store::copy`] cannot make: S3
    /// takes 5 GiB there, and not every store heeds `condition`. None where it can.
    async fn copy_part_size(&self, _size: u64, _condition: &Condition) -> StoreResult<Option<u64>> {
        Ok(None)
    }

    /// Begins a copy in parts (S3 `CreateMultipartUpload`): an upload whose object will be
    /// described as the source is, with the nonce of `attributes`.
    ///
    /// Fails with [`StoreError::Conflict`] when the source has changed since.
    async fn begin_copy(
        &self,
        _from: &ObjectKey,
        _source: &ObjectMeta,
        _to: &ObjectKey,
        _attributes: &Attributes,
        _part_size: u64,
    ) -> StoreResult<Multipart> {
        Err(StoreError::Unsupported("copies in parts".into()))
    }

    /// Makes part `number` (1 to 10,000) of its place in the source (S3 `UploadPartCopy`).
    ///
    /// Fails with [`StoreError::Conflict`] when the source has changed since.
    async fn copy_part(
        &self,
        _from: &ObjectKey,
        _source: &ObjectMeta,
        _multipart: &Multipart,
        _number: u32,
    ) -> StoreResult<Part> {
        Err(StoreError::Unsupported("copies in parts".into()))
    }

    /// A link to the current version, good for `lifetime` (whole seconds, 1 to 604,800) or less,
    /// which downloads as `disposition` says (S3: a presigned `GetObject`). Whether there is an
    /// object is not asked.
    async fn share(
        &self,
        key: &ObjectKey,
        lifetime: Duration,
        disposition: &str,
    ) -> StoreResult<Link>;

    /// Whether `signature` is one that [`Store::share`] gave for this key and this end, in seconds
    /// since 1970. Whether that has passed is not asked. Never where links lead to the store.
    fn has_signed(&self, key: &ObjectKey, expires: i64, signature: &str) -> bool;

    /// Begins an upload in parts (S3 `CreateMultipartUpload`). Part n, counted from 1, will hold
    /// the bytes from `(n - 1) * part_size` on.
    async fn create_multipart(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart>;

    /// Stores part `number` (1 to 10,000) (S3 `UploadPart`). A part sent again replaces the first.
    async fn upload_part(
        &self,
        multipart: &Multipart,
        number: u32,
        payload: Payload,
    ) -> StoreResult<Part>;

    /// Makes the object of its parts, in their order (S3 `CompleteMultipartUpload`); durable and
    /// visible when it returns.
    async fn complete_multipart(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<ObjectMeta>;

    /// Forgets an upload and its parts (S3 `AbortMultipartUpload`). Succeeds when it is gone.
    async fn abort_multipart(&self, multipart: &Multipart) -> StoreResult<()>;

    /// The parts that are stored, in order of their numbers (S3 `ListParts`, all its pages).
    ///
    /// Fails with [`StoreError::NotFound`] when the upload was completed or aborted.
    async fn list_parts(&self, multipart: &Multipart) -> StoreResult<Vec<Part>>;

    /// Makes an upload in parts outlive this process. Where it does so anyway (S3), nothing.
    async fn keep_multipart(&self, _multipart: &Multipart) -> StoreResult<()> {
        Ok(())
    }

    /// One page of the program's own temporary objects: those whose keys begin with
    /// [`INTERNAL_PREFIX`] and then `below`, in UTF-8 byte order.
    async fn list_internal(&self, below: &str, cursor: Option<&str>) -> StoreResult<ListPage>;
}
