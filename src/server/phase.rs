//! Where the process is in its life, as everyone may ask, or wait for.
//! When it moves on is the arbiter's business.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// Serving, then (on a signal) withdrawing, draining, cut.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    // Asked with every request, for which a token would take a lock that all workers share.
    withdrawing: Arc<AtomicBool>,
    draining: CancellationToken,
    cut: CancellationToken,
}

impl Phase {
    /// Everything is still served, but load balancers are told to go elsewhere.
    #[must_use]
    pub fn is_withdrawing(&self) -> bool {
        self.withdrawing.load(Ordering::Acquire)
    }

    /// Cancelled when only requests in flight are finished.
    #[must_use]
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Cancelled when what is left must end at once.
    #[must_use]
    pub fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    pub(super) fn withdraw(&self) {
        self.withdrawing.store(true, Ordering::Release);
    }

    pub(super) fn drain(&self) {
        self.withdraw();
        self.draining.cancel();
    }

    pub(super) fn cut_now(&self) {
        self.drain();
        self.cut.cancel();
    }
}
