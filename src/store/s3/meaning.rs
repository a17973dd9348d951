//! From rusoto's errors and S3's codes to errors by meaning. rusoto's own error types know few
//! codes, so it goes by status and by the code in the document.

use rusoto_core::request::BufferedHttpResponse;
use rusoto_core::{HttpDispatchError, RusotoError};
use rusoto_s3::{AbortMultipartUploadError, GetObjectError, HeadObjectError, ListObjectsV2Error};

use super::document;
use super::transport::{CONNECT, CORRUPT, GONE, SOURCE, TIMEOUT};
use crate::store::{Condition, ObjectKey, StoreError, VersionId};

/// The meaning of an answer that is no success. `status` is 200 for S3's late errors.
pub(super) fn of_answer(status: u16, document: &[u8]) -> StoreError {
    let (code, message) = document::error(document);
    of_code(status, &code, &message)
}

fn of_code(status: u16, code: &str, message: &str) -> StoreError {
    let cause = || {
        format!("S3 says {status} {code} {message}")
            .trim_end()
            .to_owned()
            .into()
    };
    match code {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload" => return StoreError::NotFound,
        "NoSuchBucket" => return StoreError::Refused(cause()),
        // The last: MinIO.
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidTokenId" => {
            return StoreError::Credentials(cause());
        }
        "PreconditionFailed" => return StoreError::Precondition,
        "InvalidObjectState" => return StoreError::Archived,
        // The part was sent again meanwhile, by a request that this one does not know of.
        "ConditionalRequestConflict" | "OperationAborted" | "InvalidPart" | "InvalidPartOrder" => {
            return StoreError::Conflict(cause());
        }
        "EntityTooLarge" => return StoreError::TooLarge(cause()),
        "KeyTooLongError" | "XMinioInvalidObjectName" => return StoreError::InvalidKey(cause()),
        "XMinioStorageFull" | "QuotaExceeded" => return StoreError::Full(cause()),
        "NotImplemented" => return StoreError::Unsupported(cause()),
        // The last three: what arrived is not what was sent.
        "SlowDown"
        | "InternalError"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "BadDigest"
        | "IncompleteBody"
        | "XAmzContentChecksumMismatch" => {
            return StoreError::Unavailable(cause());
        }
        _ => {}
    }
    match status {
        // 405 is what a delete marker answers to a read.
        404 | 405 => StoreError::NotFound,
        409 => StoreError::Conflict(cause()),
        // A success that says neither what was asked nor what went wrong.
        200..=299 if code.is_empty() => StoreError::Corrupt(cause()),
        400 => StoreError::Malformed(cause()),
        412 => StoreError::Precondition,
        // S3 does not say the size in a header: whoever asked for a range looks it up.
        416 => StoreError::Range { size: 0 },
        501 => StoreError::Unsupported(cause()),
        504 => StoreError::Timeout(cause()),
        507 => StoreError::Full(cause()),
        // Above 511: proxies and CDNs, which cannot say either what the store did.
        408 | 429 | 500..=599 => StoreError::Unavailable(cause()),
        _ => StoreError::Refused(cause()),
    }
}

/// The meaning of a request that got no answer.
pub(super) fn of_dispatch(error: &HttpDispatchError) -> StoreError {
    let text = error.to_string();
    if text.contains(TIMEOUT) {
        StoreError::Timeout(text.into())
    } else if text.starts_with(CORRUPT) {
        StoreError::Corrupt(text.into())
    } else if text.starts_with(SOURCE) {
        StoreError::Source(text.into())
    } else {
        StoreError::Unavailable(text.into())
    }
}

/// The same of a write whose outcome nobody knows, because the answer cannot be read: it is lost.
pub(super) fn of_unread(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt(cause) => StoreError::Unavailable(cause),
        other => other,
    }
}

/// What a read's refusal means: a version id that S3 cannot read, or a key that it cannot hold,
/// is one that is not there. MinIO says the latter in many ways, to a HEAD without a code.
pub(super) fn of_read(
    error: StoreError,
    key: &ObjectKey,
    version: Option<&VersionId>,
) -> StoreError {
    match error {
        StoreError::InvalidKey(_) => StoreError::NotFound,
        StoreError::Malformed(_) if version.is_some() => StoreError::NotFound,
        StoreError::Malformed(_) if !key.is_portable() => StoreError::NotFound,
        other => other,
    }
}

/// `If-Match` on what is not there: some stores answer 404 where others answer 412.
pub(super) fn of_condition(error: StoreError, condition: &Condition) -> StoreError {
    match (error, condition) {
        (StoreError::NotFound, Condition::IfMatch(_)) => StoreError::Precondition,
        (error, _) => error,
    }
}

/// Whether a request surely never reached S3, so that sending it again cannot do it twice.
pub(super) fn never_sent(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(cause) if cause.to_string().starts_with(CONNECT))
}

/// Whether a request was not even tried, because S3 is gone: nor need it be tried again.
pub(super) fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(cause) if cause.to_string().ends_with(GONE))
}

/// Whether S3 refused a request because its credentials are no good, and others may be: keys that
/// it does not know are keys that were taken away, or of a role that has expired on MinIO.
pub(super) fn is_of_credentials(error: &StoreError) -> bool {
    match error {
        StoreError::Credentials(_) => true,
        StoreError::Refused(cause) => cause.to_string().contains("InvalidAccessKeyId"),
        _ => false,
    }
}

/// Whether S3 refused a request because it does not know its checksum or its framing.
pub(super) fn knows_no_checksum(error: &StoreError) -> bool {
    const CODES: [&str; 4] = [
        "InvalidRequest",
        "InvalidArgument",
        "XAmzContentSHA256Mismatch",
        "MalformedTrailerError",
    ];
    match error {
        StoreError::Unsupported(_) => true,
        StoreError::Malformed(cause) => {
            let text = cause.to_string();
            CODES.iter().any(|code| text.contains(code))
        }
        _ => false,
    }
}

/// Errors of rusoto's operations that it gives a name to.
pub(super) trait Named {
    /// S3's code for it.
    fn code(&self) -> &'static str;
}

impl Named for GetObjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidObjectState(_) => "InvalidObjectState",
            Self::NoSuchKey(_) => "NoSuchKey",
        }
    }
}

impl Named for HeadObjectError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchKey(_) => "NoSuchKey",
        }
    }
}

impl Named for ListObjectsV2Error {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchBucket(_) => "NoSuchBucket",
        }
    }
}

impl Named for AbortMultipartUploadError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchUpload(_) => "NoSuchUpload",
        }
    }
}

macro_rules! unnamed {
    ($($error:ty),*) => {$(
        impl Named for $error {
            fn code(&self) -> &'static str {
                match *self {}
            }
        }
    )*};
}

unnamed!(
    std::convert::Infallible,
    rusoto_s3::CreateMultipartUploadError,
    rusoto_s3::DeleteObjectError
);

/// The meaning of what rusoto returned.
pub(super) fn of_rusoto<E: Named>(error: RusotoError<E>) -> StoreError {
    match error {
        RusotoError::Service(named) => of_code(0, named.code(), ""),
        RusotoError::HttpDispatch(error) => of_dispatch(&error),
        RusotoError::Credentials(error) => StoreError::Credentials(error.into()),
        RusotoError::Unknown(BufferedHttpResponse { status, body, .. }) => {
            of_answer(status.as_u16(), &body)
        }
        RusotoError::Validation(text) | RusotoError::ParseError(text) => {
            StoreError::Corrupt(text.into())
        }
        RusotoError::Blocking => StoreError::Corrupt("rusoto blocked".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(code: &str) -> Vec<u8> {
        format!("\n <?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>").into_bytes()
    }

    #[test]
    fn codes_go_before_statuses() {
        let of = |status, code| of_answer(status, &document(code));
        assert!(matches!(of(404, "NoSuchBucket"), StoreError::Refused(_)));
        assert!(matches!(
            of(400, "RequestTimeout"),
            StoreError::Unavailable(_)
        ));
        assert!(matches!(
            of(200, "InternalError"),
            StoreError::Unavailable(_)
        ));
        assert!(matches!(
            of(409, "OperationAborted"),
            StoreError::Conflict(_)
        ));
        assert!(matches!(
            of(403, "InvalidObjectState"),
            StoreError::Archived
        ));
        assert!(matches!(of(403, "AccessDenied"), StoreError::Refused(_)));
        assert!(is_of_credentials(&of(400, "ExpiredToken")));
        assert!(is_of_credentials(&of(403, "InvalidAccessKeyId")));
        assert!(!is_of_credentials(&of(403, "AccessDenied")));
        assert!(matches!(of_answer(404, b""), StoreError::NotFound));
        assert!(matches!(
            of_answer(503, b"<html>"),
            StoreError::Unavailable(_)
        ));
    }
}
