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
        let state = tempfile::tempdir().expect("a directory");
        let printed = script(state.path(), "start");
        // Lines like `export NAME=value`.
        let setting = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        Self {
            settings: printed.lines().filter_map(setting).collect(),
            state,
        }
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        script(self.state.path(), "stop");
    }
}

fn script(state: &Path, what: &str) -> String {
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/minio"))
        .arg(what)
        .env("MINIO_STATE", state.join("minio"))
        .output()
        .expect("scripts/minio");
    assert!(output.status.success(), "scripts/minio {what} failed");
    String::from_utf8(output.stdout).expect("text")
}
