//! What goes into a zip: keys in order, and what is learnt of each as it is sent. All that has to
//! be held until the end, packed, and bounded before the first byte is sent.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::name;

/// Most entries in one zip.
pub const MAX_ENTRIES: usize = 100_000;
/// Most memory of one catalog in bytes: [`MAX_ENTRIES`] with keys of 80 bytes below their folder.
pub const MAX_BYTES: usize = MAX_ENTRIES * (size_of::<Entry>() + 80);
/// Memory is taken in steps of as many bytes as there are, within these: a small zip does not take
/// the room of many.
const STEPS: RangeInclusive<usize> = 2 << 10..=64 << 10;

fn step(taken: usize) -> usize {
    taken.clamp(*STEPS.start(), *STEPS.end())
}

/// Why a key did not go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The zip would have more than [`MAX_ENTRIES`] entries, or need more than [`MAX_BYTES`].
    Zip,
    /// Others are being made, and they have the memory for all.
    Process,
}

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Bytes; known when it is sent.
    pub(super) size: u64,
    /// Of its header.
    pub(super) offset: u64,
    /// Seconds since 1970.
    pub(super) modified: i64,
    /// Where its key ends in the text of all keys; it begins where the one before ends.
    end: u32,
    pub(super) crc: u32,
    /// An empty object whose key ends with a slash.
    pub(super) is_folder: bool,
    /// A folder has its name.
    is_marked: bool,
    /// It is in the zip.
    pub(super) is_sent: bool,
}

/// The entries of a zip, in order of key.
pub struct Catalog {
    /// What all keys begin with, up to the last slash of the prefix.
    folder: String,
    /// Keys below the folder, one after the other.
    keys: String,
    entries: Vec<Entry>,
    /// Entries whose keys the last key begins with: one of them may turn out to be in the way.
    open: Vec<usize>,
    memory: Arc<Semaphore>,
    permits: Option<OwnedSemaphorePermit>,
}

impl Catalog {
    /// For the keys that begin with `prefix`. `memory` has a permit for each byte that all
    /// catalogs may take together.
    #[must_use]
    pub fn new(prefix: &str, memory: Arc<Semaphore>) -> Self {
        let folder = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        Self {
            folder: folder.to_owned(),
            keys: String::new(),
            entries: Vec::new(),
            open: Vec::new(),
            memory,
            permits: None,
        }
    }

    /// Adds an object: its key, size in bytes, and time in seconds since 1970. Keys come in order;
    /// one that is not behind the last, or not below the folder, is passed over.
    pub fn add(&mut self, key: &str, size: u64, modified: i64) -> Result<(), Full> {
        let Some(rest) = key.strip_prefix(&self.folder) else {
            return Ok(());
        };
        // The folder's own entry.
        if rest.is_empty() && size == 0 {
            return Ok(());
        }
        if !self.entries.is_empty() && self.rest(self.entries.len() - 1) >= rest {
            return Ok(());
        }
        self.reserve(rest.len())?;
        self.mark_what_is_in_the_way(rest);
        self.keys.push_str(rest);
        self.open.push(self.entries.len());
        self.entries.push(Entry {
            size: 0,
            offset: 0,
            modified,
            end: self.keys.len() as u32,
            crc: 0,
            is_folder: size == 0 && rest.ends_with('/'),
            is_marked: false,
            is_sent: false,
        });
        Ok(())
    }

    /// In a file system `a` cannot be a file and `a/b` another.
    fn mark_what_is_in_the_way(&mut self, rest: &str) {
        while let Some(&last) = self.open.last() {
            // In byte order all keys that begin with a key come right after it.
            if rest.starts_with(self.rest(last)) {
                break;
            }
            self.open.pop();
        }
        for at in 0..self.open.len() {
            let index = self.open[at];
            let below = rest.strip_prefix(self.rest(index));
            if below.is_some_and(|below| below.starts_with('/')) {
                self.entries[index].is_marked = true;
            }
        }
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), Full> {
        if self.entries.len() == MAX_ENTRIES {
            return Err(Full::Zip);
        }
        if self.keys.capacity() - self.keys.len() < bytes {
            let step = step(self.keys.len()).max(bytes);
            self.take(step)?;
            self.keys.reserve_exact(step);
        }
        if self.entries.capacity() == self.entries.len() {
            let step = step(self.entries.len() * size_of::<Entry>());
            self.take(step)?;
            self.entries.reserve_exact(step / size_of::<Entry>());
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Full> {
        let taken = self
            .permits
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        if taken + bytes > MAX_BYTES {
            return Err(Full::Zip);
        }
        let more = Arc::clone(&self.memory).try_acquire_many_owned(bytes as u32);
        let more = more.map_err(|_| Full::Process)?;
        match &mut self.permits {
            Some(permits) => permits.merge(more),
            permits => *permits = Some(more),
        }
        Ok(())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    fn rest(&self, index: usize) -> &str {
        let start = match index {
            0 => 0,
            _ => self.entries[index - 1].end as usize,
        };
        &self.keys[start..self.entries[index].end as usize]
    }

    /// The whole key; None behind the last.
    pub(super) fn key(&self, index: usize) -> Option<String> {
        (index < self.entries.len()).then(|| format!("{}{}", self.folder, self.rest(index)))
    }

    /// Its name in the zip.
    pub(super) fn name(&self, index: usize) -> String {
        let entry = &self.entries[index];
        name::path(self.rest(index), entry.is_folder, entry.is_marked)
    }

    /// Notes that its header goes out.
    pub(super) fn sent(&mut self, index: usize, offset: u64, size: u64) -> &Entry {
        let entry = &mut self.entries[index];
        entry.offset = offset;
        entry.size = size;
        entry.is_sent = true;
        entry
    }

    /// Notes the CRC-32 of its bytes.
    pub(super) fn hashed(&mut self, index: usize, crc: u32) -> &Entry {
        let entry = &mut self.entries[index];
        entry.crc = crc;
        entry
    }
}
