//! What cannot be asked of one object, or be stored with it.

use crate::stored;
use crate::support::server::On;
use crate::support::{Server, refused};

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
