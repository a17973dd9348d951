//! What is known of uploads in parts: kept in memory, and of those that outlive the process in a
//! journal as well, from which it is restored. The directory is locked by this process, so memory is
//! always right. What is done with an upload is `multipart`'s business.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;

use super::error::fault;
use super::journal::{self, Journal, Line};
use super::temp;
use crate::store::{Attributes, KeyRules, Multipart, ObjectKey, StoreError, StoreResult};

/// Uploads that have begun, by id.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Arc<Upload>>>);

/// An upload that has begun.
pub(super) struct Upload {
    pub(super) id: String,
    pub(super) key: ObjectKey,
    pub(super) attributes: Attributes,
    pub(super) part_size: u64,
    /// The directory of its files.
    pub(super) tmp: PathBuf,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    /// Whether the data is still there, and not an object or gone.
    pub(super) open: bool,
    /// Set for an upload that outlives the process.
    pub(super) journal: Option<Journal>,
    pub(super) parts: HashMap<u32, Slot>,
    /// Counts the writers.
    pub(super) writers: u64,
}

/// One part's place.
#[derive(Default)]
pub(super) struct Slot {
    /// The writer that has the part's place to itself. Until it is dropped: one whose caller has
    /// gone may still have a block under way.
    pub(super) place: Option<u64>,
    /// What was said to be stored, and where it lies.
    pub(super) confirmed: Option<Line>,
}

impl Uploads {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The upload, if it is the one that `multipart` says it is: all of that came from outside.
    pub(super) fn find(&self, multipart: &Multipart) -> StoreResult<Arc<Upload>> {
        self.lock()
            .get(&multipart.upload_id)
            .filter(|upload| upload.key == multipart.key && upload.part_size == multipart.part_size)
            .cloned()
            .ok_or(StoreError::NotFound)
    }

    pub(super) fn has(&self, upload_id: &str) -> bool {
        self.lock().contains_key(upload_id)
    }

    /// The uploads that an earlier process kept and that are not older than `expiry`.
    pub(super) fn restore(tmp: &Path, expiry: Duration) -> io::Result<Self> {
        let oldest = Utc::now().timestamp() - i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX);
        let mut uploads = HashMap::new();
        for id in temp::multiparts(tmp, journal::SUFFIX)? {
            let path = temp::multipart_path(tmp, &id, journal::SUFFIX);
            let Some((journal, head, lines)) = Journal::open(path)? else {
                continue;
            };
            let data = temp::multipart_path(tmp, &id, "");
            let (Ok(data), Ok(key)) = (fs::metadata(data), KeyRules::default().readable(&head.key))
            else {
                continue;
            };
            if head.begun < oldest {
                continue;
            }
            let mut parts: HashMap<u32, Slot> = HashMap::new();
            for line in lines {
                let place = match &line.aside {
                    // No path of anyone's making: only a name that we give.
                    Some(suffix) if !suffix.starts_with('.') || suffix.contains('/') => continue,
                    Some(suffix) => fs::metadata(temp::multipart_path(tmp, &id, suffix))
                        .is_ok_and(|file| file.len() == line.size),
                    None => {
                        let end =
                            u64::from(line.number.saturating_sub(1)) * head.part_size + line.size;
                        end <= data.len()
                    }
                };
                let slot = parts.entry(line.number).or_default();
                slot.confirmed = Some(line).filter(|_| place);
            }
            let state = State {
                open: true,
                journal: Some(journal),
                parts,
                // Above all that are in names.
                writers: u64::from(Utc::now().timestamp().unsigned_abs() as u32) << 20,
            };
            let upload = Upload {
                id: id.clone(),
                key,
                attributes: head.attributes,
                part_size: head.part_size,
                tmp: tmp.to_owned(),
                state: Mutex::new(state),
            };
            uploads.insert(id, Arc::new(upload));
        }
        Ok(Self(Mutex::new(uploads)))
    }
}

impl Upload {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self, suffix: &str) -> PathBuf {
        temp::multipart_path(&self.tmp, &self.id, suffix)
    }

    /// The data's file. It belongs to the upload as long as `state` is open.
    pub(super) fn open(&self, state: &State) -> StoreResult<File> {
        if !state.open {
            return Err(StoreError::NotFound);
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.path(""));
        file.map_err(fault)
    }

    pub(super) fn remove(&self, suffix: &str) {
        let path = self.path(suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("temporary file {} stays: {error}", path.display());
            }
            _ => {}
        }
    }

    /// Removes everything but the data. The journal first: without it the rest is nobody's.
    pub(super) fn close(&self, state: &mut State) {
        state.open = false;
        if state.journal.take().is_some() {
            self.remove(journal::SUFFIX);
        }
        for slot in state.parts.values() {
            if let Some(suffix) = slot.confirmed.as_ref().and_then(|line| line.aside.as_ref()) {
                self.remove(suffix);
            }
        }
        state.parts.clear();
    }

    /// Removes all of it.
    pub(super) fn discard(&self, state: &mut State) {
        if state.open {
            self.close(state);
            self.remove("");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // The process ends, or nobody has it any more; what has a journal stays for the next.
        let mut state = self.lock();
        if state.journal.is_none() {
            self.discard(&mut state);
        }
    }
}
