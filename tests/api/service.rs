//! What is so whatever is asked for: the page, the base path, request ids and log lines.

use crate::support::{self, Server, script};

#[test]
fn the_page_is_served_and_strict_about_scripts() {
    let server = Server::local();
    let page = server.client().get("/");
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    let text = String::from_utf8(page.body).unwrap();
    assert!(text.contains("Load Files") && text.contains("<form"));
    let script = script(&text);
    let answer = server.client().get(&format!("/{script}"));
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("cache-control")
            .unwrap()
            .contains("immutable")
    );
    let etag = answer.header("etag").unwrap().to_owned();
    let again = server.client().request(
        "GET",
        &format!("/{script}"),
        &[("If-None-Match", &etag)],
        b"",
    );
    assert_eq!(again.status, 304);
}

#[test]
fn everything_sits_below_the_base_path() {
    let server = Server::spawn(&[
        (
            "DATA_DIR".into(),
            tempfile::tempdir().unwrap().keep().to_str().unwrap().into(),
        ),
        ("BASE_PATH".into(), "/portal/".into()),
    ]);
    let mut client = server.client();
    assert_eq!(client.get("/portal/health").status, 200);
    assert_eq!(client.get("/health").problem(), "not_found");
    let put = client.put("/portal/files/x", b"1");
    assert_eq!(put.header("location"), Some("/portal/files/x"));
    let page = client.get("/portal");
    assert_eq!(
        (page.status, page.header("location")),
        (308, Some("/portal/"))
    );
}

#[test]
fn a_request_id_is_taken_over_when_it_is_plain_and_made_when_it_is_not() {
    let server = Server::local();
    let mut client = server.client();
    let mut id = |given: &str| {
        let answer = client.request("GET", "/health", &[("X-Request-Id", given)], b"");
        answer.header("x-request-id").unwrap().to_owned()
    };
    assert_eq!(id("abc-1.2_3"), "abc-1.2_3");
    assert_ne!(id("a b"), "a b");
    let long = "x".repeat(129);
    assert_ne!(id(&long), long);
    assert_ne!(id(""), id(""));
}

#[test]
fn a_log_line_names_the_route_and_never_the_path() {
    let server = Server::local();
    let headers = [("X-Request-Id", "find-me")];
    server.client().request(
        "PUT",
        "/files/private-name?token=hidden",
        &headers,
        b"12345",
    );
    let of = " access id=find-me ";
    support::wait_for("the log line", || server.log().contains(of));
    let log = server.log();
    // The audit has the key, and has it because it is asked to.
    let told = |line: &&str| !line.contains(" audit ");
    let log = log.lines().filter(told).collect::<Vec<_>>().join("\n");
    let line = log.lines().find(|line| line.contains(of)).unwrap();
    for word in ["method=PUT", "route=/files/{key}", "status=201", "in=5"] {
        assert!(line.contains(word), "{word} in {line}");
    }
    assert!(!log.contains("private-name") && !log.contains("hidden"));
    let time = line.split(' ').next().unwrap();
    assert!(time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok());
}
