//! One set of credentials, and when to look for the next one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusoto_core::credential::AwsCredentials;

use super::super::retry::jitter;
use super::LOOK;

/// Replaced within so much of their end, where they live long enough. EC2 has new ones at least five
/// minutes before ("Retrieve security credentials from instance metadata", EC2 User Guide).
const MARGIN: Duration = Duration::from_mins(10);

/// Credentials in force.
pub(in crate::store::s3) struct Lease {
    pub(in crate::store::s3) keys: AwsCredentials,
    /// Counts from 1.
    pub(in crate::store::s3) number: u64,
    /// When to ask for others.
    due: DateTime<Utc>,
}

impl Lease {
    pub(super) fn new(keys: AwsCredentials, number: u64, now: DateTime<Utc>) -> Self {
        let wait = match keys.expires_at() {
            // Half of the margin to all of it before the end, so that replicas do not ask together.
            Some(end) => {
                let life = (*end - now).to_std().unwrap_or_default();
                life.saturating_sub(jitter(MARGIN.min(life / 2)))
            }
            // A mounted secret or a file may be written anew.
            None => LOOK,
        };
        Self {
            keys,
            number,
            due: now + wait,
        }
    }

    pub(super) fn expires_at(&self) -> Option<DateTime<Utc>> {
        *self.keys.expires_at()
    }

    pub(super) fn is_valid(&self, now: DateTime<Utc>) -> bool {
        self.keys.expires_at().is_none_or(|end| now < end)
    }

    /// Until they end: as good as for ever where that is not known.
    pub(super) fn left(&self, now: DateTime<Utc>) -> Duration {
        match self.keys.expires_at() {
            Some(end) => (*end - now).to_std().unwrap_or_default(),
            None => Duration::MAX,
        }
    }

    pub(super) fn due_in(&self, now: DateTime<Utc>) -> Duration {
        (self.due - now).to_std().unwrap_or_default()
    }

    /// When to ask again where the source has the same ones still: ever sooner towards their end.
    pub(super) fn look_again_in(&self, now: DateTime<Utc>) -> Duration {
        (self.left(now) / 4).clamp(Duration::from_secs(1), LOOK)
    }

    /// Whether these are the same.
    pub(super) fn has(&self, keys: &AwsCredentials) -> bool {
        let parts = |keys: &AwsCredentials| {
            (
                keys.aws_access_key_id().to_owned(),
                keys.aws_secret_access_key().to_owned(),
                keys.token().clone(),
                *keys.expires_at(),
            )
        };
        parts(&self.keys) == parts(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(seconds: Option<u64>) -> (Lease, DateTime<Utc>) {
        let now = Utc::now();
        let end = seconds.map(|seconds| now + Duration::from_secs(seconds));
        let keys = AwsCredentials::new("id", "secret", None, end);
        (Lease::new(keys, 1, now), now)
    }

    #[test]
    fn credentials_are_replaced_minutes_before_they_end_or_in_the_second_half_of_a_short_life() {
        for (life, earliest, latest) in [
            (6 * 3600, 6 * 3600 - 600, 6 * 3600 - 300),
            (3600, 3000, 3300),
            (900, 450, 675),
            (4, 2, 3),
        ] {
            let (lease, now) = lease(Some(life));
            let due = lease.due_in(now).as_secs_f64();
            assert!(
                (f64::from(earliest)..=f64::from(latest)).contains(&due),
                "{due}"
            );
            assert!(lease.is_valid(now));
            assert!(!lease.is_valid(now + Duration::from_secs(life)));
        }
        let (lease, now) = lease(None);
        assert_eq!(lease.due_in(now), LOOK);
        assert!(lease.is_valid(now + Duration::from_hours(9999)));
    }

    #[test]
    fn a_source_without_newer_ones_is_asked_more_often_towards_the_end() {
        let (lease, now) = lease(Some(300));
        let after = |seconds| {
            lease
                .look_again_in(now + Duration::from_secs(seconds))
                .as_secs()
        };
        assert_eq!([after(0), after(100), after(299)], [60, 50, 1]);
    }
}
