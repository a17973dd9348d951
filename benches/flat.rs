//! What the upload engine promises, in figures: memory that does not grow with the number or the
//! size of uploads, and an upload about as fast as one straight to the S3.
//!
//!   cargo bench --bench flat                 all of it, about 15 minutes
//!   cargo bench --bench flat -- crowd        256 uploads at once, half of them slow
//!   cargo bench --bench flat -- crowd-tls    the same with TLS to the S3
//!   cargo bench --bench flat -- huge         1, 20 and 100 GiB
//!   cargo bench --bench flat -- straight     1 GiB to MinIO, beside a client of its own
//!   cargo bench --bench flat -- cost         CPU seconds a GB of one upload
//!
//! Prints every figure beside what it should be, and fails when one is missed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that fails may panic, and prints"
)]

#[path = "support/mod.rs"]
mod bench;
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::cgroup::Cgroup;
use bench::discard::Discard;
use bench::send::{FAST, Manner, put};
use bench::straight::Straight;
use support::Server;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const PART_BYTES: u64 = 8 * MIB;

/// Figures, and whether all are as they should be.
#[derive(Default)]
struct Report {
    missed: usize,
}

impl Report {
    fn figure(&mut self, what: &str, value: f64, unit: &str, met: bool, goal: &str) {
        let verdict = if met { "met" } else { "MISSED" };
        self.missed += usize::from(!met);
        println!("{what:<58} {value:>9.2} {unit:<10} {goal:<16} {verdict}");
    }

    fn at_most(&mut self, what: &str, value: f64, unit: &str, goal: f64) {
        self.figure(what, value, unit, value <= goal, &format!("at most {goal}"));
    }

    fn at_least(&mut self, what: &str, value: f64, unit: &str, goal: f64) {
        self.figure(
            what,
            value,
            unit,
            value >= goal,
            &format!("at least {goal}"),
        );
    }
}

fn main() -> ExitCode {
    // cargo adds `--bench` of its own.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let all = ["crowd", "crowd-tls", "huge", "straight", "cost"];
    if let Some(odd) = named.iter().find(|name| !all.contains(&name.as_str())) {
        eprintln!("there is no {odd}; there are {}", all.join(", "));
        return ExitCode::from(64);
    }
    let wanted = |name: &str| named.is_empty() || named.iter().any(|n| n == name);
    support::server::BINARY.get_or_init(bench::release_binary);
    let mut report = Report::default();
    if wanted("crowd") {
        crowd(&mut report, false);
    }
    if wanted("crowd-tls") {
        crowd(&mut report, true);
    }
    if wanted("huge") {
        huge(&mut report);
    }
    if wanted("straight") {
        straight(&mut report);
    }
    if wanted("cost") {
        cost(false);
        cost(true);
    }
    if report.missed > 0 {
        println!("{} missed", report.missed);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn server(discard: &Discard) -> Server {
    let server = Server::spawn(&discard.settings());
    server.wait_ready();
    server
}

const HALF: u64 = 128;
const FAST_BYTES: u64 = 64 * MIB;
const SLOW_BYTES: u64 = 16 * MIB;
const SLOW: Manner = Manner {
    known: true,
    rate: Some(200_000),
};

/// 128 uploads as fast as they go, beside 128 slow ones and without them.
fn crowd(report: &mut Report, tls: bool) {
    let over = if tls { "TLS" } else { "plain" };
    let alone = rush(tls, 0);
    let both = rush(tls, HALF);
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "{over}: 128 x 64 MiB alone {:.1} s, VmHWM {:.1} MiB; beside 128 slow ones {:.1} s",
        alone.seconds,
        mib(alone.peak),
        both.seconds
    );
    let name = |what: &str| format!("256 uploads, {over}: {what}");
    report.at_most(&name("VmHWM"), mib(both.peak), "MiB", 96.0);
    match both.cgroup {
        Some(peak) => report.at_most(&name("memory of the cgroup"), mib(peak), "MiB", 200.0),
        None => report.figure(
            &name("memory of the cgroup"),
            f64::NAN,
            "MiB",
            false,
            "at most 200",
        ),
    }
    let ratio = alone.seconds / both.seconds;
    report.at_least(&name("fast half beside slow, of alone"), ratio, "", 0.7);
    report.at_most(&name("lost or wrong"), both.lost as f64, "", 0.0);
}

struct Rush {
    /// From the first byte to the last acknowledgement of the fast ones.
    seconds: f64,
    peak: u64,
    cgroup: Option<u64>,
    lost: usize,
}

fn rush(tls: bool, slow: u64) -> Rush {
    let discard = Discard::start(tls);
    let cgroup = Cgroup::new("crowd");
    let server = server(&discard);
    if let Some(cgroup) = &cgroup {
        cgroup.add(server.pid());
    }
    let port = server.port;
    let (seconds, sent) = std::thread::scope(|scope| {
        let one = |key: String, seed: u64, length: u64, manner: Manner| {
            move || {
                let crc = put(port, &format!("/files/{key}"), seed, length, manner);
                (key, length, crc)
            }
        };
        let slow: Vec<_> = (0..slow)
            .map(|n| scope.spawn(one(format!("slow-{n}"), n, SLOW_BYTES, SLOW)))
            .collect();
        // The slow ones are well under way before the others come.
        std::thread::sleep(Duration::from_secs(if slow.is_empty() { 0 } else { 5 }));
        let begun = Instant::now();
        let fast: Vec<_> = (0..HALF)
            .map(|n| scope.spawn(one(format!("fast-{n}"), HALF + n, FAST_BYTES, FAST)))
            .collect();
        let mut sent: Vec<_> = fast
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        let seconds = begun.elapsed().as_secs_f64();
        sent.extend(slow.into_iter().map(|thread| thread.join().unwrap()));
        (seconds, sent)
    });
    let wrong = |(key, length, crc): &(String, u64, std::io::Result<u64>)| match crc {
        Ok(crc) => {
            let object = discard.object(key);
            object.is_none_or(|object| object.size != *length || object.crc64 != *crc)
        }
        Err(error) => {
            println!("{key}: {error}");
            true
        }
    };
    let lost = sent.iter().filter(|sent| wrong(sent)).count() + discard.open_uploads();
    let peak = server.peak_memory();
    drop(server);
    Rush {
        seconds,
        peak,
        cgroup: cgroup.map(|cgroup| cgroup.peak()),
        lost,
    }
}

/// One large upload after several of 1 GiB of the same kind, by the same process: the large one may
/// cost no more memory. Several, because how many parts are in memory at once is the S3's pace.
fn huge(report: &mut Report) {
    for (name, known, length) in [
        ("20 GiB, unknown length", false, 20 * GIB),
        ("100 GiB, known length", true, 100 * GIB),
    ] {
        let discard = Discard::start(false);
        let server = server(&discard);
        let peak = || server.peak_memory() as f64 / MIB as f64;
        let upload = |key: &str, length: u64| {
            let begun = Instant::now();
            let target = format!("/files/{key}");
            let crc = put(
                server.port,
                &target,
                1,
                length,
                Manner { known, rate: None },
            );
            let crc = crc.unwrap_or_else(|error| panic!("{name}: {error}"));
            let object = discard.object(key).expect("the object");
            assert!(
                (object.size, object.crc64) == (length, crc),
                "{name} is wrong"
            );
            length as f64 / 1e6 / begun.elapsed().as_secs_f64()
        };
        for round in 0..5 {
            upload(&format!("small-{round}"), GIB);
        }
        let before = peak();
        let rate = upload("huge", length);
        println!(
            "{name}: VmHWM {:.1} MiB, after 1 GiB {before:.1}; {rate:.0} MB/s, its CRC-64 as sent",
            peak()
        );
        report.at_most(
            &format!("{name}: VmHWM above that of 1 GiB"),
            peak() - before,
            "MiB",
            4.0,
        );
    }
}

/// 1 GiB by one PUT, and straight to the same MinIO: in turns, the median of each.
fn straight(report: &mut Report) {
    let minio = bench::minio::Minio::start();
    let server = Server::spawn(&minio.settings);
    server.wait_ready();
    let s3 = Straight::new(&minio.settings);
    let (mut through, mut direct) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let begun = Instant::now();
        s3.upload("straight", GIB, PART_BYTES, 4).unwrap();
        direct.push(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        put(
            server.port,
            &format!("/files/through-{round}"),
            1,
            GIB,
            FAST,
        )
        .unwrap();
        through.push(begun.elapsed().as_secs_f64());
        for key in ["straight".to_owned(), format!("through-{round}")] {
            assert_eq!(server.client().delete(&format!("/files/{key}")).status, 204);
        }
    }
    println!("straight {direct:.2?} s, through {through:.2?} s");
    let ratio = median(&mut direct) / median(&mut through);
    report.at_least(
        "1 GiB to MinIO, of four connections straight to it",
        ratio,
        "",
        0.9,
    );
}

/// CPU seconds of the process for each GB of one upload; no goal, for comparing changes.
fn cost(tls: bool) {
    let over = if tls { "TLS" } else { "plain" };
    let discard = Discard::start(tls);
    for known in [true, false] {
        let server = server(&discard);
        let mut costs: Vec<f64> = (0..5)
            .map(|round| {
                let before = bench::cpu_seconds(server.pid());
                let target = format!("/files/cost-{known}-{round}");
                put(server.port, &target, 1, GIB, Manner { known, rate: None }).unwrap();
                (bench::cpu_seconds(server.pid()) - before) / (GIB as f64 / 1e9)
            })
            .collect();
        println!(
            "{over}, known length {known}: {:.2} CPU seconds a GB, of {costs:.2?}",
            median(&mut costs)
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
