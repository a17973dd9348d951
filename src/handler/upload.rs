//! `POST /upload`: a form with any number of files, each an upload of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::{StreamExt, TryStreamExt};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{HeaderMap, Request, Response, StatusCode};
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::json;

use super::{assets, headers, json, object};
use crate::app::App;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{Attributes, Condition, MAX_KEY_BYTES, ObjectKey, ObjectMeta};
use crate::upload::{RequestBody, Source, Upload};

/// Most files in one form: the answer describes each.
const MAX_FILES: usize = 10_000;

/// Stores every file of the form, in order. When one fails, the answer names those stored before.
pub(super) async fn form(
    app: Arc<App>,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let boundary = boundary(&parts.headers)?;
    let query = Query::parse(parts.uri.query())?;
    let prefix = query.value("prefix")?.map(str::to_owned);
    if let Some(prefix) = &prefix {
        // Refused before the body is read.
        key_of(&app, Some(prefix), "name")?;
    }
    let source = RequestBody::new(
        body,
        app.process.config.timeout,
        received,
        app.process.phase.cut().clone(),
    );
    let limit = SizeLimit::new().for_field("prefix", MAX_KEY_BYTES as u64 + 1);
    let constraints = Constraints::new().size_limit(limit);
    let form = Multipart::with_constraints(source, boundary, constraints);
    let mut stored = Vec::new();
    match store_all(&app, form, prefix, &mut stored).await {
        Ok(()) => Ok(answer(&parts.headers, &stored)),
        Err(cause) if stored.is_empty() => Err(cause),
        Err(cause) => Err(Error::Partial {
            cause: Box::new(cause),
            stored: stored.iter().map(object::to_json).collect(),
        }),
    }
}

async fn store_all(
    app: &App,
    mut form: Multipart<'_>,
    mut prefix: Option<String>,
    stored: &mut Vec<ObjectMeta>,
) -> Result<(), Error> {
    let invalid = |detail: &str| Err(Error::invalid("invalid_form", detail));
    while let Some(field) = form.next_field().await.map_err(form_error)? {
        match field.name() {
            Some("prefix") if !stored.is_empty() => {
                return invalid("The prefix must come before the files.");
            }
            Some("prefix") => {
                if prefix.is_some() {
                    return invalid("The prefix is given more than once.");
                }
                prefix = Some(field.text().await.map_err(form_error)?);
            }
            Some("file") => {
                if stored.len() >= MAX_FILES {
                    return invalid("There are more than 10,000 files in one form.");
                }
                if let Some(meta) = store_one(app, field, prefix.as_deref()).await? {
                    stored.push(meta);
                }
            }
            // Buttons and the like: of no meaning here.
            _ => {}
        }
    }
    if stored.is_empty() {
        return invalid("There is no file in the form.");
    }
    Ok(())
}

/// Stores one file. None for the field that a browser sends when no file was chosen.
async fn store_one(
    app: &App,
    mut field: Field<'_>,
    prefix: Option<&str>,
) -> Result<Option<ObjectMeta>, Error> {
    let Some(name) = field.file_name().map(str::to_owned) else {
        return Err(Error::invalid("invalid_form", "The file has no name."));
    };
    let content_type = field.content_type().map(ToString::to_string);
    let mut first = None;
    if name.is_empty() {
        while first.is_none() {
            match field.chunk().await.map_err(form_error)? {
                Some(chunk) => first = Some(chunk).filter(|chunk| !chunk.is_empty()),
                None => return Ok(None),
            }
        }
    }
    let key = key_of(app, prefix, &name)?;
    let attributes = Attributes {
        content_type: Some(content_type.unwrap_or_else(|| headers::type_of(&key))),
        ..Attributes::default()
    };
    let source: Source<'_> =
        Box::pin(futures_util::stream::iter(first.map(Ok)).chain(field.map_err(form_error)));
    let upload = Upload {
        key: &key,
        attributes: &attributes,
        condition: &Condition::None,
        length: None,
    };
    let stored = app.engine.store(&upload, source).await?;
    Ok(Some(stored.meta))
}

/// The key of a form's file: its name's last segment, since some browsers send whole paths, below
/// the prefix, joined with exactly one slash.
pub(super) fn key_of(app: &App, prefix: Option<&str>, name: &str) -> Result<ObjectKey, Error> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    // Checked by itself: below a prefix an empty name would become the prefix's own key.
    app.keys.writable(name)?;
    match prefix.map(|prefix| prefix.strip_suffix('/').unwrap_or(prefix)) {
        None | Some("") => Ok(app.keys.writable(name)?),
        Some(prefix) => Ok(app.keys.writable(&format!("{prefix}/{name}"))?),
    }
}

fn boundary(headers: &HeaderMap) -> Result<String, Error> {
    let want = Error::UnsupportedMediaType {
        want: "multipart/form-data",
    };
    let Some(content_type) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return Err(want);
    };
    match multer::parse_boundary(content_type) {
        Ok(boundary) => Ok(boundary),
        Err(multer::Error::NoBoundary) => Err(Error::invalid(
            "invalid_form",
            "The form's Content-Type names no boundary.",
        )),
        Err(_) => Err(want),
    }
}

/// Our own errors come back out of the parser as they went in; its own mean a malformed form.
fn form_error(error: multer::Error) -> Error {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(cause) => Error::BodyBroken(cause),
        },
        multer::Error::FieldSizeExceeded { .. } => {
            Error::invalid("invalid_key", "The prefix is longer than any key.")
        }
        other => Error::invalid("invalid_form", format!("The form is malformed: {other}.")),
    }
}

fn answer(request: &HeaderMap, stored: &[ObjectMeta]) -> Response<Body> {
    let html = request.get_all(ACCEPT).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|accept| accept.contains("text/html"))
    });
    if html {
        let files: Vec<_> = stored
            .iter()
            .map(|meta| (meta.key.clone(), meta.size))
            .collect();
        return assets::confirmation(&files);
    }
    let files: Vec<_> = stored.iter().map(object::to_json).collect();
    json(StatusCode::CREATED, &json!({ "files": files }))
}
