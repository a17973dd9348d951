//! The one match from an error to a status, a code and a sentence. Nothing else in the program
//! chooses a status for a failure. How the client is told is `response`'s.

use hyper::StatusCode;

use super::Error;
use crate::store::StoreError;

/// What the client is told.
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
}

impl Error {
    /// The one match: error to status, stable code and a sentence. Causes inside our side of the
    /// house are logged, not told.
    pub(super) fn problem(&self) -> Problem {
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
            Self::Unauthorized { .. } => (
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "This needs a user who has the right to do it. Sign in.",
            ),
            Self::TooManyRequests { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests come from your address. Try again in a moment.",
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
    pub(super) fn problem_type(&self) -> (&'static str, Option<&'static str>) {
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

    /// Whether someone who runs the server should look at it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::OffsetUnknown(_)) || self.problem().status.is_server_error()
    }
}
