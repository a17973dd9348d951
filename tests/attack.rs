//! Malformed requests in great number over a busy server: nobody else notices, nothing fails on
//! our side, and no byte of a body is ever taken for a request.
//!
//! `ATTACK_REQUESTS` says how many (3,000), `ATTACK_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that fails may panic, and figures are printed"
)]

#[path = "attack/clean.rs"]
mod clean;
#[path = "attack/hostile.rs"]
mod hostile;
#[path = "attack/smuggled.rs"]
mod smuggled;
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clean::Latencies;
use support::{Dice, Server, refused, wait_for};

/// Attackers at once.
const ATTACKERS: u64 = 2;
/// What a clean client's p99 may grow to, of its quiet figure (of less than which nobody feels
/// anything), where the run is long enough to tell.
const SLOWER: u32 = 5;
const QUIET: Duration = Duration::from_millis(5);
const TELLING: u64 = 100_000;
/// How much more may be resident afterwards.
const GROWTH: u64 = 2 << 20;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn malformed_requests_harm_nobody_and_leave_nothing() {
    let count = setting("ATTACK_REQUESTS").unwrap_or(3000);
    let seed = setting("ATTACK_SEED").unwrap_or_else(|| getrandom::u64().unwrap());
    println!("ATTACK_SEED={seed} ATTACK_REQUESTS={count}");
    let server = Server::local();
    let port = server.port;
    assert_eq!(server.client().put("/files/precious", b"1").status, 201);

    let quiet = during(port, || std::thread::sleep(Duration::from_secs(3)));
    // Buffers, stacks and caches take their size.
    during(port, || attack(port, seed ^ 1, count / 4));
    let before = settled(&server);
    let attacked = during(port, || attack(port, seed, count));
    wait_for("memory to come back", || {
        server.resident_memory() < before + GROWTH
    });
    let after = server.resident_memory();

    let mut client = server.client();
    assert_eq!(client.get("/files/precious").status, 200, "it was deleted");
    let page = client.get("/files?prefix=canary").json();
    assert_eq!(
        page["files"],
        serde_json::json!([]),
        "a body was taken for a request"
    );
    let log = server.log();
    assert!(!log.contains("panic"), "{log}");
    let failed: Vec<_> = log.lines().filter(|line| is_ours(line)).take(5).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    println!(
        "resident before {before} after {after}; clean client p99 quiet {:?} attacked {:?}: {:.1} times ({} and {} requests)",
        quiet.p99(),
        attacked.p99(),
        attacked.p99().as_secs_f64() / quiet.p99().as_secs_f64(),
        quiet.count(),
        attacked.count(),
    );
    if count >= TELLING {
        assert!(attacked.p99() < quiet.p99().max(QUIET) * SLOWER);
    }
}

/// 501 is what RFC 9112 section 6.1 wants for a transfer coding that is not known.
fn is_ours(line: &str) -> bool {
    line.contains(" status=5") && !line.contains(" status=501 ")
}

/// What clean clients see while `work` is done.
fn during(port: u16, work: impl FnOnce()) -> Latencies {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| clean::serve_until(port, &stop));
        work();
        stop.store(true, Ordering::Relaxed);
        client.join().unwrap()
    })
}

fn attack(port: u16, seed: u64, count: u64) {
    std::thread::scope(|scope| {
        for number in 0..ATTACKERS {
            scope.spawn(move || {
                let mut dice = Dice::new(seed.wrapping_add(number));
                for _ in 0..count / ATTACKERS {
                    let attack = if dice.chance(0.5) {
                        smuggled::attack(&mut dice)
                    } else {
                        hostile::attack(&mut dice)
                    };
                    let heard = attack.send(port, &mut dice);
                    let broken = heard.windows(10).any(|bytes| {
                        bytes.starts_with(b"HTTP/1.1 5") && !heard.starts_with(b"HTTP/1.1 501")
                    });
                    assert!(
                        !broken,
                        "{}: {attack:?} got {}",
                        attack.kind,
                        String::from_utf8_lossy(&heard)
                    );
                }
            });
        }
    });
}

/// Resident bytes once they no longer fall.
fn settled(server: &Server) -> u64 {
    let mut least = u64::MAX;
    let mut steady = 0;
    wait_for("memory to settle", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = server.resident_memory();
        steady = if now < least { 0 } else { steady + 1 };
        least = least.min(now);
        steady > 5
    });
    least
}

#[test]
fn a_target_with_a_fragment_is_refused_and_not_cut() {
    let server = Server::local();
    refused(
        &server.client().put("/files/a#b", b"1"),
        400,
        "invalid_request",
    );
    let mut client = server.client();
    // Also as the second on its connection, in two pieces, and after an empty line.
    assert_eq!(client.get("/health").status, 200);
    client.send(b"\r\nPUT /files/");
    client.send(b"a#b HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    refused(&client.answer(), 400, "invalid_request");
    let page = server.client().get("/files").json();
    assert_eq!(page["files"], serde_json::json!([]));
    // Elsewhere it is a character like any other.
    let mut client = server.client();
    let headers = [("x-amz-meta-a", "#1")];
    let put = client.request("PUT", "/files/a%23b", &headers, b"#\n#");
    assert_eq!(put.status, 201);
    let got = client.get("/files/a%23b");
    assert_eq!(
        (got.body.as_slice(), got.header("x-amz-meta-a")),
        (&b"#\n#"[..], Some("#1"))
    );
}
