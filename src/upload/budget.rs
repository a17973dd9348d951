//! The byte budget of the process: what may wait in memory to become parts.
//! Blocks carry their share of it and give it back when the last reader drops them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use memmap2::MmapMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::metrics::histogram::micros;

/// Bytes in a block. Our own blocks and not the server's read buffers, because one small slice
/// of such a buffer keeps all of it alive.
pub(super) const BLOCK_BYTES: usize = 256 << 10;

/// How long an upload of unknown length waits for room before it is told to come back.
const WAIT: Duration = Duration::from_secs(20);

/// Two halves: one taken block by block, without waiting, by uploads that can also be streamed;
/// one reserved a whole part at a time, in order of arrival, by uploads that cannot. What is held
/// of either comes free by itself: parts on their way are driven while their upload waits for
/// more, and what is reserved is only ever filled by its client. So no wait can deadlock.
#[derive(Clone)]
pub struct Budget {
    blocks: Arc<Semaphore>,
    parts: Arc<Semaphore>,
    half: usize,
    spares: Arc<Spares>,
    waits: Arc<Waits>,
}

/// Of the uploads that had to wait for room.
#[derive(Debug, Default)]
pub struct Waits {
    /// Those that got it.
    pub granted: AtomicU64,
    /// Those that did not.
    pub refused: AtomicU64,
    /// How long they waited in all, in microseconds.
    pub micros: AtomicU64,
}

impl Budget {
    /// A budget of so many bytes in all.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let half = bytes / 2;
        Self {
            blocks: Arc::new(Semaphore::new(bytes - half)),
            parts: Arc::new(Semaphore::new(half)),
            half,
            spares: Arc::new(Spares {
                most: half / BLOCK_BYTES,
                blocks: Mutex::default(),
            }),
            waits: Arc::default(),
        }
    }

    /// Room for one block of `size` bytes, at once or not at all.
    #[must_use]
    pub fn block(&self, size: usize) -> Option<Block> {
        let permit = Arc::clone(&self.blocks)
            .try_acquire_many_owned(u32::try_from(size).ok()?)
            .ok()?;
        Some(Block::new(size, permit, self))
    }

    /// Room for a whole part of `size` bytes: what is free at once, else the next that comes
    /// free, in order of arrival.
    ///
    /// Fails with [`Error::BudgetSpent`] after a short wait, and at once for more than there ever
    /// is: who waits first keeps all others from what comes free.
    pub async fn part(&self, size: usize) -> Result<Reservation, Error> {
        if size > self.half {
            return Err(Error::BudgetSpent);
        }
        let bytes = u32::try_from(size).unwrap_or(u32::MAX);
        // Half of what streamable uploads use may be borrowed while it lies idle: they never wait.
        if self.blocks.available_permits() >= self.half / 2 + size
            && let Ok(permit) = Arc::clone(&self.blocks).try_acquire_many_owned(bytes)
        {
            return Ok(self.reservation(permit));
        }
        if let Ok(permit) = Arc::clone(&self.parts).try_acquire_many_owned(bytes) {
            return Ok(self.reservation(permit));
        }
        let begun = Instant::now();
        let wait = Arc::clone(&self.parts).acquire_many_owned(bytes);
        let waited = tokio::time::timeout(WAIT, wait).await;
        let waits = &self.waits;
        let micros = micros(begun.elapsed());
        waits.micros.fetch_add(micros, Ordering::Relaxed);
        // The semaphore is never closed; without one there is no room either way.
        if let Ok(Ok(permit)) = waited {
            waits.granted.fetch_add(1, Ordering::Relaxed);
            Ok(self.reservation(permit))
        } else {
            waits.refused.fetch_add(1, Ordering::Relaxed);
            Err(Error::BudgetSpent)
        }
    }

    fn reservation(&self, permit: OwnedSemaphorePermit) -> Reservation {
        Reservation {
            permit,
            budget: self.clone(),
        }
    }

    /// Gives memory that is kept for the next blocks back to the system, if no upload has any. To be
    /// called now and then.
    pub fn rest(&self) {
        if self.in_use() == 0 {
            self.spares.shrink(0);
        }
    }

    /// Most bytes that one part may have room for.
    #[must_use]
    pub fn largest_part(&self) -> u64 {
        self.half as u64
    }

    /// How often, and how long, uploads have waited for room.
    #[must_use]
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// Bytes taken now.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let free = self.blocks.available_permits() + self.parts.available_permits();
        (2 * self.half).saturating_sub(free)
    }
}

/// The memory of whole blocks that are done with, for those that come next. Asking the system for
/// each block, and faulting its pages in, was half of an upload's CPU seconds: 1.05 a GB without
/// these and 0.60 with them, 1.28 and 0.66 with TLS to the store.
struct Spares {
    /// Half of the budget: blocks come back a part at a time, and at an upload's end several.
    most: usize,
    blocks: Mutex<Vec<MmapMut>>,
}

impl Spares {
    fn take(&self) -> Option<MmapMut> {
        self.lock().pop()
    }

    fn keep(&self, data: MmapMut) {
        let mut blocks = self.lock();
        if blocks.len() < self.most {
            blocks.push(data);
        }
    }

    /// Keeps no more than so many bytes.
    fn shrink(&self, bytes: usize) {
        let mut blocks = self.lock();
        let count = blocks.len().min(bytes / BLOCK_BYTES);
        let surplus = blocks.split_off(count);
        drop(blocks);
        drop(surplus);
    }

    /// A panic elsewhere leaves a list of blocks a list of blocks.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<MmapMut>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for a whole part, handed out block by block.
pub struct Reservation {
    permit: OwnedSemaphorePermit,
    budget: Budget,
}

impl Reservation {
    /// Room for one block of at most `size` bytes; None when all of it is handed out.
    pub fn block(&mut self, size: usize) -> Option<Block> {
        let size = size.min(self.permit.num_permits());
        let permit = self.permit.split(size).filter(|_| size > 0)?;
        Some(Block::new(size, permit, &self.budget))
    }
}

/// A block being filled.
pub struct Block {
    filled: Filled,
    size: usize,
}

impl Block {
    fn new(size: usize, permit: OwnedSemaphorePermit, budget: &Budget) -> Self {
        let spares = &budget.spares;
        let spare = if size == BLOCK_BYTES {
            spares.take()
        } else {
            // Spares and what is in use are never more than the budget together.
            spares.shrink((2 * budget.half).saturating_sub(budget.in_use()));
            None
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_its_bytes_back_with_its_last_clone() {
        let budget = Budget::new(1000);
        let mut block = budget.block(400).unwrap();
        let mut chunk = Bytes::from(vec![7; 500]);
        block.fill(&mut chunk);
        assert!(block.is_full());
        assert_eq!(chunk.len(), 100);
        let bytes = block.freeze();
        let clone = bytes.clone();
        assert!(budget.block(400).is_none());
        drop(bytes);
        assert!(budget.block(400).is_none());
        drop(clone);
        assert!(budget.block(400).is_some());
        assert_eq!(budget.in_use(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_waits_in_order_and_is_refused_after_a_while() {
        let budget = Budget::new(1000);
        let held = budget.part(500).await.unwrap();
        assert!(matches!(budget.part(500).await, Err(Error::BudgetSpent)));
        let (waited, ()) = tokio::join!(budget.part(500), async { drop(held) });
        assert!(waited.is_ok());
    }

    #[test]
    fn a_whole_block_is_used_again_until_no_upload_has_any() {
        let budget = Budget::new(8 * BLOCK_BYTES);
        let filled = |byte: u8| {
            let mut block = budget.block(BLOCK_BYTES).unwrap();
            block.fill(&mut Bytes::from(vec![byte; BLOCK_BYTES]));
            block.freeze()
        };
        let first = filled(1);
        let place = first.as_ptr();
        drop(first);
        let second = filled(2);
        assert_eq!(second.as_ptr(), place);
        assert!(second.iter().all(|&byte| byte == 2) && second.len() == BLOCK_BYTES);
        drop((second, filled(3)));
        assert_eq!(budget.spares.lock().len(), 2);
        let held = budget.block(1);
        budget.rest();
        assert_eq!(budget.spares.lock().len(), 2);
        drop(held);
        budget.rest();
        assert_eq!(budget.spares.lock().len(), 0);
    }

    #[test]
    fn spares_and_what_is_in_use_are_within_the_budget_together() {
        let budget = Budget::new(8 * BLOCK_BYTES);
        let whole: Vec<_> = (0..4).filter_map(|_| budget.block(BLOCK_BYTES)).collect();
        drop(whole);
        assert_eq!(budget.spares.lock().len(), 4);
        let mut odd = Vec::new();
        while let Some(block) = budget.block(BLOCK_BYTES - 1) {
            odd.push(block);
            let spare = budget.spares.lock().len() * BLOCK_BYTES;
            assert!(budget.in_use() + spare <= 8 * BLOCK_BYTES);
        }
        assert_eq!(odd.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_never_fit_is_refused_at_once_and_keeps_nobody_waiting() {
        let budget = Budget::new(1000);
        let _held = budget.part(400).await.unwrap();
        let begun = tokio::time::Instant::now();
        assert!(matches!(budget.part(501).await, Err(Error::BudgetSpent)));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_reservation_hands_out_exactly_what_it_holds() {
        let budget = Budget::new(1000);
        let mut part = budget.part(500).await.unwrap();
        assert_eq!(part.block(300).unwrap().size, 300);
        assert_eq!(part.block(300).unwrap().size, 200);
        assert!(part.block(1).is_none());
    }
}
