//! A histogram over fixed bounds, which any thread may add to without a lock. What is measured, and
//! under which labels, is others' business.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds for durations, in microseconds: from a page out of memory to a large upload.
pub const DURATIONS: [u64; 16] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    120_000_000,
    600_000_000,
];

/// Upper bounds for sizes, in bytes: a document, a part of 8 MiB, what one PutObject takes.
pub const SIZES: [u64; 8] = [
    1 << 10,
    16 << 10,
    256 << 10,
    1 << 20,
    8 << 20,
    64 << 20,
    512 << 20,
    5 << 30,
];

/// How many values were up to each bound and over the one before, how many over the last, and the
/// sum of all.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    counts: [AtomicU64; N],
    over: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            counts: array::from_fn(|_| AtomicU64::default()),
            over: AtomicU64::default(),
            sum: AtomicU64::default(),
        }
    }
}

/// A histogram as it was at one moment.
pub struct Snapshot {
    /// The sum of all values.
    pub sum: u64,
    /// How many values there were.
    pub count: u64,
    /// Upper bound and number of each bucket, the unbounded one last.
    pub buckets: Vec<(f64, u64)>,
}

impl<const N: usize> Histogram<N> {
    /// Adds a value; `bounds` are the same each time.
    pub fn add(&self, bounds: &[u64; N], value: u64) {
        let at = bounds.partition_point(|&bound| bound < value);
        let count = self.counts.get(at).unwrap_or(&self.over);
        count.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Adds all of another's.
    pub fn merge(&self, other: &Self) {
        let ours = self.counts.iter().chain([&self.over, &self.sum]);
        let others = other.counts.iter().chain([&other.over, &other.sum]);
        for (to, from) in ours.zip(others) {
            to.fetch_add(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// What was added, a bound `unit` of its own unit being one.
    #[must_use]
    pub fn snapshot(&self, bounds: &[u64; N], unit: f64) -> Snapshot {
        let counts = self.counts.iter().chain([&self.over]);
        let bounds = bounds.iter().map(|&bound| float(bound) / unit);
        let buckets: Vec<_> = bounds
            .chain([f64::INFINITY])
            .zip(counts.map(|count| count.load(Ordering::Relaxed)))
            .collect();
        Snapshot {
            sum: self.sum.load(Ordering::Relaxed),
            // Not a number of its own: one that is told must be that of the buckets.
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

/// Microseconds, for [`DURATIONS`].
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Exact below 2^53: 9 PB, or 285 years in microseconds.
#[allow(clippy::cast_precision_loss, reason = "said above")]
#[must_use]
pub fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::<16>::default();
        for value in [0, 1_000, 1_001, 600_000_000, 600_000_001] {
            histogram.add(&DURATIONS, value);
        }
        let seen = histogram.snapshot(&DURATIONS, 1e6);
        assert_eq!(seen.count, 5);
        assert_eq!(seen.sum, 1_200_002_002);
        assert_eq!(seen.buckets[0], (0.001, 2));
        assert_eq!(seen.buckets[1], (0.0025, 1));
        assert_eq!(seen.buckets[15], (600.0, 1));
        assert_eq!(seen.buckets[16], (f64::INFINITY, 1));
    }
}
