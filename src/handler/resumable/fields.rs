//! Values of header fields: items of structured fields (RFC 9651) for the IETF protocol, decimal
//! numbers for tus, and the file name of a Content-Disposition (RFC 6266).

use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

/// The field's one value, trimmed; None where it is missing, given twice or no text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// The item without its parameters: there are none that mean anything here.
fn item<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let text = text(headers, name)?;
    let (item, parameters) = match text.find(';') {
        Some(at) => text.split_at_checked(at)?,
        None => (text, ""),
    };
    let plain = parameters.split(';').skip(1).all(|parameter| {
        parameter
            .trim_start()
            .starts_with(|c: char| c.is_ascii_lowercase() || c == '*')
    });
    plain.then_some(item)
}

/// A Boolean (RFC 9651 section 3.3.6). Whatever is none is as good as missing.
pub(super) fn boolean(headers: &HeaderMap, name: &str) -> Option<bool> {
    match item(headers, name)? {
        "?1" => Some(true),
        "?0" => Some(false),
        _ => None,
    }
}

/// An Integer that is not negative (RFC 9651 section 3.3.1): at most 15 digits.
pub(super) fn integer(headers: &HeaderMap, name: &str) -> Option<u64> {
    let item = item(headers, name)?;
    digits(item).filter(|_| item.len() <= 15)
}

/// A decimal number as tus has it.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    digits(text(headers, name)?)
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// The file name that a Content-Disposition gives: `filename*` where it has one, else `filename`.
pub(super) fn file_name(disposition: &str) -> Option<String> {
    let mut plain = None;
    let mut extended = None;
    for parameter in parameters(disposition) {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "filename" => plain = Some(unquote(value)),
            "filename*" => extended = extended_value(value),
            _ => {}
        }
    }
    extended.or(plain)
}

/// What stands between semicolons that are in no quoted string, without the first, the type.
fn parameters(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                found.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    found.extend(text.get(start..));
    found.remove(0);
    found
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

/// RFC 8187 section 3.2.1: charset, language, percent-encoded text.
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, text) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| {
                (
                    HeaderName::from_static("x"),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn booleans_and_integers_are_read_and_anything_else_is_as_good_as_missing() {
        for (text, want) in [
            ("?1", Some(true)),
            ("?0", Some(false)),
            (" ?1 ", Some(true)),
            ("?1;a=b", Some(true)),
            ("?1; a", Some(true)),
            ("1", None),
            ("true", None),
            ("?2", None),
            ("?1?", None),
            ("?1, ?1", None),
            ("?1;=", None),
        ] {
            assert_eq!(boolean(&headers(&[text]), "x"), want, "{text}");
        }
        for (text, want) in [
            ("0", Some(0)),
            ("42;q=1", Some(42)),
            ("999999999999999", Some(999_999_999_999_999)),
            ("1000000000000000", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("", None),
        ] {
            assert_eq!(integer(&headers(&[text]), "x"), want, "{text}");
        }
        assert_eq!(boolean(&headers(&["?1", "?1"]), "x"), None);
        assert_eq!(number(&headers(&["18446744073709551616"]), "x"), None);
    }

    #[test]
    fn a_disposition_gives_its_file_name() {
        for (text, want) in [
            ("inline; filename=\"a b.txt\"", Some("a b.txt")),
            ("attachment; filename=a.txt; x=y", Some("a.txt")),
            (
                "inline; filename=\"x.txt\"; filename*=UTF-8''na%C3%AFve.txt",
                Some("naïve.txt"),
            ),
            ("inline; filename*=latin1''%E4; filename=b", Some("b")),
            ("inline; filename=\"a;\\\"b\"", Some("a;\"b")),
            ("inline", None),
            ("", None),
        ] {
            assert_eq!(file_name(text).as_deref(), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_breaks_the_parsers(text in "[ -~]{0,60}") {
            let headers = headers(&[&text]);
            let _ = boolean(&headers, "x");
            let _ = number(&headers, "x");
            let _ = file_name(&text);
            if let Some(read) = integer(&headers, "x") {
                prop_assert!(text.contains(&read.to_string()));
            }
        }

        #[test]
        fn every_integer_reads_back(value in 0_u64..1_000_000_000_000_000) {
            prop_assert_eq!(integer(&headers(&[&value.to_string()]), "x"), Some(value));
        }
    }
}
