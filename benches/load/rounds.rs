//! Rounds: the programs of a scenario do its work in turns, each watched from outside.

use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::client::{Meter, Outcome, latency};
use super::figures::{Measured, Missing, Round, Sample, Scenario, Throttled, Unit};
use super::peers::Program;
use super::peers::store::Store;
use super::process::{Tree, machine_cpu_seconds, own_cpu_seconds};
use super::scenarios::Plan;
use super::stage::Stage;
use super::{interrupt, progress::Progress};
use crate::bench::cgroup::Cgroup;
use crate::bench::discard;

/// Between two looks at a program's memory.
const SAMPLE: Duration = Duration::from_millis(100);

/// What those took of the machine who are no part of the run.
#[derive(Debug, Default)]
pub struct Others {
    seconds: f64,
    cpu_seconds: f64,
}

impl Others {
    /// Cores that they had, on average.
    pub fn cores(&self) -> f64 {
        self.cpu_seconds / self.seconds.max(1e-9)
    }
}

/// One program in a scenario, and how it is made to do the work.
pub struct Contender {
    pub peer: String,
    /// What comes before a round and is not measured.
    pub prepare: Option<Box<dyn FnMut() -> Result<(), String>>>,
    /// A round's work. What it leaves at None is filled in by who watches.
    pub run: Work,
    /// None where the harness itself does the work, or where each round starts another process.
    /// After the work, which may hold connections that would keep the program from ending.
    pub program: Option<Rc<Program>>,
    /// Behind it, if that costs something.
    pub store: Option<Rc<Store>>,
    /// That limits it.
    pub group: Option<Rc<Cgroup>>,
}

pub type Work = Box<dyn FnMut(&Meter) -> Result<Round, String>>;

impl Contender {
    pub fn new(
        peer: &str,
        program: Option<Rc<Program>>,
        store: Option<Rc<Store>>,
        run: Work,
    ) -> Self {
        Self {
            peer: peer.to_owned(),
            group: program.as_ref().and_then(|program| program.group.clone()),
            program,
            store,
            prepare: None,
            run,
        }
    }
}

/// Plays a scenario. Who fails altogether is noted as missing.
pub fn play(plan: &Plan, stage: &mut Stage, progress: &Progress) -> Scenario {
    let mut contenders = (plan.contenders)(stage);
    let rounds = stage.effort.rounds;
    let mut measured: Vec<Measured> = contenders
        .iter()
        .map(|contender| Measured {
            peer: contender.peer.clone(),
            rounds: Vec::new(),
        })
        .collect();
    let mut failed: Vec<Missing> = Vec::new();
    progress.begin(plan.name, rounds * contenders.len());
    for _ in 0..rounds {
        for (contender, measured) in contenders.iter_mut().zip(&mut measured) {
            progress.step(&contender.peer);
            let peer = format!("{} of {}", contender.peer, plan.name);
            if interrupt::requested() || failed.iter().any(|missing| missing.peer == peer) {
                continue;
            }
            match watch(contender, plan.unit, &mut stage.others) {
                Ok(round) => measured.rounds.push(round),
                Err(why) => failed.push(Missing { peer, why }),
            }
        }
    }
    measured.retain(|measured| !measured.rounds.is_empty());
    for missing in failed {
        stage.miss(&missing.peer, missing.why);
    }
    Scenario {
        name: plan.name.to_owned(),
        what: plan.what.clone(),
        unit: plan.unit,
        peers: measured,
    }
}

/// One round of one program.
fn watch(contender: &mut Contender, unit: Unit, others: &mut Others) -> Result<Round, String> {
    if let Some(prepare) = &mut contender.prepare {
        prepare()?;
    }
    let meter = Meter::default();
    let tree = contender.program.as_ref().map(|program| program.tree());
    if let Some(tree) = &tree {
        tree.reset_peak();
    }
    let idle = tree.as_ref().map(Tree::resident);
    let store = contender.store.clone();
    let cpu = || {
        let (own, discard) = own_cpu_seconds(discard::THREADS);
        let program = tree.as_ref().map(Tree::cpu_seconds);
        let store = store.as_ref().map(|store| store.cpu_seconds());
        let client = own - discard;
        let known = client + program.unwrap_or(0.0) + store.unwrap_or(0.0);
        Cpu {
            program,
            store,
            client,
            others: machine_cpu_seconds() - known,
        }
    };
    let group = contender.group.clone();
    let throttled = group.as_ref().map(|group| group.throttled());
    let begun = Instant::now();
    let before = cpu();
    let (ran, samples) = sampled(&meter, tree.as_ref(), unit, || (contender.run)(&meter));
    let after = cpu();
    // Where neither is known, the program comes and goes within the round.
    if tree.is_some() || store.is_some() {
        others.seconds += begun.elapsed().as_secs_f64();
        others.cpu_seconds += after.others - before.others;
    }
    let mut round = ran?;
    let most = samples
        .iter()
        .filter_map(|sample| sample.resident_bytes)
        .max();
    let between = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
    round.cpu_seconds = round.cpu_seconds.or(between(before.program, after.program));
    round.store_cpu_seconds = between(before.store, after.store);
    round.client_cpu_seconds = after.client - before.client;
    round.idle_bytes = round.idle_bytes.or(idle);
    let peak = tree.as_ref().and_then(Tree::peak);
    round.peak_bytes = round.peak_bytes.or(peak).or(most);
    round.throttled = group.zip(throttled).map(|(group, before)| {
        let after = group.throttled();
        Throttled {
            periods: after.0 - before.0,
            seconds: after.1 - before.1,
        }
    });
    round.samples = samples;
    Ok(round)
}

struct Cpu {
    program: Option<f64>,
    store: Option<f64>,
    client: f64,
    others: f64,
}

/// Does `work`, and looks on meanwhile.
pub fn sampled<T>(
    meter: &Meter,
    tree: Option<&Tree>,
    unit: Unit,
    work: impl FnOnce() -> T,
) -> (T, Vec<Sample>) {
    let (end, ended) = mpsc::channel::<()>();
    let look_on = move || {
        let begun = Instant::now();
        let mut samples = Vec::new();
        while ended.recv_timeout(SAMPLE) == Err(RecvTimeoutError::Timeout) {
            samples.push(Sample {
                at: begun.elapsed().as_secs_f64(),
                work: done(unit, meter.requests(), meter.bytes()),
                resident_bytes: tree.map(Tree::resident),
            });
        }
        samples
    };
    std::thread::scope(|scope| {
        let sampler = scope.spawn(look_on);
        let worked = work();
        drop(end);
        (worked, sampler.join().expect("the sampler"))
    })
}

/// An outcome as a round. One without a single right answer is a failure.
pub fn round(outcome: &Outcome, unit: Unit) -> Result<Round, String> {
    if outcome.requests == 0 {
        let why = outcome.first_failure.clone();
        return Err(why.unwrap_or_else(|| "nothing was done".into()));
    }
    if let Some(why) = &outcome.first_failure {
        eprintln!("{} failed: {why}", outcome.failures);
    }
    Ok(Round {
        work: done(unit, outcome.requests, outcome.bytes),
        seconds: outcome.seconds,
        failures: outcome.failures,
        latency: latency(&outcome.latencies),
        ..Round::default()
    })
}

/// Work in the unit of a scenario.
fn done(unit: Unit, requests: u64, bytes: u64) -> f64 {
    match unit {
        Unit::Requests => requests as f64,
        Unit::Megabytes => bytes as f64 / 1e6,
        Unit::Seconds | Unit::Bytes => 1.0,
    }
}
