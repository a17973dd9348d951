//! What the load harness makes of its figures, with made-up ones: a bench has no tests of its own.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "a test that fails may panic, and its modules are no API"
)]

#[path = "../benches/load/figures.rs"]
mod figures;
#[path = "../benches/load/report/mod.rs"]
mod report;

use figures::{Machine, Missing, Run};

fn run() -> Run {
    Run {
        command: "cargo bench --bench load".into(),
        begun: "2026-01-02T03:04:05Z".into(),
        seconds: 61.5,
        machine: Machine {
            cpu: "Made Up 3000".into(),
            cores: 2,
            memory_bytes: 8 << 30,
            kernel: "Linux 6.1".into(),
        },
        versions: vec![("portfolio".into(), "0.1.0".into())],
        scenarios: Vec::new(),
        goals: Vec::new(),
        missing: vec![Missing {
            peer: "nginx".into(),
            why: "not installed".into(),
        }],
    }
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
fn an_empty_run_can_be_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let plots = report::plots(&run(), folder.path()).unwrap();
    let _ = report::table(&run());
    let _ = report::results_markdown(&run(), &plots);
    let _ = report::compare(&run(), &run());
}
