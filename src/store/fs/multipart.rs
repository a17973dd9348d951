//! Uploads in parts: one temporary file, each part written at its offset, so that completing
//! moves no byte but of parts that were sent twice. How a part is written is `part`'s business, what
//! is known of an upload `uploads`'.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::Utc;

use super::error::fault;
use super::journal::{Head, Journal, Line};
use super::part::MAX_PARTS;
use super::temp::{self, TempFile};
use super::trailer;
use super::tree::Tree;
use super::uploads::{State, Upload};
use crate::store::{
    Attributes, Condition, Multipart, ObjectKey, ObjectMeta, Part, StoreError, StoreResult,
};

/// Bytes copied at once from a part's own file to its place.
const COPY: usize = 256 * 1024;

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
