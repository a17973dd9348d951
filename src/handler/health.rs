//! Liveness and readiness. Neither asks the store: a probe costs it no call.

use hyper::{Response, StatusCode};
use serde_json::json;

use super::json;
use crate::app::App;
use crate::body::Body;

/// 200 while the process can answer.
pub(super) fn live(app: &App) -> Response<Body> {
    let seconds = app.process.started.elapsed().as_secs();
    json(
        StatusCode::OK,
        &json!({
            "status": "ok",
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": seconds,
        }),
    )
}

/// 200 once the store has answered and until the process withdraws, else 503.
pub(super) fn ready(app: &App) -> Response<Body> {
    let process = &app.process;
    let (status, state) = if process.phase.is_withdrawing() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining")
    } else if process.health.is_ready(process.config.ready_strict) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
    };
    json(status, &json!({ "status": state }))
}
