//! Which status each failure has, and what its answer tells and hides.

use hyper::header::{CONTENT_RANGE, RETRY_AFTER};

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
        (Error::Unauthorized { challenge: "Basic" }, 401),
        (Error::TooManyRequests { retry_after: 1 }, 429),
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
