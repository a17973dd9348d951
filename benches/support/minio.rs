//! A MinIO of this bench's own, by `scripts/minio`.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/minio");

/// Stopped, and its data thrown away, when it is dropped.
pub struct Minio {
    /// What the program needs to use it.
    pub settings: Vec<(String, String)>,
    /// Stops it when its stdin ends: that is also when this process is killed.
    guard: Child,
    state: TempDir,
}

impl Minio {
    pub fn start() -> Self {
        Self::try_start().expect("a MinIO")
    }

    /// The last line that `scripts/minio` says when there is none.
    pub fn try_start() -> Result<Self, String> {
        let state = tempfile::tempdir().expect("a directory");
        let place = state.path().join("minio");
        let guard = Command::new("/bin/sh")
            .args(["-c", "read -r _; exec \"$0\" stop", SCRIPT])
            .env("MINIO_STATE", &place)
            .stdin(Stdio::piped())
            // An interrupt on the terminal is not for it.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut minio = Self {
            settings: Vec::new(),
            guard,
            state,
        };
        let started = Command::new(SCRIPT)
            .arg("start")
            .env("MINIO_STATE", place)
            .process_group(0)
            .output()
            .expect("scripts/minio");
        if !started.status.success() {
            let said = String::from_utf8_lossy(&started.stderr);
            return Err(said.lines().last().unwrap_or("it failed").to_owned());
        }
        // Lines like `export NAME=value`.
        let setting = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        let printed = String::from_utf8_lossy(&started.stdout);
        minio.settings = printed.lines().filter_map(setting).collect();
        Ok(minio)
    }

    pub fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.state.path().join("minio/pid"));
        text.expect("a pid").trim().parse().expect("a pid")
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        match self.guard.wait() {
            Ok(status) if status.success() => {}
            odd => eprintln!("scripts/minio stop: {odd:?}"),
        }
    }
}
