//! A client that does nothing wrong, and expects to notice nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Client, Noise};

/// How long answers took.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn p99(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[sorted.len() * 99 / 100]
    }
}

/// Uploads, downloads and pages until it is told to stop; every answer must be right.
pub(crate) fn serve_until(port: u16, stop: &AtomicBool) -> Latencies {
    let mut client = Client::connect(port);
    let mut latencies = Vec::new();
    let mut timed = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        latencies.push(begun.elapsed());
    };
    for round in 0.. {
        if stop.load(Ordering::Relaxed) && round > 1 {
            break;
        }
        let body = Noise::bytes(round, 1 << (round % 18));
        let target = format!("/files/clean/{}", round % 8);
        timed(&mut || {
            let put = client.put(&target, &body);
            assert!(matches!(put.status, 200 | 201), "{put:?}");
        });
        timed(&mut || {
            let got = client.get(&target);
            assert!(got.status == 200 && got.body == body, "{target}");
        });
        timed(&mut || {
            let page = client.get("/files?prefix=clean/&limit=5");
            let files = page.json()["files"].as_array().unwrap().len();
            assert!(page.status == 200 && files > 0 && files <= 5, "{page:?}");
        });
        timed(&mut || assert_eq!(client.get("/").status, 200));
    }
    Latencies(latencies)
}
