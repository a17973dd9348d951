//! A service that runs elsewhere, measured from outside: a mix of requests, then everything that
//! was stored is deleted again.

use hyper::Uri;
use serde_json::{Value, json};

use super::args::{Elsewhere, Mix};
use super::client::{Load, Message, Meter, Outcome, Target, fetch, one_by_one};
use super::figures::{Measured, Missing, Scenario, Unit};
use super::rounds;

/// The kinds of request, in the order of their numbers.
const KINDS: [&str; 4] = ["upload", "download", "list", "page"];
/// What the service is called in the figures.
const PEER: &str = "service";

/// All requests together, then each kind by itself, and what of it failed; else why nothing could be
/// measured.
pub fn measure(elsewhere: &Elsewhere) -> Result<(Vec<Scenario>, Vec<Missing>), String> {
    let service = Service::new(elsewhere)?;
    let stored = service.store_seeds(&elsewhere.sizes);
    stored.map_err(|error| format!("{}: {error}", elsewhere.url))?;
    let meter = Meter::default();
    let mut load = Load::new(
        service.target.clone(),
        elsewhere.clients,
        elsewhere.duration,
        service.requests(elsewhere.sizes.clone(), elsewhere.mix),
    );
    load.rate = elsewhere.rate;
    load.kinds = KINDS.len();
    let (outcomes, samples) = rounds::sampled(&meter, None, Unit::Requests, || load.run(&meter));
    let mut missing = Vec::new();
    if let Err(error) = service.delete_all() {
        missing.push(Missing {
            peer: format!("the end of {}", service.prefix),
            why: format!("it could not be deleted: {error}"),
        });
    }
    let mut all = Outcome::default();
    for outcome in &outcomes {
        all.add(outcome);
        all.seconds = all.seconds.max(outcome.seconds);
    }
    let mut scenarios = Vec::new();
    let kinds = KINDS.iter().zip(&outcomes);
    for (kind, outcome) in std::iter::once((&"all", &all)).chain(kinds) {
        if outcome.requests + outcome.failures == 0 {
            continue;
        }
        let mut round = match rounds::round(outcome, Unit::Requests) {
            Ok(round) => round,
            Err(why) => {
                let peer = format!("{kind} of {PEER}");
                missing.push(Missing { peer, why });
                continue;
            }
        };
        if *kind == "all" {
            round.samples.clone_from(&samples);
        }
        scenarios.push(Scenario {
            name: format!("url-{kind}"),
            what: describe(kind, elsewhere),
            unit: Unit::Requests,
            peers: vec![Measured {
                peer: PEER.to_owned(),
                rounds: vec![round],
            }],
        });
    }
    Ok((scenarios, missing))
}

fn describe(kind: &str, elsewhere: &Elsewhere) -> String {
    let pace = match elsewhere.rate {
        Some(rate) => format!("{rate} requests a second, timed from when they were due"),
        None => "as fast as they are answered".to_owned(),
    };
    let clients = elsewhere.clients;
    format!("{kind} of the mix by {clients} clients, {pace}")
}

/// Where it is, and what is ours there.
struct Service {
    target: Target,
    /// Before every path.
    base: String,
    /// Before every key of ours.
    prefix: String,
}

impl Service {
    fn new(elsewhere: &Elsewhere) -> Result<Self, String> {
        let odd = |what: &str| format!("--url {}: {what}", elsewhere.url);
        let uri: Uri = elsewhere.url.parse().map_err(|_| odd("it is no URL"))?;
        let target = Target::of_url(&uri, elsewhere.ca.as_deref()).map_err(|why| odd(&why))?;
        let unique = getrandom::u64().map_err(|error| error.to_string())?;
        Ok(Self {
            target,
            base: uri.path().trim_end_matches('/').to_owned(),
            prefix: format!("load-{unique:016x}/"),
        })
    }

    /// An object of each size, to be downloaded.
    fn store_seeds(&self, sizes: &[u64]) -> std::io::Result<()> {
        one_by_one(&self.target, sizes.len() as u64, |n, message| {
            let target = format!("{}/files/{}seed/{n}", self.base, self.prefix);
            message.send("PUT", &self.target.host, &target, "", sizes[n as usize]);
            message.statuses = &[200, 201];
        })
    }

    /// What the load asks.
    fn requests(
        &self,
        sizes: Vec<u64>,
        mix: Mix,
    ) -> impl Fn(u64, &mut Message) + Send + Sync + 'static {
        let weights = [mix.upload, mix.download, mix.list, mix.page];
        let total: u64 = weights.iter().sum();
        let (host, base, prefix) = (
            self.target.host.clone(),
            self.base.clone(),
            self.prefix.clone(),
        );
        move |n, message| {
            let dice = scrambled(n);
            let mut left = dice % total;
            let kind = weights
                .iter()
                .position(|weight| left.checked_sub(*weight).map(|rest| left = rest).is_none())
                .unwrap_or(0);
            let at = (dice >> 32) as usize % sizes.len();
            match KINDS[kind] {
                "upload" => {
                    let target = format!("{base}/files/{prefix}{n}");
                    message.send("PUT", &host, &target, "", sizes[at]);
                    message.statuses = &[201];
                }
                "download" => message.get(&host, &format!("{base}/files/{prefix}seed/{at}"), ""),
                "list" => {
                    message.get(
                        &host,
                        &format!("{base}/files?prefix={prefix}&limit=1000"),
                        "",
                    );
                }
                _ => message.get(&host, &format!("{base}/"), "Accept-Encoding: br\r\n"),
            }
            message.kind = kind;
        }
    }

    /// Everything below the prefix.
    fn delete_all(&self) -> std::io::Result<()> {
        let list = format!("{}/files?prefix={}&limit=1000", self.base, self.prefix);
        let mut first = None;
        loop {
            let page: Value = serde_json::from_slice(&fetch(&self.target, &list)?)?;
            let files = page["files"].as_array().map_or(&[][..], Vec::as_slice);
            if files.is_empty() {
                return Ok(());
            }
            if first.replace(files[0]["key"].clone()).as_ref() == Some(&files[0]["key"]) {
                let why = format!("{} cannot be deleted", self.prefix);
                return Err(std::io::Error::other(why));
            }
            let keys: Vec<&Value> = files.iter().map(|file| &file["key"]).collect();
            let document = json!({ "keys": keys }).to_string();
            one_by_one(&self.target, 1, |_, message| {
                let target = format!("{}/files?delete", self.base);
                message.json(&self.target.host, &target, &document);
            })?;
        }
    }
}

/// A number that looks random and is the same for the same `n` (SplitMix64).
fn scrambled(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
