//! A run as aligned text, for a terminal of about 120 columns.

use std::fmt::Write as _;

use super::figures::{Goal, Run, Scenario};
use super::numbers;
use super::sheet::{self, OURS};

const COLUMNS: usize = 118;

pub fn table(run: &Run) -> String {
    let mut text = String::new();
    let machine = &run.machine;
    let _ = writeln!(
        text,
        "{}, {}: {} cores, {}, {:.1} GiB, {}",
        run.begun,
        numbers::duration(run.seconds * 1e6),
        machine.cores,
        machine.cpu,
        numbers::mib(machine.memory_bytes) / 1024.0,
        machine.kernel
    );
    let versions = run
        .versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"));
    text.push_str(&wrapped(&versions.collect::<Vec<_>>().join(", "), "  "));
    let _ = writeln!(
        text,
        "Medians of the rounds; ±: the farthest round. ÷ peer: {OURS}'s figure as a multiple of the peer's."
    );
    for scenario in &run.scenarios {
        block(&mut text, scenario);
    }
    if !run.goals.is_empty() {
        text.push_str("\ngoals\n");
        let rows: Vec<_> = run.goals.iter().map(goal).collect();
        text.push_str(&aligned(&rows, &[0, 1, 3]));
    }
    if !run.missing.is_empty() {
        text.push_str("\nnot measured\n");
        let rows = run
            .missing
            .iter()
            .map(|it| vec![it.peer.clone(), it.why.clone()]);
        text.push_str(&aligned(&rows.collect::<Vec<_>>(), &[0, 1]));
    }
    text
}

fn block(text: &mut String, scenario: &Scenario) {
    let _ = writeln!(text, "\n{}", scenario.name);
    text.push_str(&wrapped(&scenario.what, "  "));
    let sheet = sheet::sheet(scenario);
    let rows: Vec<_> = [sheet.head]
        .into_iter()
        .chain(sheet.rows)
        .chain(sheet.ratios)
        .collect();
    text.push_str(&aligned(&rows, &[0]));
}

/// Verdict, what, value and what is wanted.
fn goal(goal: &Goal) -> Vec<String> {
    let unit = if goal.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", goal.unit)
    };
    vec![
        verdict(goal).to_owned(),
        goal.what.clone(),
        goal.value.map_or_else(|| "–".into(), numbers::number),
        format!("{}{unit}", wanted(goal)),
    ]
}

pub fn verdict(goal: &Goal) -> &'static str {
    match goal.is_met() {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "unknown",
    }
}

pub fn wanted(goal: &Goal) -> String {
    let bound = if goal.at_least { "at least" } else { "at most" };
    format!("{bound} {}", goal.want)
}

/// Rows under each other, the columns `left` at their left edge and the others at their right.
pub fn aligned(rows: &[Vec<String>], left: &[usize]) -> String {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(row.len().max(widths.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if left.contains(&at) {
                let _ = write!(line, "  {cell:<width$}");
            } else {
                let _ = write!(line, "  {cell:>width$}");
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = String::new();
    let mut line = indent.to_owned();
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() >= COLUMNS && line != indent {
            lines.push_str(line.trim_end());
            lines.push('\n');
            indent.clone_into(&mut line);
        }
        line.push_str(word);
        line.push(' ');
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}
