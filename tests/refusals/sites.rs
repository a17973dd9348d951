//! Requests from pages of other sites, and under names that are not this server's.

use crate::stored;
use crate::support::server::On;
use crate::support::{Server, refused};

#[test]
fn a_page_of_another_site_changes_nothing() {
    let settings = [("ALLOWED_ORIGINS", "https://app.example")];
    let server = Server::with(On::Local, &settings);
    let mut client = server.client();
    client.put("/files/kept", b"kept");
    let foreign = [
        &[
            ("Sec-Fetch-Site", "cross-site"),
            ("Origin", "https://evil.example"),
        ][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
    ];
    let changes = [
        ("POST", "/upload"),
        ("PUT", "/files/new"),
        ("DELETE", "/files/kept"),
        ("DELETE", "/files?key=kept"),
        ("POST", "/files/kept?move_to=gone"),
        ("POST", "/files?delete"),
        ("POST", "/uploads"),
    ];
    for headers in foreign {
        for (method, target) in changes {
            let answer = server.client().request(method, target, headers, b"");
            refused(&answer, 403, "cross_site");
        }
        // It may follow a link, and cannot read what is there.
        let seen = server.client().request("GET", "/files/kept", headers, b"");
        assert_eq!(seen.status, 200);
        assert_eq!(seen.header("access-control-allow-origin"), None);
    }
    assert_eq!(stored(&server), 1);
    let named = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://app.example"),
    ];
    let own = [("Sec-Fetch-Site", "same-origin")];
    for headers in [&named[..], &own[..], &[]] {
        let answer = client.request("PUT", "/files/new", headers, b"new");
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    }
}

#[test]
fn a_name_that_is_not_ours_is_answered_by_probes_only() {
    let server = Server::with(On::Local, &[("ALLOWED_HOSTS", "files.example")]);
    let ask = |target: &str, host: &str| {
        let mut client = server.client();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        client.send(request.as_bytes());
        client.answer()
    };
    for target in ["/", "/files", "/files/x"] {
        refused(&ask(target, "evil.example"), 421, "unknown_host");
    }
    assert_eq!(ask("/files", "files.example:5000").status, 200);
    assert_eq!(ask("/health", "10.0.0.7:5000").status, 200);
    assert_eq!(ask("/ready", "10.0.0.7:5000").status, 200);
}
