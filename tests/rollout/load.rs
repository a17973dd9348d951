//! The load: clients that never rest, and what they saw.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crate::support::client::{FORM, form_ends};
use crate::support::{Answer, Client, Dice, Noise, sha256};

/// Bytes that all uploads are cut from.
const POOL: u64 = 32 << 20;
/// Between two requests of a client: they leave the processors to the servers.
const PAUSE: Duration = Duration::from_millis(10);
/// A block of a paced body, and how fast it goes.
pub const BLOCK: usize = 32 << 10;
const BYTES_PER_SECOND: f64 = 6e6;

/// What the clients share.
#[derive(Clone)]
pub struct Load<'a> {
    pub port: u16,
    /// Bytes a second of resumable uploads: so few that they outlast what replicas wait for.
    pub slow: f64,
    over: &'a AtomicBool,
    pool: Arc<Vec<u8>>,
    names: Arc<AtomicU64>,
    /// Objects that are there, to be read.
    shelf: Arc<Mutex<Vec<(String, u64)>>>,
}

/// What a resumable upload came to.
pub struct Resumed {
    pub name: String,
    pub size: u64,
    /// Its requests that ended before their bytes did.
    pub ends: u64,
}

#[derive(Default)]
pub struct Report {
    /// By kind.
    pub requests: BTreeMap<&'static str, u64>,
    pub bytes: u64,
    pub failures: Vec<String>,
    /// Keys and SHA-256s of what was acknowledged.
    pub stored: Vec<(String, String)>,
    pub resumed: Vec<Resumed>,
    /// Requests of resumable uploads that a replica ended.
    pub interrupted: u64,
    /// Bytes of them that clients sent again, also those that never came further than a buffer.
    pub sent_again: u64,
    /// Answers that said that their connection ends.
    pub closes: u64,
}

impl Report {
    pub fn and(mut self, other: Self) -> Self {
        for (kind, count) in other.requests {
            *self.requests.entry(kind).or_default() += count;
        }
        self.bytes += other.bytes;
        self.failures.extend(other.failures);
        self.stored.extend(other.stored);
        self.resumed.extend(other.resumed);
        self.interrupted += other.interrupted;
        self.sent_again += other.sent_again;
        self.closes += other.closes;
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "requests {:?}, {} in all; {} objects acknowledged, {} of them resumable; {} MiB sent; \
             {} connections announced to end; {} resumable requests ended early, {} bytes sent again; \
             {} failures",
            self.requests,
            self.requests.values().sum::<u64>(),
            self.stored.len(),
            self.resumed.len(),
            self.bytes >> 20,
            self.closes,
            self.interrupted,
            self.sent_again,
            self.failures.len(),
        )
    }
}

/// One client with its connection.
pub struct Uploader<'a> {
    pub load: Load<'a>,
    pub dice: Dice,
    pub report: Report,
    client: Option<Client>,
}

impl<'a> Load<'a> {
    /// `withdraw` is for how long in seconds a replica that goes still takes all of a request.
    pub fn new(port: u16, over: &'a AtomicBool, withdraw: u64) -> Self {
        Self {
            port,
            slow: BYTES_PER_SECOND / withdraw.max(1) as f64,
            over,
            pool: Arc::new(Noise::bytes(7, POOL)),
            names: Arc::default(),
            shelf: Arc::default(),
        }
    }

    /// Starts every client.
    pub fn start<'s>(&self, scope: &'s Scope<'s, '_>) -> Vec<ScopedJoinHandle<'s, Report>>
    where
        'a: 's,
    {
        let kinds: [fn(&mut Uploader<'a>); 11] = [
            Uploader::page,
            Uploader::page,
            Uploader::list,
            Uploader::read,
            Uploader::small_put,
            Uploader::small_form,
            Uploader::large_put,
            Uploader::large_form,
            Uploader::tus,
            Uploader::ietf,
            Uploader::tus,
        ];
        let clients = kinds.into_iter().enumerate().map(|(number, kind)| {
            let mut client = Uploader {
                load: self.clone(),
                dice: Dice::new(number as u64),
                report: Report::default(),
                client: None,
            };
            scope.spawn(move || {
                while !client.load.over.load(Ordering::Relaxed) {
                    kind(&mut client);
                    thread::sleep(PAUSE);
                }
                client.report
            })
        });
        clients.collect()
    }
}

impl Uploader<'_> {
    pub fn name(&mut self, kind: &str) -> String {
        let number = self.load.names.fetch_add(1, Ordering::Relaxed);
        format!("{kind}{number}")
    }

    pub fn data(&mut self, from: u64, to: u64) -> Vec<u8> {
        let size = from + self.dice.below(to - from);
        let start = self.dice.below(POOL - size) as usize;
        self.load.pool[start..start + size as usize].to_vec()
    }

    pub fn failed(&mut self, what: &str, how: &str) {
        self.report.failures.push(format!("{what}: {how}"));
        self.client = None;
    }

    /// The connection, a new one if the last was announced to end.
    pub fn connection(&mut self) -> Option<Client> {
        let kept = self.client.take();
        kept.or_else(|| Client::try_connect(self.load.port))
    }

    /// Keeps the connection unless it ends.
    pub fn keep(&mut self, client: Client, answer: &Answer) {
        if answer.header("connection") == Some("close") {
            self.report.closes += 1;
        } else {
            self.client = Some(client);
        }
    }

    /// One request, its bytes at a pace if they are many; None, and noted, unless it is answered with `want`.
    fn request(
        &mut self,
        kind: &'static str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        want: &[u16],
    ) -> Option<Answer> {
        let what = format!("{method} {target}");
        *self.report.requests.entry(kind).or_default() += 1;
        let Some(mut client) = self.connection() else {
            self.failed(&what, "no connection");
            return None;
        };
        let length = body.len().to_string();
        let mut all = headers.to_vec();
        if method != "GET" {
            all.push(("Content-Length", &length));
        }
        client.send_head(method, target, &all);
        let begun = Instant::now();
        for (number, block) in body.chunks(BLOCK).enumerate() {
            client.send(block);
            pace(begun, (number + 1) * BLOCK, BYTES_PER_SECOND);
        }
        self.report.bytes += body.len() as u64;
        let Some(answer) = client.try_answer(method) else {
            self.failed(&what, "no answer");
            return None;
        };
        if !want.contains(&answer.status) {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.failed(&what, &format!("{} {text}", answer.status));
            return None;
        }
        self.keep(client, &answer);
        Some(answer)
    }

    fn page(&mut self) {
        self.request("page", "GET", "/", &[], b"", &[200]);
    }

    fn list(&mut self) {
        self.request("list", "GET", "/files?limit=20", &[], b"", &[200]);
    }

    fn read(&mut self) {
        let newest = self.load.shelf.lock().unwrap().last().cloned();
        let Some((key, size)) = newest else {
            return;
        };
        let answer = self.request("read", "GET", &format!("/files/{key}"), &[], b"", &[200]);
        if let Some(answer) = answer
            && answer.body.len() as u64 != size
        {
            self.failed(&key, "it was read with another length");
        }
    }

    fn small_put(&mut self) {
        let data = self.data(1, 200_000);
        self.put("small put", "p", &data);
    }

    fn large_put(&mut self) {
        let data = self.data(3 << 20, 12 << 20);
        self.put("large put", "P", &data);
    }

    fn put(&mut self, kind: &'static str, name: &str, data: &[u8]) {
        let key = self.name(name);
        let answer = self.request(kind, "PUT", &format!("/files/{key}"), &[], data, &[201]);
        if answer.is_some() {
            self.stored(key, data);
        }
    }

    fn small_form(&mut self) {
        let data = self.data(1, 200_000);
        self.form("small form", "f", &data);
    }

    fn large_form(&mut self) {
        let data = self.data(3 << 20, 12 << 20);
        self.form("large form", "F", &data);
    }

    fn form(&mut self, kind: &'static str, name: &str, data: &[u8]) {
        let key = self.name(name);
        let (head, tail) = form_ends(&key);
        let body = [&head, data, &tail].concat();
        let headers = [("Content-Type", FORM)];
        let answer = self.request(kind, "POST", "/upload", &headers, &body, &[201]);
        if answer.is_some() {
            self.stored(key, data);
        }
    }

    pub fn stored(&mut self, key: String, data: &[u8]) {
        let entry = (key.clone(), data.len() as u64);
        self.load.shelf.lock().unwrap().push(entry);
        self.report.stored.push((key, sha256([data])));
    }
}

/// Waits until it is time for more than `sent` bytes.
pub fn pace(begun: Instant, sent: usize, per_second: f64) {
    let due = begun + Duration::from_secs_f64(sent as f64 / per_second);
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
