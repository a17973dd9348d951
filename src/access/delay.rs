//! How long the next try to sign in from an address has to wait: longer with each that failed.
//! Credentials that are known already never wait.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::recent::Recent;

/// Tries that need not wait: a mistyped password, and a page whose requests all come at once.
const FREE: u32 = 6;
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(8);
/// After so long without a try all is forgiven.
const MEMORY: Duration = Duration::from_mins(10);
/// Most addresses that are remembered.
const MAX: usize = 4096;

/// Tries by address.
pub(super) struct Delays(Mutex<Recent<u32>>);

impl Default for Delays {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MAX)))
    }
}

impl Delays {
    /// Counts a try before it is known how it ends, so that many at once do not share one wait.
    pub(super) fn begin(&self, from: IpAddr, now: Instant) -> Duration {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tries, since) = all.of(from, now, 0);
        if since >= MEMORY {
            *tries = 0;
        }
        *tries = tries.saturating_add(1);
        wait(*tries)
    }

    /// Somebody at this address has signed in.
    pub(super) fn forgive(&self, from: IpAddr) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.forget(from);
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
}
