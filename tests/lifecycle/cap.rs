//! As many connections as there may be: which makes room, and which waits.

use std::time::Duration;

use crate::support::server::On;
use crate::support::{Noise, Server, sha256};

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
