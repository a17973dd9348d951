//! How often what should be rare has happened since the process started: a few numbers, shared by
//! all workers. Who counts what is others' business, and so is who reads them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Calls to the store that were sent again.
    Retries,
    /// Lost answers to a write that had gone in.
    SettledFound,
    /// Lost answers to a write of which nothing was found.
    SettledMissing,
    /// Uploads in parts that were given up.
    Aborts,
    /// Downloads that went on where the store had cut them.
    Heals,
    /// Requests that went on with a resumable upload behind its first byte.
    Resumes,
    /// Credentials that were replaced by new ones, the first ones too.
    CredentialRefreshes,
    /// Attempts to get new credentials that failed.
    CredentialFailures,
    /// Expired uploads that the sweeper gave up.
    Swept,
}

/// As Prometheus names them, in the order of [`Count`].
const NAMES: [&str; 9] = [
    "store_retries_total",
    "store_settled_total{outcome=\"found\"}",
    "store_settled_total{outcome=\"missing\"}",
    "uploads_aborted_total",
    "downloads_healed_total",
    "uploads_resumed_total",
    "credentials_refreshes_total",
    "credentials_refresh_failures_total",
    "uploads_swept_total",
];

/// The numbers.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; NAMES.len()]);

impl Counters {
    /// Counts one more.
    pub fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts so many more.
    pub fn add(&self, what: Count, more: u64) {
        if let Some(number) = self.0.get(what as usize) {
            number.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Each with its name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let numbers = self.0.iter().map(|number| number.load(Ordering::Relaxed));
        NAMES.into_iter().zip(numbers)
    }
}

/// One line of `name=number`.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counted:")?;
        for (name, number) in self.all() {
            write!(f, " {name}={number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_its_name() {
        let counters = Counters::default();
        counters.count(Count::Retries);
        counters.add(Count::Swept, 3);
        let text = counters.to_string();
        assert!(text.starts_with("counted: store_retries_total=1 "));
        assert!(text.ends_with(" uploads_swept_total=3"));
    }
}
