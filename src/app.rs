//! What a worker's handlers share: configuration, store, engine, and the process's state.
//! Holds things together; does nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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
    /// Numbers of the requests that were served, for each worker its own: what two cores write by
    /// turns, each waits for.
    pub http: Vec<Arc<Http>>,
    /// Makes the allocator give the system what is free of this thread's memory. Not for the main
    /// thread.
    pub give_back: fn(),
    /// When the process started.
    pub started: Instant,
    seed: u64,
    /// Workers that there were.
    apps: AtomicUsize,
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
            http: (0..config.workers).map(|_| Arc::default()).collect(),
            give_back: || {},
            started: Instant::now(),
            seed: u64::from_ne_bytes(seed),
            apps: AtomicUsize::new(0),
            config,
        })
    }
}

/// Makes ids of requests.
struct RequestIds {
    begin: String,
    next: AtomicU64,
}

impl RequestIds {
    fn new(seed: u64) -> Self {
        Self {
            begin: format!("{seed:016x}-"),
            next: AtomicU64::new(0),
        }
    }

    /// As `{:x}` would write the number, in a tenth of the time.
    fn next(&self) -> String {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let digits = (u64::BITS - count.leading_zeros()).div_ceil(4).max(1);
        let mut id = String::with_capacity(self.begin.len() + digits as usize);
        id.push_str(&self.begin);
        for at in (0..digits).rev() {
            let digit = char::from_digit((count >> (4 * at)) as u32 & 0xf, 16);
            id.extend(digit);
        }
        id
    }
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
    /// Where its requests are counted.
    pub http: Arc<Http>,
    ids: RequestIds,
}

impl App {
    /// An application over this store.
    #[must_use]
    pub fn new(process: Arc<Process>, store: Arc<dyn Store>) -> Self {
        let config = &process.config;
        let number = process.apps.fetch_add(1, Ordering::Relaxed);
        // One that replaces another may come to share a place: they are right all the same.
        let http = number
            .checked_rem(process.http.len())
            .and_then(|at| process.http.get(at));
        Self {
            http: http.cloned().unwrap_or_default(),
            ids: RequestIds::new(process.seed.wrapping_add(number as u64)),
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

    /// A new request id: unique here, and not guessable to collide with another replica's.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.ids.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_count_in_hexadecimal() {
        let ids = RequestIds::new(0xbeef);
        assert_eq!(ids.next(), "000000000000beef-0");
        for (count, end) in [
            (1, "1"),
            (0xf, "f"),
            (0x10, "10"),
            (0xfed_cba9, "fedcba9"),
            (u64::MAX, "ffffffffffffffff"),
        ] {
            ids.next.store(count, Ordering::Relaxed);
            assert_eq!(ids.next(), format!("000000000000beef-{end}"));
        }
    }

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
