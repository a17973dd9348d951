//! `GET /metrics` on a listener of its own, so that the public port does not show it. What is in it is
//! `metrics`' business.
//!
//! Few ask, and each for one answer: one request a connection, and a few connections at once.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::security;
use crate::app::Process;
use crate::config::Config;
use crate::metrics::{Format, Metrics};

/// Connections at once. One more, and the oldest that has not asked yet makes room.
const MOST: usize = 4;
/// What a request's head may take: a scraper sends it as it connects.
const HEAD: Duration = Duration::from_secs(2);
/// What a connection may take from its first byte to its last.
const LONGEST: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 << 10;
/// After a failed accept (EMFILE and the like): trying again at once would spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the port, if there is to be one. Fails when it is taken or not allowed.
pub(super) fn bind(config: &Config) -> std::io::Result<Option<TcpListener>> {
    let Some(port) = config.metrics_port else {
        return Ok(None);
    };
    let listener = TcpListener::bind(SocketAddr::new(config.host, port))?;
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

/// Answers for ever; never, without a listener.
pub(super) async fn serve(listener: Option<TcpListener>, process: &Arc<Process>) -> Infallible {
    let listener = match listener.map(tokio::net::TcpListener::from_std) {
        Some(Ok(listener)) => listener,
        Some(Err(error)) => {
            log::error!("metrics cannot be served: {error}");
            return std::future::pending().await;
        }
        None => return std::future::pending().await,
    };
    let metrics = Metrics::new(process);
    let mut open = FuturesUnordered::new();
    let mut places: VecDeque<Rc<Place>> = VecDeque::with_capacity(MOST);
    loop {
        tokio::select! {
            biased;
            Some(()) = open.next(), if !open.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Those that have ended hold theirs no longer.
                    places.retain(|place| Rc::strong_count(place) > 1);
                    if open.len() >= MOST {
                        if let Some(oldest) = places.iter().find(|place| !place.asked.get()) {
                            oldest.leave.notify_one();
                        }
                        open.next().await;
                    }
                    let place = Rc::<Place>::default();
                    places.push_back(Rc::clone(&place));
                    open.push(one(stream, &metrics, place));
                }
                Err(error) => {
                    log::warn!("a connection for metrics could not be accepted: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// What is known of an open connection.
#[derive(Default)]
struct Place {
    /// Its request's head has come.
    asked: Cell<bool>,
    leave: Notify,
}

async fn one(stream: TcpStream, metrics: &Metrics, place: Rc<Place>) {
    let service = service_fn(|request| {
        place.asked.set(true);
        async move {
            let mut answer = answer(&request, metrics);
            security::add_to(answer.headers_mut());
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = timeout(LONGEST, connection) => match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::debug!("a connection for metrics broke: {error}"),
            Err(_) => log::debug!("a connection for metrics took too long"),
        },
        () = place.leave.notified() => {
            log::debug!("a connection for metrics that said nothing made room for another");
        }
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    // hyper itself leaves the body of an answer to HEAD out.
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allow = HeaderValue::from_static("GET, HEAD");
        response.headers_mut().insert(ALLOW, allow);
        return response;
    }
    let accept = request.headers().get(ACCEPT);
    let format = Format::of(accept.and_then(|value| value.to_str().ok()).unwrap_or(""));
    match metrics.encode(format) {
        Ok(text) => {
            let content_type = HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            *response.body_mut() = Full::from(text);
        }
        Err(error) => {
            log::error!("metrics could not be written: {error}");
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
    }
    response
}
