//! Clients that are silent, slow or gone, and who else is served meanwhile.

use std::time::{Duration, Instant};

use crate::silent_s3;
use crate::support::server::On;
use crate::support::{Noise, Server, wait_for};

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
