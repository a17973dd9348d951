//! What a request of a resumable upload must satisfy, in either protocol, before its bytes are taken.

use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;

use super::super::conditions;
use crate::access::{Right, Who};
use crate::error::Error;
use crate::store::Condition;
use crate::upload::resume::Open;

/// Whether the object is to be made only where there is none: with `If-None-Match: *`, and for who
/// may not replace what is there. Refuses what would be ignored: the object is stored when the last
/// request ends, and neither another condition nor a digest of the whole is kept until then.
pub(super) fn check_creation(headers: &HeaderMap, who: &Who) -> Result<bool, Error> {
    check_digest(headers)?;
    match conditions::of_write(headers)? {
        Condition::None => Ok(!who.has(Right::Delete)),
        Condition::IfAbsent => Ok(true),
        Condition::IfMatch(_) => Err(Error::invalid(
            "invalid_condition",
            "The only condition that a resumable upload takes is If-None-Match: *.",
        )),
    }
}

/// Whether somebody may still bring this upload to its end: one that replaces what is there is for
/// who may do that.
pub(super) fn check_replacing(open: &Open, who: &Who) -> Result<(), Error> {
    if open.state().if_absent() {
        return Ok(());
    }
    who.need(&[Right::Delete])
}

pub(super) fn check_digest(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key("repr-digest") {
        return Err(Error::invalid(
            "digest_unsupported",
            "A digest of the whole cannot be checked over several requests.",
        ));
    }
    Ok(())
}

/// A request's media type must be this one; types know no case (RFC 9110 section 8.3.1).
pub(super) fn check_type(headers: &HeaderMap, want: &'static str) -> Result<(), Error> {
    match headers.get(CONTENT_TYPE) {
        Some(value) if value.as_bytes().eq_ignore_ascii_case(want.as_bytes()) => Ok(()),
        _ => Err(Error::UnsupportedMediaType { want }),
    }
}

/// Whether this is the offset at which the upload goes on.
pub(super) fn check_offset(expected: u64, provided: u64) -> Result<(), Error> {
    if expected == provided {
        return Ok(());
    }
    Err(Error::OffsetMismatch { expected, provided })
}
