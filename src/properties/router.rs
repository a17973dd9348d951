//! Paths and queries. Input: a request target; behind its first `?` the query.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::text;
use crate::route::{self, Query, Route};

/// A route's text is what the path says; a base path hides what is not below it; what is decoded
/// encodes to the same; a query means the same however it is spelled.
pub fn router(data: &[u8]) {
    let Some(target) = text(data) else { return };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let found = route::find("", path);
    match found {
        Some(Route::File(raw)) => assert_eq!(path.strip_prefix("/files/"), Some(raw)),
        Some(Route::Resumable(raw)) => assert_eq!(path.strip_prefix("/uploads/"), Some(raw)),
        Some(route) => assert!(!route.allow().is_empty()),
        None => {}
    }
    let below = route::find("/portal", &format!("/portal{path}")).map(Route::name);
    if path.starts_with('/') {
        assert_eq!(below, found.map(Route::name));
    }
    if !path.starts_with("/portal") {
        assert!(route::find("/portal", path).is_none());
    }
    decoded(path);
    queried(query);
}

fn decoded(raw: &str) {
    let Ok(decoded) = route::decode(raw, "x") else {
        return;
    };
    assert!(decoded.len() <= raw.len());
    if !raw.contains('%') {
        assert_eq!(decoded, raw);
    }
    let encoded = encode(&decoded);
    assert_eq!(route::decode(&encoded, "x").unwrap(), decoded);
}

fn queried(raw: Option<&str>) {
    let Ok(query) = Query::parse(raw) else {
        return;
    };
    let names: Vec<&str> = query.names().collect();
    let mut again = String::new();
    for name in &names {
        assert!(query.has(name));
        let count = names.iter().filter(|other| *other == name).count();
        let value = query.value(name);
        assert_eq!(value.is_ok(), count == 1, "{name} is there {count} times");
        let value = value.ok().flatten().unwrap_or_default();
        again.push_str(&format!("&{}={}", encode(name), encode(value)));
    }
    let again = Query::parse(Some(&again)).unwrap();
    for name in names {
        if let Ok(value) = query.value(name) {
            assert_eq!(again.value(name).unwrap(), value);
        }
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
