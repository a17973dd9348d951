//! What is tried and never reaches the store, or gets there half way, has its line in the audit.

use std::time::Duration;

use serde_json::Value;

use super::support::{Client, post, wait_for};
use super::{audit, form, json_server, lines, said};

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

fn code(line: &Value) -> &str {
    line["code"].as_str().unwrap_or("")
}

#[test]
fn a_target_that_cannot_be_read_is_audited_as_it_came() {
    let server = json_server(&[]);
    for (method, target) in [
        ("PUT", "/files/%zz"),
        ("DELETE", "/files"),
        ("DELETE", "/files?key=%zz"),
        ("DELETE", "/files?key=a&key=b"),
        ("PUT", "/files/a?x=%zz"),
        ("POST", "/files/a?copy_to=%zz"),
    ] {
        let answer = server.client().request(method, target, &[], b"");
        assert_eq!(answer.status, 400, "{method} {target}");
    }
    let seen = audit(&server, 6);
    let seen: Vec<_> = seen.iter().map(|line| (said(line), code(line))).collect();
    assert_eq!(
        seen,
        [
            (("put", "%zz", 400), "invalid_key"),
            (("delete", "", 400), "invalid_query"),
            (("delete", "%zz", 400), "invalid_query"),
            (("delete", "", 400), "invalid_query"),
            (("put", "a", 400), "invalid_query"),
            (("copy", "a", 400), "invalid_query"),
        ]
    );
}

#[test]
fn a_change_that_comes_too_early_is_audited_and_counts_for_its_route() {
    let server = json_server(&[("RATE_LIMIT", "1")]);
    let mut client = server.client();
    wait_for("a refusal", || {
        client = server.client();
        client.put("/files/often", b"x").status == 429
    });
    let mut found = Vec::new();
    wait_for("its lines", || {
        found = lines(&server);
        found.retain(|line| line["status"] == 429);
        found.len() >= 2
    });
    let of = |target: &str| found.iter().find(|line| line["target"] == target).unwrap();
    let line = of("audit");
    assert_eq!(said(line), ("put", "often", 429));
    assert_eq!(code(line), "too_many_requests");
    assert_eq!(of("access")["route"], "/files/{key}");
}

#[test]
fn a_change_for_which_there_is_no_room_in_line_is_audited() {
    let server = json_server(&[("RATE_LIMIT", "1")]);
    let headers = [TUS, ("Upload-Length", "1"), ("Content-Length", "0")];
    // Five at once, thirty that wait, and more.
    let clients: Vec<_> = (0..45)
        .map(|_| {
            let mut client = server.client();
            client.send_head("POST", "/uploads?key=line", &headers);
            client
        })
        .collect();
    let mut found = None;
    wait_for("the line of one that is refused", || {
        let busy = |line: &Value| line["target"] == "audit" && line["code"] == "busy";
        found = lines(&server).into_iter().find(busy);
        found.is_some()
    });
    assert_eq!(said(&found.unwrap()), ("resumable_create", "", 503));
    drop(clients);
}

#[test]
fn a_change_under_a_foreign_name_or_none_is_audited() {
    let server = json_server(&[("ALLOWED_HOSTS", "test")]);
    let mut client = server.client();
    client.host = "evil.example".to_owned();
    assert_eq!(client.put("/files/a", b"x").status, 421);
    let mut client = server.client();
    client.send(b"DELETE /files/a HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    let seen = audit(&server, 2);
    assert_eq!(said(&seen[0]), ("put", "a", 421));
    assert_eq!(said(&seen[1]), ("delete", "a", 400));
}

#[test]
fn a_method_that_is_overridden_is_audited_as_what_it_means() {
    let server = json_server(&[]);
    let headers = [
        TUS,
        ("X-HTTP-Method-Override", "DELETE"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Origin", "https://evil.example"),
    ];
    let mut client = server.client();
    let answer = client.request("POST", "/uploads/x", &headers, b"");
    assert_eq!(answer.status, 403);
    assert_eq!(said(&audit(&server, 1)[0]), ("resumable_cancel", "", 403));
}

#[test]
fn each_file_of_a_form_that_is_refused_for_its_name_has_its_line() {
    let server = json_server(&[]);
    assert_eq!(form(&mut server.client(), &["good.txt", ".."]), 400);
    assert_eq!(form(&mut server.client(), &[".."]), 400);
    let seen = audit(&server, 3);
    let seen: Vec<_> = seen.iter().map(said).collect();
    assert_eq!(
        seen,
        [
            ("upload", "good.txt", 201),
            ("upload", "..", 400),
            ("upload", "..", 400),
        ]
    );
}

#[test]
fn a_move_whose_source_stays_is_audited_with_what_it_made() {
    let server = json_server(&[]);
    // Writes to the source as long as the server runs: it is another when it should be removed.
    let mut writer = server.client();
    std::thread::spawn(move || {
        let mut put = || {
            writer.send_head("PUT", "/files/from", &[("Content-Length", "5")]);
            writer.send(b"12345");
            writer.try_answer("PUT")
        };
        while put().is_some() {}
    });
    let mut client = server.client();
    let mut number = 0;
    wait_for("a move that comes too late", || {
        number += 1;
        let moved = post(&mut client, &format!("/files/from?move_to=to{number}"));
        moved.status == 409 && client.get(&format!("/files/to{number}")).status == 200
    });
    let mut found = None;
    wait_for("its line", || {
        let to = format!("to{number}");
        let of = |line: &Value| line["target"] == "audit" && line["to"] == to.as_str();
        found = lines(&server).into_iter().find(of);
        found.is_some()
    });
    let line = found.unwrap();
    assert_eq!(said(&line), ("move", "from", 409));
    assert_eq!(line["size"], 5, "{line}");
    assert!(line["version"].is_string(), "{line}");
}

/// Begins an upload that has all its bytes, and that nobody has brought to its end.
fn full(client: &mut Client, key: &str) -> String {
    let headers = [
        ("Upload-Complete", "?0"),
        ("Upload-Length", "5"),
        ("If-None-Match", "*"),
        ("Content-Type", "application/partial-upload"),
    ];
    let target = format!("/uploads?key={key}");
    let begun = client.request("POST", &target, &headers, b"12345");
    assert_eq!(begun.status, 201, "{begun:?}");
    begun.header("location").unwrap().to_owned()
}

#[test]
fn asking_for_the_status_of_an_upload_that_has_all_its_bytes_is_audited() {
    let server = json_server(&[]);
    let mut client = server.client();
    let good = full(&mut client, "good");
    let late = full(&mut client, "late");
    assert_eq!(client.put("/files/late", b"x").status, 201);
    assert_eq!(client.request("HEAD", &good, &[TUS], b"").status, 200);
    assert_ne!(client.request("HEAD", &late, &[TUS], b"").status, 200);
    let seen = audit(&server, 5);
    assert_eq!(said(&seen[3]), ("resumable_complete", "good", 200));
    assert_eq!(seen[3]["size"], 5);
    assert_eq!(said(&seen[4]), ("resumable_complete", "late", 412));
}

#[test]
fn an_object_that_a_status_makes_has_its_line_also_when_its_client_has_left() {
    let server = json_server(&[]);
    let mut client = server.client();
    for number in 0..60 {
        let at = full(&mut client, &format!("left{number}"));
        let mut leaver = server.client();
        leaver.send_head("HEAD", &at, &[TUS]);
        std::thread::sleep(Duration::from_micros(number * 100));
        drop(leaver);
    }
    wait_for("a line of each", || {
        let all = lines(&server);
        (0..60).all(|number| {
            let key = format!("left{number}");
            let told = all
                .iter()
                .any(|line| line["action"] == "resumable_complete" && line["key"] == key.as_str());
            told || client.head(&format!("/files/{key}")).status == 404
        })
    });
}
