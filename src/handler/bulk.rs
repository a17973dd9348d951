//! `POST /files?delete`: many objects at once, each with an outcome of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::{StreamExt, stream};
use hyper::body::{Body as _, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::json;
use crate::access::Who;
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::KeyError;
use crate::upload::RequestBody;

/// Most keys in one request, as in a page of the listing.
const MAX_KEYS: usize = 1000;
/// Longest body, bytes: a thousand keys of 1,024 bytes, and as much again for JSON's escapes.
const MAX_BODY: u64 = 2 << 20;
/// Deleted at once. One `DeleteObject` each rather than `DeleteObjects`: outcomes by key then have
/// the one meaning that errors have everywhere, on every store, and a thousand take some seconds.
const CONCURRENCY: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<String>,
}

#[derive(Serialize)]
struct Outcome {
    key: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// Deletes the current versions of the keys that the body names.
pub(super) async fn delete(
    app: Arc<App>,
    query: Query,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
    stop: CancellationToken,
    who: Who,
) -> Result<Response<Body>, Error> {
    if !query.has("delete") {
        return Err(Error::invalid(
            "invalid_query",
            "A POST to /files takes ?delete, or ?key= with what to do.",
        ));
    }
    if !is_json(request.headers()) {
        return Err(Error::UnsupportedMediaType {
            want: "application/json",
        });
    }
    if request.body().size_hint().lower() > MAX_BODY {
        return Err(Error::TooLarge { limit: MAX_BODY });
    }
    let timeout = app.process.config.timeout;
    let source = RequestBody::new(request.into_body(), timeout, received, stop);
    let body = read(source).await?;
    let Keys { keys } = serde_json::from_slice(&body)
        .map_err(|error| Error::invalid("invalid_json", format!("The body is wrong: {error}.")))?;
    drop(body);
    if keys.len() > MAX_KEYS {
        return Err(Error::invalid(
            "invalid_keys",
            "At most 1,000 keys can be deleted at once.",
        ));
    }
    let results: Vec<_> = stream::iter(keys)
        .map(|key| delete_one(&app, &who, key))
        .buffered(CONCURRENCY)
        .collect()
        .await;
    Ok(json(
        StatusCode::OK,
        &serde_json::json!({"results": results}),
    ))
}

async fn delete_one(app: &App, who: &Who, key: String) -> Outcome {
    let deleted = match app.keys.readable(&key) {
        _ if who.reach(&key).is_err() => Err(who.refused()),
        Ok(key) => app.store.delete(&key, None).await.map_err(Error::from),
        // For users there is nothing below the internal prefix, and deleting nothing succeeds.
        Err(KeyError::Internal) => Ok(()),
        Err(error) => Err(error.into()),
    };
    let (status, code) = match deleted {
        Ok(()) => {
            let status = StatusCode::NO_CONTENT.as_u16();
            audit::one(None, &key, Ok((status, None)));
            (status, None)
        }
        Err(error) => {
            if error.is_ours() {
                log::warn!("one of many deletes failed: {error}");
            }
            let (status, code) = error.outcome();
            audit::one(None, &key, Err((status, code)));
            (status, Some(code))
        }
    };
    Outcome { key, status, code }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The whole body, of [`MAX_BODY`] bytes at most.
async fn read(mut source: RequestBody) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = source.next().await {
        let chunk = chunk?;
        if (bytes.len() + chunk.len()) as u64 > MAX_BODY {
            return Err(Error::TooLarge { limit: MAX_BODY });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
