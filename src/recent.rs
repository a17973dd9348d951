//! What is remembered of addresses, of so many at most. What that is, and what follows from it, is
//! the business of who asks.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::address::holder;

/// Something of each address. Kept in two halves: when the younger is full, the older is forgotten
/// as a whole and takes its place. So the half that was seen last is always there, and no address
/// costs a search for one that could go.
pub struct Recent<T> {
    half: usize,
    young: HashMap<IpAddr, (T, Instant)>,
    old: HashMap<IpAddr, (T, Instant)>,
}

impl<T> Recent<T> {
    /// Of `most` addresses.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            half: most / 2,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// What is kept of an address, `new` for one that is not known, and how long ago that was last
    /// asked for. An IPv6 address is its network's.
    pub fn of(&mut self, address: IpAddr, now: Instant, new: T) -> (&mut T, Duration) {
        let address = holder(address);
        // Before the older half goes.
        let known = self.old.remove(&address);
        if self.young.len() >= self.half && !self.young.contains_key(&address) {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        let (kept, last) = self
            .young
            .entry(address)
            .or_insert_with(|| known.unwrap_or((new, now)));
        let ago = now.saturating_duration_since(*last);
        *last = now;
        (kept, ago)
    }

    /// Nothing is known of it any more.
    pub fn forget(&mut self, address: IpAddr) {
        let address = holder(address);
        self.young.remove(&address);
        self.old.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn see(recent: &mut Recent<u32>, n: u32) -> u32 {
        *recent.of(Ipv4Addr::from(n).into(), Instant::now(), n).0
    }

    fn len(recent: &Recent<u32>) -> usize {
        recent.young.len() + recent.old.len()
    }

    #[test]
    fn a_full_table_frees_half_at_once_and_keeps_what_was_seen_last() {
        let mut recent = Recent::new(1000);
        for n in 0..1000 {
            see(&mut recent, n);
        }
        assert_eq!(len(&recent), 1000);
        // Of those that go now, had it not been asked for.
        let (kept, _) = recent.of(Ipv4Addr::from(3).into(), Instant::now(), 0);
        assert_eq!(*kept, 3);
        *kept = 70;
        assert_eq!(len(&recent), 501);
        for n in 1000..1400 {
            see(&mut recent, n);
        }
        assert_eq!(see(&mut recent, 3), 70, "it was seen since");
        for n in 0..100_000 {
            see(&mut recent, 5000 + n);
            assert!(len(&recent) <= 1000);
        }
        assert_eq!(see(&mut recent, 3), 3, "it is new again");
    }

    #[test]
    fn it_says_how_long_ago_an_address_was_seen_and_forgets_at_a_word() {
        let (mut recent, start) = (Recent::new(8), Instant::now());
        let one: IpAddr = "2001:db8:1:2::7".parse().unwrap();
        let neighbour: IpAddr = "2001:db8:1:2::8".parse().unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(recent.of(one, start, 'a'), (&mut 'a', Duration::ZERO));
        assert_eq!(
            recent.of(neighbour, start + second, 'b'),
            (&mut 'a', second)
        );
        recent.forget(one);
        assert_eq!(recent.of(one, start, 'c'), (&mut 'c', Duration::ZERO));
    }
}
