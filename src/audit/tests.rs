//! Which requests are changes, and what each is about.

use super::*;

fn action(method: &Method, target: &str) -> Option<(&'static str, Subject)> {
    let uri: Uri = target.parse().unwrap();
    let change = Change::of(route::find("", uri.path())?, method, &uri)?;
    let subject = change.subject().clone();
    Some((change.action, subject))
}

#[test]
fn each_change_has_its_name_and_what_it_is_about() {
    let post = Method::POST;
    for (method, target, want, key) in [
        (&Method::PUT, "/files/a%20b", "put", Some("a b")),
        (&Method::PUT, "/files/%zz", "put", Some("%zz")),
        (&Method::DELETE, "/files/a", "delete", Some("a")),
        (&Method::DELETE, "/files?key=..", "delete", Some("..")),
        (&Method::DELETE, "/files?key=%zz", "delete", Some("%zz")),
        (&post, "/files/a?copy_to=%zz", "copy", Some("a")),
        (
            &Method::DELETE,
            "/files/a?version_id=v",
            "delete_version",
            Some("a"),
        ),
        (&post, "/files/a?copy_to=b", "copy", Some("a")),
        (&post, "/files/a?move_to=b", "move", Some("a")),
        (&post, "/files/a?restore=v", "restore", Some("a")),
        (&post, "/files?key=a&share", "share", Some("a")),
        (&post, "/files?delete", "bulk_delete", None),
        (&post, "/upload", "upload", None),
        (&post, "/uploads", "resumable_create", None),
        (&Method::PATCH, "/uploads/x", "resumable_append", None),
        (&Method::DELETE, "/uploads/x", "resumable_cancel", None),
    ] {
        let (found, subject) = action(method, target).unwrap();
        assert_eq!((found, subject.key.as_deref()), (want, key), "{target}");
    }
    let (_, moved) = action(&post, "/files/a?move_to=b").unwrap();
    assert_eq!(moved.to.as_deref(), Some("b"));
    let (_, deleted) = action(&Method::DELETE, "/files/a?version_id=v").unwrap();
    assert_eq!(deleted.version.as_deref(), Some("v"));
}

#[test]
fn what_changes_nothing_is_no_change() {
    for (method, target) in [
        (&Method::GET, "/files/a"),
        (&Method::HEAD, "/uploads/x"),
        (&Method::POST, "/files/a"),
        (&Method::GET, "/"),
        (&Method::POST, "/health"),
    ] {
        assert!(action(method, target).is_none(), "{method} {target}");
    }
}
