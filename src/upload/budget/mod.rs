//! The byte budget of the process: what may wait in memory to become parts. That memory is `block`'s,
//! and what is kept of it for the next block `spares`'.

mod block;
mod spares;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;
use crate::metrics::histogram::micros;
pub(super) use block::Block;
use spares::Spares;

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
            spares: Arc::new(Spares::new(half / BLOCK_BYTES)),
            waits: Arc::default(),
        }
    }

    /// Room for one block of `size` bytes, at once or not at all.
    #[must_use]
    pub fn block(&self, size: usize) -> Option<Block> {
        let permit = Arc::clone(&self.blocks)
            .try_acquire_many_owned(u32::try_from(size).ok()?)
            .ok()?;
        Some(self.make(size, permit))
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

    fn make(&self, size: usize, permit: OwnedSemaphorePermit) -> Block {
        if size != BLOCK_BYTES {
            // Spares and what is in use are never more than the budget together.
            let room = (2 * self.half).saturating_sub(self.in_use());
            self.spares.shrink(room);
        }
        Block::new(size, permit, &self.spares)
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
        Some(self.budget.make(size, permit))
    }
}
