//! A run as a page for people: what was measured on what, the goals, the plots, and every figure.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::figures::{Run, Scenario};
use super::sheet::{self, OURS};
use super::{numbers, plot, table};

/// The page; the plots are linked as seen from `document`, the file that it will be.
pub fn results_markdown(run: &Run, plots: &[PathBuf], document: &Path) -> String {
    let mut text = String::from("# What the load harness measured\n\n");
    facts(&mut text, run);
    if !run.goals.is_empty() {
        text.push_str("\n## Goals\n\n");
        let head = ["", "goal", "value", "wanted", "unit"].map(str::to_owned);
        let rows = run.goals.iter().map(|goal| {
            vec![
                table::verdict(goal).to_owned(),
                goal.what.clone(),
                goal.value.map_or_else(|| "–".into(), numbers::number),
                table::wanted(goal),
                goal.unit.clone(),
            ]
        });
        grid(&mut text, &head, &[0, 1, 3, 4], rows);
    }
    if !run.missing.is_empty() {
        text.push_str("\n## Not measured\n\n");
        for missing in &run.missing {
            let _ = writeln!(
                text,
                "- {}: {}",
                escape(&missing.peer),
                escape(&missing.why)
            );
        }
    }
    if !plots.is_empty() {
        text.push_str("\n## At a glance\n");
    }
    for path in plots {
        let alt = escape(plot::describes(path));
        let link = relative(path, document);
        let _ = writeln!(text, "\n![{alt}](<{link}>)");
    }
    text.push_str("\n## All figures\n\n");
    let _ = writeln!(
        text,
        "Medians of the rounds; ± is how far the farthest round is from it. In rows with ÷ stand \
         {OURS}'s figures as multiples of the peer's. MB and GB are of 1000, MiB of 1024."
    );
    for scenario in &run.scenarios {
        figures(&mut text, scenario);
    }
    text
}

fn facts(text: &mut String, run: &Run) {
    let machine = &run.machine;
    let _ = writeln!(
        text,
        "```sh\n{}\n```\n",
        run.command.replace(['`', '\n'], " ")
    );
    let rows = [
        ("begun", run.begun.clone()),
        ("took", numbers::duration(run.seconds * 1e6)),
        ("CPU", format!("{}, {} cores", machine.cpu, machine.cores)),
        (
            "memory",
            format!("{:.1} GiB", numbers::mib(machine.memory_bytes) / 1024.0),
        ),
        ("kernel", machine.kernel.clone()),
    ];
    let rows = rows
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let rows = rows
        .chain(run.versions.iter().cloned())
        .map(|(name, value)| vec![name, value]);
    grid(text, &["", ""].map(str::to_owned), &[0, 1], rows);
}

fn figures(text: &mut String, scenario: &Scenario) {
    let _ = writeln!(
        text,
        "\n### {}\n\n{}\n",
        escape(&scenario.name),
        escape(&scenario.what)
    );
    let sheet = sheet::sheet(scenario);
    let rows = sheet.rows.into_iter().chain(sheet.ratios);
    grid(text, &sheet.head, &[0], rows);
}

/// A table, its columns `left` at their left edge and the others at their right.
fn grid(
    text: &mut String,
    head: &[String],
    left: &[usize],
    rows: impl Iterator<Item = Vec<String>>,
) {
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    line(head.iter().map(|cell| escape(cell)).collect());
    let edge = |at| if left.contains(&at) { "---" } else { "---:" };
    line((0..head.len()).map(|at| edge(at).to_owned()).collect());
    for row in rows {
        line(row.iter().map(|cell| escape(cell)).collect());
    }
}

/// Text that stays text: no markup, no cell's end, no line's end.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\r' => escaped.push(' '),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => escaped.extend(['\\', letter]),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// The way from the folder that `document` is in to `path`.
fn relative(path: &Path, document: &Path) -> String {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (path, document) = (whole(path), whole(document));
    let folder: Vec<_> = document
        .parent()
        .into_iter()
        .flat_map(Path::components)
        .collect();
    let way: Vec<_> = path.components().collect();
    let shared = folder
        .iter()
        .zip(&way)
        .take_while(|(one, other)| one == other)
        .count();
    let up = folder[shared..].iter().map(|_| "..".to_owned());
    let down = way[shared..]
        .iter()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}
