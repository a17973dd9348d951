//! A run as aligned text for a terminal.

use std::fmt::Write as _;

use super::figures::Run;

pub fn table(run: &Run) -> String {
    let mut text = String::new();
    for scenario in &run.scenarios {
        let _ = writeln!(text, "{}: {}", scenario.name, scenario.what);
    }
    text
}
