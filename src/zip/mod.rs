//! A zip as a stream: objects stored one after the other, uncompressed, in the memory of one chunk
//! and of the catalog. What goes in, and under which names, is `catalog`'s and `name`'s business,
//! the bytes of headers `format`'s. Whose objects they are, and HTTP, belong to others.

mod catalog;
mod format;
mod name;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use crc32fast::Hasher;
use futures_util::{Stream, StreamExt, stream};

use crate::store::{Bytestream, StoreError, StoreResult};
pub use catalog::{Catalog, Full, MAX_BYTES, MAX_ENTRIES};
use format::Layout;

/// The central directory goes out in pieces of about this many bytes.
const DIRECTORY_CHUNK: usize = 64 << 10;

/// Opens an object by its key: its size in bytes, and the bytes.
pub trait Open: Send {
    /// Fails with [`StoreError::NotFound`] where the object was deleted since it was listed.
    fn open(&mut self, key: &str) -> impl Future<Output = StoreResult<(u64, Bytestream)>> + Send;
}

/// The zip's bytes. An error ends it before its end: what came is no valid zip then.
///
/// Objects that were deleted since they were listed are left out.
pub fn stream(
    catalog: Catalog,
    objects: impl Open + 'static,
) -> impl Stream<Item = StoreResult<Bytes>> + Send {
    stream_as(catalog, objects, Layout::default())
}

fn stream_as(
    catalog: Catalog,
    objects: impl Open + 'static,
    layout: Layout,
) -> impl Stream<Item = StoreResult<Bytes>> + Send {
    let zip = Zip {
        catalog,
        objects,
        layout,
        offset: 0,
        step: Step::Entry(0),
    };
    stream::try_unfold(zip, |mut zip| async move {
        let chunk = zip.next().await?;
        Ok(chunk.map(|chunk| (chunk, zip)))
    })
}

struct Zip<O> {
    catalog: Catalog,
    objects: O,
    layout: Layout,
    /// Bytes sent.
    offset: u64,
    step: Step,
}

/// What comes next.
enum Step {
    /// The header of an entry.
    Entry(usize),
    /// Bytes of an entry.
    Data(usize, Box<Data>),
    /// The central directory from an entry on; where it began, and entries in it so far.
    Directory { from: usize, start: u64, count: u64 },
    /// Nothing.
    End,
}

/// An entry's bytes on their way.
struct Data {
    body: Bytestream,
    crc: Hasher,
    /// Bytes still to come.
    left: u64,
}

impl<O: Open> Zip<O> {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        loop {
            let chunk = match std::mem::replace(&mut self.step, Step::End) {
                Step::Entry(index) => self.begin(index).await?,
                Step::Data(index, data) => Some(self.go_on(index, data).await?),
                Step::Directory { from, start, count } => Some(self.directory(from, start, count)),
                Step::End => return Ok(None),
            };
            if let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) {
                self.offset += chunk.len() as u64;
                return Ok(Some(chunk));
            }
        }
    }

    /// The header of an entry; none where there is no entry to be sent.
    async fn begin(&mut self, index: usize) -> StoreResult<Option<Bytes>> {
        let Some(key) = self.catalog.key(index) else {
            self.step = Step::Directory {
                from: 0,
                start: self.offset,
                count: 0,
            };
            return Ok(None);
        };
        self.step = Step::Entry(index + 1);
        if self.catalog.entry(index).is_folder {
            return Ok(Some(self.header(index, 0)));
        }
        let (size, body) = match self.objects.open(&key).await {
            Ok(opened) => opened,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = self.header(index, size);
        self.step = Step::Data(
            index,
            Box::new(Data {
                body,
                crc: Hasher::new(),
                left: size,
            }),
        );
        Ok(Some(header))
    }

    fn header(&mut self, index: usize, size: u64) -> Bytes {
        let name = self.catalog.name(index);
        let entry = self.catalog.sent(index, self.offset, size);
        self.layout.local_header(entry, &name)
    }

    async fn go_on(&mut self, index: usize, mut data: Box<Data>) -> StoreResult<Bytes> {
        let wrong = || Err(StoreError::Source("an object had another length".into()));
        match data.body.next().await.transpose()? {
            Some(chunk) => {
                let Some(left) = data.left.checked_sub(chunk.len() as u64) else {
                    return wrong();
                };
                data.left = left;
                data.crc.update(&chunk);
                self.step = Step::Data(index, data);
                Ok(chunk)
            }
            None if data.left > 0 => wrong(),
            None => {
                let entry = self.catalog.hashed(index, data.crc.finalize());
                self.step = Step::Entry(index + 1);
                Ok(self.layout.descriptor(entry))
            }
        }
    }

    /// A piece of the central directory, and after the last the end.
    fn directory(&mut self, from: usize, start: u64, mut count: u64) -> Bytes {
        let mut chunk = Vec::with_capacity(DIRECTORY_CHUNK + 2048);
        for index in from..self.catalog.len() {
            if chunk.len() >= DIRECTORY_CHUNK {
                self.step = Step::Directory {
                    from: index,
                    start,
                    count,
                };
                return chunk.into();
            }
            let entry = self.catalog.entry(index);
            if entry.is_sent {
                self.layout
                    .directory_header(&mut chunk, entry, &self.catalog.name(index));
                count += 1;
            }
        }
        let length = self.offset + chunk.len() as u64 - start;
        self.layout.end(&mut chunk, count, start, length);
        chunk.into()
    }
}
