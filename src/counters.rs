//! What the store and the engine count since the process started: a few numbers, shared by all
//! workers. Who counts what is others' business, and so is who reads them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::calls::Calls;

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
    /// Bytes of uploads that clients have sent.
    Received,
    /// Parts that the store has confirmed.
    Parts,
    /// Worker threads that died and were replaced.
    WorkerRestarts,
    /// Requests that hyper refused by their head: they have no route, and nobody serves them.
    HeadsRefused,
    /// Client connections that were turned away: their address has its share.
    ConnectionsRefused,
}

/// A count's name and label, without the `_total` that counters end with, and what it means.
struct Name(&'static str, Label, &'static str);

type Label = (&'static str, &'static str);

/// No label.
const NONE: Label = ("", "");

/// In the order of [`Count`]; those of one name follow each other.
const NAMES: [Name; 14] = [
    Name(
        "store_retries",
        NONE,
        "Calls to the store that were sent again.",
    ),
    Name(
        "store_settled",
        ("outcome", "found"),
        "Lost answers to a write, by whether it had gone in.",
    ),
    Name("store_settled", ("outcome", "missing"), ""),
    Name(
        "uploads_aborted",
        NONE,
        "Uploads in parts that were given up.",
    ),
    Name(
        "downloads_healed",
        NONE,
        "Downloads that went on where the store had cut them.",
    ),
    Name(
        "uploads_resumed",
        NONE,
        "Requests that went on with a resumable upload behind its first byte.",
    ),
    Name(
        "credentials_refreshes",
        NONE,
        "Credentials that were replaced by new ones, the first ones too.",
    ),
    Name(
        "credentials_refresh_failures",
        NONE,
        "Attempts to get new credentials that failed.",
    ),
    Name("uploads_swept", NONE, "Expired uploads that were given up."),
    Name(
        "upload_received_bytes",
        NONE,
        "Bytes of uploads that came, as they come.",
    ),
    Name(
        "upload_parts",
        NONE,
        "Parts of uploads that the store has confirmed.",
    ),
    Name(
        "worker_restarts",
        NONE,
        "Worker threads that died and were replaced.",
    ),
    Name(
        "http_heads_refused",
        NONE,
        "Requests with a head that is too large or no HTTP/1.1, which have no route.",
    ),
    Name(
        "http_connections_refused",
        NONE,
        "Client connections that were turned away: their address has its share.",
    ),
];

/// Values of one name, with their labels.
pub type Values = Vec<([Label; 1], u64)>;

/// The numbers.
#[derive(Debug, Default)]
pub struct Counters {
    counts: [AtomicU64; NAMES.len()],
    /// Of calls to S3.
    pub calls: Calls,
    /// Seconds since 1970; 0 is never.
    credentials_expiry: AtomicU64,
}

impl Counters {
    /// Counts one more.
    pub fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts so many more.
    pub fn add(&self, what: Count, more: u64) {
        if let Some(number) = self.counts.get(what as usize) {
            number.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The credentials in use end then, in seconds since 1970; None for those that do not.
    pub fn credentials_expire(&self, at: Option<u64>) {
        self.credentials_expiry
            .store(at.unwrap_or(0), Ordering::Relaxed);
    }

    /// When the credentials in use end, in seconds since 1970, if they do.
    #[must_use]
    pub fn credentials_expiry(&self) -> Option<u64> {
        let at = self.credentials_expiry.load(Ordering::Relaxed);
        Some(at).filter(|&at| at > 0)
    }

    /// Each with its name and label.
    fn all(&self) -> impl Iterator<Item = (&'static Name, u64)> {
        let numbers = self.counts.iter();
        let numbers = numbers.map(|number| number.load(Ordering::Relaxed));
        NAMES.iter().zip(numbers)
    }

    /// Each name with its help and its values; without a label the one is [`NONE`].
    #[must_use]
    pub fn families(&self) -> Vec<(&'static str, &'static str, Values)> {
        let mut families: Vec<(_, _, Values)> = Vec::new();
        for (&Name(name, label, help), number) in self.all() {
            match families.last_mut() {
                Some((last, _, values)) if *last == name => values.push(([label], number)),
                _ => families.push((name, help, vec![([label], number)])),
            }
        }
        families
    }
}

/// One line of `name=number`.
impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counted:")?;
        for (Name(name, (label, value), _), number) in self.all() {
            write!(f, " {name}_total")?;
            if !label.is_empty() {
                write!(f, "{{{label}=\"{value}\"}}")?;
            }
            write!(f, "={number}")?;
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
        counters.count(Count::ConnectionsRefused);
        let text = counters.to_string();
        assert!(text.starts_with(
            "counted: store_retries_total=1 store_settled_total{outcome=\"found\"}=0 "
        ));
        assert!(text.contains(" uploads_swept_total=3 "));
        assert!(text.ends_with(" http_connections_refused_total=1"));
    }

    #[test]
    fn numbers_of_one_name_are_one_family() {
        let counters = Counters::default();
        counters.count(Count::SettledMissing);
        let families = counters.families();
        assert_eq!(families.len(), NAMES.len() - 1);
        let (name, _, values) = &families[1];
        assert_eq!(*name, "store_settled");
        assert_eq!(values[1], ([("outcome", "missing")], 1));
    }

    #[test]
    fn credentials_that_never_end_have_no_expiry() {
        let counters = Counters::default();
        assert_eq!(counters.credentials_expiry(), None);
        counters.credentials_expire(Some(7));
        assert_eq!(counters.credentials_expiry(), Some(7));
        counters.credentials_expire(None);
        assert_eq!(counters.credentials_expiry(), None);
    }
}
