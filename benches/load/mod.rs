//! The load harness: see `benches/load.rs`. Here it is put together: arguments, scenarios, figures,
//! report.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the bench and the test of it each use a part"
)]

mod args;
mod client;
mod elsewhere;
pub mod figures;
mod goals;
pub mod interrupt;
mod machine;
mod peers;
mod process;
mod progress;
pub mod report;
mod rounds;
mod scenarios;
mod sign;
mod stage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use args::{Args, Command, Elsewhere};
use figures::{Run, Scenario};
use scenarios::Plan;
use stage::{Effort, Stage};

/// Rounds, and seconds of each: what keeps a full run under 8 minutes and a quick one under one.
const FULL: (usize, f64) = (5, 0.6);
const QUICK: (usize, f64) = (1, 0.25);

/// Cores that others may have had meanwhile without a word about it: the system's own daemons.
const MOST_OTHERS: f64 = 0.1;

/// The harness, with the program's name as first argument; its exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    match args::parse(arguments) {
        Err(why) => {
            eprintln!("load: {why}; see --help");
            64
        }
        Ok(Command::Help) => {
            print!("{}", args::HELP);
            0
        }
        Ok(Command::List) => {
            for plan in scenarios::all() {
                println!("{:<24} {}", plan.name, plan.what);
            }
            0
        }
        Ok(Command::Run(args)) => match run(&args) {
            Ok(()) => 0,
            Err(Fault::Arguments(why)) => {
                eprintln!("load: {why}");
                64
            }
            Err(Fault::Interrupted) => interrupt::EXIT,
            Err(Fault::Run(why)) => {
                eprintln!("load: {why}");
                1
            }
        },
    }
}

enum Fault {
    Arguments(String),
    Run(String),
    /// What was measured until then is reported all the same.
    Interrupted,
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Run(error.to_string())
    }
}

/// Measures, and reports in every way that was asked for.
fn run(args: &Args) -> Result<(), Fault> {
    // Before minutes of work: whether its end makes sense.
    let earlier =
        match &args.compare {
            Some(path) => Some(report::read_json(path).map_err(|error| {
                Fault::Arguments(format!("--compare {}: {error}", path.display()))
            })?),
            None => None,
        };
    let run = match &args.elsewhere {
        Some(elsewhere) => from_outside(args, elsewhere).map_err(Fault::Run)?,
        None => on_loopback(
            args,
            &scenarios::chosen(&args.only).map_err(Fault::Arguments)?,
        ),
    };
    let json = args.json.clone().unwrap_or_else(default_json);
    report::write_json(&run, &json)?;
    let plots = match &args.plots {
        Some(folder) => report::plots(&run, folder)?,
        None => Vec::new(),
    };
    if let Some(path) = &args.results {
        std::fs::write(path, report::results_markdown(&run, &plots, path))?;
    }
    print!("{}", report::table(&run));
    if let Some(earlier) = earlier {
        print!("{}", report::compare(&earlier, &run));
    }
    println!("the figures are in {}", json.display());
    if interrupt::requested() {
        return Err(Fault::Interrupted);
    }
    Ok(())
}

fn default_json() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target")),
        PathBuf::from,
    );
    target.join("load.json")
}

/// All programs, started and ended here.
fn on_loopback(args: &Args, plans: &[Plan]) -> Run {
    let begun = now();
    let clock = Instant::now();
    let binary = PathBuf::from(crate::bench::release_binary());
    let (mut versions, missing) = machine::peers();
    versions.insert(0, machine::ours(&binary));
    let (rounds, seconds) = if args.quick { QUICK } else { FULL };
    let effort = Effort {
        rounds: args.rounds.unwrap_or(rounds),
        duration: Duration::from_secs_f64(args.seconds.unwrap_or(seconds)),
        quick: args.quick,
    };
    let mut stage = Stage::new(binary, effort);
    stage.missing = missing;
    let progress = progress::Progress::new();
    let mut scenarios: Vec<Scenario> = Vec::new();
    for plan in plans {
        if interrupt::requested() {
            break;
        }
        scenarios.push(rounds::play(plan, &mut stage, &progress));
        // A full run has each scenario begin afresh, with nothing stored.
        if !effort.quick {
            stage.clear();
        }
    }
    progress.end();
    let others = stage.others.cores();
    if others > MOST_OTHERS {
        eprintln!("others had {others:.2} cores of this machine meanwhile: measure again without");
    }
    Run {
        command: args.typed.clone(),
        begun,
        seconds: clock.elapsed().as_secs_f64(),
        machine: machine::facts(),
        versions,
        goals: goals::of(&scenarios),
        scenarios,
        missing: stage.missing,
    }
}

/// A service that runs elsewhere.
fn from_outside(args: &Args, elsewhere: &Elsewhere) -> Result<Run, String> {
    let begun = now();
    let clock = Instant::now();
    let (scenarios, missing) = elsewhere::measure(elsewhere)?;
    Ok(Run {
        command: args.typed.clone(),
        begun,
        seconds: clock.elapsed().as_secs_f64(),
        machine: machine::facts(),
        versions: vec![("service".into(), elsewhere.url.clone())],
        scenarios,
        goals: Vec::new(),
        missing,
    })
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
