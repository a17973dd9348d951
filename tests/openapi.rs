//! `/openapi.json` says what the program does: the same paths, methods and problem codes. That its
//! answers are as it says is for `scripts/openapi-test` to find out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cloud_portfolio::handler::assets;
use cloud_portfolio::route::{self, Route};
use serde_json::Value;
use support::Server;

fn document() -> Value {
    serde_json::from_str(include_str!("../www/openapi.json")).unwrap()
}

/// The route after this one. A route that is new does not compile here until it has its place.
fn next(route: Option<Route<'static>>) -> Option<Route<'static>> {
    let page = assets::find("").unwrap();
    let description = assets::find("openapi.json").unwrap();
    match route {
        None => Some(Route::Base),
        Some(Route::Base) => Some(Route::Asset(page)),
        Some(Route::Asset(asset)) if std::ptr::eq(asset, page) => Some(Route::Asset(description)),
        Some(Route::Asset(_)) => Some(Route::Upload),
        Some(Route::Upload) => Some(Route::Files),
        Some(Route::Files) => Some(Route::File("key")),
        Some(Route::File(_)) => Some(Route::Uploads),
        Some(Route::Uploads) => Some(Route::Resumable("id")),
        Some(Route::Resumable(_)) => Some(Route::Health),
        Some(Route::Health) => Some(Route::Ready),
        Some(Route::Ready) => None,
    }
}

fn methods(route: Route<'_>) -> BTreeSet<String> {
    let allow = route.allow().split(", ");
    allow.map(str::to_lowercase).collect()
}

#[test]
fn it_has_the_routes_of_the_program_and_their_methods() {
    let mut routes = BTreeMap::new();
    let mut route = next(None);
    while let Some(this) = route {
        routes.insert(this.name().to_owned(), methods(this));
        route = next(Some(this));
    }
    let document = document();
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut described = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let fields = item.as_object().unwrap().keys();
        let methods: BTreeSet<_> = fields.filter(|f| *f != "parameters").cloned().collect();
        described.insert(path.clone(), methods);

        let asked = path.replace("{key}", "a/b").replace("{id}", "x");
        let found = route::find("", &asked).map(Route::name);
        assert_eq!(found, Some(path.as_str()), "where {asked} leads");
    }
    assert_eq!(described, routes);
}

#[test]
fn each_operation_has_what_any_request_may_be_answered() {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let responses = operation["responses"].as_object().unwrap();
            let is_probe = matches!(path.as_str(), "/health" | "/ready");
            let mut any = vec!["400", "405", "414", "429", "431", "500", "501", "503"];
            // Probes come by address, and sign in as nobody.
            if !is_probe {
                any.extend(["401", "403", "421"]);
            }
            any.retain(|status| !responses.contains_key(*status));
            assert!(any.is_empty(), "{method} {path} is without {any:?}");
        }
    }
}

/// Adds what stands under `code`: a value, or all that it may be.
fn codes_within(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let code = fields.get("code").and_then(|code| code.get("enum"));
            let values = code.and_then(Value::as_array).into_iter().flatten();
            found.extend(values.filter_map(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| codes_within(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| codes_within(value, found)),
        _ => {}
    }
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let program = text.split("#[cfg(test)]").next().unwrap().to_owned();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((name, program));
        }
    }
}

/// Whether a literal that stands between these is a code. `src/error/problem.rs` and `refusals.rs`
/// are all about problems: every literal of one word there is one.
fn is_code(file: &str, before: &str, literal: &str, after: &str) -> bool {
    let word = !literal.is_empty()
        && literal.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        && !literal.starts_with('_');
    let before = before.trim_end();
    let place = before.ends_with("code:") || before.ends_with("invalid(");
    word && (place
        || literal.starts_with("invalid_")
        || matches!(file, "problem.rs" | "refusals.rs")
            && before.ends_with(',')
            && !after.starts_with(':'))
}

#[test]
fn it_has_the_codes_of_the_program_and_no_others() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut used = BTreeSet::new();
    for (name, text) in &files {
        let code: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let code = code.join("\n");
        // Outside and inside of quotes by turns; no code is near an escaped one.
        let pieces: Vec<_> = code.split('"').collect();
        for near in pieces.windows(3) {
            if is_code(name, near[0], near[1], near[2]) {
                used.insert(near[1].to_owned());
            }
        }
    }
    for certain in ["not_found", "busy", "cross_site", "uri_too_long"] {
        assert!(
            used.contains(certain),
            "{certain} is not found in the source"
        );
    }
    let mut described = BTreeSet::new();
    codes_within(&document()["components"]["responses"], &mut described);
    assert_eq!(described, used);
}

#[test]
fn it_is_served_below_the_base_path_and_asked_for_each_time() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::spawn(&[
        ("DATA_DIR".into(), data.path().to_str().unwrap().into()),
        ("BASE_PATH".into(), "/portal".into()),
    ]);
    let mut client = server.client();
    let answer = client.get("/portal/openapi.json");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.json(), document());
    // What it is relative to is its own address, so that it needs no other one for each server.
    assert_eq!(answer.json()["servers"][0]["url"], ".");
    let etag = answer.header("etag").unwrap().to_owned();
    let held = client.request(
        "GET",
        "/portal/openapi.json",
        &[("If-None-Match", &etag)],
        b"",
    );
    assert_eq!(held.status, 304);
    assert_eq!(client.get("/openapi.json").status, 404);
}
