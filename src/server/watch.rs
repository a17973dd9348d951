//! What is done now and then: the store is asked whether it answers, so that a readiness probe
//! costs no call to it, and memory that no upload needs any more is given back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::app::Process;
use crate::store::{Store, StoreError};

/// Between checks while the store answers and nobody doubts it.
const WHEN_UP: Duration = Duration::from_secs(10);
/// A check that takes longer has failed: the store's own patience is that of a transfer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Between checks while it does not.
const WHEN_DOWN: Duration = Duration::from_secs(1);

/// Checks for ever.
pub(super) async fn store(process: &Process, store: Arc<dyn Store>) -> Infallible {
    let mut first = true;
    loop {
        let outcome = match timeout(DEADLINE, store.check()).await {
            Ok(outcome) => outcome,
            Err(late) => Err(StoreError::Timeout(late.into())),
        };
        let up = outcome.is_ok();
        if process.health.note(up) || first {
            match outcome {
                Ok(()) => log::info!("the store answers"),
                Err(error) => log::error!("the store does not answer: {error}"),
            }
        }
        first = false;
        // As good a moment as any other.
        process.budget.rest();
        sleep(WHEN_DOWN).await;
        if up {
            // Whether it ended or was given up: it is time for the next check.
            let _ = timeout(WHEN_UP.saturating_sub(WHEN_DOWN), store.doubted()).await;
        }
    }
}
