//! One request and its answer: the request's id, the checks that every route needs, a panic
//! caught, and the answer's common headers. What routes do is in `handler`, and what is logged of
//! it in `access_log`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Request, Response, Version};
use log::Level;

use super::access_log::{CLIENT_CLOSED, Log, Tracked};
use super::in_service::InService;
use super::{admission, forwarded, security};
use crate::app::App;
use crate::audit::Change;
use crate::body::Body;
use crate::context;
use crate::error::Error;
use crate::handler;
use crate::handler::cors::Cors;
use crate::handler::cross_site;
use crate::handler::resumable::{self, Marks};
use crate::route::{self, Route};
use crate::trace::Trace;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from the client, in characters.
const MAX_REQUEST_ID: usize = 128;

/// Serves one request. Never fails: every failure is an answer.
pub(super) async fn serve(
    app: Arc<App>,
    in_service: Arc<InService>,
    peer: IpAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Tracked>, Infallible> {
    in_service.begin();
    app.http.requests_open.begin();
    let received = Arc::new(AtomicU64::new(0));
    let named = request.uri().authority().cloned();
    let proxies = &app.process.config.trusted_proxies;
    let (who, trusted) = forwarded::resolve(proxies, peer, named.as_ref(), request.headers_mut());
    let mut log = Log {
        id: request_id(&app, request.headers()),
        who,
        method: request.method().clone(),
        route: "-",
        level: Level::Info,
        status: CLIENT_CLOSED,
        received: Arc::clone(&received),
        sent: 0,
        started: Instant::now(),
        complete: false,
        in_service,
        trace: Trace::of(request.headers()),
        http: Arc::clone(&app.http),
    };
    let method = request.method().clone();
    let promised = request.body().size_hint().exact();
    let path = request.uri().path().to_owned();
    let route = route::find(&app.process.config.base_path, &path);
    log.route = route.map_or("-", Route::name);
    let found = check_request(&request).and_then(|()| route.ok_or(Error::NotFound));
    let found = found.and_then(|route| check_host(&app, route, request.headers()).map(|()| route));
    let cors = Cors::of(&app.process.config.allowed_origins, request.headers());
    let marks = Marks::of(route.as_ref(), request.headers());
    let in_time = admission::in_time(&app, found.as_ref().ok().copied(), &log.who).await;
    let found = in_time.and(found);
    let outcome = match found {
        Ok(route) => {
            log.level = route.log_level();
            let headers = request.headers();
            let checked = resumable::method(route, &request).and_then(|meant| {
                route.check(&meant)?;
                cross_site::check(&meant, headers, cors.is_allowed())?;
                Ok(meant)
            });
            match (cors.preflight(&request), checked) {
                (Some(answer), _) => Ok(answer),
                (None, Err(error)) => {
                    refused(route, &request, &log, &error);
                    Err(error)
                }
                (None, Ok(meant)) => {
                    let query = request.uri().query();
                    let who = &mut log.who;
                    if let Err(error) =
                        admission::admit(&app, route, &meant, query, headers, who, trusted).await
                    {
                        refused(route, &request, &log, &error);
                        Err(error)
                    } else if let Some(answer) = at_once(&app, route, &meant, headers) {
                        answer
                    } else {
                        let who = log.who.clone();
                        let app = Arc::clone(&app);
                        let work = handler::handle(app, route, meant, request, received, who);
                        // Apart, because hyper moves this whole future with each request.
                        let work = Box::pin(context::within(log.context(), work));
                        AssertUnwindSafe(work)
                            .catch_unwind()
                            .await
                            .unwrap_or(Err(Error::Panicked))
                    }
                }
            }
        }
        Err(error) => {
            if let Some(route) = route {
                refused(route, &request, &log, &error);
            }
            Err(error)
        }
    };
    let mut response = outcome.unwrap_or_else(|error| {
        if error.is_ours() {
            log::warn!("request id={} failed: {error}", log.id);
        }
        let mut response = error.into_response();
        // What is left of the body is not read: this connection takes no other request, and
        // clients are told so (RFC 9112 section 9.6).
        if promised != Some(log.received.load(Ordering::Relaxed)) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        response
    });
    if method == Method::HEAD {
        drop_body(&mut response);
    }
    marks.add_to(&mut response);
    let headers = response.headers_mut();
    cors.add_to(headers);
    if let Ok(id) = HeaderValue::try_from(&log.id) {
        headers.insert(X_REQUEST_ID, id);
    }
    security::add_to(headers);
    if app.process.phase.is_withdrawing() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    log.status = response.status();
    log.complete = response.body().is_end_stream();
    Ok(response.map(|body| Tracked::new(body, log)))
}

/// The line of a change that no handler has seen.
fn refused<B>(route: Route<'_>, request: &Request<B>, log: &Log, error: &Error) {
    let meant = resumable::method(route, request);
    let method = meant.as_ref().unwrap_or(request.method());
    if let Some(change) = Change::of(route, method, request.uri()) {
        change.refused(&log.context(), error);
    }
}

fn at_once(
    app: &App,
    route: Route<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Result<Response<Body>, Error>> {
    let answer = || handler::at_once(app, route, method, headers);
    std::panic::catch_unwind(AssertUnwindSafe(answer))
        .map_or(Some(Err(Error::Panicked)), |answer| answer.map(Ok))
}

/// What every request must have, whatever its route.
fn check_request(request: &Request<Incoming>) -> Result<(), Error> {
    let mut hosts = request.headers().get_all(HOST).iter();
    // RFC 9112 section 3.2: an HTTP/1.1 request without Host, or with more than one, is a 400.
    let first = hosts.next();
    if hosts.next().is_some() || (first.is_none() && request.version() == Version::HTTP_11) {
        return Err(Error::invalid("invalid_host", "One Host header is needed."));
    }
    // RFC 3986 section 3.2.2, and a port.
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(b);
    if first.is_some_and(|host| !host.as_bytes().iter().all(plain)) {
        return Err(Error::invalid(
            "invalid_host",
            "The Host header is no host.",
        ));
    }
    // RFC 9112 section 6.1: another coding would be stored as if it were the file.
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Error::UnsupportedCoding),
    }
}

/// A page that has its own name lead here (DNS rebinding) is told by it. Probes come by address.
fn check_host(app: &App, route: Route<'_>, headers: &HeaderMap) -> Result<(), Error> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let probe = matches!(route, Route::Health | Route::Ready);
    if probe
        || app
            .process
            .config
            .allowed_hosts
            .allow(host.unwrap_or_default())
    {
        return Ok(());
    }
    Err(Error::UnknownHost)
}

fn request_id(app: &App, headers: &HeaderMap) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    headers
        .get(X_REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.chars().all(plain))
        .map_or_else(|| app.request_id(), str::to_owned)
}

/// The answer to a HEAD keeps the length that the GET's would have.
fn drop_body(response: &mut Response<Body>) {
    let length = response.body().size_hint().exact();
    if let Some(length) = length.filter(|&length| length > 0) {
        response
            .headers_mut()
            .entry(hyper::header::CONTENT_LENGTH)
            .or_insert(length.into());
    }
    *response.body_mut() = Body::Empty;
}
