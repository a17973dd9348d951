//! Numbers of the calls to S3 and of the connections that they go over. Who makes them counts them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::histogram::{DURATIONS, Histogram, micros};
use super::http::Open;

/// The operations of S3's API that are used here, by its names; the last is for any other.
pub const OPERATIONS: [&str; 14] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "GetObject",
    "HeadObject",
    "ListObjectVersions",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
    "other",
];

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx and 3xx.
    Success,
    /// 4xx: often what was to be found out, as of HeadObject.
    ClientError,
    /// 5xx.
    ServerError,
    /// No answer, or not all of it, in time.
    Timeout,
    /// No connection.
    Unreachable,
    /// The bytes to be sent did not come from whoever uploads them.
    Source,
    /// The connection or the answer broke.
    Broken,
    /// Given up by us, as when a client has gone.
    Cancelled,
}

/// As labels have them, in the order of [`Outcome`].
pub const OUTCOMES: [&str; 8] = [
    "success",
    "client_error",
    "server_error",
    "timeout",
    "unreachable",
    "source",
    "broken",
    "cancelled",
];

/// The numbers.
#[derive(Debug, Default)]
pub struct Calls {
    /// Until the answer is read, or for an object's bytes until its head is, in microseconds.
    pub durations: Box<[[Histogram<16>; OUTCOMES.len()]; OPERATIONS.len()]>,
    /// Calls under way.
    pub open: Open,
    /// Connections of all workers.
    pub connections: Open,
    /// Connections that could not be made.
    pub failed_connections: AtomicU64,
}

impl Calls {
    /// A call that begins.
    #[must_use]
    pub fn begin(&self, operation: &str) -> Call<'_> {
        self.open.begin();
        let other = OPERATIONS.len() - 1;
        Call {
            calls: self,
            operation: OPERATIONS
                .iter()
                .position(|&name| name == operation)
                .unwrap_or(other),
            outcome: Outcome::Cancelled,
            begun: Instant::now(),
        }
    }

    /// A connection that could not be made.
    pub fn unconnected(&self) {
        self.failed_connections.fetch_add(1, Ordering::Relaxed);
    }
}

/// A call under way; counted when it is dropped.
pub struct Call<'a> {
    calls: &'a Calls,
    operation: usize,
    outcome: Outcome,
    begun: Instant,
}

impl Call<'_> {
    /// It has ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.calls.open.end();
        let of = self.calls.durations.get(self.operation);
        if let Some(histogram) = of.and_then(|of| of.get(self.outcome as usize)) {
            histogram.add(&DURATIONS, micros(self.begun.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_counted_by_how_it_ended_and_one_that_is_dropped_as_cancelled() {
        let calls = Calls::default();
        let first = calls.begin("PutObject");
        assert_eq!(calls.open.now(), 1);
        first.end(Outcome::Timeout);
        drop(calls.begin("Unheard"));
        assert_eq!(calls.open.now(), 0);
        let count = |operation: usize, outcome: Outcome| {
            let histogram = &calls.durations[operation][outcome as usize];
            histogram.snapshot(&DURATIONS, 1e6).count
        };
        assert_eq!(count(10, Outcome::Timeout), 1);
        assert_eq!(count(13, Outcome::Cancelled), 1);
        assert_eq!(OUTCOMES[Outcome::Cancelled as usize], "cancelled");
    }
}
