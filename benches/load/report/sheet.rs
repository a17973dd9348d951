//! A scenario as rows of cells, for the terminal's table and for the page's alike. What is worth a
//! column hangs on what is counted, and on what any of the programs has a figure of.

use super::figures::{Latency, Measured, Round, Scenario, Unit};
use super::numbers;

/// The program that the others are compared with.
pub const OURS: &str = "portfolio";

pub struct Sheet {
    pub head: Vec<String>,
    /// A program each, its name first.
    pub rows: Vec<Vec<String>>,
    /// Ours as a multiple of another's: a row for each program that is not ours.
    pub ratios: Vec<Vec<String>>,
}

/// A figure of a round, and how it is shown.
struct Column {
    head: &'static str,
    of: fn(&Round) -> Option<f64>,
    show: fn(f64) -> String,
    /// Whether the spread of the rounds stands beside it.
    spread: bool,
}

const fn column(
    head: &'static str,
    of: fn(&Round) -> Option<f64>,
    show: fn(f64) -> String,
) -> Column {
    Column {
        head,
        of,
        show,
        spread: false,
    }
}

impl Column {
    const fn with_spread(self) -> Self {
        Self {
            spread: true,
            ..self
        }
    }
}

const LATENCY: [Column; 4] = [
    column("p50", |round| micros(round, |it| it.p50), numbers::duration),
    column("p90", |round| micros(round, |it| it.p90), numbers::duration),
    column("p99", |round| micros(round, |it| it.p99), numbers::duration),
    column(
        "p99.9",
        |round| micros(round, |it| it.p999),
        numbers::duration,
    ),
];

const MEMORY: [Column; 2] = [
    column(
        "idle MiB",
        |round| round.idle_bytes.map(numbers::mib),
        numbers::number,
    ),
    column(
        "peak MiB",
        |round| round.peak_bytes.map(numbers::mib),
        numbers::number,
    ),
];

pub fn sheet(scenario: &Scenario) -> Sheet {
    let columns: Vec<Column> = columns(scenario.unit)
        .into_iter()
        .filter(|column| has(scenario, column.of))
        .collect();
    let throttled = has(scenario, |round| Some(round.throttled?.seconds));
    let mut head = vec!["peer".to_owned()];
    for column in &columns {
        head.push(column.head.into());
        if column.spread {
            head.push("±".into());
        }
    }
    head.push("failures".into());
    if throttled {
        head.push("held back".into());
    }
    let rows = scenario.peers.iter().map(|measured| {
        let mut row = vec![measured.peer.clone()];
        for column in &columns {
            let spread = measured.spread(column.of);
            row.push(cell(spread.map(|(_, median, _)| (column.show)(median))));
            if column.spread {
                row.push(spread.and_then(numbers::spread).unwrap_or_default());
            }
        }
        row.push(failures(measured).to_string());
        if throttled {
            row.push(cell(held_back(measured)));
        }
        row
    });
    let ratios = scenario.peers.iter().filter_map(|theirs| {
        let ours = counterpart(scenario, theirs)?;
        let mut row = vec![format!("÷ {}", theirs.peer)];
        for column in &columns {
            row.push(cell(ratio(ours, theirs, column.of).map(numbers::ratio)));
            if column.spread {
                row.push(String::new());
            }
        }
        row.resize(head.len(), String::new());
        Some(row)
    });
    Sheet {
        rows: rows.collect(),
        ratios: ratios.collect(),
        head,
    }
}

/// Ours that another is compared with: the one that works under the same name after the dash, as
/// `portfolio-logging` does for `nginx-logging`, or the plain one. None for what is ours itself.
fn counterpart<'a>(scenario: &'a Scenario, theirs: &Measured) -> Option<&'a Measured> {
    let (family, variant) = theirs.peer.split_once('-').unwrap_or((&theirs.peer, ""));
    if family == OURS {
        return None;
    }
    scenario
        .peer(&format!("{OURS}-{variant}"))
        .or_else(|| scenario.peer(OURS))
}

/// How many times the other's figure ours is.
fn ratio(ours: &Measured, theirs: &Measured, of: fn(&Round) -> Option<f64>) -> Option<f64> {
    let (ours, theirs) = (ours.median(of)?, theirs.median(of)?);
    (theirs > 0.0).then(|| ours / theirs)
}

fn columns(unit: Unit) -> Vec<Column> {
    let mut columns = match unit {
        Unit::Requests => vec![
            column("req/s", Round::rate, numbers::number).with_spread(),
            column("req/CPU-s", Round::per_cpu, numbers::number).with_spread(),
        ],
        Unit::Megabytes => vec![
            column("MB/s", Round::rate, numbers::number).with_spread(),
            column("MB/CPU-s", Round::per_cpu, numbers::number).with_spread(),
            column("CPU-s/GB", cpu_a_gigabyte, numbers::number),
        ],
        Unit::Seconds => vec![
            column("time", |round| Some(round.seconds * 1e6), numbers::duration).with_spread(),
            column("CPU-s", |round| round.cpu_seconds, numbers::number).with_spread(),
        ],
        // Nothing but memory counts.
        Unit::Bytes => return MEMORY.map(Column::with_spread).into(),
    };
    columns.extend(LATENCY);
    columns.extend(MEMORY);
    columns
}

/// Of all rounds.
pub fn failures(measured: &Measured) -> u64 {
    measured.rounds.iter().map(|round| round.failures).sum()
}

/// For how long of a round, and in how many of the scheduler's periods.
fn held_back(measured: &Measured) -> Option<String> {
    let seconds = measured.median(|round| Some(round.throttled?.seconds))?;
    let periods = measured.median(|round| Some(round.throttled?.periods as f64))?;
    Some(format!("{} s in {periods}", numbers::number(seconds)))
}

fn has(scenario: &Scenario, of: fn(&Round) -> Option<f64>) -> bool {
    let mut rounds = scenario.peers.iter().flat_map(|measured| &measured.rounds);
    rounds.any(|round| of(round).is_some())
}

fn cell(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".into())
}

fn micros(round: &Round, of: fn(&Latency) -> u64) -> Option<f64> {
    round.latency.as_ref().map(|latency| of(latency) as f64)
}

fn cpu_a_gigabyte(round: &Round) -> Option<f64> {
    round
        .per_cpu()
        .filter(|&rate| rate > 0.0)
        .map(|rate| 1000.0 / rate)
}
