//! Who makes a change, and from where, is told by its line.

use super::{audit, json_server, said};

#[test]
fn a_line_says_who_and_from_where_by_every_way_to_change_something() {
    let server = json_server(&[("AUTH", "proxy"), ("TRUSTED_PROXIES", "127.0.0.0/8")]);
    let mut client = server.client();
    let by = [
        ("X-Forwarded-User", "ann"),
        ("X-Forwarded-For", "192.0.2.7"),
    ];
    let tus = ("Tus-Resumable", "1.0.0");
    let form: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"form\"\r\n\r\n1\r\n--x--\r\n";
    let offset = ("Content-Type", "application/offset+octet-stream");
    let mut ask = |method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]| {
        let all = [&by[..], headers].concat();
        let answer = client.request(method, target, &all, body);
        assert!(answer.status < 300, "{method} {target}: {answer:?}");
        answer.header("location").unwrap_or_default().to_owned()
    };
    ask("PUT", "/files/put", &[], b"1");
    let kind = ("Content-Type", "multipart/form-data; boundary=x");
    ask("POST", "/upload", &[kind], form);
    let at = ask(
        "POST",
        "/uploads?key=tus",
        &[tus, ("Upload-Length", "2")],
        b"",
    );
    ask("PATCH", &at, &[tus, offset, ("Upload-Offset", "0")], b"12");
    ask(
        "POST",
        "/uploads?key=ietf",
        &[("Upload-Complete", "?1")],
        b"1",
    );
    let at = ask(
        "POST",
        "/uploads?key=gone",
        &[tus, ("Upload-Length", "2")],
        b"",
    );
    ask("DELETE", &at, &[tus], b"");
    for action in ["share", "copy_to=copy", "move_to=moved"] {
        ask("POST", &format!("/files/put?{action}"), &[], b"");
    }
    let json = ("Content-Type", "application/json");
    ask("POST", "/files?delete", &[json], br#"{"keys":["copy"]}"#);
    ask("DELETE", "/files/moved", &[], b"");
    let nobody = server.client().put("/files/nobody", b"1");
    assert_eq!(nobody.status, 403);
    let seen = audit(&server, 13);
    let (last, seen) = seen.split_last().unwrap();
    let actions: Vec<_> = seen.iter().map(|line| said(line).0).collect();
    assert_eq!(
        actions,
        [
            "put",
            "upload",
            "resumable_create",
            "resumable_complete",
            "resumable_complete",
            "resumable_create",
            "resumable_cancel",
            "share",
            "copy",
            "move",
            "bulk_delete",
            "delete",
        ]
    );
    for line in seen {
        assert_eq!(
            (&line["user"], &line["from"]),
            (&"ann".into(), &"192.0.2.7".into())
        );
        assert!(line["key"].is_string() && line["id"].is_string(), "{line}");
    }
    assert_eq!(
        (said(last), &last["user"]),
        (("put", "nobody", 403), &"-".into())
    );
}
