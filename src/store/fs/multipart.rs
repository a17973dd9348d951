//! Uploads in parts: one temporary file, each part written at its offset, so that completing
//! moves no byte. A part that is sent again while the first is confirmed or still being written
//! goes into a file of its own: as on S3, one that fails takes nothing away, and of two at once
//! neither fails because of the other.
//!
//! What is known of an upload is kept in memory, and of those that outlive the process in a
//! journal as well: the directory is locked by this process, so memory is always right.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;

use super::journal::{self, Head, Journal, Line};
use super::payload::Sink;
use super::temp::{self, TempFile, TempPath};
use super::{Tree, commit, fault, trailer};
use crate::store::{
    Attributes, Condition, KeyRules, Multipart, ObjectKey, ObjectMeta, Part, StoreError,
    StoreResult,
};

/// S3's limit for parts of an upload.
const MAX_PARTS: u32 = 10_000;

/// Bytes copied at once from a part's own file to its place.
const COPY: usize = 256 * 1024;

/// Uploads that have begun, by id.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Arc<Upload>>>);

/// An upload that has begun.
struct Upload {
    id: String,
    key: ObjectKey,
    attributes: Attributes,
    part_size: u64,
    /// The directory of its files.
    tmp: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// Whether the data is still there, and not an object or gone.
    open: bool,
    /// Set for an upload that outlives the process.
    journal: Option<Journal>,
    parts: HashMap<u32, Slot>,
    /// Counts the writers.
    writers: u64,
}

/// One part's place.
#[derive(Default)]
struct Slot {
    /// The writer that has the part's place to itself. Until it is dropped: one whose caller has
    /// gone may still have a block under way.
    place: Option<u64>,
    /// What was said to be stored, and where it lies.
    confirmed: Option<Line>,
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Upload>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The upload, if it is the one that `multipart` says it is: all of that came from outside.
    fn find(&self, multipart: &Multipart) -> StoreResult<Arc<Upload>> {
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
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, suffix: &str) -> PathBuf {
        temp::multipart_path(&self.tmp, &self.id, suffix)
    }

    /// The data's file. It belongs to the upload as long as `state` is open.
    fn open(&self, state: &State) -> StoreResult<File> {
        if !state.open {
            return Err(StoreError::NotFound);
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.path(""));
        file.map_err(fault)
    }

    fn remove(&self, suffix: &str) {
        let path = self.path(suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("temporary file {} stays: {error}", path.display());
            }
            _ => {}
        }
    }

    /// Removes everything but the data. The journal first: without it the rest is nobody's.
    fn close(&self, state: &mut State) {
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
    fn discard(&self, state: &mut State) {
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

impl Tree {
    pub(super) fn create_multipart(
        &self,
        key: ObjectKey,
        attributes: Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart> {
        // A part's end must be an offset that files can have.
        if part_size == 0 || part_size > i64::MAX as u64 / u64::from(MAX_PARTS) {
            let text = format!("parts of {part_size} bytes");
            return Err(StoreError::TooLarge(text.into()));
        }
        // Said at once rather than when all bytes are here.
        trailer::encode(u64::MAX, &attributes)?;
        let upload_id = temp::random_name().map_err(fault)?;
        let mut data = TempFile::for_multipart(&self.tmp, &upload_id, "").map_err(fault)?;
        data.path.renamed();
        let upload = Upload {
            id: upload_id.clone(),
            key: key.clone(),
            attributes,
            part_size,
            tmp: self.tmp.clone(),
            state: Mutex::new(State {
                open: true,
                journal: None,
                parts: HashMap::new(),
                writers: 0,
            }),
        };
        self.uploads
            .lock()
            .insert(upload_id.clone(), Arc::new(upload));
        Ok(Multipart {
            key,
            upload_id,
            part_size,
            crc64: false,
        })
    }

    /// Begins the upload's journal.
    pub(super) fn keep_multipart(&self, multipart: &Multipart) -> StoreResult<()> {
        let upload = self.uploads.find(multipart)?;
        let mut state = upload.lock();
        if !state.open {
            return Err(StoreError::NotFound);
        }
        if state.journal.is_some() {
            return Ok(());
        }
        let head = Head {
            key: upload.key.as_str().to_owned(),
            part_size: upload.part_size,
            begun: Utc::now().timestamp(),
            attributes: upload.attributes.clone(),
        };
        let mut journal = Journal::create(&self.tmp, &upload.id, &head).map_err(fault)?;
        for line in state
            .parts
            .values()
            .filter_map(|slot| slot.confirmed.as_ref())
        {
            journal.append(line).map_err(fault)?;
        }
        state.journal = Some(journal);
        Ok(())
    }

    /// What is confirmed, in order of the numbers.
    pub(super) fn list_parts(&self, multipart: &Multipart) -> StoreResult<Vec<Part>> {
        let upload = self.uploads.find(multipart)?;
        let state = upload.lock();
        if !state.open {
            return Err(StoreError::NotFound);
        }
        let confirmed = state
            .parts
            .values()
            .filter_map(|slot| slot.confirmed.as_ref());
        let mut parts: Vec<Part> = confirmed.map(Line::part).collect();
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// Begins part `number` of `size` bytes. One sent before stays until this one is confirmed.
    pub(super) fn begin_part(
        &self,
        multipart: &Multipart,
        number: u32,
        size: u64,
    ) -> StoreResult<PartWriter> {
        let upload = self.uploads.find(multipart)?;
        if !(1..=MAX_PARTS).contains(&number) {
            return Err(StoreError::TooLarge(format!("part number {number}").into()));
        }
        if size > upload.part_size {
            let text = format!("{size} bytes in a part of {}", upload.part_size);
            return Err(StoreError::TooLarge(text.into()));
        }
        let mut state = upload.lock();
        let data = upload.open(&state)?;
        state.writers += 1;
        let writer = state.writers;
        let slot = state.parts.entry(number).or_default();
        let confirmed = slot.confirmed.as_ref();
        let taken = slot.place.is_some() || confirmed.is_some_and(|line| line.aside.is_none());
        let aside = if taken {
            let suffix = format!(".{number}-{writer}");
            let file = TempFile::for_multipart(&self.tmp, &upload.id, &suffix).map_err(fault)?;
            Some((suffix, file))
        } else {
            slot.place = Some(writer);
            None
        };
        drop(state);
        let (file, start, aside) = match aside {
            Some((suffix, TempFile { file, path })) => (file, 0, Some((suffix, path))),
            None => (data, u64::from(number - 1) * upload.part_size, None),
        };
        Ok(PartWriter {
            upload,
            file,
            aside,
            number,
            writer,
            start,
            written: 0,
        })
    }

    pub(super) fn complete_multipart(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let upload = self.uploads.find(multipart)?;
        let size = total(parts, upload.part_size)?;
        // Held to the end: no part may be written into what becomes an object.
        let mut state = upload.lock();
        let file = upload.open(&state)?;
        for part in parts {
            let slot = state.parts.get(&part.number);
            let confirmed = slot.and_then(|slot| slot.confirmed.as_ref());
            if confirmed.map(Line::part).as_ref() != Some(part) {
                let text = format!("part {} is not the one stored last", part.number);
                return Err(StoreError::Conflict(text.into()));
            }
            if let Some(suffix) = confirmed.and_then(|line| line.aside.as_ref()) {
                let start = u64::from(part.number - 1) * upload.part_size;
                copy(&upload.path(suffix), &file, start).map_err(fault)?;
            }
        }
        if file.metadata().map_err(fault)?.len() < size {
            return Err(StoreError::Corrupt("the upload's file was cut".into()));
        }
        // A last part that was longer once, or a trailer whose commit failed.
        file.set_len(size).map_err(fault)?;
        let tail = trailer::encode(size, &upload.attributes)?;
        file.write_all_at(&tail, size).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        let attributes = upload.attributes.clone();
        let from = upload.path("");
        let meta = self.commit(&from, &upload.key, size, attributes, condition)?;
        upload.close(&mut state);
        self.uploads.lock().remove(&multipart.upload_id);
        Ok(meta)
    }

    pub(super) fn abort_multipart(&self, multipart: &Multipart) {
        if let Ok(upload) = self.uploads.find(multipart) {
            self.uploads.lock().remove(&multipart.upload_id);
            upload.discard(&mut upload.lock());
        }
    }
}

/// Writes the file at `from` into `to` from `start` on. May be repeated after a crash: until the
/// whole is an object, what counts is `from`.
fn copy(from: &Path, to: &File, start: u64) -> io::Result<()> {
    let from = File::open(from)?;
    let mut block = vec![0; COPY];
    let mut done = 0;
    loop {
        let count = from.read_at(&mut block, done)?;
        let Some(bytes) = block.get(..count).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        to.write_all_at(bytes, start + done)?;
        done += count as u64;
    }
}

/// Bytes of the object that these parts make.
fn total(parts: &[Part], part_size: u64) -> StoreResult<u64> {
    let wrong = |text: String| Err(StoreError::Corrupt(text.into()));
    let Some((last, others)) = parts.split_last() else {
        return wrong("an upload without parts".into());
    };
    for (part, number) in parts.iter().zip(1..) {
        if part.number != number {
            return wrong(format!("part {} in place {number}", part.number));
        }
    }
    if let Some(part) = others.iter().find(|part| part.size != part_size) {
        let text = format!("{} bytes in part {}, not the last", part.size, part.number);
        return wrong(text);
    }
    Ok(others.len() as u64 * part_size + last.size)
}

/// Writes one part.
pub(super) struct PartWriter {
    upload: Arc<Upload>,
    file: File,
    /// Set while the part's place is taken: the suffix and the guard of its own file.
    aside: Option<(String, TempPath)>,
    number: u32,
    writer: u64,
    /// Offset of the part in `file`.
    start: u64,
    written: u64,
}

impl PartWriter {
    /// The upload's state, as long as its data is no object.
    fn lock(&self) -> StoreResult<MutexGuard<'_, State>> {
        let state = self.upload.lock();
        if !state.open {
            return Err(StoreError::NotFound);
        }
        Ok(state)
    }

    /// Confirms the part, its bytes durable.
    pub(super) fn finish(mut self) -> StoreResult<Part> {
        self.file.sync_data().map_err(fault)?;
        let aside = self.aside.take();
        let line = Line {
            number: self.number,
            size: self.written,
            etag: temp::random_name().map_err(fault)?,
            aside: aside.as_ref().map(|(suffix, _)| suffix.clone()),
        };
        let mut state = self.lock()?;
        if let Some(journal) = &mut state.journal {
            if aside.is_some() {
                commit::sync(&self.upload.tmp).map_err(fault)?;
            }
            journal.append(&line).map_err(fault)?;
        }
        if let Some((_, mut guard)) = aside {
            guard.renamed();
        }
        let part = line.part();
        let before = state
            .parts
            .get_mut(&self.number)
            .and_then(|slot| slot.confirmed.replace(line));
        if let Some(suffix) = before.and_then(|line| line.aside) {
            self.upload.remove(&suffix);
        }
        Ok(part)
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        // No wait here, where a worker may be: a place that stays taken only costs a copy.
        let Ok(mut state) = self.upload.state.try_lock() else {
            return;
        };
        if let Some(slot) = state.parts.get_mut(&self.number) {
            slot.place.take_if(|writer| *writer == self.writer);
        }
    }
}

impl Sink for PartWriter {
    fn write(&mut self, block: &[u8]) -> StoreResult<()> {
        // The kernel lets one writer at a time into a file anyway: this lock costs nothing more.
        let state = self.lock()?;
        let offset = self.start + self.written;
        self.file.write_all_at(block, offset).map_err(fault)?;
        drop(state);
        self.written += block.len() as u64;
        Ok(())
    }
}
