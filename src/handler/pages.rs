//! Pages that are made here for browsers without script: the list of files, and what a form has
//! stored. They run nothing at all. What is in the list is `handler::files`' business.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::weight::weight;
use crate::body::Body;
use crate::store::{ListPage, ListQuery, is_folded};

// `const NAME_HTML: &str` for each template.
include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// All of them, for the tests.
#[cfg(test)]
pub(super) const TEMPLATES: [&str; 2] = [CONFIRMATION_HTML, LISTING_HTML];

/// The page of this server shows the list in a frame.
static POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; \
     frame-ancestors 'self'",
);

/// Whether a client would rather be shown something than be told it as JSON: a browser that goes
/// somewhere would, a script or curl would not (RFC 9110 section 12.5.1).
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter();
    let ranges: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let html = quality(&ranges, &["text/html", "text/*", "*/*"]);
    let json = quality(&ranges, &["application/json", "application/*", "*/*"]);
    html > json
}

/// The weight, in thousandths, of the first of these media ranges that is among `ranges`; 0 without
/// any. A weight that cannot be read is as good as missing.
fn quality(ranges: &[&str], from_special_to_general: &[&str]) -> u16 {
    let of = |wanted: &&str| {
        ranges.iter().find_map(|range| {
            let mut pieces = range.split(';');
            let is_it = pieces.next()?.trim().eq_ignore_ascii_case(wanted);
            let given = pieces.find_map(|piece| weight(piece.as_bytes()));
            is_it.then_some(given.unwrap_or(1000))
        })
    };
    from_special_to_general.iter().find_map(of).unwrap_or(0)
}

/// What `POST /upload` has stored (key, size in bytes): 201, with a link to each. Its links are
/// relative to the folder that `/upload` is in, as those of the list.
pub(super) fn confirmation(files: &[(String, u64)]) -> Response<Body> {
    let mut rows = String::with_capacity(192 * files.len());
    for (key, size) in files {
        rows.push_str("<li><a href=\"");
        push_link(&mut rows, key);
        rows.push_str("\" download><bdi>");
        push_escaped(&mut rows, key);
        rows.push_str("</bdi></a> <span>");
        push_size(&mut rows, *size);
        rows.push_str("</span></li>\n");
    }
    let count = match files.len() {
        1 => "1 file is stored".to_owned(),
        n => format!("{n} files are stored"),
    };
    answer(
        StatusCode::CREATED,
        fill(
            CONFIRMATION_HTML,
            &[("{count}", &count), ("{files}", &rows)],
        ),
    )
}

/// One page of a list, the answer to `query`.
pub(super) fn listing(query: &ListQuery, page: &ListPage) -> Response<Body> {
    let prefix = query.prefix.as_str();
    // What follows the last slash is no folder, but what the names begin with.
    let folder = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
    let mut crumbs = String::from("<li><a href=\"files\">All files</a></li>");
    for (at, _) in folder.match_indices('/') {
        let name = folder[..at].rsplit('/').next().unwrap_or_default();
        crumbs.push_str("<li>");
        push_folder(&mut crumbs, &folder[..=at], name);
        crumbs.push_str("</li>");
    }

    let mut rows = String::with_capacity(320 * (page.objects.len() + page.prefixes.len()));
    for key in &page.prefixes {
        rows.push_str("<tr><td>");
        push_folder(&mut rows, key, key.strip_prefix(folder).unwrap_or(key));
        rows.push_str("</td><td></td><td></td></tr>\n");
    }
    for object in &page.objects {
        rows.push_str("<tr><td><a href=\"");
        push_link(&mut rows, &object.key);
        rows.push_str("\" download><bdi>");
        push_escaped(
            &mut rows,
            object.key.strip_prefix(folder).unwrap_or(&object.key),
        );
        rows.push_str("</bdi></a></td><td class=\"size\">");
        push_size(&mut rows, object.size);
        rows.push_str("</td><td class=\"date\">");
        push_time(&mut rows, object.last_modified);
        rows.push_str("</td></tr>\n");
    }

    let mut more = String::new();
    if page.objects.is_empty() && page.prefixes.is_empty() {
        let what = if page.next_cursor.is_some() {
            "Go on to the next page."
        } else {
            "Nothing is here."
        };
        let _ = write!(more, "<p class=\"note\">{what}</p>");
    }
    more.push_str("<p class=\"pages\">");
    if query.cursor.is_some() {
        push_page(&mut more, query, None, "First page");
    }
    if let Some(cursor) = &page.next_cursor {
        push_page(&mut more, query, Some(cursor), "Next page");
    }
    more.push_str("</p>");
    answer(
        StatusCode::OK,
        fill(
            LISTING_HTML,
            &[("{crumbs}", &crumbs), ("{rows}", &rows), ("{more}", &more)],
        ),
    )
}

/// The template with each of the values in its place, in the order of the places: nothing that a
/// value says is taken for one.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page =
        String::with_capacity(template.len() + values.iter().map(|(_, v)| v.len()).sum::<usize>());
    let mut rest = template;
    for (place, value) in values {
        if let Some((before, after)) = rest.split_once(place) {
            page.push_str(before);
            page.push_str(value);
            rest = after;
        }
    }
    page.push_str(rest);
    page
}

fn answer(status: StatusCode, page: String) -> Response<Body> {
    let mut answer = Response::new(Body::full(page));
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

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
fn push_link(to: &mut String, key: &str) {
    let (route, set) = if key.split('/').any(is_folded) {
        ("files?key=", IN_QUERY)
    } else {
        ("files/", IN_PATH)
    };
    to.push_str(route);
    to.extend(utf8_percent_encode(key, set));
}

fn push_folder(to: &mut String, prefix: &str, name: &str) {
    to.push_str("<a href=\"files?prefix=");
    to.extend(utf8_percent_encode(prefix, IN_QUERY));
    to.push_str("\"><bdi>");
    push_escaped(to, if name.is_empty() { "(no name)" } else { name });
    to.push_str("</bdi></a>");
}

/// A link to another page of the same list.
fn push_page(to: &mut String, query: &ListQuery, cursor: Option<&str>, label: &str) {
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
fn push_escaped(to: &mut String, text: &str) {
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
fn push_time(to: &mut String, time: DateTime<Utc>) {
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
fn push_size(to: &mut String, bytes: u64) {
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

    fn text(answer: &Response<Body>) -> String {
        match answer.body() {
            Body::Full(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }

    #[test]
    fn the_confirmation_escapes_names_and_links_to_each_file() {
        let files = [
            ("a b/<i>\"x\"&'y'{files}{count}.txt".to_owned(), 1),
            ("../up".to_owned(), 1_449_999),
            ("naïve?#+%".to_owned(), 2_000),
        ];
        let answer = confirmation(&files);
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert!(
            answer.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'")
        );
        let page = text(&answer);
        for wanted in [
            "3 files are stored",
            "files/a%20b/%3Ci%3E%22x%22%26%27y%27%7Bfiles%7D%7Bcount%7D.txt\"",
            "a b/&lt;i&gt;&quot;x&quot;&amp;&#39;y&#39;{files}{count}.txt<",
            "1 byte<",
            "files?key=..%2Fup\"",
            "1.4 MB<",
            "files/na%C3%AFve%3F%23%2B%25\"",
            "2 kB<",
            "href=\"./\"",
        ] {
            assert!(page.contains(wanted), "{wanted}\n{page}");
        }
        assert!(!page.contains("<i>"));
        assert!(text(&confirmation(&files[..1])).contains("1 file is stored"));
    }

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
    fn only_who_asks_for_html_is_shown_a_page() {
        for (accept, html) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("text/html;q=0.5", true),
            ("Text/HTML", true),
            ("text/*", true),
            ("application/json, text/html;q=0.1", false),
            ("application/json;q=0.5, text/html;Q=0.9", true),
            ("text/html, application/*", false),
            ("text/html;q=0", false),
            ("*/*", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wanted(&headers), html, "{accept}");
        }
        assert!(!wanted(&HeaderMap::new()));
    }

    #[test]
    fn a_text_that_turns_around_or_ends_the_line_is_shown_for_what_it_is() {
        let mut shown = String::new();
        push_escaped(&mut shown, "in\u{202e}gpj.exe\r\n");
        assert_eq!(shown, "in\u{fffd}gpj.exe\u{fffd}\u{fffd}");
    }
}
