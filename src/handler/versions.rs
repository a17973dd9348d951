//! `GET /files/{key}?versions` and `POST /files/{key}?restore=`: an object's history. Fetching and
//! deleting one version is done where objects are.

use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::download::hide_internal;
use super::{actions, json, object};
use crate::app::App;
use crate::body::Body;
use crate::error::Error;
use crate::store::{Condition, ObjectKey, ObjectMeta, StoreError, Version, VersionId};

/// The versions, newest first; `truncated` says that there are older ones than those.
pub(super) async fn list(app: &App, key: &str) -> Result<Response<Body>, Error> {
    let key = app.keys.readable(key).map_err(hide_internal)?;
    let found = app.store.versions(&key).await?;
    if found.versions.is_empty() {
        return Err(Error::NotFound);
    }
    let versions: Vec<_> = found.versions.iter().map(describe).collect();
    let body = json!({"versions": versions, "truncated": found.truncated});
    Ok(json(StatusCode::OK, &body))
}

fn describe(version: &Version) -> Value {
    let mut value = object::listed(&version.meta);
    if version.is_delete_marker {
        value["etag"] = Value::Null;
    }
    value["is_latest"] = json!(version.is_latest);
    value["is_delete_marker"] = json!(version.is_delete_marker);
    value
}

/// Makes a version the current one by copying it over.
pub(super) async fn restore(
    app: &App,
    key: &ObjectKey,
    version: VersionId,
    condition: &Condition,
    stop: &CancellationToken,
) -> Result<Response<Body>, Error> {
    // S3 takes no version for the current one.
    if version.0.is_empty() {
        return Err(Error::NotFound);
    }
    let source = match app.store.head(key, Some(&version)).await {
        Err(StoreError::NotFound) => return Err(why_not(app, key, &version).await),
        found => found?,
    };
    let current = match app.store.head(key, None).await {
        Err(StoreError::NotFound) => None,
        found => Some(found?),
    };
    // S3 refuses to copy the current version over itself; there is nothing to be done anyway.
    if let Some(current) = current.filter(|current| is_same(current, &source)) {
        return if condition.holds(Some(&current.etag)) {
            Ok(actions::described(StatusCode::OK, &current))
        } else {
            Err(Error::PreconditionFailed)
        };
    }
    let restored = app.engine.copy(key, &source, key, condition, stop).await?;
    Ok(actions::described(StatusCode::OK, &restored))
}

fn is_same(current: &ObjectMeta, version: &ObjectMeta) -> bool {
    current.version_id == version.version_id && current.etag == version.etag
}

/// A read of a delete marker tells no more than that there is nothing.
async fn why_not(app: &App, key: &ObjectKey, version: &VersionId) -> Error {
    match app.store.versions(key).await {
        Ok(found) => {
            let mut versions = found.versions.iter();
            let is_marker =
                versions.any(|v| v.is_delete_marker && v.meta.version_id.as_ref() == Some(version));
            if is_marker {
                Error::DeleteMarker
            } else {
                Error::NotFound
            }
        }
        Err(error) => error.into(),
    }
}
