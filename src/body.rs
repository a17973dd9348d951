//! The one response body type: empty, full, or a stream of chunks.
//! What the chunks are is the handlers' business.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hyper::body::{Frame, SizeHint};

/// Any error with its cause.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body. An error in a stream cuts the connection, so that the client sees a
/// transfer that broke and not a short file.
pub enum Body {
    /// No byte.
    Empty,
    /// All of it at once.
    Full(Bytes),
    /// Chunks as they come, `left` bytes still to come in all where that is known.
    Stream {
        /// The chunks.
        chunks: Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>,
        /// Bytes still to come.
        left: Option<u64>,
    },
}

impl Body {
    /// A body of these bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(bytes.into())
    }

    /// A body of the stream's chunks, `len` bytes in all where that is known.
    pub fn stream<S, E>(chunks: S, len: Option<u64>) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self::Stream {
            chunks: Box::pin(chunks.map(|chunk| chunk.map_err(Into::into))),
            left: len,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream { chunks, left } => match chunks.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    if let Some(left) = left {
                        *left = left.saturating_sub(chunk.len() as u64);
                    }
                    Poll::Ready(Some(Ok(Frame::data(chunk))))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream { left, .. } => *left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { left, .. } => left.map_or_else(SizeHint::new, SizeHint::with_exact),
        }
    }
}
