//! Uploads of one size by several clients, through each program that takes them and straight to the
//! S3.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Plan, loaded};
use crate::bench::straight::Straight;
use crate::load::client::{Message, Meter, Outcome, noise_crc64};
use crate::load::figures::Unit;
use crate::load::peers::nginx::Manner;
use crate::load::peers::store::Store;
use crate::load::peers::{Program, flask, nginx, portfolio};
use crate::load::rounds::{Contender, round};
use crate::load::sign::Signer;
use crate::load::stage::{On, Stage};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// From this size on, a client that goes straight to the S3 sends parts.
const MULTIPART_BYTES: u64 = 16 * MIB;
/// The program's own defaults, so that the client straight to the S3 has the same chances.
const PART_BYTES: u64 = 8 * MIB;
const PARTS_AT_ONCE: usize = 4;

/// A scenario of them.
#[derive(Clone, Copy)]
pub struct Uploads {
    pub name: &'static str,
    pub on: On,
    pub clients: usize,
    pub bytes: u64,
}

const ALL: [Uploads; 8] = [
    uploads("upload-1k-16", On::Minio, 16, KIB),
    uploads("upload-1k-256", On::Minio, 256, KIB),
    uploads("upload-1k-16-discard", On::Discard, 16, KIB),
    uploads("upload-1m", On::Minio, 16, MIB),
    uploads("upload-1m-discard", On::Discard, 16, MIB),
    uploads("upload-100m", On::Minio, 1, 100 * MIB),
    uploads("upload-100m-discard", On::Discard, 1, 100 * MIB),
    uploads("upload-100m-tls", On::DiscardTls, 1, 100 * MIB),
];

pub const fn uploads(name: &'static str, on: On, clients: usize, bytes: u64) -> Uploads {
    Uploads {
        name,
        on,
        clients,
        bytes,
    }
}

pub fn plans() -> Vec<Plan> {
    ALL.into_iter().map(Uploads::plan).collect()
}

impl Uploads {
    pub fn plan(self) -> Plan {
        let size = if self.bytes < MIB {
            format!("{} KiB", self.bytes / KIB)
        } else {
            format!("{} MiB", self.bytes / MIB)
        };
        let clients = match self.clients {
            1 => "one after the other".to_owned(),
            clients => format!("by {clients} clients"),
        };
        let store = match self.on {
            On::Minio => "MinIO",
            On::Discard => "an S3 that discards",
            On::DiscardTls => "an S3 that discards, over TLS",
        };
        Plan {
            name: self.name,
            what: format!("uploads of {size} {clients}, to {store}"),
            unit: self.unit(),
            contenders: Box::new(move |stage| self.contenders(stage)),
        }
    }

    fn unit(self) -> Unit {
        if self.bytes < MIB {
            Unit::Requests
        } else {
            Unit::Megabytes
        }
    }

    pub fn contenders(self, stage: &mut Stage) -> Vec<Contender> {
        let Some(store) = stage.store(self.on) else {
            return Vec::new();
        };
        let ours = stage.portfolio(self.on, "warn");
        let mut all = Vec::new();
        all.extend(ours.clone().map(|ours| self.put(stage, ours, &store)));
        for (peer, manner) in [(nginx::NAME, Manner::Plain), ("nginx-tuned", Manner::Tuned)] {
            // Buffers make no difference to what fits into the smallest.
            if manner == Manner::Tuned && (self.unit() == Unit::Requests || stage.limited) {
                continue;
            }
            let proxy = stage.nginx(Some(self.on), manner);
            all.extend(proxy.map(|proxy| self.proxied(stage, peer, proxy, &store)));
        }
        // The client is not limited, and speaks plain HTTP to the S3: what TLS costs is seen beside
        // the same uploads without it.
        if !stage.limited && self.on != On::DiscardTls {
            all.push(if self.bytes >= MULTIPART_BYTES {
                self.multipart(stage, &store)
            } else {
                self.straight(stage, &store)
            });
        }
        let flask = stage.flask(self.on);
        all.extend(flask.map(|flask| self.form(stage, flask::NAME, flask, &store)));
        // Of a small form only its own framing would be measured.
        if self.unit() == Unit::Megabytes && !stage.limited {
            all.extend(ours.map(|ours| self.form(stage, "portfolio-form", ours, &store)));
        }
        all
    }

    pub fn put(self, stage: &Stage, program: Rc<Program>, store: &Rc<Store>) -> Contender {
        let (host, name, bytes) = (program.target.host.clone(), self.name, self.bytes);
        let who = (
            program.target.clone(),
            Some(program),
            Some(Rc::clone(store)),
        );
        loaded(
            portfolio::NAME,
            who,
            (stage, self.unit()),
            self.clients,
            move |n, message| {
                message.send("PUT", &host, &format!("/files/{name}/put/{n}"), "", bytes);
                message.statuses = &[201];
            },
        )
    }

    fn form(
        self,
        stage: &Stage,
        peer: &'static str,
        program: Rc<Program>,
        store: &Rc<Store>,
    ) -> Contender {
        let (host, bytes) = (program.target.host.clone(), self.bytes);
        let target = format!("/upload?prefix={}/{peer}", self.name);
        let who = (
            program.target.clone(),
            Some(program),
            Some(Rc::clone(store)),
        );
        loaded(
            peer,
            who,
            (stage, self.unit()),
            self.clients,
            move |n, message| {
                message.form(&host, &target, &format!("{n}.bin"), bytes);
                message.statuses = &[201];
            },
        )
    }

    fn proxied(
        self,
        stage: &Stage,
        peer: &'static str,
        program: Rc<Program>,
        store: &Rc<Store>,
    ) -> Contender {
        let make = self.signed(peer, store);
        let who = (
            program.target.clone(),
            Some(program),
            Some(Rc::clone(store)),
        );
        loaded(peer, who, (stage, self.unit()), self.clients, make)
    }

    fn straight(self, stage: &Stage, store: &Rc<Store>) -> Contender {
        let make = self.signed("straight", store);
        let who = (store.target(), None, Some(Rc::clone(store)));
        loaded("straight", who, (stage, self.unit()), self.clients, make)
    }

    /// PutObject, with the checksum that the program sends as well.
    fn signed(
        self,
        peer: &'static str,
        store: &Store,
    ) -> impl Fn(u64, &mut Message) + Send + Sync + 'static {
        let signer = Signer::new(store);
        let crc64 = Arc::new(STANDARD.encode(noise_crc64(self.bytes).to_be_bytes()));
        move |n, message| {
            let path = format!("/{}/{}/{peer}/{n}", signer.bucket, self.name);
            let lines = signer.lines("PUT", &path, "", Some(&crc64));
            message.send("PUT", &signer.host, &path, &lines, self.bytes);
        }
    }

    /// One upload in parts after the other.
    fn multipart(self, stage: &Stage, store: &Rc<Store>) -> Contender {
        let s3 = Straight::new(&store.settings());
        let duration = stage.effort.duration;
        let unit = self.unit();
        let mut number = 0;
        let run = Box::new(move |meter: &Meter| {
            let mut outcome = Outcome::default();
            let begun = Instant::now();
            while outcome.requests == 0 || begun.elapsed() < duration {
                let sent = Instant::now();
                number += 1;
                let key = format!("{}/straight/{number}", self.name);
                s3.upload(&key, self.bytes, PART_BYTES, PARTS_AT_ONCE)
                    .map_err(|error| error.to_string())?;
                meter.add(self.bytes);
                let now = Instant::now();
                outcome.succeed(self.bytes, now - sent, now);
            }
            outcome.seconds = begun.elapsed().as_secs_f64();
            round(&outcome, unit)
        });
        Contender::new("straight", None, Some(Rc::clone(store)), run)
    }
}
