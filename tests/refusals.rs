//! What a faulty or hostile request gets: a problem document with a stable code, an answer that
//! can be read, and nothing stored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use support::client::{FORM, form, form_ends};
use support::server::On;
use support::{Client, Server, refused};

fn stored(server: &Server) -> usize {
    let page = server.client().get("/files?limit=1000").json();
    page["files"].as_array().unwrap().len()
}

#[test]
fn hostile_keys_are_refused_and_nothing_is_stored() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let long = "k".repeat(1025);
        for target in [
            "/files/../../etc/passwd",
            "/files/..%2f..%2fetc%2fpasswd",
            "/files/%2e%2e%2f%2e%2e%2fetc/passwd",
            "/files/a/./b",
            "/files/a//b",
            "/files/a/",
            "/files//a",
            "/files/..%5cx",
            "/files/a%00b",
            "/files/a%0d%0ab",
            "/files/%ff%fe",
            "/files/%zz",
            "/files/",
            "/files/.cloud-portfolio/uploads/x",
            &format!("/files/{long}"),
        ] {
            let put = server.client().put(target, b"x");
            refused(&put, 400, "invalid_key");
        }
        assert_eq!(stored(&server), 0, "{on:?}");
    }
}

#[test]
fn hostile_file_names_in_a_form_lose_their_folders_or_are_refused() {
    let server = Server::local();
    for (name, kept) in [
        ("../../etc/passwd", Some("passwd")),
        ("..\\x", Some("x")),
        ("😀.txt", Some("😀.txt")),
        ("%2e%2e%2f", Some("%2e%2e%2f")),
        ("..", None),
        ("a/..", None),
        ("dir/", None),
    ] {
        let form = form(&[(name, b"1")]);
        let post = server
            .client()
            .request("POST", "/upload", &[("Content-Type", FORM)], &form);
        match kept {
            Some(key) => assert_eq!(post.json()["files"][0]["key"], key, "{post:?}"),
            None => refused(&post, 400, "invalid_key"),
        }
    }
    let long = "k".repeat(1025);
    for name in ["nul\0name", long.as_str()] {
        let form = form(&[(name, b"1")]);
        let post = server
            .client()
            .request("POST", "/upload", &[("Content-Type", FORM)], &form);
        assert_eq!(post.status, 400);
        assert!(post.problem().starts_with("invalid_"));
    }
    assert_eq!(stored(&server), 4);
}

#[test]
fn a_hostile_prefix_is_refused_before_the_body_is_read() {
    let server = Server::local();
    for prefix in ["../up", "a//b", "%00", ".cloud-portfolio/x"] {
        let mut client = server.client();
        let headers = [
            ("Content-Type", FORM),
            ("Content-Length", "1000000"),
            ("Expect", "100-continue"),
        ];
        client.send_head("POST", &format!("/upload?prefix={prefix}"), &headers);
        // No 100 comes first: nothing was asked for.
        let head = client.read_head().unwrap();
        assert_eq!(head.status, 400);
    }
}

#[test]
fn malformed_forms_are_refused_and_nothing_is_stored() {
    let server = Server::local();
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        server.client().request("POST", "/upload", headers, body)
    };
    let typed = [("Content-Type", FORM)];
    refused(&post(&typed, &form(&[])), 400, "invalid_form");
    refused(&post(&typed, &form(&[("", b"")])), 400, "invalid_form");
    refused(&post(&[], b"x"), 415, "unsupported_media_type");
    refused(
        &post(&[("Content-Type", "application/json")], b"{}"),
        415,
        "unsupported_media_type",
    );
    refused(
        &post(&[("Content-Type", "multipart/form-data")], b"x"),
        400,
        "invalid_form",
    );
    refused(&post(&typed, b"no form at all"), 400, "invalid_form");
    let (head, _) = form_ends("f");
    let truncated = [head, b"some bytes and then nothing".to_vec()].concat();
    refused(&post(&typed, &truncated), 400, "invalid_form");
    let no_name = b"--boundary-of-the-test\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--boundary-of-the-test--\r\n";
    refused(&post(&typed, no_name), 400, "invalid_form");
    assert_eq!(stored(&server), 0);
}

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        for length in ["100", "20000000"] {
            let mut client = server.client();
            client.send_head("PUT", "/files/short", &[("Content-Length", length)]);
            client.send(&[7; 50]);
            client.finish_sending();
            let answer = client.answer();
            refused(&answer, 400, "invalid_body");
        }
        let mut client = server.client();
        client.send_head("PUT", "/files/chunked", &[("Transfer-Encoding", "chunked")]);
        client.send(b"5\r\nhello\r\nnonsense\r\n");
        refused(&client.answer(), 400, "invalid_body");
        assert_eq!(stored(&server), 0, "{on:?}");
    }
}

#[test]
fn too_large_is_told_before_the_body_and_the_answer_survives_a_client_that_goes_on_sending() {
    let server = Server::with(On::Local, &[("MAX_UPLOAD_BYTES", "1000")]);
    let mut client = server.client();
    client.send_head(
        "PUT",
        "/files/big",
        &[("Content-Length", "1001"), ("Expect", "100-continue")],
    );
    refused(&client.answer(), 413, "too_large");
    // Over and over, because a reset that eats the answer is a race.
    for _ in 0..50 {
        let answer = server.client().put("/files/big", &vec![1; 900_000]);
        refused(&answer, 413, "too_large");
    }
    let unknown = server
        .client()
        .chunked("PUT", "/files/big", &[], [vec![1; 1001]].into_iter());
    refused(&unknown, 413, "too_large");
    assert_eq!(server.client().put("/files/fits", &[1; 1000]).status, 201);
    assert_eq!(stored(&server), 1);
}

#[test]
fn a_header_of_a_hundred_kilobytes_gets_431_and_harms_no_other_connection() {
    let server = Server::local();
    let mut other = server.client();
    assert_eq!(other.get("/health").status, 200);
    let big = "x".repeat(100_000);
    for _ in 0..20 {
        let answer = server
            .client()
            .request("GET", "/health", &[("X-Big", &big)], b"");
        refused(&answer, 431, "headers_too_large");
    }
    let near = "x".repeat(12_000);
    assert_eq!(
        server
            .client()
            .request("GET", "/health", &[("X-Near", &near)], b"")
            .status,
        200
    );
    assert_eq!(other.get("/health").status, 200);
}

#[test]
fn what_is_not_http_gets_400() {
    let server = Server::local();
    for bytes in [
        "NONSENSE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut client = server.client();
        client.send(bytes.as_bytes());
        refused(&client.answer(), 400, "invalid_request");
    }
    let mut client = server.client();
    client.send(b"GET /health HTTP/1.1\r\n\r\n");
    refused(&client.answer(), 400, "invalid_host");
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let settings = [("ALLOWED_ORIGINS", "https://app.example")];
    let server = Server::with(On::Local, &settings);
    let mut client = server.client();
    client.put("/files/kept", b"kept");
    let foreign = [
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
        ][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
    ];
    let changes = [
        ("POST", "/upload"),
        ("PUT", "/files/new"),
        ("DELETE", "/files/kept"),
        ("DELETE", "/files?key=kept"),
        ("POST", "/files/kept?move_to=gone"),
        ("POST", "/files?delete"),
        ("POST", "/uploads"),
    ];
    for headers in foreign {
        for (method, target) in changes {
            let answer = server.client().request(method, target, headers, b"");
            refused(&answer, 403, "cross_site");
        }
        // It may follow a link, and cannot read what is there.
        let seen = server.client().request("GET", "/files/kept", headers, b"");
        assert_eq!(seen.status, 200);
        assert_eq!(seen.header("access-control-allow-origin"), None);
    }
    assert_eq!(stored(&server), 1);
    let named = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://app.example"),
    ];
    let own = [("Sec-Fetch-Site", "same-origin")];
    for headers in [&named[..], &own[..], &[]] {
        let answer = client.request("PUT", "/files/new", headers, b"new");
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
}

#[test]
fn a_name_that_is_not_ours_is_answered_by_probes_only() {
    let server = Server::with(On::Local, &[("ALLOWED_HOSTS", "files.example")]);
    let ask = |target: &str, host: &str| {
        let mut client = server.client();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.send(request.as_bytes());
        client.answer()
    };
    for target in ["/", "/files", "/files/x"] {
        refused(&ask(target, "evil.example"), 421, "unknown_host");
    }
    assert_eq!(ask("/files", "files.example:5000").status, 200);
    assert_eq!(ask("/health", "10.0.0.7:5000").status, 200);
    assert_eq!(ask("/ready", "10.0.0.7:5000").status, 200);
}

#[test]
fn a_download_that_looks_like_a_refusal_is_sent_as_it_is() {
    // Our own text stands in for hyper's refusals by what they begin with; a file may begin so too.
    let server = Server::local();
    let mut client = server.client();
    let text = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    for _ in 0..10 {
        client.put("/files/odd", text);
        assert_eq!(client.get("/files/odd").body, text);
        let missing = client.get("/files?cursor=!");
        refused(&missing, 400, "invalid_cursor");
    }
}

#[test]
fn wrong_methods_get_405_with_what_is_allowed() {
    let server = Server::local();
    let mut client = server.client();
    for (method, target, allow) in [
        ("POST", "/health", "GET, HEAD"),
        ("PUT", "/upload", "POST"),
        ("GET", "/upload", "POST"),
        ("PATCH", "/files/x", "GET, HEAD, POST, PUT, DELETE"),
        ("PUT", "/files", "GET, HEAD, POST, DELETE"),
        ("DELETE", "/", "GET, HEAD"),
    ] {
        let answer = client.request(method, target, &[], b"");
        refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {target}");
    }
    refused(&client.get("/nowhere"), 404, "not_found");
    refused(&client.delete("/files"), 400, "invalid_query");
}

#[test]
fn headers_that_could_not_be_given_back_are_refused() {
    let server = Server::local();
    let long = "x".repeat(1984);
    for headers in [
        [("x-amz-meta-a", "two  spaces")],
        [("x-amz-meta-a", long.as_str())],
        [("Cache-Control", long.as_str())],
        [("x-amz-meta-upload-nonce", "mine")],
    ] {
        let put = server.client().request("PUT", "/files/m", &headers, b"x");
        refused(&put, 400, "invalid_header");
    }
    // All of what S3 takes, beside our own.
    let most = [("x-amz-meta-a", &long[..1983])];
    let put = server.client().request("PUT", "/files/most", &most, b"x");
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(server.client().delete("/files/most").status, 204);
    let partial =
        server
            .client()
            .request("PUT", "/files/m", &[("Content-Range", "bytes 0-0/5")], b"x");
    refused(&partial, 400, "invalid_range");
    assert_eq!(stored(&server), 0);
}

#[test]
fn the_internal_prefix_is_not_there_for_anyone() {
    let server = Server::local();
    let mut client: Client = server.client();
    refused(&client.get("/files/.cloud-portfolio/x"), 404, "not_found");
    assert_eq!(client.delete("/files/.cloud-portfolio/x").status, 204);
}

#[test]
fn an_empty_file_is_valid_in_every_way() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        assert_eq!(client.put("/files/zero", b"").status, 201);
        assert_eq!(
            client
                .chunked("PUT", "/files/zero-chunked", &[], std::iter::empty())
                .status,
            201
        );
        let form = form(&[("zero-form", b"")]);
        assert_eq!(
            client
                .request("POST", "/upload", &[("Content-Type", FORM)], &form)
                .status,
            201
        );
        for key in ["zero", "zero-chunked", "zero-form"] {
            let got = client.get(&format!("/files/{key}"));
            assert_eq!((got.status, got.body.len()), (200, 0), "{on:?} {key}");
        }
    }
}

#[test]
fn a_form_that_never_comes_to_a_field_is_refused_in_flat_memory() {
    let server = Server::local();
    let before = server.peak_memory();
    let filler = || std::iter::repeat_n(vec![b'x'; 64 << 10], 320);
    let endless_header = [b"--boundary-of-the-test\r\nX: ".to_vec()]
        .into_iter()
        .chain(filler());
    for body in [filler().collect::<Vec<_>>(), endless_header.collect()] {
        let mut client = server.client();
        let length = body.iter().map(Vec::len).sum::<usize>().to_string();
        let headers = [("Content-Type", FORM), ("Content-Length", length.as_str())];
        client.send_head("POST", "/upload", &headers);
        for block in body {
            client.send(&block);
        }
        refused(&client.answer(), 400, "invalid_form");
    }
    let grown = server.peak_memory() - before;
    assert!(grown < 4 << 20, "20 MB of nothing cost {grown} bytes");
}

#[test]
fn a_form_field_of_no_meaning_is_skipped_whatever_its_size() {
    let server = Server::local();
    let mut body =
        b"--boundary-of-the-test\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n"
            .to_vec();
    body.extend(vec![b'x'; 2 << 20]);
    body.extend(b"\r\n");
    body.extend(form(&[("f", b"1")]));
    let post = server
        .client()
        .request("POST", "/upload", &[("Content-Type", FORM)], &body);
    assert_eq!(post.status, 201, "{post:?}");
}

#[test]
fn a_files_type_in_a_form_is_checked_as_a_header_is() {
    let server = Server::with(On::Minio, &[]);
    let body = b"--boundary-of-the-test\r\nContent-Disposition: form-data; name=\"file\"; filename=\"t\"\r\nContent-Type: text/plain;   x=y\r\n\r\n1\r\n--boundary-of-the-test--\r\n";
    let post = server
        .client()
        .request("POST", "/upload", &[("Content-Type", FORM)], body);
    refused(&post, 400, "invalid_header");
}

#[test]
fn an_empty_version_deletes_nothing() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        client.put("/files/k", b"1");
        refused(&client.delete("/files/k?version_id="), 400, "invalid_query");
        refused(&client.get("/files/k?version_id="), 400, "invalid_query");
        assert_eq!(client.get("/files/k").status, 200, "{on:?}");
    }
}

#[test]
fn a_delete_that_hangs_on_a_condition_is_refused_and_deletes_nothing() {
    let server = Server::local();
    let mut client = server.client();
    client.put("/files/k", b"1");
    for headers in [[("If-Match", "\"other\"")], [("If-None-Match", "*")]] {
        let answer = client.request("DELETE", "/files/k", &headers, b"");
        refused(&answer, 400, "invalid_condition");
    }
    assert_eq!(client.get("/files/k").status, 200);
}

#[test]
fn codings_and_hosts_that_are_not_understood_are_refused() {
    let server = Server::local();
    for coding in ["gzip, chunked", "chunked, chunked"] {
        let mut client = server.client();
        client.send_head("PUT", "/files/c", &[("Transfer-Encoding", coding)]);
        client.send(b"1\r\nx\r\n0\r\n\r\n");
        let answer = client.answer();
        assert!(matches!(answer.status, 400 | 501), "{coding} {answer:?}");
        answer.problem();
    }
    let mut client = server.client();
    client.send(b"GET /health HTTP/1.1\r\nHost: a b/\r\n\r\n");
    refused(&client.answer(), 400, "invalid_host");
    assert_eq!(stored(&server), 0);
}

#[test]
fn a_type_made_to_look_safe_is_not_shown_inline() {
    let server = Server::local();
    let mut client = server.client();
    for odd in [
        "text/plain;, text/html",
        "video/x, text/html",
        "audio/x-svg+xml",
    ] {
        client.request("PUT", "/files/odd", &[("Content-Type", odd)], b"<b>");
        let got = client.get("/files/odd?inline");
        assert!(
            got.header("content-disposition")
                .unwrap()
                .starts_with("attachment")
        );
        assert!(
            got.header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
    }
}

#[test]
fn keys_that_only_some_stores_can_hold_are_simply_not_there() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let long = format!("/files/{}", "s".repeat(300));
        for target in [
            "/files/a//b",
            "/files?key=../x",
            "/files?key=a/../b",
            "/files/a%00b",
            &long,
        ] {
            assert_eq!(client.get(target).status, 404, "{on:?} {target}");
            assert_eq!(client.head(target).status, 404, "{on:?} {target}");
            assert_eq!(client.delete(target).status, 204, "{on:?} {target}");
        }
        for prefix in ["..", "a//", "%00"] {
            let page = client.get(&format!("/files?prefix={prefix}"));
            assert_eq!(page.status, 200, "{on:?} {prefix} {page:?}");
        }
        client.put("/files/empty", b"");
        let range = client.request("GET", "/files/empty", &[("Range", "bytes=-5")], b"");
        refused(&range, 416, "invalid_range");
    }
}
