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
/// How long the line of an address may be: its tries wait one after the other, or a hundred at once
/// would all be made after eight seconds.
const LINE: Duration = Duration::from_secs(30);

/// Tries by address.
pub(super) struct Delays(Mutex<Recent<Tries>>);

#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    /// When the last of those that wait has its turn.
    free: Instant,
}

impl Default for Delays {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MAX)))
    }
}

impl Delays {
    /// How long a try waits; None when the line is too long for it. It counts before it is known how
    /// it ends, so that many at once do not share one wait.
    pub(super) fn begin(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = Tries {
            count: 0,
            free: now,
        };
        let (tries, since) = all.of(from, now, none);
        if since >= MEMORY {
            *tries = none;
        }
        let count = tries.count.saturating_add(1);
        let turn = tries.free.max(now) + wait(count);
        let wait = turn.duration_since(now);
        if wait > LINE {
            return None;
        }
        *tries = Tries { count, free: turn };
        Some(wait)
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
    fn each_failure_makes_the_next_try_wait_longer_and_after_those_before_it() {
        let (delays, now) = (Delays::default(), Instant::now());
        let from: IpAddr = [192, 0, 2, 1].into();
        let waits: Vec<_> = (0..40).map(|_| delays.begin(from, now)).collect();
        assert!(waits[..6].iter().all(|wait| *wait == Some(Duration::ZERO)));
        let ms = |n| Some(Duration::from_millis(n));
        let line = [250, 750, 1750, 3750, 7750, 15_750, 23_750].map(ms);
        assert_eq!(waits[6..13], line);
        assert!(waits[13..].iter().all(Option::is_none));
        // Who was turned away made the line no longer.
        assert_eq!(
            delays.begin(from, now + Duration::from_mins(1)),
            Some(LONGEST)
        );
        assert_eq!(delays.begin([192, 0, 2, 2].into(), now), ms(0));
        let later = now + Duration::from_mins(2) + MEMORY;
        assert_eq!(delays.begin(from, later), ms(0));
        for _ in 0..9 {
            delays.begin(from, later);
        }
        delays.forgive(from);
        assert_eq!(delays.begin(from, later), ms(0));
    }
}
