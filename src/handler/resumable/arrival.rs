//! A request's bytes on their way into an upload, in either protocol: checked where it gives a
//! checksum of them, and given up with the upload where nobody can go on. What a request asks for is
//! for the protocols to read.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use hyper::HeaderMap;
use hyper::body::{Body as _, Incoming};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::audit;
use crate::error::Error;
use crate::upload::resume::{Checksum, Finish, Guard, Open, Piece, Progress, UploadId};
use crate::upload::{Expected, RequestBody, Source};

/// A request's body on its way in.
pub(super) struct Arrival {
    pub(super) source: Source<'static>,
    pub(super) length: Option<u64>,
    /// Cancelled when the client has gone, or the process is cut.
    pub(super) stop: CancellationToken,
}

impl Arrival {
    pub(super) fn new(
        app: &App,
        body: Incoming,
        received: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> Self {
        let length = body.size_hint().exact();
        let source = RequestBody::new(body, app.process.config.timeout, received, stop.clone())
            .counting(&app.process.counters);
        Self {
            source: Box::pin(source),
            length,
            stop,
        }
    }
}

/// Adds a request's bytes.
pub(super) async fn add(
    app: &App,
    open: Open,
    headers: &HeaderMap,
    checksum: Option<Checksum>,
    finish: Finish,
    body: Arrival,
    guard: &Guard,
) -> Result<Progress, Error> {
    let length = body.length;
    let stop = guard.stop().clone();
    let source = tokio::select! {
        biased;
        source = checked(app, &open, headers, checksum, body) => source?,
        // None of it counts, as its checksum covers all of it.
        () = stop.cancelled() => {
            return Ok(Progress::More { offset: open.offset, whole: false });
        }
    };
    let piece = Piece {
        source,
        length,
        finish,
        stop,
    };
    let progress = app.engine.append(open, piece).await?;
    if let Progress::Stored(meta) = &progress {
        audit::stored(meta);
    }
    Ok(progress)
}

/// The same at creation, whose answer is the first that a client hears of an upload: one that
/// failed, or whose client has left, nobody will go on with.
pub(super) async fn add_first(
    app: &App,
    open: Open,
    headers: &HeaderMap,
    checksum: Option<Checksum>,
    finish: Finish,
    body: Arrival,
) -> Result<Progress, Error> {
    let live = &app.process.live;
    let id = open.id.clone();
    let guard = live.enter(id.hash(), app.process.phase.draining()).await;
    let gone = body.stop.clone();
    let added = add(app, open, headers, checksum, finish, body, &guard).await;
    let left = matches!(added, Ok(Progress::More { .. })) && gone.is_cancelled();
    if left || added.is_err() {
        give_up(app, &id).await;
    }
    added
}

/// Gives up an upload that nobody can go on with.
pub(super) async fn give_up(app: &App, id: &UploadId) {
    if let Err(error) = app.engine.cancel(id).await {
        log::warn!("an upload that was given up stays: {error}");
    }
}

/// A request's bytes; where it gives a checksum of them, once all of them are here and right.
async fn checked(
    app: &App,
    open: &Open,
    headers: &HeaderMap,
    checksum: Option<Checksum>,
    body: Arrival,
) -> Result<Source<'static>, Error> {
    let expected = Expected::parse(headers)?;
    if checksum.is_none() && expected == Expected::default() {
        return Ok(body.source);
    }
    let mut source = expected.verify(body.source);
    if let Some(checksum) = checksum {
        source = checksum.verify(source);
    }
    app.engine.hold(open, source, body.length).await
}
