//! What each route does: reads the request, calls the store or the engine, builds the answer.
//! Failures are returned as [`Error`]; statuses for them are chosen there.

mod actions;
pub mod assets;
mod bulk;
mod conditions;
pub mod cors;
pub mod cross_site;
mod download;
mod files;
mod headers;
mod health;
mod multipart;
mod object;
mod pages;
#[cfg(any(test, fuzzing))]
pub mod properties;
pub mod resumable;
pub mod share;
mod upload;
mod versions;
mod weight;
mod zip;

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::access::Who;
use crate::app::App;
use crate::audit::{self, Change};
use crate::body::Body;
use crate::context;
use crate::error::Error;
use crate::route::{self, Query, Route};

/// The answer to a request that waits for nothing: most of what comes, which then has no part in the
/// state machines of all the rest.
#[must_use]
pub fn at_once(
    app: &App,
    route: Route<'_>,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response<Body>> {
    match route {
        Route::Asset(asset) => Some(assets::respond(asset, headers, *method == Method::HEAD)),
        Route::Base => Some(redirect(app)),
        Route::Health => Some(health::live(app)),
        Route::Ready => Some(health::ready(app)),
        Route::Uploads | Route::Resumable(_) if *method == Method::OPTIONS => {
            Some(resumable::options(app, route))
        }
        _ => None,
    }
}

/// Answers a request whose route takes its method, from one who has the rights that the route needs,
/// and that is not answered [`at_once`]. Whether the keys it names are theirs is seen to here. Body bytes
/// are added to `received` as they are read. The method may be another than the request's: see
/// [`resumable::method`].
///
/// What does not become a task is boxed, so that each request has room for its own route's state
/// and not for the largest of all.
pub async fn handle(
    app: Arc<App>,
    route: Route<'_>,
    method: Method,
    request: Request<Incoming>,
    received: Arc<AtomicU64>,
    who: Who,
) -> Result<Response<Body>, Error> {
    let change = Change::of(route, &method, request.uri());
    match route {
        // Answered already.
        Route::Asset(_) | Route::Base | Route::Health | Route::Ready => Err(Error::NotFound),
        Route::Upload => {
            let form = |stop| upload::form(Arc::clone(&app), request, received, stop, who);
            to_the_end(&app, change, form).await
        }
        Route::Uploads => {
            let create = |stop| resumable::create(Arc::clone(&app), request, received, stop, who);
            to_the_end(&app, change, create).await
        }
        Route::Resumable(id) => match method {
            Method::HEAD => Box::pin(resumable::status(&app, id, request.headers(), &who)).await,
            method => {
                let id = id.to_owned();
                let own = Arc::clone(&app);
                let add = |stop| resumable::change(own, id, method, request, received, stop, who);
                to_the_end(&app, change, add).await
            }
        },
        Route::Files | Route::File(_) => {
            let (key, query) = match target(route, &method, request.uri().query()) {
                Ok(target) => target,
                Err(error) => {
                    let cut = app.process.phase.cut();
                    return audit::watch(change, cut, ready(Err(error))).await;
                }
            };
            match (key, &method) {
                (Some(key), &Method::PUT) => {
                    let put =
                        |stop| files::put(Arc::clone(&app), key, request, received, stop, who);
                    to_the_end(&app, change, put).await
                }
                (Some(key), &Method::POST) => {
                    let post = |_| actions::post(Arc::clone(&app), key, query, request, who);
                    to_the_end(&app, change, post).await
                }
                (Some(key), &Method::DELETE) => {
                    let delete = |_| files::delete(Arc::clone(&app), key, query, request, who);
                    to_the_end(&app, change, delete).await
                }
                (Some(key), _) => {
                    Box::pin(read(&app, &key, &query, request.headers(), &method, &who)).await
                }
                (None, &Method::POST) => {
                    let delete =
                        |stop| bulk::delete(Arc::clone(&app), query, request, received, stop, who);
                    to_the_end(&app, change, delete).await
                }
                (None, _) if query.has("zip") => Box::pin(zip::get(&app, &query, &who)).await,
                (None, _) => Box::pin(files::list(&app, &query, request.headers(), &who)).await,
            }
        }
    }
}

/// The object that a request to `/files` is about, where it names one, and the rest of its query.
fn target(
    route: Route<'_>,
    method: &Method,
    query: Option<&str>,
) -> Result<(Option<String>, Query), Error> {
    let key = match route {
        Route::File(raw) => Some(route::decode(raw, "invalid_key")?.into_owned()),
        _ => None,
    };
    let query = Query::parse(query)?;
    let key = match key {
        None => query.value("key")?.map(str::to_owned),
        key => key,
    };
    if key.is_none() && method == Method::DELETE {
        return Err(Error::invalid("invalid_query", "Name the object by ?key=."));
    }
    Ok((key, query))
}

/// GET and HEAD of one object, or of its versions; also by a link that was shared.
async fn read(
    app: &App,
    key: &str,
    query: &Query,
    headers: &HeaderMap,
    method: &Method,
    who: &Who,
) -> Result<Response<Body>, Error> {
    if share::is_link(query) {
        share::check(app, key, query)?;
    } else {
        who.reach(key)?;
    }
    if query.has("versions") {
        return versions::list(app, key).await;
    }
    let mut response = download::get(app, key, query, headers, method).await?;
    if !app.process.access.is_off() {
        // Whatever was stored with it: what was asked for by one is not for a cache to give to others.
        let private = HeaderValue::from_static("private, no-cache");
        response.headers_mut().insert(CACHE_CONTROL, private);
    }
    Ok(response)
}

/// Makes a change as a task of the worker's: when the client goes, hyper drops whoever waits for
/// the answer, and an upload must still be given up in order, and a change have its line in the
/// audit. It is told so by its token, as it is when the process is cut.
fn to_the_end<F>(
    app: &App,
    change: Option<Change>,
    work: impl FnOnce(CancellationToken) -> F,
) -> impl Future<Output = Result<Response<Body>, Error>>
where
    F: Future<Output = Result<Response<Body>, Error>> + Send + 'static,
{
    let stop = app.process.phase.cut().child_token();
    // Boxed, so that the code of a task is there once and not for each kind of change.
    let work = Box::pin(work(stop.clone()));
    run(app, change, stop, work)
}

type Work = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

async fn run(
    app: &App,
    change: Option<Change>,
    stop: CancellationToken,
    work: Work,
) -> Result<Response<Body>, Error> {
    let cut = app.process.phase.cut();
    // Those whose client has gone and that still clean up count as well.
    if app.tasks.len() >= app.process.config.max_connections {
        return audit::watch(change, cut, ready(Err(Error::BudgetSpent))).await;
    }
    let guard = stop.drop_guard();
    let cut = cut.clone();
    let work = async move { audit::watch(change, &cut, work).await };
    // What is told with the request goes along to the task.
    let outcome = match context::current() {
        Some(context) => app.tasks.spawn(context::within(context, work)).await,
        None => app.tasks.spawn(work).await,
    };
    guard.disarm();
    match outcome {
        Ok(outcome) => outcome,
        Err(failed) if failed.is_panic() => Err(Error::Panicked),
        Err(_cancelled) => Err(Error::ShuttingDown),
    }
}

/// `BASE_PATH` without its slash: relative links need it.
fn redirect(app: &App) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(to) = HeaderValue::try_from(format!("{}/", app.process.config.base_path)) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// A JSON answer. It describes a moment, so nothing may keep it.
fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Only maps with keys that are no text can fail to serialise, and there are none here.
    json_text(status, serde_json::to_vec(value).unwrap_or_default())
}

/// A JSON answer of this text.
fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
