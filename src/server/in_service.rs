//! Whether a request is being served on a connection, as who serves it, the socket and who may make
//! room for others have to know. What each does about it is theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether a request is being served on the connection; shared with whoever serves it.
#[derive(Debug)]
pub(super) struct InService {
    busy: AtomicBool,
    /// A handler's answer may still be in hyper's write buffer.
    unflushed: AtomicBool,
    /// A request has begun since someone last asked.
    begun: AtomicBool,
    /// Told when the connection has become one that may make room for another.
    freed: Arc<Notify>,
}

impl InService {
    pub(super) fn new(freed: Arc<Notify>) -> Self {
        Self {
            busy: AtomicBool::new(false),
            unflushed: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            freed,
        }
    }

    pub(super) fn begin(&self) {
        self.busy.store(true, Ordering::Release);
        self.unflushed.store(true, Ordering::Release);
        self.begun.store(true, Ordering::Release);
    }

    pub(super) fn end(&self) {
        self.busy.store(false, Ordering::Release);
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// hyper's write buffer is empty.
    pub(super) fn flushed(&self) {
        if !self.is_busy() && self.unflushed.swap(false, Ordering::AcqRel) {
            self.freed.notify_one();
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Acquire) && self.begun.swap(false, Ordering::AcqRel)
    }

    /// Whether no answer is being made or written. What hyper writes then can only be its own
    /// refusal of a head that it could not parse.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_busy() && !self.unflushed.load(Ordering::Acquire)
    }
}
