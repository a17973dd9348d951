//! The credentials that requests to S3 are signed with: one set for all workers, used for as long as
//! it is valid. Requests only wait for it: `keep` fetches it, from where `chain` says.

mod chain;
mod container;
mod environment;
mod fetch;
mod keep;
mod lease;
mod metadata;
mod profile;
mod web_identity;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusoto_core::credential::{AwsCredentials, CredentialsError, ProvideAwsCredentials};
use rustls::ClientConfig;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::config::CredentialSources;
use crate::counters::Counters;
use crate::store::{StoreError, StoreResult};
use chain::Chain;
pub(super) use lease::Lease;

/// What a request waits for credentials: less than the background check's patience, whose log line
/// says then what is missing.
const REQUEST_WAIT: Duration = Duration::from_secs(4);
/// No timer is trusted for longer: clocks are set, machines sleep, and files are written anew.
const LOOK: Duration = Duration::from_mins(1);
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
    /// Wakes `keep`: a request needs others.
    wanted: Notify,
    /// The number of those that S3 refused last.
    refused: AtomicU64,
    told: watch::Sender<Told>,
}

/// What fetching has come to.
#[derive(Default)]
struct Told {
    rest: Option<Rest>,
    /// When others were last fetched because S3 refused the current ones, and whether they came or
    /// may come.
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
                wanted: Notify::new(),
                refused: AtomicU64::new(0),
                told: watch::Sender::default(),
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
        let mut told = self.shared.told.subscribe();
        let fetched = async {
            loop {
                if let Some(lease) = self.valid() {
                    return Ok(lease);
                }
                if let Some(rest) = &told.borrow_and_update().rest
                    && Instant::now() < rest.until
                {
                    return Err(rest.why.clone());
                }
                self.shared.wanted.notify_one();
                // The sender is `self`: it never closes.
                let _ = told.changed().await;
            }
        };
        let fetched = timeout(REQUEST_WAIT, fetched).await;
        fetched
            .unwrap_or_else(|_| Err(format!("none came within {REQUEST_WAIT:?}")))
            .map_err(|why| StoreError::Credentials(why.into()))
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
        if self.valid().is_none() {
            let _ = self.wait().await;
            return true;
        }
        let mut told = self.shared.told.subscribe();
        let renewed = async {
            loop {
                if self.number() != number {
                    return true;
                }
                let forced = told.borrow_and_update().forced;
                if let Some((at, hope)) = forced
                    && at.elapsed() < FORCE_PAUSE
                {
                    return hope;
                }
                self.shared.refused.store(number, Ordering::Relaxed);
                self.shared.wanted.notify_one();
                let _ = told.changed().await;
            }
        };
        timeout(REQUEST_WAIT, renewed).await.unwrap_or(true)
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
