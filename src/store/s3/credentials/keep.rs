//! Fetches credentials, for all who wait for some: before the current ones expire, when there are
//! none, and when S3 refuses them. One task does all of it, so that no fetch ends with a request.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::Utc;
use rusoto_core::credential::AwsCredentials;
use tokio::time::{Instant, sleep_until, timeout};

use super::super::retry::jitter;
use super::chain::Step;
use super::{Credentials, FORCE_PAUSE, LOOK, Lease, Rest};
use crate::counters::Count;

/// What one pass over the sources may take.
const FETCH_DEADLINE: Duration = Duration::from_secs(10);
/// After the first failure; twice as long after each further one, up to [`LOOK`].
const FIRST_REST: Duration = Duration::from_secs(1);
/// The most of it while there are no valid credentials: nothing works then.
const SHORT_REST: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Flight {
    /// Where the current ones came from: when that fails, no other identity takes its place.
    step: Option<Step>,
    failures: u32,
}

impl Credentials {
    /// Fetches credentials and replaces them before they expire, for ever. Without it nobody gets
    /// any.
    pub async fn keep(&self) -> Infallible {
        let mut flight = Flight::default();
        let mut next = Instant::now();
        loop {
            let forced = self.due(next).await;
            if forced {
                log::warn!("S3 does not take the credentials: asking for others");
            }
            let before = self.number();
            let outcome = self.fetch(&mut flight).await;
            let same = self.number() == before;
            next = match (&outcome, self.lease()) {
                (Err(rest), _) => rest.until,
                // The source has no newer ones yet.
                (Ok(()), Some(lease)) if same => Instant::now() + lease.look_again_in(Utc::now()),
                (Ok(()), _) => Instant::now(),
            };
            self.shared.told.send_modify(|told| {
                if forced {
                    told.forced = Some((Instant::now(), outcome.is_err() || !same));
                }
                told.rest = outcome.err();
            });
        }
    }

    /// Ends when others are to be fetched, not before `next` unless a request needs them; whether
    /// because S3 refused the current ones.
    async fn due(&self, mut next: Instant) -> bool {
        let shared = &self.shared;
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    let pause = self.lease().map(|lease| lease.due_in(Utc::now()));
                    match pause {
                        Some(pause) if !pause.is_zero() => next = Instant::now() + pause.min(LOOK),
                        _ => return false,
                    }
                }
                () = shared.wanted.notified() => {
                    let told = shared.told.borrow();
                    if self.valid().is_none() {
                        if told.rest.as_ref().is_none_or(|rest| rest.until <= Instant::now()) {
                            return false;
                        }
                    } else if shared.refused.load(Ordering::Relaxed) == self.number()
                        && told.forced.is_none_or(|(at, _)| at.elapsed() >= FORCE_PAUSE)
                    {
                        return true;
                    }
                }
            }
        }
    }

    async fn fetch(&self, flight: &mut Flight) -> Result<(), Rest> {
        let chain = &self.shared.chain;
        let outcome = match timeout(FETCH_DEADLINE, chain.load(flight.step)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("the source was silent for {FETCH_DEADLINE:?}")),
        };
        let fault = match outcome {
            Ok((keys, step)) => match self.install(keys, step) {
                Ok(()) => {
                    flight.step = Some(step);
                    flight.failures = 0;
                    return Ok(());
                }
                Err(fault) => fault.to_owned(),
            },
            Err(fault) => fault,
        };
        self.counters.count(Count::CredentialFailures);
        let left = self.valid().map(|lease| lease.left(Utc::now()));
        let most = left.map_or(SHORT_REST, |left| left.clamp(SHORT_REST, LOOK));
        let pause = FIRST_REST.saturating_mul(1 << flight.failures.min(6));
        flight.failures += 1;
        let known = {
            let told = self.shared.told.borrow();
            told.rest.as_ref().is_some_and(|rest| rest.why == fault)
        };
        match left {
            _ if known => log::debug!("still no new credentials: {fault}"),
            Some(Duration::MAX) => log::warn!("the old credentials stay in use: {fault}"),
            Some(left) => log::warn!(
                "no new credentials, the old ones are good for {} s: {fault}",
                left.as_secs()
            ),
            None => log::error!("no valid credentials: {fault}"),
        }
        Err(Rest {
            until: Instant::now() + jitter(pause.min(most)),
            why: fault,
        })
    }

    /// Puts new credentials in force; the same ones again change nothing.
    fn install(&self, keys: AwsCredentials, step: Step) -> Result<(), &'static str> {
        let now = Utc::now();
        if keys.expires_at().is_some_and(|end| end <= now) {
            return Err("the source gives credentials that have expired");
        }
        let old = self.lease();
        if old.as_ref().is_some_and(|old| old.has(&keys)) {
            return Ok(());
        }
        let number = old.map_or(1, |old| old.number + 1);
        match keys.expires_at() {
            Some(end) => log::info!("credentials from {step}, good until {end:?}"),
            None => log::info!("credentials from {step}"),
        }
        let end = keys.expires_at().map(|end| end.timestamp());
        let lease = Arc::new(Lease::new(keys, number, now));
        *self
            .shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(lease);
        self.counters.count(Count::CredentialRefreshes);
        let end = end.and_then(|end| u64::try_from(end).ok());
        self.counters.credentials_expire(end);
        Ok(())
    }
}
