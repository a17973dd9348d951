//! What is told with a request wherever it leads: its id, who sends it, and the trace it belongs to.
//! It goes along with the task that serves it, so that what is far from HTTP (a call to S3, a line of
//! the audit) can name it without every function on the way passing it on.

use std::net::IpAddr;
use std::sync::Arc;

use crate::trace::Trace;

/// Of one request.
#[derive(Debug, Clone)]
pub struct Context {
    /// `X-Request-Id`.
    pub id: String,
    /// Where it comes from.
    pub from: IpAddr,
    /// Who sends it, where that is known.
    pub user: Option<Arc<str>>,
    /// The trace it belongs to, where it names one.
    pub trace: Option<Trace>,
}

tokio::task_local! {
    static CURRENT: Arc<Context>;
}

/// Does `work` for this request.
pub fn within<F: Future>(context: Arc<Context>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(context, work)
}

/// Does what this request waits for, in one step.
pub fn during<T>(context: Arc<Context>, step: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(context, step)
}

/// That of the request that is being served; None in the background.
#[must_use]
pub fn current() -> Option<Arc<Context>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// The trace of the request that is being served.
#[must_use]
pub fn trace() -> Option<Trace> {
    CURRENT.try_with(|context| context.trace).ok().flatten()
}
