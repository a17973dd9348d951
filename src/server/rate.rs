//! `RATE_LIMIT`: how often an address may ask, by token buckets. Which requests count is
//! `admission`'s business.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::address::holder;

/// Seconds' worth of requests that may come at once: a page asks for all it needs.
const BURST: f64 = 5.0;
/// Addresses that are remembered.
const MAX: usize = 8192;

/// The buckets of all addresses.
pub struct Rate {
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rate {
    /// So many requests a second.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            buckets: Mutex::default(),
        }
    }

    fn burst(&self) -> f64 {
        self.per_second * BURST
    }

    /// Counts a request; how long until the next may come, where this one comes too early. Such a one
    /// counts only where it will `wait`.
    pub(super) fn count(&self, from: IpAddr, wait: bool, now: Instant) -> Duration {
        let mut all = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let from = holder(from);
        if all.len() >= MAX && !all.contains_key(&from) {
            // By then a bucket is as good as new, unless somebody waits in line for it.
            let full = Duration::from_secs_f64(BURST);
            all.retain(|_, bucket| now.duration_since(bucket.at) < full);
            if all.len() >= MAX {
                let oldest = all.iter().min_by_key(|(_, bucket)| bucket.at);
                if let Some(oldest) = oldest.map(|(address, _)| *address) {
                    all.remove(&oldest);
                }
            }
        }
        let bucket = all.entry(from).or_insert(Bucket {
            tokens: self.burst(),
            at: now,
        });
        let since = now.duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * self.per_second).min(self.burst());
        bucket.at = now;
        let left = bucket.tokens - 1.0;
        if left >= 0.0 || wait {
            bucket.tokens = left;
        }
        Duration::from_secs_f64((-left).max(0.0) / self.per_second)
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
            assert!(rate.count(from, false, start).is_zero());
        }
        let half = Duration::from_millis(500);
        assert_eq!(rate.count(from, false, start), half);
        assert_eq!(
            rate.count(from, false, start),
            half,
            "refused ones cost nothing"
        );
        assert!(rate.count(from, false, start + half).is_zero());
        assert!(!rate.count(from, false, start + half).is_zero());
        assert!(rate.count([192, 0, 2, 2].into(), false, start).is_zero());
    }

    #[test]
    fn those_that_wait_stand_in_line() {
        let (rate, now) = (Rate::new(1), Instant::now());
        let from: IpAddr = [192, 0, 2, 1].into();
        let waits: Vec<_> = (0..8)
            .map(|_| rate.count(from, true, now).as_secs())
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 3]);
    }

    #[test]
    fn the_table_is_bounded() {
        let (rate, now) = (Rate::new(1), Instant::now());
        for n in 0..20_000_u32 {
            rate.count(std::net::Ipv4Addr::from(n).into(), false, now);
        }
        assert_eq!(rate.buckets.lock().unwrap().len(), MAX);
    }
}
