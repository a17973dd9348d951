//! What comes from S3: an answer's body, with an end to its silence and to its length, and an answer
//! as a whole. Whether it can be read is for whoever reads it to say.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use hyper::body::{Body as _, Incoming};
use hyper::{HeaderMap, Response, StatusCode};
use rusoto_core::HttpDispatchError;

use super::super::outage::{Outage, RETURN};
use super::super::silence::Silence;
use super::failure::{TIMEOUT, chain};
use crate::store::VersionId;

/// The length of an object, which may be as long as it likes.
pub(super) const ENDLESS: u64 = u64::MAX;

/// An answer and all of its body.
pub(in crate::store::s3) struct Document {
    pub(in crate::store::s3) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(in crate::store::s3) body: Bytes,
}

impl Document {
    /// A header's value, where it is text.
    pub(in crate::store::s3) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The version that a write made, where the bucket keeps versions.
    pub(in crate::store::s3) fn version(&self) -> Option<VersionId> {
        let version = self.header("x-amz-version-id")?;
        Some(VersionId(version.to_owned()))
    }
}

/// Reads an answer to its end.
pub(super) async fn read(response: Response<InBody>) -> Result<Document, HttpDispatchError> {
    let (parts, mut body) = response.into_parts();
    // Most come in one piece, or are empty. Others are copied, as a piece of one byte may keep a
    // whole read buffer.
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(piece) = body.try_next().await? {
        if first.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
    }
    let body = if whole.is_empty() {
        first
    } else {
        whole.into()
    };
    Ok(Document {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

/// An answer's body: fails after `timeout` of silence, an object sooner where S3 was gone and is back,
/// and when a document is too long.
pub(super) struct InBody {
    body: Incoming,
    timeout: Duration,
    left: u64,
    silence: Silence,
    /// How often `silence` has told of this gap, and how often that is `timeout`.
    looks: u32,
    most_looks: u32,
    outage: Arc<Outage>,
    /// How often S3 had been gone when the answer began.
    outages: u32,
    /// The last look found S3 back, and this connection silent.
    left_behind: bool,
}

impl InBody {
    pub(super) fn new(body: Incoming, timeout: Duration, left: u64, outage: Arc<Outage>) -> Self {
        // A document may well be late: S3 may be silent while it does what was asked.
        let most_looks = if left == ENDLESS {
            u32::try_from(timeout.as_millis().div_ceil(RETURN.as_millis()))
                .unwrap_or(u32::MAX)
                .max(1)
        } else {
            1
        };
        Self {
            body,
            timeout,
            left,
            silence: Silence::new(timeout / most_looks),
            looks: 0,
            most_looks,
            outages: outage.times(),
            outage,
            left_behind: false,
        }
    }

    /// Silent once more, and whether that is enough.
    fn is_given_up(&mut self) -> bool {
        self.looks += 1;
        let is_back = self.outage.is_back_since(self.outages);
        let was_back = std::mem::replace(&mut self.left_behind, is_back);
        self.looks >= self.most_looks || (is_back && was_back)
    }
}

impl Stream for InBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.silence.broken();
                    this.looks = 0;
                    this.left_behind = false;
                    this.outage.heard();
                    let Ok(chunk) = frame.into_data() else {
                        continue;
                    };
                    let Some(left) = this.left.checked_sub(chunk.len() as u64) else {
                        let error = io::Error::other("the answer is too long");
                        return Poll::Ready(Some(Err(error)));
                    };
                    this.left = left;
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(io::Error::other(chain(&error)))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        loop {
            ready!(this.silence.poll_over(cx));
            if this.is_given_up() {
                break;
            }
        }
        let text = format!(
            "{TIMEOUT}no byte of the answer for {:?}",
            this.timeout / this.most_looks * this.looks
        );
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, text))))
    }
}
