//! The life of the process and of its connections: readiness, drain, crashes, limits, silence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::time::{Duration, Instant};

use support::agent::Agent;
use support::server::On;
use support::{Noise, Server, sha256, wait_for};

#[test]
fn sigterm_finishes_what_is_in_flight_and_exits_0() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::with(On::Local, &[("WITHDRAW_SECONDS", "1")]);
        let mut upload = server.client();
        upload.send_head("PUT", "/files/slow", &[("Content-Length", "1000000")]);
        upload.send(&vec![1; 400_000]);
        let mut idle = server.client();
        assert_eq!(idle.get("/health").status, 200);
        server.signal(signal);
        // Withdrawing: not ready, still serving, and every answer says that it is the last.
        wait_for("withdrawal", || server.client().get("/ready").status == 503);
        let answer = idle.get("/health");
        assert_eq!(
            (answer.status, answer.header("connection")),
            (200, Some("close"))
        );
        wait_for("the end of listening", || {
            std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err()
        });
        assert!(server.is_running());
        upload.send(&vec![1; 600_000]);
        assert_eq!(upload.answer().status, 201);
        assert_eq!(server.wait(), 0);
        wait_for("the line", || server.log().contains("nothing was cut"));
    }
}

#[test]
fn a_mount_that_hangs_neither_keeps_the_store_unknown_nor_the_process_from_its_end() {
    let listing = "<ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>0</KeyCount>\
        <MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";
    let s3 = Agent::start(move |_| (200, listing.to_owned()));
    s3.set_down(true);
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users.json");
    std::fs::write(&users, "{\"users\": []}").unwrap();
    let settings = [
        ("BUCKET_NAME", "b"),
        // A name, which is looked up for each check.
        (
            "AWS_ENDPOINT_URL_S3",
            &s3.url.replace("127.0.0.1", "localhost"),
        ),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AUTH", "basic"),
        ("AUTH_USERS_FILE", users.to_str().unwrap()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut server = Server::spawn(&settings);
    assert_eq!(server.client().get("/ready").status, 503);
    // To read a pipe that nobody writes is to wait.
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    std::fs::rename(&pipe, &users).unwrap();
    let waits = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        let waiting = |task: std::io::Result<std::fs::DirEntry>| {
            let state = std::fs::read_to_string(task.unwrap().path().join("wchan"));
            state.is_ok_and(|state| state.contains("fifo") || state.contains("wait_for_partner"))
        };
        tasks.into_iter().any(waiting)
    };
    wait_for("the file to be read", waits);
    s3.set_down(false);
    server.wait_ready();
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn what_has_not_ended_at_the_deadline_is_cut_told_and_not_stored() {
    for on in [On::Local, On::Minio] {
        let mut server = Server::with(on, &[("DRAIN_SECONDS", "1")]);
        let mut upload = server.client();
        upload.send_head("PUT", "/files/endless", &[("Content-Length", "100000000")]);
        upload.send(&vec![1; 20_000_000]);
        server.signal("TERM");
        let answer = upload.answer();
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (503, "shutting_down")
        );
        assert_eq!(server.wait(), 0);
        assert!(
            server.log().contains("cut 1 connections"),
            "{}",
            server.log()
        );
    }
}

#[test]
fn a_second_signal_cuts_at_once() {
    let mut server = Server::with(On::Local, &[("WITHDRAW_SECONDS", "600")]);
    let mut upload = server.client();
    upload.send_head("PUT", "/files/endless", &[("Content-Length", "1000")]);
    upload.send(b"x");
    server.signal("TERM");
    wait_for("withdrawal", || server.client().get("/ready").status == 503);
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
}

#[test]
fn a_second_signal_while_draining_cuts_at_once_and_says_what() {
    let mut server = Server::with(On::Local, &[("DRAIN_SECONDS", "600")]);
    let mut upload = server.client();
    let headers = [("Content-Length", "10"), ("Expect", "100-continue")];
    upload.send_head("PUT", "/files/endless", &headers);
    assert_eq!(
        upload.read_head().unwrap().status,
        100,
        "it is being served"
    );
    server.signal("TERM");
    wait_for("draining", || {
        server.log().contains("draining 1 connections")
    });
    server.signal("INT");
    assert_eq!(upload.answer().problem(), "shutting_down");
    assert_eq!(server.wait(), 0);
    wait_for("the line", || server.log().contains("cut 1 connections"));
}

#[test]
fn an_idle_connection_is_served_while_withdrawing_and_closed_only_after() {
    let settings = [("WITHDRAW_SECONDS", "2"), ("DRAIN_SECONDS", "600")];
    let mut server = Server::with(On::Local, &settings);
    let mut idle = server.client();
    assert_eq!(idle.get("/health").status, 200);
    let mut fresh = server.client();
    let began = Instant::now();
    server.signal("TERM");
    assert!(idle.is_closed());
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "closed too early"
    );
    assert!(fresh.is_closed());
    assert_eq!(server.wait(), 0);
    wait_for("the line", || server.log().contains("nothing was cut"));
}

#[test]
fn killed_in_the_middle_of_fifty_uploads_nothing_half_is_visible_and_nothing_acknowledged_is_lost()
{
    let dir = tempfile::tempdir().unwrap();
    let settings = [(
        "DATA_DIR".to_owned(),
        dir.path().to_str().unwrap().to_owned(),
    )];
    let mut server = Server::spawn(&settings);
    let port = server.port;
    let size = |n: u64| {
        if n.is_multiple_of(5) {
            40 << 20
        } else {
            100_000 + n * 1000
        }
    };
    let acknowledged = std::sync::Mutex::new(Vec::new());
    let clients: Vec<_> = (0..50_u64)
        .map(|n| (n, support::Client::connect(port)))
        .collect();
    std::thread::scope(|scope| {
        for (n, mut client) in clients {
            let acknowledged = &acknowledged;
            scope.spawn(move || {
                let target = format!("/files/k{n}");
                let length = size(n).to_string();
                client.send_head("PUT", &target, &[("Content-Length", &length)]);
                for block in Noise::new(n, size(n)) {
                    client.send(&block);
                }
                if let Some(answer) = client.try_answer("PUT")
                    && answer.status == 201
                {
                    acknowledged.lock().unwrap().push(n);
                }
            });
        }
        wait_for("a few answers", || acknowledged.lock().unwrap().len() >= 10);
        server.kill();
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(
        acknowledged.len() < 50,
        "the kill came too late to mean anything"
    );

    let server = Server::spawn(&settings);
    let page = server.client().get("/files?limit=1000").json();
    let listed: Vec<u64> = page["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["key"].as_str().unwrap()[1..].parse().unwrap())
        .collect();
    for n in &acknowledged {
        assert!(listed.contains(n), "k{n} was acknowledged and is gone");
    }
    for n in listed {
        let got = server.client().get(&format!("/files/k{n}")).body;
        assert_eq!(
            sha256([got]),
            sha256(Noise::new(n, size(n))),
            "k{n} is not whole"
        );
    }
    let left = std::fs::read_dir(dir.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "half-written files are left");
}

#[test]
fn a_silent_client_gets_408_and_its_upload_is_given_up() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[("TIMEOUT", "1")]);
        let mut client = server.client();
        client.send_head("PUT", "/files/silent", &[("Content-Length", "20000000")]);
        client.send(&vec![1; 9_000_000]);
        let answer = client.answer();
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (408, "client_silent"),
            "{on:?}"
        );
        assert_eq!(server.client().get("/files/silent").status, 404);
    }
}

#[test]
fn a_header_that_never_ends_and_an_idle_connection_are_closed() {
    let server = Server::with(On::Local, &[("TIMEOUT", "1")]);
    let mut slow = server.client();
    slow.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    let mut idle = server.client();
    assert_eq!(idle.get("/health").status, 200);
    let began = Instant::now();
    assert!(slow.is_closed() && idle.is_closed());
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let server = Server::with(On::Local, &[("TIMEOUT", "1")]);
    server
        .client()
        .put_stream("/files/big", 64 << 20, Noise::new(1, 64 << 20));
    let before = server.descriptors();
    let mut client = server.client();
    client.send_head("GET", "/files/big", &[]);
    let end = Instant::now() + Duration::from_secs(30);
    let given_up = || server.log().contains("status=200") && server.log().contains("cut=true");
    while !given_up() {
        assert!(
            Instant::now() < end,
            "still waiting for a reader: {}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    wait_for("its descriptors", || server.descriptors() <= before);
}

#[test]
fn at_the_cap_the_oldest_connection_without_a_request_makes_room() {
    let server = Server::with(On::Local, &[("MAX_CONNECTIONS", "20")]);
    let mut busy = server.client();
    let headers = [("Content-Length", "10"), ("Expect", "100-continue")];
    busy.send_head("PUT", "/files/busy", &headers);
    assert_eq!(busy.read_head().unwrap().status, 100, "it is being served");
    busy.send(b"12345");
    let mut crowd: Vec<_> = (0..100)
        .map(|_| {
            let mut client = server.client();
            client.send(b"GET /health HTTP/1.1\r\n");
            client
        })
        .collect();
    assert_eq!(server.client().get("/health").status, 200);
    assert!(crowd[0].is_closed(), "the oldest went first");
    busy.send(b"67890");
    assert_eq!(busy.answer().status, 201);
    assert!(server.descriptors() < 80);
}

#[test]
fn when_all_connections_are_busy_a_new_one_waits_for_its_turn() {
    let all = [
        ("MAX_CONNECTIONS", "2"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "2"),
    ];
    let server = Server::with(On::Local, &all);
    let mut busy: Vec<_> = (0..2)
        .map(|n| {
            let mut client = server.client();
            let headers = [("Content-Length", "2"), ("Expect", "100-continue")];
            client.send_head("PUT", &format!("/files/{n}"), &headers);
            assert_eq!(
                client.read_head().unwrap().status,
                100,
                "it is being served"
            );
            client.send(b"1");
            client
        })
        .collect();
    let mut third = server.client();
    third.send_head("GET", "/health", &[]);
    for client in &mut busy {
        client.send(b"2");
        assert_eq!(client.answer().status, 201);
    }
    assert_eq!(third.answer().status, 200);
}

#[test]
fn a_store_that_is_not_there_makes_the_service_unready_and_says_so() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let settings = [
        ("BUCKET_NAME", "b"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
    ];
    let settings: Vec<_> = settings
        .iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect();
    let server = Server::spawn(&settings);
    let mut client = server.client();
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/ready").status, 503);
    let answer = client.get("/files");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "store_unavailable")
    );
    assert!(answer.header("retry-after").is_some());
    let put = server.client().put("/files/x", b"x");
    assert_eq!(put.status, 503);
    wait_for("the log", || {
        server.log().contains("the store does not answer")
    });
    assert!(!server.log().contains("planted-secret"));
}

#[test]
fn a_bucket_that_is_not_there_is_a_502_and_not_ready() {
    let mut settings = support::server::minio();
    for (name, value) in &mut settings {
        if name == "BUCKET_NAME" {
            *value = "no-such-bucket".into();
        }
    }
    let server = Server::spawn(&settings);
    let answer = server.client().get("/files");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (502, "store_refused")
    );
    assert_eq!(server.client().get("/ready").status, 503);
}

/// An S3 that takes connections and never answers, and the settings to use it.
fn silent_s3() -> (std::net::TcpListener, Vec<(String, String)>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let settings = [
        ("BUCKET_NAME", "b"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("DRAIN_SECONDS", "1"),
        ("MAX_CONNECTIONS", "50"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (listener, settings.into())
}

#[test]
fn uploads_whose_client_has_gone_are_given_up_also_while_the_store_is_silent() {
    let (_s3, settings) = silent_s3();
    let server = Server::spawn(&settings);
    // Each of the two workers opens descriptors of its own when its thread comes to run, which on a
    // busy machine is later than the server says that it listens.
    let mut both = [server.client(), server.client()];
    for client in &mut both {
        assert_eq!(client.get("/health").status, 200);
    }
    let before = server.descriptors() - both.len();
    drop(both);
    for n in 0..100 {
        let mut client = server.client();
        let headers = [("Content-Length", "1"), ("Expect", "100-continue")];
        client.send_head("PUT", &format!("/files/{n}"), &headers);
        assert_eq!(
            client.read_head().unwrap().status,
            100,
            "it is being served"
        );
        client.send(b"x");
    }
    // A few for the check that is always under way.
    wait_for("their descriptors", || server.descriptors() <= before + 4);
    assert_eq!(server.client().get("/health").status, 200);
}

#[test]
fn an_upload_that_waits_for_a_silent_store_is_answered_when_it_is_cut() {
    let (_s3, settings) = silent_s3();
    let mut server = Server::spawn(&settings);
    let mut upload = server.client();
    let headers = [("Content-Length", "1"), ("Expect", "100-continue")];
    upload.send_head("PUT", "/files/x", &headers);
    assert_eq!(upload.read_head().unwrap().status, 100);
    upload.send(b"x");
    server.signal("TERM");
    let answer = upload.answer();
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "shutting_down")
    );
    assert_eq!(server.wait(), 0);
    assert!(!server.log().contains("did not end"), "{}", server.log());
}

#[test]
fn slow_uploads_of_unknown_length_do_not_hold_up_others() {
    let server = Server::local();
    let _slow: Vec<_> = (0..20)
        .map(|_| {
            let mut client = server.client();
            client.send_head("PUT", "/files/slow", &[("Transfer-Encoding", "chunked")]);
            client.send(format!("{:x}\r\n", 68 << 10).as_bytes());
            client.send(&vec![1; 67 << 10]);
            client
        })
        .collect();
    let began = Instant::now();
    let answer = server
        .client()
        .form("/upload", "quick", Noise::new(1, 9 << 20));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "it waited for the slow ones"
    );
}

#[test]
fn a_download_that_is_still_being_written_is_not_evicted() {
    let server = Server::with(On::Local, &[("MAX_CONNECTIONS", "1")]);
    for extra in 0..6_u64 {
        let size = (12 << 20) + extra * 17_001;
        assert_eq!(
            server
                .client()
                .put("/files/d", &Noise::bytes(extra, size))
                .status,
            200 + u16::from(extra == 0)
        );
        let mut reader = server.client();
        reader.send_head("GET", "/files/d", &[]);
        let head = reader.read_head().unwrap();
        let waiting = std::thread::scope(|scope| {
            let other = scope.spawn(|| server.client().get("/health").status);
            std::thread::sleep(Duration::from_millis(50));
            let mut hash = Vec::new();
            reader
                .read_body(&head, |block| hash.extend_from_slice(block))
                .expect("all of it");
            assert_eq!(sha256([hash]), sha256(Noise::new(extra, size)));
            drop(reader);
            other.join().unwrap()
        });
        assert_eq!(waiting, 200);
    }
}
