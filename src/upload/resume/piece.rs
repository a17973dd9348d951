//! What one request adds to an upload, and its body, which ends early without losing what came.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::super::source::Source;
use crate::error::Error;
use crate::store::ObjectMeta;

/// When an upload is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// When it has its length (tus).
    AtLength,
    /// When this request's bytes are in (IETF, `Upload-Complete: ?1`).
    Now,
    /// Not with this request, whatever it brings (IETF, `Upload-Complete: ?0`).
    Later,
}

/// What one request adds.
pub struct Piece<'a> {
    /// Its bytes.
    pub source: Source<'a>,
    /// How many, where that is known.
    pub length: Option<u64>,
    /// Whether they are the last.
    pub finish: Finish,
    /// Cancelled when the request is to stop reading, save what it has and answer.
    pub stop: CancellationToken,
}

/// What came of it.
#[derive(Debug)]
pub enum Progress {
    /// The upload is not complete.
    More {
        /// Bytes that are durable.
        offset: u64,
        /// Whether all bytes of the request are among them.
        whole: bool,
    },
    /// It is: this is the object.
    Stored(Box<ObjectMeta>),
}

/// Why a body ended before its end.
pub(super) enum Cut {
    /// It was told to.
    Stopped,
    /// The client failed, went away or was silent.
    Client(Error),
    /// It has more bytes than the upload may have.
    TooLong,
}

/// Where that is noted, once the body has ended.
#[derive(Clone, Default)]
pub(super) struct CutCell(Arc<Mutex<Option<Cut>>>);

impl CutCell {
    fn lock(&self) -> MutexGuard<'_, Option<Cut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    pub(super) fn take(&self) -> Option<Cut> {
        self.lock().take()
    }
}

/// A body that just ends where something went wrong, so that what came before is not lost; the
/// cell says what it was.
pub(super) struct Until<'a> {
    source: Source<'a>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Bytes that may still come.
    left: u64,
    cut: CutCell,
    ended: bool,
}

impl<'a> Until<'a> {
    /// At most `left` bytes of `source`, until `stop` is cancelled.
    pub(super) fn new(
        source: Source<'a>,
        stop: CancellationToken,
        left: u64,
        cut: CutCell,
    ) -> Self {
        Self {
            source,
            stop: Box::pin(stop.cancelled_owned()),
            left,
            cut,
            ended: false,
        }
    }

    fn end(&mut self, why: Option<Cut>) -> Poll<Option<Result<Bytes, Error>>> {
        self.ended = true;
        *self.cut.lock() = why;
        Poll::Ready(None)
    }
}

impl Stream for Until<'_> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // First, or a fast client would never let it through.
        if self.stop.as_mut().poll(cx).is_ready() {
            return self.end(Some(Cut::Stopped));
        }
        match self.source.as_mut().poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => self.end(None),
            Poll::Ready(Some(Err(Error::ShuttingDown))) => self.end(Some(Cut::Stopped)),
            Poll::Ready(Some(Err(error))) => self.end(Some(Cut::Client(error))),
            Poll::Ready(Some(Ok(chunk))) if chunk.len() as u64 > self.left => {
                self.end(Some(Cut::TooLong))
            }
            Poll::Ready(Some(Ok(chunk))) => {
                self.left -= chunk.len() as u64;
                Poll::Ready(Some(Ok(chunk)))
            }
        }
    }
}
