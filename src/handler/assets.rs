//! The page and what belongs to it, embedded at compile time (`build.rs`): nothing is read or
//! compressed while the program runs. Which path is an asset's is for [`find`] to say, which
//! request gets here is the router's business. Pages that are made anew each time are
//! `handler::pages`'.
//!
//! The names of all assets but the page hold a hash of their content, so they may be cached for
//! ever; the page is asked for each time, and answered with 304 while it is the same.

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use super::weight::weight;
use crate::body::Body;

// `static ASSETS: [Asset; N]`.
include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// A file of the page.
#[derive(Debug)]
pub struct Asset {
    /// Its path below `BASE_PATH`, with the hash: `app.0123456789abcdef.js`.
    name: &'static str,
    content_type: HeaderValue,
    /// Whether the name changes with the content.
    immutable: bool,
    identity: Coded,
    /// Only where smaller than `identity`, as `gzip`.
    br: Option<Coded>,
    gzip: Option<Coded>,
}

/// An asset in one content coding.
#[derive(Debug)]
struct Coded {
    bytes: Bytes,
    length: HeaderValue,
    /// Strong, so another one for each coding (RFC 9110 section 8.8.3.3).
    etag: HeaderValue,
}

// Values are checked when they are made: made here, that is at compile time.
static BR: HeaderValue = HeaderValue::from_static("br");
static GZIP: HeaderValue = HeaderValue::from_static("gzip");
static BY_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
static FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
static ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
// Not none at all: over plain HTTP a form of the page would then say `Origin: null`.
static SAME_ORIGIN_REFERRER: HeaderValue = HeaderValue::from_static("same-origin");
static SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
static CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
static POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
     frame-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// The page's ten headers, and room for what the connection adds, in one allocation.
const HEADERS: usize = 16;

/// What tells of the API (`www/openapi.json`), by its name.
const DESCRIPTION: &str = "openapi.json";

/// The asset at this path below `BASE_PATH` (`""` or `index.html` is the page).
#[must_use]
pub fn find(path: &str) -> Option<&'static Asset> {
    let name = if path.is_empty() { "index.html" } else { path };
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Answers GET, and HEAD where `head_only`: in the coding that `Accept-Encoding` asks for, and
/// with 304 where `If-None-Match` has the tag of that coding.
#[must_use]
pub fn respond(asset: &'static Asset, headers: &HeaderMap, head_only: bool) -> Response<Body> {
    let (coded, coding) = asset.pick(&Accepted::of(headers));

    let mut answer = Response::new(Body::Empty);
    let mut fields = HeaderMap::with_capacity(HEADERS);
    fields.insert(ETAG, coded.etag.clone());
    fields.insert(VARY, BY_ENCODING.clone());
    if asset.immutable {
        fields.insert(CACHE_CONTROL, FOR_EVER.clone());
        fields.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
    } else {
        // With a 304 too: a cache then takes over a policy that changed while the page did not.
        fields.insert(CACHE_CONTROL, ASK_FIRST.clone());
        protect(&mut fields);
    }
    if names(headers, coded.etag.as_bytes()) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        fields.insert(CONTENT_TYPE, asset.content_type.clone());
        fields.insert(CONTENT_LENGTH, coded.length.clone());
        if let Some(coding) = coding {
            fields.insert(CONTENT_ENCODING, coding.clone());
        }
        if !head_only {
            *answer.body_mut() = Body::Full(coded.bytes.clone());
        }
    }
    *answer.headers_mut() = fields;
    answer
}

/// What the page carries: it runs our script and nobody else's, and no other site
/// can frame it, open it or learn its address.
fn protect(fields: &mut HeaderMap) {
    fields.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    fields.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
    fields.insert(REFERRER_POLICY, SAME_ORIGIN_REFERRER.clone());
    fields.insert(CROSS_ORIGIN_OPENER_POLICY.clone(), SAME_ORIGIN.clone());
}

impl Asset {
    /// The path that logs and the API's description have for it: one for all that makes up the page.
    #[must_use]
    pub fn route(&self) -> &'static str {
        if self.name == DESCRIPTION {
            "/openapi.json"
        } else {
            "/"
        }
    }

    /// The best representation and its `Content-Encoding`. At equal weights the smallest wins. A
    /// client that refuses all of them gets identity: RFC 9110 section 12.5.3 allows that, and it is
    /// of more use than 406.
    fn pick(&self, accepted: &Accepted) -> (&Coded, Option<&'static HeaderValue>) {
        let identity = accepted.identity.unwrap_or(0);
        let br = self
            .br
            .as_ref()
            .filter(|_| accepted.br > 0 && accepted.br >= identity);
        let gzip = self
            .gzip
            .as_ref()
            .filter(|_| accepted.gzip > 0 && accepted.gzip >= identity);
        match (br, gzip) {
            (Some(br), None) => (br, Some(&BR)),
            (Some(br), Some(_)) if accepted.br >= accepted.gzip => (br, Some(&BR)),
            (_, Some(gzip)) => (gzip, Some(&GZIP)),
            (None, None) => (&self.identity, None),
        }
    }
}

/// The weights of `Accept-Encoding` in thousandths; 0 is "not acceptable".
#[derive(Debug, Default, PartialEq, Eq)]
struct Accepted {
    br: u16,
    gzip: u16,
    /// `None`: not spoken of, so acceptable where nothing better is.
    identity: Option<u16>,
}

impl Accepted {
    /// Reads `Accept-Encoding` (RFC 9110 section 12.5.3). An element that is malformed counts as
    /// absent; without the header nothing but identity is sent.
    fn of(headers: &HeaderMap) -> Self {
        let (mut br, mut gzip, mut identity, mut any) = (None, None, None, None);
        for value in headers.get_all(ACCEPT_ENCODING) {
            for element in value.as_bytes().split(|byte| *byte == b',') {
                let mut fields = element.splitn(2, |byte| *byte == b';');
                let coding = fields.next().unwrap_or_default().trim_ascii();
                let Some(weight) = fields.next().map_or(Some(1000), weight) else {
                    continue;
                };
                if coding.eq_ignore_ascii_case(b"br") {
                    br = Some(weight);
                } else if coding.eq_ignore_ascii_case(b"gzip")
                    || coding.eq_ignore_ascii_case(b"x-gzip")
                {
                    gzip = Some(weight);
                } else if coding.eq_ignore_ascii_case(b"identity") {
                    identity = Some(weight);
                } else if coding == b"*" {
                    any = Some(weight);
                }
            }
        }
        Self {
            br: br.or(any).unwrap_or(0),
            gzip: gzip.or(any).unwrap_or(0),
            identity: identity.or(any),
        }
    }
}

/// Whether `If-None-Match` names this tag, by weak comparison (RFC 9110 section 13.1.2).
fn names(headers: &HeaderMap, etag: &[u8]) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let mut rest = value.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        // A tag may have commas in it, so this goes from quote to quote.
        loop {
            let start = rest.iter().position(|b| !matches!(b, b',' | b' ' | b'\t'));
            rest = &rest[start.unwrap_or(rest.len())..];
            rest = rest.strip_prefix(b"W/").unwrap_or(rest);
            if rest.first() != Some(&b'"') {
                return false;
            }
            let Some(end) = rest[1..].iter().position(|b| *b == b'"') else {
                return false;
            };
            let (tag, after) = rest.split_at(end + 2);
            if tag == etag {
                return true;
            }
            rest = after;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::pages::TEMPLATES;
    use super::*;

    fn asked(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    fn encodings(value: &'static str) -> HeaderMap {
        asked(&[(ACCEPT_ENCODING, value)])
    }

    fn page() -> &'static Asset {
        find("").unwrap_or(&ASSETS[0])
    }

    fn field<'a>(answer: &'a Response<Body>, name: &HeaderName) -> &'a str {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    fn bytes(answer: &Response<Body>) -> &[u8] {
        match answer.body() {
            Body::Full(bytes) => bytes,
            _ => b"",
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// The values of `href`, `src`, and of imports.
    fn references(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for (before, end) in [
            ("href=\"", '"'),
            ("src=\"", '"'),
            ("from './", '\''),
            ("import './", '\''),
            ("url(\"", '"'),
        ] {
            found.extend(
                text.split(before)
                    .skip(1)
                    .filter_map(|after| after.split(end).next()),
            );
        }
        found
    }

    #[test]
    fn the_page_is_found_by_both_its_names_and_the_rest_by_hashed_names_only() {
        assert_eq!(find("").map(|a| a.name), Some("index.html"));
        assert_eq!(find("index.html").map(|a| a.name), Some("index.html"));
        for missing in [
            "app.js",
            "style.css",
            "confirmation.html",
            "listing.html",
            "/",
            "../index.html",
            "INDEX.HTML",
        ] {
            assert!(find(missing).is_none(), "{missing}");
        }
        for asset in &ASSETS {
            assert!(
                std::ptr::eq(asset, find(asset.name).unwrap_or(page())),
                "{}",
                asset.name
            );
            let is_named = matches!(asset.name, "index.html" | DESCRIPTION);
            assert_eq!(asset.immutable, !is_named);
        }
    }

    #[test]
    fn pages_style_and_scripts_refer_only_to_names_that_exist() {
        let mut seen = 0;
        let texts = ASSETS.iter().map(|asset| text(&asset.identity.bytes));
        for text in texts.chain(TEMPLATES.map(str::to_owned)) {
            for name in references(&text) {
                if matches!(name, "./" | "files") || name.starts_with('#') {
                    continue;
                }
                assert!(find(name).is_some_and(|asset| asset.immutable), "{name}");
                seen += 1;
            }
        }
        assert!(
            seen >= ASSETS.len(),
            "{seen} references for {} assets",
            ASSETS.len()
        );
    }

    #[test]
    fn nothing_in_the_pages_is_inline_absolute_or_from_elsewhere() {
        let pages = TEMPLATES.map(str::to_owned);
        for page in pages.into_iter().chain([text(&page().identity.bytes)]) {
            for banned in [
                "<style",
                " style=",
                " onclick",
                "javascript:",
                "http:",
                "https:",
                "=\"/",
            ] {
                assert!(!page.contains(banned), "{banned}");
            }
            assert!(!page.contains("<script>"));
        }
        for asset in &ASSETS {
            assert!(
                !text(&asset.identity.bytes).contains("innerHTML"),
                "{}",
                asset.name
            );
        }
    }

    #[test]
    fn the_page_works_as_a_plain_form() {
        let page = text(&page().identity.bytes);
        for wanted in [
            "<title>Cloud Portfolio</title>",
            "method=\"post\" action=\"upload\" enctype=\"multipart/form-data\"",
            "type=\"file\" name=\"file\" multiple required",
            "type=\"submit\"",
            ">Load Files</button>",
        ] {
            assert!(page.contains(wanted), "{wanted}");
        }
    }

    #[test]
    fn a_compressed_form_is_kept_only_where_it_is_smaller_and_says_its_length() {
        for asset in &ASSETS {
            let coded = [
                Some(&asset.identity),
                asset.br.as_ref(),
                asset.gzip.as_ref(),
            ];
            for coded in coded.into_iter().flatten() {
                assert_eq!(
                    coded.length,
                    coded.bytes.len().to_string(),
                    "{}",
                    asset.name
                );
            }
            for coded in coded[1..].iter().flatten() {
                assert!(
                    coded.bytes.len() < asset.identity.bytes.len(),
                    "{}",
                    asset.name
                );
            }
            if let Some(gzip) = &asset.gzip {
                // The last four bytes are the length before compression (RFC 1952, ISIZE).
                let len = u32::try_from(asset.identity.bytes.len()).unwrap_or(0);
                assert!(gzip.bytes.starts_with(&[0x1f, 0x8b]));
                assert!(gzip.bytes.ends_with(&len.to_le_bytes()), "{}", asset.name);
            }
        }
    }

    #[test]
    fn all_of_it_is_below_60_kb_as_brotli() {
        let sum: usize = ASSETS
            .iter()
            .map(|a| match &a.br {
                Some(br) => br.bytes.len(),
                None => a.identity.bytes.len(),
            })
            .sum();
        assert!(sum < 60_000, "{sum}");
    }

    #[test]
    fn brotli_comes_before_gzip_before_identity() {
        for (accept, coding) in [
            ("gzip, deflate, br, zstd", "br"),
            ("BR", "br"),
            ("gzip, deflate", "gzip"),
            ("x-gzip", "gzip"),
            ("*", "br"),
            ("gzip;q=1.0, *;q=0.5", "gzip"),
            ("gzip;q=0.9,br;q=0.8", "gzip"),
            ("br;q=0.001", "br"),
            ("deflate", ""),
            ("", ""),
            ("identity", ""),
            ("identity;q=1, br;q=0.5", ""),
        ] {
            let answer = respond(page(), &encodings(accept), false);
            assert_eq!(field(&answer, &CONTENT_ENCODING), coding, "{accept}");
            assert_eq!(field(&answer, &VARY), "accept-encoding");
        }
        let answer = respond(page(), &HeaderMap::new(), false);
        assert_eq!(field(&answer, &CONTENT_ENCODING), "");
    }

    #[test]
    fn a_coding_of_weight_zero_is_never_sent() {
        for (accept, coding) in [
            ("br;q=0, gzip", "gzip"),
            ("br; q=0.000 , gzip;Q=0", ""),
            ("*;q=0", ""),
            ("*;q=0, gzip", "gzip"),
            ("br;q=0, *", "gzip"),
            ("identity;q=0, br", "br"),
            ("identity;q=0, *;q=0", ""),
        ] {
            let answer = respond(page(), &encodings(accept), false);
            assert_eq!(field(&answer, &CONTENT_ENCODING), coding, "{accept}");
        }
    }

    #[test]
    fn encodings_on_several_lines_count_as_one_list() {
        let mut headers = encodings("gzip");
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("br"));
        assert_eq!(
            field(&respond(page(), &headers, false), &CONTENT_ENCODING),
            "br"
        );
    }

    #[test]
    fn each_coding_has_a_tag_of_its_own() {
        for asset in &ASSETS {
            let tags = ["identity", "gzip", "br"].map(|coding| {
                let answer = respond(asset, &encodings(coding), false);
                (
                    field(&answer, &CONTENT_ENCODING).to_owned(),
                    field(&answer, &ETAG).to_owned(),
                )
            });
            for (coding, tag) in &tags {
                assert!(
                    tag.starts_with('"') && tag.ends_with('"') && tag.len() > 16,
                    "{tag}"
                );
                for (other, other_tag) in &tags {
                    assert_eq!(coding == other, tag == other_tag, "{}", asset.name);
                }
            }
        }
    }

    #[test]
    fn a_tag_that_the_client_holds_is_answered_with_304_and_no_body() {
        for asset in &ASSETS {
            let tag = field(&respond(asset, &encodings("br"), false), &ETAG).to_owned();
            for held in [
                tag.clone(),
                format!("W/{tag}"),
                format!("\"a,b\", W/\"c\" ,, {tag}"),
                "*".to_owned(),
            ] {
                let mut headers = encodings("br");
                let value = HeaderValue::from_str(&held);
                headers.extend(value.map(|value| (IF_NONE_MATCH, value)));
                let answer = respond(asset, &headers, false);
                assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{held}");
                assert!(bytes(&answer).is_empty());
                assert_eq!(field(&answer, &ETAG), tag);
                assert!(!field(&answer, &CACHE_CONTROL).is_empty());
                assert_eq!(field(&answer, &VARY), "accept-encoding");
                assert_eq!(field(&answer, &CONTENT_LENGTH), "");
            }
        }
    }

    #[test]
    fn another_tag_or_none_that_can_be_read_gives_the_page() {
        for held in [
            "\"x\"",
            "x",
            "",
            "\"",
            "W/",
            "W/\"",
            "\"x\" \"y",
            ",,,",
            "\"*\"",
        ] {
            let answer = respond(page(), &asked(&[(IF_NONE_MATCH, held)]), false);
            assert_eq!(answer.status(), StatusCode::OK, "{held}");
        }
        // The tag of another coding is another representation's.
        let tag = page().identity.etag.clone();
        let mut headers = encodings("br");
        headers.insert(IF_NONE_MATCH, tag);
        assert_eq!(respond(page(), &headers, false).status(), StatusCode::OK);
    }

    #[test]
    fn head_has_the_headers_of_get_and_no_body() {
        for asset in &ASSETS {
            let get = respond(asset, &encodings("br"), false);
            let head = respond(asset, &encodings("br"), true);
            assert_eq!(get.headers(), head.headers());
            assert_eq!(field(&head, &CONTENT_LENGTH), bytes(&get).len().to_string());
            assert!(matches!(head.body(), Body::Empty));
        }
    }

    #[test]
    fn hashed_names_are_kept_for_a_year_and_the_page_is_asked_for_each_time() {
        for asset in &ASSETS {
            let answer = respond(asset, &HeaderMap::new(), false);
            let page = !asset.immutable;
            let cache = if page {
                "no-cache"
            } else {
                "public, max-age=31536000, immutable"
            };
            assert_eq!(field(&answer, &CACHE_CONTROL), cache);
            assert_eq!(field(&answer, &X_CONTENT_TYPE_OPTIONS), "nosniff");
            assert_eq!(answer.headers().contains_key(CONTENT_SECURITY_POLICY), page);
            assert!(answer.headers().len() < HEADERS);
        }
    }
}
