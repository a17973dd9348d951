//! Reads the users file again when it has changed. Kubernetes changes a mounted file by turning a
//! symbolic link to another folder: so it is looked at by its path, every time.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Access;
use super::users::Directory;
use crate::app::Process;

/// How often it is looked at. A kubelet needs up to a minute to bring a change.
const EVERY: Duration = Duration::from_secs(2);

/// The file, and what it looked like when it was last read.
#[derive(Clone, Default)]
pub(super) struct Watched {
    path: Option<PathBuf>,
    /// None where there is none.
    look: Option<Look>,
}

/// Device, inode, size, and when it was changed.
type Look = (u64, u64, u64, i64, i64);

impl Watched {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
            look: look(path),
        }
    }
}

fn look(path: &Path) -> Option<Look> {
    let found = std::fs::metadata(path).ok()?;
    let time = (found.mtime(), found.mtime_nsec());
    Some((found.dev(), found.ino(), found.size(), time.0, time.1))
}

/// Watches the users file, for ever. A file with a fault changes nothing, and is logged once.
pub async fn watch(process: Arc<Process>) -> Infallible {
    let mut watched = process.access.watched.clone();
    let Some(path) = watched.path.take() else {
        return std::future::pending().await;
    };
    loop {
        sleep(EVERY).await;
        let (path, before, process) = (path.clone(), watched.look, Arc::clone(&process));
        // A mount may be slow to answer: not on the thread that accepts connections.
        let looked = tokio::task::spawn_blocking(move || {
            let now = look(&path);
            if now != before {
                process.access.read_again(&path);
            }
            now
        });
        if let Ok(now) = looked.await {
            watched.look = now;
        }
    }
}

impl Access {
    fn read_again(&self, path: &Path) {
        match Directory::load(path, self.kind.refusal()) {
            Ok(users) => {
                log::info!("AUTH_USERS_FILE was read again: {} users", users.count());
                self.replace(users);
            }
            Err(why) => log::error!("AUTH_USERS_FILE {why}; what it said before holds on"),
        }
    }
}
