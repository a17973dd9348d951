//! Lists: order, prefixes, pages and delimiters, as JSON and for browsers without script.

use serde_json::Value;

use crate::support::Server;
use crate::support::server::On;
use crate::{STORES, encode, keys, list_all};

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
