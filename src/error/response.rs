//! The answer that tells a client of an error: a problem document (RFC 9457), with the headers that
//! belong to the failure. Which status it has is for `problem` to say.

use bytes::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::Error;
use super::problem::Problem;
use crate::body::Body;
use crate::store::StoreError;

/// Seconds after which a client that met a passing trouble of ours should try again.
pub const RETRY_SECONDS: u32 = 2;

impl Error {
    /// The answer that the client gets.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let Problem {
            status,
            code,
            detail,
        } = self.problem();
        let (problem_type, title) = self.problem_type();
        let mut document = json!({
            "type": problem_type,
            "title": title.or(status.canonical_reason()).unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": detail,
            "code": code,
        });
        match &self {
            Self::Partial { stored, .. } => document["stored"] = Value::Array(stored.clone()),
            Self::OffsetMismatch { expected, provided } => {
                document["expected-offset"] = json!(expected);
                document["provided-offset"] = json!(provided);
            }
            _ => {}
        }
        let mut response = Response::new(Body::full(Bytes::from(document.to_string())));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        // A cache may keep a 404 for as long as it sees fit (RFC 9111 section 4.2.2).
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let cause = match &self {
            Self::Partial { cause, .. } => cause,
            other => other,
        };
        match cause {
            Self::MethodNotAllowed { allow } => {
                headers.insert(ALLOW, HeaderValue::from_static(allow));
            }
            Self::Store(StoreError::Range { size }) => {
                if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                    headers.insert(CONTENT_RANGE, value);
                }
            }
            Self::OffsetMismatch { expected, .. } => {
                headers.insert("upload-offset", HeaderValue::from(*expected));
            }
            Self::Unauthorized { challenge } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            Self::TooManyRequests { retry_after } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Self::TusVersion => {
                headers.insert("tus-version", HeaderValue::from_static("1.0.0"));
            }
            _ => {}
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::LOCKED) {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
        }
        let limit = match self {
            Self::TooLarge { limit } => Some(Limit("max-size", limit)),
            Self::AppendTooLarge { limit } => Some(Limit("max-append-size", limit)),
            _ => None,
        };
        if let Some(limit) = limit {
            response.extensions_mut().insert(limit);
        }
        response
    }
}

/// The limit that a request was over, for the header of the protocol that it spoke: the limit's name
/// in `Upload-Limit`, and bytes. An extension of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub &'static str, pub u64);
