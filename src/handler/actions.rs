//! `POST /files/{key}`: what is done with an object besides storing it. The query says what:
//! `copy_to`, `move_to`, `restore` or `share`. None of them reads a body.

use std::sync::Arc;

use hyper::header::{ETAG, HOST, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};

use super::download::hide_internal;
use super::{conditions, files, json, object, share, versions};
use crate::access::Who;
use crate::app::App;
use crate::audit;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{ObjectKey, ObjectMeta, StoreError};

const ACTIONS: [&str; 4] = ["copy_to", "move_to", "restore", "share"];

/// Does the one thing that the query asks for.
///
/// What has begun is brought to its end, also when the client goes: what is between us may be less
/// patient than a large copy takes. Only the end of the process ends it.
pub(super) async fn post<B>(
    app: Arc<App>,
    key: String,
    query: Query,
    request: Request<B>,
    who: Who,
) -> Result<Response<Body>, Error> {
    let mut asked = ACTIONS.into_iter().filter(|action| query.has(action));
    let (Some(action), None) = (asked.next(), asked.next()) else {
        return Err(Error::invalid(
            "invalid_query",
            "A POST to an object takes one of ?copy_to=, ?move_to=, ?restore= and ?share.",
        ));
    };
    who.reach(&key)?;
    let key = app.keys.readable(&key).map_err(hide_internal)?;
    let value = query.value(action)?.unwrap_or_default().to_owned();
    if action == "share" {
        return share::create(&app, &key, &query, request.headers().get(HOST), &who).await;
    }
    let condition = who.condition(conditions::of_write(request.headers())?)?;
    let stop = app.process.phase.cut().child_token();
    if action == "restore" {
        let Ok(version) = files::version_id(&value) else {
            return Err(StoreError::NotFound.into());
        };
        return versions::restore(&app, &key, version, &condition, &stop).await;
    }
    let version = files::version_of(&query)?;
    let is_move = action == "move_to";
    if is_move && version.is_some() {
        return Err(Error::invalid(
            "invalid_query",
            "A move takes the current version and no other.",
        ));
    }
    who.reach(&value)?;
    let to = app.keys.writable(&value)?;
    // MinIO takes `/a//b` for `a/b`: moved there, it would be deleted.
    if parts(&to).eq(parts(&key)) {
        return Err(Error::invalid(
            "invalid_target",
            "The target is the object itself. An older version comes back by ?restore=.",
        ));
    }
    let source = app.store.head(&key, version.as_ref()).await?;
    let engine = &app.engine;
    let copy = engine.copy(&key, &source, &to, &condition, &stop).await?;
    if is_move {
        // It is there also when its source stays.
        audit::stored(&copy);
        remove(&app, &key, &source).await?;
    }
    Ok(created(&app, &to, &copy))
}

/// What a key consists of, but for slashes that say nothing.
fn parts(key: &ObjectKey) -> impl Iterator<Item = &str> {
    key.as_str().split('/').filter(|part| !part.is_empty())
}

/// Deletes what was copied, unless there is something else by now: that has not been copied.
/// Stores have no delete that takes the condition along, so that a writer who comes between the
/// two calls loses; where versions are kept, to a marker only.
async fn remove(app: &App, key: &ObjectKey, source: &ObjectMeta) -> Result<(), Error> {
    match app.store.head(key, None).await {
        Ok(now) if now.etag == source.etag && now.version_id == source.version_id => {
            Ok(app.store.delete(key, None).await?)
        }
        Ok(_) => {
            let why = "the source was written to while it was copied, and stays";
            Err(StoreError::Conflict(why.into()).into())
        }
        Err(StoreError::NotFound) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn created(app: &App, key: &ObjectKey, copy: &ObjectMeta) -> Response<Body> {
    let mut response = described(StatusCode::CREATED, copy);
    if let Ok(location) = HeaderValue::try_from(files::location(app, key)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// An object that has come to be.
pub(super) fn described(status: StatusCode, meta: &ObjectMeta) -> Response<Body> {
    audit::stored(meta);
    let mut response = json(status, &object::to_json(meta));
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", meta.etag)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}
