//! The page and what belongs to it, embedded at compile time (`build.rs`): nothing is read or
//! compressed while the program runs. Which path is an asset's is for [`find`] to say, which
//! request gets here is the router's business. What a client takes is read in `accepted`. Pages that
//! are made anew each time are `handler::pages`'.
//!
//! The names of all assets but the page hold a hash of their content, so they may be cached for
//! ever; the page is asked for each time, and answered with 304 while it is the same.

mod accepted;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use crate::body::Body;
use accepted::Accepted;

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
