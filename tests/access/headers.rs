//! The headers that keep what is served here from doing harm are on every answer there is.

use serde_json::json;

use super::support::client::FORM;
use super::support::{Answer, Server, script, wait_for};
use super::users::Site;

fn protected(what: &str, answer: &Answer) {
    let is = |name: &str| {
        answer
            .header(name)
            .unwrap_or_else(|| panic!("{what}: {name}"))
    };
    assert_eq!(is("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(is("cross-origin-resource-policy"), "same-origin", "{what}");
    assert!(
        matches!(is("referrer-policy"), "no-referrer" | "same-origin"),
        "{what}"
    );
    if answer.status >= 400 {
        assert_eq!(is("cache-control"), "no-store", "{what}");
    }
    let policy = is("content-security-policy");
    // Scripts are the page's own or none at all.
    let quiet = policy.contains("default-src 'none'") || policy.contains("script-src 'none'");
    assert!(
        quiet && policy.contains("frame-ancestors"),
        "{what}: {policy}"
    );
}

#[test]
fn every_route_and_status_has_them() {
    let data = tempfile::tempdir().unwrap();
    let settings = [
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("ALLOWED_HOSTS", "test"),
        ("BASE_PATH", "/p"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let server = Server::spawn(&settings);
    wait_for("readiness", || {
        server.client().get("/p/ready").status == 200
    });
    let evil = b"<script>alert(1)</script>";
    let put = server.client().request(
        "PUT",
        "/p/files/a.html",
        &[("Content-Type", "text/html")],
        evil,
    );
    let tag = put.header("etag").unwrap().to_owned();
    let mut seen = std::collections::BTreeSet::new();
    for (method, target, headers) in [
        ("GET", "/p/", &[][..]),
        ("HEAD", "/p/", &[]),
        ("GET", "/p", &[]),
        ("GET", "/p/health", &[]),
        ("GET", "/p/ready", &[]),
        ("GET", "/p/files", &[]),
        ("GET", "/p/files", &[("Accept", "text/html")]),
        ("GET", "/p/files?zip", &[]),
        ("GET", "/p/files?limit=0", &[]),
        ("GET", "/p/files/a.html", &[]),
        ("GET", "/p/files/a.html?inline", &[]),
        ("HEAD", "/p/files/a.html", &[]),
        ("GET", "/p/files/a.html", &[("If-None-Match", tag.as_str())]),
        ("GET", "/p/files/a.html", &[("If-Match", "\"x\"")]),
        ("GET", "/p/files/a.html", &[("Range", "bytes=0-1")]),
        ("GET", "/p/files/a.html", &[("Range", "bytes=999-")]),
        ("GET", "/p/files/a.html?versions", &[]),
        ("GET", "/p/files/a.html?expires=1&signature=x", &[]),
        ("GET", "/p/files/none", &[]),
        ("GET", "/nowhere", &[]),
        ("PUT", "/p/files/b", &[]),
        ("PUT", "/p/files/b", &[("Sec-Fetch-Site", "cross-site")]),
        ("PUT", "/p/health", &[]),
        ("POST", "/p/files/a.html?share", &[]),
        ("POST", "/p/files/a.html?copy_to=c", &[]),
        ("POST", "/p/upload", &[]),
        ("POST", "/p/upload", &[("Content-Type", FORM)]),
        ("OPTIONS", "/p/uploads", &[]),
        (
            "POST",
            "/p/uploads?key=t",
            &[("Tus-Resumable", "1.0.0"), ("Upload-Length", "1")],
        ),
        ("HEAD", "/p/uploads/x", &[("Tus-Resumable", "1.0.0")]),
        ("PATCH", "/p/uploads/x", &[("Tus-Resumable", "0.1")]),
        ("DELETE", "/p/files/b", &[]),
    ] {
        let answer = server.client().request(method, target, headers, b"");
        let what = format!("{method} {target} {headers:?} {}", answer.status);
        protected(&what, &answer);
        seen.insert(answer.status);
    }
    let mut stranger = server.client();
    stranger.host = "evil.example".into();
    let answer = stranger.get("/p/files");
    protected("a strange host", &answer);
    seen.insert(answer.status);
    for raw in [
        "NONSENSE\r\n\r\n".to_owned(),
        format!(
            "GET /p/ HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n",
            "y".repeat(20_000)
        ),
        "GET /p/ HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let mut client = server.client();
        client.send(raw.as_bytes());
        let answer = client.answer();
        protected(&raw[..20.min(raw.len())], &answer);
        seen.insert(answer.status);
    }
    let page = server.client().get("/p/");
    let page = String::from_utf8(page.body).unwrap();
    let script = script(&page);
    protected(
        "a script of the page",
        &server.client().get(&format!("/p/{script}")),
    );
    let wanted = [
        200, 201, 204, 206, 304, 308, 400, 403, 404, 405, 412, 415, 416, 421, 431,
    ];
    for status in wanted {
        assert!(seen.contains(&status), "{status} of {seen:?}");
    }
}

#[test]
fn refusals_of_who_has_not_the_right_have_them_too() {
    let site = Site::basic(&json!(null));
    protected("401", &site.ask("", "GET", "/", &[], b""));
    protected("403", &site.ask("bob", "GET", "/files", &[], b""));
}

#[test]
fn no_stored_file_runs_in_this_origin_whatever_it_says_it_is() {
    let server = Server::local();
    for (name, kind) in [
        ("a.html", "text/html"),
        ("a.svg", "image/svg+xml"),
        ("a.xml", "application/xml"),
        ("a.js", "text/javascript"),
        ("a.pdf", "application/pdf"),
        ("a.bin", "nonsense/nonsense"),
    ] {
        let target = format!("/files/{name}");
        server
            .client()
            .request("PUT", &target, &[("Content-Type", kind)], b"<script>");
        for target in [target.clone(), format!("{target}?inline")] {
            let answer = server.client().get(&target);
            protected(&target, &answer);
            let policy = answer.header("content-security-policy").unwrap();
            // A cache takes over what a 304 says: it is the same.
            let known = [("If-None-Match", answer.header("etag").unwrap())];
            let same = server.client().request("GET", &target, &known, b"");
            assert_eq!(same.status, 304);
            assert_eq!(same.header("content-security-policy"), Some(policy));
            let attached = answer
                .header("content-disposition")
                .unwrap()
                .starts_with("attachment");
            assert!(policy.contains("sandbox") && attached || policy.contains("script-src 'none'"));
        }
    }
}
