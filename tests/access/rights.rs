//! What a right opens, and that a prefix holds on every way in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::support::client::{FORM, form};
use super::support::refused;
use super::users::Site;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// Metadata of tus that names this path.
fn named(path: &str) -> String {
    format!("relativePath {}", STANDARD.encode(path))
}

#[test]
fn a_prefix_holds_on_every_way_to_an_object_and_tells_nothing_of_what_is_outside() {
    let site = Site::basic(&json!(null));
    assert_eq!(site.put("root", "other/there").status, 201);
    assert_eq!(site.put("ann", "ann/own").status, 201);
    let folder = named("other/there");
    let form = form(&[("there", b"1")]);
    let json_type = ("Content-Type", "application/json");
    for (method, target, headers, body) in [
        ("GET", "/files/other/there", &[][..], &b""[..]),
        ("GET", "/files/other/missing", &[], b""),
        ("GET", "/files?key=other/there", &[], b""),
        ("GET", "/files?key=ann/../other/there", &[], b""),
        ("GET", "/files/other/there?versions", &[], b""),
        ("GET", "/files/other/there?inline", &[], b""),
        ("PUT", "/files/other/there", &[], b"x"),
        ("PUT", "/files/annex", &[], b"x"),
        ("DELETE", "/files/other/there", &[], b""),
        ("DELETE", "/files?key=other/there", &[], b""),
        ("DELETE", "/files/other/there?version_id=x", &[], b""),
        ("POST", "/files/other/there?restore=x", &[], b""),
        ("POST", "/files/other/there?share", &[], b""),
        ("POST", "/files/other/there?copy_to=ann/x", &[], b""),
        ("POST", "/files/ann/own?copy_to=other/x", &[], b""),
        ("POST", "/files/ann/own?move_to=other/x", &[], b""),
        ("GET", "/files?prefix=other/", &[], b""),
        ("GET", "/files?prefix=&zip", &[], b""),
        ("GET", "/files?prefix=other/&zip", &[], b""),
        (
            "POST",
            "/upload?prefix=other",
            &[("Content-Type", FORM)],
            &form,
        ),
        ("POST", "/upload", &[("Content-Type", FORM)], &form),
        (
            "POST",
            "/uploads",
            &[TUS, ("Upload-Length", "1"), ("Upload-Metadata", &folder)],
            b"",
        ),
        (
            "POST",
            "/uploads?key=other/x",
            &[TUS, ("Upload-Length", "1")],
            b"",
        ),
        (
            "POST",
            "/uploads?key=other/x",
            &[("Upload-Complete", "?0")],
            b"",
        ),
        (
            "POST",
            "/uploads?key=other/x",
            &[("Upload-Complete", "?1")],
            b"x",
        ),
    ] {
        let answer = site.ask("ann", method, target, headers, body);
        refused(&answer, 403, "forbidden");
    }
    let keys = json!({"keys": ["other/there", "ann/own"]}).to_string();
    let bulk = site.ask(
        "ann",
        "POST",
        "/files?delete",
        &[json_type],
        keys.as_bytes(),
    );
    let results = bulk.json();
    assert_eq!(results["results"][0]["status"], 403);
    assert_eq!(results["results"][1]["status"], 204);
    assert_eq!(
        site.ask("root", "GET", "/files/other/there", &[], b"")
            .status,
        200
    );
}

#[test]
fn an_upload_that_another_began_is_not_theirs_to_go_on_with() {
    let site = Site::basic(&json!(null));
    let headers = [TUS, ("Upload-Length", "2")];
    let begun = site.ask("root", "POST", "/uploads?key=other/x", &headers, b"");
    let url = begun.header("location").unwrap().to_owned();
    let bytes = [
        TUS,
        ("Upload-Offset", "0"),
        ("Content-Type", "application/offset+octet-stream"),
    ];
    for (method, headers) in [("HEAD", &[TUS][..]), ("PATCH", &bytes), ("DELETE", &[TUS])] {
        let answer = site.ask("ann", method, &url, headers, b"");
        assert_eq!(answer.status, 403, "{method}");
    }
    let mut overridden = bytes.to_vec();
    overridden.push(("X-HTTP-Method-Override", "PATCH"));
    let answer = site.ask("ann", "POST", &url, &overridden, b"xy");
    refused(&answer, 403, "forbidden");
    assert_eq!(site.ask("", "HEAD", &url, &[TUS], b"").status, 401);
    let answer = site.ask("root", "POST", &url, &overridden, b"xy");
    assert_eq!(answer.status, 204);
}

#[test]
fn a_drop_box_takes_files_and_gives_nothing_away() {
    let site = Site::basic(&json!({"rights": ["write"], "prefixes": ["box/"]}));
    let form = form(&[("b", b"1")]);
    for name in ["", "bob"] {
        let status = if name.is_empty() { 401 } else { 403 };
        let key = format!("box/a{name}");
        assert_eq!(site.put(name, &key).status, 201);
        // What is there stays: by PUT, form, both protocols, and with a tag that was guessed.
        refused(&site.put(name, &key), 412, "precondition_failed");
        let target = format!("/files/{key}");
        let guessed = site.ask(name, "PUT", &target, &[("If-Match", "\"x\"")], b"x");
        assert_eq!(guessed.status, status);
        let headers = [("Content-Type", FORM)];
        assert_eq!(
            site.ask("root", "POST", "/upload?prefix=box", &headers, &form)
                .status,
            201
        );
        let again = site.ask(name, "POST", "/upload?prefix=box", &headers, &form);
        refused(&again, 412, "precondition_failed");
        let create = format!("/uploads?key={key}");
        let tus = site.ask(name, "POST", &create, &[TUS, ("Upload-Length", "1")], b"");
        refused(&tus, 412, "precondition_failed");
        let whole = site.ask(name, "POST", &create, &[("Upload-Complete", "?1")], b"x");
        refused(&whole, 412, "precondition_failed");
        for (method, target) in [
            ("GET", target.as_str()),
            ("HEAD", &target),
            ("DELETE", &target),
            ("GET", "/files?prefix=box/"),
            ("GET", "/files?prefix=box/&zip"),
            ("POST", &format!("{target}?copy_to=box/c")),
            ("POST", &format!("{target}?share")),
        ] {
            assert_eq!(
                site.ask(name, method, target, &[], b"").status,
                status,
                "{method} {target}"
            );
        }
    }
    // Who may do something is shown the page without being asked who they are.
    assert_eq!(site.ask("", "GET", "/", &[], b"").status, 200);
}

#[test]
fn who_may_not_replace_cannot_end_an_upload_that_would() {
    let site = Site::basic(&json!(null));
    let headers = [TUS, ("Upload-Length", "1")];
    let begun = site.ask("root", "POST", "/uploads?key=box/x", &headers, b"");
    let url = begun.header("location").unwrap().to_owned();
    let bytes = [
        TUS,
        ("Upload-Offset", "0"),
        ("Content-Type", "application/offset+octet-stream"),
    ];
    refused(
        &site.ask("bob", "PATCH", &url, &bytes, b"x"),
        403,
        "forbidden",
    );
    let begun = site.ask("bob", "POST", "/uploads?key=box/y", &headers, b"");
    let url = begun.header("location").unwrap().to_owned();
    assert_eq!(site.put("root", "box/y").status, 201);
    let end = site.ask("bob", "PATCH", &url, &bytes, b"x");
    refused(&end, 412, "precondition_failed");
    // One that has all its bytes is brought to its end also by asking how far it is.
    let headers = [
        ("Upload-Complete", "?0"),
        ("Upload-Length", "1"),
        ("Content-Type", "application/partial-upload"),
    ];
    let begun = site.ask("root", "POST", "/uploads?key=box/z", &headers, b"x");
    let url = begun.header("location").unwrap().to_owned();
    assert_eq!(site.ask("bob", "HEAD", &url, &[TUS], b"").status, 403);
    let made = site.ask("root", "GET", "/files/box/z", &[], b"");
    assert_eq!(made.status, 404);
    assert_eq!(site.ask("root", "HEAD", &url, &[TUS], b"").status, 200);
}

#[test]
fn a_gallery_shows_what_is_in_it_and_links_open_one_object_each() {
    let site = Site::basic(&json!({"rights": ["read", "list"], "prefixes": ["public/"]}));
    assert_eq!(site.put("root", "public/a").status, 201);
    assert_eq!(site.put("root", "ann/b").status, 201);
    assert_eq!(site.ask("", "GET", "/files/public/a", &[], b"").body, b"x");
    let list = site
        .ask("", "GET", "/files?prefix=public/", &[], b"")
        .json();
    assert_eq!(list["files"][0]["key"], "public/a");
    for (method, target) in [
        ("PUT", "/files/public/c"),
        ("DELETE", "/files/public/a"),
        ("GET", "/files/ann/b"),
        ("GET", "/files?prefix=ann/"),
    ] {
        refused(
            &site.ask("", method, target, &[], b"x"),
            401,
            "unauthorized",
        );
    }
    let shared = site
        .ask("ann", "POST", "/files/ann/b?share", &[], b"")
        .json();
    let url = shared["url"].as_str().unwrap();
    let link = url.split_once("/files").unwrap().1;
    assert_eq!(
        site.ask("", "GET", &format!("/files{link}"), &[], b"").body,
        b"x"
    );
    let forged = link.replace("signature=", "signature=0");
    assert_eq!(
        site.ask("", "GET", &format!("/files{forged}"), &[], b"")
            .status,
        403
    );
    let elsewhere = link.replace("ann/b", "ann/own");
    assert_eq!(
        site.ask("", "GET", &format!("/files{elsewhere}"), &[], b"")
            .status,
        403
    );
    assert_eq!(
        site.ask("", "DELETE", &format!("/files{link}"), &[], b"")
            .status,
        401
    );
}

#[test]
fn above_their_prefix_a_user_sees_the_way_to_it_and_nothing_else() {
    let site = Site::basic(&json!(null));
    site.put("root", "ann/own");
    site.put("root", "other/there");
    for target in [
        "/files",
        "/files?prefix=&delimiter=/",
        "/files?prefix=an&delimiter=/",
    ] {
        let list = site.ask("ann", "GET", target, &[], b"").json();
        assert_eq!(
            list,
            json!({"files": [], "prefixes": ["ann/"], "next_cursor": null})
        );
    }
    let page = site.ask("ann", "GET", "/files", &[("Accept", "text/html")], b"");
    let page = String::from_utf8(page.body).unwrap();
    assert!(
        page.contains("prefix=ann%2F") && !page.contains("other%2F"),
        "{page}"
    );
    let own = site
        .ask("ann", "GET", "/files?prefix=ann/&delimiter=/", &[], b"")
        .json();
    assert_eq!(own["files"][0]["key"], "ann/own");
}
