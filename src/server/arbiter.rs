//! The arbiter: accepts connections and hands them to the workers as `accept` has it, replaces dead
//! workers, and turns signals into phases. It serves nothing itself.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::accept::{Caps, Newcomer, accept};
use super::connection::CUT_GRACE;
use super::slots::Slots;
use super::worker::{Run, Worker};
use crate::app::Process;
use crate::counters::Count;

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

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
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
