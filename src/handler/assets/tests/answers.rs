//! How a request for an asset is answered: codings, tags, HEAD, and how long it may be kept.

use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use super::super::{ASSETS, HEADERS, respond};
use super::page;
use crate::body::Body;

fn asked(fields: &[(HeaderName, &'static str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}

fn encodings(value: &'static str) -> HeaderMap {
    asked(&[(ACCEPT_ENCODING, value)])
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
