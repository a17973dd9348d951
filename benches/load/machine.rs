//! Facts about the machine and the programs: figures say nothing without them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::figures::{Machine, Missing};

pub fn facts() -> Machine {
    let line = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(found, _)| found.trim() == name);
        found.map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let memory = line("/proc/meminfo", "MemTotal");
    let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: line("/proc/cpuinfo", "model name"),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: kib * 1024,
        kernel: format!("Linux {}", kernel.trim()),
    }
}

/// The program's version, with the commit it was built from if that can be told.
pub fn ours(binary: &Path) -> (String, String) {
    let version = said(Command::new(binary).arg("--version").output());
    let version = version.strip_prefix("cloud-portfolio ").unwrap_or(&version);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments);
        said(command.output())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    // Only what the program is made of: figures that are written down change nothing about it.
    let sources = [
        "src",
        "www",
        "build.rs",
        "patches",
        "Cargo.toml",
        "Cargo.lock",
    ];
    let changed = git(&[&["status", "--porcelain", "--"][..], &sources].concat());
    let changed = if changed.is_empty() { "" } else { ", changed" };
    (
        "cloud-portfolio".into(),
        format!("{version} ({commit}{changed})"),
    )
}

/// Installs the peers where that may be; their versions, and those that cannot be had.
pub fn peers() -> (Vec<(String, String)>, Vec<Missing>) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bench-peers");
    let mut command = Command::new(script);
    command.stderr(std::process::Stdio::inherit());
    let (mut versions, mut missing) = (Vec::new(), Vec::new());
    for line in said(command.output()).lines() {
        let Some((peer, rest)) = line.split_once(' ') else {
            continue;
        };
        match rest.strip_prefix("missing: ") {
            Some(why) => missing.push(Missing {
                peer: peer.to_owned(),
                why: why.to_owned(),
            }),
            None => versions.push((peer.to_owned(), rest.to_owned())),
        }
    }
    (versions, missing)
}

/// What a command said on stdout; nothing, when it could not.
fn said(output: std::io::Result<Output>) -> String {
    let said = output.ok().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}
