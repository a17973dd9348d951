//! Links that let whoever has them read one object: made by `POST /files/{key}?share`, and, where
//! they lead to this server, checked when it is read. Signing them is the store's business.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use hyper::header::HeaderValue;
use hyper::http::uri::Authority;
use hyper::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{files, headers, json};
use crate::access::Who;
use crate::app::App;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{Access, Link, ObjectKey, is_folded};

/// Seconds that a link is good for when the client does not say.
const DEFAULT_SECONDS: u64 = 3600;
/// Seven days: what S3 takes (Signature V4, `X-Amz-Expires`).
const MAX_SECONDS: u64 = 604_800;

/// All that the query of a link may hold: it opens one object and nothing beside it.
const LINK: [&str; 4] = ["key", "expires", "signature", "inline"];

/// A link to the object.
pub(super) async fn create(
    app: &App,
    key: &ObjectKey,
    query: &Query,
    host: Option<&HeaderValue>,
    who: &Who,
) -> Result<Response<Body>, Error> {
    let lifetime = lifetime(query)?;
    // Nobody is given a link to nothing.
    app.store.head(key, None).await?;
    let disposition = headers::disposition("attachment", key.file_name());
    let disposition = disposition.to_str().unwrap_or("attachment");
    let Link { access, expires_at } = app.store.share(key, lifetime, disposition).await?;
    let url = match access {
        Access::Url(url) => url,
        Access::Signature(signature) => {
            let host = authority(host)?;
            let target = target(app, key, expires_at.timestamp(), &signature);
            let scheme = if who.https { "https" } else { "http" };
            format!("{scheme}://{host}{target}")
        }
    };
    let expires_at = expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let body = json!({"url": url, "expires_at": expires_at});
    Ok(json(StatusCode::OK, &body))
}

fn lifetime(query: &Query) -> Result<Duration, Error> {
    let seconds = match query.value("expires_in")? {
        None => Some(DEFAULT_SECONDS),
        Some(text) => text.parse().ok(),
    };
    seconds
        .filter(|seconds| (1..=MAX_SECONDS).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Error::invalid(
                "invalid_expires_in",
                "A link is good for 1 to 604800 seconds.",
            )
        })
}

/// Where the client reached us. What a proxy that is trusted says of it is in `Host` already.
fn authority(host: Option<&HeaderValue>) -> Result<Authority, Error> {
    host.and_then(|host| Authority::try_from(host.as_bytes()).ok())
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| Error::invalid("invalid_host", "The Host header names no host."))
}

/// The link's path and query. Clients fold away some segments of a path; such a key goes into
/// the query.
fn target(app: &App, key: &ObjectKey, expires: i64, signature: &str) -> String {
    let signed = format!("expires={expires}&signature={signature}");
    if key.as_str().split('/').any(is_folded) {
        let base = &app.process.config.base_path;
        let key = utf8_percent_encode(key.as_str(), NON_ALPHANUMERIC);
        format!("{base}/files?key={key}&{signed}")
    } else {
        format!("{}?{signed}", files::location(app, key))
    }
}

/// Whether the query is one that [`create`] makes, or would be taken for one.
#[must_use]
pub fn is_link(query: &Query) -> bool {
    query.has("signature") || query.has("expires")
}

/// Whether the link opens this object now.
///
/// Fails with `invalid_signature` for anything that this server has not signed as it is, and with
/// `link_expired` for what it has.
pub(super) fn check(app: &App, key: &str, query: &Query) -> Result<(), Error> {
    let invalid = Error::Forbidden {
        code: "invalid_signature",
        detail: "This link was not given out by this server, or not like this.",
    };
    let Ok(key) = app.keys.readable(key) else {
        return Err(invalid);
    };
    let expires = query.value("expires")?.and_then(|text| {
        let seconds: i64 = text.parse().ok()?;
        (seconds.to_string() == text).then_some(seconds)
    });
    let (Some(expires), Some(signature)) = (expires, query.value("signature")?) else {
        return Err(invalid);
    };
    let plain = query.names().all(|name| LINK.contains(&name));
    if !plain || !app.store.has_signed(&key, expires, signature) {
        return Err(invalid);
    }
    if Utc::now().timestamp() >= expires {
        return Err(Error::Forbidden {
            code: "link_expired",
            detail: "This link has expired.",
        });
    }
    Ok(())
}
