//! The plots as files: small, XML, and nothing in them that no number is; and what is made of a run
//! that has nothing, or names that are markup.

use std::fs;

use super::made_up::{MIB, measured, run, scenario};
use crate::figures::{Measured, Unit};
use crate::{line, page, report};

#[test]
fn plots_are_small_well_formed_and_tell_every_program_apart() {
    let folder = tempfile::tempdir().unwrap();
    let plots = report::plots(&run(), &folder.path().join("plots")).unwrap();
    assert_eq!(plots.len(), 5);
    for path in plots {
        let text = fs::read_to_string(&path).unwrap();
        well_formed(&text);
        assert!(text.len() < 30_000, "{} bytes", text.len());
        assert!(
            text.contains(">portfolio<") && text.contains(">flask<"),
            "{}",
            path.display()
        );
        assert!(
            !text.contains("NaN") && !text.contains("inf"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_run_of_many_scenarios_still_has_small_plots() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run();
    let peers = ["portfolio", "nginx", "flask", "straight"];
    let many = (0..20).map(|n| {
        let peers = peers.map(|peer| measured(peer, 100.0 * f64::from(n + 1), 100, MIB));
        scenario(&format!("scenario-{n}"), Unit::Requests, peers.into())
    });
    run.scenarios = many.collect();
    for path in report::plots(&run, folder.path()).unwrap() {
        let size = fs::metadata(&path).unwrap().len();
        assert!(size < 30_000, "{}: {size} bytes", path.display());
    }
}

#[test]
fn names_with_markup_stay_names() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run();
    run.scenarios[0].name = "<b>&|".into();
    run.scenarios[0].peers[1].peer = "<&>".into();
    for path in report::plots(&run, folder.path()).unwrap() {
        let text = fs::read_to_string(path).unwrap();
        well_formed(&text);
        assert!(text.contains("&lt;&amp;&gt;") && !text.contains("<&>"));
    }
    let page = page(&run, &[]);
    line(&page, &["### &lt;b&gt;&amp;\\|"]);
}

#[test]
fn a_run_of_nothing_can_be_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = run();
    run.goals.clear();
    for scenarios in [
        vec![],
        vec![scenario("none", Unit::Seconds, vec![])],
        vec![scenario(
            "no rounds",
            Unit::Bytes,
            vec![Measured {
                peer: "nginx".into(),
                rounds: vec![],
            }],
        )],
        vec![scenario(
            "zero",
            Unit::Requests,
            vec![measured("portfolio", 0.0, 0, MIB)],
        )],
    ] {
        run.scenarios = scenarios;
        for path in report::plots(&run, folder.path()).unwrap() {
            let text = fs::read_to_string(path).unwrap();
            well_formed(&text);
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
        line(&report::table(&run), &["it is not installed"]);
        line(&page(&run, &[]), &["it is not installed"]);
        line(&report::compare(&run, &run), &["scenario"]);
    }
}

fn well_formed(text: &str) {
    for event in xml::EventReader::new(text.as_bytes()) {
        event.unwrap_or_else(|error| panic!("{error} in\n{text}"));
    }
}
