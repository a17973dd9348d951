//! What is made of a run's figures: a table for the terminal, a JSON file, plots, a comparison of two
//! runs, and a page for people. Each is a function of the run alone; who calls it prints.

use super::figures;

mod compare;
mod json;
mod markdown;
mod numbers;
mod plot;
mod sheet;
mod table;

pub use compare::compare;
pub use json::{read_json, write_json};
pub use markdown::results_markdown;
pub use plot::plots;
pub use table::table;
