//! What the load harness makes of its figures, with made-up ones: a bench has no tests of its own.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    unreachable_pub,
    dead_code,
    reason = "a test that fails may panic, and its modules are no API"
)]

#[path = "../benches/load/figures.rs"]
mod figures;
#[path = "../benches/load/report/mod.rs"]
mod report;

mod load_report {
    pub mod made_up;
    pub mod plots;
}

use std::fs;
use std::path::{Path, PathBuf};

use figures::{Run, Unit};
use load_report::made_up::{MIB, measured, run, scenario};

/// The line with all of these in it.
fn line<'a>(text: &'a str, parts: &[&str]) -> &'a str {
    let has = |line: &&str| parts.iter().all(|part| line.contains(part));
    text.lines()
        .find(has)
        .unwrap_or_else(|| panic!("no line with {parts:?} in\n{text}"))
}

#[test]
fn a_run_that_is_written_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    report::write_json(&run(), &path).unwrap();
    let read = report::read_json(&path).unwrap();
    assert_eq!(format!("{read:?}"), format!("{:?}", run()));
}

#[test]
fn what_is_no_run_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("empty", ""),
        ("list", "[]"),
        ("foreign", r#"{"command": "wrk"}"#),
        (
            "later",
            r#"{"format": "cloud-portfolio load run 2", "run": {}}"#,
        ),
        (
            "torn",
            r#"{"format": "cloud-portfolio load run 1", "run": {"command""#,
        ),
        ("binary", "\u{0}\u{1}"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let error = report::read_json(&path).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("not a run of this harness"),
            "{error}"
        );
    }
    let error = report::read_json(&folder.path().join("nowhere")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[test]
fn the_table_tells_medians_ratios_failures_and_who_is_missing() {
    let table = report::table(&run());
    let ours = line(&table, &["portfolio", "50,000"]);
    assert!(
        ours.contains("±2%") && ours.contains("100,000") && ours.contains("400 µs"),
        "{ours}"
    );
    let flask = line(&table, &["flask", "1,000"]);
    assert!(
        flask.contains("80.0 ms") && flask.contains("1.50 s in 37"),
        "{flask}"
    );
    assert!(flask.contains(" 7 "), "{flask}");
    let ratio = line(&table, &["÷ flask"]);
    assert!(
        ratio.contains("50.0x") && ratio.contains("0.0050x"),
        "{ratio}"
    );
    line(&table, &["CPU-s/GB"]);
    line(&table, &["nginx", "it is not installed"]);
    for line in table.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn a_goal_is_met_or_missed_only_where_something_is_known() {
    let (table, page) = (report::table(&run()), page(&run(), &[]));
    for text in [table, page] {
        assert!(line(&text, &[" reached"]).contains("met"), "{text}");
        assert!(line(&text, &["not reached"]).contains("MISSED"), "{text}");
        let unknown = line(&text, &["beside one that is missing"]);
        assert!(
            unknown.contains("unknown") && !unknown.contains("met"),
            "{unknown}"
        );
    }
}

#[test]
fn a_variant_is_compared_with_our_variant_of_the_same_name() {
    let mut run = run();
    let fast = measured("portfolio", 1000.0, 100, MIB);
    let logging = measured("portfolio-logging", 600.0, 100, MIB);
    let theirs = measured("nginx-logging", 300.0, 100, MIB);
    run.scenarios = vec![scenario(
        "health",
        Unit::Requests,
        vec![fast, logging, theirs],
    )];
    let table = report::table(&run);
    assert!(
        line(&table, &["÷ nginx-logging"]).contains("2.00x"),
        "{table}"
    );
    assert!(!table.contains("÷ portfolio"), "{table}");
}

#[test]
fn a_comparison_flags_what_the_rounds_do_not_explain() {
    let (old, mut new) = (run(), run());
    new.begun = "2026-02-02T03:04:05Z".into();
    new.machine.cores = 4;
    new.versions[0].1 = "0.2.0".into();
    new.scenarios[0].peers = vec![
        measured("portfolio", 75_000.0, 800, 8 * MIB),
        measured("flask", 1_010.0, 80_000, 120 * MIB),
    ];
    new.scenarios[1].name = "upload-2m".into();
    let text = report::compare(&old, &new);
    let ours = line(&text, &["health", "portfolio"]);
    assert!(
        ours.contains("1.50x  better") && ours.contains("2.00x  WORSE"),
        "{ours}"
    );
    assert!(ours.contains("1.00x"), "{ours}");
    let flask = line(&text, &["health", "flask"]);
    assert!(
        flask.contains("1.01x") && flask.contains("7, now 0"),
        "{flask}"
    );
    assert!(
        !flask.contains("better") && !flask.contains("WORSE"),
        "{flask}"
    );
    line(&text, &["machine differs", "2 cores", "4 cores"]);
    line(&text, &["portfolio differs", "0.1.0", "0.2.0"]);
    line(&text, &["only before: upload-1m"]);
    line(&text, &["only now: upload-2m"]);
}

#[test]
fn a_run_is_as_it_is_itself() {
    let text = report::compare(&run(), &run());
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("1.00x")).collect();
    assert_eq!(rows.len(), 3, "{text}");
    for row in rows {
        assert!(!row.contains("better") && !row.contains("WORSE"), "{row}");
    }
    assert!(
        !text.contains("differs") && !text.contains("only"),
        "{text}"
    );
}

fn page(run: &Run, plots: &[PathBuf]) -> String {
    report::results_markdown(run, plots, Path::new("benches/RESULTS.md"))
}

#[test]
fn the_page_links_the_plots_from_where_it_lies() {
    let plots = ["benches/plots/latency.svg", "target/memory.svg"].map(Into::into);
    let page = page(&run(), &plots);
    line(&page, &["![Latency", "](<plots/latency.svg>)"]);
    line(&page, &["](<../target/memory.svg>)"]);
}
