//! What came of a load: counts, and latencies in an HDR histogram.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::load::figures::Latency;

/// Counts while a load runs, for those who look on.
#[derive(Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Meter {
    /// One more request, with so many bytes of body.
    pub fn add(&self, bytes: u64) {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
pub struct Outcome {
    pub requests: u64,
    pub bytes: u64,
    /// From the load's beginning to its last answer.
    pub seconds: f64,
    pub failures: u64,
    pub first_failure: Option<String>,
    /// Microseconds.
    pub latencies: Histogram<u64>,
    /// When the last answer had come.
    pub ended: Option<Instant>,
}

impl Default for Outcome {
    fn default() -> Self {
        // Up to an hour, to a thousandth.
        let latencies = Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("bounds");
        Self {
            requests: 0,
            bytes: 0,
            seconds: 0.0,
            failures: 0,
            first_failure: None,
            latencies,
            ended: None,
        }
    }
}

impl Outcome {
    pub fn succeed(&mut self, bytes: u64, latency: Duration, now: Instant) {
        self.requests += 1;
        self.bytes += bytes;
        self.ended = Some(now);
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros.max(1));
    }

    pub fn fail(&mut self, why: String) {
        self.failures += 1;
        self.first_failure.get_or_insert(why);
    }

    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.failures += other.failures;
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
        self.latencies
            .add(&other.latencies)
            .expect("the same bounds");
        self.ended = self.ended.max(other.ended);
    }
}

/// None of nothing.
pub fn latency(latencies: &Histogram<u64>) -> Option<Latency> {
    if latencies.is_empty() {
        return None;
    }
    Some(Latency {
        p50: latencies.value_at_quantile(0.5),
        p90: latencies.value_at_quantile(0.9),
        p99: latencies.value_at_quantile(0.99),
        p999: latencies.value_at_quantile(0.999),
        max: latencies.max(),
    })
}
