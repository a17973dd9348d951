//! Conditional requests (RFC 9110 section 13) and ranges (section 14): what the headers ask for,
//! judged against an object. Reads and writes differ; both are here.

use hyper::HeaderMap;
use hyper::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

use crate::error::Error;
use crate::store::{Condition, ObjectMeta, RangeSpec};

/// What a conditional GET or HEAD gets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The object.
    Send,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// Whether a GET must know the object before it may ask for its bytes.
pub(super) fn is_conditional(headers: &HeaderMap) -> bool {
    [
        IF_MATCH,
        IF_NONE_MATCH,
        IF_MODIFIED_SINCE,
        IF_UNMODIFIED_SINCE,
        IF_RANGE,
    ]
    .iter()
    .any(|name| headers.contains_key(name))
}

/// Judges a read, in the order of RFC 9110 section 13.2.2.
pub(super) fn judge(headers: &HeaderMap, meta: &ObjectMeta) -> Verdict {
    let modified = meta.last_modified.timestamp();
    if headers.contains_key(IF_MATCH) {
        if !matches_any(headers, &IF_MATCH, &meta.etag, false) {
            return Verdict::Failed;
        }
    } else if let Some(since) = date(headers, &IF_UNMODIFIED_SINCE)
        && modified > since
    {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if matches_any(headers, &IF_NONE_MATCH, &meta.etag, true) {
            return Verdict::NotModified;
        }
    } else if let Some(since) = date(headers, &IF_MODIFIED_SINCE)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    Verdict::Send
}

/// The range asked for. None when there is none, when it is no single range of bytes that makes
/// sense (RFC 9110 section 14.2 lets those be ignored), or when `If-Range` names another object.
pub(super) fn range(headers: &HeaderMap, meta: Option<&ObjectMeta>) -> Option<RangeSpec> {
    let spec = parse_range(single(headers, &RANGE)?)?;
    if let Some(condition) = single(headers, &IF_RANGE) {
        let meta = meta?;
        // Strong comparison only. A date never is: two versions may share a second.
        if condition != format!("\"{}\"", meta.etag) {
            return None;
        }
    }
    Some(spec)
}

/// `bytes=a-b`, `bytes=a-` or `bytes=-n`; one range only.
fn parse_range(text: &str) -> Option<RangeSpec> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // What no u64 holds lies beyond the end of every object.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (first.trim(), last.trim()) {
        ("", count) => number(count).map(RangeSpec::Last),
        (start, "") => number(start).map(RangeSpec::From),
        (start, end) => {
            let (start, end) = (number(start)?, number(end)?);
            (start <= end).then_some(RangeSpec::Between(start, end))
        }
    }
}

/// The condition of a write: `If-None-Match: *` or `If-Match` with one strong etag.
///
/// Fails with `invalid_condition` for anything else, because a condition that is ignored
/// overwrites what it was meant to protect.
pub(super) fn of_write(headers: &HeaderMap) -> Result<Condition, Error> {
    let invalid = |detail| Err(Error::invalid("invalid_condition", detail));
    // If-Modified-Since means nothing here, and RFC 9110 section 13.1.3 wants it ignored.
    if headers.contains_key(IF_UNMODIFIED_SINCE) {
        return invalid("A write takes If-None-Match and If-Match, no dates.");
    }
    match (all(headers, &IF_NONE_MATCH), all(headers, &IF_MATCH)) {
        (None, None) => Ok(Condition::None),
        (Some(value), None) if value == "*" => Ok(Condition::IfAbsent),
        (Some(_), None) => invalid("A write takes If-None-Match only as '*'."),
        (None, Some(value)) => match value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) {
            // Without obs-text (RFC 9110 section 8.8.3), which no store's etags have, and of one line.
            Some(etag)
                if !etag.is_empty() && etag.bytes().all(|b| b != b'"' && b.is_ascii_graphic()) =>
            {
                Ok(Condition::IfMatch(etag.to_owned()))
            }
            _ => invalid("A write takes If-Match with one etag in quotes."),
        },
        (Some(_), Some(_)) => invalid("If-None-Match and If-Match exclude each other."),
    }
}

/// Refuses a delete that hangs on a condition: S3 cannot be asked to delete only if, and a
/// condition that is ignored destroys what it was meant to protect.
pub(super) fn none_for_delete(headers: &HeaderMap) -> Result<(), Error> {
    for name in [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE] {
        if headers.contains_key(name) {
            let detail = "A DELETE takes no conditions.";
            return Err(Error::invalid("invalid_condition", detail));
        }
    }
    Ok(())
}

/// The header's value where it is there once and is text.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// All values of the header as one list; text that is none becomes one that nothing matches.
fn all(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.contains_key(name).then(|| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap_or("\u{fffd}").trim())
            .collect();
        values.join(", ")
    })
}

fn matches_any(headers: &HeaderMap, name: &HeaderName, etag: &str, weak: bool) -> bool {
    let list = all(headers, name).unwrap_or_default();
    list.split(',').map(str::trim).any(|tag| {
        let tag = if weak {
            tag.strip_prefix("W/").unwrap_or(tag)
        } else {
            tag
        };
        tag == "*" || tag.strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(etag)
    })
}

/// Seconds since 1970; None for what is no date, which RFC 9110 wants ignored.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<i64> {
    let time = httpdate::parse_http_date(single(headers, name)?).ok()?;
    let seconds = time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::properties::meta;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    #[test]
    fn reads_are_judged_in_the_order_of_the_rfc() {
        for (pairs, want) in [
            (vec![(IF_NONE_MATCH, "\"abc\"")], Verdict::NotModified),
            (
                vec![(IF_NONE_MATCH, "\"x\", W/\"abc\"")],
                Verdict::NotModified,
            ),
            (vec![(IF_NONE_MATCH, "*")], Verdict::NotModified),
            (
                vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, AT)],
                Verdict::Send,
            ),
            (vec![(IF_MODIFIED_SINCE, AT)], Verdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Verdict::Send),
            (vec![(IF_MODIFIED_SINCE, "nonsense")], Verdict::Send),
            (vec![(IF_MATCH, "\"x\"")], Verdict::Failed),
            (vec![(IF_MATCH, "W/\"abc\"")], Verdict::Failed),
            (
                vec![(IF_MATCH, "\"abc\""), (IF_UNMODIFIED_SINCE, BEFORE)],
                Verdict::Send,
            ),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Failed),
        ] {
            assert_eq!(judge(&headers(&pairs), &meta()), want, "{pairs:?}");
        }
    }

    #[test]
    fn a_range_is_one_range_of_bytes_or_none() {
        for (text, want) in [
            ("bytes=0-", Some(RangeSpec::From(0))),
            ("bytes=1-2", Some(RangeSpec::Between(1, 2))),
            ("Bytes = 1 - 2", Some(RangeSpec::Between(1, 2))),
            ("bytes=-5", Some(RangeSpec::Last(5))),
            (
                "bytes=99999999999999999999999-",
                Some(RangeSpec::From(u64::MAX)),
            ),
            ("bytes=2-1", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=0-1", None),
            ("bytes", None),
        ] {
            assert_eq!(range(&headers(&[(RANGE, text)]), None), want, "{text}");
        }
    }

    #[test]
    fn if_range_gives_the_whole_when_the_object_has_changed() {
        for (text, whole) in [
            ("\"abc\"", false),
            (AT, true),
            ("\"x\"", true),
            ("W/\"abc\"", true),
            (BEFORE, true),
        ] {
            let headers = headers(&[(RANGE, "bytes=0-1"), (IF_RANGE, text)]);
            assert_eq!(range(&headers, Some(&meta())).is_none(), whole, "{text}");
        }
    }

    #[test]
    fn a_write_takes_two_conditions_and_refuses_what_it_would_ignore() {
        assert_eq!(of_write(&headers(&[])).unwrap(), Condition::None);
        assert_eq!(
            of_write(&headers(&[(IF_NONE_MATCH, "*")])).unwrap(),
            Condition::IfAbsent
        );
        assert_eq!(
            of_write(&headers(&[(IF_MATCH, "\"e\"")])).unwrap(),
            Condition::IfMatch("e".into())
        );
        for pairs in [
            vec![(IF_NONE_MATCH, "\"e\"")],
            vec![(IF_MATCH, "*")],
            vec![(IF_MATCH, "\"a\", \"b\"")],
            vec![(IF_MATCH, "W/\"a\"")],
            vec![(IF_MATCH, "\"a"), (IF_MATCH, "b\"")],
            vec![(IF_MATCH, "\"a\""), (IF_NONE_MATCH, "*")],
            vec![(IF_UNMODIFIED_SINCE, AT)],
        ] {
            assert!(of_write(&headers(&pairs)).is_err(), "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_parsers(text in "[ -~]{0,40}") {
            let headers = headers(&[(RANGE, &text), (IF_RANGE, &text), (IF_MATCH, &text), (IF_NONE_MATCH, &text), (IF_MODIFIED_SINCE, &text)]);
            let _ = range(&headers, Some(&meta()));
            let _ = judge(&headers, &meta());
            let _ = of_write(&headers);
        }
    }
}
