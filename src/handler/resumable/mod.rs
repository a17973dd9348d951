//! `/uploads`: resumable uploads, in two protocols that are told apart by `Tus-Resumable`.
//! What each says is in `tus` and `ietf`; what both check in `checks`, how both take a request's bytes
//! in `arrival`, and what every answer has in `marks`. The uploads themselves are `upload::resume`'s.

mod arrival;
mod checks;
mod fields;
mod ietf;
mod marks;
mod metadata;
#[cfg(any(test, fuzzing))]
pub mod properties;
mod tus;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::access::Who;
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::Error;
use crate::route::Route;
use crate::upload::resume::{ALGORITHMS, UploadId};
use arrival::Arrival;
use checks::check_digest;
pub use marks::Marks;

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

/// Whether a request says that more than one of them makes the object (IETF, `Upload-Complete: ?0`).
pub(super) fn is_unfinished(headers: &HeaderMap) -> bool {
    fields::boolean(headers, "upload-complete") == Some(false)
}

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

/// The path of an upload.
fn location(app: &App, id: &UploadId) -> HeaderValue {
    let base = &app.process.config.base_path;
    text(&format!("{base}/uploads/{}", id.encode()))
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
