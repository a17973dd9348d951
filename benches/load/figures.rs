//! What a run of the load harness measured: plain data that the table, the JSON file, the plots and
//! a comparison are made of. Nothing is measured or printed here.

use serde::{Deserialize, Serialize};

/// One run of the harness.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Run {
    /// As typed.
    pub command: String,
    /// RFC 3339, UTC.
    pub begun: String,
    /// Seconds from beginning to end.
    pub seconds: f64,
    pub machine: Machine,
    /// Names of programs and their versions: ours with its commit, every peer, the kernel.
    pub versions: Vec<(String, String)>,
    pub scenarios: Vec<Scenario>,
    pub goals: Vec<Goal>,
    /// Peers that could not be measured, and why.
    pub missing: Vec<Missing>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Missing {
    pub peer: String,
    pub why: String,
}

/// One kind of work, done by several programs in turns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scenario {
    /// Short and stable: names of a comparison's rows, `upload-1k-16`.
    pub name: String,
    /// What is done, in a sentence.
    pub what: String,
    pub unit: Unit,
    pub peers: Vec<Measured>,
}

/// What is counted: what a rate is a rate of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Requests answered as they should be.
    Requests,
    /// Megabytes (1,000,000 bytes) of bodies.
    Megabytes,
    /// Seconds until something is so: less is better, and `work` is 1 a round.
    Seconds,
    /// Bytes of memory: less is better, and only the memory fields of a round count.
    Bytes,
}

/// One program's rounds of a scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// `portfolio`, `nginx`, `flask`, `straight`, ...
    pub peer: String,
    pub rounds: Vec<Round>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Round {
    /// Work done, in the scenario's unit.
    pub work: f64,
    /// How long it took.
    pub seconds: f64,
    /// CPU seconds of the measured program's processes meanwhile, user and system (`/proc`); None
    /// where the program is the client itself or on another machine.
    pub cpu_seconds: Option<f64>,
    /// CPU seconds of the S3 behind it.
    pub store_cpu_seconds: Option<f64>,
    /// CPU seconds of the harness itself, which shares the machine's cores.
    pub client_cpu_seconds: f64,
    /// Requests that were not answered as they should be.
    pub failures: u64,
    pub latency: Option<Latency>,
    /// Resident bytes before the round's first request.
    pub idle_bytes: Option<u64>,
    /// Most resident bytes of the round.
    pub peak_bytes: Option<u64>,
    /// Periods in which a limited group's processes were held back, and how long in all.
    pub throttled: Option<Throttled>,
    /// Over time, about ten a second.
    pub samples: Vec<Sample>,
}

/// In microseconds, by HDR histogram. With a fixed rate each request counts from when it was due
/// and not from when it was sent, so that a stall counts for all that it kept waiting.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Latency {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Throttled {
    pub periods: u64,
    pub seconds: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the round's beginning.
    pub at: f64,
    /// Work done until then.
    pub work: f64,
    /// Resident bytes at that moment.
    pub resident_bytes: Option<u64>,
}

/// A figure that is to be reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Goal {
    pub what: String,
    /// None where a peer was missing, so that nothing can be said.
    pub value: Option<f64>,
    pub want: f64,
    /// Whether the value should be at least `want`, or at most.
    pub at_least: bool,
    pub unit: String,
}

impl Goal {
    /// None where nothing can be said.
    pub fn is_met(&self) -> Option<bool> {
        self.value.map(|value| {
            if self.at_least {
                value >= self.want
            } else {
                value <= self.want
            }
        })
    }
}

impl Scenario {
    pub fn peer(&self, name: &str) -> Option<&Measured> {
        self.peers.iter().find(|measured| measured.peer == name)
    }
}

impl Measured {
    /// Median over the rounds of what `of` says of each; None when it says nothing of any.
    pub fn median(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        spread(self.rounds.iter().filter_map(of)).map(|(_, median, _)| median)
    }

    /// Least, median and most.
    pub fn spread(&self, of: impl Fn(&Round) -> Option<f64>) -> Option<(f64, f64, f64)> {
        spread(self.rounds.iter().filter_map(of))
    }
}

impl Round {
    /// Work for each second.
    pub fn rate(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.work / self.seconds)
    }

    /// Work for each CPU-second of the program.
    pub fn per_cpu(&self) -> Option<f64> {
        let cpu = self.cpu_seconds.filter(|&seconds| seconds > 0.0)?;
        Some(self.work / cpu)
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = *values.get(values.len() / 2)?;
    Some((*values.first()?, median, *values.last()?))
}
