//! How objects get out besides downloads: as one zip, and by links that are shared.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use support::server::{On, temporary_credentials};
use support::{Client, Noise, Server, post, put, refused};

const STORES: [On; 2] = [On::Local, On::Minio];

/// Lines of `name size` as python3's zipfile sees them, its checksums verified.
fn unzipped(bytes: &[u8]) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let script = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1])\n\
        assert z.testzip() is None\n\
        for i in z.infolist(): print(ascii(i.filename)[1:-1], i.file_size)\n";
    let output = python(script, file.path());
    assert!(
        Command::new("unzip")
            .arg("-tq")
            .arg(file.path())
            .output()
            .is_ok_and(|o| o.status.success())
    );
    output.lines().map(str::to_owned).collect()
}

fn python(script: &str, path: &Path) -> String {
    let output = Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_prefix_comes_as_one_zip() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        for (key, size) in [
            ("p/q/one", 1),
            ("p/q/sub/two", 3_000_000),
            ("p/q/zero", 0),
            ("p/q/%C3%A9", 5),
            ("p/r", 1),
        ] {
            put(&mut client, key, &Noise::bytes(size, size));
        }
        let zip = client.get("/files?prefix=p/q/&zip");
        assert_eq!(zip.status, 200, "{on:?}");
        assert_eq!(zip.header("content-type"), Some("application/zip"));
        assert_eq!(
            zip.header("content-disposition"),
            Some("attachment; filename=\"q.zip\"")
        );
        assert_eq!(
            unzipped(&zip.body),
            ["one 1", "sub/two 3000000", "zero 0", "\\xe9 5"],
            "{on:?}"
        );
        let some = client.get("/files?prefix=p/q/s&zip");
        assert_eq!(unzipped(&some.body), ["sub/two 3000000"]);
        let all = client.get("/files?zip");
        assert_eq!(
            all.header("content-disposition"),
            Some("attachment; filename=\"files.zip\"")
        );
        assert_eq!(unzipped(&all.body).len(), 5);
        refused(&client.get("/files?prefix=nothing/&zip"), 404, "not_found");
        assert_eq!(client.head("/files?prefix=p/&zip").status, 200);
        assert_eq!(client.get("/files?prefix=p/r").status, 200);
    }
}

#[test]
fn an_object_that_cannot_be_read_breaks_the_zip_off() {
    let server = Server::local();
    let mut client = server.client();
    put(&mut client, "a", &Noise::bytes(1, 1000));
    let id = put(&mut client, "b", &Noise::bytes(2, 1000));
    put(&mut client, "c", b"x");
    let file = server.data_dir().join("objects/b.o").join(id);
    std::fs::write(file, b"damaged").unwrap();
    let mut bytes = Vec::new();
    let answer = client.download("/files?zip", &[], |chunk| bytes.extend_from_slice(chunk));
    assert!(answer.is_none());
    assert!(!bytes.windows(4).any(|window| window == b"PK\x05\x06"));
}

fn share(client: &mut Client, target: &str) -> (String, i64) {
    let before = chrono::Utc::now().timestamp();
    let answer = post(client, target);
    assert_eq!(answer.status, 200, "{answer:?}");
    let link = answer.json();
    let end = chrono::DateTime::parse_from_rfc3339(link["expires_at"].as_str().unwrap()).unwrap();
    (
        link["url"].as_str().unwrap().to_owned(),
        end.timestamp() - before,
    )
}

/// A plain client: curl, which knows nothing of us. Status, disposition, and body.
fn fetch(url: &str) -> (u16, String, Vec<u8>) {
    let body = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("curl")
        .args([
            "--silent",
            "--noproxy",
            "*",
            "--path-as-is",
            "--globoff",
            "--output",
        ])
        .arg(body.path())
        .args([
            "--write-out",
            "%{http_code} %header{content-disposition}",
            url,
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (status, disposition) = text.split_once(' ').unwrap();
    (
        status.parse().unwrap(),
        disposition.to_owned(),
        std::fs::read(body.path()).unwrap(),
    )
}

#[test]
fn a_shared_link_gives_the_object_to_anyone_until_it_expires() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let host = format!("127.0.0.1:{}", server.port);
        let mut client = Client::connect(server.port);
        client.host = host.clone();
        let key = "s/na%C3%AFve%20%2B%25%26%3F%23%3D'~.txt";
        put(&mut client, key, b"shared");
        let (url, lifetime) = share(&mut client, &format!("/files/{key}?share&expires_in=60"));
        assert!((59..=61).contains(&lifetime), "{lifetime}");
        assert_eq!(
            url.starts_with(&format!("http://{host}/files/")),
            on == On::Local,
            "{url}"
        );
        let (status, disposition, body) = fetch(&url);
        assert_eq!(
            (status, body.as_slice()),
            (200, &b"shared"[..]),
            "{on:?} {url}"
        );
        assert!(
            disposition.starts_with("attachment; ")
                && disposition.contains("filename*=UTF-8''na%C3%AFve%20+%25"),
            "{disposition}"
        );
        let (_, lifetime) = share(&mut client, &format!("/files/{key}?share"));
        assert!((3599..=3601).contains(&lifetime), "{lifetime}");

        let (brief, _) = share(&mut client, &format!("/files/{key}?share&expires_in=1"));
        support::wait_for("the link's end", || fetch(&brief).0 == 403);

        // Any change to it makes it worthless.
        let tampered = url.replace("~.txt", "x.txt");
        assert_ne!(tampered, url);
        assert_eq!(fetch(&tampered).0, 403, "{on:?}");
        for seconds in ["0", "604801", "-1", "x", "", "1.5"] {
            let answer = post(
                &mut client,
                &format!("/files/{key}?share&expires_in={seconds}"),
            );
            refused(&answer, 400, "invalid_expires_in");
        }
        refused(&post(&mut client, "/files/absent?share"), 404, "not_found");
        refused(
            &post(&mut client, "/files/.cloud-portfolio/x?share"),
            404,
            "not_found",
        );
    }
}

#[test]
fn a_link_of_ours_opens_one_object_and_nothing_beside_it() {
    let data = tempfile::tempdir().unwrap();
    let settings = [
        (
            "DATA_DIR".to_owned(),
            data.path().to_str().unwrap().to_owned(),
        ),
        ("BASE_PATH".to_owned(), "/portal".to_owned()),
    ];
    let mut server = Server::spawn(&settings);
    let mut client = server.client();
    client.put("/portal/files/x", b"1");
    client.put("/portal/files/y", b"2");
    let mut hosted = server.client();
    hosted.host = "files.example:8080".to_owned();
    let headers = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Prefix", "/evil"),
        ("Forwarded", "host=evil.example"),
    ];
    let link = hosted
        .request("POST", "/portal/files/x?share", &headers, b"")
        .json();
    let url = link["url"].as_str().unwrap();
    let path = url.strip_prefix("http://files.example:8080").unwrap();
    let query = path.strip_prefix("/portal/files/x?").unwrap();
    assert_eq!(client.get(path).body, b"1");
    assert_eq!(client.head(path).status, 200);
    let (expires, signature) = query
        .strip_prefix("expires=")
        .unwrap()
        .split_once("&signature=")
        .unwrap();
    let expires: i64 = expires.parse().unwrap();
    for bad in [
        format!("/portal/files/y?{query}"),
        format!("{path}&version_id=1"),
        format!("{path}&versions"),
        format!(
            "/portal/files/x?expires={}&signature={signature}",
            expires + 1
        ),
        format!("/portal/files/x?expires=+{expires}&signature={signature}"),
        format!(
            "/portal/files/x?expires={expires}&signature={}",
            &signature[1..]
        ),
        format!("/portal/files/x?expires={expires}"),
        format!("/portal/files/x?signature={signature}"),
        "/portal/files/x?expires=x&signature=".to_owned(),
    ] {
        refused(&client.get(&bad), 403, "invalid_signature");
    }
    let link = post(&mut client, "/portal/files/x?share&expires_in=1").json();
    let brief = link["url"]
        .as_str()
        .unwrap()
        .strip_prefix("http://test")
        .unwrap()
        .to_owned();
    support::wait_for("the link's end", || client.get(&brief).status == 403);
    refused(&client.get(&brief), 403, "link_expired");

    let key = std::fs::metadata(data.path().join("share.key")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777,
        0o600
    );
    let path = path.to_owned();
    server.kill();
    let server = Server::spawn(&settings);
    assert_eq!(server.client().get(&path).body, b"1");
    let mut odd = server.client();
    odd.host = "user@evil".to_owned();
    refused(
        &post(&mut odd, "/portal/files/x?share"),
        400,
        "invalid_host",
    );
}

#[test]
fn shared_links_lead_to_the_public_endpoint() {
    let all = [("S3_PUBLIC_ENDPOINT", "https://files.example:443/")];
    let server = Server::with(On::Minio, &all);
    let mut client = server.client();
    put(&mut client, "x", b"1");
    let (url, _) = share(&mut client, "/files/x?share");
    assert!(url.starts_with("https://files.example/"), "{url}");
    assert!(url.contains("X-Amz-SignedHeaders=host&"), "{url}");
}

#[test]
fn a_link_signed_with_temporary_credentials_carries_their_token() {
    let lent = temporary_credentials();
    let settings: Vec<_> = lent.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let server = Server::with(On::Minio, &settings);
    let mut client = server.client();
    put(&mut client, "x", b"lent");
    let (url, _) = share(&mut client, "/files/x?share");
    assert!(url.contains("X-Amz-Security-Token="), "{url}");
    let (status, _, body) = fetch(&url);
    assert_eq!((status, body.as_slice()), (200, &b"lent"[..]));
}
