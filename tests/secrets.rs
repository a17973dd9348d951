//! No secret comes out: not in a log at its loudest, not in an answer, not in what the command line
//! prints, and not in a core dump. Every planted value has [`MARK`] in it, and nothing that comes
//! out may have. Whoever adds a secret setting adds it to [`PLANTED`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use cloud_portfolio::config::SETTINGS;
use support::{Server, wait_for};

const MARK: &str = "pl4nted";

/// Secret settings and what they are given.
const PLANTED: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIDpl4nted0"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "pl4nted/secret+key0123456789012345678901",
    ),
    (
        "AWS_SESSION_TOKEN",
        "pl4nted//session+token0123456789012345678901234567890123456789==",
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "pl4nted-container-token",
    ),
];

/// What a client brings that is nobody else's business.
const BROUGHT: &[(&str, &str)] = &[
    ("Authorization", "Bearer pl4nted-bearer"),
    ("Proxy-Authorization", "Basic pl4nted-proxy"),
    ("Cookie", "session=pl4nted-cookie"),
    ("X-Amz-Security-Token", "pl4nted-token"),
    ("X-Forwarded-User", "pl4nted-user"),
    ("Referer", "https://a.example/?token=pl4nted-referer"),
];

/// An S3 that refuses everything, and repeats in its refusal what it was sent, as S3 does with a
/// signature that it cannot verify. Keeps the signatures.
struct Echo {
    endpoint: String,
    signatures: Arc<Mutex<BTreeSet<String>>>,
}

impl Echo {
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let signatures = Arc::<Mutex<BTreeSet<String>>>::default();
        let seen = Arc::clone(&signatures);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || answer(&stream.unwrap(), status, &seen));
            }
        });
        Self {
            endpoint,
            signatures,
        }
    }
}

fn answer(stream: &TcpStream, status: &str, seen: &Mutex<BTreeSet<String>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if !matches!(reader.read_line(&mut line), Ok(1..)) {
                return;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if let Some((_, signature)) = line.trim_end().rsplit_once("Signature=") {
                seen.lock().unwrap().insert(signature.to_owned());
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        // Keys are no secrets, and stand in the first line.
        let lines = head.split_once('\n').map_or("", |(_, lines)| lines);
        let head = lines.replace(['<', '&'], "_");
        let document = format!(
            "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match: {head}</Message><AWSAccessKeyId>AKIDpl4nted0</AWSAccessKeyId><CanonicalRequest>{head}</CanonicalRequest><HostId>pl4nted</HostId></Error>"
        );
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nx-amz-meta-x: pl4nted\r\n\r\n{document}",
            document.len()
        );
        let mut stream = stream;
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn nothing_of(text: &str, whose: &str) {
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.to_lowercase().contains(MARK))
        .take(5)
        .collect();
    assert!(lines.is_empty(), "{whose} has {lines:#?}");
}

/// The planted settings themselves, or by files.
fn planted(files: Option<&std::path::Path>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in PLANTED {
        match files {
            None => all.push(((*name).to_owned(), (*value).to_owned())),
            Some(dir) => {
                let path = dir.join(name);
                std::fs::write(&path, format!("{value}\n")).unwrap();
                all.push((format!("{name}_FILE"), path.to_str().unwrap().to_owned()));
            }
        }
    }
    all.push(("BUCKET_NAME".into(), "b".into()));
    all
}

#[test]
fn every_secret_setting_is_planted() {
    for setting in SETTINGS.iter().filter(|setting| setting.secret) {
        let known = PLANTED.iter().any(|(name, _)| *name == setting.name);
        assert!(known, "{} is secret: plant it here", setting.name);
    }
}

#[test]
fn no_log_and_no_answer_has_a_secret_whatever_the_store_says() {
    let dir = tempfile::tempdir().unwrap();
    for (files, status) in [
        (None, "403 Forbidden"),
        (Some(dir.path()), "400 Bad Request"),
        (None, "500 Internal Server Error"),
    ] {
        let store = Echo::start(status);
        let mut settings = planted(files);
        settings.push(("AWS_ENDPOINT_URL_S3".into(), store.endpoint.clone()));
        settings.push(("RUST_LOG".into(), "trace".into()));
        let mut server = Server::spawn(&settings);
        let answers = all_requests(&server);
        nothing_of(&answers, "an answer");
        let link = server
            .client()
            .request("POST", "/files/x?share", BROUGHT, b"");
        let text = String::from_utf8(link.body).unwrap();
        server.signal("TERM");
        assert_eq!(server.wait(), 0);
        wait_for("the end of the log", || server.log().contains("drained"));
        let log = server.log();
        assert!(
            log.contains(" TRACE ") || log.contains(" DEBUG "),
            "it is not at its loudest: {log}"
        );
        nothing_of(&log, "the log");
        let mut signatures = store.signatures.lock().unwrap().clone();
        assert!(!signatures.is_empty(), "the store was asked nothing");
        if let Some((_, rest)) = text.split_once("X-Amz-Signature=") {
            signatures.insert(rest.chars().take_while(char::is_ascii_hexdigit).collect());
        }
        for signature in signatures {
            assert!(!log.contains(&signature), "the log has a signature");
        }
    }
}

/// Everything that can be asked, and then everything that was answered. The audit names the keys of
/// changes: they are none of the secrets.
fn all_requests(server: &Server) -> String {
    let form = "multipart/form-data; boundary=boundary-of-the-test";
    let body = support::client::form(&[("named.txt", b"pl4nted")]);
    let tus = [
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Length", "5"),
        ("Upload-Metadata", "filename bmFtZWQ="),
    ];
    let mut answers = String::new();
    for (method, target, headers, body) in [
        ("GET", "/", &[][..], &b""[..]),
        ("GET", "/ready", &[], b""),
        ("GET", "/files?prefix=pl4nted", &[], b""),
        ("GET", "/files?cursor=pl4nted", &[], b""),
        ("GET", "/files/pl4nted?version_id=pl4nted", &[], b""),
        (
            "GET",
            "/files/pl4nted?expires=1&signature=pl4nted",
            &[],
            b"",
        ),
        ("HEAD", "/files/pl4nted", &[], b""),
        (
            "PUT",
            "/files/named",
            &[("x-amz-meta-a", "pl4nted")],
            b"pl4nted",
        ),
        ("DELETE", "/files/named", &[], b""),
        ("POST", "/files/named?copy_to=named2", &[], b""),
        (
            "POST",
            "/files?delete",
            &[("Content-Type", "application/json")],
            b"{\"keys\":[\"x\"]}",
        ),
        ("POST", "/upload", &[("Content-Type", form)], &body),
        ("POST", "/uploads", &tus, b""),
        ("HEAD", "/uploads/pl4nted", &tus[..1], b""),
        ("GET", "/pl4nted?token=pl4nted", &[], b""),
        ("GET", "/files/%zz?pl4nted", &[], b""),
        ("ODD", "/", &[], b""),
    ] {
        let all: Vec<_> = headers.iter().chain(BROUGHT).copied().collect();
        let answer = server.client().request(method, target, &all, body);
        for (name, value) in &answer.headers {
            writeln!(answers, "{name}: {value}").unwrap();
        }
        answers.push_str(&String::from_utf8_lossy(&answer.body));
        answers.push('\n');
    }
    let mut client = server.client();
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: pl4nted\0\r\n\r\n");
    answers.push_str(&String::from_utf8_lossy(&client.answer().body));
    answers
}

#[test]
fn the_command_line_prints_no_secret_not_even_a_faulty_one() {
    let dir = tempfile::tempdir().unwrap();
    for files in [None, Some(dir.path())] {
        let faults = [
            ("PORT", "pl4nted"),
            ("AWS_ENDPOINT_URL_S3", "http://user:pl4nted@host"),
            ("ALLOWED_ORIGINS", "pl4nted"),
            ("S3_INTEGRITY", "pl4nted"),
        ];
        for (arguments, settings) in [
            (&["check-config"][..], &[][..]),
            (&["check-config"], &faults),
            (&["--help"], &faults),
            (&["healthcheck"], &faults),
            (&["pl4nted"], &faults),
            (&[], &faults),
        ] {
            let mut command: Command = Server::command();
            command
                .args(arguments)
                .envs(planted(files))
                .envs(settings.iter().copied());
            let output = command.output().unwrap();
            nothing_of(&String::from_utf8_lossy(&output.stdout), "what is printed");
            nothing_of(&String::from_utf8_lossy(&output.stderr), "what is said");
        }
    }
}

#[test]
fn no_crash_writes_memory_to_a_disk() {
    let server = Server::local();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.unwrap().split_whitespace().skip(4).collect();
    // 1 also keeps the system from piping it to a program: see `server::limits`.
    assert_eq!(words, ["1", "1", "bytes"], "{core:?}");
}
