//! The credentials that requests to S3 are signed with: one set for all workers, fetched by whoever
//! first finds none, replaced in the background before it expires, and used for as long as it is
//! valid. Where it comes from is `chain`'s business.

mod chain;
mod container;
mod environment;
mod fetch;
mod lease;
mod metadata;
mod profile;
mod web_identity;

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusoto_core::credential::{AwsCredentials, CredentialsError, ProvideAwsCredentials};
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::retry::jitter;
use crate::config::CredentialSources;
use crate::counters::{Count, Counters};
use crate::store::{StoreError, StoreResult};
use chain::{Chain, Step};
pub(super) use lease::Lease;

/// What a request waits for credentials: less than the background check's patience, whose log line
/// says then what is missing.
const REQUEST_WAIT: Duration = Duration::from_secs(4);
/// What one pass over the sources may take.
const FETCH_DEADLINE: Duration = Duration::from_secs(10);
/// No timer is trusted for longer: clocks are set, machines sleep, and files are written anew.
const LOOK: Duration = Duration::from_mins(1);
/// After the first failure; twice as long after each further one, up to [`LOOK`].
const FIRST_REST: Duration = Duration::from_secs(1);
/// The most of it while there are no valid credentials: nothing works then.
const SHORT_REST: Duration = Duration::from_secs(2);
/// Credentials that S3 refuses are replaced no more often than this, whatever it says.
const FORCE_PAUSE: Duration = Duration::from_secs(5);

/// The credentials of a process; a clone is the same.
#[derive(Clone)]
pub struct Credentials {
    shared: Arc<Shared>,
    counters: Arc<Counters>,
}

struct Shared {
    chain: Chain,
    current: RwLock<Option<Arc<Lease>>>,
    /// Held while new ones are fetched.
    flight: Mutex<Flight>,
}

/// What fetching has come to.
#[derive(Default)]
struct Flight {
    /// Where the current ones came from: when that fails, no other identity takes its place.
    step: Option<Step>,
    failures: u32,
    rest: Option<Rest>,
    /// When S3 last refused the current ones, and whether others came or may come.
    forced: Option<(Instant, bool)>,
}

/// After a failure: until when nothing is tried, and why.
#[derive(Clone)]
struct Rest {
    until: Instant,
    why: String,
}

impl Credentials {
    pub(super) fn new(sources: CredentialSources, tls: Arc<ClientConfig>) -> Self {
        Self {
            shared: Arc::new(Shared {
                chain: Chain::new(sources, tls),
                current: RwLock::default(),
                flight: Mutex::default(),
            }),
            counters: Arc::default(),
        }
    }

    /// Counts on these.
    pub(super) fn counting(self, counters: Arc<Counters>) -> Self {
        Self { counters, ..self }
    }

    /// When the current ones end; None where that is not known, and where there are none.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.lease()?.expires_at()
    }

    /// Valid credentials. Fails with [`StoreError::Credentials`] when there are none soon.
    pub(super) async fn get(&self) -> StoreResult<Arc<Lease>> {
        match self.valid() {
            Some(lease) => Ok(lease),
            // Boxed, as hardly any request comes here, and every one would be larger for it.
            None => Box::pin(self.wait()).await,
        }
    }

    async fn wait(&self) -> StoreResult<Arc<Lease>> {
        let fetched = timeout(REQUEST_WAIT, self.refresh(self.number())).await;
        self.valid().ok_or_else(|| {
            StoreError::Credentials(match fetched {
                Ok(Err(rest)) => rest.why.into(),
                _ => format!("none came within {REQUEST_WAIT:?}").into(),
            })
        })
    }

    /// Which credentials these are: another number, other credentials.
    pub(super) fn number(&self) -> u64 {
        let current = self.shared.current.read();
        let current = current.unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map_or(0, |lease| lease.number)
    }

    /// Whether they are lent, so that they may have expired though nothing says so.
    pub(super) fn are_lent(&self) -> bool {
        self.lease()
            .is_some_and(|lease| lease.keys.token().is_some())
    }

    fn lease(&self) -> Option<Arc<Lease>> {
        let current = self.shared.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn valid(&self) -> Option<Arc<Lease>> {
        self.lease().filter(|lease| lease.is_valid(Utc::now()))
    }

    /// S3 does not take the credentials of this number: gets others. False when their source has
    /// none but these.
    pub(super) async fn refused(&self, number: u64) -> bool {
        let renewed = async {
            if self.valid().is_none() {
                let _ = self.refresh(number).await;
                return true;
            }
            let mut flight = self.shared.flight.lock().await;
            if self.number() != number {
                return true;
            }
            if let Some((at, hope)) = flight.forced
                && at.elapsed() < FORCE_PAUSE
            {
                return hope;
            }
            log::warn!("S3 does not take the credentials: asking for others");
            let failed = self.fetch(&mut flight).await.is_err();
            let hope = failed || self.number() != number;
            flight.forced = Some((Instant::now(), hope));
            hope
        };
        timeout(REQUEST_WAIT, renewed).await.unwrap_or(true)
    }

    /// Replaces credentials before they expire, for ever.
    pub async fn keep(&self) -> Infallible {
        loop {
            let lease = self.lease();
            let due = lease.as_ref().map(|lease| lease.due_in(Utc::now()));
            match due {
                Some(pause) if !pause.is_zero() => sleep(pause.min(LOOK)).await,
                _ => {
                    let before = self.number();
                    match self.refresh(before).await {
                        Err(rest) => tokio::time::sleep_until(rest.until).await,
                        // The source has no newer ones yet.
                        Ok(()) if self.number() == before => {
                            sleep(lease.map_or(LOOK, |lease| lease.look_again_in(Utc::now())))
                                .await;
                        }
                        Ok(()) => {}
                    }
                }
            }
        }
    }

    /// Gets newer credentials than those of this number, once for all who ask meanwhile.
    async fn refresh(&self, number: u64) -> Result<(), Rest> {
        let mut flight = self.shared.flight.lock().await;
        if self.number() != number {
            return Ok(());
        }
        match &flight.rest {
            Some(rest) if Instant::now() < rest.until => Err(rest.clone()),
            _ => self.fetch(&mut flight).await,
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
                    flight.rest = None;
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
        let known = flight.rest.take().is_some_and(|rest| rest.why == fault);
        match left {
            _ if known => log::debug!("still no new credentials: {fault}"),
            Some(Duration::MAX) => log::warn!("the old credentials stay in use: {fault}"),
            Some(left) => log::warn!(
                "no new credentials, the old ones are good for {} s: {fault}",
                left.as_secs()
            ),
            None => log::error!("no valid credentials: {fault}"),
        }
        let rest = Rest {
            until: Instant::now() + jitter(pause.min(most)),
            why: fault,
        };
        flight.rest = Some(rest.clone());
        Err(rest)
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

/// For the operations that rusoto signs.
#[async_trait]
impl ProvideAwsCredentials for Credentials {
    async fn credentials(&self) -> Result<AwsCredentials, CredentialsError> {
        match self.get().await {
            Ok(lease) => Ok(lease.keys.clone()),
            Err(StoreError::Credentials(why)) => Err(CredentialsError::new(why)),
            Err(other) => Err(CredentialsError::new(other)),
        }
    }
}
