//! GET and HEAD of one object: conditions, range, names, and what a browser may do with it.

use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

use super::conditions::{self, Verdict};
use super::{files, headers};
use crate::app::App;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{ByteRange, KeyError, ObjectKey, ObjectMeta, StoreError, VersionId};

const X_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// Of what is shown. The PDF viewer needs its own frame and styles; no script either way.
const SHOWN: HeaderValue = HeaderValue::from_static("script-src 'none'; frame-ancestors 'self'");

/// Times that an object is looked at anew when it changes under our hands.
const TRIES: u32 = 3;

/// One object by its key: the current version, or the one named by `?version_id=`.
pub(super) async fn get(
    app: &App,
    key: &str,
    query: &Query,
    request: &HeaderMap,
    method: &Method,
) -> Result<Response<Body>, Error> {
    let key = app.keys.readable(key).map_err(hide_internal)?;
    let version = files::version_of(query)?;
    let inline = query.value("inline")?.is_some();
    for _ in 0..TRIES {
        match try_get(app, &key, version.as_ref(), request, inline, method).await {
            // It changed between our two questions: it is judged again as it is now.
            Err(Error::Store(StoreError::Precondition)) => {}
            outcome => return outcome,
        }
    }
    Err(Error::Store(StoreError::Conflict(
        "the object changes faster than it can be read".into(),
    )))
}

async fn try_get(
    app: &App,
    key: &ObjectKey,
    version: Option<&VersionId>,
    request: &HeaderMap,
    inline: bool,
    method: &Method,
) -> Result<Response<Body>, Error> {
    let head_only = method == Method::HEAD;
    let known = if head_only || conditions::is_conditional(request) {
        let meta = app.store.head(key, version).await?;
        match conditions::judge(request, &meta) {
            Verdict::Send => Some(meta),
            Verdict::NotModified => return Ok(not_modified(&meta, inline)),
            Verdict::Failed => return Err(Error::PreconditionFailed),
        }
    } else {
        None
    };
    // RFC 9110 section 14.2: a range is for GET only.
    if let Some(meta) = known.as_ref().filter(|_| head_only) {
        let mut response = describe(key, meta, inline, None);
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, meta.size.into());
        return Ok(response);
    }
    let range = conditions::range(request, known.as_ref());
    // What was judged must be what is sent.
    let if_match = known.as_ref().map(|meta| meta.etag.as_str());
    let download = app.store.get(key, version, range, if_match).await?;
    let length = download
        .range
        .map_or(download.meta.size, |range| range.end - range.start);
    let response = describe(key, &download.meta, inline, download.range);
    Ok(response.map(|_| Body::stream(download.body, Some(length))))
}

/// The internal prefix is not there for anyone who reads.
pub(super) fn hide_internal(error: KeyError) -> Error {
    match error {
        KeyError::Internal => Error::NotFound,
        other => other.into(),
    }
}

fn not_modified(meta: &ObjectMeta, inline: bool) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let fields = response.headers_mut();
    validators(meta, fields);
    // What a cache keeps takes over a 304's headers (RFC 9111 section 3.2): the policy too.
    if is_shown(inline, &content_type(meta)) {
        fields.insert(CONTENT_SECURITY_POLICY, SHOWN);
    }
    response
}

fn content_type(meta: &ObjectMeta) -> HeaderValue {
    let stored = meta.attributes.content_type.as_deref();
    stored
        .and_then(|text| HeaderValue::try_from(text).ok())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Whether a browser may show it, as the client has asked.
fn is_shown(inline: bool, content_type: &HeaderValue) -> bool {
    inline && content_type.to_str().is_ok_and(headers::safe_inline)
}

/// The headers that RFC 9110 section 15.4.5 wants in a 304 as in a 200.
fn validators(meta: &ObjectMeta, fields: &mut HeaderMap) {
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", meta.etag)) {
        fields.insert(ETAG, etag);
    }
    let modified = httpdate::fmt_http_date(meta.last_modified.into());
    if let Ok(modified) = HeaderValue::try_from(modified) {
        fields.insert(LAST_MODIFIED, modified);
    }
    // Private by default; the uploader's own Cache-Control comes over it.
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers::give_back(&meta.attributes, fields);
}

fn describe(
    key: &ObjectKey,
    meta: &ObjectMeta,
    inline: bool,
    range: Option<ByteRange>,
) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    if let Some(ByteRange { start, end }) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let value = format!("bytes {start}-{}/{}", end - 1, meta.size);
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(CONTENT_RANGE, value);
        }
    }
    let fields = response.headers_mut();
    validators(meta, fields);
    let content_type = content_type(meta);
    let shown = is_shown(inline, &content_type);
    let kind = if shown { "inline" } else { "attachment" };
    // What is not shown is sandboxed, as every answer is that says nothing else.
    if shown {
        fields.insert(CONTENT_SECURITY_POLICY, SHOWN);
    }
    fields.insert(CONTENT_TYPE, content_type);
    fields.insert(
        CONTENT_DISPOSITION,
        headers::disposition(kind, key.file_name()),
    );
    fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(version) = &meta.version_id
        && let Ok(version) = HeaderValue::try_from(&version.0)
    {
        fields.insert(X_VERSION_ID, version);
    }
    response
}
