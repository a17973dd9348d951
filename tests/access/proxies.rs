//! Proxies: whose word counts, and for what.

use serde_json::json;

use super::support::server::On;
use super::support::{Server, refused, wait_for};
use super::users::Site;

const HERE: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.0/8");
const ELSEWHERE: (&str, &str) = ("TRUSTED_PROXIES", "10.0.0.0/8");

#[test]
fn a_trusted_proxy_says_who_it_is_and_nobody_else_does() {
    let document = json!({
        "users": [{"name": "ann@a.example", "rights": ["list", "write"]}],
        "others": {"rights": ["list"]},
    });
    let list = |site: &Site, users: &[&str], method: &str| {
        let headers: Vec<_> = users
            .iter()
            .map(|user| ("X-Forwarded-User", *user))
            .collect();
        let target = if method == "PUT" {
            "/files/a"
        } else {
            "/files"
        };
        site.server.client().request(method, target, &headers, b"")
    };
    let site = Site::new("proxy", &document, &[HERE]);
    assert_eq!(list(&site, &["ann@a.example"], "PUT").status, 201);
    assert_eq!(list(&site, &["eve"], "GET").status, 200);
    refused(&list(&site, &["eve"], "PUT"), 403, "forbidden");
    refused(&list(&site, &[], "GET"), 403, "forbidden");
    refused(
        &list(&site, &["eve", "ann@a.example"], "GET"),
        403,
        "forbidden",
    );
    wait_for("its name", || {
        site.server.log().contains(" user=ann@a.example ")
    });
    let site = Site::new("proxy", &document, &[ELSEWHERE]);
    refused(&list(&site, &["ann@a.example"], "GET"), 403, "forbidden");
}

#[test]
fn without_a_users_file_whoever_the_proxy_names_may_do_everything() {
    let settings = [
        ("AUTH", "proxy"),
        HERE,
        ("AUTH_PROXY_HEADER", "X-Auth-Request-User"),
    ];
    let server = Server::with(On::Local, &settings);
    let by = |name: &str| {
        let headers = [(name, "ann")];
        server
            .client()
            .request("PUT", "/files/a", &headers, b"x")
            .status
    };
    assert_eq!(by("X-Auth-Request-User"), 201);
    assert_eq!(by("X-Forwarded-User"), 403);
}

#[test]
fn the_log_names_the_client_behind_a_trusted_proxy_only() {
    let chain = [("X-Forwarded-For", "1.1.1.1, 192.0.2.7, 127.0.0.9")];
    for (proxies, from) in [(HERE, "from=192.0.2.7 "), (ELSEWHERE, "from=127.0.0.1 ")] {
        let server = Server::with(On::Local, &[proxies]);
        server.client().request("GET", "/files", &chain, b"");
        wait_for("its line", || server.log().contains("route=/files "));
        let log = server.log();
        let line = log
            .lines()
            .find(|line| line.contains("route=/files "))
            .unwrap();
        assert!(line.contains(from), "{line}");
    }
}

#[test]
fn the_host_that_a_trusted_proxy_was_asked_for_counts_as_ours() {
    let forwarded = [
        ("X-Forwarded-Host", "files.example"),
        ("X-Forwarded-Proto", "https"),
        ("Origin", "https://files.example"),
    ];
    for (proxies, status) in [(HERE, 201), (ELSEWHERE, 421)] {
        let settings = [proxies, ("ALLOWED_HOSTS", "files.example")];
        let server = Server::with(On::Local, &settings);
        let put = server.client().request("PUT", "/files/a", &forwarded, b"x");
        assert_eq!(put.status, status, "{put:?}");
        if status == 201 {
            let share = server
                .client()
                .request("POST", "/files/a?share", &forwarded, b"");
            let url = share.json()["url"].as_str().unwrap().to_owned();
            assert!(url.starts_with("https://files.example/files/a?"), "{url}");
        }
    }
}
