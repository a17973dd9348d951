//! The moment a finished file becomes an object's current version, and the moment a version
//! goes: under the key's lock, durable before it is said. Writing the file is others' business.

use std::fs::{self, File};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::{fault, is_absent};
use super::payload::Sink;
use super::temp::TempFile;
use super::tree::Tree;
use super::version::{self, Id, Version};
use super::{layout, trailer};
use crate::store::{
    Attributes, Condition, ObjectKey, ObjectMeta, StoreError, StoreResult, VersionId,
};

/// Keys share this many locks: a lock is held for one rename and its fsyncs only, and 64 is far
/// above the blocking threads that could want one at once.
const LOCKS: usize = 64;

/// Each failed try means that a delete elsewhere took an empty parent away just then.
const TRIES: usize = 16;

/// One lock for each key, near enough. Taken on blocking threads only.
pub(super) struct KeyLocks([Mutex<()>; LOCKS]);

impl KeyLocks {
    pub(super) fn new() -> Self {
        Self([const { Mutex::new(()) }; LOCKS])
    }

    fn lock(&self, key: &ObjectKey) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(key);
        let lock = &self.0[hash as usize % LOCKS];
        // It guards no data: after a panic the files are as whole as after a crash.
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tree {
    /// Ends the file with its trailer and commits it.
    pub(super) fn commit_put(
        &self,
        mut temp: TempFile,
        key: &ObjectKey,
        size: u64,
        attributes: Attributes,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        temp.write(&trailer::encode(size, &attributes)?)?;
        temp.file.sync_all().map_err(fault)?;
        let from = temp.path.path().ok_or(StoreError::NotFound)?;
        let meta = self.commit(from, key, size, attributes, condition)?;
        temp.path.renamed();
        Ok(meta)
    }

    /// Whether a condition holds now: one that does not is told before bytes are written for
    /// nothing. It is judged again, under the key's lock, at the commit.
    pub(super) fn check(&self, key: &ObjectKey, condition: &Condition) -> StoreResult<()> {
        if *condition == Condition::None {
            return Ok(());
        }
        let newest = version::newest(&self.object_dir(key)).map_err(fault)?;
        if holds(condition, newest) {
            Ok(())
        } else {
            Err(StoreError::Precondition)
        }
    }

    /// Makes the file at `from`, complete and fsynced, the current version of `key`.
    pub(super) fn commit(
        &self,
        from: &Path,
        key: &ObjectKey,
        size: u64,
        attributes: Attributes,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let dir = self.object_dir(key);
        let _lock = self.locks.lock(key);
        let newest = version::newest(&dir).map_err(fault)?;
        if !holds(condition, newest) {
            return Err(StoreError::Precondition);
        }
        let id = Id::after(newest.map(Version::id)).map_err(fault)?;
        let target = dir.join(Version::Data(id).file_name());
        if let Err(error) = place(from, &dir, &target) {
            // Directories made for nothing, on a disk that may be full.
            self.prune(&dir);
            return Err(fault(error));
        }
        if let Err(error) = self.sync_up(&dir) {
            // What may not last must not be seen either.
            drop(fs::rename(&target, from));
            return Err(fault(error));
        }
        Ok(describe(key.as_str(), id, size, attributes))
    }

    /// Ends the object with a marker; earlier versions stay.
    pub(super) fn delete(&self, key: &ObjectKey) -> StoreResult<()> {
        let dir = self.object_dir(key);
        let _lock = self.locks.lock(key);
        let Some(newest @ Version::Data(_)) = version::newest(&dir).map_err(fault)? else {
            return Ok(());
        };
        let id = Id::after(Some(newest.id())).map_err(fault)?;
        let path = dir.join(Version::Marker(id).file_name());
        let marker = File::create_new(&path).map_err(fault)?;
        if let Err(error) = marker.sync_all().and_then(|()| sync(&dir)) {
            drop(fs::remove_file(&path));
            return Err(fault(error));
        }
        Ok(())
    }

    /// Removes one version, or one marker.
    pub(super) fn delete_version(&self, key: &ObjectKey, version: &VersionId) -> StoreResult<()> {
        let Some(id) = Id::parse(&version.0) else {
            return Ok(());
        };
        let dir = self.object_dir(key);
        let _lock = self.locks.lock(key);
        for version in [Version::Data(id), Version::Marker(id)] {
            match fs::remove_file(dir.join(version.file_name())) {
                Ok(()) => {
                    sync(&dir).map_err(fault)?;
                    self.prune(&dir);
                    return Ok(());
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(fault(error)),
            }
        }
        Ok(())
    }

    pub(super) fn object_dir(&self, key: &ObjectKey) -> PathBuf {
        self.objects.join(layout::object_dir(key.as_str()))
    }

    /// `dir` and its parents up to the root. All of them, not only those this write created:
    /// another write may have created one a moment ago and not have synced it yet. Where nothing
    /// changed, a sync costs little.
    fn sync_up(&self, dir: &Path) -> io::Result<()> {
        self.below_root(dir).try_for_each(sync)?;
        sync(&self.objects)
    }

    /// Removes `dir` and its parents as long as they are empty. Not synced: an empty directory
    /// that comes back after a crash is no key.
    fn prune(&self, dir: &Path) {
        for dir in self.below_root(dir) {
            match fs::remove_dir(dir) {
                Ok(()) => {}
                // Making the path may have failed half way down.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return,
            }
        }
    }

    /// `dir` and its parents, without the root.
    fn below_root<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a Path> {
        dir.ancestors().take_while(|dir| *dir != self.objects)
    }
}

/// An object as the store describes it. The id is the etag too: unique to each write.
pub(super) fn describe(key: &str, id: Id, size: u64, attributes: Attributes) -> ObjectMeta {
    ObjectMeta {
        key: key.to_owned(),
        size,
        etag: id.to_string(),
        last_modified: id.time(),
        version_id: Some(VersionId(id.to_string())),
        attributes,
    }
}

fn holds(condition: &Condition, newest: Option<Version>) -> bool {
    let current = newest.and_then(Version::live);
    match condition {
        Condition::None => true,
        Condition::IfAbsent => current.is_none(),
        Condition::IfMatch(etag) => current.is_some_and(|id| id.to_string() == *etag),
    }
}

fn place(from: &Path, dir: &Path, target: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        let result = fs::create_dir_all(dir).and_then(|()| fs::rename(from, target));
        // Existed when it was to be made, gone when it was looked at: the first of these.
        let pruned = result.as_ref().is_err_and(|error| {
            use io::ErrorKind::{AlreadyExists, NotFound};
            matches!(error.kind(), AlreadyExists | NotFound)
        });
        if !pruned || tries == TRIES {
            return result;
        }
    }
}

/// Makes a directory's names durable.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
