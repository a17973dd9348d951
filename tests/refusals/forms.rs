//! Forms: names, prefixes, and what is no form.

use crate::stored;
use crate::support::client::{FORM, form, form_ends};
use crate::support::server::On;
use crate::support::{Server, refused};

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
