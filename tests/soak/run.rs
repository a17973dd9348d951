//! One run: how long, how wild, and who takes part.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::Uploader;
use super::fleet::Fleet;
use super::ledger::Ledger;
use super::report::{self, Report};
use super::verify;
use crate::support::journal::Journal;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::minio_setting;

/// Of the requests to the store that meet a fault.
const RATE: f64 = 0.05;
const REPLICAS: usize = 3;
const CLIENTS: u64 = 10;
/// A replica is ended or killed each time after so many uploads.
const UPLOADS_PER_END: u64 = 40;
/// For `cargo test`.
const SHORT: u64 = 240;

/// The faults of a storm.
pub const FAULTS: [&str; 13] = [
    "answer_cut",
    "answer_lost",
    "delay",
    "error_in_200",
    "expired_token",
    "internal_error",
    "malformed_header",
    "malformed_xml",
    "reset_after_body",
    "reset_before_body",
    "reset_in_body",
    "slow_down",
    "stall",
];

pub struct Run {
    seed: u64,
    uploads: Option<u64>,
    until: Option<Instant>,
}

/// What the threads of a run share.
pub struct Shared {
    pub fleet: Fleet,
    pub journal: Journal,
    begun: AtomicU64,
    run: Run,
}

impl Shared {
    /// Whether there is to be another upload; counts it.
    pub fn next_upload(&self) -> bool {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let enough = self.run.uploads.is_some_and(|uploads| number >= uploads);
        let late = self.run.until.is_some_and(|until| Instant::now() >= until);
        !enough && !late
    }
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    let number = value.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

impl Run {
    pub fn from_env() -> Self {
        let seed = number("SOAK_SEED").unwrap_or_else(|| getrandom::u64().unwrap() >> 16);
        let minutes = number("SOAK_MINUTES");
        let uploads = number("SOAK_UPLOADS");
        Self {
            seed,
            uploads: uploads.or(minutes.is_none().then_some(SHORT)),
            until: minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60)),
        }
    }

    pub fn run(self) -> Report {
        let begun = Instant::now();
        let seed = self.seed;
        report::say(&format!("soak: SOAK_SEED={seed}"));
        let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
        let prefix = format!("soak-{:016x}/", getrandom::u64().unwrap());
        let shared = Shared {
            journal: Journal::default(),
            fleet: Fleet::start(REPLICAS, &prefix, &proxy.endpoint),
            begun: AtomicU64::new(0),
            run: self,
        };
        if let Ok(folder) = std::env::var("SOAK_LOGS") {
            shared.journal.keep(&format!("{folder}/clients"));
            proxy.journal().keep(&format!("{folder}/proxy"));
        }
        // By chance few answers are lost that nothing but a look at the object can settle.
        let lose_one = || proxy.inject("POST", "uploadId", Fault::LoseAnswer, 1);
        lose_one();
        // Only what completes or copies can meet this one: too few of a short run's requests for
        // chance alone.
        proxy.inject("POST", "uploadId", Fault::ErrorIn200, 1);
        proxy.storm(seed, RATE);
        let (ledger, figures) = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let shared = &shared;
                    scope.spawn(move || Uploader::new(shared, seed, number).work())
                })
                .collect();
            // Ends replicas as uploads go by, for as long as there are any.
            let (mut dice, mut next) = (crate::support::Dice::new(!seed), UPLOADS_PER_END);
            while clients.iter().any(|client| !client.is_finished()) {
                if shared.begun.load(Ordering::Relaxed) >= next {
                    next += UPLOADS_PER_END;
                    shared.fleet.end_one(&mut dice);
                    lose_one();
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let mut ledger = Ledger::default();
            let mut figures = report::Figures::default();
            for client in clients {
                let (its_ledger, its_figures) = client.join().unwrap();
                ledger.merge(its_ledger);
                figures.merge(its_figures);
            }
            (ledger, figures)
        });
        proxy.calm();
        let ended = shared.fleet.end_all();
        shared.journal.end();
        proxy.journal().end();
        let took = begun.elapsed();
        let found = verify::verify(&prefix, &ledger, &proxy.begun(), &ended.killed);
        Report {
            seed,
            took,
            verifying: begun.elapsed().saturating_sub(took),
            faults: proxy.counts(),
            figures,
            ended,
            found,
        }
    }
}
