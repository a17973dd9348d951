//! A worker: one OS thread with a runtime of its own, T blocking threads, and its own store. Gives
//! back memory of connections that have gone. Which connections it gets is the arbiter's choice.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::task::TaskTracker;

use super::connection;
use super::slots::Slot;
use crate::app::App;

/// Connections handed over and not yet picked up. A worker that is this far behind gets no more.
const QUEUE: usize = 128;

/// How long memory stays for the next connections.
const TIDY_AFTER: Duration = Duration::from_secs(1);

/// A connection on its way to a worker.
pub(super) struct Handover {
    pub(super) stream: TcpStream,
    pub(super) slot: Slot,
}

/// What runs on a worker's thread, until its queue is closed. A test gives it something else.
pub(super) type Run = Arc<dyn Fn(Inbox) -> io::Result<()> + Send + Sync>;

/// The worker's end of its queue.
pub(super) struct Inbox {
    pub(super) queue: mpsc::Receiver<Handover>,
    pub(super) load: Load,
}

/// How many connections a worker has.
#[derive(Clone, Default)]
pub(super) struct Load(Arc<AtomicUsize>);

impl Load {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn enter(&self, gone: &Arc<Notify>) -> Entered {
        self.0.fetch_add(1, Ordering::Relaxed);
        Entered(self.clone(), Arc::clone(gone))
    }
}

/// Counts a connection, and tells when it has gone.
struct Entered(Load, Arc<Notify>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
        self.1.notify_one();
    }
}

/// The arbiter's handle of a worker.
pub(super) struct Worker {
    queue: mpsc::Sender<Handover>,
    load: Load,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker. `died` gets its number when its thread ends, for whatever reason.
    pub(super) fn start(number: usize, run: &Run, died: mpsc::Sender<usize>) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let load = Load::default();
        let inbox = Inbox {
            queue: receiver,
            load: load.clone(),
        };
        let run = Arc::clone(run);
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || {
                let _obituary = Obituary { number, died };
                if let Err(error) = run(inbox) {
                    log::error!("worker {number} could not run: {error}");
                }
            })?;
        Ok(Self {
            queue: sender,
            load,
            thread,
        })
    }

    /// Connections it has, with those that wait for it.
    pub(super) fn load(&self) -> usize {
        self.load.count() + (self.queue.max_capacity() - self.queue.capacity())
    }

    /// Hands a connection over; gives it back when the worker is dead or too far behind.
    pub(super) fn hand(&self, handover: Handover) -> Result<(), Handover> {
        self.queue.try_send(handover).map_err(|error| match error {
            mpsc::error::TrySendError::Full(handover)
            | mpsc::error::TrySendError::Closed(handover) => handover,
        })
    }

    /// Closes its queue and waits for its end. Blocks.
    pub(super) fn stop(self) {
        drop(self.queue);
        // Its panic, if any, was printed by the panic hook.
        let _ = self.thread.join();
    }

    /// Closes its queue: it ends when its last connection has.
    pub(super) fn close(self) -> JoinHandle<()> {
        self.thread
    }
}

struct Obituary {
    number: usize,
    died: mpsc::Sender<usize>,
}

impl Drop for Obituary {
    fn drop(&mut self) {
        // The channel has room for every worker; when nobody listens, nobody mourns.
        let _ = self.died.try_send(self.number);
    }
}

/// Gives back the memory of connections that are gone, a moment after: others may come first.
async fn tidy(gone: Arc<Notify>, give_back: fn()) {
    loop {
        gone.notified().await;
        tokio::time::sleep(TIDY_AFTER).await;
        give_back();
    }
}

/// What a worker does: serves connections until its queue is closed and the last one has ended.
/// `give_back` is [`Process::give_back`](crate::app::Process::give_back).
pub(super) fn serve(
    app: impl FnOnce() -> App,
    threads: usize,
    give_back: fn(),
    inbox: Inbox,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(threads)
        .on_thread_stop(give_back)
        .build()?;
    let Inbox { mut queue, load } = inbox;
    runtime.block_on(async move {
        let app = Arc::new(app());
        let gone = Arc::new(Notify::new());
        let tidying = tokio::spawn(tidy(Arc::clone(&gone), give_back));
        let connections = TaskTracker::new();
        while let Some(Handover { stream, slot }) = queue.recv().await {
            match tokio::net::TcpStream::from_std(stream) {
                Ok(stream) => {
                    let entered = load.enter(&gone);
                    let app = Arc::clone(&app);
                    let count = load.count();
                    connections.spawn(async move {
                        connection::serve(app, stream, slot, count).await;
                        drop(entered);
                    });
                }
                Err(error) => log::warn!("a connection could not be taken: {error}"),
            }
        }
        tidying.abort();
        connections.close();
        app.tasks.close();
        let cut = app.process.phase.cut().clone();
        tokio::select! {
            () = async { connections.wait().await; app.tasks.wait().await } => {}
            () = async { cut.cancelled().await; tokio::time::sleep(connection::CUT_GRACE).await } => {
                let left = app.tasks.len();
                if left > 0 {
                    log::warn!("{left} uploads were cut before they were cleaned up");
                }
            }
        }
    });
    Ok(())
}
