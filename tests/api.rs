//! The HTTP contract on both stores: what goes in comes back, and how it is described.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

mod api {
    mod conditions;
    mod forms;
    mod listings;
    mod objects;
    mod service;
}

use serde_json::Value;
use support::Client;
use support::server::On;

const STORES: [On; 2] = [On::Local, On::Minio];

/// A key in a path, every byte that is not unreserved encoded but the slash.
fn encode(key: &str) -> String {
    key.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn keys(page: &Value) -> Vec<String> {
    let files = page["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| file["key"].as_str().unwrap().to_owned())
        .collect()
}

fn list_all(client: &mut Client, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/files?{query}{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        all.extend(keys(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encode(next)),
            None => return all,
        }
    }
}
