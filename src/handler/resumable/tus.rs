//! tus 1.0.0 (tus.io/protocols/resumable-upload) with the extensions creation,
//! creation-with-upload, creation-defer-length, termination, expiration and checksum.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hyper::header::{CONTENT_LOCATION, ETAG, HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Response, StatusCode};

use super::super::files;
use super::super::headers::{self, TUS_META};
use super::super::to_the_end;
use super::arrival::{Arrival, add, add_first};
use super::checks::{check_creation, check_offset, check_replacing, check_type};
use super::metadata::{self, Metadata, Name};
use super::{TUS_MAX_SIZE, UPLOAD_LENGTH, UPLOAD_OFFSET, empty, fields, location, text};
use crate::access::Who;
use crate::app::App;
use crate::audit::{self, Change};
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{Attributes, ObjectMeta, StoreError};
use crate::upload::resume::{Checksum, Finish, Found, New, Progress, State, UploadId};

const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: &str = "upload-checksum";
const UPLOAD_CONCAT: &str = "upload-concat";

/// What a request's bytes are called.
const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// `POST /uploads`, with the first bytes or without.
pub(super) async fn create(
    app: &App,
    parts: &Parts,
    body: Arrival,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let fields = &parts.headers;
    if fields.contains_key(UPLOAD_CONCAT) {
        // Its parts would become objects of their own.
        return Err(Error::invalid(
            "invalid_header",
            "Upload-Concat: this server does not speak the extension concatenation.",
        ));
    }
    let if_absent = check_creation(fields, who)?;
    let length = length(fields)?;
    let has_body = body.length != Some(0);
    if has_body {
        check_type(fields, OFFSET_STREAM)?;
    }
    let new = describe(app, parts, length, if_absent)?;
    audit::key(new.key.as_str());
    who.reach(new.key.as_str())?;
    let checksum = checksum(fields)?;
    if body
        .length
        .zip(length)
        .is_some_and(|(body, all)| body > all)
    {
        return Err(Error::InconsistentLength);
    }
    let (id, found) = app.engine.begin(new).await?;
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, location(app, &id));
    let open = match found {
        Found::Done(meta) => {
            audit::stored(&meta);
            describe_object(app, &id, &meta, headers);
            return Ok(response);
        }
        Found::Open(open) => open,
    };
    headers.insert(UPLOAD_EXPIRES, expires(open.state()));
    if open.length().is_none() {
        headers.insert(
            TUS_MAX_SIZE,
            HeaderValue::from(app.engine.max_size(Some(&open))),
        );
    }
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(0));
    if has_body {
        match add_first(app, *open, fields, checksum, Finish::AtLength, body).await? {
            Progress::More { offset, .. } => {
                headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
            }
            Progress::Stored(meta) => describe_object(app, &id, &meta, headers),
        }
    }
    Ok(response)
}

/// `HEAD /uploads/{id}`.
pub(super) async fn status(
    app: &Arc<App>,
    id: UploadId,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let unknown = |error| match error {
        Error::Store(StoreError::NotFound) => Error::NotFound,
        // Another writer was faster, and that does not change by asking again.
        lost @ Error::Store(StoreError::Precondition) => lost,
        Error::Store(error) => Error::OffsetUnknown(error),
        // No more does it say that the upload is lost.
        busy @ (Error::BudgetSpent | Error::ShuttingDown) => {
            Error::OffsetUnknown(StoreError::Unavailable(Box::new(busy)))
        }
        other => other,
    };
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    match app.engine.find_upload(id.clone()).await.map_err(unknown)? {
        Found::Done(meta) => return Ok(complete(app, &id, &meta)),
        // The client would take it for complete: then it must be.
        Found::Open(open) if open.has_all() => {
            check_replacing(&open, who)?;
            let change = Change::completing(id.key.as_str());
            let own = Arc::clone(app);
            let make = |_| async move {
                let meta = own.engine.complete(*open).await?;
                audit::stored(&meta);
                Ok(complete(&own, &id, &meta))
            };
            let outcome = to_the_end(app, Some(change), make).await;
            return outcome.map_err(unknown);
        }
        Found::Open(open) => {
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(open.offset));
            match open.length() {
                Some(length) => headers.insert(UPLOAD_LENGTH, HeaderValue::from(length)),
                None => headers.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from(1)),
            };
            headers.insert(UPLOAD_EXPIRES, expires(open.state()));
            if let Some(metadata) = &open.state().metadata {
                headers.insert(UPLOAD_METADATA, text(metadata));
            }
        }
    }
    Ok(response)
}

/// The status of an upload that is complete.
fn complete(app: &App, id: &UploadId, meta: &ObjectMeta) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    describe_object(app, id, meta, headers);
    let mut kept = meta.attributes.metadata.iter();
    if let Some((_, metadata)) = kept.find(|(name, _)| name == TUS_META) {
        headers.insert(UPLOAD_METADATA, text(metadata));
    }
    response
}

/// `PATCH /uploads/{id}`.
pub(super) async fn append(
    app: &App,
    id: UploadId,
    parts: &Parts,
    body: Arrival,
    who: &Who,
) -> Result<Response<Body>, Error> {
    check_type(&parts.headers, OFFSET_STREAM)?;
    let offset = fields::number(&parts.headers, "upload-offset").ok_or_else(|| {
        Error::invalid("invalid_upload_offset", "Upload-Offset must be one number.")
    })?;
    let checksum = checksum(&parts.headers)?;
    let guard = app
        .process
        .live
        .enter(id.hash(), app.process.phase.draining())
        .await;
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let mut open = match app.engine.find_upload(id.clone()).await? {
        Found::Done(meta) => {
            check_offset(meta.size, offset)?;
            if body.length.is_some_and(|count| count > 0) {
                return Err(Error::LengthExceeded);
            }
            describe_object(app, &id, &meta, headers);
            return Ok(response);
        }
        Found::Open(open) => *open,
    };
    check_replacing(&open, who)?;
    check_offset(open.offset, offset)?;
    if parts.headers.contains_key(UPLOAD_LENGTH) {
        let length = fields::number(&parts.headers, "upload-length").ok_or_else(invalid_length)?;
        app.engine
            .announce_length(&mut open, length, body.length)
            .await?;
    }
    let expires = expires(open.state());
    let finish = Finish::AtLength;
    match add(app, open, &parts.headers, checksum, finish, body, &guard).await? {
        Progress::More { offset, .. } => {
            headers.insert(UPLOAD_OFFSET, HeaderValue::from(offset));
            headers.insert(UPLOAD_EXPIRES, expires);
        }
        Progress::Stored(meta) => describe_object(app, &id, &meta, headers),
    }
    Ok(response)
}

/// What `Upload-Length` and `Upload-Defer-Length` say together.
pub(super) fn length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    match (headers.get(UPLOAD_LENGTH), headers.get(UPLOAD_DEFER_LENGTH)) {
        (Some(_), None) => fields::number(headers, "upload-length")
            .map(Some)
            .ok_or_else(invalid_length),
        (None, Some(value)) if value == "1" => Ok(None),
        _ => Err(invalid_length()),
    }
}

fn invalid_length() -> Error {
    Error::invalid(
        "invalid_upload_length",
        "Either Upload-Length as one number, or Upload-Defer-Length: 1.",
    )
}

pub(super) fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Error> {
    if !headers.contains_key(UPLOAD_CHECKSUM) {
        return Ok(None);
    }
    let text = fields::text(headers, UPLOAD_CHECKSUM).unwrap_or_default();
    Checksum::parse(text).map(Some)
}

/// The object that the creation describes.
pub(super) fn describe(
    app: &App,
    parts: &Parts,
    length: Option<u64>,
    if_absent: bool,
) -> Result<New, Error> {
    let raw = match parts.headers.get(UPLOAD_METADATA) {
        None => None,
        Some(_) => Some(
            fields::text(&parts.headers, "upload-metadata").ok_or_else(|| {
                Error::invalid(
                    "invalid_metadata",
                    "Upload-Metadata must be one line of ASCII.",
                )
            })?,
        ),
    };
    let metadata = Metadata::parse(raw.unwrap_or_default())?;
    let query = Query::parse(parts.uri.query())?;
    let name = Name {
        key: query.value("key")?,
        prefix: match query.value("prefix")? {
            None => metadata.value("prefix")?,
            prefix => prefix,
        },
        path: metadata.value("relativePath")?,
        file: metadata.value("filename")?,
    };
    let key = metadata::key(app, name)?;
    let content_type = match metadata.value("filetype")? {
        None => headers::type_of(&key),
        Some(text) => headers::content_type(text)?,
    };
    // With the object, so that it is known when the upload is no more; as far as S3 takes it.
    let kept = parts.headers.get(UPLOAD_METADATA);
    let kept = kept.and_then(|value| headers::visible(UPLOAD_METADATA.as_str(), value).ok());
    let kept = kept.filter(|text| text.len() <= headers::MAX_TUS_META);
    Ok(New {
        key,
        attributes: Attributes {
            content_type: Some(content_type),
            metadata: kept
                .map(|text| (TUS_META.to_owned(), text))
                .into_iter()
                .collect(),
            ..Attributes::default()
        },
        length,
        metadata: raw.map(str::to_owned),
        if_absent,
    })
}

/// What is said of an upload that is complete.
fn describe_object(app: &App, id: &UploadId, meta: &ObjectMeta, headers: &mut HeaderMap) {
    headers.insert(UPLOAD_OFFSET, HeaderValue::from(meta.size));
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(meta.size));
    headers.insert(CONTENT_LOCATION, text(&files::location(app, &id.key)));
    headers.insert(ETAG, text(&format!("\"{}\"", meta.etag)));
    headers.remove(UPLOAD_EXPIRES);
}

fn expires(state: &State) -> HeaderValue {
    let since = Duration::from_secs(u64::try_from(state.expires).unwrap_or(0));
    let time = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    text(&httpdate::fmt_http_date(time))
}
