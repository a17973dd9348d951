//! What is said of a request once it is over, when the last byte of the answer has gone or it is given
//! up: its log line, and its part in the metrics.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::{Method, StatusCode};
use log::Level;
use log::kv::Value;

use super::in_service::InService;
use crate::access::Who;
use crate::body::{Body, BoxError};
use crate::context;
use crate::logging::{self, Fields};
use crate::metrics::http::{Http, Over};
use crate::trace::Trace;

/// Logged when the client left before there was an answer; nginx made the number known.
pub(super) const CLIENT_CLOSED: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
};

/// What the log line says of a request.
pub(super) struct Log {
    pub(super) id: String,
    pub(super) who: Who,
    pub(super) method: Method,
    pub(super) route: &'static str,
    pub(super) level: Level,
    pub(super) status: StatusCode,
    pub(super) received: Arc<AtomicU64>,
    pub(super) sent: u64,
    pub(super) started: Instant,
    pub(super) complete: bool,
    pub(super) in_service: Arc<InService>,
    pub(super) trace: Option<Trace>,
    pub(super) http: Arc<Http>,
}

impl Log {
    /// What is told with the request wherever it leads.
    pub(super) fn context(&self) -> Arc<context::Context> {
        Arc::new(context::Context {
            id: self.id.clone(),
            from: self.who.from,
            user: self.who.user().cloned(),
            trace: self.trace,
        })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.in_service.end();
        let took = self.started.elapsed();
        let received = self.received.load(Ordering::Relaxed);
        self.http.count(&Over {
            route: self.route,
            method: &self.method,
            status: self.status,
            received,
            sent: self.sent,
            took,
        });
        self.http.requests_open.end();
        let status = self.status.as_u16();
        let fields = [
            ("id", Some(Value::from(self.id.as_str()))),
            ("from", Some(Value::from_dyn_display(&self.who.from))),
            (
                "user",
                self.who.user().map(|user| Value::from(user.as_ref())),
            ),
            ("method", Some(Value::from(self.method.as_str()))),
            ("route", Some(Value::from(self.route))),
            ("status", Some(Value::from(status))),
            ("in", Some(Value::from(received))),
            ("out", Some(Value::from(self.sent))),
            ("ms", Some(Value::from(took.as_secs_f64() * 1000.0))),
            ("cut", (!self.complete).then_some(Value::from(true))),
            (
                "trace",
                self.trace.as_ref().map(|trace| Value::from(trace.id())),
            ),
        ];
        let message = format_args!("{} {} {status}", self.method, self.route);
        logging::fields("access", self.level, message, &Fields(&fields));
    }
}

/// A response body that writes the request's log line when it is done with.
pub(super) struct Tracked {
    body: Body,
    log: Log,
    /// Of a body that is read of the store while it goes: those calls belong to the trace, too.
    context: Option<Arc<context::Context>>,
}

impl Tracked {
    pub(super) fn new(body: Body, log: Log) -> Self {
        let is_traced = log.trace.is_some() && matches!(body, Body::Stream { .. });
        let context = is_traced.then(|| log.context());
        Self { body, log, context }
    }
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let context = self.context.clone();
        let body = Pin::new(&mut self.body);
        let polled = match context {
            None => body.poll_frame(cx),
            Some(context) => context::during(context, || body.poll_frame(cx)),
        };
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
