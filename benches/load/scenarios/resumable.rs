//! A large upload in several requests, beside the same bytes in one.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Plan;
use super::uploads::uploads;
use crate::load::client::{Connection, Message, Meter, Outcome, Target, runtime};
use crate::load::figures::Unit;
use crate::load::interrupt;
use crate::load::peers::portfolio;
use crate::load::rounds::{Contender, round};
use crate::load::stage::{On, Stage};

const NAME: &str = "resumable-8m";
const OBJECT_BYTES: u64 = 100 << 20;
const REQUEST_BYTES: u64 = 8 << 20;

pub fn plans() -> Vec<Plan> {
    vec![Plan {
        name: NAME,
        what: "uploads of 100 MiB by tus in requests of 8 MiB, to MinIO; portfolio-put is one \
               request of all"
            .into(),
        unit: Unit::Megabytes,
        contenders: Box::new(contenders),
    }]
}

fn contenders(stage: &mut Stage) -> Vec<Contender> {
    let store = stage.store(On::Minio);
    let ours = stage.portfolio(On::Minio, "warn");
    let Some((store, ours)) = store.zip(ours) else {
        return Vec::new();
    };
    let target = ours.target.clone();
    let duration = stage.effort.duration;
    let run = move |meter: &Meter| round(&tus(&target, duration, meter), Unit::Megabytes);
    let whole = uploads(NAME, On::Minio, 1, OBJECT_BYTES);
    let mut put = whole.put(stage, Rc::clone(&ours), &store);
    "portfolio-put".clone_into(&mut put.peer);
    vec![
        Contender::new(portfolio::NAME, Some(ours), Some(store), Box::new(run)),
        put,
    ]
}

/// One upload after the other. Each counts as a request, and the time it took as its latency.
fn tus(target: &Target, duration: Duration, meter: &Meter) -> Outcome {
    let mut outcome = Outcome::default();
    let begun = Instant::now();
    runtime().block_on(async {
        while outcome.requests == 0 || begun.elapsed() < duration && !interrupt::requested() {
            let sent = Instant::now();
            if let Err(error) = upload(target, meter).await {
                outcome.fail(error.to_string());
                return;
            }
            let now = Instant::now();
            outcome.succeed(OBJECT_BYTES, now - sent, now);
        }
    });
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome
}

async fn upload(target: &Target, meter: &Meter) -> io::Result<()> {
    let mut connection = Connection::open(target).await?;
    let mut message = Message::default();
    message.clear();
    // Named `tus`, in base64; each upload is a new version of it.
    let headers = format!(
        "Tus-Resumable: 1.0.0\r\nUpload-Length: {OBJECT_BYTES}\r\nUpload-Metadata: filename dHVz\r\n"
    );
    message.send("POST", &target.host, "/uploads", &headers, 0);
    let created = connection.exchange(&message, None).await?;
    let Some(path) = created.location else {
        let why = format!("POST /uploads is answered with {}", created.status);
        return Err(io::Error::other(why));
    };
    let mut offset = 0;
    while offset < OBJECT_BYTES {
        let bytes = REQUEST_BYTES.min(OBJECT_BYTES - offset);
        message.clear();
        let headers = format!(
            "Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n\
             Content-Type: application/offset+octet-stream\r\n"
        );
        message.send("PATCH", &target.host, &path, &headers, bytes);
        let answer = connection.exchange(&message, None).await?;
        if answer.status != 204 {
            let why = format!("PATCH at {offset} is answered with {}", answer.status);
            return Err(io::Error::other(why));
        }
        meter.add(bytes);
        offset += bytes;
    }
    Ok(())
}
