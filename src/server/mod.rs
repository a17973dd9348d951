//! The server: binds, starts an arbiter and its workers, checks the store, sweeps expired uploads and
//! keeps credentials valid in the background, runs until a signal. What requests get is `handler`'s
//! business.

mod accept;
mod access_log;
mod admission;
mod arbiter;
mod connection;
mod exchange;
mod forwarded;
mod fragment;
mod in_service;
mod io;
mod limits;
mod metrics;
mod phase;
mod rate;
mod refusals;
mod security;
mod slots;
mod watch;
mod worker;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use accept::Caps;
use arbiter::{Arbiter, Signals};
pub use phase::Phase;
pub use rate::Rate;
use worker::Run;

use crate::access;
use crate::app::{App, Process};
use crate::store::{Backend, KeyRules};
use crate::upload::resume::sweep;

/// A server that has its port and its store, and serves when it is told to.
pub struct Server {
    process: Arc<Process>,
    backend: Backend,
    listener: TcpListener,
    metrics: Option<TcpListener>,
}

/// Threads for what may block beside the workers' own: the check of a local store, name lookups, the
/// users file, the files of credentials. One of these may hang for each mount that does.
const BLOCKING_THREADS: usize = 4;
/// What such a thread gets to end in, when all else has.
const PARTING: Duration = Duration::from_secs(1);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

impl Server {
    /// Takes the port. Fails when it is taken or not allowed.
    pub fn bind(process: Process, backend: Backend) -> std::io::Result<Self> {
        let address = SocketAddr::new(process.config.host, process.config.port);
        let listener = TcpListener::bind(address)?;
        // std's queue holds 128: of 1,000 clients that come at once the others would try again
        // after a second, or three. The system cuts this to its own limit (`somaxconn`).
        rustix::net::listen(&listener, BACKLOG)?;
        let metrics = metrics::bind(&process.config)?;
        Ok(Self {
            process: Arc::new(process),
            backend,
            listener,
            metrics,
        })
    }

    /// The address it listens on; the port is the real one when 0 was asked for.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The address that metrics are at, where there is one.
    pub fn metrics_addr(&self) -> std::io::Result<Option<SocketAddr>> {
        self.metrics
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
    }

    /// Serves on this thread and on the workers' until SIGTERM or SIGINT, drains, and returns.
    pub fn run(self) -> std::io::Result<()> {
        let Self {
            process,
            backend,
            listener,
            metrics,
        } = self;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        limits::no_core_dumps();
        limits::no_huge_pages();
        let max_connections = limits::connections(process.config.max_connections);
        let threads = process.config.threads;
        let run: Run = Arc::new({
            let process = Arc::clone(&process);
            let backend = backend.clone();
            move |inbox| {
                let app = || App::new(Arc::clone(&process), backend.open());
                worker::serve(app, threads, process.give_back, inbox)
            }
        });
        let rules = KeyRules {
            prefix_len: process.config.key_prefix.len(),
        };
        let served = runtime.block_on(async {
            let signals = Signals::listen()?;
            let address = listener.local_addr()?;
            let per_address = process.config.max_connections_per_address;
            let caps = Caps {
                all: max_connections,
                // Nobody takes them all; a proxy that nobody has named can still take most.
                per_address: per_address.unwrap_or(max_connections.div_ceil(2)),
            };
            let arbiter = Arbiter::start(Arc::clone(&process), listener, caps, run)?;
            if let Some(metrics) = &metrics {
                log::info!("metrics at http://{}/metrics", metrics.local_addr()?);
            }
            log::info!(
                "listening on http://{address}{}/ ({backend}, {} workers x {threads} threads, at most {max_connections} connections)",
                process.config.base_path,
                process.config.workers,
            );
            tokio::select! {
                () = arbiter.run(signals) => {}
                never = metrics::serve(metrics, &process) => match never {},
                never = backend.keep() => match never {},
                never = access::watch(Arc::clone(&process)) => match never {},
                never = watch::store(&process, backend.open()) => match never {},
                never = sweep::run(backend.open(), rules, process.config.upload.expiry, &process.counters) => match never {},
            }
            log::info!("{}", process.counters);
            Ok(())
        });
        // To drop it would wait for as long as a mount hangs.
        runtime.shutdown_timeout(PARTING);
        served
    }
}
