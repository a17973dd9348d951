//! A MinIO of this bench's own, by `scripts/minio`.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Stopped, and its data thrown away, when it is dropped.
pub struct Minio {
    /// What the program needs to use it.
    pub settings: Vec<(String, String)>,
    state: TempDir,
}

impl Minio {
    pub fn start() -> Self {
        Self::try_start().expect("a MinIO")
    }

    /// The last line that `scripts/minio` says when there is none.
    pub fn try_start() -> Result<Self, String> {
        let state = tempfile::tempdir().expect("a directory");
        let printed = script(state.path(), "start")?;
        // Lines like `export NAME=value`.
        let setting = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        Ok(Self {
            settings: printed.lines().filter_map(setting).collect(),
            state,
        })
    }

    pub fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.state.path().join("minio/pid"));
        text.expect("a pid").trim().parse().expect("a pid")
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        if let Err(why) = script(self.state.path(), "stop") {
            eprintln!("scripts/minio stop: {why}");
        }
    }
}

fn script(state: &Path, what: &str) -> Result<String, String> {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/minio"))
        .arg(what)
        .env("MINIO_STATE", state.join("minio"))
        .output()
        .expect("scripts/minio");
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().last().unwrap_or("it failed").to_owned())
}
