//! Uploads in parts: one temporary file, each part written at its offset, so that completing
//! moves no byte. What is known of an upload is kept in memory: the directory is locked by this
//! process, and a restart removes uploads that had begun, as nothing can resume them yet.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::payload::Sink;
use super::temp::{self, TempFile, TempPath};
use super::{Tree, fault, trailer};
use crate::store::{
    Attributes, Condition, Multipart, ObjectKey, ObjectMeta, Part, StoreError, StoreResult,
};

/// S3's limit for parts of an upload.
const MAX_PARTS: u32 = 10_000;

/// Uploads that have begun, by id.
#[derive(Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Arc<Upload>>>);

/// An upload that has begun.
struct Upload {
    key: ObjectKey,
    attributes: Attributes,
    part_size: u64,
    state: Mutex<State>,
}

struct State {
    /// The file; None once it is an object, or gone.
    data: Option<TempPath>,
    parts: HashMap<u32, Slot>,
}

/// One part's place in the file.
#[derive(Default)]
struct Slot {
    /// Counts the writers of this part. The newest one alone may write: one whose caller has
    /// gone may still have a block under way.
    writer: u64,
    /// What was said to be stored; None while it is being written, again or for the first time.
    confirmed: Option<Part>,
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
}

impl Upload {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self) -> StoreResult<File> {
        let path = self.data.as_ref().and_then(TempPath::path);
        let path = path.ok_or(StoreError::NotFound)?;
        OpenOptions::new().write(true).open(path).map_err(fault)
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
        let TempFile { path, .. } =
            TempFile::for_multipart(&self.tmp, &upload_id).map_err(fault)?;
        let upload = Upload {
            key: key.clone(),
            attributes,
            part_size,
            state: Mutex::new(State {
                data: Some(path),
                parts: HashMap::new(),
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

    /// Begins part `number` of `size` bytes. A part sent before is no longer confirmed.
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
        let start = u64::from(number - 1) * upload.part_size;
        let mut state = upload.lock();
        let file = state.open()?;
        let slot = state.parts.entry(number).or_default();
        slot.writer += 1;
        slot.confirmed = None;
        let writer = slot.writer;
        drop(state);
        Ok(PartWriter {
            upload,
            file,
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
        let file = state.open()?;
        for part in parts {
            let slot = state.parts.get(&part.number);
            if slot.and_then(|slot| slot.confirmed.as_ref()) != Some(part) {
                let text = format!("part {} is not the one stored last", part.number);
                return Err(StoreError::Conflict(text.into()));
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
        let data = state.data.as_mut().ok_or(StoreError::NotFound)?;
        let from = data.path().ok_or(StoreError::NotFound)?;
        let attributes = upload.attributes.clone();
        let meta = self.commit(from, &upload.key, size, attributes, condition)?;
        data.renamed();
        state.data = None;
        self.uploads.lock().remove(&multipart.upload_id);
        Ok(meta)
    }

    pub(super) fn abort_multipart(&self, multipart: &Multipart) {
        if let Ok(upload) = self.uploads.find(multipart) {
            self.uploads.lock().remove(&multipart.upload_id);
            upload.lock().data = None;
        }
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
    number: u32,
    writer: u64,
    /// Offset of the part.
    start: u64,
    written: u64,
}

impl PartWriter {
    /// The upload's state and this part's slot, if this writer is still the one that counts.
    fn lock(&self) -> StoreResult<MutexGuard<'_, State>> {
        let state = self.upload.lock();
        if state.data.is_none() {
            return Err(StoreError::NotFound);
        }
        let slot = state.parts.get(&self.number);
        if slot.is_none_or(|slot| slot.writer != self.writer) {
            return Err(StoreError::Conflict("the part was sent again".into()));
        }
        Ok(state)
    }

    /// Confirms the part, its bytes durable.
    pub(super) fn finish(self) -> StoreResult<Part> {
        self.file.sync_data().map_err(fault)?;
        let part = Part {
            number: self.number,
            size: self.written,
            etag: temp::random_name().map_err(fault)?,
            crc64: None,
        };
        if let Some(slot) = self.lock()?.parts.get_mut(&self.number) {
            slot.confirmed = Some(part.clone());
        }
        Ok(part)
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
