//! What goes to S3: a signed request as hyper has it, its body, and how far that has come. For how
//! long S3 may be silent meanwhile is `mod.rs`' to say.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::{Method, Request};
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};
use tokio::time::{Instant, sleep};

use super::super::silence::Silence;
use crate::context;
use crate::trace::TRACEPARENT;

/// S3 gives a request up after about 20 s without a byte of its body, with no word: before that we
/// do, and say so.
const SOURCE_SILENCE: Duration = Duration::from_secs(15);

pub(super) fn build(
    signed: &SignedRequest,
    body: OutBody,
) -> Result<Request<OutBody>, hyper::http::Error> {
    let query = signed.canonical_query_string();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut request = Request::builder()
        .method(Method::from_bytes(signed.method().as_bytes())?)
        .uri(format!(
            "{}://{}{}{mark}{query}",
            signed.scheme(),
            signed.hostname(),
            signed.canonical_uri(),
        ));
    for (name, values) in signed.headers() {
        for value in values {
            request = request.header(name.as_str(), value.as_slice());
        }
    }
    // Not signed, as what is between us and S3 may change it.
    if let Some(trace) = context::trace() {
        request = request.header(TRACEPARENT, trace.as_str());
    }
    request.body(body)
}

/// When a request's bytes last moved, and whether it is us they wait for.
pub(super) struct Progress {
    pub(super) origin: Instant,
    moved_ms: AtomicU64,
    starved: AtomicBool,
    failed: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            moved_ms: AtomicU64::new(0),
            starved: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    fn moved(&self) {
        let ms = self.origin.elapsed().as_millis() as u64;
        self.moved_ms.store(ms, Ordering::Relaxed);
    }

    pub(super) fn source_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// For how long S3 neither took a byte nor answered. While the bytes to be sent are still on
    /// their way to us, the silence is not S3's.
    pub(super) fn quiet(&self) -> Duration {
        if self.starved.load(Ordering::Relaxed) {
            self.moved();
        }
        let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(moved)
    }

    /// Ends when that has been so for `timeout`.
    pub(super) async fn silence(&self, timeout: Duration) {
        loop {
            let left = timeout.saturating_sub(self.quiet());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

/// A request's body.
pub(super) struct OutBody {
    payload: Option<SignedRequestPayload>,
    left: u64,
    progress: Arc<Progress>,
    /// Of the bytes to be sent.
    silence: Silence,
}

impl OutBody {
    pub(super) fn new(
        payload: Option<SignedRequestPayload>,
        length: Option<u64>,
        progress: Arc<Progress>,
    ) -> Self {
        let left = match &payload {
            None => 0,
            Some(SignedRequestPayload::Buffer(bytes)) => bytes.len() as u64,
            Some(SignedRequestPayload::Stream(_)) => length.unwrap_or(u64::MAX),
        };
        Self {
            payload,
            left,
            progress,
            silence: Silence::new(SOURCE_SILENCE),
        }
    }
}

impl HttpBody for OutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let polled = match &mut this.payload {
            None => Poll::Ready(None),
            Some(SignedRequestPayload::Buffer(bytes)) => {
                let bytes = std::mem::take(bytes);
                this.payload = None;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            Some(SignedRequestPayload::Stream(stream)) => Pin::new(stream).poll_next(cx),
        };
        this.progress.moved();
        this.progress
            .starved
            .store(polled.is_pending(), Ordering::Relaxed);
        if polled.is_pending() {
            ready!(this.silence.poll_over(cx));
            this.progress.failed.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        this.silence.broken();
        match ready!(polled) {
            Some(Ok(chunk)) => {
                this.left = this.left.saturating_sub(chunk.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => {
                this.progress.failed.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(error)))
            }
            None if this.left > 0 && this.left != u64::MAX => {
                this.progress.failed.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.left == u64::MAX {
            SizeHint::new()
        } else {
            SizeHint::with_exact(self.left)
        }
    }
}
