//! What is wrong with a request, in either protocol; who may send one, and by which method.

use super::talk::{STREAM, TUS, create, head, metadata, number, patch};
use crate::support::{Server, server::On};

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let server = Server::local();
    let mut client = server.client();
    let upload = create(&mut client, "a", Some(10));
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let answer = server.client().request("POST", "/uploads", headers, body);
        (answer.status, answer.problem())
    };
    let name = metadata(&[("filename", "x")]);
    let name = ("Upload-Metadata", name.as_str());
    for (headers, status, code) in [
        (vec![TUS, name], 400, "invalid_upload_length"),
        (
            vec![TUS, name, ("Upload-Defer-Length", "2")],
            400,
            "invalid_upload_length",
        ),
        (
            vec![TUS, name, ("Upload-Length", "-1")],
            400,
            "invalid_upload_length",
        ),
        (
            vec![
                TUS,
                name,
                ("Upload-Length", "1"),
                ("Upload-Defer-Length", "1"),
            ],
            400,
            "invalid_upload_length",
        ),
        (
            vec![TUS, name, ("Upload-Length", "99999999999999999")],
            413,
            "too_large",
        ),
        (vec![TUS, ("Upload-Length", "1")], 400, "invalid_key"),
        (
            vec![
                TUS,
                ("Upload-Length", "1"),
                ("Upload-Metadata", "filename ?"),
            ],
            400,
            "invalid_metadata",
        ),
        (
            vec![TUS, name, ("Upload-Length", "1"), ("If-Match", "\"x\"")],
            400,
            "invalid_condition",
        ),
        (
            vec![
                TUS,
                name,
                ("Upload-Length", "1"),
                ("Repr-Digest", "sha-256=:AA==:"),
            ],
            400,
            "digest_unsupported",
        ),
        (
            vec![
                TUS,
                name,
                ("Upload-Length", "1"),
                ("Upload-Concat", "partial"),
            ],
            400,
            "invalid_header",
        ),
        (vec![("Tus-Resumable", "0.2.2"), name], 412, "tus_version"),
        (vec![name], 400, "invalid_upload_complete"),
    ] {
        assert_eq!(
            post(&headers, b""),
            (status, code.to_owned()),
            "{headers:?}"
        );
    }
    let version = server
        .client()
        .request("POST", "/uploads", &[("Tus-Resumable", "2.0.0")], b"");
    assert_eq!(version.header("tus-version"), Some("1.0.0"));
    assert_eq!(
        post(&[TUS, name, ("Upload-Length", "3")], b"abc"),
        (415, "unsupported_media_type".to_owned())
    );
    let wrong = patch(&mut client, &upload, 3, b"abc");
    assert_eq!(
        (wrong.status, wrong.problem().as_str()),
        (409, "offset_mismatch")
    );
    assert_eq!(wrong.header("upload-offset"), Some("0"));
    let answer = server
        .client()
        .request("PATCH", &upload, &[TUS, STREAM], b"abc");
    assert_eq!(answer.problem(), "invalid_upload_offset");
    let get = server.client().get(&upload);
    assert_eq!(
        (get.status, get.problem().as_str()),
        (405, "method_not_allowed")
    );
    for none in ["/uploads/x", "/uploads/", &format!("{upload}A")] {
        let answer = server.client().request("DELETE", none, &[TUS], b"");
        assert!(matches!(answer.status, 404 | 405), "{none} {answer:?}");
    }
    // A folder, a path from a browser, a prefix; nothing of it leads elsewhere.
    for (pairs, key) in [
        (
            vec![("relativePath", "d/e.txt"), ("filename", "e.txt")],
            Some("d/e.txt"),
        ),
        (
            vec![("relativePath", "null"), ("filename", "C:\\x\\f.txt")],
            Some("f.txt"),
        ),
        (
            vec![("relativePath", "/d/g.txt"), ("prefix", "p/")],
            Some("p/d/g.txt"),
        ),
        (
            vec![("filename", "h.txt"), ("prefix", "p/q")],
            Some("p/q/h.txt"),
        ),
        (vec![("relativePath", "../x")], None),
        (vec![("filename", "..")], None),
        (vec![("relativePath", ".cloud-portfolio/uploads/x")], None),
        (vec![("prefix", "p")], None),
    ] {
        let metadata = metadata(&pairs);
        let headers = [
            TUS,
            ("Upload-Length", "0"),
            ("Upload-Metadata", metadata.as_str()),
        ];
        let answer = server.client().request("POST", "/uploads", &headers, b"");
        match key {
            Some(key) => {
                let path = format!("/files/{key}");
                assert_eq!(
                    answer.header("content-location"),
                    Some(path.as_str()),
                    "{pairs:?}"
                );
            }
            None => assert_eq!(
                (answer.status, answer.problem().as_str()),
                (400, "invalid_key")
            ),
        }
    }
}

#[test]
fn a_method_may_be_overridden() {
    let server = Server::local();
    let mut client = server.client();
    let upload = create(&mut client, "o", Some(3));
    let headers = [
        TUS,
        STREAM,
        ("Upload-Offset", "0"),
        ("X-HTTP-Method-Override", "PATCH"),
    ];
    let answer = client.request("POST", &upload, &headers, b"ab");
    assert_eq!((answer.status, number(&answer, "upload-offset")), (204, 2));
    let as_head = client.request(
        "POST",
        &upload,
        &[TUS, ("X-HTTP-Method-Override", "HEAD")],
        b"",
    );
    assert_eq!(
        (as_head.status, number(&as_head, "upload-offset")),
        (200, 2)
    );
    let as_get = client.request(
        "POST",
        &upload,
        &[TUS, ("X-HTTP-Method-Override", "GET")],
        b"",
    );
    assert_eq!(as_get.status, 405);
    let delete = [TUS, ("X-HTTP-Method-Override", "DELETE")];
    assert_eq!(client.request("POST", &upload, &delete, b"").status, 204);
    assert_eq!(head(&mut client, &upload).status, 404);
    // Nowhere else.
    client.put("/files/kept", b"x");
    let answer = client.request("GET", "/files/kept", &delete, b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"x"[..]));
}

#[test]
fn browsers_of_other_origins_are_let_in_only_when_they_are_named() {
    let origin = ("Origin", "https://app.example");
    let asks = [
        origin,
        ("Access-Control-Request-Method", "PATCH"),
        (
            "Access-Control-Request-Headers",
            "tus-resumable,upload-offset",
        ),
    ];
    let closed = Server::local();
    assert_eq!(
        closed
            .client()
            .request("OPTIONS", "/files", &asks, b"")
            .status,
        405
    );
    let answer = closed.client().request("GET", "/files", &[origin], b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let settings = [("ALLOWED_ORIGINS", "https://app.example,https://b.example")];
    let open = Server::with(On::Local, &settings);
    for target in ["/files", "/files/x", "/uploads", "/uploads/x", "/upload"] {
        let answer = open.client().request("OPTIONS", target, &asks, b"");
        assert_eq!(answer.status, 204);
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example"),
            (
                "access-control-allow-headers",
                "tus-resumable,upload-offset",
            ),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{target}");
        }
        assert!(
            answer
                .header("access-control-allow-methods")
                .unwrap()
                .contains("PATCH")
        );
    }
    let answer = open
        .client()
        .request("GET", "/nothing-here", &[origin], b"");
    assert_eq!(answer.status, 404);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["Upload-Offset", "Location", "Tus-Resumable", "ETag"] {
        assert!(exposed.contains(name));
    }
    let stranger = [("Origin", "https://evil.example")];
    let answer = open.client().request("GET", "/files/none", &stranger, b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("vary"), Some("Origin"));
}
