//! What the system tells of this process: CPU seconds, memory, descriptors, its start. From /proc, as
//! proc(5) has it.

use std::fs;
use std::io;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::histogram::float;

/// The process at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct System {
    /// In user and kernel mode.
    pub(super) cpu_seconds: f64,
    /// Bytes.
    pub(super) resident_memory: u64,
    /// Bytes.
    pub(super) virtual_memory: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Descriptors that are open.
    pub(super) open_descriptors: u64,
    /// Descriptors that may be.
    pub(super) max_descriptors: Option<u64>,
}

/// What it is now; what it was if /proc cannot be read.
pub(super) fn now() -> io::Result<System> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // One of them is that of this very listing.
    let open_descriptors = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
    let max_descriptors = getrlimit(Resource::Nofile).current;
    let number = |at| field(&stat, at).ok_or_else(|| io::Error::other("/proc/self/stat"));
    Ok(System {
        cpu_seconds: seconds(number(14)? + number(15)?),
        resident_memory: number(24)? * page_size() as u64,
        virtual_memory: number(23)?,
        threads: number(20)?,
        open_descriptors,
        max_descriptors,
    })
}

/// When the process started, in seconds since 1970.
#[must_use]
pub(super) fn started() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let system = fs::read_to_string("/proc/stat").ok()?;
    let booted = system
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    Some(float(booted.trim().parse().ok()?) + seconds(field(&stat, 22)?))
}

fn seconds(ticks: u64) -> f64 {
    float(ticks) / float(clock_ticks_per_second().max(1))
}

/// A field of /proc/self/stat, numbered as proc(5) does. The second, the program's name, may have
/// spaces and parentheses in it.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, after) = stat.rsplit_once(')')?;
    let field = after.split_ascii_whitespace().nth(number.checked_sub(3)?)?;
    field.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_the_last_parenthesis() {
        let stat = "7 (a) b) S 1 2 3";
        assert_eq!(field(stat, 4), Some(1));
        assert_eq!(field(stat, 6), Some(3));
        assert_eq!(field(stat, 7), None);
    }

    #[test]
    fn this_process_has_memory_threads_and_a_start_in_the_past() {
        let system = now().unwrap();
        assert!(system.resident_memory > 1 << 20 && system.threads > 0);
        assert!(system.open_descriptors > 2);
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        // Of the boot only the second is known.
        let age = now - started().unwrap();
        assert!((-2.0..3600.0).contains(&age), "{age}");
    }
}
