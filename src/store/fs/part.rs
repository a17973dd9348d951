//! One part on its way into its upload's file, at its offset. A part that is sent again while the
//! first is confirmed or still being written goes into a file of its own: as on S3, one that fails
//! takes nothing away, and of two at once neither fails because of the other. How the bytes come is
//! `payload`'s business.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, MutexGuard};

use super::commit;
use super::error::fault;
use super::journal::Line;
use super::payload::Sink;
use super::temp::{self, TempFile, TempPath};
use super::tree::Tree;
use super::uploads::{State, Upload};
use crate::store::{Multipart, Part, StoreError, StoreResult};

/// S3's limit for parts of an upload.
pub(super) const MAX_PARTS: u32 = 10_000;

impl Tree {
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
