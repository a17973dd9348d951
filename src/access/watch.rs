//! Reads the users file again when it has changed. Kubernetes changes a mounted file by turning a
//! symbolic link to another folder: so it is looked at by its path, every time.

use std::convert::Infallible;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

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
    let Watched { path, look: read } = process.access.watched.clone();
    let Some(path) = path else {
        return std::future::pending().await;
    };
    let mut seen = Seen {
        look: read,
        fault: None,
    };
    loop {
        sleep(EVERY).await;
        let (path, process, mut next) = (path.clone(), Arc::clone(&process), seen.clone());
        // A mount may be slow to answer: not on the thread that accepts connections.
        let looked = tokio::task::spawn_blocking(move || {
            if let Some(users) = next.changed(look(&path), || process.access.load(&path)) {
                log::info!("AUTH_USERS_FILE was read again: {} users", users.count());
                process.access.replace(users);
            }
            next
        });
        if let Ok(next) = looked.await {
            seen = next;
        }
    }
}

/// What came of the file when it was last looked at.
#[derive(Clone)]
struct Seen {
    look: Option<Look>,
    /// What was wrong with it.
    fault: Option<String>,
}

impl Seen {
    /// What it says now, where it has changed. After a fault it is read each time: one that could
    /// not be read (no descriptor was free, nobody but its owner may) looks the same once it can.
    fn changed<T>(
        &mut self,
        now: Option<Look>,
        load: impl FnOnce() -> Result<T, String>,
    ) -> Option<T> {
        if now == self.look && self.fault.is_none() {
            return None;
        }
        self.look = now;
        match load() {
            Ok(users) => {
                self.fault = None;
                Some(users)
            }
            Err(why) => {
                if self.fault.as_ref() != Some(&why) {
                    log::error!("AUTH_USERS_FILE {why}; what it said before holds on");
                }
                self.fault = Some(why);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_changes_and_after_a_fault_until_it_can_be() {
        let look = |size| Some((1, 2, size, 3, 4));
        let mut seen = Seen {
            look: look(1),
            fault: None,
        };
        let never = || -> Result<&str, String> { unreachable!("it looks the same") };
        assert_eq!(seen.changed(look(1), never), None);
        assert_eq!(seen.changed(look(2), || Ok("new")), Some("new"));
        assert_eq!(seen.changed(look(2), never), None);
        let unreadable = || Err::<&str, _>("cannot be read".to_owned());
        for _ in 0..3 {
            assert_eq!(seen.changed(look(5), unreadable), None);
        }
        // It looks as it did when it could not be read.
        assert_eq!(seen.changed(look(5), || Ok("at last")), Some("at last"));
        assert_eq!(seen.changed(look(5), never), None);
        assert_eq!(seen.changed(None, unreadable), None);
    }
}
