//! Two thousand clients that send a byte of a header now and then: the others are served, what they
//! cost is bounded, and their descriptors are given back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that fails may panic, and figures are printed"
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Client, Server, wait_for};

const LORISES: usize = 2000;
/// What each of them may cost beyond its descriptor: hyper's first buffer is 8 KiB, its state as much.
const EACH: u64 = 24 << 10;
/// What may be left of all of them.
const LEFT: u64 = 4 << 20;
/// A clean client waits no longer for its answer, on a machine however busy.
const PROMPT: Duration = Duration::from_secs(2);

/// As many descriptors as the test needs.
fn make_room() {
    let limit = getrlimit(Resource::Nofile);
    let needed = 2 * LORISES as u64;
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: Some(needed),
            maximum: limit.maximum,
        };
        setrlimit(Resource::Nofile, raised).unwrap_or_else(|error| {
            panic!(
                "the test needs {needed} open files and the hard limit is {:?}: {error}. Type: ulimit -Hn {needed}",
                limit.maximum
            )
        });
    }
}

/// Sends a byte on each connection; how many of them the server has closed.
fn drip(lorises: &mut [TcpStream]) -> usize {
    let mut closed = 0;
    for loris in lorises {
        let written = loris.write(b"x");
        let open = matches!(loris.read(&mut [0; 1]), Err(e) if e.kind() == ErrorKind::WouldBlock);
        closed += usize::from(written.is_err() || !open);
    }
    closed
}

fn attack(nofile: u64, cap: usize) {
    make_room();
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("DATA_DIR", dir.path().to_str().unwrap()),
        ("MAX_CONNECTIONS", "10000"),
        // All come from here, as if from many places.
        ("MAX_CONNECTIONS_PER_ADDRESS", "10000"),
    ];
    let mut server = Server::limited(nofile, &settings);
    server.wait_ready();
    let port = server.port;
    let mut client = server.client();
    assert_eq!(client.put("/files/a", b"1").status, 201);
    let (descriptors, memory) = (server.descriptors(), server.resident_memory());

    let stop = AtomicBool::new(false);
    let (slowest, count) = std::thread::scope(|scope| {
        let clean = scope.spawn(|| clean(port, &stop));
        // Also when this thread panics: the other would never end.
        let end = Stop(&stop);
        let mut lorises = Vec::new();
        for _ in 0..LORISES {
            let mut loris = TcpStream::connect(("127.0.0.1", port)).unwrap();
            loris.write_all(b"GET /health HTTP/1.1\r\nX: ").unwrap();
            loris.set_nonblocking(true).unwrap();
            lorises.push(loris);
        }
        let expected = LORISES.saturating_sub(cap);
        wait_for("the oldest to go", || drip(&mut lorises) >= expected);
        for _ in 0..5 {
            let closed = drip(&mut lorises);
            // The clean client's connections take places, too.
            assert!(
                closed >= expected && closed <= expected + 300,
                "{closed} were closed"
            );
            let open = server.descriptors();
            assert!(
                open as u64 <= nofile.min(descriptors as u64 + LORISES as u64 + 100),
                "{open}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        if expected > 0 {
            // The oldest went, and the youngest stay.
            let (oldest, rest) = lorises.split_at_mut(expected);
            assert_eq!(drip(oldest), expected);
            assert!(drip(&mut rest[300..]) == 0);
        }
        let grown = server.resident_memory().saturating_sub(memory);
        println!(
            "nofile {nofile}: {} descriptors, {grown} more bytes resident",
            server.descriptors()
        );
        assert!(grown < EACH * LORISES as u64, "{grown} bytes");
        drop((end, lorises));
        clean.join().unwrap()
    });
    println!("nofile {nofile}: {count} clean requests, the slowest {slowest:?}");
    assert!(slowest < PROMPT, "{slowest:?}");
    wait_for("descriptors to come back", || {
        server.descriptors() <= descriptors + 4
    });
    wait_for("memory to come back", || {
        server.resident_memory() < memory + LEFT
    });
    println!(
        "nofile {nofile}: {} bytes resident before, {} after",
        memory,
        server.resident_memory()
    );
    let log = server.log();
    assert!(
        !log.contains("panic") && !log.contains("could not be accepted"),
        "{log}"
    );
    assert!(server.is_running());
}

/// Says so when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A clean client, on one connection and on new ones; its slowest answer, and how many.
fn clean(port: u16, stop: &AtomicBool) -> (Duration, usize) {
    let mut kept = Client::connect(port);
    let mut slowest = Duration::ZERO;
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        for target in ["/health", "/files/a", "/files"] {
            let begun = Instant::now();
            let answer = Client::connect(port).get(target);
            assert_eq!(answer.status, 200, "{answer:?}");
            // One that waits between two requests is as idle as a loris, and may have gone.
            kept.send_head("GET", target, &[]);
            match kept.try_answer("GET") {
                Some(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
                None => kept = Client::connect(port),
            }
            slowest = slowest.max(begun.elapsed());
            count += 2;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    (slowest, count)
}

#[test]
fn with_1024_open_files_the_oldest_slow_clients_make_room() {
    // 64 for the process itself, and two for each connection.
    attack(1024, (1024 - 64) / 2);
}

#[test]
fn with_65536_open_files_all_slow_clients_stay_and_nobody_waits() {
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < 65_536) {
        println!(
            "the hard limit here is {:?} open files: the server gets that instead of 65,536",
            limit.maximum
        );
    }
    attack(limit.maximum.unwrap_or(65_536).min(65_536), LORISES + 1000);
}
