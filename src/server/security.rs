//! The headers with which every answer tells browsers to keep what it is from doing harm. Answers
//! that need other values, as the page does, have set them already.

use hyper::HeaderMap;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

static CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Whatever it is, it loads nothing, runs nothing, sends nothing, and has no origin.
static NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'self'");
static SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
static NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// Adds what is not there.
pub(super) fn add_to(headers: &mut HeaderMap) {
    // One growth for all of them.
    headers.reserve(8);
    let mut add = |name: &HeaderName, value: &HeaderValue| {
        headers.entry(name).or_insert_with(|| value.clone());
    };
    add(&X_CONTENT_TYPE_OPTIONS, &NOSNIFF);
    add(&CONTENT_SECURITY_POLICY, &NOTHING);
    // No other site shows it, or reads it by way of what a processor leaks; CORS is not touched.
    add(&CORP, &SAME_ORIGIN);
    add(&REFERRER_POLICY, &NO_REFERRER);
}
