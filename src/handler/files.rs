//! `/files`: listing, PUT and DELETE. Downloads have a file of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hyper::body::{Body as _, Incoming};
use hyper::header::{ETAG, HeaderValue, LOCATION, VARY};
use hyper::{HeaderMap, Request, Response, StatusCode};
use percent_encoding::utf8_percent_encode;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{conditions, headers, json, object, pages};
use crate::access::{Way, Who};
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{
    KEY_IN_PATH, KeyError, ListPage, ListQuery, MAX_KEY_BYTES, ObjectKey, VersionId,
};
use crate::upload::{Expected, Length, RequestBody, Upload};

/// Keys in a page when the client does not say.
const DEFAULT_LIMIT: u16 = 100;
/// Most keys in a page: what S3 gives in one answer.
const MAX_LIMIT: u16 = 1000;

/// The path under which an object is found.
pub(super) fn location(app: &App, key: &ObjectKey) -> String {
    let base = &app.process.config.base_path;
    format!(
        "{base}/files/{}",
        utf8_percent_encode(key.as_str(), KEY_IN_PATH)
    )
}

/// `?prefix=`, empty where it is not there.
pub(super) fn prefix(query: &Query) -> Result<&str, Error> {
    let prefix = query.value("prefix")?.unwrap_or_default();
    if prefix.len() > MAX_KEY_BYTES {
        return Err(Error::invalid(
            "invalid_prefix",
            "The prefix is longer than any key.",
        ));
    }
    Ok(prefix)
}

/// One page of the listing: as JSON, or as a page of HTML by folders where that is wanted.
pub(super) async fn list(
    app: &App,
    query: &Query,
    headers: &HeaderMap,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let html = pages::wanted(headers);
    let prefix = prefix(query)?.to_owned();
    let delimiter = match query.value("delimiter")? {
        None => html.then_some("/"),
        Some(text) => Some(text).filter(|text| !text.is_empty()),
    };
    if delimiter.is_some_and(|text| text.len() > MAX_KEY_BYTES) {
        return Err(Error::invalid(
            "invalid_delimiter",
            "The delimiter is longer than any key.",
        ));
    }
    let limit = match query.value("limit")? {
        None => DEFAULT_LIMIT,
        Some(text) => match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => limit,
            _ => return Err(Error::invalid("invalid_limit", "The limit is 1 to 1000.")),
        },
    };
    let ask = ListQuery {
        prefix,
        delimiter: delimiter.map(str::to_owned),
        limit,
        cursor: query.value("cursor")?.map(str::to_owned),
    };
    let page = match who.way(&ask.prefix)? {
        Way::Within => app.store.list(&ask).await?,
        Way::Above(own) => way_to(&own, &ask),
    };
    let mut response = if html {
        pages::listing(&ask, &page)
    } else {
        as_json(&page)
    };
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(VARY, vary);
    Ok(response)
}

/// The listing above what somebody may list: the folders that lead there, and nothing that is in
/// them. Nothing is asked of the store.
fn way_to(own: &[&str], ask: &ListQuery) -> ListPage {
    let cut = |whole: &&str| {
        let (above, below) = whole.split_at(ask.prefix.len());
        let delimiter = ask.delimiter.as_deref();
        let end = delimiter.and_then(|text| Some(below.find(text)? + text.len()));
        format!("{above}{}", &below[..end.unwrap_or(below.len())])
    };
    let prefixes: BTreeSet<String> = own.iter().map(cut).collect();
    ListPage {
        objects: Vec::new(),
        prefixes: prefixes.into_iter().collect(),
        next_cursor: None,
    }
}

fn as_json(page: &ListPage) -> Response<Body> {
    let files: Vec<_> = page.objects.iter().map(object::listed).collect();
    let body = json!({
        "files": files,
        "prefixes": page.prefixes,
        "next_cursor": page.next_cursor,
    });
    json(StatusCode::OK, &body)
}

/// Stores the raw body under the key.
pub(super) async fn put(
    app: Arc<App>,
    key: String,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
    stop: CancellationToken,
    who: Who,
) -> Result<Response<Body>, Error> {
    who.reach(&key)?;
    let key = app.keys.writable(&key)?;
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(hyper::header::CONTENT_RANGE) {
        // RFC 9110 section 14.4: a partial PUT that is not understood as one would destroy data.
        return Err(Error::invalid(
            "invalid_range",
            "A PUT stores the whole object.",
        ));
    }
    if super::resumable::is_unfinished(&parts.headers) {
        // What follows later would find no upload, and what came a name that it is not worth.
        return Err(Error::invalid(
            "invalid_upload_complete",
            "A PUT stores the whole object. Uploads in several requests begin at /uploads.",
        ));
    }
    let condition = who.condition(conditions::of_write(&parts.headers)?)?;
    let attributes = headers::attributes(&parts.headers, &key)?;
    let length = match body.size_hint().exact() {
        Some(length) => Length::Exactly(length),
        None => Length::AtMost(None),
    };
    let source = RequestBody::new(body, app.process.config.timeout, received, stop.clone())
        .counting(&app.process.counters);
    let source = Expected::parse(&parts.headers)?.verify(Box::pin(source));
    let upload = Upload {
        key: &key,
        attributes: &attributes,
        condition: &condition,
        length,
        stop: &stop,
    };
    let stored = app.engine.store(&upload, source).await?;
    audit::stored(&stored.meta);
    let status = if stored.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut response = json(status, &object::to_json(&stored.meta));
    let headers = response.headers_mut();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", stored.meta.etag)) {
        headers.insert(ETAG, etag);
    }
    if let Ok(location) = HeaderValue::try_from(location(&app, &key)) {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

/// The version named by `?version_id=`.
pub(super) fn version_of(query: &Query) -> Result<Option<VersionId>, Error> {
    match query.value("version_id")? {
        None => Ok(None),
        Some(text) => version_id(text).map(Some),
    }
}

/// A version's id as the store gave it. An empty one, or white space, which MinIO takes for that, is
/// refused: a script with an empty variable must not delete the current version.
pub(super) fn version_id(text: &str) -> Result<VersionId, Error> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(VersionId(text.to_owned()))
    } else {
        Err(Error::invalid(
            "invalid_query",
            "The id of the version is empty, or is none.",
        ))
    }
}

/// Deletes an object, or the version named by `?version_id=`.
pub(super) async fn delete<B>(
    app: Arc<App>,
    key: String,
    query: Query,
    request: Request<B>,
    who: Who,
) -> Result<Response<Body>, Error> {
    who.reach(&key)?;
    conditions::none_for_delete(request.headers())?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    match app.keys.readable(&key) {
        Ok(key) => {
            let version = version_of(&query)?;
            app.store.delete(&key, version.as_ref()).await?;
            Ok(response)
        }
        // For users there is nothing below the internal prefix, and deleting nothing succeeds.
        Err(KeyError::Internal) => Ok(response),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_what_is_theirs_somebody_sees_the_folders_that_lead_there() {
        let own = ["team/a/", "team/b/x", "logs"];
        let folders = |prefix: &str, delimiter: Option<&str>| {
            let ask = ListQuery {
                prefix: prefix.to_owned(),
                delimiter: delimiter.map(str::to_owned),
                limit: 1,
                cursor: None,
            };
            let below: Vec<_> = own
                .into_iter()
                .filter(|own| own.starts_with(prefix))
                .collect();
            way_to(&below, &ask).prefixes
        };
        assert_eq!(folders("", Some("/")), ["logs", "team/"]);
        assert_eq!(folders("team/", Some("/")), ["team/a/", "team/b/"]);
        assert_eq!(folders("team/b/", Some("/")), ["team/b/x"]);
        assert_eq!(folders("", None), ["logs", "team/a/", "team/b/x"]);
    }
}
