//! S3 gone under load, in two ways: refused and reset, or without a word. Reads and writes fail
//! soon, then at once, and say so; the page stays; memory stays; and all is well soon after.
//!
//! `OUTAGE_SECONDS` says for how long, in place of the short time here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::relay::{Mode, Relay};
use support::server::{On, minio_setting};
use support::{Answer, Client, Noise, Place, Server, sha256, wait_for};

/// Ends the clients, and the outage without which some do not end, also when a test fails.
struct End<'a>(&'a AtomicBool, &'a Relay);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.set(Mode::Open);
    }
}

/// One request of a client that is there all the time.
struct Seen {
    kind: &'static str,
    begun: Instant,
    took: Duration,
    status: u16,
}

/// What is under way may outlast the outage.
const PARTS: &str = "put of 12 MiB in parts";
const READ: &str = "read";

type Work = fn(&mut Client, u64) -> Answer;

/// A page, a probe, a listing, a read, and small and larger writes.
const KINDS: [(&str, Work); 8] = [
    ("page", |client, _| client.get("/")),
    ("health", |client, _| client.get("/health")),
    ("ready", |client, _| client.get("/ready")),
    ("list", |client, _| client.get("/files?limit=5")),
    (READ, |client, _| client.get("/files/there")),
    ("put", |client, n| {
        client.put(&format!("/files/s{n}"), &[7; 5000])
    }),
    ("put of 4 MiB", |client, n| {
        client.put(&format!("/files/l{n}"), &vec![7; 4 << 20])
    }),
    (PARTS, |client, n| {
        client.put(&format!("/files/m{n}"), &vec![7; 12 << 20])
    }),
];

/// Whether it needs S3.
fn is_stored(kind: &str) -> bool {
    !matches!(kind, "page" | "health" | "ready")
}

fn work(port: u16, kind: &'static str, work: Work, over: &AtomicBool) -> Vec<Seen> {
    let mut all = Vec::new();
    let mut client = None;
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        let mut connection = client.take().unwrap_or_else(|| Client::connect(port));
        let answer = work(&mut connection, all.len() as u64);
        let took = begun.elapsed();
        if answer.status == 503 && kind != "ready" {
            assert_eq!(answer.problem(), "store_unavailable", "{kind}");
            assert!(answer.header("retry-after").is_some(), "{kind}: {answer:?}");
        }
        if answer.header("connection") != Some("close") {
            client = Some(connection);
        }
        let status = answer.status;
        all.push(Seen {
            kind,
            begun,
            took,
            status,
        });
        thread::sleep(Duration::from_millis(if kind.contains("MiB") {
            400
        } else {
            40
        }));
    }
    all
}

/// A resumable upload that is under way all the time; how it ended.
fn resume(server: &Server, over: &AtomicBool) -> BTreeMap<u16, usize> {
    const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
    let data = Noise::bytes(3, 23 << 20);
    let size = data.len().to_string();
    let mut client = server.client();
    let headers = [TUS, ("Upload-Length", size.as_str())];
    let answer = client.request("POST", "/uploads?key=resumed", &headers, b"");
    let upload = answer.header("location").unwrap().to_owned();
    let (mut at, mut statuses) = (0, BTreeMap::new());
    while at < data.len() {
        // A part and more at a time, so that it lasts as long as the outage.
        let last = over.load(Ordering::SeqCst);
        let end = if last {
            data.len()
        } else {
            (at + (300 << 10)).min(data.len() - 1)
        };
        let from = at.to_string();
        let headers = [
            TUS,
            ("Upload-Offset", from.as_str()),
            ("Content-Type", "application/offset+octet-stream"),
        ];
        let answer = server
            .client()
            .request("PATCH", &upload, &headers, &data[at..end]);
        *statuses.entry(answer.status).or_default() += 1;
        thread::sleep(Duration::from_millis(100));
        if answer.status == 204 {
            at = answer.header("upload-offset").unwrap().parse().unwrap();
            continue;
        }
        // As clients of tus do: they ask, and ask again after a 423.
        loop {
            let mut client = server.client();
            client.send_head("HEAD", &upload, &[TUS]);
            let answer = client.answer_to("HEAD");
            *statuses.entry(answer.status).or_default() += 1;
            if let Some(now) = answer.header("upload-offset") {
                at = now.parse().unwrap();
                break;
            }
            assert_eq!(answer.status, 423, "a client would give up: {answer:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
    let got = server.client().get("/files/resumed");
    assert_eq!(sha256([&got.body]), sha256([&data]));
    statuses
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Bounds generous enough for a machine that does other things too.
fn outage(mode: Mode, name: &str, onset: Duration) {
    let asked = std::env::var("OUTAGE_SECONDS").ok();
    let length = Duration::from_secs(asked.map_or(12, |text| text.parse().unwrap()));
    let relay = Relay::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
    let place = Place::new(On::Minio);
    let server = place.serve(&[
        ("AWS_ENDPOINT_URL_S3", relay.endpoint.as_str()),
        ("RUST_LOG", "warn,cloud_portfolio=info"),
    ]);
    let strict = place.serve(&[
        ("AWS_ENDPOINT_URL_S3", relay.endpoint.as_str()),
        ("READY_STRICT", "true"),
    ]);
    assert_eq!(
        server.client().put("/files/there", &vec![1; 30_000]).status,
        201
    );
    let over = AtomicBool::new(false);
    let (mut memories, mut seen) = (Vec::new(), Vec::new());
    let (gone, back, statuses) = thread::scope(|scope| {
        let _end = End(&over, &relay);
        let port = server.port;
        let workers: Vec<_> = KINDS
            .iter()
            .map(|&(kind, body)| {
                let over = &over;
                scope.spawn(move || work(port, kind, body, over))
            })
            .collect();
        let resumed = scope.spawn(|| resume(&server, &over));
        thread::sleep(Duration::from_secs(3));
        memories.push(server.resident_memory());
        relay.set(mode);
        let gone = Instant::now();
        // Who asks for nothing would notice at the next check, which may be late.
        scope.spawn(|| strict.client().get("/files"));
        while gone.elapsed() < length {
            thread::sleep(Duration::from_millis(500));
            memories.push(server.resident_memory());
        }
        assert_eq!(strict.client().get("/ready").status, 503);
        relay.set(Mode::Open);
        let back = Instant::now();
        // As long as there may be anything that still waits for what was lost.
        thread::sleep(Duration::from_secs(5));
        wait_for("strict readiness", || {
            strict.client().get("/ready").status == 200
        });
        over.store(true, Ordering::SeqCst);
        for worker in workers {
            seen.extend(worker.join().unwrap());
        }
        (gone, back, resumed.join().unwrap())
    });
    memories.push(server.resident_memory());
    let settled = gone + onset;
    eprintln!(
        "{name}: S3 gone for {} s; a resumable upload's answers: {statuses:?}",
        length.as_secs()
    );
    for (kind, _) in KINDS {
        let of: Vec<&Seen> = seen.iter().filter(|seen| seen.kind == kind).collect();
        let during = |from: Instant| {
            of.iter()
                .filter(move |s| s.begun >= from && s.begun + s.took < back)
        };
        let slowest = |from| during(from).map(|s| s.took).max().unwrap_or_default();
        let failed = of.iter().filter(|s| s.status >= 500).count();
        let worst = of.iter().map(|s| s.took).max().unwrap();
        let first = of
            .iter()
            .find(|s| s.begun + s.took >= back && s.status < 300);
        let first = first.map(|s| (s.begun + s.took).saturating_duration_since(back));
        let recovered = first.expect("it recovers");
        eprintln!(
            "  {kind}: {} requests, {failed} failed; slowest in all {} s, during the outage {} s, after its first {} s \
             {} s; first success {} s after the return",
            of.len(),
            seconds(worst),
            seconds(slowest(gone)),
            onset.as_secs(),
            seconds(slowest(settled)),
            seconds(recovered),
        );
        // A download that lost bytes on its way asks for them again when S3 is back.
        let outlasts = |s: &&Seen| s.status < 300 && s.begun < gone && s.begun + s.took > settled;
        if kind == PARTS || (kind == READ && of.iter().copied().any(|s| outlasts(&s))) {
            assert!(worst < length + Duration::from_secs(10), "{worst:?}");
            assert!(recovered < Duration::from_secs(10), "{recovered:?}");
        } else if is_stored(kind) {
            assert!(failed > 0, "{kind}: there was no outage");
            assert!(worst < onset + Duration::from_secs(4), "{kind}: {worst:?}");
            assert!(slowest(settled) < Duration::from_secs(1), "{kind}");
            assert!(recovered < Duration::from_secs(4), "{kind}: {recovered:?}");
            let late = of
                .iter()
                .filter(|s| s.begun > back + Duration::from_secs(4));
            for seen in late {
                assert!(seen.status < 300, "{kind}: {} long after", seen.status);
            }
        } else {
            assert_eq!(failed, 0, "{kind}");
            assert!(worst < Duration::from_secs(1), "{kind}: {worst:?}");
        }
        assert!(
            of.iter().all(|s| s.status < 300 || s.status == 503),
            "{kind}"
        );
    }
    let (before, most) = (memories[0], *memories.iter().max().unwrap());
    let after = memories.last().unwrap();
    eprintln!(
        "  VmRSS {} MiB before, at most {} MiB, {} MiB after",
        mib(before),
        mib(most),
        mib(*after)
    );
    // The budget, and what the allocator keeps of it.
    assert!(most < before + (64 << 20), "{most} of {before}");
    assert!(server.log().contains("S3 is gone") && server.log().contains("S3 is back"));
}

#[test]
fn while_s3_refuses_connections_calls_fail_at_once_and_it_is_used_again_when_it_is_back() {
    outage(Mode::Down, "refused", Duration::from_secs(3));
}

#[test]
fn while_s3_says_nothing_calls_fail_soon_and_it_is_used_again_when_it_is_back() {
    // A second of doubt, and a check of five; a machine that is busy.
    outage(Mode::Silent, "silent", Duration::from_secs(8));
}
