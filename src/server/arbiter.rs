//! The arbiter: accepts connections, gives each to the worker with the fewest, replaces dead
//! workers, and turns signals into phases. It serves nothing itself.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::connection::CUT_GRACE;
use super::refusals;
use super::slots::Slots;
use super::worker::{Handover, Run, Worker};
use crate::address::holder;
use crate::app::Process;
use crate::counters::Count;

/// After a failed accept (EMFILE and the like): trying again at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a worker may take beyond its grace to end.
const STUCK: Duration = Duration::from_secs(1);
/// A worker that dies young is not replaced faster than this.
const REPLACE_PAUSE: Duration = Duration::from_millis(100);

/// The workers and who gives them work.
pub(super) struct Arbiter {
    process: Arc<Process>,
    listener: TcpListener,
    /// Accepted, but there is no room for it yet.
    waiting: Option<Newcomer>,
    slots: Slots,
    run: Run,
    workers: Vec<Option<Worker>>,
    /// Workers to be replaced, and when.
    vacant: BTreeMap<usize, Instant>,
    died: mpsc::Receiver<usize>,
    death: mpsc::Sender<usize>,
    caps: Caps,
}

/// Most connections at once.
#[derive(Clone, Copy)]
pub(super) struct Caps {
    pub(super) all: usize,
    pub(super) per_address: usize,
}

/// A connection that was accepted, and whom it is counted for.
struct Newcomer {
    stream: TcpStream,
    address: Option<IpAddr>,
}

/// The two signals that end the process.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

impl Arbiter {
    /// Starts the workers. Must be called within a runtime.
    pub(super) fn start(
        process: Arc<Process>,
        listener: std::net::TcpListener,
        caps: Caps,
        run: Run,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let count = process.config.workers;
        // Twice: a replacement may die before its predecessor's death was read.
        let (death, died) = mpsc::channel(count * 2);
        let workers = (0..count)
            .map(|number| Worker::start(number, &run, death.clone()).map(Some))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            process,
            listener: TcpListener::from_std(listener)?,
            waiting: None,
            slots: Slots::default(),
            run,
            workers,
            vacant: BTreeMap::new(),
            died,
            death,
            caps,
        })
    }

    /// Serves until a signal comes and the last request has ended or is cut.
    pub(super) async fn run(mut self, mut signals: Signals) {
        tokio::select! {
            () = self.serve() => {}
            name = signals.next() => {
                log::info!("{name}: not ready any more, still serving for {:?}", self.process.config.withdraw);
            }
        }
        let phase = self.process.phase.clone();
        phase.withdraw();
        let withdraw = self.process.config.withdraw;
        tokio::select! {
            () = self.serve() => {}
            () = sleep(withdraw) => {}
            name = signals.next() => {
                log::warn!("{name} again: cutting what is left");
                phase.cut_now();
            }
        }
        phase.drain();
        let open = self.slots.count();
        log::info!(
            "draining {open} connections for at most {:?}",
            self.process.config.drain
        );
        self.drain(signals).await;
    }

    /// Accepts and replaces, for ever. May be dropped at any await.
    async fn serve(&mut self) {
        loop {
            tokio::select! {
                biased;
                Some(number) = self.died.recv() => self.bury(number),
                number = next_vacancy(&self.vacant) => self.replace(number),
                () = accept(&self.process, &self.listener, &mut self.waiting, &self.slots, &self.workers, self.caps) => {}
            }
        }
    }

    fn bury(&mut self, number: usize) {
        log::error!("worker {number} died and is replaced");
        self.process.counters.count(Count::WorkerRestarts);
        if let Some(dead) = self.workers.get_mut(number).and_then(Option::take) {
            dead.stop();
        }
        self.vacant.insert(number, Instant::now() + REPLACE_PAUSE);
    }

    fn replace(&mut self, number: usize) {
        match Worker::start(number, &self.run, self.death.clone()) {
            Ok(worker) => {
                self.vacant.remove(&number);
                if let Some(place) = self.workers.get_mut(number) {
                    *place = Some(worker);
                }
            }
            Err(error) => {
                log::error!("worker {number} could not be started: {error}");
                self.vacant.insert(number, Instant::now() + REPLACE_PAUSE);
            }
        }
    }

    /// No new connections; waits for the workers' ends, and cuts what is left at the deadline.
    async fn drain(self, mut signals: Signals) {
        let Self {
            process,
            listener,
            slots,
            workers,
            ..
        } = self;
        drop(listener);
        let threads: Vec<_> = workers.into_iter().flatten().map(Worker::close).collect();
        let ended = async {
            while threads.iter().any(|thread| !thread.is_finished()) {
                // Threads cannot be awaited; at the end of a process nobody minds 5 ms.
                sleep(Duration::from_millis(5)).await;
            }
        };
        let mut ended = std::pin::pin!(ended);
        let deadline = Instant::now() + process.config.drain;
        tokio::select! {
            () = &mut ended => {
                log::info!("drained: nothing was cut");
                return;
            }
            () = sleep_until(deadline) => {}
            name = signals.next() => log::warn!("{name} again"),
            () = process.phase.cut().cancelled() => {}
        }
        log::warn!("cut {} connections that had not ended", slots.count());
        process.phase.cut_now();
        // The workers give themselves CUT_GRACE to abort uploads; one that takes longer is stuck.
        if timeout(CUT_GRACE + STUCK, ended).await.is_err() {
            log::error!("a worker did not end");
        }
    }
}

/// The next worker whose replacement is due; never, while there is none.
async fn next_vacancy(vacant: &BTreeMap<usize, Instant>) -> usize {
    match vacant.iter().min_by_key(|(_, due)| **due) {
        Some((&number, &due)) => {
            sleep_until(due).await;
            number
        }
        None => std::future::pending().await,
    }
}

/// Accepts one connection and hands it to a worker. At the cap the oldest connection without a
/// complete header makes room; when all are busy, this one waits in `waiting`, and those after it
/// in the listener's backlog. May be dropped at any await without losing a connection.
///
/// At the cap of an address its own oldest makes room, or this one is not taken.
async fn accept(
    process: &Process,
    listener: &TcpListener,
    waiting: &mut Option<Newcomer>,
    slots: &Slots,
    workers: &[Option<Worker>],
    caps: Caps,
) {
    if waiting.is_none() {
        match listener
            .accept()
            .await
            .and_then(|(stream, from)| Ok((stream.into_std()?, from.ip())))
        {
            Ok((stream, from)) => {
                let trusted = process.config.trusted_proxies.contain(from);
                // Whose share is all of them waits for its turn, as all do.
                let counted = !trusted && caps.per_address < caps.all;
                let address = counted.then(|| holder(from));
                *waiting = Some(Newcomer { stream, address });
            }
            Err(error) if passing(&error) => return,
            Err(error) => {
                log::error!("a connection could not be accepted: {error}");
                // Out of descriptors: an idle connection is worth less than a new one.
                slots.evict_oldest();
                sleep(ACCEPT_PAUSE).await;
                return;
            }
        }
    }
    while let Some(address) = waiting.as_ref().and_then(|newcomer| newcomer.address)
        && slots.count_of(address) >= caps.per_address
    {
        if slots.evict_oldest_of(address) {
            continue;
        }
        if slots.is_crowded() {
            slots.freed().await;
            continue;
        }
        if let Some(newcomer) = waiting.take() {
            turn_away(newcomer.stream, address);
        }
        return;
    }
    while slots.count() >= caps.all && !slots.evict_oldest() {
        slots.freed().await;
    }
    if let Some(newcomer) = waiting.take() {
        hand_out(newcomer, slots, workers);
    }
}

/// Says why, as far as that can be done without waiting. Who asks before reading may see no more
/// than a reset.
fn turn_away(mut stream: TcpStream, address: IpAddr) {
    log::debug!("a connection of {address} was turned away: it has its share");
    let _ = stream.write(refusals::TOO_MANY_CONNECTIONS);
    let _ = stream.shutdown(Shutdown::Write);
}

/// The client went away between its connect and our accept.
fn passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

fn hand_out(newcomer: Newcomer, slots: &Slots, workers: &[Option<Worker>]) {
    let mut by_load: Vec<&Worker> = workers.iter().flatten().collect();
    by_load.sort_by_key(|worker| worker.load());
    let mut handover = Handover {
        stream: newcomer.stream,
        slot: slots.take(newcomer.address),
    };
    for worker in by_load {
        match worker.hand(handover) {
            Ok(()) => return,
            Err(back) => handover = back,
        }
    }
    log::warn!("no worker could take a connection");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn a_worker_that_dies_is_replaced_and_the_next_connection_is_served() {
        let config = Config::from_lookup(&|name| (name == "WEB_CONCURRENCY").then(|| "1".into()));
        let process = Arc::new(Process::new(config.unwrap()).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lives = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&lives);
        // The first life panics on its first connection, the second closes it quietly.
        let run: Run = Arc::new(move |mut inbox| {
            let life = seen.fetch_add(1, Ordering::SeqCst);
            while let Some(handover) = inbox.queue.blocking_recv() {
                drop(handover);
                assert!(life > 0, "the first life ends here");
            }
            Ok(())
        });
        let caps = Caps {
            all: 16,
            per_address: 16,
        };
        let mut arbiter = Arbiter::start(process, listener, caps, run).unwrap();
        let client = tokio::task::spawn_blocking(move || {
            use std::io::Read as _;
            for _ in 0..2 {
                let mut stream = TcpStream::connect(address).unwrap();
                assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
                while lives.load(Ordering::SeqCst) < 2 {
                    std::thread::yield_now();
                }
            }
        });
        tokio::select! {
            () = arbiter.serve() => {}
            done = client => done.unwrap(),
        }
        for worker in arbiter.workers.into_iter().flatten() {
            worker.stop();
        }
    }
}
