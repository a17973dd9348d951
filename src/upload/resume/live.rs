//! The requests of this process that are adding to uploads, so that a new one can end one that
//! its client has given up, rather than meet it. Other replicas are not asked: see `resume`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::id::UploadHash;

/// How long a new request waits for an earlier one to save what it has: about a part to S3.
const WAIT: Duration = Duration::from_secs(10);

/// Uploads that are being added to. Shared by the workers.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<HashMap<UploadHash, Entry>>>);

#[derive(Clone)]
struct Entry {
    /// Tells the request to end.
    stop: CancellationToken,
    /// Cancelled when it has.
    ended: CancellationToken,
}

/// Held by a request while it adds to an upload.
pub struct Guard {
    live: Live,
    hash: UploadHash,
    entry: Entry,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, HashMap<UploadHash, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the request that is adding to this upload, if there is one, and waits until it has
    /// saved what it has.
    pub async fn interrupt(&self, hash: UploadHash) {
        let Some(entry) = self.lock().get(&hash).cloned() else {
            return;
        };
        entry.stop.cancel();
        if tokio::time::timeout(WAIT, entry.ended.cancelled())
            .await
            .is_err()
        {
            log::warn!("a request that was to make room for another does not end");
        }
    }

    /// The same, and then this request is the one. It is to end when `end` is cancelled, or
    /// another request comes.
    pub async fn enter(&self, hash: UploadHash, end: &CancellationToken) -> Guard {
        self.interrupt(hash).await;
        let entry = Entry {
            stop: end.child_token(),
            ended: CancellationToken::new(),
        };
        let before = self.lock().insert(hash, entry.clone());
        if let Some(before) = before {
            before.stop.cancel();
        }
        Guard {
            live: self.clone(),
            hash,
            entry,
        }
    }
}

impl Guard {
    /// Cancelled when the request is to save what it has and answer.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.entry.stop
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut live = self.live.lock();
        // Unless another has taken its place.
        if live
            .get(&self.hash)
            .is_some_and(|entry| entry.ended == self.entry.ended)
        {
            live.remove(&self.hash);
        }
        self.entry.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_request_ends_the_one_before_and_waits_for_it() {
        let live = Live::default();
        let end = CancellationToken::new();
        let hash = UploadHash::of("a");
        let first = live.enter(hash, &end).await;
        let other = live.enter(UploadHash::of("b"), &end).await;
        let stop = first.stop().clone();
        let saving = async {
            stop.cancelled().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(live.enter(hash, &end), saving);
        assert!(!second.stop().is_cancelled() && !other.stop().is_cancelled());
        end.cancel();
        assert!(second.stop().is_cancelled());
        drop((second, other));
        assert!(live.lock().is_empty());
    }
}
