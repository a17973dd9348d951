//! The portal as it is usually written, `benches/peers/flask`, under Gunicorn with as many workers
//! and threads as the program has. `scripts/bench-peers` installs it.

use std::path::PathBuf;
use std::process::Command;

use super::Start;
use super::store::Store;

/// Names it in the figures.
pub const NAME: &str = "flask";
const APP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/flask");

pub fn start(store: &Store) -> Result<Start, String> {
    let gunicorn = environment().join("bin/gunicorn");
    if !gunicorn.is_file() {
        return Err("it is not installed; scripts/bench-peers does that".into());
    }
    Start::new(|port, folder| {
        let mut command = Command::new(gunicorn);
        command
            .args("--workers 2 --threads 4 --worker-class gthread --timeout 60".split(' '))
            .args(["--bind", &format!("127.0.0.1:{port}")])
            .args(["--chdir", APP])
            .arg("app:app")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Where boto3 looks for settings, and where forms are kept.
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .envs(store.settings());
        Ok(command)
    })
}

/// Where `scripts/bench-peers` puts it.
fn environment() -> PathBuf {
    let cache = std::env::var("XDG_CACHE_HOME").map_or_else(
        |_| PathBuf::from(std::env::var("HOME").unwrap_or_default()).join(".cache"),
        PathBuf::from,
    );
    cache.join("cloud-portfolio/peers/flask")
}
