//! `POST /upload`: a form with any number of files, each an upload of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::StreamExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, Response, StatusCode};
use multer::{Field, Multipart};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::multipart::{Progress, boundary, form_error, parser};
use super::{conditions, headers, json, object, pages};
use crate::access::Who;
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{Attributes, Condition, MAX_KEY_BYTES, ObjectKey, ObjectMeta};
use crate::upload::{Length, RequestBody, Source, Upload};

/// Most files in one form: the answer describes each, and waits in memory until the last.
const MAX_FILES: usize = 1000;

/// Stores every file of the form, in order. When one fails, the answer names those stored before.
pub(super) async fn form(
    app: Arc<App>,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
    stop: CancellationToken,
    who: Who,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let boundary = boundary(&parts.headers)?;
    let query = Query::parse(parts.uri.query())?;
    let prefix = query.value("prefix")?.map(str::to_owned);
    if let Some(prefix) = &prefix {
        // Refused before the body is read. What the name adds may still make it theirs.
        let key = key_of(&app, Some(prefix), "name")?;
        let folder = key.as_str().strip_suffix("name").unwrap_or_default();
        who.leads(folder)?;
    }
    let condition = match conditions::of_write(&parts.headers)? {
        Condition::IfMatch(_) => {
            return Err(Error::invalid(
                "invalid_condition",
                "A form has any number of files: only If-None-Match: * is one for each.",
            ));
        }
        condition => condition,
    };
    let length = body.size_hint().exact();
    let source = RequestBody::new(body, app.process.config.timeout, received, stop.clone())
        .counting(&app.process.counters);
    let progress = Progress::default();
    let form = parser(&progress, boundary, source);
    let target = Target {
        app: &app,
        prefix,
        condition,
        length,
        progress,
        stop,
        who,
    };
    let mut stored = Vec::new();
    match store_all(target, form, &mut stored).await {
        Ok(()) => Ok(answer(&parts.headers, &stored)),
        Err(cause) if stored.is_empty() => Err(cause),
        Err(cause) => Err(Error::Partial {
            cause: Box::new(cause),
            stored: stored.iter().map(object::to_json).collect(),
        }),
    }
}

/// Stores what the form in `source` has, as [`form`] does: for `properties`.
#[cfg(any(test, fuzzing))]
pub(super) async fn read(
    app: &App,
    boundary: &str,
    source: impl futures_util::Stream<Item = Result<bytes::Bytes, Error>> + Send + 'static,
) -> Result<(), Error> {
    let progress = Progress::default();
    let form = parser(&progress, boundary.to_owned(), source);
    let target = Target {
        app,
        prefix: None,
        condition: Condition::None,
        length: None,
        progress,
        stop: CancellationToken::new(),
        who: Who::at(std::net::Ipv4Addr::LOCALHOST.into(), false).free(),
    };
    store_all(target, form, &mut Vec::new()).await
}

/// What the files of one form have in common.
struct Target<'a> {
    app: &'a App,
    prefix: Option<String>,
    /// Of each file.
    condition: Condition,
    /// Bytes of the whole form, where that is known: no file of it is longer.
    length: Option<u64>,
    progress: Progress,
    stop: CancellationToken,
    who: Who,
}

async fn store_all(
    mut target: Target<'_>,
    mut form: Multipart<'_>,
    stored: &mut Vec<ObjectMeta>,
) -> Result<(), Error> {
    let invalid = |detail: &str| Err(Error::invalid("invalid_form", detail));
    while let Some(mut field) = form.next_field().await.map_err(form_error)? {
        target.progress.made();
        match field.name() {
            Some("prefix") if !stored.is_empty() => {
                return invalid("The prefix must come before the files.");
            }
            Some("prefix") => {
                if target.prefix.is_some() {
                    return invalid("The prefix is given more than once.");
                }
                let bytes = field.bytes().await.map_err(form_error)?;
                let text = String::from_utf8(bytes.into())
                    .map_err(|_| Error::invalid("invalid_key", "The prefix is not UTF-8."))?;
                target.prefix = Some(text);
            }
            Some("file") => {
                if stored.len() >= MAX_FILES {
                    return invalid("There are more than 1,000 files in one form.");
                }
                if let Some(meta) = store_one(&target, field).await? {
                    stored.push(meta);
                }
            }
            // Buttons and the like: of no meaning here.
            _ => {
                while field.chunk().await.map_err(form_error)?.is_some() {
                    target.progress.made();
                }
            }
        }
    }
    if stored.is_empty() {
        return invalid("There is no file in the form.");
    }
    Ok(())
}

/// Stores one file. None for the field that a browser sends when no file was chosen.
async fn store_one(target: &Target<'_>, mut field: Field<'_>) -> Result<Option<ObjectMeta>, Error> {
    let Some(name) = field.file_name().map(str::to_owned) else {
        return Err(Error::invalid("invalid_form", "The file has no name."));
    };
    let mut first = None;
    if name.is_empty() {
        while first.is_none() {
            match field.chunk().await.map_err(form_error)? {
                Some(chunk) => first = Some(chunk).filter(|chunk| !chunk.is_empty()),
                None => return Ok(None),
            }
        }
    }
    let app = target.app;
    let (key, condition, attributes) = place(target, &name, field.headers())?;
    let progress = target.progress.clone();
    let bytes = field.map(move |chunk| {
        progress.made();
        chunk.map_err(form_error)
    });
    let source: Source<'_> = Box::pin(futures_util::stream::iter(first.map(Ok)).chain(bytes));
    let upload = Upload {
        key: &key,
        attributes: &attributes,
        condition: &condition,
        length: Length::AtMost(target.length),
        stop: &target.stop,
    };
    let stored = app.engine.store(&upload, source).await;
    let outcome = match &stored {
        Ok(stored) => Ok((StatusCode::CREATED.as_u16(), Some(&stored.meta))),
        Err(error) => Err(error.outcome()),
    };
    audit::one(None, key.as_str(), outcome);
    Ok(Some(stored?.meta))
}

/// Where and how a file of this name is stored, when it may be. The audit is told where not.
fn place(
    target: &Target<'_>,
    name: &str,
    headers: &HeaderMap,
) -> Result<(ObjectKey, Condition, Attributes), Error> {
    let refused = |key: &str, error: Error| {
        audit::one(None, key, Err(error.outcome()));
        error
    };
    let prefix = target.prefix.as_deref();
    let key = key_of(target.app, prefix, name).map_err(|error| {
        let came = prefix.map_or(name.to_owned(), |prefix| format!("{prefix}/{name}"));
        // A name may be longer than any key.
        let came: String = came.chars().take(MAX_KEY_BYTES).collect();
        refused(&came, error)
    })?;
    let how = || {
        target.who.reach(key.as_str())?;
        let condition = target.who.condition(target.condition.clone())?;
        let content_type = match headers.get(CONTENT_TYPE) {
            Some(value) => headers::visible("content-type", value)?,
            None => headers::type_of(&key),
        };
        let attributes = Attributes {
            content_type: Some(content_type),
            ..Attributes::default()
        };
        Ok((condition, attributes))
    };
    match how() {
        Ok((condition, attributes)) => Ok((key, condition, attributes)),
        Err(error) => Err(refused(key.as_str(), error)),
    }
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

fn answer(request: &HeaderMap, stored: &[ObjectMeta]) -> Response<Body> {
    if pages::wanted(request) {
        let files: Vec<_> = stored
            .iter()
            .map(|meta| (meta.key.clone(), meta.size))
            .collect();
        return pages::confirmation(&files);
    }
    let files: Vec<_> = stored.iter().map(object::to_json).collect();
    json(StatusCode::CREATED, &json!({ "files": files }))
}
