//! Heads: what is not HTTP, or too much of it, or not understood, and methods that are not taken.

use crate::stored;
use crate::support::{Server, refused};

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
