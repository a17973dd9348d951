//! A run beside an earlier one: what became better or worse by more than its rounds differ among
//! themselves, and what may be the reason.

use std::fmt::Write as _;

use super::figures::{Machine, Measured, Round, Run, Scenario, Unit};
use super::numbers;
use super::sheet::failures;
use super::table::aligned;

/// A figure that two runs are compared by.
struct Figure {
    head: &'static str,
    of: fn(&Round) -> Option<f64>,
    more_is_better: bool,
    of_memory: bool,
}

const FIGURES: [Figure; 4] = [
    // Where seconds are what is counted, the work is 1: half as long is twice as fast.
    Figure {
        head: "speed",
        of: Round::rate,
        more_is_better: true,
        of_memory: false,
    },
    Figure {
        head: "per CPU-s",
        of: Round::per_cpu,
        more_is_better: true,
        of_memory: false,
    },
    Figure {
        head: "p99",
        of: |round| Some(round.latency?.p99 as f64),
        more_is_better: false,
        of_memory: false,
    },
    Figure {
        head: "peak memory",
        of: |round| Some(round.peak_bytes? as f64),
        more_is_better: false,
        of_memory: true,
    },
];

pub fn compare(old: &Run, new: &Run) -> String {
    let mut text = format!("{} as a multiple of {}\n", new.begun, old.begun);
    for (what, was, is) in differences(old, new) {
        let _ = writeln!(text, "  {what} differs: {was}, now {is}");
    }
    text.push_str("better, WORSE: every round of the one beyond every round of the other\n\n");
    let mut head = vec!["scenario".to_owned(), "peer".to_owned()];
    for figure in &FIGURES {
        head.extend([figure.head.to_owned(), String::new()]);
    }
    head.push("failures".into());
    let mut rows = vec![head];
    for scenario in &new.scenarios {
        let Some(before) = named(old, &scenario.name) else {
            continue;
        };
        for measured in &scenario.peers {
            if let Some(before) = before.peer(&measured.peer) {
                rows.push(row(scenario, before, measured));
            }
        }
    }
    text.push_str(&aligned(&rows, &[0, 1, 3, 5, 7, 9]));
    for (one, other, which) in [(old, new, "before"), (new, old, "now")] {
        for name in only_in(one, other) {
            let _ = writeln!(text, "  only {which}: {name}");
        }
    }
    text
}

fn named<'a>(run: &'a Run, name: &str) -> Option<&'a Scenario> {
    run.scenarios.iter().find(|scenario| scenario.name == name)
}

fn row(scenario: &Scenario, old: &Measured, new: &Measured) -> Vec<String> {
    let mut row = vec![scenario.name.clone(), new.peer.clone()];
    for figure in &FIGURES {
        // Where bytes are counted, nothing else is.
        let counts = figure.of_memory || scenario.unit != Unit::Bytes;
        let change = counts.then(|| change(figure, old, new)).flatten();
        let (ratio, flag) = change.unwrap_or_else(|| ("–".into(), ""));
        row.extend([ratio, flag.to_owned()]);
    }
    let (was, is) = (failures(old), failures(new));
    row.push(if was == is {
        is.to_string()
    } else {
        format!("{was}, now {is}")
    });
    row
}

/// The ratio, and whether it is more than chance.
fn change(figure: &Figure, old: &Measured, new: &Measured) -> Option<(String, &'static str)> {
    let (old_least, old_median, old_most) = old.spread(figure.of)?;
    let (new_least, new_median, new_most) = new.spread(figure.of)?;
    if old_median <= 0.0 {
        return None;
    }
    // One round alone has no spread that it could be beyond.
    let known = old.rounds.len() > 1 && new.rounds.len() > 1;
    let more = known && new_least > old_most;
    let less = known && new_most < old_least;
    let flag = match (more, less) {
        (false, false) => "",
        (more, _) if more == figure.more_is_better => "better",
        _ => "WORSE",
    };
    Some((numbers::ratio(new_median / old_median), flag))
}

/// What else than the program may be the reason: what, as it was, and as it is.
fn differences(old: &Run, new: &Run) -> Vec<(String, String, String)> {
    let machine = |machine: &Machine| {
        let gib = numbers::mib(machine.memory_bytes) / 1024.0;
        format!(
            "{} cores, {}, {gib:.1} GiB, {}",
            machine.cores, machine.cpu, machine.kernel
        )
    };
    let mut pairs = vec![
        (
            "the machine".to_owned(),
            machine(&old.machine),
            machine(&new.machine),
        ),
        (
            "the command".to_owned(),
            old.command.clone(),
            new.command.clone(),
        ),
    ];
    let version = |run: &Run, name: &str| {
        let found = run.versions.iter().find(|(other, _)| other == name);
        found.map_or_else(|| "none".to_owned(), |(_, version)| version.clone())
    };
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in old.versions.iter().chain(&new.versions) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    pairs.extend(names.into_iter().map(|name| {
        let what = format!("the version of {name}");
        (what, version(old, name), version(new, name))
    }));
    pairs.retain(|(_, was, is)| was != is);
    pairs
}

/// Scenarios, and programs in them, that the other run has nothing of.
fn only_in(one: &Run, other: &Run) -> Vec<String> {
    let mut only = Vec::new();
    for scenario in &one.scenarios {
        match named(other, &scenario.name) {
            None => only.push(scenario.name.clone()),
            Some(there) => {
                let missing = scenario
                    .peers
                    .iter()
                    .filter(|it| there.peer(&it.peer).is_none());
                only.extend(missing.map(|it| format!("{} of {}", scenario.name, it.peer)));
            }
        }
    }
    only
}
