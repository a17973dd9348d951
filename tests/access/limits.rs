//! What one address may take: connections, requests, and time.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::support::server::On;
use super::support::{Server, refused, wait_for};

#[test]
fn an_address_that_has_its_share_of_connections_loses_its_oldest_idle_one() {
    let server = Server::with(On::Local, &[("MAX_CONNECTIONS_PER_ADDRESS", "3")]);
    let mut oldest = server.client();
    assert_eq!(oldest.get("/health").status, 200);
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut other = server.client();
        assert_eq!(other.get("/health").status, 200);
        others.push(other);
    }
    assert!(oldest.is_closed());
    // Another address has a share of its own.
    let from = socket("127.0.0.2", server.port);
    assert!(text(from).starts_with("HTTP/1.1 200"));
    assert_eq!(others[2].get("/health").status, 200);
}

/// A GET of /health from this address of loopback.
fn socket(from: &str, port: u16) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let address: std::net::SocketAddr = format!("{from}:0").parse().unwrap();
    bind(&socket, &address).unwrap();
    let to: std::net::SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    connect(&socket, &to).unwrap();
    let mut stream = TcpStream::from(socket);
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    stream
}

fn text(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn an_address_whose_connections_are_all_busy_is_told_so_and_others_are_served() {
    let server = Server::with(On::Local, &[("MAX_CONNECTIONS_PER_ADDRESS", "2")]);
    let mut busy = Vec::new();
    // The connection that asked for readiness may be among those counted for a moment.
    wait_for("two busy connections", || {
        let mut client = server.client();
        let headers = [("Content-Length", "2"), ("Expect", "100-continue")];
        client.send_head("PUT", &format!("/files/{}", busy.len()), &headers);
        if client.read_head().is_some_and(|head| head.status == 100) {
            busy.push(client);
        }
        busy.len() == 2
    });
    // It reads before it asks: after a request there may be a reset.
    let refusal = text(TcpStream::connect(("127.0.0.1", server.port)).unwrap());
    assert!(refusal.starts_with("HTTP/1.1 503"), "{refusal}");
    assert!(text(socket("127.0.0.2", server.port)).starts_with("HTTP/1.1 200"));
    drop(busy);
}

#[test]
fn a_trusted_proxy_is_not_counted_for_what_it_brings() {
    let settings = [
        ("MAX_CONNECTIONS_PER_ADDRESS", "1"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = Server::with(On::Local, &settings);
    let mut clients: Vec<_> = (0..5).map(|_| server.client()).collect();
    for _ in 0..2 {
        for client in &mut clients {
            assert_eq!(client.get("/health").status, 200);
        }
    }
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let settings = [("RATE_LIMIT", "1"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::with(On::Local, &settings);
    let from = |address: &str, target: &str| {
        let headers = [("X-Forwarded-For", address)];
        server.client().request("GET", target, &headers, b"")
    };
    // Five at once, and one more in each second that this takes.
    let mut all = (0..50).map(|_| from("192.0.2.1", "/files"));
    let first: Vec<_> = all.by_ref().take(5).map(|answer| answer.status).collect();
    assert_eq!(first, [200; 5]);
    let answer = all.find(|answer| answer.status != 200).unwrap();
    refused(&answer, 429, "too_many_requests");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        from("192.0.2.1", "/ready").status,
        200,
        "probes do not count"
    );
    assert_eq!(from("192.0.2.2", "/files").status, 200);
    // Clients of tus give up on a 429: theirs wait for their turn.
    let headers = [("X-Forwarded-For", "192.0.2.1"), ("Tus-Resumable", "1.0.0")];
    let answer = server
        .client()
        .request("OPTIONS", "/uploads", &headers, b"");
    assert_eq!(answer.status, 204);
}
