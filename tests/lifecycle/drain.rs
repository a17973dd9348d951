//! The end of the process on a signal: readiness, what is in flight, deadlines.

use std::time::{Duration, Instant};

use crate::silent_s3;
use crate::support::agent::Agent;
use crate::support::server::On;
use crate::support::{Server, refused, wait_for};

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
fn what_has_not_ended_at_the_deadline_is_cut_told_and_not_stored() {
    for on in [On::Local, On::Minio] {
        let mut server = Server::with(on, &[("DRAIN_SECONDS", "1")]);
        let mut upload = server.client();
        upload.send_head("PUT", "/files/endless", &[("Content-Length", "100000000")]);
        upload.send(&vec![1; 20_000_000]);
        server.signal("TERM");
        refused(&upload.answer(), 503, "shutting_down");
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
fn an_upload_that_waits_for_a_silent_store_is_answered_when_it_is_cut() {
    let (_s3, settings) = silent_s3();
    let mut server = Server::spawn(&settings);
    let mut upload = server.client();
    let headers = [("Content-Length", "1"), ("Expect", "100-continue")];
    upload.send_head("PUT", "/files/x", &headers);
    assert_eq!(upload.read_head().unwrap().status, 100);
    upload.send(b"x");
    server.signal("TERM");
    refused(&upload.answer(), 503, "shutting_down");
    assert_eq!(server.wait(), 0);
    assert!(!server.log().contains("did not end"), "{}", server.log());
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
