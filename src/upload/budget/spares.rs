//! The memory of whole blocks that are done with, for those that come next. How much of it there may
//! be is `budget`'s business.

use std::sync::{Mutex, MutexGuard, PoisonError};

use memmap2::MmapMut;

use super::BLOCK_BYTES;

/// Asking the system for each block, and faulting its pages in, was half of an upload's CPU seconds:
/// 1.05 a GB without these and 0.60 with them, 1.28 and 0.66 with TLS to the store.
pub(super) struct Spares {
    /// Half of the budget: blocks come back a part at a time, and at an upload's end several.
    most: usize,
    blocks: Mutex<Vec<MmapMut>>,
}

impl Spares {
    /// Room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            blocks: Mutex::default(),
        }
    }

    pub(super) fn take(&self) -> Option<MmapMut> {
        self.lock().pop()
    }

    pub(super) fn keep(&self, data: MmapMut) {
        let mut blocks = self.lock();
        if blocks.len() < self.most {
            blocks.push(data);
        }
    }

    /// Keeps no more than so many bytes.
    pub(super) fn shrink(&self, bytes: usize) {
        let mut blocks = self.lock();
        let count = blocks.len().min(bytes / BLOCK_BYTES);
        let surplus = blocks.split_off(count);
        drop(blocks);
        drop(surplus);
    }

    /// A panic elsewhere leaves a list of blocks a list of blocks.
    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<MmapMut>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
