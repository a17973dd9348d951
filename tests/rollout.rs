//! Rollouts: three replicas behind a balancer, each replaced in turn under constant load, with no
//! request failed, no upload lost, and nothing sent again that was received.
//!
//! `ROLLOUT_WITHDRAW` and `ROLLOUT_DRAIN` (seconds) and `ROLLOUT_CHECK` (milliseconds between the
//! balancer's checks) stand in for the short ones here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    clippy::cast_precision_loss,
    reason = "a test that fails may panic, and its modules are no API"
)]

mod support;

mod rollout {
    pub mod balancer;
    pub mod load;
    pub mod resumed;
}

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rollout::balancer::{Balancer, free_port};
use rollout::load::{Load, Report};
use support::place::PART;
use support::server::On;
use support::{Place, Server, sha256};

const REPLICAS: usize = 3;
const ROUNDS: usize = 3;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Ends one replica and starts another in its place; what the old one had to say.
fn replace(server: &mut Server, start: impl Fn() -> Server) -> String {
    server.signal("TERM");
    assert_eq!(server.wait(), 0, "{}", server.log());
    support::wait_for("its last line", || server.log().contains("counted:"));
    let log = server.log();
    assert!(log.contains("nothing was cut"), "{log}");
    *server = start();
    log
}

#[test]
fn replicas_are_replaced_under_load_and_no_request_fails_and_no_upload_is_lost() {
    let wait = number("ROLLOUT_WITHDRAW", 1);
    let withdraw = wait.to_string();
    let drain = number("ROLLOUT_DRAIN", 15).to_string();
    let check = Duration::from_millis(number("ROLLOUT_CHECK", 100));
    let place = Place::new(On::Minio);
    let start = |port: u16| {
        let port = port.to_string();
        place.serve(&[
            ("PORT", port.as_str()),
            ("WITHDRAW_SECONDS", &withdraw),
            ("DRAIN_SECONDS", &drain),
        ])
    };
    let ports: Vec<u16> = (0..REPLICAS).map(|_| free_port()).collect();
    let mut servers: Vec<_> = ports.iter().map(|&port| start(port)).collect();
    let balancer = Balancer::start(&ports, check);
    let over = AtomicBool::new(false);
    let load = Load::new(balancer.port, &over, wait);
    let begun = Instant::now();
    let mut logs = Vec::new();
    let report = thread::scope(|scope| {
        let workers = load.start(scope);
        // Also when this thread panics: the others would never end.
        let _end = End(&over);
        for _ in 0..ROUNDS {
            for (number, (server, &port)) in servers.iter_mut().zip(&ports).enumerate() {
                logs.push(replace(server, || start(port)));
                balancer.wait_up(number);
            }
        }
        over.store(true, Ordering::Relaxed);
        let reports = workers.into_iter().map(|worker| worker.join().unwrap());
        reports.fold(Report::default(), Report::and)
    });
    let took = begun.elapsed();
    eprintln!(
        "{} replacements in {:.1} s; {report}",
        logs.len(),
        took.as_secs_f64()
    );
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    // Each kind took part, and some were under way when their replica went.
    assert!(report.requests.len() >= 8 && report.interrupted > 0);
    // A line may come after its answer.
    let mut all = Vec::new();
    support::wait_for("the log lines", || {
        all.clone_from(&logs);
        all.extend(servers.iter().map(Server::log));
        let mut uploads = report.resumed.iter();
        uploads.all(|upload| taken(&all, &upload.name) >= upload.size)
    });
    let logs = all;
    for upload in &report.resumed {
        let again = taken(&logs, &upload.name) - upload.size;
        // What the connection held of the next part when its request was ended is no part of it.
        let most = upload.ends * (PART + (512 << 10));
        assert!(again <= most, "{}: {again} of {most}", upload.name);
    }
    let again: u64 = report
        .resumed
        .iter()
        .map(|u| taken(&logs, &u.name) - u.size)
        .sum();
    eprintln!("{again} bytes of resumable uploads were received twice");
    let mut client = servers[0].client();
    for (key, digest) in &report.stored {
        let mut hash = Vec::new();
        let answer = client.download(&format!("/files/{key}"), &[], |block| {
            hash.extend_from_slice(block);
        });
        assert_eq!(answer.map(|answer| answer.status), Some(200), "{key}");
        assert_eq!(&sha256([hash]), digest, "{key}");
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bytes that replicas say they took of this upload: its requests have ids with its name.
fn taken(logs: &[String], name: &str) -> u64 {
    let mark = format!(" access id={name}.");
    let lines = logs.iter().flat_map(|log| log.lines());
    let counts = lines.filter(|line| line.contains(&mark)).map(|line| {
        let count = line.split(' ').find_map(|word| word.strip_prefix("in="));
        count.unwrap().parse::<u64>().unwrap()
    });
    counts.sum()
}
