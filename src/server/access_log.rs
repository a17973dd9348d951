//! What is said of a request once it is over: its log line, written when the last byte of the answer
//! has gone, or when it is given up.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::{Method, StatusCode};
use log::Level;

use super::io::InService;
use crate::body::{Body, BoxError};

/// Logged when the client left before there was an answer; nginx made the number known.
pub(super) const CLIENT_CLOSED: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
};

/// What the log line says of a request.
pub(super) struct Log {
    pub(super) id: String,
    pub(super) from: IpAddr,
    pub(super) method: Method,
    pub(super) route: &'static str,
    pub(super) level: Level,
    pub(super) status: StatusCode,
    pub(super) received: Arc<AtomicU64>,
    pub(super) sent: u64,
    pub(super) started: Instant,
    pub(super) complete: bool,
    pub(super) in_service: Arc<InService>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.in_service.end();
        let cut = if self.complete { "" } else { " cut=true" };
        log::log!(
            target: "access",
            self.level,
            "id={} from={} method={} route={} status={} in={} out={} ms={:.1}{cut}",
            self.id,
            self.from,
            self.method,
            self.route,
            self.status.as_u16(),
            self.received.load(Ordering::Relaxed),
            self.sent,
            self.started.elapsed().as_secs_f64() * 1000.0,
        );
    }
}

/// A response body that writes the request's log line when it is done with.
pub(super) struct Tracked {
    pub(super) body: Body,
    pub(super) log: Log,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.log.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.log.complete = self.body.is_end_stream();
            }
            Poll::Ready(Some(Err(error))) => {
                log::warn!("request id={} broke off: {error}", self.log.id);
            }
            Poll::Ready(None) => self.log.complete = true,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
