//! The store in a local directory: every object a directory of versions, every version one file
//! that is written aside, fsynced and renamed. A crash leaves the old object or the new one.
//! Here the calls become blocking tasks; what they do is in the modules below.
//! Keys, HTTP and the assembly of parts belong to others.
//!
//! ```text
//! DATA_DIR/lock       held by the process that uses the directory
//! DATA_DIR/share.key  signs links, see `share`
//! DATA_DIR/tmp/       files being written
//! DATA_DIR/objects/   the tree, see `layout` and `version`
//! ```

mod commit;
mod error;
mod history;
mod journal;
mod layout;
mod list;
mod multipart;
mod part;
mod payload;
mod read;
mod scope;
mod share;
mod temp;
#[cfg(test)]
mod tests;
mod trailer;
mod tree;
mod uploads;
mod version;
mod walk;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Access, Attributes, ByteRange, Condition, Download, INTERNAL_PREFIX, Link, ListPage, ListQuery,
    Multipart, ObjectKey, ObjectMeta, Part, Payload, RangeSpec, Store, StoreError, StoreResult,
    VersionId, Versions,
};
use error::fault;
use temp::TempFile;
use tree::Tree;

/// Objects in a local directory. One value serves all workers.
pub struct FsStore {
    /// Shared with blocking tasks, which may outlive the call that began them.
    tree: Arc<Tree>,
}

impl FsStore {
    /// [`FsStore::open_keeping`] uploads for a week.
    pub fn open(data_dir: &Path) -> io::Result<Arc<Self>> {
        Self::open_keeping(data_dir, Duration::from_hours(7 * 24))
    }

    /// Opens the store in `data_dir`, which is made where it does not exist, and removes what a
    /// killed process left half-written, but for the uploads in parts that were to outlive it and
    /// are not older than `expiry`. Blocking; for the program's start.
    ///
    /// Fails with [`io::ErrorKind::ResourceBusy`] while another process uses the directory.
    pub fn open_keeping(data_dir: &Path, expiry: Duration) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            tree: Arc::new(Tree::open(data_dir, expiry)?),
        }))
    }

    /// Runs `work` on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let tree = Arc::clone(&self.tree);
        blocking(move || work(&tree)).await
    }
}

#[async_trait]
impl Store for FsStore {
    async fn check(&self) -> StoreResult<()> {
        self.run(|tree| {
            fs::read_dir(&tree.objects).map_err(fault)?;
            drop(TempFile::for_check(&tree.tmp).map_err(fault)?);
            Ok(())
        })
        .await
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<ListPage> {
        let query = query.clone();
        self.run(move |tree| list::page(&tree.objects, &query, &list::Bounds::default()))
            .await
    }

    async fn head(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<ObjectMeta> {
        let (key, version) = (key.clone(), version.cloned());
        self.run(move |tree| Ok(tree.open_version(&key, version.as_ref())?.1))
            .await
    }

    async fn get(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<Download> {
        let (key, version) = (key.clone(), version.cloned());
        let (file, meta) = self
            .run(move |tree| tree.open_version(&key, version.as_ref()))
            .await?;
        if if_match.is_some_and(|etag| etag != meta.etag) {
            return Err(StoreError::Precondition);
        }
        let range = range.map(|range| range.resolve(meta.size)).transpose()?;
        let whole = ByteRange {
            start: 0,
            end: meta.size,
        };
        let body = read::stream(file, range.unwrap_or(whole));
        Ok(Download { meta, range, body })
    }

    async fn put(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        condition: &Condition,
        payload: Payload,
    ) -> StoreResult<ObjectMeta> {
        let (key, attributes, condition) = (key.clone(), attributes.clone(), condition.clone());
        let size = payload.len();
        match payload {
            Payload::Gathered(blocks) => {
                self.run(move |tree| {
                    tree.check(&key, &condition)?;
                    let mut temp = TempFile::for_put(&tree.tmp).map_err(fault)?;
                    payload::write_all(&mut temp, &blocks)?;
                    tree.commit_put(temp, &key, size, attributes, &condition)
                })
                .await
            }
            Payload::Streamed { len, body } => {
                let create = |tree: &Tree| TempFile::for_put(&tree.tmp).map_err(fault);
                let temp = payload::pour(self.run(create).await?, len, body).await?;
                self.run(move |tree| tree.commit_put(temp, &key, size, attributes, &condition))
                    .await
            }
        }
    }

    async fn delete(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<()> {
        let (key, version) = (key.clone(), version.cloned());
        self.run(move |tree| match version {
            Some(version) => tree.delete_version(&key, &version),
            None => tree.delete(&key),
        })
        .await
    }

    async fn versions(&self, key: &ObjectKey) -> StoreResult<Versions> {
        let key = key.clone();
        self.run(move |tree| tree.versions(&key)).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let (from, source) = (from.clone(), source.clone());
        let (to, condition) = (to.clone(), condition.clone());
        self.run(move |tree| tree.copy(&from, &source, &to, &condition))
            .await
    }

    async fn share(&self, key: &ObjectKey, lifetime: Duration, _: &str) -> StoreResult<Link> {
        let expires_at = DateTime::from_timestamp(Utc::now().timestamp(), 0)
            .and_then(|now| now.checked_add_signed(TimeDelta::from_std(lifetime).ok()?))
            .ok_or_else(|| StoreError::Unavailable("the clock is beyond all dates".into()))?;
        Ok(Link {
            access: Access::Signature(self.tree.signer.sign(key, expires_at.timestamp())),
            expires_at,
        })
    }

    fn has_signed(&self, key: &ObjectKey, expires: i64, signature: &str) -> bool {
        self.tree.signer.has_signed(key, expires, signature)
    }

    async fn create_multipart(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart> {
        let (key, attributes) = (key.clone(), attributes.clone());
        self.run(move |tree| tree.create_multipart(key, attributes, part_size))
            .await
    }

    async fn upload_part(
        &self,
        multipart: &Multipart,
        number: u32,
        payload: Payload,
    ) -> StoreResult<Part> {
        let multipart = multipart.clone();
        let size = payload.len();
        match payload {
            Payload::Gathered(blocks) => {
                self.run(move |tree| {
                    let mut part = tree.begin_part(&multipart, number, size)?;
                    payload::write_all(&mut part, &blocks)?;
                    part.finish()
                })
                .await
            }
            Payload::Streamed { len, body } => {
                let part = self
                    .run(move |tree| tree.begin_part(&multipart, number, size))
                    .await?;
                let part = payload::pour(part, len, body).await?;
                blocking(move || part.finish()).await
            }
        }
    }

    async fn complete_multipart(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let (multipart, parts) = (multipart.clone(), parts.to_vec());
        let condition = condition.clone();
        self.run(move |tree| tree.complete_multipart(&multipart, &parts, &condition))
            .await
    }

    async fn abort_multipart(&self, multipart: &Multipart) -> StoreResult<()> {
        let multipart = multipart.clone();
        self.run(move |tree| {
            tree.abort_multipart(&multipart);
            Ok(())
        })
        .await
    }

    async fn list_parts(&self, multipart: &Multipart) -> StoreResult<Vec<Part>> {
        let multipart = multipart.clone();
        self.run(move |tree| tree.list_parts(&multipart)).await
    }

    async fn keep_multipart(&self, multipart: &Multipart) -> StoreResult<()> {
        let multipart = multipart.clone();
        self.run(move |tree| tree.keep_multipart(&multipart)).await
    }

    async fn list_internal(&self, below: &str, cursor: Option<&str>) -> StoreResult<ListPage> {
        let query = ListQuery {
            prefix: format!("{INTERNAL_PREFIX}{below}"),
            delimiter: None,
            limit: 1000,
            cursor: cursor.map(str::to_owned),
        };
        self.run(move |tree| list::page(&tree.objects, &query, &list::Bounds::internal()))
            .await
    }
}

/// Runs `work` on a blocking thread of this worker. It runs to its end even when the caller goes.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> StoreResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable(error.into())),
    }
}

fn random(bits: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bits).map_err(|error| io::Error::other(error.to_string()))
}
