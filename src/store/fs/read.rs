//! Finding a version and reading its bytes. Readers take no lock: a version's file never
//! changes once it has its name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::error::{fault, is_absent};
use super::tree::Tree;
use super::version::{self, Id, Version};
use super::{blocking, commit, layout, trailer};
use crate::store::{
    ByteRange, Bytestream, ObjectKey, ObjectMeta, StoreError, StoreResult, VersionId,
};

/// One read: large enough that the hand-over to a blocking thread does not count.
const BLOCK: u64 = 256 * 1024;

/// The newest version may be deleted between seeing its name and opening it.
const TRIES: usize = 16;

impl Tree {
    /// Opens a version, the current one when none is named, and describes it.
    pub(super) fn open_version(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> StoreResult<(File, ObjectMeta)> {
        let (file, id) = match version {
            Some(version) => self.find(key, Id::parse(&version.0))?,
            None => self.find_current(key)?,
        }
        .ok_or(StoreError::NotFound)?;
        let (size, attributes) = trailer::read(&file)?;
        Ok((file, commit::describe(key.as_str(), id, size, attributes)))
    }

    fn find(&self, key: &ObjectKey, id: Option<Id>) -> StoreResult<Option<(File, Id)>> {
        let Some(id) = id else { return Ok(None) };
        // A marker's id names no data: its file has another name.
        let name = Version::Data(id).file_name();
        let dir = self.objects.join(layout::object_dir(key.as_str()));
        match File::open(dir.join(name)) {
            Ok(file) => Ok(Some((file, id))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }

    fn find_current(&self, key: &ObjectKey) -> StoreResult<Option<(File, Id)>> {
        let dir = self.objects.join(layout::object_dir(key.as_str()));
        for _ in 0..TRIES {
            let newest = version::newest(&dir).map_err(fault)?;
            let Some(id) = newest.and_then(Version::live) else {
                return Ok(None);
            };
            if let Some(found) = self.find(key, Some(id))? {
                return Ok(Some(found));
            }
        }
        Err(StoreError::Conflict("its versions keep changing".into()))
    }
}

/// The bytes of `range`, block by block, each read on a blocking thread.
pub(super) fn stream(file: File, range: ByteRange) -> Bytestream {
    let file = Arc::new(file);
    stream::try_unfold(range.start, move |start| {
        let file = Arc::clone(&file);
        async move {
            let length = BLOCK.min(range.end.saturating_sub(start));
            if length == 0 {
                return Ok(None);
            }
            // From this thread, which also gives it back: of what one thread takes and another gives
            // back the allocator lets it grow (240 MiB after some gigabytes, for 40).
            let block = vec![0; length as usize];
            let block = blocking(move || read_block(&file, start, block)).await?;
            Ok(Some((block, start + length)))
        }
    })
    .boxed()
}

fn read_block(file: &File, start: u64, mut block: Vec<u8>) -> StoreResult<Bytes> {
    match file.read_exact_at(&mut block, start) {
        Ok(()) => Ok(block.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(StoreError::Corrupt("a version's file was cut".into()))
        }
        Err(error) => Err(fault(error)),
    }
}
