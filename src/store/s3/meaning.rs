//! From S3's statuses and codes to errors by meaning, and what follows from them for a call that
//! failed. What rusoto makes of them is `call`'s business.

use rusoto_core::HttpDispatchError;

use super::document;
use super::transport::{CONNECT, CORRUPT, GONE, SOURCE, TIMEOUT};
use crate::store::{Condition, ObjectKey, StoreError, VersionId};

/// What a delete marker answers to a read.
const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
/// Another write of the key was under way: S3 wants it sent again.
const REQUEST_CONFLICT: &str = "ConditionalRequestConflict";
const INTERNAL_ERROR: &str = "InternalError";
/// How the causes begin that S3 itself has given.
const SAYS: &str = "S3 says ";

/// The meaning of an answer that is no success. `status` is 200 for S3's late errors.
pub(super) fn of_answer(status: u16, document: &[u8]) -> StoreError {
    let (code, message) = document::error(document);
    of_code(status, &code, &message)
}

/// The same of a code that was read already; empty where there was none.
pub(super) fn of_code(status: u16, code: &str, message: &str) -> StoreError {
    let cause = || {
        format!("{SAYS}{status} {code} {message}")
            .trim_end()
            .to_owned()
            .into()
    };
    match code {
        "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload" => return StoreError::NotFound,
        "NoSuchBucket" | METHOD_NOT_ALLOWED => return StoreError::Refused(cause()),
        // The last: MinIO.
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" | "InvalidTokenId" => {
            return StoreError::Credentials(cause());
        }
        "PreconditionFailed" => return StoreError::Precondition,
        "InvalidObjectState" => return StoreError::Archived,
        // The part was sent again meanwhile, by a request that this one does not know of.
        REQUEST_CONFLICT | "InvalidPart" | "InvalidPartOrder" => {
            return StoreError::Conflict(cause());
        }
        "EntityTooLarge" => return StoreError::TooLarge(cause()),
        "KeyTooLongError" | "XMinioInvalidObjectName" => return StoreError::InvalidKey(cause()),
        "XMinioStorageFull" | "QuotaExceeded" => return StoreError::Full(cause()),
        "NotImplemented" => return StoreError::Unsupported(cause()),
        // The last three: what arrived is not what was sent.
        "SlowDown"
        | "OperationAborted"
        | INTERNAL_ERROR
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
        // S3 says what it is that is not there. A 404 that does not is of a balancer without a
        // backend: it must not be believed that a file, or an upload, is gone. Above 511: proxies
        // and CDNs, which cannot say either what the store did.
        404 | 408 | 429 | 500..=599 => StoreError::Unavailable(cause()),
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

/// What a read's refusal means, where a delete marker is nothing that is there, too.
pub(super) fn of_read(
    error: StoreError,
    key: &ObjectKey,
    version: Option<&VersionId>,
) -> StoreError {
    match error {
        StoreError::Refused(cause) if cause.to_string().contains(METHOD_NOT_ALLOWED) => {
            StoreError::NotFound
        }
        other => of_name(other, key, version),
    }
}

/// What the refusal of a key or a version means: a version id that S3 cannot read, or a key that it
/// cannot hold, is one that is not there. MinIO says the latter in many ways, to a HEAD without a code.
pub(super) fn of_name(
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
fn never_sent(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(cause) if cause.to_string().starts_with(CONNECT))
}

/// Whether S3 answered that it does not do now what was asked. A write that went in all the same is
/// known by its nonce.
fn is_put_off(error: &StoreError) -> bool {
    match error {
        // With a code: what stands before S3 does not know what S3 did.
        StoreError::Unavailable(cause) => {
            let text = cause.to_string();
            text.strip_prefix(SAYS)
                .is_some_and(|said| said.contains(' '))
        }
        StoreError::Conflict(cause) => cause.to_string().contains(REQUEST_CONFLICT),
        _ => false,
    }
}

/// Whether a write that would meet itself may be sent again, where a nonce tells it.
pub(super) fn may_repeat(error: &StoreError) -> bool {
    never_sent(error) || is_put_off(error)
}

/// Whether what nothing tells, once it is done twice, may be sent again: not after an InternalError,
/// which says nothing of what was done.
pub(super) fn did_nothing(error: &StoreError) -> bool {
    may_repeat(error) && !error.to_string().contains(INTERNAL_ERROR)
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
            StoreError::Unavailable(_)
        ));
        assert!(matches!(
            of(403, "InvalidObjectState"),
            StoreError::Archived
        ));
        assert!(matches!(of(403, "AccessDenied"), StoreError::Refused(_)));
        assert!(is_of_credentials(&of(400, "ExpiredToken")));
        assert!(is_of_credentials(&of(403, "InvalidAccessKeyId")));
        assert!(!is_of_credentials(&of(403, "AccessDenied")));
        assert!(matches!(of(404, "NoSuchKey"), StoreError::NotFound));
        for bare in [&b""[..], b"<html>", b"default backend - 404"] {
            let error = of_answer(404, bare);
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            assert!(matches!(of_answer(405, bare), StoreError::Refused(_)));
        }
        assert!(matches!(
            of_answer(503, b"<html>"),
            StoreError::Unavailable(_)
        ));
    }
}
