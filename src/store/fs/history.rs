//! An object's versions, and copies of them. A version's file never changes once it has its name,
//! so that a copy is a second name for it.

use std::fs::File;
use std::io::{self, Read};

use super::error::fault;
use super::temp::{TempFile, TempPath};
use super::tree::Tree;
use super::version::{self, Version as Entry};
use super::{commit, trailer};
use crate::store::{
    Attributes, Condition, MAX_VERSIONS, ObjectKey, ObjectMeta, StoreError, StoreResult, Version,
    Versions,
};

impl Tree {
    /// The newest versions, markers included.
    pub(super) fn versions(&self, key: &ObjectKey) -> StoreResult<Versions> {
        let dir = self.object_dir(key);
        let (entries, truncated) = version::newest_of(&dir, MAX_VERSIONS).map_err(fault)?;
        let mut versions = Vec::with_capacity(entries.len());
        for entry in entries {
            let size = match entry {
                Entry::Marker(_) => 0,
                Entry::Data(_) => match File::open(dir.join(entry.file_name())) {
                    // Deleted since its name was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    file => size_of(key, &file.map_err(fault)?)?,
                },
            };
            let is_delete_marker = entry.live().is_none();
            let mut meta = commit::describe(key.as_str(), entry.id(), size, Attributes::default());
            if is_delete_marker {
                meta.etag.clear();
            }
            versions.push(Version {
                meta,
                is_latest: versions.is_empty(),
                is_delete_marker,
            });
        }
        Ok(Versions {
            versions,
            truncated,
        })
    }

    /// Makes the version that `source` describes the current one of `to`.
    pub(super) fn copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let version = source.version_id.as_ref();
        let (file, meta) = self
            .open_version(from, version)
            .map_err(|error| match error {
                StoreError::NotFound => StoreError::Conflict("the source is gone".into()),
                error => error,
            })?;
        let path = self.object_dir(from).join(&meta.etag);
        // Some file systems have no links, and all have a limit for those of one file.
        if let Ok(mut link) = TempPath::link(&self.tmp, &path) {
            let name = link.path().ok_or(StoreError::NotFound)?;
            let copy = self.commit(name, to, meta.size, meta.attributes, condition)?;
            link.renamed();
            return Ok(copy);
        }
        let mut temp = TempFile::for_put(&self.tmp).map_err(fault)?;
        let copied = io::copy(&mut file.take(meta.size), &mut temp.file).map_err(fault)?;
        if copied != meta.size {
            return Err(StoreError::Corrupt("a version's file was cut".into()));
        }
        self.commit_put(temp, to, meta.size, meta.attributes, condition)
    }
}

/// Bytes of the object in `file`; of a damaged one those of the file, as in a listing.
fn size_of(key: &ObjectKey, file: &File) -> StoreResult<u64> {
    match trailer::read_size(file) {
        Ok(size) => Ok(size),
        Err(error) => {
            log::error!("a version of {:?}: {error}", key.as_str());
            Ok(file.metadata().map_err(fault)?.len())
        }
    }
}
