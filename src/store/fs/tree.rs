//! The directory as a process has it open: locked, swept of what a killed process left half-written,
//! with what is kept in memory of it. What is done in it is in the modules that add to [`Tree`].

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::commit::{self, KeyLocks};
use super::share::Signer;
use super::temp;
use super::uploads::Uploads;

pub(super) struct Tree {
    pub(super) objects: PathBuf,
    pub(super) tmp: PathBuf,
    pub(super) locks: KeyLocks,
    pub(super) uploads: Uploads,
    pub(super) signer: Signer,
    /// Locked as long as it is open.
    _lock: File,
}

impl Tree {
    /// See [`super::FsStore::open_keeping`].
    pub(super) fn open(data_dir: &Path, expiry: Duration) -> io::Result<Self> {
        fs::create_dir_all(data_dir)?;
        let data_dir = data_dir.canonicalize()?;
        let objects = data_dir.join("objects");
        let tmp = data_dir.join("tmp");
        fs::create_dir_all(&objects)?;
        fs::create_dir_all(&tmp)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data_dir.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let text = format!("another process uses {}", data_dir.display());
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            TryLockError::Error(error) => error,
        })?;
        let uploads = Uploads::restore(&tmp, expiry)?;
        temp::sweep(&tmp, |upload_id| uploads.has(upload_id))?;
        let signer = Signer::open(&data_dir, &tmp)?;
        // The directory itself may be new too.
        for dir in data_dir.ancestors().take(2) {
            // A parent that only others may read is not ours to sync, and was not made by us.
            match commit::sync(dir) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                result => result?,
            }
        }
        Ok(Self {
            objects,
            tmp,
            locks: KeyLocks::new(),
            uploads,
            signer,
            _lock: lock,
        })
    }
}
