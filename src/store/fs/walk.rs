//! Walks the tree of objects in key order, lazily, and past every directory that cannot hold a
//! key in scope. Which keys are in scope, and what a page makes of them, is `list`'s business.

use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{fault, is_absent};
use super::layout::{self, Kind};
use super::scope::Scope;
use super::trailer;
use super::version::{self, Id, Version};
use crate::store::StoreResult;

/// A directory of the tree on its way to be visited. Ordered by key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// What keys below begin with; for an object the key.
    start: Vec<u8>,
    is_object: bool,
    path: PathBuf,
}

/// Entries of one directory still to be visited.
struct Level {
    dir: PathBuf,
    start: Vec<u8>,
    /// In order, the first one last.
    entries: Vec<Entry>,
    /// There are more after these: the last of them, to go on from.
    more_after: Option<Vec<u8>>,
}

/// The keys in scope, in UTF-8 byte order. A loop with its own stack: a key may be 1,024
/// directories deep, too deep for recursion on a small thread stack.
pub(super) struct Walk {
    levels: Vec<Level>,
    /// Entries of one level held at once.
    names: usize,
}

impl Walk {
    /// Begins at the root of the tree.
    pub(super) fn new(root: &Path, names: usize, scope: &Scope) -> StoreResult<Self> {
        let root = Level::read(root.to_owned(), Vec::new(), None, names, scope);
        Ok(Self {
            levels: vec![root.map_err(fault)?],
            names,
        })
    }

    /// The next object's directory in scope. The scope may shrink from call to call.
    pub(super) fn next(&mut self, scope: &Scope) -> StoreResult<Option<Found>> {
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.entries.pop() else {
                let level = self.levels.pop();
                if let Some(Level {
                    dir,
                    start,
                    more_after: Some(after),
                    ..
                }) = level
                {
                    self.descend(dir, start, Some(&after), scope)?;
                }
                continue;
            };
            if !entry.is_in(scope) {
                continue;
            }
            if !entry.is_object {
                self.descend(entry.path, entry.start, None, scope)?;
            } else if let Ok(key) = String::from_utf8(entry.start) {
                // Not UTF-8: no key of ours.
                let newest = version::newest(&entry.path).map_err(fault)?;
                return Ok(Some(Found {
                    key,
                    live: newest.and_then(Version::live),
                    dir: entry.path,
                }));
            }
        }
        Ok(None)
    }

    fn descend(
        &mut self,
        dir: PathBuf,
        start: Vec<u8>,
        after: Option<&[u8]>,
        scope: &Scope,
    ) -> StoreResult<()> {
        match Level::read(dir, start, after, self.names, scope) {
            Ok(level) => self.levels.push(level),
            // Its last key was deleted while we walked, or it is a file and none of ours.
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(fault(error)),
        }
        Ok(())
    }
}

impl Level {
    /// The first `names` entries in scope after `after`: a directory of a million names must not
    /// cost memory for a million.
    fn read(
        dir: PathBuf,
        start: Vec<u8>,
        after: Option<&[u8]>,
        names: usize,
        scope: &Scope,
    ) -> io::Result<Self> {
        let mut first = BinaryHeap::new();
        let mut is_cut = false;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some((kind, bytes)) = layout::parse_name(&name) else {
                continue;
            };
            let start = [start.as_slice(), &bytes].concat();
            if after.is_some_and(|after| start.as_slice() <= after) {
                continue;
            }
            let entry = Entry {
                start,
                is_object: kind == Kind::Object,
                path: dir.join(name),
            };
            if !entry.is_in(scope) {
                continue;
            }
            first.push(entry);
            if first.len() > names {
                first.pop();
                is_cut = true;
            }
        }
        let mut entries = first.into_sorted_vec();
        let more_after = entries
            .last()
            .filter(|_| is_cut)
            .map(|last| last.start.clone());
        entries.reverse();
        Ok(Self {
            dir,
            start,
            entries,
            more_after,
        })
    }
}

impl Entry {
    fn is_in(&self, scope: &Scope) -> bool {
        if self.is_object {
            scope.has_key(&self.start)
        } else {
            scope.may_lie_below(&self.start)
        }
    }
}

/// A key that has a directory.
pub(super) struct Found {
    pub(super) key: String,
    /// The current version; None where the object is deleted.
    pub(super) live: Option<Id>,
    dir: PathBuf,
}

impl Found {
    /// Size of version `id` in bytes; None where it went meanwhile.
    pub(super) fn size(&self, id: Id) -> StoreResult<Option<u64>> {
        let path = self.dir.join(Version::Data(id).file_name());
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(fault)?,
        };
        match trailer::read_size(&file) {
            Ok(size) => Ok(Some(size)),
            // Listed as it lies there: one damaged file must hide neither itself nor its
            // neighbours. Reading it says what is wrong.
            Err(error) => {
                log::error!("{:?} in a listing: {error}", self.key);
                Ok(Some(file.metadata().map_err(fault)?.len()))
            }
        }
    }
}
