//! The memory of a block. It carries its share of the budget, and gives it back when the last reader
//! drops it.

use std::sync::Arc;

use bytes::Bytes;
use memmap2::MmapMut;
use tokio::sync::OwnedSemaphorePermit;

use super::BLOCK_BYTES;
use super::spares::Spares;

/// A block being filled.
pub struct Block {
    filled: Filled,
    pub(super) size: usize,
}

impl Block {
    pub(super) fn new(size: usize, permit: OwnedSemaphorePermit, spares: &Arc<Spares>) -> Self {
        let whole = size == BLOCK_BYTES;
        let spare = whole.then(|| spares.take()).flatten();
        let memory = spare.map_or_else(|| Memory::new(size), Memory::Mapped);
        Self {
            filled: Filled {
                memory,
                length: 0,
                _permit: permit,
                spares: Arc::clone(spares),
            },
            size,
        }
    }

    /// Copies what fits, cuts it from `chunk`, and says how many bytes that were.
    pub fn fill(&mut self, chunk: &mut Bytes) -> usize {
        let filled = &mut self.filled;
        let count = chunk.len().min(self.size - filled.length);
        let end = filled.length + count;
        filled.memory.bytes_mut()[filled.length..end].copy_from_slice(&chunk.split_to(count));
        filled.length = end;
        count
    }

    /// Whether nothing more fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.filled.length == self.size
    }

    /// The bytes; they hold their share of the budget until the last clone is dropped.
    #[must_use]
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self.filled)
    }
}

struct Filled {
    memory: Memory,
    /// How many of its bytes are filled.
    length: usize,
    _permit: OwnedSemaphorePermit,
    spares: Arc<Spares>,
}

/// From here on a block is mapped for itself: no allocator then decides how much of what it was
/// stays with the process (mimalloc kept 10 to 17 MiB). Below, a mapping costs more than it is worth.
const MAPPED_BYTES: usize = 32 << 10;

/// Where a block's bytes are.
enum Memory {
    Mapped(MmapMut),
    Heap(Vec<u8>),
}

impl Memory {
    fn new(size: usize) -> Self {
        if size >= MAPPED_BYTES
            && let Ok(mapped) = MmapMut::map_anon(size)
        {
            return Self::Mapped(mapped);
        }
        Self::Heap(vec![0; size])
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Mapped(bytes) => bytes,
            Self::Heap(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.memory.bytes()[..self.length]
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let memory = std::mem::replace(&mut self.memory, Memory::Heap(Vec::new()));
        // Only whole ones: the next who asks for a block gets one that never grows.
        if let Memory::Mapped(bytes) = memory
            && bytes.len() == BLOCK_BYTES
        {
            self.spares.keep(bytes);
        }
    }
}
