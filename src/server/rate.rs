//! `RATE_LIMIT`: how often an address may ask, by token buckets. Which requests count is
//! `admission`'s business.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::recent::Recent;

/// Seconds' worth of requests that may come at once: a page asks for all it needs.
const BURST: f64 = 5.0;
/// Addresses that are remembered. Those that went are as good as new, unless somebody waits in line.
const MAX: usize = 8192;

/// The buckets of all addresses.
pub struct Rate {
    per_second: f64,
    /// Tokens as they were when the address last asked.
    buckets: Mutex<Recent<f64>>,
}

impl Rate {
    /// So many requests a second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            buckets: Mutex::new(Recent::new(MAX)),
        }
    }

    /// How long until the request may come. It takes its token only where that is at most `line`, what
    /// it would wait: who is refused owes nothing, however often they come back.
    pub(super) fn count(&self, from: IpAddr, line: Duration, now: Instant) -> Duration {
        let burst = self.per_second * BURST;
        let mut all = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = all.of(from, now, burst);
        *tokens = (*tokens + since.as_secs_f64() * self.per_second).min(burst);
        let left = *tokens - 1.0;
        let wait = Duration::from_secs_f64((-left).max(0.0) / self.per_second);
        if wait <= line {
            *tokens = left;
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_burst_each_request_needs_its_share_of_a_second() {
        let (rate, start) = (Rate::new(2), Instant::now());
        let from: IpAddr = [192, 0, 2, 1].into();
        for _ in 0..10 {
            assert!(rate.count(from, Duration::ZERO, start).is_zero());
        }
        let half = Duration::from_millis(500);
        assert_eq!(rate.count(from, Duration::ZERO, start), half);
        assert_eq!(
            rate.count(from, Duration::ZERO, start),
            half,
            "refused ones cost nothing"
        );
        assert!(rate.count(from, Duration::ZERO, start + half).is_zero());
        assert!(!rate.count(from, Duration::ZERO, start + half).is_zero());
        assert!(
            rate.count([192, 0, 2, 2].into(), Duration::ZERO, start)
                .is_zero()
        );
    }

    #[test]
    fn those_that_wait_stand_in_line() {
        let (rate, now) = (Rate::new(1), Instant::now());
        let from: IpAddr = [192, 0, 2, 1].into();
        let waits: Vec<_> = (0..8)
            .map(|_| rate.count(from, Duration::from_secs(30), now).as_secs())
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn who_is_refused_because_the_line_is_too_long_owes_nothing_for_it() {
        let (rate, start) = (Rate::new(1), Instant::now());
        let from: IpAddr = [192, 0, 2, 1].into();
        let line = Duration::from_secs(30);
        for _ in 0..35 {
            assert!(rate.count(from, line, start) <= line);
        }
        for _ in 0..3600 {
            assert_eq!(rate.count(from, line, start), line + Duration::from_secs(1));
        }
        assert_eq!(rate.count(from, line, start + Duration::from_secs(1)), line);
    }
}
