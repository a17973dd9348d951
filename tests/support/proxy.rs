//! A proxy in front of a real S3 that does to requests what networks and stores do: to chosen
//! ones what it is told (`inject`), or to random ones what comes up (`storm`).

mod fault;
mod serve;
mod storm;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

pub use fault::Fault;
use storm::Storm;
use wire::Head;

use super::journal::Journal;

struct Rule {
    method: &'static str,
    target: &'static str,
    fault: Fault,
    times: usize,
}

/// Whether the bearer of this access key is let through.
type Guard = Box<dyn Fn(&str) -> bool + Send>;

/// What the proxy's connections share.
#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    guard: Mutex<Option<Guard>>,
    storm: Mutex<Option<Storm>>,
    hits: Mutex<usize>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    begun: Mutex<Begun>,
    journal: Journal,
}

/// Uploads in parts that the store has begun.
#[derive(Clone, Default)]
pub struct Begun {
    /// Paths of all of them, as they were sent.
    pub paths: BTreeSet<String>,
    /// Ids of all of them, and when.
    pub ids: BTreeMap<String, Instant>,
    /// Ids of those whose answer did not arrive whole: nobody but the store knows of them.
    pub untold: BTreeSet<String>,
}

/// The proxy; its threads end with its connections.
pub struct Proxy {
    pub endpoint: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// In front of `http://host:port`.
    pub fn before(endpoint: &str) -> Self {
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            shared: Arc::default(),
        };
        let shared = Arc::clone(&proxy.shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (shared, upstream) = (Arc::clone(&shared), upstream.clone());
                // An end of either side ends the connection, and that is all.
                thread::spawn(move || drop(serve::connection(&client, &upstream, &shared)));
            }
        });
        proxy
    }

    /// The next `times` requests of this method whose target contains this text meet `fault`.
    pub fn inject(&self, method: &'static str, target: &'static str, fault: Fault, times: usize) {
        self.shared.rules.lock().unwrap().push(Rule {
            method,
            target,
            fault,
            times,
        });
    }

    /// From now on only requests that are signed with an access key of which `guard` says so reach
    /// the store; others meet a 403 ExpiredToken.
    pub fn guard(&self, guard: impl Fn(&str) -> bool + Send + 'static) {
        *self.shared.guard.lock().unwrap() = Some(Box::new(guard));
    }

    /// From now on each request meets some fault with this probability: the same ones in the same
    /// order for the same seed, as far as the requests come in the same order.
    pub fn storm(&self, seed: u64, rate: f64) {
        *self.shared.storm.lock().unwrap() = Some(Storm::new(seed, rate));
    }

    /// Ends the storm.
    pub fn calm(&self) {
        *self.shared.storm.lock().unwrap() = None;
    }

    /// Requests that met a fault since the last call.
    pub fn hits(&self) -> usize {
        std::mem::take(&mut *self.shared.hits.lock().unwrap())
    }

    /// How often each fault has happened.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.shared.counts.lock().unwrap().clone()
    }

    /// Every request from now on, and what became of it.
    pub fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Uploads in parts that were begun through this proxy.
    pub fn begun(&self) -> Begun {
        self.shared.begun.lock().unwrap().clone()
    }
}

impl Shared {
    /// What this request meets.
    fn strike(&self, request: &Head) -> Option<Fault> {
        let fault = self.rule(request).or_else(|| self.guarded(request));
        let fault = fault.or_else(|| {
            let mut storm = self.storm.lock().unwrap();
            storm.as_mut()?.strike(request)
        })?;
        *self.hits.lock().unwrap() += 1;
        *self.counts.lock().unwrap().entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    fn guarded(&self, request: &Head) -> Option<Fault> {
        let guard = self.guard.lock().unwrap();
        let refuses = !guard.as_ref()?(request.access_key());
        refuses.then_some(Fault::ExpiredToken)
    }

    fn rule(&self, request: &Head) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| {
            rule.times > 0 && rule.method == request.method && request.target.contains(rule.target)
        })?;
        rule.times -= 1;
        Some(rule.fault)
    }
}
