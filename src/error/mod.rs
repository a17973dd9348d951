//! What can go wrong with a request. Which status and which words each failure has is in
//! `problem`, the answer of it in `response`.

mod problem;
mod response;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use crate::body::BoxError;
use crate::store::{KeyError, StoreError};
pub use response::{Limit, RETRY_SECONDS};

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
    /// Who asks has not signed in, or not with credentials that are right.
    Unauthorized {
        /// Value of the `WWW-Authenticate` header.
        challenge: &'static str,
    },
    /// One address asks more often than it may.
    TooManyRequests {
        /// Seconds after which it may again.
        retry_after: u32,
    },
    /// Not allowed to who asks, or to anyone.
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

impl Error {
    /// A malformed part of the request.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid {
            code,
            detail: detail.into(),
        }
    }
}

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
