//! Asks the store in the background whether it answers, so that a readiness probe costs no call
//! to it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::app::Process;
use crate::store::Store;

/// Between checks while the store answers.
const WHEN_UP: Duration = Duration::from_secs(10);
/// Between checks while it does not: recovery is noticed within 2 s.
const WHEN_DOWN: Duration = Duration::from_secs(1);

/// Checks for ever.
pub(super) async fn store(process: &Process, store: Arc<dyn Store>) -> Infallible {
    let mut first = true;
    loop {
        let outcome = store.check().await;
        let up = outcome.is_ok();
        if process.health.note(up) || first {
            match outcome {
                Ok(()) => log::info!("the store answers"),
                Err(error) => log::error!("the store does not answer: {error}"),
            }
        }
        first = false;
        sleep(if up { WHEN_UP } else { WHEN_DOWN }).await;
    }
}
