//! Uploads by a form: files, prefixes, and the page that confirms.

use crate::support::client::{FORM, form};
use crate::support::{Server, refused};
use crate::{STORES, keys};

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
fn a_form_under_a_condition_replaces_no_file() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        assert_eq!(client.put("/files/there", b"first").status, 201);
        let files: [(&str, &[u8]); 2] = [("new", b"1"), ("there", b"second")];
        let files = form(&files);
        let new = [("Content-Type", FORM), ("If-None-Match", "*")];
        let post = client.request("POST", "/upload", &new, &files);
        refused(&post, 412, "precondition_failed");
        assert_eq!(
            keys(&serde_json::json!({"files": post.json()["stored"]})),
            ["new"]
        );
        assert_eq!(server.client().get("/files/there").body, b"first", "{on:?}");
        let changed = [("Content-Type", FORM), ("If-Match", "\"x\"")];
        let post = server.client().request("POST", "/upload", &changed, &files);
        refused(&post, 400, "invalid_condition");
    }
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
