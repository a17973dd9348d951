//! Keys, links, sizes and times as the pages write them: nothing that a key says is taken for HTML.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::store::{ListQuery, is_folded};

/// What `encodeURIComponent` leaves alone stays; so do slashes, unless the key goes in a query.
const IN_PATH: &AsciiSet = &IN_QUERY.remove(b'/');
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'!')
    .remove(b'*');

/// The link to an object. A browser folds `.` and `..` out of a path, proxies merge `//`: keys
/// with such segments go in the query.
pub(super) fn push_link(to: &mut String, key: &str) {
    let (route, set) = if key.split('/').any(is_folded) {
        ("files?key=", IN_QUERY)
    } else {
        ("files/", IN_PATH)
    };
    to.push_str(route);
    to.extend(utf8_percent_encode(key, set));
}

pub(super) fn push_folder(to: &mut String, prefix: &str, name: &str) {
    to.push_str("<a href=\"files?prefix=");
    to.extend(utf8_percent_encode(prefix, IN_QUERY));
    to.push_str("\"><bdi>");
    push_escaped(to, if name.is_empty() { "(no name)" } else { name });
    to.push_str("</bdi></a>");
}

/// A link to another page of the same list.
pub(super) fn push_page(to: &mut String, query: &ListQuery, cursor: Option<&str>, label: &str) {
    to.push_str("<a class=\"button\" href=\"files?prefix=");
    to.extend(utf8_percent_encode(&query.prefix, IN_QUERY));
    let delimiter = query.delimiter.as_deref().unwrap_or_default();
    to.push_str("&amp;delimiter=");
    to.extend(utf8_percent_encode(delimiter, IN_QUERY));
    let _ = write!(to, "&amp;limit={}", query.limit);
    if let Some(cursor) = cursor {
        to.push_str("&amp;cursor=");
        to.extend(utf8_percent_encode(cursor, IN_QUERY));
    }
    let _ = write!(to, "\">{label}</a> ");
}

/// Text as HTML. What would turn the text after it around shows as what it is: a character that
/// is none.
pub(super) fn push_escaped(to: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => to.push('\u{fffd}'),
            other if other.is_control() => to.push('\u{fffd}'),
            other => to.push(other),
        }
    }
}

/// The server knows neither the reader's zone nor their language.
pub(super) fn push_time(to: &mut String, time: DateTime<Utc>) {
    let text = time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    // 2026-11-25T16:47:04Z
    let (day, clock) = (
        text.get(..10).unwrap_or(&text),
        text.get(11..16).unwrap_or_default(),
    );
    // Writing to a String cannot fail.
    let _ = write!(to, "<time datetime=\"{text}\">{day} {clock} UTC</time>");
}

/// `812 bytes`, `1.4 MB`: powers of 1,000, rounded down, as file managers and the page show them.
pub(super) fn push_size(to: &mut String, bytes: u64) {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let mut unit = 1;
    let mut name = "bytes";
    for larger in UNITS {
        if bytes / unit < 1000 {
            break;
        }
        unit *= 1000;
        name = larger;
    }
    // Writing to a String cannot fail.
    let _ = match (bytes / unit, bytes % unit / (unit / 10).max(1)) {
        (1, _) if unit == 1 => write!(to, "1 byte"),
        (whole, 0) => write!(to, "{whole} {name}"),
        (whole, tenth) => write!(to, "{whole}.{tenth} {name}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_in_a_file_manager() {
        for (bytes, wanted) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1 MB"),
            (5_497_558_138_880, "5.4 TB"),
            (u64::MAX, "18.4 EB"),
        ] {
            let mut text = String::new();
            push_size(&mut text, bytes);
            assert_eq!(text, wanted);
        }
    }

    #[test]
    fn a_text_that_turns_around_or_ends_the_line_is_shown_for_what_it_is() {
        let mut shown = String::new();
        push_escaped(&mut shown, "in\u{202e}gpj.exe\r\n");
        assert_eq!(shown, "in\u{fffd}gpj.exe\u{fffd}\u{fffd}");
    }
}
