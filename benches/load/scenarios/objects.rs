//! What is read from the S3: an object, and a list.

use std::rc::Rc;

use super::{Plan, loaded};
use crate::load::client::{Message, one_by_one};
use crate::load::figures::Unit;
use crate::load::peers::nginx::Manner;
use crate::load::peers::store::Store;
use crate::load::peers::{flask, nginx, portfolio};
use crate::load::rounds::Contender;
use crate::load::sign::Signer;
use crate::load::stage::{On, Stage};

const OBJECT_BYTES: u64 = 100 << 20;
const LISTED: u64 = 1000;

pub fn plans() -> Vec<Plan> {
    vec![
        Plan {
            name: "download-100m",
            what: "downloads of 100 MiB from MinIO, one after the other".into(),
            unit: Unit::Megabytes,
            contenders: Box::new(download),
        },
        Plan {
            name: "list-1000",
            what: "lists of 1,000 objects on MinIO by 4 clients".into(),
            unit: Unit::Requests,
            contenders: Box::new(list),
        },
    ]
}

fn download(stage: &mut Stage) -> Vec<Contender> {
    let Some(store) = stage.store(On::Minio) else {
        return Vec::new();
    };
    if let Err(why) = put(&store, "download", 1, OBJECT_BYTES) {
        stage.miss("the object of download-100m", why);
        return Vec::new();
    }
    let signer = Signer::new(&store);
    let path = format!("/{}/download/0", signer.bucket);
    let of_s3 = (path, String::new());
    contenders(
        stage,
        &store,
        1,
        Unit::Megabytes,
        ("/files/download/0", None),
        of_s3,
    )
}

fn list(stage: &mut Stage) -> Vec<Contender> {
    let Some(store) = stage.store(On::Minio) else {
        return Vec::new();
    };
    if let Err(why) = put(&store, "listed", LISTED, 1) {
        stage.miss("the objects of list-1000", why);
        return Vec::new();
    }
    let path = format!("/{}", Signer::new(&store).bucket);
    let query = format!("list-type=2&max-keys={LISTED}&prefix=listed%2F");
    let target = "/files?prefix=listed/&limit=1000";
    contenders(
        stage,
        &store,
        4,
        Unit::Requests,
        (target, Some(target)),
        (path, query),
    )
}

/// GET of `ours` and of `flasks`, and of the S3's own path and query through nginx and straight.
fn contenders(
    stage: &mut Stage,
    store: &Rc<Store>,
    clients: usize,
    unit: Unit,
    (ours, flasks): (&'static str, Option<&'static str>),
    (path, query): (String, String),
) -> Vec<Contender> {
    let mut all = Vec::new();
    let by_us = stage.portfolio(On::Minio, "warn");
    let by_flask = flasks.and_then(|target| Some((stage.flask(On::Minio)?, target)));
    for (peer, program, target) in [
        by_us.map(|program| (portfolio::NAME, program, ours)),
        by_flask.map(|(program, target)| (flask::NAME, program, target)),
    ]
    .into_iter()
    .flatten()
    {
        let host = program.target.host.clone();
        let who = (
            program.target.clone(),
            Some(program),
            Some(Rc::clone(store)),
        );
        all.push(loaded(
            peer,
            who,
            (stage, unit),
            clients,
            move |_, message| {
                message.get(&host, target, "");
            },
        ));
    }
    let signer = Signer::new(store);
    let write = move |message: &mut Message| {
        let lines = signer.lines("GET", &path, &query, None);
        message.get(&signer.host, &format!("{path}?{query}"), &lines);
    };
    let mut reached = Vec::new();
    for (peer, manner) in [(nginx::NAME, Manner::Plain), ("nginx-tuned", Manner::Tuned)] {
        // Buffers make no difference to a list.
        if manner == Manner::Plain || unit == Unit::Megabytes {
            let proxy = stage.nginx(Some(On::Minio), manner);
            reached.extend(proxy.map(|proxy| (peer, proxy.target.clone(), Some(proxy))));
        }
    }
    reached.push(("straight", store.target(), None));
    for (peer, target, program) in reached {
        let who = (target, program, Some(Rc::clone(store)));
        let write = write.clone();
        all.push(loaded(
            peer,
            who,
            (stage, unit),
            clients,
            move |_, message| write(message),
        ));
    }
    all
}

/// Objects `prefix/0`, `prefix/1`, ... of so many bytes.
fn put(store: &Store, prefix: &str, count: u64, bytes: u64) -> Result<(), String> {
    let signer = Signer::new(store);
    let make = |n: u64, message: &mut Message| {
        let path = format!("/{}/{prefix}/{n}", signer.bucket);
        let lines = signer.lines("PUT", &path, "", None);
        message.send("PUT", &signer.host, &path, &lines, bytes);
    };
    one_by_one(&store.target(), count, make).map_err(|error| error.to_string())
}
