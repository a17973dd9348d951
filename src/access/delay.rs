//! How long the next try to sign in from an address has to wait: longer with each that failed.
//! Credentials that are known already never wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::address::holder;

/// Tries that need not wait: a mistyped password, and a page whose requests all come at once.
const FREE: u32 = 6;
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(8);
/// After so long without a try all is forgiven.
const MEMORY: Duration = Duration::from_mins(10);
/// Most addresses that are remembered.
const MAX: usize = 4096;

/// Tries by address.
#[derive(Default)]
pub(super) struct Delays(Mutex<HashMap<IpAddr, Tries>>);

struct Tries {
    count: u32,
    last: Instant,
}

impl Delays {
    /// Counts a try before it is known how it ends, so that many at once do not share one wait.
    pub(super) fn begin(&self, from: IpAddr, now: Instant) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = holder(from);
        if all.len() >= MAX && !all.contains_key(&from) {
            all.retain(|_, tries| now.duration_since(tries.last) < MEMORY);
            if all.len() >= MAX {
                let oldest = all.iter().min_by_key(|(_, tries)| tries.last);
                if let Some(oldest) = oldest.map(|(address, _)| *address) {
                    all.remove(&oldest);
                }
            }
        }
        let tries = all.entry(from).or_insert(Tries {
            count: 0,
            last: now,
        });
        if now.duration_since(tries.last) >= MEMORY {
            tries.count = 0;
        }
        tries.last = now;
        tries.count = tries.count.saturating_add(1);
        wait(tries.count)
    }

    /// Somebody at this address has signed in.
    pub(super) fn forgive(&self, from: IpAddr) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&holder(from));
    }
}

fn wait(count: u32) -> Duration {
    match count.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(8)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_makes_the_next_try_wait_longer_up_to_a_limit() {
        let (delays, now) = (Delays::default(), Instant::now());
        let from: IpAddr = [192, 0, 2, 1].into();
        let waits: Vec<_> = (0..40).map(|_| delays.begin(from, now)).collect();
        assert!(waits[..6].iter().all(Duration::is_zero));
        assert!(waits.is_sorted() && waits[6] == FIRST && waits[39] == LONGEST);
        assert!(delays.begin([192, 0, 2, 2].into(), now).is_zero());
        assert!(delays.begin(from, now + MEMORY).is_zero());
        for _ in 0..9 {
            delays.begin(from, now);
        }
        delays.forgive(from);
        assert!(delays.begin(from, now).is_zero());
    }

    #[test]
    fn the_table_is_bounded_and_drops_the_oldest() {
        let (delays, now) = (Delays::default(), Instant::now());
        for n in 0..10_000_u32 {
            let from = std::net::Ipv4Addr::from(n).into();
            delays.begin(from, now + Duration::from_micros(n.into()));
        }
        let all = delays.0.lock().unwrap();
        assert_eq!(all.len(), MAX);
        assert!(all.contains_key(&IpAddr::from(std::net::Ipv4Addr::from(9_999))));
    }
}
