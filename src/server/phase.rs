//! Where the process is in its life, as everyone may ask or wait for.
//! When it moves on is the arbiter's business.

use tokio_util::sync::CancellationToken;

/// Serving, then (on a signal) withdrawing, draining, cut.
#[derive(Clone, Debug, Default)]
pub struct Phase {
    withdrawing: CancellationToken,
    draining: CancellationToken,
    cut: CancellationToken,
}

impl Phase {
    /// Everything is still served, but load balancers are told to go elsewhere.
    #[must_use]
    pub fn is_withdrawing(&self) -> bool {
        self.withdrawing.is_cancelled()
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
        self.withdrawing.cancel();
    }

    pub(super) fn drain(&self) {
        self.withdrawing.cancel();
        self.draining.cancel();
    }

    pub(super) fn cut_now(&self) {
        self.drain();
        self.cut.cancel();
    }
}
