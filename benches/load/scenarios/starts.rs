//! From the exec of a program to its first answer.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Plan;
use crate::bench::cgroup::Cgroup;
use crate::load::client::{Meter, Outcome};
use crate::load::figures::{Round, Unit};
use crate::load::peers::{self, Start, flask, nginx, portfolio};
use crate::load::process::{Process, Tree, launched};
use crate::load::rounds::{Contender, round};
use crate::load::stage::{On, Stage};

/// Longest that a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at whether it answers: less than what is measured, and not a busy core.
const PAUSE: Duration = Duration::from_micros(200);
/// Until the shell that waits has started for sure, and a limited group has its CPU again.
const SETTLED: Duration = Duration::from_millis(150);

pub fn plans() -> Vec<Plan> {
    vec![Plan {
        name: "cold-start",
        what: "from exec to the first 200 of /health; memory is what is resident then".into(),
        unit: Unit::Seconds,
        contenders: Box::new(contenders),
    }]
}

pub fn contenders(stage: &mut Stage) -> Vec<Contender> {
    let Some(store) = stage.store(On::Discard) else {
        return Vec::new();
    };
    // Five rounds make more than twenty; Flask takes seconds, so once a round is enough.
    let many = if stage.effort.quick { 2 } else { 5 };
    let binary = stage.binary.clone();
    let page = stage.page().unwrap_or_default();
    let again = Rc::clone(&store);
    vec![
        contender(stage, portfolio::NAME, many, move || {
            portfolio::start(&binary, &store, "warn")
        }),
        contender(stage, nginx::NAME, many, move || {
            nginx::start(&nginx::Setup {
                page: &page,
                store: None,
                manner: nginx::Manner::Plain,
            })
        }),
        contender(stage, flask::NAME, 1, move || flask::start(&again)),
    ]
}

fn contender(
    stage: &mut Stage,
    peer: &str,
    starts: usize,
    make: impl Fn() -> Result<Start, String> + 'static,
) -> Contender {
    let group = stage.group();
    let its = group.clone().ok().flatten();
    let run = move |meter: &Meter| {
        let group = group.clone()?;
        let mut outcome = Outcome::default();
        let mut resident = 0;
        for _ in 0..starts {
            let (took, bytes) = start(&make()?, group.as_deref())?;
            outcome.succeed(0, took, Instant::now());
            resident = resident.max(bytes);
            meter.add(0);
        }
        // As a rate is one of a whole round, so is this.
        outcome.seconds = outcome.latencies.value_at_quantile(0.5) as f64 / 1e6;
        Ok(Round {
            peak_bytes: Some(resident),
            ..round(&outcome, Unit::Seconds)?
        })
    };
    let mut contender = Contender::new(peer, None, None, Box::new(run));
    contender.group = its;
    contender
}

/// How long it took until it answered, and its resident bytes then.
fn start(start: &Start, group: Option<&Cgroup>) -> Result<(Duration, u64), String> {
    // A shell that becomes the program at the word: the fork is not the program's.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read -r _ && exec \"$@\"", "sh"]);
    let mut command = launched(shell, &start.command);
    if let Some(group) = group {
        command = launched(group.shell(), &command);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut word = child.stdin.take().expect("a pipe");
    let mut process = Process::of(child);
    std::thread::sleep(SETTLED);
    let begun = Instant::now();
    word.write_all(b"\n").map_err(|error| error.to_string())?;
    while peers::get(start.port, "/health") != Some(200) {
        if let Some(end) = process.end() {
            return Err(end);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("no answer within {PATIENCE:?}"));
        }
        std::thread::sleep(PAUSE);
    }
    let took = begun.elapsed();
    let resident = Tree::of(process.pid()).resident();
    // Its end is not measured, and takes long under a limit.
    process.kill();
    Ok((took, resident))
}
