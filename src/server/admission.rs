//! Whether a request is let in: how often its address asks, who sends it, and whether they have the
//! rights that its route needs. Whether its keys are theirs is the handlers' business.

use std::time::{Duration, Instant};

use hyper::{HeaderMap, Method};
use tokio::time::sleep;

use crate::access::{Identity, Who};
use crate::app::App;
use crate::error::Error;
use crate::route::Route;

/// Longest that a request stands in line for its turn.
const LINE: Duration = Duration::from_secs(30);

/// Refuses a request that comes too early, or makes it wait: clients of tus give up on a 429.
pub(super) async fn in_time(app: &App, route: Option<Route<'_>>, who: &Who) -> Result<(), Error> {
    let Some(rate) = &app.process.rate else {
        return Ok(());
    };
    let line = match route {
        Some(Route::Health | Route::Ready) => return Ok(()),
        Some(Route::Uploads | Route::Resumable(_)) => LINE,
        _ => Duration::ZERO,
    };
    let wait = rate.count(who.from, line, Instant::now());
    if wait.is_zero() {
        return Ok(());
    }
    if line.is_zero() {
        // Whole seconds, upwards: of what is left of one nobody may come back too early.
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX);
        return Err(Error::TooManyRequests {
            retry_after: seconds.saturating_add(1),
        });
    }
    if wait > line {
        return Err(Error::Busy {
            detail: "Too many requests come from your address. Try again in a moment.",
        });
    }
    unless_cut(app, async move {
        sleep(wait).await;
        Ok(())
    })
    .await
}

/// What takes its time, unless the process is cut before: then the client is told, and does not
/// wait in vain.
///
/// Apart, as what is rare is: hyper moves this future with each request.
async fn unless_cut<T>(
    app: &App,
    wait: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let wait = Box::pin(app.process.phase.cut().run_until_cancelled(wait));
    wait.await.unwrap_or(Err(Error::ShuttingDown))
}

/// Who sends it, when they may do what the route and the method mean.
pub(super) async fn admit(
    app: &App,
    route: Route<'_>,
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
    who: &mut Who,
    trusted: bool,
) -> Result<(), Error> {
    let access = &app.process.access;
    let free = matches!(route, Route::Health | Route::Ready) || method == Method::OPTIONS;
    if access.is_off() || free {
        *who = who.clone().free();
        return Ok(());
    }
    let page = matches!(route, Route::Asset(_) | Route::Base);
    if page && !access.keeps_the_page() {
        return Ok(());
    }
    let needs = route.needs(method, query)?;
    if needs.is_empty() && !page {
        return Ok(());
    }
    *who = match access.identify(who, trusted, headers)? {
        Identity::Known(who) => who,
        Identity::Claimed(claim) => unless_cut(app, access.verify(who, claim)).await?,
    };
    if page && !who.is_known() {
        return Err(who.refused());
    }
    who.need(needs)
}
