//! Objects: what goes in comes back, under any key, and is gone once it is deleted.

use crate::support::{self, Noise, Server, refused, sha256};
use crate::{STORES, encode, list_all};

#[test]
fn a_put_comes_back_byte_for_byte_with_what_was_said_of_it() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "max-age=60"),
            ("Content-Language", "de"),
            ("x-amz-meta-colour", "dark green"),
        ];
        let put = client.request("PUT", "/files/a/b.txt", &headers, b"hello");
        assert_eq!(put.status, 201, "{on:?} {put:?}");
        assert_eq!(put.header("location"), Some("/files/a/b.txt"));
        let object = put.json();
        assert_eq!(object["key"], "a/b.txt");
        assert_eq!(object["size"], 5);
        assert_eq!(object["content_type"], "text/plain; charset=utf-8");
        assert!(object["version_id"].is_string());
        chrono::DateTime::parse_from_rfc3339(object["last_modified"].as_str().unwrap()).unwrap();
        let etag = format!("\"{}\"", object["etag"].as_str().unwrap());
        assert_eq!(put.header("etag"), Some(etag.as_str()));

        let got = client.get("/files/a/b.txt");
        assert_eq!((got.status, got.body.as_slice()), (200, &b"hello"[..]));
        for (name, value) in headers {
            assert_eq!(got.header(name), Some(value), "{on:?} {name}");
        }
        assert_eq!(got.header("etag"), Some(etag.as_str()));
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            got.header("content-disposition"),
            Some("attachment; filename=\"b.txt\"")
        );
        assert!(
            got.header("content-security-policy")
                .unwrap()
                .contains("sandbox")
        );
        let head = client.head("/files/a/b.txt");
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-length"), Some("5"));
        assert_eq!(head.header("etag"), Some(etag.as_str()));

        assert_eq!(client.put("/files/a/b.txt", b"again").status, 200);
        assert_eq!(client.get("/files/a/b.txt").body, b"again");
        let old = format!(
            "/files/a/b.txt?version_id={}",
            object["version_id"].as_str().unwrap()
        );
        assert_eq!(client.get(&old).body, b"hello", "{on:?}");
    }
}

#[test]
fn odd_keys_survive_put_list_get_and_delete() {
    let odd = [
        "with space",
        "plus+plus",
        "100%",
        "100%25",
        "#hash",
        "what?",
        "a&b=c",
        "naïve/日本語/😀.txt",
        "quote\"'<img src=x onerror=alert(1)>",
        "~tilde",
        "semi;colon,comma",
        "UPPER and upper",
        "upper AND upper",
        "e\u{301} combining",
        ".hidden",
        "...",
        "trailing.",
        "bidi\u{202e}txt",
    ];
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        for key in odd {
            let put = client.put(&format!("/files/{}", encode(key)), key.as_bytes());
            assert_eq!(put.status, 201, "{on:?} {key:?} {put:?}");
            assert_eq!(put.json()["key"], key);
        }
        let long = format!("{}/{}", "l".repeat(200), "ö".repeat(100));
        assert_eq!(
            client
                .put(&format!("/files/{}", encode(&long)), b"long")
                .status,
            201
        );
        let mut want: Vec<_> = odd.iter().map(|k| (*k).to_owned()).chain([long]).collect();
        want.sort_unstable();
        assert_eq!(list_all(&mut client, "limit=4"), want, "{on:?}");
        for key in &odd {
            let got = client.get(&format!("/files/{}", encode(key)));
            assert_eq!(got.body, key.as_bytes(), "{on:?} {key:?}");
            let query: String = key
                .bytes()
                .flat_map(|b| ["%".into(), support::hex(&[b])])
                .collect();
            assert_eq!(
                client.get(&format!("/files?key={query}")).body,
                key.as_bytes()
            );
        }
        for key in &want {
            assert_eq!(
                client.delete(&format!("/files/{}", encode(key))).status,
                204
            );
        }
        assert!(list_all(&mut client, "").is_empty());
    }
}

#[test]
fn deleting_succeeds_also_when_nothing_is_there() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        assert_eq!(client.delete("/files/never-there").status, 204);
        client.put("/files/x", b"1");
        assert_eq!(client.delete("/files/x").status, 204);
        assert_eq!(client.get("/files/x").problem(), "not_found");
        assert_eq!(client.delete("/files?key=x").status, 204);
    }
}

#[test]
fn only_safe_types_are_shown_inline() {
    let server = Server::local();
    let mut client = server.client();
    for (key, shown) in [
        ("p.png", true),
        ("t.txt", true),
        ("h.html", false),
        ("s.svg", false),
        ("x.xml", false),
    ] {
        client.put(&format!("/files/{key}"), b"<script>alert(1)</script>");
        let got = client.get(&format!("/files/{key}?inline"));
        let disposition = got.header("content-disposition").unwrap();
        assert_eq!(disposition.starts_with("inline"), shown, "{key}");
        let policy = got.header("content-security-policy").unwrap();
        assert!(shown || policy.contains("sandbox"));
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn hundred_uploads_over_one_connection_and_over_many_all_arrive() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut one = server.client();
        for n in 0..100_u64 {
            assert_eq!(
                one.put(&format!("/files/one/{n}"), &Noise::bytes(n, n * 37))
                    .status,
                201
            );
        }
        std::thread::scope(|scope| {
            for n in 0..50_u64 {
                let server = &server;
                scope.spawn(move || {
                    let put = server
                        .client()
                        .put(&format!("/files/many/{n}"), &Noise::bytes(n, 100_000));
                    assert_eq!(put.status, 201);
                });
            }
        });
        for n in 0..100_u64 {
            let got = one.get(&format!("/files/one/{n}")).body;
            assert_eq!(sha256([got]), sha256([Noise::bytes(n, n * 37)]));
        }
        assert_eq!(list_all(&mut one, "prefix=many/&limit=7").len(), 50);
    }
}

#[test]
fn metadata_that_a_store_takes_for_an_order_is_refused() {
    for on in STORES {
        let server = Server::with(on, &[]);
        for name in [
            // MinIO unpacks an archive under this, into any key of its bucket.
            "x-amz-meta-snowball-auto-extract",
            "X-Amz-Meta-Snowball-Auto-Extract",
            "x-amz-meta-minio-snowball-prefix",
            "x-amz-meta-x-amz-unencrypted-content-length",
        ] {
            let headers = [(name, "true")];
            let put = server
                .client()
                .request("PUT", "/files/in.tar", &headers, b"x");
            refused(&put, 400, "invalid_header");
            let whole = [(name, "true"), ("Upload-Complete", "?1")];
            let created = server
                .client()
                .request("POST", "/uploads?key=in.tar", &whole, b"x");
            refused(&created, 400, "invalid_header");
        }
        assert_eq!(server.client().get("/files/in.tar").status, 404, "{on:?}");
    }
}

#[test]
fn a_put_of_a_part_of_an_object_is_refused() {
    let server = Server::local();
    let headers = [("Upload-Complete", "?0")];
    let put = server.client().request("PUT", "/files/a", &headers, b"abc");
    refused(&put, 400, "invalid_upload_complete");
    let missing = server.client().get("/files/a");
    refused(&missing, 404, "not_found");
    // A cache might keep it until long after the file is there.
    assert_eq!(missing.header("cache-control"), Some("no-store"));
    let headers = [("Upload-Complete", "?1")];
    let put = server.client().request("PUT", "/files/a", &headers, b"abc");
    assert_eq!(put.status, 201);
}

#[test]
fn a_version_of_white_space_is_not_the_current_one() {
    for on in STORES {
        let server = Server::with(on, &[]);
        assert_eq!(server.client().put("/files/a", b"kept").status, 201);
        for id in ["", "%20", "%0D%0A", "%09"] {
            let target = format!("/files/a?version_id={id}");
            for method in ["GET", "DELETE"] {
                let answer = server.client().request(method, &target, &[], b"");
                refused(&answer, 400, "invalid_query");
            }
        }
        assert_eq!(server.client().get("/files/a").body, b"kept", "{on:?}");
    }
}
