//! A run as a page for people.

use std::path::PathBuf;

use super::figures::Run;

/// The plots' directory lies beside the document.
pub fn results_markdown(run: &Run, plots: &[PathBuf]) -> String {
    format!("# {}\n{} plots\n", run.command, plots.len())
}
