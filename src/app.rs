//! What a worker's handlers share: configuration, store, engine, and the process's state.
//! Holds things together; does nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::config::Config;
use crate::counters::Counters;
use crate::metrics::http::Http;
use crate::server::{Phase, Rate};
use crate::store::{KeyRules, Store};
use crate::upload::resume::Live;
use crate::upload::{Budget, Engine};

/// Bytes that what is held of zips may take in all: one of the largest, or a hundred small ones.
const ZIP_MEMORY: usize = 16 << 20;

/// Shared by all workers.
pub struct Process {
    /// The configuration.
    pub config: Config,
    /// Where the process is in its life.
    pub phase: Phase,
    /// Who may do what.
    pub access: Access,
    /// How often each address may ask; None: as often as it likes.
    pub rate: Option<Rate>,
    /// Memory for uploads.
    pub budget: Budget,
    /// Requests that are adding to resumable uploads.
    pub live: Live,
    /// Memory for zips being made: a permit for each byte.
    pub zip_memory: Arc<Semaphore>,
    /// What is known of the store.
    pub health: StoreHealth,
    /// What the store and the engine count.
    pub counters: Arc<Counters>,
    /// Numbers of the requests that were served.
    pub http: Http,
    /// When the process started.
    pub started: Instant,
    ids: RequestIds,
}

impl Process {
    /// The state of a process that is about to serve. Fails without random numbers, and when the
    /// users cannot be read.
    pub fn new(config: Config) -> Result<Self, Box<dyn std::error::Error>> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed)?;
        Ok(Self {
            phase: Phase::default(),
            access: Access::new(&config.auth)?,
            rate: config.rate_limit.map(Rate::new),
            budget: Budget::new(config.upload.buffer_bytes),
            live: Live::default(),
            zip_memory: Arc::new(Semaphore::new(ZIP_MEMORY)),
            health: StoreHealth::default(),
            counters: Arc::default(),
            http: Http::default(),
            started: Instant::now(),
            ids: RequestIds {
                seed: u64::from_ne_bytes(seed),
                next: AtomicU64::new(0),
            },
            config,
        })
    }

    /// A new request id: unique here, and not guessable to collide with another replica's.
    #[must_use]
    pub fn request_id(&self) -> String {
        let count = self.ids.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{count:x}", self.ids.seed)
    }
}

struct RequestIds {
    seed: u64,
    next: AtomicU64,
}

/// Whether the store has answered, as readiness wants to know it.
#[derive(Debug, Default)]
pub struct StoreHealth {
    proven: AtomicBool,
    reachable: AtomicBool,
}

impl StoreHealth {
    /// Notes the outcome of a check; true when it differs from the one before.
    pub fn note(&self, reachable: bool) -> bool {
        if reachable {
            self.proven.store(true, Ordering::Release);
        }
        self.reachable.swap(reachable, Ordering::AcqRel) != reachable
    }

    /// Whether the store answered when it was last asked.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Acquire)
    }

    /// Whether to take traffic: the store has answered once; when `strict`, also lately.
    /// Losing the store later does not withdraw every replica at once, which would turn a short
    /// outage of the store into one of the page.
    #[must_use]
    pub fn is_ready(&self, strict: bool) -> bool {
        self.proven.load(Ordering::Acquire) && (!strict || self.is_reachable())
    }
}

/// One worker's own.
pub struct App {
    /// What all workers share.
    pub process: Arc<Process>,
    /// This worker's store, with its own connections.
    pub store: Arc<dyn Store>,
    /// Makes objects of request bodies.
    pub engine: Engine,
    /// What keys may be.
    pub keys: KeyRules,
    /// Uploads that go on, or clean up, when their connection is gone.
    pub tasks: TaskTracker,
}

impl App {
    /// An application over this store.
    #[must_use]
    pub fn new(process: Arc<Process>, store: Arc<dyn Store>) -> Self {
        let config = &process.config;
        Self {
            engine: Engine::new(
                Arc::clone(&store),
                process.budget.clone(),
                config.upload.clone(),
            )
            .counting(Arc::clone(&process.counters)),
            keys: KeyRules {
                prefix_len: config.key_prefix.len(),
            },
            tasks: TaskTracker::new(),
            store,
            process,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_needs_one_success_and_only_strict_loses_it() {
        let health = StoreHealth::default();
        assert!(!health.is_ready(false));
        assert!(health.note(true));
        assert!(health.is_ready(true));
        assert!(health.note(false));
        assert!(health.is_ready(false));
        assert!(!health.is_ready(true));
    }
}
