//! What can go wrong with a request, and the one match from there to a status and a
//! problem document (RFC 9457). Nothing else in the program chooses a status for a failure.

use std::fmt;

use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{Body, BoxError};
use crate::store::{KeyError, StoreError};

/// Seconds after which a client that met a passing trouble of ours should try again.
const RETRY_SECONDS: u32 = 2;

/// Why a request failed.
#[derive(Debug)]
pub enum Error {
    /// The request is malformed; `code` names which part of it.
    Invalid {
        /// Stable code, `invalid_…`.
        code: &'static str,
        /// For the person who sent it.
        detail: String,
    },
    /// No such route or object.
    NotFound,
    /// The route exists, not for this method.
    MethodNotAllowed {
        /// Value of the `Allow` header.
        allow: &'static str,
    },
    /// The client sent nothing, or next to nothing, for `TIMEOUT`.
    ClientSilent,
    /// The request's body broke off or is not framed as HTTP wants it.
    BodyBroken(BoxError),
    /// Larger than is taken, in bytes.
    TooLarge {
        /// Most bytes taken.
        limit: u64,
    },
    /// One request of a resumable upload brings more than may be brought at once.
    AppendTooLarge {
        /// Most bytes taken in one request.
        limit: u64,
    },
    /// The body's length must be known beforehand: it cannot be held in memory.
    LengthRequired,
    /// More entries than one answer or request holds.
    TooMany {
        /// What is too many, as a sentence.
        detail: &'static str,
    },
    /// `Host` is none of `ALLOWED_HOSTS`.
    UnknownHost,
    /// Not allowed, whoever asks.
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// Why, as a sentence.
        detail: &'static str,
    },
    /// The version is a delete marker: there is nothing to be made current again.
    DeleteMarker,
    /// No memory is left for an answer that needs it, and none is waited for.
    Busy {
        /// What there is too much of, as a sentence.
        detail: &'static str,
    },
    /// The request's headers together are over 16 KiB.
    HeadersTooLarge,
    /// The body has a transfer coding other than chunked.
    UnsupportedCoding,
    /// The body is not of the type that the route takes.
    UnsupportedMediaType {
        /// The type it takes.
        want: &'static str,
    },
    /// tus: the bytes of the request are not those that its `Upload-Checksum` is of.
    TusChecksumMismatch,
    /// The bytes of a resumable upload do not go on where it ends.
    OffsetMismatch {
        /// Where it ends.
        expected: u64,
        /// Where the request would go on.
        provided: u64,
    },
    /// A resumable upload's length is not the one that was said before, or not that of its bytes.
    InconsistentLength,
    /// A request has bytes beyond the length that was said for its resumable upload.
    LengthExceeded,
    /// The resumable upload is complete: nothing can be added.
    UploadCompleted,
    /// tus: another version of the protocol.
    TusVersion,
    /// tus: the offset cannot be told now, because the store does not say it. Clients of tus ask
    /// again after a 423, and begin anew after a 503.
    OffsetUnknown(StoreError),
    /// The bytes are not those that the client's checksum is of.
    ChecksumMismatch,
    /// A condition of the request does not hold.
    PreconditionFailed,
    /// No memory is left for this upload, and none came free in time.
    BudgetSpent,
    /// The process is ending and cannot finish this.
    ShuttingDown,
    /// A bug of ours: a panic in the handler.
    Panicked,
    /// The store did not do it.
    Store(StoreError),
    /// One file of a form failed after others were stored.
    Partial {
        /// Why.
        cause: Box<Error>,
        /// What was stored before, as JSON objects.
        stored: Vec<Value>,
    },
}

/// What the client is told.
struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Error {
    /// A malformed part of the request.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            detail: detail.into(),
        }
    }

    /// The one match: error to status, stable code and a sentence. Causes inside our side of the
    /// house are logged, not told.
    fn problem(&self) -> Problem {
        let (status, code, detail) = match self {
            Self::Invalid { code, detail } => (StatusCode::BAD_REQUEST, *code, detail.as_str()),
            Self::NotFound | Self::Store(StoreError::NotFound) => {
                (StatusCode::NOT_FOUND, "not_found", "There is nothing here.")
            }
            Self::MethodNotAllowed { .. } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This address does not take that method.",
            ),
            Self::ClientSilent => (
                StatusCode::REQUEST_TIMEOUT,
                "client_silent",
                "The request's bytes stopped coming.",
            ),
            Self::BodyBroken(_) => (
                StatusCode::BAD_REQUEST,
                "invalid_body",
                "The request's body broke off or is malformed.",
            ),
            Self::TooLarge { limit } => {
                return Problem {
                    status: StatusCode::PAYLOAD_TOO_LARGE,
                    code: "too_large",
                    detail: format!("At most {limit} bytes are taken."),
                };
            }
            Self::AppendTooLarge { limit } => {
                return Problem {
                    status: StatusCode::PAYLOAD_TOO_LARGE,
                    code: "too_large",
                    detail: format!("The most that one such request may bring is {limit} bytes."),
                };
            }
            Self::LengthRequired => (
                StatusCode::LENGTH_REQUIRED,
                "length_required",
                "A request of so large an upload needs a Content-Length.",
            ),
            Self::Store(StoreError::TooLarge(_)) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The store does not take objects this large.",
            ),
            Self::TooMany { detail } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", *detail),
            Self::UnknownHost => (
                StatusCode::MISDIRECTED_REQUEST,
                "unknown_host",
                "The Host header is none of the names that this server goes by.",
            ),
            Self::Forbidden { code, detail } => (StatusCode::FORBIDDEN, *code, *detail),
            Self::DeleteMarker => (
                StatusCode::CONFLICT,
                "delete_marker",
                "This version says that the object was deleted. Choose an older one.",
            ),
            Self::Busy { detail } => (StatusCode::SERVICE_UNAVAILABLE, "busy", *detail),
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                "The request's headers are over 16 KiB.",
            ),
            Self::UnsupportedCoding => (
                StatusCode::NOT_IMPLEMENTED,
                "unsupported_coding",
                "The only transfer coding taken is chunked.",
            ),
            Self::UnsupportedMediaType { want } => {
                return Problem {
                    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    code: "unsupported_media_type",
                    detail: format!("The body must be {want}."),
                };
            }
            Self::PreconditionFailed | Self::Store(StoreError::Precondition) => (
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "The object exists already, is not there, or has changed meanwhile.",
            ),
            Self::TusChecksumMismatch => {
                let status = StatusCode::from_u16(460).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
                (
                    status,
                    "checksum_mismatch",
                    "The bytes that came are not those of the checksum. None of them counts.",
                )
            }
            Self::OffsetMismatch { expected, provided } => {
                return Problem {
                    status: StatusCode::CONFLICT,
                    code: "offset_mismatch",
                    detail: format!("The upload ends at {expected}, not at {provided}."),
                };
            }
            Self::InconsistentLength | Self::LengthExceeded => (
                StatusCode::BAD_REQUEST,
                "inconsistent_length",
                "The upload's length is not the one said before, or not that of its bytes.",
            ),
            Self::UploadCompleted => (
                StatusCode::BAD_REQUEST,
                "upload_completed",
                "The upload is complete. Nothing can be added to it.",
            ),
            Self::TusVersion => (
                StatusCode::PRECONDITION_FAILED,
                "tus_version",
                "This server speaks version 1.0.0 of tus.",
            ),
            Self::OffsetUnknown(_) => (
                StatusCode::LOCKED,
                "offset_unknown",
                "The store does not say now how far the upload is. Ask again in a moment.",
            ),
            Self::ChecksumMismatch => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "checksum_mismatch",
                "The bytes that came are not those of the checksum. Nothing is stored.",
            ),
            Self::BudgetSpent => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Too many uploads at once to hold this one in memory. Try again in a moment.",
            ),
            Self::ShuttingDown => (
                StatusCode::SERVICE_UNAVAILABLE,
                "shutting_down",
                "This server is being replaced. Try again.",
            ),
            Self::Panicked => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "A fault of ours. The log has it under this request's id.",
            ),
            Self::Store(StoreError::Conflict(_)) => (
                StatusCode::CONFLICT,
                "conflict",
                "Another writer was at the same key at the same time.",
            ),
            Self::Store(StoreError::Archived) => (
                StatusCode::CONFLICT,
                "archived",
                "The object is archived and must be restored before it can be read.",
            ),
            Self::Store(StoreError::Range { .. }) => (
                StatusCode::RANGE_NOT_SATISFIABLE,
                "invalid_range",
                "The range covers no byte of the object.",
            ),
            Self::Store(StoreError::InvalidCursor) => (
                StatusCode::BAD_REQUEST,
                "invalid_cursor",
                "The cursor is not one that this server gave.",
            ),
            Self::Store(StoreError::InvalidKey(_)) => (
                StatusCode::BAD_REQUEST,
                "invalid_key",
                "The store cannot hold a key like this.",
            ),
            Self::Store(
                StoreError::Refused(_) | StoreError::Unsupported(_) | StoreError::Malformed(_),
            ) => (
                StatusCode::BAD_GATEWAY,
                "store_refused",
                "The store refuses this server. The log says why.",
            ),
            Self::Store(StoreError::Corrupt(_)) => (
                StatusCode::BAD_GATEWAY,
                "store_failed",
                "The store's answer makes no sense. The log says why.",
            ),
            Self::Store(
                StoreError::Unavailable(_) | StoreError::Credentials(_) | StoreError::Source(_),
            ) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "The store cannot be reached or asks to slow down. Try again in a moment.",
            ),
            Self::Store(StoreError::Timeout(_)) => (
                StatusCode::GATEWAY_TIMEOUT,
                "store_timeout",
                "The store did not answer in time.",
            ),
            Self::Store(StoreError::Full(_)) => (
                StatusCode::INSUFFICIENT_STORAGE,
                "store_full",
                "The store is full.",
            ),
            Self::Partial { cause, .. } => return cause.problem(),
        };
        Problem {
            status,
            code,
            detail: detail.to_owned(),
        }
    }

    /// Type and title where a specification gives the failure a name of its own (section
    /// "Problem Types" of draft-ietf-httpbis-resumable-upload).
    fn problem_type(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::OffsetMismatch { .. } => (
                "https://iana.org/assignments/http-problem-types#mismatching-upload-offset",
                Some("Mismatching Upload Offset"),
            ),
            Self::InconsistentLength | Self::LengthExceeded => (
                "https://iana.org/assignments/http-problem-types#inconsistent-upload-length",
                Some("Inconsistent Upload Length Values"),
            ),
            Self::UploadCompleted => (
                "https://iana.org/assignments/http-problem-types#completed-upload",
                Some("Upload Is Completed"),
            ),
            Self::TusChecksumMismatch => ("about:blank", Some("Checksum Mismatch")),
            _ => ("about:blank", None),
        }
    }

    /// Status and code, for an answer that tells of several outcomes.
    #[must_use]
    pub fn outcome(&self) -> (u16, &'static str) {
        let problem = self.problem();
        (problem.status.as_u16(), problem.code)
    }

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

    /// Whether someone who runs the server should look at it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::OffsetUnknown(_)) || self.problem().status.is_server_error()
    }
}

/// The limit that a request was over, for the header of the protocol that it spoke: the limit's name
/// in `Upload-Limit`, and bytes. An extension of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Limit(pub &'static str, pub u64);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) | Self::OffsetUnknown(error) => error.fmt(f),
            Self::BodyBroken(cause) => write!(f, "the request's body broke off: {cause}"),
            Self::Partial { cause, stored } => write!(f, "{cause} (after {})", stored.len()),
            other => f.write_str(&other.problem().detail),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) | Self::OffsetUnknown(error) => Some(error),
            Self::BodyBroken(cause) => Some(cause.as_ref()),
            Self::Partial { cause, .. } => Some(cause.as_ref()),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::invalid("invalid_key", format!("This key cannot be used: {error}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(error: Error) -> u16 {
        error.into_response().status().as_u16()
    }

    #[test]
    fn each_meaning_has_its_status() {
        let cause = || BoxError::from("cause");
        for (error, want) in [
            (Error::invalid("invalid_x", ""), 400),
            (Error::NotFound, 404),
            (Error::MethodNotAllowed { allow: "GET" }, 405),
            (
                Error::Forbidden {
                    code: "x",
                    detail: "",
                },
                403,
            ),
            (Error::ClientSilent, 408),
            (Error::UnknownHost, 421),
            (Error::DeleteMarker, 409),
            (Error::Store(StoreError::Archived), 409),
            (Error::Store(StoreError::Conflict(cause())), 409),
            (Error::InconsistentLength, 400),
            (Error::UploadCompleted, 400),
            (Error::OffsetUnknown(StoreError::Timeout(cause())), 423),
            (Error::TusChecksumMismatch, 460),
            (Error::PreconditionFailed, 412),
            (Error::TooLarge { limit: 1 }, 413),
            (Error::AppendTooLarge { limit: 1 }, 413),
            (Error::LengthRequired, 411),
            (Error::TooMany { detail: "" }, 413),
            (Error::UnsupportedMediaType { want: "x" }, 415),
            (Error::Store(StoreError::Range { size: 7 }), 416),
            (Error::ChecksumMismatch, 422),
            (Error::HeadersTooLarge, 431),
            (Error::Panicked, 500),
            (Error::Store(StoreError::Refused(cause())), 502),
            (Error::Store(StoreError::Unavailable(cause())), 503),
            (Error::Busy { detail: "" }, 503),
            (Error::Store(StoreError::Timeout(cause())), 504),
            (Error::Store(StoreError::Full(cause())), 507),
        ] {
            assert_eq!(status(error), want);
        }
    }

    #[test]
    fn an_unavailable_store_says_when_to_come_back_and_hides_its_cause() {
        let error = Error::Store(StoreError::Unavailable("10.0.0.1 refused".into()));
        assert!(!error.problem().detail.contains("10.0.0.1"));
        assert!(error.into_response().headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn a_bad_range_tells_the_size() {
        let response = Error::Store(StoreError::Range { size: 7 }).into_response();
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes */7");
    }
}
