//! The program itself: the static release build, as it comes but for the log of requests, which the
//! peers do not keep either, and for the share of one address, which all clients are.

use std::path::Path;
use std::process::Command;

use super::Start;
use super::store::Store;

/// Names it in the figures.
pub const NAME: &str = "portfolio";

/// On this store. `log` is RUST_LOG.
pub fn start(binary: &Path, store: &Store, log: &str) -> Result<Start, String> {
    Start::new(|port, _| {
        let mut command = Command::new(binary);
        command
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("RUST_LOG", log)
            .env("MAX_CONNECTIONS_PER_ADDRESS", "1024")
            // It ends at once when it is told to.
            .env("WITHDRAW_SECONDS", "0")
            .envs(store.settings());
        Ok(command)
    })
}
