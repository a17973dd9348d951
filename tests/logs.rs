//! What is logged: the audit, JSON lines, and traces.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

#[path = "logs/refused.rs"]
mod refused;
mod support;
#[path = "logs/traces.rs"]
mod traces;
#[path = "logs/who.rs"]
mod who;

use serde_json::Value;
use support::server::On;
use support::{Client, Server, post};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn json_server(settings: &[(&str, &str)]) -> Server {
    let mut all = vec![("LOG_FORMAT", "json")];
    all.extend(settings);
    Server::with(On::Local, &all)
}

/// Every line so far; each must be one JSON object.
fn lines(server: &Server) -> Vec<Value> {
    let log = server.log();
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// The lines of the audit, once there are so many.
fn audit(server: &Server, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    support::wait_for("the audit", || {
        found = lines(server);
        found.retain(|line| line["target"] == "audit");
        found.len() >= count
    });
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

fn said(line: &Value) -> (&str, &str, u64) {
    let text = |name: &str| line[name].as_str().unwrap_or("");
    (
        text("action"),
        text("key"),
        line["status"].as_u64().unwrap(),
    )
}

/// A form with these files.
fn form(client: &mut Client, names: &[&str]) -> u16 {
    let mut body = String::new();
    for name in names {
        body += "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"";
        body += name;
        body += "\"\r\n\r\nhello\r\n";
    }
    body += "--x--\r\n";
    let kind = [("Content-Type", "multipart/form-data; boundary=x")];
    client
        .request("POST", "/upload", &kind, body.as_bytes())
        .status
}

#[test]
fn every_change_has_its_line_and_a_read_has_none() {
    let server = json_server(&[]);
    let mut client = server.client();
    let version = support::put(&mut client, "a%20b%22c", b"12345");
    let key = "a b\"c";
    client.get("/files/a%20b%22c");
    assert_eq!(
        post(&mut client, "/files/a%20b%22c?copy_to=copy").status,
        201
    );
    assert_eq!(post(&mut client, "/files/copy?move_to=moved").status, 201);
    assert_eq!(post(&mut client, "/files/moved?share").status, 200);
    let back = format!("/files/a%20b%22c?restore={version}");
    assert_eq!(post(&mut client, &back).status, 200);
    assert_eq!(client.delete("/files/moved").status, 204);
    let one = format!("/files/a%20b%22c?version_id={version}");
    assert_eq!(client.delete(&one).status, 204);
    assert_eq!(form(&mut client, &["x.txt", "y.txt"]), 201);
    let kind = [("Content-Type", "application/json")];
    let keys = br#"{"keys":["x.txt","y.txt"]}"#;
    assert_eq!(
        client.request("POST", "/files?delete", &kind, keys).status,
        200
    );
    client.get("/files");

    let mut seen = audit(&server, 11);
    // Those of one request are deleted side by side.
    seen[9..].sort_by_key(|line| line["key"].to_string());
    let seen: Vec<_> = seen.iter().map(|line| (said(line), line)).collect();
    let want = [
        ("put", key, 201),
        ("copy", key, 201),
        ("move", "copy", 201),
        ("share", "moved", 200),
        ("restore", key, 200),
        ("delete", "moved", 204),
        ("delete_version", key, 204),
        ("upload", "x.txt", 201),
        ("upload", "y.txt", 201),
        ("bulk_delete", "x.txt", 204),
        ("bulk_delete", "y.txt", 204),
    ];
    for ((seen, line), want) in seen.iter().zip(want) {
        assert_eq!(*seen, want, "{line}");
        assert_eq!(
            (&line["user"], &line["from"]),
            (&"-".into(), &"127.0.0.1".into())
        );
        assert!(line["id"].as_str().is_some_and(|id| !id.is_empty()));
    }
    let put = seen[0].1;
    assert_eq!(
        (&put["size"], &put["version"]),
        (&5.into(), &version.as_str().into())
    );
    assert_eq!(seen[1].1["to"], "copy");
    assert_eq!(seen[4].1["source_version"], version.as_str());
    assert_eq!(seen[6].1["version"], version.as_str());
    assert_eq!(seen[7].1["size"], 5);
}

#[test]
fn what_fails_is_audited_with_its_status() {
    let server = json_server(&[]);
    let mut client = server.client();
    let if_match = [("If-Match", "\"none\"")];
    assert_eq!(
        client.request("PUT", "/files/a", &if_match, b"x").status,
        412
    );
    assert_eq!(server.client().put("/files/bad%5Cname", b"x").status, 400);
    assert_eq!(
        post(&mut server.client(), "/files/missing?copy_to=b").status,
        404
    );
    let cross = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
    ];
    assert_eq!(
        server
            .client()
            .request("DELETE", "/files/a", &cross, b"")
            .status,
        403
    );
    let gone = server
        .client()
        .request("DELETE", "/uploads/nothing", &[], b"");
    assert_eq!(gone.status, 404);
    let seen = audit(&server, 5);
    let seen: Vec<_> = seen
        .iter()
        .map(|line| (said(line), line["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            (("put", "a", 412), "precondition_failed"),
            (("put", "bad\\name", 400), "invalid_key"),
            (("copy", "missing", 404), "not_found"),
            (("delete", "a", 403), "cross_site"),
            (("resumable_cancel", "", 404), "not_found"),
        ]
    );
}

#[test]
fn a_resumable_upload_is_audited_at_its_beginning_and_its_end() {
    let server = json_server(&[]);
    let mut client = server.client();
    let tus = ("Tus-Resumable", "1.0.0");
    let metadata = ("Upload-Metadata", "filename YmlnLmJpbg==");
    let create = |client: &mut Client| {
        let made = client.request(
            "POST",
            "/uploads",
            &[tus, ("Upload-Length", "10"), metadata],
            b"",
        );
        assert_eq!(made.status, 201);
        made.header("location").unwrap().to_owned()
    };
    let kind = ("Content-Type", "application/offset+octet-stream");
    let at = create(&mut client);
    for (offset, bytes) in [("0", b"01234"), ("5", b"56789")] {
        let added = client.request("PATCH", &at, &[tus, kind, ("Upload-Offset", offset)], bytes);
        assert_eq!(added.status, 204);
    }
    let at = create(&mut client);
    let wrong = client.request("PATCH", &at, &[tus, kind, ("Upload-Offset", "3")], b"");
    assert_eq!(wrong.status, 409);
    assert_eq!(
        server.client().request("DELETE", &at, &[tus], b"").status,
        204
    );
    let seen = audit(&server, 5);
    let seen: Vec<_> = seen.iter().map(said).collect();
    assert_eq!(
        seen,
        [
            ("resumable_create", "big.bin", 201),
            ("resumable_complete", "big.bin", 204),
            ("resumable_create", "big.bin", 201),
            ("resumable_append", "big.bin", 409),
            ("resumable_cancel", "big.bin", 204),
        ]
    );
}

#[test]
fn a_change_whose_client_has_left_has_its_line() {
    let server = json_server(&[]);
    let mut client = server.client();
    client.send_head("PUT", "/files/left", &[("Content-Length", "100")]);
    client.send(b"some");
    drop(client);
    let seen = audit(&server, 1);
    let (action, key, status) = said(&seen[0]);
    assert_eq!((action, key), ("put", "left"));
    assert!(status >= 400, "{status}");
}

#[test]
fn a_level_for_everything_leaves_the_audit_and_its_own_ends_it() {
    // Where it listens must be seen.
    let quiet = "warn,cloud_portfolio::server=info";
    for (filter, count) in [(quiet.to_owned(), 1), (format!("{quiet},audit=off"), 0)] {
        let mut server = json_server(&[("RUST_LOG", &filter)]);
        assert_eq!(server.client().put("/files/a", b"x").status, 201);
        server.signal("TERM");
        assert_eq!(server.wait(), 0);
        support::wait_for("the last line", || server.log().contains("counted:"));
        let lines = lines(&server);
        let of = |target: &str| lines.iter().filter(|line| line["target"] == target).count();
        assert_eq!((of("audit"), of("access")), (count, 0), "{filter}");
    }
}

#[test]
fn access_lines_have_fields_of_their_types() {
    let server = json_server(&[]);
    let mut client = server.client();
    let headers = [("traceparent", TRACEPARENT), ("X-Request-Id", "mine")];
    client.request("PUT", "/files/a", &headers, b"12345");
    let mut found = None;
    support::wait_for("the line", || {
        found = lines(&server)
            .into_iter()
            .find(|line| line["id"] == "mine" && line["target"] == "access");
        found.is_some()
    });
    let line = found.unwrap();
    assert_eq!(line["method"], "PUT");
    assert_eq!(line["route"], "/files/{key}");
    assert_eq!(
        (line["status"].as_u64(), line["in"].as_u64()),
        (Some(201), Some(5))
    );
    assert!(line["ms"].is_number() && line["out"].is_number(), "{line}");
    assert_eq!(
        (&line["level"], &line["trace"]),
        (&"INFO".into(), &TRACE.into())
    );
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    assert!(audit(&server, 1)[0]["trace"] == TRACE);
}

#[test]
fn a_trace_that_is_not_valid_is_none() {
    let server = json_server(&[]);
    let bad = TRACEPARENT.to_uppercase();
    server.client().request(
        "GET",
        "/",
        &[("traceparent", &bad), ("X-Request-Id", "mine")],
        b"",
    );
    support::wait_for("the line", || {
        lines(&server).iter().any(|line| line["id"] == "mine")
    });
    assert!(!server.log().to_lowercase().contains(TRACE));
}
