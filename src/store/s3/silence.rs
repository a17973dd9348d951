//! How long a body may stand still. What is said of it then is its reader's business.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Watches over the gaps between a body's pieces. Has no timer until the first gap.
pub(super) struct Silence {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when the timer runs is the beginning of this gap, and not of one before.
    waiting: bool,
}

impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            timer: None,
            waiting: false,
        }
    }

    /// A piece came.
    pub(super) fn broken(&mut self) {
        self.waiting = false;
    }

    /// Nothing came: ready when that has been so for the limit, and again each time that it has been
    /// so once more.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = Instant::now() + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(end);
        }
        let over = timer.as_mut().poll(cx);
        self.waiting = over.is_pending();
        over
    }
}
