//! Liveness and readiness. Neither asks the store: a probe costs it no call.

use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::{json, json_text};
use crate::app::App;
use crate::body::Body;
use crate::error::RETRY_SECONDS;

/// 200 while the process can answer.
pub(super) fn live(app: &App) -> Response<Body> {
    let seconds = app.process.started.elapsed().as_secs();
    let version = env!("CARGO_PKG_VERSION");
    // The one answer that is worth no tree of values: it is asked for more often than all others.
    let text = format!(r#"{{"status":"ok","uptime_seconds":{seconds},"version":"{version}"}}"#);
    json_text(StatusCode::OK, text)
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
    let mut response = json(status, &json!({ "status": state }));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = HeaderValue::from(RETRY_SECONDS);
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}
