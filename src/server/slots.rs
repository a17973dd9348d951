//! Which connections are open: counts them, and at the cap says which one goes, the oldest
//! that serves no request: without a complete header, or between two.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::in_service::InService;

/// Connections that were told to go and still have their descriptor, at most: a quarter of what
/// `limits` keeps for everything else.
const LEAVING: usize = 16;

/// All open connections of the process.
#[derive(Clone, Default)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    next: AtomicU64,
    leaving: AtomicUsize,
    freed: Arc<Notify>,
}

#[derive(Default)]
struct Open {
    entries: BTreeMap<u64, Entry>,
    /// Of those that are counted by address.
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Clone)]
struct Entry {
    /// Whom it is counted for; None for a proxy that is trusted.
    address: Option<IpAddr>,
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
    /// A place for a new connection, counted for this address if any.
    pub(super) fn take(&self, address: Option<IpAddr>) -> Slot {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            address,
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
        self.open().entries.len()
    }

    /// How many of this address are open.
    pub(super) fn count_of(&self, address: IpAddr) -> usize {
        self.open().by_address.get(&address).copied().unwrap_or(0)
    }

    /// Tells the oldest connection to go that is between requests or has not completed the head of
    /// one; false when there is none, or when enough are on their way already.
    pub(super) fn evict_oldest(&self) -> bool {
        self.evict(|_| true)
    }

    /// The same of an address.
    pub(super) fn evict_oldest_of(&self, address: IpAddr) -> bool {
        self.evict(|entry| entry.address == Some(address))
    }

    /// Whether as many are on their way out as may be: one that must go has to wait.
    pub(super) fn is_crowded(&self) -> bool {
        self.0.leaving.load(Ordering::Relaxed) >= LEAVING
    }

    fn evict(&self, which: impl Fn(&Entry) -> bool) -> bool {
        let mut open = self.open();
        if self.is_crowded() {
            return false;
        }
        let oldest = open
            .entries
            .iter()
            // Who was told already goes as soon as it has served its last request.
            .find(|(_, entry)| {
                which(entry) && entry.in_service.is_idle() && !entry.evict.is_cancelled()
            })
            .map(|(id, _)| *id);
        // It counts as gone at once: its task needs a moment to close it.
        match oldest.and_then(|id| open.remove(id)) {
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

    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.open()
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn insert(&mut self, id: u64, entry: Entry) {
        if let Some(address) = entry.address {
            *self.by_address.entry(address).or_default() += 1;
        }
        self.entries.insert(id, entry);
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(address) = entry.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(entry)
    }
}

impl Slot {
    pub(super) fn in_service(&self) -> &Arc<InService> {
        &self.entry.in_service
    }

    /// It was told to go and serves a request first: it counts as open again, and one more may be
    /// told to. With those on their way out there are no more than before.
    pub(super) fn stay(&self) {
        let mut open = self.shared.open();
        if !open.entries.contains_key(&self.id) {
            open.insert(self.id, self.entry.clone());
            self.shared.leaving.fetch_sub(1, Ordering::Relaxed);
        }
        drop(open);
        self.shared.freed.notify_one();
    }

    /// Cancelled when the connection must go to make room.
    pub(super) fn evict(&self) -> &CancellationToken {
        &self.entry.evict
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let left = self.shared.open().remove(self.id);
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
        let (oldest, second, third) = (slots.take(None), slots.take(None), slots.take(None));
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
        let mut taken: Vec<_> = (0..LEAVING + 2).map(|_| slots.take(None)).collect();
        for _ in 0..LEAVING {
            assert!(slots.evict_oldest());
        }
        assert!(!slots.evict_oldest());
        taken.remove(0);
        assert!(slots.evict_oldest() && !slots.evict_oldest());
        drop(taken);
        assert_eq!(slots.0.leaving.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn those_that_serve_a_request_before_they_go_count_as_open_and_let_others_be_told() {
        let (slots, a) = (Slots::default(), IpAddr::from([192, 0, 2, 1]));
        let taken: Vec<_> = (0..=LEAVING).map(|_| slots.take(Some(a))).collect();
        for _ in 0..LEAVING {
            assert!(slots.evict_oldest_of(a));
        }
        assert!(!slots.evict_oldest_of(a));
        for slot in &taken[..LEAVING] {
            // Its request may be over by now.
            slot.stay();
            slot.stay();
        }
        assert_eq!(
            (slots.count(), slots.count_of(a)),
            (LEAVING + 1, LEAVING + 1)
        );
        assert!(slots.evict_oldest_of(a));
        assert!(
            taken[LEAVING].evict().is_cancelled(),
            "not one that goes anyway"
        );
        assert!(!slots.evict_oldest_of(a));
        assert_eq!(slots.0.leaving.load(Ordering::Relaxed), 1);
        drop(taken);
        assert_eq!((slots.count(), slots.count_of(a)), (0, 0));
        assert_eq!(slots.0.leaving.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn of_an_address_only_its_own_connections_go() {
        let slots = Slots::default();
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let (proxy, other) = (slots.take(None), slots.take(Some(b)));
        let own = [slots.take(Some(a)), slots.take(Some(a))];
        assert_eq!((slots.count_of(a), slots.count_of(b)), (2, 1));
        assert!(slots.evict_oldest_of(a));
        assert!(own[0].evict().is_cancelled() && !own[1].evict().is_cancelled());
        assert!(!proxy.evict().is_cancelled() && !other.evict().is_cancelled());
        own[1].in_service().begin();
        assert!(!slots.evict_oldest_of(a));
        assert_eq!(slots.count_of(a), 1);
        drop(own);
        assert_eq!((slots.count_of(a), slots.count()), (0, 2));
        assert!(slots.open().by_address.len() == 1);
    }
}
