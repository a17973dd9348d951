//! After the storm: every key holds what its writer knows, and after a sweep nothing is left of
//! what never ended.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sha2::Digest as _;

use super::ledger::{Content, Ledger};
use crate::support::proxy::Begun;
use crate::support::server::minio;
use crate::support::{Bucket, Client, Server, hex};

/// What was found in the end.
#[derive(Default)]
pub struct Found {
    pub checked: usize,
    /// Acknowledged, and not there.
    pub lost: Vec<String>,
    /// There, and nothing that was ever written there.
    pub corrupt: Vec<String>,
    /// Left after a sweep: temporary objects, and uploads in parts that a replica was told of.
    pub orphans: Vec<String>,
    /// Uploads in parts, without any, that the store began and nobody noted: its answer was lost,
    /// or the replica killed that waited for it. Only a lifecycle rule can know of these.
    pub untold: usize,
    /// States of uploads that never ended, before the sweep.
    pub swept: usize,
}

/// A sweep of some hundred uploads.
const SWEEP: Duration = Duration::from_mins(3);
/// Longest that a replica takes to note an upload that has begun: all tries, each silent.
const NOTED: Duration = Duration::from_secs(15);
const READERS: usize = 8;

pub fn verify(prefix: &str, ledger: &Ledger, begun: &Begun, killed: &[Instant]) -> Found {
    let bucket = Bucket::open();
    let internal = format!("{prefix}.cloud-portfolio/");
    let swept = expire_all(&bucket, &internal);
    let mut settings = minio();
    settings.push(("KEY_PREFIX".into(), prefix.to_owned()));
    settings.push(("UPLOAD_EXPIRY_SECONDS".into(), "1".into()));
    let server = Server::spawn(&settings);
    server.wait_ready();

    let mut found = Found {
        swept,
        ..compare(server.port, ledger)
    };
    for key in bucket.keys(prefix) {
        let key = key.strip_prefix(prefix).unwrap();
        if !key.starts_with(".cloud-portfolio/") && !ledger.keys.contains_key(key) {
            found.corrupt.push(format!("{key} was never written"));
        }
    }
    let end = Instant::now() + SWEEP;
    while !bucket.versions(&internal).is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = bucket.versions(&internal).into_iter().map(|(key, _)| key);
    found.orphans.extend(left);
    // The state is noted before the first part is sent, and within this time.
    let unnoted = |id: &String| {
        let at = begun.ids[id];
        killed.iter().any(|&end| end > at && end < at + NOTED)
    };
    let before = format!("/{}/", bucket.name());
    for path in &begun.paths {
        let key = path.strip_prefix(&before).unwrap();
        for id in bucket.multiparts(key) {
            let nobody_knows = begun.untold.contains(&id) || unnoted(&id);
            if nobody_knows && !bucket.has_parts(key, &id) {
                found.untold += 1;
            } else {
                found.orphans.push(format!("an upload in parts at {key}"));
            }
        }
    }
    found
}

/// Lets the time of every upload that has not ended be over, so that a sweep takes it; how many.
fn expire_all(bucket: &Bucket, internal: &str) -> usize {
    let mut count = 0;
    for key in bucket.keys(internal) {
        if key.ends_with("/state") {
            let mut state: serde_json::Value = serde_json::from_slice(&bucket.read(&key)).unwrap();
            state["expires"] = 0.into();
            bucket.replace(&key, state.to_string().as_bytes());
            count += 1;
        }
    }
    count
}

fn compare(port: u16, ledger: &Ledger) -> Found {
    let keys: Vec<_> = ledger.keys.iter().collect();
    let found = Mutex::new(Found::default());
    let there = Mutex::new(BTreeSet::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                let mut client = Client::connect(port);
                while let Some((key, may)) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let content = read(&mut client, key);
                    if content.is_some() {
                        there.lock().unwrap().insert((*key).clone());
                    }
                    let mut found = found.lock().unwrap();
                    found.checked += 1;
                    if may.contains(&content) {
                        continue;
                    }
                    let what = format!("{key} holds {content:?} of {may:?}");
                    if content.is_none() {
                        found.lost.push(what);
                    } else {
                        found.corrupt.push(what);
                    }
                }
            });
        }
    });
    let (mut found, there) = (found.into_inner().unwrap(), there.into_inner().unwrap());
    for (from, to) in &ledger.moves {
        if !there.contains(from) && !there.contains(to) {
            found
                .lost
                .push(format!("{from} was moved to {to}, and is nowhere"));
        }
    }
    found
}

fn read(client: &mut Client, key: &str) -> Content {
    let (mut hash, mut size) = (sha2::Sha256::new(), 0);
    let answer = client.download(&format!("/files/{key}"), &[], |block| {
        hash.update(block);
        size += block.len();
    });
    match answer.expect("a calm download").status {
        200 => Some(format!("{size}-{}", hex(&hash.finalize()))),
        404 => None,
        status => panic!("{key}: {status}"),
    }
}
