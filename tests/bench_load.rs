//! The load harness itself, against a server of ours and against one that stalls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test that fails may panic; the harness prints, and its figures are no longer than \
              an f64"
)]

#[path = "../benches/support/mod.rs"]
mod bench;
#[path = "../benches/load/mod.rs"]
mod load;
mod support;

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use load::figures::Round;
use support::Server;

/// The rounds of a run with these arguments, by their scenarios' names.
fn measured(arguments: &[&str]) -> Vec<(String, Round)> {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("load.json");
    let mut all = vec!["load", "--json", json.to_str().unwrap()];
    all.extend(arguments);
    assert_eq!(load::main(all.into_iter().map(OsString::from)), 0);
    let scenarios = load::report::read_json(&json).unwrap().scenarios;
    scenarios
        .into_iter()
        .map(|mut scenario| (scenario.name, scenario.peers[0].rounds.remove(0)))
        .collect()
}

fn requests(round: &Round) -> u64 {
    round.work as u64
}

#[test]
fn a_service_is_measured_and_left_as_it_was() {
    let server = Server::local();
    let url = format!("http://127.0.0.1:{}", server.port);
    let rounds = measured(&[
        "--url",
        &url,
        "--clients",
        "4",
        "--rate",
        "100",
        "--duration",
        "1",
        "--sizes",
        "1k,300k",
    ]);
    let names: Vec<&str> = rounds.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "url-all",
            "url-upload",
            "url-download",
            "url-list",
            "url-page"
        ]
    );
    // At a fixed rate there are as many requests as there should be, however long they take.
    assert_eq!(requests(&rounds[0].1), 100);
    for (name, round) in &rounds {
        assert_eq!(round.failures, 0, "{name}");
        assert!(round.latency.unwrap().p50 > 0, "{name}");
    }
    let left = server.client().get("/files").json();
    assert_eq!(left["files"].as_array().unwrap().len(), 0, "{left}");
}

#[test]
fn a_stall_counts_for_all_the_requests_that_it_kept_waiting() {
    // Answers everything with 201, and takes its time for the twentieth request.
    const STALL: Duration = Duration::from_millis(400);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut requests = 0;
                let mut head = [0; 4096];
                while matches!(stream.read(&mut head), Ok(count) if count > 0) {
                    requests += 1;
                    if requests == 20 {
                        std::thread::sleep(STALL);
                    }
                    let list = head.starts_with(b"GET /files");
                    let answer: &[u8] = if list {
                        b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"files\":[]}"
                    } else {
                        b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
                    };
                    stream.write_all(answer).unwrap();
                }
            });
        }
    });
    let rounds = measured(&[
        "--url",
        &url,
        "--clients",
        "1",
        "--rate",
        "100",
        "--duration",
        "1",
        "--sizes",
        "100",
        "--mix",
        "upload=1",
    ]);
    // 40 of 100 were due meanwhile, and waited 200 ms on average.
    let (_, round) = &rounds[0];
    assert!(round.latency.unwrap().p90 > 200_000, "{round:?}");
    assert_eq!(requests(round), 100);
}

#[test]
fn what_cannot_be_measured_is_told_apart_from_what_makes_no_sense() {
    let main = |arguments: &[&str]| load::main(arguments.iter().map(OsString::from));
    let server = Server::local();
    let url = format!("http://127.0.0.1:{}/nothing/here", server.port);
    assert_eq!(main(&["load", "--url", &url]), 1);
    assert_eq!(main(&["load", "--fast"]), 64);
    assert_eq!(main(&["load", "--only", "nothing"]), 64);
    assert_eq!(main(&["load", "--compare", "/nonexistent"]), 64);
    assert_eq!(main(&["load", "--list"]), 0);
}
