//! The replicas: started, ended and killed while clients use them, and what they said at their end.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use crate::support::server::minio;
use crate::support::{Dice, Server};

pub struct Fleet {
    settings: Vec<(String, String)>,
    ports: Vec<AtomicU16>,
    servers: Mutex<Vec<Server>>,
    ended: Mutex<Ended>,
}

/// What replicas that have ended left to say.
#[derive(Clone, Default)]
pub struct Ended {
    pub terminated: u64,
    /// When.
    pub killed: Vec<Instant>,
    pub panics: Vec<String>,
    /// Of those that could say it: not of those that were killed.
    pub counters: BTreeMap<String, u64>,
    /// What they should not have done.
    pub wrong: Vec<String>,
}

impl Fleet {
    pub fn start(replicas: usize, prefix: &str, endpoint: &str) -> Self {
        let mut settings = minio();
        let own = [
            ("AWS_ENDPOINT_URL_S3", endpoint),
            ("KEY_PREFIX", prefix),
            ("UPLOAD_PART_BYTES", "5242880"),
            // Silence is one of the faults.
            ("TIMEOUT", "4"),
            ("DRAIN_SECONDS", "6"),
        ];
        settings.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let servers: Vec<_> = (0..replicas).map(|_| Server::spawn(&settings)).collect();
        servers.iter().for_each(Server::wait_ready);
        Self {
            ports: servers
                .iter()
                .map(|server| AtomicU16::new(server.port))
                .collect(),
            servers: Mutex::new(servers),
            ended: Mutex::default(),
            settings,
        }
    }

    /// Of one that may have ended just now.
    pub fn port(&self, dice: &mut Dice) -> u16 {
        dice.pick(&self.ports).load(Ordering::Relaxed)
    }

    /// Ends or kills one of them, and starts another in its place.
    pub fn end_one(&self, dice: &mut Dice) {
        let at = dice.below(self.ports.len() as u64) as usize;
        let kill = dice.chance(0.4);
        let mut servers = self.servers.lock().unwrap();
        self.end(&mut servers[at], kill);
        servers[at] = Server::spawn(&self.settings);
        self.ports[at].store(servers[at].port, Ordering::Relaxed);
    }

    pub fn end_all(&self) -> Ended {
        for server in self.servers.lock().unwrap().iter_mut() {
            self.end(server, false);
        }
        self.ended.lock().unwrap().clone()
    }

    fn end(&self, server: &mut Server, kill: bool) {
        let mut wrong = Vec::new();
        if !server.is_running() {
            wrong.push(format!("a replica ended by itself: {}", server.log()));
        } else if kill {
            server.kill();
        } else {
            server.signal("TERM");
            let code = server.wait();
            if code != 0 {
                wrong.push(format!("a replica ended with {code}: {}", server.log()));
            }
            crate::support::wait_for("its last line", || server.log().contains("counted:"));
        }
        let log = server.log();
        let mut ended = self.ended.lock().unwrap();
        ended.terminated += u64::from(!kill);
        ended.killed.extend(kill.then(Instant::now));
        ended.wrong.extend(wrong);
        let panics = log.lines().filter(|line| line.contains("panic"));
        ended.panics.extend(panics.map(str::to_owned));
        if let Some((_, counted)) = log.rsplit_once("counted: ") {
            for pair in counted.split_whitespace() {
                let (name, number) = pair.rsplit_once('=').unwrap();
                *ended.counters.entry(name.to_owned()).or_default() +=
                    number.parse::<u64>().unwrap();
            }
        }
        if let Ok(folder) = std::env::var("SOAK_LOGS") {
            let path = format!("{folder}/{}.log", server.pid());
            std::fs::write(path, log).unwrap();
        }
    }
}
