//! Parts that find no room in memory go to S3 as they come. What that costs a client that pauses:
//! S3 does not wait for it, and what it sent of the part is lost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::time::{Duration, Instant};

use support::server::On;
use support::{Noise, Server, refused, sha256};

const MIB: u64 = 1 << 20;

/// No part is ever gathered: each is over a quarter of the memory.
fn without_room() -> Server {
    let settings = [
        ("UPLOAD_BUFFER_BYTES", "12582912"),
        ("UPLOAD_PART_BYTES", "6291456"),
    ];
    Server::with(On::Minio, &settings)
}

#[test]
fn a_client_silent_for_longer_than_s3_waits_is_told_to_come_back_and_nothing_is_stored() {
    let server = without_room();
    let mut client = server.client();
    let length = (20 * MIB).to_string();
    client.send_head("PUT", "/files/paused", &[("Content-Length", &length)]);
    client.send(&Noise::bytes(1, 7 * MIB));
    let begun = Instant::now();
    let answer = client.answer();
    // Far below TIMEOUT, which the same client may be silent for where there is room.
    assert!(begun.elapsed() < Duration::from_secs(40));
    refused(&answer, 503, "busy");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(server.client().get("/files/paused").status, 404);
}

#[test]
fn a_client_that_sends_slowly_but_steadily_is_heard_out() {
    let server = without_room();
    let pieces = Noise::new(2, 7 * MIB).inspect(|_| std::thread::sleep(Duration::from_millis(60)));
    let answer = server.client().put_stream("/files/slow", 7 * MIB, pieces);
    assert_eq!(answer.status, 201, "{answer:?}");
    let got = server.client().get("/files/slow");
    assert_eq!(sha256([got.body]), sha256(Noise::new(2, 7 * MIB)));
}
