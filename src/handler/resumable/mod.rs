//! `/uploads`: resumable uploads, in two protocols that are told apart by `Tus-Resumable`.
//! Here is what they share; what each says is in `tus` and `ietf`, and the uploads themselves are
//! `upload::resume`'s.

mod fields;
mod ietf;
mod metadata;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod tus;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use super::conditions;
use crate::access::{Right, Who};
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::{Error, Limit};
use crate::route::Route;
use crate::store::Condition;
use crate::upload::resume::{ALGORITHMS, Checksum, Finish, Guard, Open, Piece, Progress, UploadId};
use crate::upload::{Expected, RequestBody, Source};

const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const METHOD_OVERRIDE: &str = "x-http-method-override";

/// The version of tus that is spoken here.
const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: HeaderValue = HeaderValue::from_static(
    "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum",
);

/// The method that a request means: `X-HTTP-Method-Override` counts on resumable uploads, for
/// clients that can send neither PATCH nor DELETE, with the rights of the method meant.
pub fn method<B>(route: Route<'_>, request: &Request<B>) -> Result<Method, Error> {
    let meant = match route {
        Route::Uploads | Route::Resumable(_) => request.headers().get(METHOD_OVERRIDE),
        _ => None,
    };
    match meant {
        None => Ok(request.method().clone()),
        Some(meant) => Method::from_bytes(meant.as_bytes()).map_err(|_| {
            Error::invalid("invalid_method", "X-HTTP-Method-Override names no method.")
        }),
    }
}

/// What every answer on these routes has, failures too.
pub struct Marks {
    tus: bool,
    /// Whether a refusal for its size must say what size would do, and one for its type what type.
    ietf: bool,
}

impl Marks {
    /// Of a request with these headers on this route, if it has one.
    #[must_use]
    pub fn of(route: Option<&Route<'_>>, headers: &HeaderMap) -> Self {
        let here = matches!(route, Some(Route::Uploads | Route::Resumable(_)));
        let tus = headers.contains_key(TUS_RESUMABLE);
        Self {
            tus: here && tus,
            ietf: here && !tus,
        }
    }

    /// Adds them.
    pub fn add_to(&self, response: &mut Response<Body>) {
        let status = response.status();
        let limit = response.extensions_mut().remove::<Limit>();
        let headers = response.headers_mut();
        if self.tus {
            headers.insert(TUS_RESUMABLE, VERSION);
        }
        if self.ietf
            && let Some(Limit(name, bytes)) = limit
        {
            let limit = format!("{name}={bytes}");
            headers.entry(UPLOAD_LIMIT).or_insert(text(&limit));
        }
        // RFC 5789 section 2.2.
        if self.ietf && status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_PATCH, HeaderValue::from_static(ietf::PARTIAL));
        }
    }
}

/// `POST /uploads`.
pub(super) async fn create(
    app: Arc<App>,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
    stop: CancellationToken,
    who: Who,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let tus = is_tus(&parts.headers)?;
    let body = Arrival::new(&app, body, received, stop);
    if tus {
        tus::create(&app, &parts, body, &who).await
    } else {
        ietf::create(&app, &parts, body, &who).await
    }
}

/// `HEAD /uploads/{id}`.
pub(super) async fn status(
    app: &Arc<App>,
    id: &str,
    headers: &HeaderMap,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let tus = is_tus(headers)?;
    let id = UploadId::decode(id, &app.keys).ok_or(Error::NotFound)?;
    who.reach(id.key.as_str())?;
    // A request that the client gave up counts with all that it brought.
    app.process.live.interrupt(id.hash()).await;
    let mut response = if tus {
        tus::status(app, id, who).await?
    } else {
        ietf::status(app, id, headers).await?
    };
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(response)
}

/// `PATCH` and `DELETE /uploads/{id}`.
pub(super) async fn change(
    app: Arc<App>,
    id: String,
    method: Method,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
    stop: CancellationToken,
    who: Who,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let tus = is_tus(&parts.headers)?;
    check_digest(&parts.headers)?;
    let id = UploadId::decode(&id, &app.keys).ok_or(Error::NotFound)?;
    audit::key(id.key.as_str());
    who.reach(id.key.as_str())?;
    if method == Method::DELETE {
        app.process.live.interrupt(id.hash()).await;
        app.engine.cancel(&id).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let body = Arrival::new(&app, body, received, stop);
    if tus {
        tus::append(&app, id, &parts, body, &who).await
    } else {
        ietf::append(&app, id, &parts, body, &who).await
    }
}

/// What this server can do, in both protocols.
pub(super) fn options(app: &App, route: Route<'_>) -> Response<Body> {
    let most = app.engine.max_size(None);
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(route.allow()));
    headers.insert(TUS_RESUMABLE, VERSION);
    headers.insert(TUS_VERSION, VERSION);
    headers.insert(TUS_EXTENSION, EXTENSIONS);
    headers.insert(TUS_MAX_SIZE, HeaderValue::from(most));
    headers.insert(TUS_CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHMS));
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(ietf::PARTIAL));
    headers.insert(UPLOAD_LIMIT, text(&format!("max-size={most}")));
    response
}

/// Whether a request speaks tus, in the version that is spoken here.
fn is_tus(headers: &HeaderMap) -> Result<bool, Error> {
    match headers.get(TUS_RESUMABLE) {
        None => Ok(false),
        Some(version) if version == VERSION => Ok(true),
        Some(_) => Err(Error::TusVersion),
    }
}

/// A request's body on its way in.
struct Arrival {
    source: Source<'static>,
    length: Option<u64>,
    /// Cancelled when the client has gone, or the process is cut.
    stop: CancellationToken,
}

impl Arrival {
    fn new(app: &App, body: Incoming, received: Arc<AtomicU64>, stop: CancellationToken) -> Self {
        let length = body.size_hint().exact();
        let source = RequestBody::new(body, app.process.config.timeout, received, stop.clone())
            .counting(&app.process.counters);
        Self {
            source: Box::pin(source),
            length,
            stop,
        }
    }
}

/// Adds a request's bytes.
async fn add(
    app: &App,
    open: Open,
    headers: &HeaderMap,
    checksum: Option<Checksum>,
    finish: Finish,
    body: Arrival,
    guard: &Guard,
) -> Result<Progress, Error> {
    let length = body.length;
    let stop = guard.stop().clone();
    let source = tokio::select! {
        biased;
        source = checked(app, &open, headers, checksum, body) => source?,
        // None of it counts, as its checksum covers all of it.
        () = stop.cancelled() => {
            return Ok(Progress::More { offset: open.offset, whole: false });
        }
    };
    let piece = Piece {
        source,
        length,
        finish,
        stop,
    };
    let progress = app.engine.append(open, piece).await?;
    if let Progress::Stored(meta) = &progress {
        audit::stored(meta);
    }
    Ok(progress)
}

/// The same at creation, whose answer is the first that a client hears of an upload: one that
/// failed, or whose client has left, nobody will go on with.
async fn add_first(
    app: &App,
    open: Open,
    headers: &HeaderMap,
    checksum: Option<Checksum>,
    finish: Finish,
    body: Arrival,
) -> Result<Progress, Error> {
    let live = &app.process.live;
    let id = open.id.clone();
    let guard = live.enter(id.hash(), app.process.phase.draining()).await;
    let gone = body.stop.clone();
    let added = add(app, open, headers, checksum, finish, body, &guard).await;
    let left = matches!(added, Ok(Progress::More { .. })) && gone.is_cancelled();
    if left || added.is_err() {
        give_up(app, &id).await;
    }
    added
}

/// Gives up an upload that nobody can go on with.
async fn give_up(app: &App, id: &UploadId) {
    if let Err(error) = app.engine.cancel(id).await {
        log::warn!("an upload that was given up stays: {error}");
    }
}

/// Whether the object is to be made only where there is none: with `If-None-Match: *`, and for who
/// may not replace what is there. Refuses what would
/// be ignored: the object is stored when the last request ends, and neither another condition nor a
/// digest of the whole is kept until then.
fn check_creation(headers: &HeaderMap, who: &Who) -> Result<bool, Error> {
    check_digest(headers)?;
    match conditions::of_write(headers)? {
        Condition::None => Ok(!who.has(Right::Delete)),
        Condition::IfAbsent => Ok(true),
        Condition::IfMatch(_) => Err(Error::invalid(
            "invalid_condition",
            "The only condition that a resumable upload takes is If-None-Match: *.",
        )),
    }
}

/// Whether somebody may still bring this upload to its end: one that replaces what is there is for
/// who may do that.
fn check_replacing(open: &Open, who: &Who) -> Result<(), Error> {
    if open.state().if_absent() {
        return Ok(());
    }
    who.need(&[Right::Delete])
}

fn check_digest(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key("repr-digest") {
        return Err(Error::invalid(
            "digest_unsupported",
            "A digest of the whole cannot be checked over several requests.",
        ));
    }
    Ok(())
}

/// A request's bytes; where it gives a checksum of them, once all of them are here and right.
async fn checked(
    app: &App,
    open: &Open,
    headers: &HeaderMap,
    checksum: Option<Checksum>,
    body: Arrival,
) -> Result<Source<'static>, Error> {
    let expected = Expected::parse(headers)?;
    if checksum.is_none() && expected == Expected::default() {
        return Ok(body.source);
    }
    let mut source = expected.verify(body.source);
    if let Some(checksum) = checksum {
        source = checksum.verify(source);
    }
    app.engine.hold(open, source, body.length).await
}

/// A request's media type must be this one; types know no case (RFC 9110 section 8.3.1).
fn check_type(headers: &HeaderMap, want: &'static str) -> Result<(), Error> {
    match headers.get(CONTENT_TYPE) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(want.as_bytes()) => Ok(()),
        _ => Err(Error::UnsupportedMediaType { want }),
    }
}

/// The path of an upload.
fn location(app: &App, id: &UploadId) -> HeaderValue {
    let base = &app.process.config.base_path;
    text(&format!("{base}/uploads/{}", id.encode()))
}

/// Whether this is the offset at which the upload goes on.
fn check_offset(open: &Open, provided: u64) -> Result<(), Error> {
    if open.offset == provided {
        return Ok(());
    }
    Err(Error::OffsetMismatch {
        expected: open.offset,
        provided,
    })
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    response
}

/// A header's value of our own making: visible ASCII only.
fn text(value: &str) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""))
}
