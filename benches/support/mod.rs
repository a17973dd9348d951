//! What the benches share: the static release build as a process, the bytes that are sent to it,
//! and what the kernel says of the process.
#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

pub mod cgroup;
pub mod discard;
pub mod minio;
pub mod send;
pub mod straight;

use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// What is measured: the static release build, made now unless `CLOUD_PORTFOLIO_BIN` names one.
pub fn release_binary() -> String {
    if let Ok(binary) = std::env::var("CLOUD_PORTFOLIO_BIN") {
        return binary;
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--target", TARGET])
        .status()
        .expect("cargo");
    assert!(built.success(), "the release build failed");
    let folder = std::env::var("CARGO_TARGET_DIR")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target").to_owned());
    format!("{folder}/{TARGET}/release/cloud-portfolio")
}

/// CPU seconds that a process has used, in user and kernel mode (`/proc/PID/stat`, in ticks of
/// 1/100 s, which Linux promises to programs).
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    // The name, in parentheses, may have spaces in it.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number of ticks");
    (ticks(11) + ticks(12)) / 100.0
}
