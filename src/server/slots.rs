//! Which connections are open: counts them, and at the cap says which one goes, the oldest
//! that serves no request: without a complete header, or between two.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::io::InService;

/// All open connections of the process.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: Mutex<BTreeMap<u64, Entry>>,
    next: AtomicU64,
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
    /// one; false when there is none.
    pub(super) fn evict_oldest(&self) -> bool {
        let mut open = self.open();
        let oldest = open
            .iter()
            .find(|(_, entry)| entry.in_service.is_idle())
            .map(|(id, _)| *id);
        // It counts as gone at once: its task needs a moment to close it.
        match oldest.and_then(|id| open.remove(&id)) {
            Some(entry) => {
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
        self.shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
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
}
