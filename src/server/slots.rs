//! Which connections are open: counts them, and at the cap says which one goes, the oldest
//! that serves no request: without a complete header, or between two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::io::InService;

/// Connections that were told to go and still have their descriptor, at most: a quarter of what
/// `limits` keeps for everything else.
const LEAVING: usize = 16;

/// All open connections of the process.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: Mutex<BTreeMap<u64, Entry>>,
    next: AtomicU64,
    leaving: AtomicUsize,
    freed: Arc<Notify>,
}

#[derive(Clone)]
struct Entry {
    in_service: Arc<InService>,
    evict: CancellationToken,
}

/// One connection's place; given back when it is dropped.
pub(super) struct Slot {
    id: u64,
    entry: Entry,
    shared: Arc<Shared>,
}

impl Slots {
    /// A place for a new connection.
    pub(super) fn take(&self) -> Slot {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            in_service: Arc::new(InService::new(Arc::clone(&self.0.freed))),
            evict: CancellationToken::new(),
        };
        self.open().insert(id, entry.clone());
        Slot {
            id,
            entry,
            shared: Arc::clone(&self.0),
        }
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open().len()
    }

    /// Tells the oldest connection to go that is between requests or has not completed the head of
    /// one; false when there is none, or when enough are on their way already.
    pub(super) fn evict_oldest(&self) -> bool {
        let mut open = self.open();
        if self.0.leaving.load(Ordering::Relaxed) >= LEAVING {
            return false;
        }
        let oldest = open
            .iter()
            .find(|(_, entry)| entry.in_service.is_idle())
            .map(|(id, _)| *id);
        // It counts as gone at once: its task needs a moment to close it.
        match oldest.and_then(|id| open.remove(&id)) {
            Some(entry) => {
                self.0.leaving.fetch_add(1, Ordering::Relaxed);
                entry.evict.cancel();
                true
            }
            None => false,
        }
    }

    /// Waits until a place is given back, or a connection has become idle.
    pub(super) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub(super) fn in_service(&self) -> &Arc<InService> {
        &self.entry.in_service
    }

    /// Cancelled when the connection must go to make room.
    pub(super) fn evict(&self) -> &CancellationToken {
        &self.entry.evict
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let left = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
        if left.is_none() {
            self.shared.leaving.fetch_sub(1, Ordering::Relaxed);
        }
        self.shared.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_connection_without_a_header_goes_first() {
        let slots = Slots::default();
        let (oldest, second, third) = (slots.take(), slots.take(), slots.take());
        oldest.in_service().begin();
        assert!(slots.evict_oldest());
        assert!(second.evict().is_cancelled());
        assert!(!oldest.evict().is_cancelled() && !third.evict().is_cancelled());
        assert_eq!(slots.count(), 2);
        third.in_service().begin();
        assert!(!slots.evict_oldest());
        drop((oldest, second, third));
        assert_eq!(slots.count(), 0);
    }

    #[test]
    fn no_more_go_than_have_descriptors_to_spare() {
        let slots = Slots::default();
        let mut taken: Vec<_> = (0..LEAVING + 2).map(|_| slots.take()).collect();
        for _ in 0..LEAVING {
            assert!(slots.evict_oldest());
        }
        assert!(!slots.evict_oldest());
        taken.remove(0);
        assert!(slots.evict_oldest() && !slots.evict_oldest());
        drop(taken);
        assert_eq!(slots.0.leaving.load(Ordering::Relaxed), 0);
    }
}
