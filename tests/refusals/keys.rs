//! Keys that no store, or not each, can hold, and those that are the server's own.

use crate::stored;
use crate::support::server::On;
use crate::support::{Client, Server, refused};

#[test]
fn hostile_keys_are_refused_and_nothing_is_stored() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let long = "k".repeat(1025);
        for target in [
            "/files/../../etc/passwd",
            "/files/..%2f..%2fetc%2fpasswd",
            "/files/%2e%2e%2f%2e%2e%2fetc/passwd",
            "/files/a/./b",
            "/files/a//b",
            "/files/a/",
            "/files//a",
            "/files/..%5cx",
            "/files/a%00b",
            "/files/a%0d%0ab",
            "/files/%ff%fe",
            "/files/%zz",
            "/files/",
            "/files/.cloud-portfolio/uploads/x",
            &format!("/files/{long}"),
        ] {
            let put = server.client().put(target, b"x");
            refused(&put, 400, "invalid_key");
        }
        assert_eq!(stored(&server), 0, "{on:?}");
    }
}

#[test]
fn the_internal_prefix_is_not_there_for_anyone() {
    let server = Server::local();
    let mut client: Client = server.client();
    refused(&client.get("/files/.cloud-portfolio/x"), 404, "not_found");
    assert_eq!(client.delete("/files/.cloud-portfolio/x").status, 204);
}

#[test]
fn keys_that_only_some_stores_can_hold_are_simply_not_there() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let long = format!("/files/{}", "s".repeat(300));
        for target in [
            "/files/a//b",
            "/files?key=../x",
            "/files?key=a/../b",
            "/files/a%00b",
            &long,
        ] {
            assert_eq!(client.get(target).status, 404, "{on:?} {target}");
            assert_eq!(client.head(target).status, 404, "{on:?} {target}");
            assert_eq!(client.delete(target).status, 204, "{on:?} {target}");
        }
        for prefix in ["..", "a//", "%00"] {
            let page = client.get(&format!("/files?prefix={prefix}"));
            assert_eq!(page.status, 200, "{on:?} {prefix} {page:?}");
        }
        client.put("/files/empty", b"");
        let range = client.request("GET", "/files/empty", &[("Range", "bytes=-5")], b"");
        refused(&range, 416, "invalid_range");
    }
}
