//! Why a request got no answer, told in the texts of `HttpDispatchError`, and what that is counted
//! as. What callers hear of it is `meaning`'s.

use hyper::StatusCode;
use rusoto_core::HttpDispatchError;

use crate::metrics::calls::Outcome;

/// Prefixes of the texts of `HttpDispatchError`, which carries nothing else: see `meaning`.
pub(in crate::store::s3) const TIMEOUT: &str = "timeout: ";
pub(in crate::store::s3) const CONNECT: &str = "connect: ";
pub(in crate::store::s3) const SOURCE: &str = "source: ";
pub(in crate::store::s3) const CORRUPT: &str = "corrupt: ";
/// Sooner than at its timeout.
pub(super) const GIVEN_UP: &str = "given up: ";
/// After [`CONNECT`]: it was not even tried.
pub(in crate::store::s3) const GONE: &str = "S3 has not answered lately";

/// What a call is counted as.
pub(super) fn outcome(status: Result<StatusCode, &HttpDispatchError>) -> Outcome {
    match status {
        Ok(status) if status.is_client_error() => Outcome::ClientError,
        Ok(status) if status.is_server_error() => Outcome::ServerError,
        Ok(_) => Outcome::Success,
        Err(error) => {
            let text = error.to_string();
            [
                (TIMEOUT, Outcome::Timeout),
                (GIVEN_UP, Outcome::Timeout),
                (CONNECT, Outcome::Unreachable),
                (SOURCE, Outcome::Source),
            ]
            .into_iter()
            .find(|(prefix, _)| text.starts_with(prefix))
            .map_or(Outcome::Broken, |(_, outcome)| outcome)
        }
    }
}

/// An error with its causes: hyper's own text says only which step failed.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
