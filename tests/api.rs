//! The HTTP contract on both stores: what goes in comes back, and how it is described.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::Value;
use support::client::{FORM, form};
use support::server::On;
use support::{Client, Noise, Server, sha256};

const STORES: [On; 2] = [On::Local, On::Minio];

/// A key in a path, every byte that is not unreserved encoded but the slash.
fn encode(key: &str) -> String {
    key.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn keys(page: &Value) -> Vec<String> {
    let files = page["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| file["key"].as_str().unwrap().to_owned())
        .collect()
}

fn list_all(client: &mut Client, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/files?{query}{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        all.extend(keys(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encode(next)),
            None => return all,
        }
    }
}

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
    let script = text
        .split("src=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
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
fn listings_are_in_byte_order_with_prefixes_pages_and_delimiters() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let mut all = vec!["a!b", "a/b", "a/c/d", "a/c/e", "b", "é", "z/1", "z/2", "Z"];
        if on == On::Local {
            // MinIO leaves keys below `a/` out of listings once there is an object `a`.
            all.push("a");
        }
        for key in &all {
            assert_eq!(
                client.put(&format!("/files/{}", encode(key)), b"x").status,
                201
            );
        }
        all.sort_unstable();
        assert_eq!(list_all(&mut client, "limit=3"), all, "{on:?}");
        assert_eq!(
            list_all(&mut client, "prefix=a/"),
            ["a/b", "a/c/d", "a/c/e"]
        );
        let page = client.get("/files?delimiter=/&prefix=a/").json();
        assert_eq!(keys(&page), ["a/b"]);
        assert_eq!(page["prefixes"], serde_json::json!(["a/c/"]));
        assert_eq!(page["next_cursor"], Value::Null);
        let page = client.get("/files?delimiter=/").json();
        assert_eq!(page["prefixes"], serde_json::json!(["a/", "z/"]));
        for (query, code) in [
            ("limit=0", "invalid_limit"),
            ("limit=1001", "invalid_limit"),
            ("limit=x", "invalid_limit"),
            ("cursor=%21", "invalid_cursor"),
            ("cursor=bm9uc2Vuc2U", "invalid_cursor"),
            ("prefix=%ff", "invalid_query"),
            ("limit=1&limit=2", "invalid_query"),
        ] {
            let answer = client.get(&format!("/files?{query}"));
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (400, code),
                "{on:?} {query}"
            );
        }
    }
}

#[test]
fn ranges_and_conditions_are_honoured() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let put = client.put("/files/r", b"0123456789");
        let etag = put.header("etag").unwrap().to_owned();
        for (range, want) in [
            ("bytes=2-4", Some("234")),
            ("bytes=7-", Some("789")),
            ("bytes=-2", Some("89")),
            ("bytes=0-99", Some("0123456789")),
            ("bytes=4-2", None),
            ("nonsense", None),
            ("bytes=1-2,4-5", None),
        ] {
            let got = client.request("GET", "/files/r", &[("Range", range)], b"");
            match want {
                Some(text) => {
                    assert_eq!(
                        (got.status, got.body.as_slice()),
                        (206, text.as_bytes()),
                        "{range}"
                    );
                    assert!(got.header("content-range").unwrap().ends_with("/10"));
                }
                None => assert_eq!((got.status, got.body.len()), (200, 10), "{range}"),
            }
        }
        let beyond = client.request("GET", "/files/r", &[("Range", "bytes=10-")], b"");
        assert_eq!(
            (beyond.status, beyond.problem().as_str()),
            (416, "invalid_range")
        );
        assert_eq!(beyond.header("content-range"), Some("bytes */10"));
        let get = |client: &mut Client, headers: &[(&str, &str)]| {
            client.request("GET", "/files/r", headers, b"").status
        };
        assert_eq!(get(&mut client, &[("If-None-Match", &etag)]), 304);
        assert_eq!(get(&mut client, &[("If-Match", "\"other\"")]), 412);
        assert_eq!(
            get(&mut client, &[("Range", "bytes=0-0"), ("If-Range", &etag)]),
            206
        );
        assert_eq!(
            get(
                &mut client,
                &[("Range", "bytes=0-0"), ("If-Range", "\"x\"")]
            ),
            200
        );

        // Each on a connection of its own: one that refuses a body before it is read closes.
        let write = |headers: &[(&str, &str)]| {
            let answer = server.client().request("PUT", "/files/r", headers, b"new");
            let closes = answer.header("connection") == Some("close");
            assert_eq!(closes, answer.status >= 400, "{answer:?}");
            answer.status
        };
        assert_eq!(write(&[("If-None-Match", "*")]), 412, "{on:?}");
        assert_eq!(write(&[("If-Match", "\"x\"")]), 412);
        assert_eq!(write(&[("If-Match", &etag)]), 200);
        assert_eq!(write(&[("If-None-Match", "\"x\"")]), 400);
        let absent = server
            .client()
            .request("PUT", "/files/absent", &[("If-Match", &etag)], b"x");
        assert_eq!(absent.status, 412);
        let fresh = server
            .client()
            .request("PUT", "/files/fresh", &[("If-None-Match", "*")], b"x");
        assert_eq!(fresh.status, 201);
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
fn a_form_stores_each_of_its_files_below_the_prefix() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let files: [(&str, &[u8]); 3] = [
            ("one.txt", b"1"),
            ("C:\\dir\\two.txt", b"22"),
            ("empty", b""),
        ];
        let form = form(&files);
        let post = client.request(
            "POST",
            "/upload?prefix=in/box",
            &[("Content-Type", FORM)],
            &form,
        );
        assert_eq!(post.status, 201, "{on:?} {post:?}");
        let stored = post.json();
        assert_eq!(
            keys(&stored),
            ["in/box/one.txt", "in/box/two.txt", "in/box/empty"]
        );
        assert_eq!(client.get("/files/in/box/two.txt").body, b"22");
        assert_eq!(client.get("/files/in/box/empty").body, b"");
    }
}

#[test]
fn a_prefix_field_before_the_files_counts_and_one_after_is_refused() {
    let server = Server::local();
    let mut client = server.client();
    let field = b"--boundary-of-the-test\r\nContent-Disposition: form-data; name=\"prefix\"\r\n\r\ndrop/\r\n".to_vec();
    let file = form(&[("f", b"x")]);
    let before = [field.clone(), file.clone()].concat();
    let post = client.request("POST", "/upload", &[("Content-Type", FORM)], &before);
    assert_eq!(keys(&post.json()), ["drop/f"]);
    let end = b"--boundary-of-the-test--\r\n".len();
    let after = [&file[..file.len() - end], &field, &file[file.len() - end..]].concat();
    let post = client.request("POST", "/upload", &[("Content-Type", FORM)], &after);
    assert_eq!(
        (post.status, post.problem().as_str()),
        (400, "invalid_form")
    );
    assert_eq!(
        keys(
            &post
                .json()
                .get("stored")
                .map(|s| serde_json::json!({"files": s}))
                .unwrap()
        ),
        ["f"]
    );
}

#[test]
fn a_browser_without_script_gets_a_page_that_confirms() {
    let server = Server::local();
    let form = form(&[("<b>.txt", b"1")]);
    let headers = [
        ("Content-Type", FORM),
        ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ];
    let post = server.client().request("POST", "/upload", &headers, &form);
    assert_eq!(post.status, 201);
    assert!(
        post.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let text = String::from_utf8(post.body).unwrap();
    assert!(text.contains("&lt;b&gt;.txt") && !text.contains("<b>.txt"));
}

#[test]
fn a_browser_without_script_gets_the_list_as_pages_and_anyone_else_as_json() {
    let server = Server::local();
    let mut client = server.client();
    for key in ["a/%3Cb%3E.txt", "a/b/c.txt", "d.txt", "e.txt"] {
        client.put(&format!("/files/{key}"), b"12");
    }
    let mut html = |target: &str| {
        let headers = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
        let got = client.request("GET", target, &headers, b"");
        assert_eq!(got.status, 200);
        let kind = got.header("content-type").unwrap();
        assert_eq!(kind, "text/html; charset=utf-8");
        assert_eq!(got.header("vary"), Some("accept"));
        let policy = got.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'self'")
        );
        String::from_utf8(got.body).unwrap()
    };
    let top = html("/files?limit=2");
    for wanted in [
        "files?prefix=a%2F\"",
        "files/d.txt\"",
        "&amp;cursor=",
        "2 bytes",
    ] {
        assert!(top.contains(wanted), "{wanted}\n{top}");
    }
    assert!(!top.contains("e.txt"));
    let cursor = top.split("cursor=").nth(1).unwrap();
    let cursor = cursor.split('"').next().unwrap();
    let next = html(&format!("/files?prefix=&cursor={cursor}"));
    assert!(next.contains("files/e.txt\"") && next.contains("First page"));
    let folder = html("/files?prefix=a/");
    for wanted in [">&lt;b&gt;.txt<", "files?prefix=a%2Fb%2F\"", ">All files<"] {
        assert!(folder.contains(wanted), "{wanted}\n{folder}");
    }
    assert!(!folder.contains("<b>.txt"));

    for accept in ["*/*", "application/json"] {
        let got = client.request("GET", "/files", &[("Accept", accept)], b"");
        assert_eq!(got.header("content-type"), Some("application/json"));
        assert_eq!(got.header("vary"), Some("accept"));
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
fn a_checksum_of_the_clients_is_checked_before_anything_is_stored() {
    use base64::Engine as _;
    for on in STORES {
        // With next to no room everything is streamed, and the end is held back.
        for buffer in ["41943040", "16777216"] {
            let server = Server::with(on, &[("UPLOAD_BUFFER_BYTES", buffer)]);
            for size in [0, 5, 3_000_000, 9_000_000] {
                let data = Noise::bytes(1, size);
                let digest = |data: &[u8]| {
                    let hash = <sha2::Sha256 as sha2::Digest>::digest(data);
                    let text = base64::engine::general_purpose::STANDARD.encode(hash);
                    format!("sha-256=:{text}:")
                };
                let wrong = digest(b"other bytes");
                let put = |digest: &str| {
                    server
                        .client()
                        .request("PUT", "/files/d", &[("Repr-Digest", digest)], &data)
                };
                let refused = put(&wrong);
                assert_eq!(
                    (refused.status, refused.problem().as_str()),
                    (422, "checksum_mismatch")
                );
                assert_eq!(
                    server.client().get("/files/d").status,
                    404,
                    "{on:?} {buffer} {size}"
                );
                assert_eq!(put(&digest(&data)).status, 201, "{on:?} {buffer} {size}");
                assert_eq!(server.client().delete("/files/d").status, 204);
            }
        }
    }
}
