//! What scenarios are played on: stores and programs, started when one first needs them. What
//! cannot be had is noted once, and the run goes on without it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::figures::Missing;
use super::peers::store::Store;
use super::peers::{Program, Start, flask, nginx, portfolio};
use super::rounds::Others;
use crate::bench::cgroup::Cgroup;

/// A pod's limits, those of a small deployment.
const POD_CPU_MILLIS: u64 = 250;
const POD_MEMORY_BYTES: u64 = 256 << 20;

/// Which S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum On {
    Minio,
    Discard,
    DiscardTls,
}

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// Of a round.
    pub duration: Duration,
    pub quick: bool,
}

pub struct Stage {
    pub binary: PathBuf,
    pub effort: Effort,
    pub missing: Vec<Missing>,
    pub others: Others,
    /// Whether programs are started under a pod's limits, each in a group of its own.
    pub limited: bool,
    groups: usize,
    stores: HashMap<On, Option<Rc<Store>>>,
    flasks: HashMap<(On, bool), Option<Rc<Program>>>,
    page: Option<Vec<u8>>,
}

impl Stage {
    pub fn new(binary: PathBuf, effort: Effort) -> Self {
        Self {
            binary,
            effort,
            missing: Vec::new(),
            others: Others::default(),
            limited: false,
            groups: 0,
            stores: HashMap::new(),
            flasks: HashMap::new(),
            page: None,
        }
    }

    /// Ends all that it keeps, with what is stored.
    pub fn clear(&mut self) {
        self.flasks.clear();
        self.stores.clear();
    }

    pub fn miss(&mut self, peer: &str, why: String) {
        eprintln!("{peer} is missing: {why}");
        if !self.missing.iter().any(|missing| missing.peer == peer) {
            self.missing.push(Missing {
                peer: peer.to_owned(),
                why,
            });
        }
    }

    /// The store, which the scenarios share.
    pub fn store(&mut self, on: On) -> Option<Rc<Store>> {
        if let Some(store) = self.stores.get(&on) {
            return store.clone();
        }
        let store = match on {
            On::Minio => Store::minio(),
            On::Discard => Ok(Store::discard(false)),
            On::DiscardTls => Ok(Store::discard(true)),
        };
        let store = self.or_missing("minio", store);
        self.stores.insert(on, store.clone());
        store
    }

    /// Ours: a new process each time, as it starts so quickly.
    pub fn portfolio(&mut self, on: On, log: &str) -> Option<Rc<Program>> {
        let store = self.store(on)?;
        let start = portfolio::start(&self.binary, &store, log);
        self.started(portfolio::NAME, start, "/ready")
    }

    /// nginx, a new process each time; as a proxy before the store when there is one.
    pub fn nginx(&mut self, on: Option<On>, manner: nginx::Manner) -> Option<Rc<Program>> {
        let store = match on {
            Some(on) => Some(self.store(on)?),
            None => None,
        };
        let page = self.page().unwrap_or_default();
        let setup = nginx::Setup {
            page: &page,
            store: store.as_deref(),
            manner,
        };
        self.started(nginx::NAME, nginx::start(&setup), "/health")
    }

    /// Flask, which the scenarios of one store share.
    pub fn flask(&mut self, on: On) -> Option<Rc<Program>> {
        if let Some(flask) = self.flasks.get(&(on, self.limited)) {
            return flask.clone();
        }
        let store = self.store(on)?;
        let flask = self.started(flask::NAME, flask::start(&store), "/health");
        self.flasks.insert((on, self.limited), flask.clone());
        flask
    }

    /// The page's bytes, as our program serves them.
    pub fn page(&mut self) -> Option<Vec<u8>> {
        if self.page.is_none() {
            let program = self.portfolio(On::Discard, "warn")?;
            let fetched = super::client::fetch(&program.target, "/");
            self.page = fetched
                .map_err(|error| self.miss(portfolio::NAME, error.to_string()))
                .ok();
        }
        self.page.clone()
    }

    /// A group for one more program; None where programs are not limited.
    pub fn group(&mut self) -> Result<Option<Rc<Cgroup>>, String> {
        if !self.limited {
            return Ok(None);
        }
        self.groups += 1;
        let name = format!("load-{}", self.groups);
        match Cgroup::limited(&name, POD_CPU_MILLIS, POD_MEMORY_BYTES) {
            Ok(group) => Ok(Some(Rc::new(group))),
            Err(error) => Err(format!("no cgroup with limits can be made: {error}")),
        }
    }

    fn started(
        &mut self,
        peer: &str,
        start: Result<Start, String>,
        probe: &str,
    ) -> Option<Rc<Program>> {
        let started = start.and_then(|start| Program::start(start, probe, self.group()?));
        let peer = if self.limited {
            format!("{peer} in a pod")
        } else {
            peer.to_owned()
        };
        self.or_missing(&peer, started)
    }

    fn or_missing<T>(&mut self, peer: &str, started: Result<T, String>) -> Option<Rc<T>> {
        match started {
            Ok(started) => Some(Rc::new(started)),
            Err(why) => {
                self.miss(peer, why);
                None
            }
        }
    }
}
