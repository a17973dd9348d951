//! "Resumable Uploads for HTTP", draft-ietf-httpbis-resumable-upload, interop versions 5 to 8
//! (drafts 03 to 12). Without the interim 104: hyper sends none, so an upload that is to be
//! resumed begins with `Upload-Complete: ?0`.

use hyper::header::{CONTENT_DISPOSITION, ETAG, HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response, StatusCode};

use super::super::{conditions, files, headers, json, object};
use super::arrival::{Arrival, add, add_first, give_up};
use super::checks::{check_creation, check_offset, check_replacing, check_type};
use super::metadata::{self, Name};
use super::{UPLOAD_LENGTH, UPLOAD_LIMIT, UPLOAD_OFFSET, empty, fields, location, text};
use crate::access::Who;
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{ObjectKey, ObjectMeta};
use crate::upload::resume::{Finish, Found, New, Open, Progress, UploadId};
use crate::upload::{Expected, Length, Upload};

const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");

/// What a request's bytes are called.
pub(super) const PARTIAL: &str = "application/partial-upload";

/// From this interop version on appended bytes must be called [`PARTIAL`] (draft 04).
const WITH_PARTIAL: u64 = 6;
/// From this one on the time left is called `max-age` and not `expires` (draft 06).
const WITH_MAX_AGE: u64 = 7;
/// The newest.
const NEWEST: u64 = 8;

/// `POST /uploads`.
pub(super) async fn create(
    app: &App,
    parts: &Parts,
    body: Arrival,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let fields = &parts.headers;
    let complete = complete(fields)?;
    let named = length(fields)?;
    let key = key(app, parts)?;
    audit::key(key.as_str());
    who.reach(key.as_str())?;
    let attributes = headers::attributes(fields, &key)?;
    if complete {
        return whole(app, parts, &key, body, named, who).await;
    }
    let if_absent = check_creation(fields, who)?;
    if body.length.zip(named).is_some_and(|(body, all)| body > all) {
        return Err(Error::InconsistentLength);
    }
    // One of no bytes is complete only when the client says so, and then nothing is left to send.
    let new = New {
        key,
        attributes,
        length: named.filter(|&length| length > 0),
        metadata: None,
        if_absent,
    };
    let (id, found) = app.engine.begin(new).await?;
    let Found::Open(open) = found else {
        return Err(Error::InconsistentLength);
    };
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location(app, &id));
    headers.insert(UPLOAD_COMPLETE, boolean(false));
    headers.insert(UPLOAD_LIMIT, limit(app, fields, &open));
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(0));
    if body.length != Some(0) {
        match add_first(app, *open, fields, None, Finish::Later, body).await? {
            Progress::More { offset, .. } => {
                headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
            }
            Progress::Stored(_) => return Err(Error::InconsistentLength),
        }
    }
    Ok(response)
}

/// A creation that brings everything: without a 104 the client could not resume it, so it is an
/// upload like any other.
async fn whole(
    app: &App,
    parts: &Parts,
    key: &ObjectKey,
    body: Arrival,
    named: Option<u64>,
    who: &Who,
) -> Result<Response<Body>, Error> {
    if body
        .length
        .zip(named)
        .is_some_and(|(body, all)| body != all)
    {
        return Err(Error::InconsistentLength);
    }
    let attributes = headers::attributes(&parts.headers, key)?;
    let upload = Upload {
        key,
        attributes: &attributes,
        condition: &who.condition(conditions::of_write(&parts.headers)?)?,
        length: match body.length.or(named) {
            Some(length) => Length::Exactly(length),
            None => Length::AtMost(None),
        },
        stop: &body.stop,
    };
    let source = Expected::parse(&parts.headers)?.verify(body.source);
    let stored = match app.engine.store(&upload, source).await {
        // In chunks, and not as many bytes as it says. A client that went away reads no answer.
        Err(Error::BodyBroken(_)) if named.is_some() => return Err(Error::InconsistentLength),
        outcome => outcome?,
    };
    audit::stored(&stored.meta);
    let status = if stored.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(describe_object(app, key, &stored.meta, status))
}

/// `HEAD /uploads/{id}`.
pub(super) async fn status(
    app: &App,
    id: UploadId,
    fields: &HeaderMap,
) -> Result<Response<Body>, Error> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    match app.engine.find_upload(id).await? {
        Found::Done(meta) => {
            headers.insert(UPLOAD_COMPLETE, boolean(true));
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(meta.size));
            headers.insert(UPLOAD_LENGTH, HeaderValue::from(meta.size));
            headers.insert(
                UPLOAD_LIMIT,
                text(&format!("max-size={}", app.engine.max_size(None))),
            );
            headers.insert(ETAG, text(&format!("\"{}\"", meta.etag)));
        }
        Found::Open(open) => {
            headers.insert(UPLOAD_COMPLETE, boolean(false));
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(open.offset));
            if let Some(length) = open.length() {
                headers.insert(UPLOAD_LENGTH, HeaderValue::from(length));
            }
            headers.insert(UPLOAD_LIMIT, limit(app, fields, &open));
        }
    }
    Ok(response)
}

/// `PATCH /uploads/{id}`.
pub(super) async fn append(
    app: &App,
    id: UploadId,
    parts: &Parts,
    body: Arrival,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let fields = &parts.headers;
    if interop(fields) >= WITH_PARTIAL {
        check_type(fields, PARTIAL)?;
    }
    let complete = complete(fields)?;
    let offset = fields::integer(fields, "upload-offset").ok_or_else(|| {
        Error::invalid(
            "invalid_upload_offset",
            "Upload-Offset must be one Integer.",
        )
    })?;
    let named = length(fields)?;
    let live = &app.process.live;
    let guard = live.enter(id.hash(), app.process.phase.draining()).await;
    let mut open = match app.engine.find_upload(id.clone()).await? {
        Found::Done(meta) => {
            check_offset(meta.size, offset)?;
            return Err(if body.length == Some(0) {
                Error::UploadCompleted
            } else {
                Error::InconsistentLength
            });
        }
        Found::Open(open) => *open,
    };
    check_replacing(&open, who)?;
    check_offset(open.offset, offset)?;
    if let Some(length) = named {
        app.engine
            .announce_length(&mut open, length, body.length)
            .await?;
    }
    let finish = if complete { Finish::Now } else { Finish::Later };
    let added = add(app, open, fields, None, finish, body, &guard).await;
    let progress = match added {
        // The client contradicts itself: such an upload is marked invalid (section "Upload
        // Append", Server Behavior).
        Err(error @ Error::LengthExceeded) => {
            give_up(app, &id).await;
            return Err(error);
        }
        outcome => outcome?,
    };
    match progress {
        Progress::Stored(meta) => Ok(describe_object(app, &id.key, &meta, StatusCode::CREATED)),
        Progress::More { offset, whole } => {
            // A success would say that all of it was taken: so the client asks how much was.
            let mut response = if whole {
                empty(StatusCode::NO_CONTENT)
            } else {
                Error::ShuttingDown.into_response()
            };
            let headers = response.headers_mut();
            headers.insert(UPLOAD_COMPLETE, boolean(false));
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
            Ok(response)
        }
    }
}

/// The answer of the creating resource.
fn describe_object(
    app: &App,
    key: &ObjectKey,
    meta: &ObjectMeta,
    status: StatusCode,
) -> Response<Body> {
    let mut response = json(status, &object::to_json(meta));
    let headers = response.headers_mut();
    headers.insert(UPLOAD_COMPLETE, boolean(true));
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(meta.size));
    headers.insert(LOCATION, text(&files::location(app, key)));
    headers.insert(ETAG, text(&format!("\"{}\"", meta.etag)));
    response
}

fn boolean(value: bool) -> HeaderValue {
    HeaderValue::from_static(if value { "?1" } else { "?0" })
}

pub(super) fn complete(headers: &HeaderMap) -> Result<bool, Error> {
    fields::boolean(headers, "upload-complete").ok_or_else(|| {
        Error::invalid(
            "invalid_upload_complete",
            "Upload-Complete must be ?0 or ?1; a client of tus sends Tus-Resumable.",
        )
    })
}

/// `Upload-Length`: whatever is no length is as good as missing (section "Length").
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let named = fields::integer(headers, "upload-length");
    if headers.get_all(UPLOAD_LENGTH).iter().count() > 1 {
        return Err(Error::InconsistentLength);
    }
    Ok(named)
}

pub(super) fn interop(headers: &HeaderMap) -> u64 {
    fields::integer(headers, "upload-draft-interop-version").unwrap_or(NEWEST)
}

/// What is left of an upload's time, and the most bytes that it may have.
fn limit(app: &App, headers: &HeaderMap, open: &Open) -> HeaderValue {
    let left = (open.state().expires - chrono::Utc::now().timestamp()).max(0);
    let most = app.engine.max_size(Some(open));
    let age = if interop(headers) >= WITH_MAX_AGE {
        "max-age"
    } else {
        "expires"
    };
    text(&format!("max-size={most}, {age}={left}"))
}

pub(super) fn key(app: &App, parts: &Parts) -> Result<ObjectKey, Error> {
    let query = Query::parse(parts.uri.query())?;
    let named = fields::text(&parts.headers, CONTENT_DISPOSITION.as_str());
    let file = named.and_then(fields::file_name);
    let name = Name {
        key: query.value("key")?,
        prefix: query.value("prefix")?,
        path: None,
        file: file.as_deref(),
    };
    metadata::key(app, name)
}
