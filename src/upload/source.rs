//! Where an upload's bytes come from: the request's body as a stream, with the client's patience
//! and the process's end watched over. Who cuts it into parts is `part`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::counters::{Count, Counters};
use crate::error::Error;

/// An upload's bytes, in order. An error ends it.
pub type Source<'a> = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send + 'a>>;

/// A client that sends less than this over [`SLOW_WINDOW`] of our waiting counts as silent:
/// 1 KiB/s, below any line that could ever finish.
const SLOW_BYTES: u64 = 60 << 10;
/// How much one wait counts at most: bytes may have come long before they are asked for again,
/// while it was the store or the budget that kept us.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Time spent waiting for the client, after which its rate is judged.
const SLOW_WINDOW: Duration = Duration::from_mins(1);

/// A request's body.
///
/// Yields [`Error::ClientSilent`] after `timeout` without a byte, [`Error::BodyBroken`] when the
/// body ends early or is badly framed, [`Error::ShuttingDown`] when `stop` is cancelled.
pub struct RequestBody {
    body: Incoming,
    timeout: Duration,
    received: Arc<AtomicU64>,
    counters: Option<Arc<Counters>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Pin<Box<Sleep>>,
    waiting_since: Option<Instant>,
    waited: Duration,
    window_bytes: u64,
}

impl RequestBody {
    /// Reads `body`; bytes are added to `received` as they come.
    #[must_use]
    pub fn new(
        body: Incoming,
        timeout: Duration,
        received: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            body,
            timeout,
            received,
            counters: None,
            stop: Box::pin(stop.cancelled_owned()),
            timer: Box::pin(sleep_until(Instant::now() + timeout)),
            waiting_since: None,
            waited: Duration::ZERO,
            window_bytes: 0,
        }
    }

    /// Counts them as an upload's as well.
    #[must_use]
    pub fn counting(mut self, counters: &Arc<Counters>) -> Self {
        self.counters = Some(Arc::clone(counters));
        self
    }

    /// Counts bytes that came. Only time spent waiting counts: while the store is slow it is us
    /// who keep the client back.
    fn arrived(&mut self, count: u64) -> Result<(), Error> {
        self.received.fetch_add(count, Ordering::Relaxed);
        if let Some(counters) = &self.counters {
            counters.add(Count::Received, count);
        }
        self.window_bytes += count;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed().min(LONGEST_WAIT);
        }
        if self.waited >= SLOW_WINDOW {
            if self.window_bytes < SLOW_BYTES {
                return Err(Error::ClientSilent);
            }
            self.waited = Duration::ZERO;
            self.window_bytes = 0;
        }
        Ok(())
    }
}

impl Stream for RequestBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are of no use to anyone here.
                    let Ok(chunk) = frame.into_data() else {
                        continue;
                    };
                    let judged = self.arrived(chunk.len() as u64);
                    return Poll::Ready(Some(judged.map(|()| chunk)));
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(Error::BodyBroken(error.into()))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        if self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Error::ShuttingDown)));
        }
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            let deadline = now + self.timeout;
            self.timer.as_mut().reset(deadline);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Error::ClientSilent)));
        }
        Poll::Pending
    }
}
