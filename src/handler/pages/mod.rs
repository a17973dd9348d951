//! Pages that are made here for browsers without script: the list of files, and what a form has
//! stored. They run nothing at all. Who is shown one is for `wanted` to say, how a key, a size or a
//! time is written in one `html`'s; what is in the list is `handler::files`' business.

mod html;
mod wanted;

use std::fmt::Write as _;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::body::Body;
use crate::store::{ListPage, ListQuery};
use html::{push_escaped, push_folder, push_link, push_page, push_size, push_time};
pub(super) use wanted::wanted;

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
}
