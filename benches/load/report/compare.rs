//! Two runs beside each other.

use super::figures::Run;

pub fn compare(old: &Run, new: &Run) -> String {
    format!("{} and {}\n", old.begun, new.begun)
}
