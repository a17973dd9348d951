//! The client that every program is asked with: HTTP/1.1 over connections that are kept, on two
//! threads, and cheap, since it shares the machine's cores with what it measures. What is asked is
//! for others to say; here is how often and how long, and how the answers are counted.

mod connection;
mod held;
mod message;
mod outcome;
mod pace;
mod target;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use connection::{Answer, Connection};
pub use held::Held;
pub use message::{Message, noise_crc64};
pub use outcome::{Meter, Outcome, latency};
use pace::Pace;
pub use target::Target;

/// Threads that the connections are spread over.
const THREADS: usize = 2;
/// How long after a load's end its last answers may come.
const GRACE: Duration = Duration::from_mins(1);
/// Between a connection that failed and the next try.
const PAUSE: Duration = Duration::from_millis(10);

/// Writes the request of this number, which no other request of the load has.
pub type Make = Arc<dyn Fn(u64, &mut Message) + Send + Sync>;

/// What is asked of one program, for how long, and how hard.
#[derive(Clone)]
pub struct Load {
    pub target: Target,
    /// Connections, each with one request at a time.
    pub clients: usize,
    /// Requests begin for so long, and at least one does.
    pub duration: Duration,
    /// Requests a second; None: each connection sends when it has its answer.
    pub rate: Option<f64>,
    /// How many kinds of request there are, each with latencies of its own.
    pub kinds: usize,
    pub make: Make,
    /// The next request's number: goes on from round to round, so that no key is used twice.
    pub next: Arc<AtomicU64>,
}

impl Load {
    pub fn new(
        target: Target,
        clients: usize,
        duration: Duration,
        make: impl Fn(u64, &mut Message) + Send + Sync + 'static,
    ) -> Self {
        Self {
            target,
            clients,
            duration,
            rate: None,
            kinds: 1,
            make: Arc::new(make),
            next: Arc::default(),
        }
    }

    /// Does it; an outcome for each kind of request.
    pub fn run(&self, meter: &Meter) -> Vec<Outcome> {
        let pace = Arc::new(Pace::new(self.rate, self.duration));
        let threads = THREADS.min(self.clients);
        let mut outcomes: Vec<Outcome> = std::iter::repeat_with(Outcome::default)
            .take(self.kinds)
            .collect();
        std::thread::scope(|scope| {
            let metronome = scope.spawn(|| pace.keep());
            let driving: Vec<_> = (0..threads)
                .map(|thread| {
                    let clients =
                        self.clients / threads + usize::from(thread < self.clients % threads);
                    let pace = Arc::clone(&pace);
                    scope.spawn(move || self.drive(clients, &pace, meter))
                })
                .collect();
            for thread in driving {
                let of_thread = thread.join().expect("a client thread");
                for (all, some) in outcomes.iter_mut().zip(of_thread) {
                    all.add(&some);
                }
            }
            metronome.join().expect("the metronome");
        });
        for outcome in &mut outcomes {
            outcome.seconds = pace.seconds_to(outcome.ended);
        }
        outcomes
    }

    /// One thread's share of the connections.
    fn drive(&self, clients: usize, pace: &Arc<Pace>, meter: &Meter) -> Vec<Outcome> {
        let runtime = runtime();
        let outcomes: Vec<Outcome> = std::iter::repeat_with(Outcome::default)
            .take(self.kinds)
            .collect();
        let outcomes = Rc::new(RefCell::new(outcomes));
        let local = tokio::task::LocalSet::new();
        let running: Vec<_> = (0..clients)
            .map(|_| {
                let client = Client {
                    load: self.clone(),
                    pace: Arc::clone(pace),
                    meter: meter.clone(),
                    outcomes: Rc::clone(&outcomes),
                };
                local.spawn_local(client.run())
            })
            .collect();
        let all = async {
            for client in running {
                client.await.expect("a client");
            }
        };
        let patience = self.duration + GRACE;
        let ended = local.run_until(async { tokio::time::timeout(patience, all).await });
        if runtime.block_on(ended).is_err() {
            let why = format!("not answered within {GRACE:?} of the end");
            outcomes.borrow_mut()[0].fail(why);
        }
        drop(local);
        outcomes.take()
    }
}

/// A runtime for one thread of clients.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// One connection, made again whenever it breaks or is closed.
struct Client {
    load: Load,
    pace: Arc<Pace>,
    meter: Meter,
    outcomes: Rc<RefCell<Vec<Outcome>>>,
}

impl Client {
    async fn run(self) {
        let mut message = Message::default();
        let mut connection = None;
        while let Some(due) = self.pace.next().await {
            let number = self.load.next.fetch_add(1, Ordering::Relaxed);
            message.clear();
            (self.load.make)(number, &mut message);
            match self.exchange(&mut connection, &message).await {
                Ok(answer) if message.statuses.contains(&answer.status) => {
                    let bytes = message.work_bytes.unwrap_or(answer.body_bytes);
                    self.meter.add(bytes);
                    let now = Instant::now();
                    self.outcomes.borrow_mut()[message.kind].succeed(bytes, now - due, now);
                }
                Ok(answer) => {
                    self.outcomes.borrow_mut()[message.kind].fail(unexpected(&answer).to_string());
                }
                Err(error) => {
                    self.outcomes.borrow_mut()[message.kind].fail(error.to_string());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        message: &Message,
    ) -> std::io::Result<Answer> {
        let mut open = match connection.take() {
            Some(open) => open,
            None => Connection::open(&self.load.target).await?,
        };
        let answer = open.exchange(message, None).await?;
        if !answer.closes {
            *connection = Some(open);
        }
        Ok(answer)
    }
}

/// The body of the answer to one GET.
pub fn fetch(target: &Target, path: &str) -> std::io::Result<Vec<u8>> {
    runtime().block_on(async {
        let mut message = Message::default();
        message.get(&target.host, path, "");
        let mut body = Vec::new();
        let mut connection = Connection::open(target).await?;
        let answer = connection.exchange(&message, Some(&mut body)).await?;
        if answer.status == 200 {
            Ok(body)
        } else {
            Err(unexpected(&answer))
        }
    })
}

/// So many requests one after the other, all of which must be answered rightly.
pub fn one_by_one(
    target: &Target,
    count: u64,
    make: impl Fn(u64, &mut Message),
) -> std::io::Result<()> {
    runtime().block_on(async {
        let mut message = Message::default();
        let mut connection = Connection::open(target).await?;
        for number in 0..count {
            message.clear();
            make(number, &mut message);
            let answer = connection.exchange(&message, None).await?;
            if !message.statuses.contains(&answer.status) {
                return Err(unexpected(&answer));
            }
        }
        Ok(())
    })
}

fn unexpected(answer: &Answer) -> std::io::Error {
    std::io::Error::other(format!("answered with {}", answer.status))
}
