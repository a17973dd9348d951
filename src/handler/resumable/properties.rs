//! Properties of the headers of resumable uploads, in both protocols. What properties are is said
//! in `crate::properties`.

use std::cell::RefCell;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use ring::digest::{SHA256, digest};

use super::metadata::{self, Metadata, Name};
use super::{Marks, fields, ietf, tus as protocol};
use crate::app::App;
use crate::body::Body;
use crate::error::Limit;
use crate::properties::{app, contained, headers, lines};
use crate::route::Route;
use crate::upload::resume::Checksum;
use crate::upload::{Expected, Source};

thread_local! {
    static APP: RefCell<App> = RefCell::new(app().0);
}

/// Headers of tus. Input: lines of `name: value`; the last line is the query as well.
///
/// Metadata reads back; a checksum takes its own bytes and no others; the object that a creation
/// describes may be written, below the prefix that it names.
pub fn tus(data: &[u8]) {
    let headers = headers(data);
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        if let Ok(metadata) = Metadata::parse(value) {
            assert_eq!(Metadata::parse(&metadata.to_text()).unwrap(), metadata);
        }
        let _ = Checksum::parse(value);
        if let Some(number) = fields::number(&one(value), "x") {
            assert_eq!(fields::number(&one(&number.to_string()), "x"), Some(number));
        }
    }
    if let Ok(Some(length)) = protocol::length(&headers) {
        assert_eq!(fields::number(&headers, "upload-length"), Some(length));
    }
    let _ = protocol::checksum(&headers);
    checked(data);
    let query = lines(data).last().unwrap_or_default();
    let request = Request::builder().uri(format!("/uploads?{query}")).body(());
    let Ok(mut request) = request else { return };
    *request.headers_mut() = headers;
    let (parts, ()) = request.into_parts();
    APP.with_borrow(|app| {
        if let Ok(new) = protocol::describe(app, &parts, None, false) {
            contained(&new.key);
            assert!(new.attributes.content_type.is_some());
        }
        if let Ok(key) = ietf::key(app, &parts) {
            contained(&key);
        }
    });
}

/// A checksum and a digest of these bytes take them, and none but them.
fn checked(data: &[u8]) {
    let sum = STANDARD.encode(digest(&SHA256, data));
    let source = |data: &[u8]| -> Source<'static> {
        let pieces: Vec<_> = data.chunks(7).map(Bytes::copy_from_slice).collect();
        Box::pin(stream::iter(pieces.into_iter().map(Ok)))
    };
    let other = [data, b"!"].concat();
    for (bytes, is_right) in [(data, true), (&other, false)] {
        let checksum = Checksum::parse(&format!("sha256 {sum}")).unwrap();
        assert_eq!(passes(checksum.verify(source(bytes))), is_right);
        let value = format!("sha-256=:{sum}:").try_into().unwrap();
        let headers = HeaderMap::from_iter([(HeaderName::from_static("repr-digest"), value)]);
        let expected = Expected::parse(&headers).unwrap();
        assert_eq!(passes(expected.verify(source(bytes))), is_right);
    }
}

fn passes(source: Source<'_>) -> bool {
    let all = source.all(|piece| std::future::ready(piece.is_ok()));
    all.now_or_never().unwrap()
}

/// Structured fields and digests. Input: lines of `name: value`.
///
/// A Boolean and an Integer read back; two different digests of one kind are refused; a limit that
/// is answered is one Integer.
pub fn structured(data: &[u8]) {
    let headers = headers(data);
    for name in headers.keys() {
        let name = name.as_str();
        if let Some(value) = fields::boolean(&headers, name) {
            let text = if value { "?1" } else { "?0" };
            assert_eq!(fields::boolean(&one(text), "x"), Some(value));
            assert_eq!(fields::integer(&headers, name), None);
        }
        if let Some(value) = fields::integer(&headers, name) {
            assert!(value < 1_000_000_000_000_000);
            assert_eq!(fields::integer(&one(&value.to_string()), "x"), Some(value));
            limited(value);
        }
    }
    if let Ok(complete) = ietf::complete(&headers) {
        assert_eq!(fields::boolean(&headers, "upload-complete"), Some(complete));
    }
    let _ = ietf::length(&headers);
    let _ = ietf::interop(&headers);
    if let Ok(expected) = Expected::parse(&headers) {
        // The order of the lines means nothing.
        let mut turned = HeaderMap::new();
        let pairs: Vec<_> = headers.iter().collect();
        for (name, value) in pairs.into_iter().rev() {
            turned.append(name, value.clone());
        }
        assert_eq!(Expected::parse(&turned).unwrap(), expected);
    }
}

fn limited(bytes: u64) {
    let mut response = Response::new(Body::Empty);
    response.extensions_mut().insert(Limit("max-size", bytes));
    Marks::of(Some(&Route::Uploads), &HeaderMap::new()).add_to(&mut response);
    let limit = response.headers().get("upload-limit").unwrap();
    let number = limit.to_str().unwrap().strip_prefix("max-size=").unwrap();
    assert_eq!(fields::integer(&one(number), "x"), Some(bytes));
}

fn one(value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(value).unwrap();
    HeaderMap::from_iter([(HeaderName::from_static("x"), value)])
}

/// The file name that a `Content-Disposition` gives.
pub(crate) fn file_name(disposition: &str) -> Option<String> {
    fields::file_name(disposition)
}

/// A key made of a prefix and a path lies below the prefix, under the whole path.
pub(crate) fn placed(prefix: &str, path: &str) {
    APP.with_borrow(|app| {
        let name = Name {
            prefix: Some(prefix),
            path: Some(path),
            ..Name::default()
        };
        if let Ok(key) = metadata::key(app, name) {
            contained(&key);
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            assert!(Path::new(key.as_str()).starts_with(prefix));
            let path = path.strip_prefix('/').unwrap_or(path);
            assert!(Path::new(key.as_str()).ends_with(path));
        }
    });
}
