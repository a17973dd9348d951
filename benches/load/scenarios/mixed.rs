//! Many uploads of all sizes at once, known and unknown lengths among them: what memory they take.

use super::{Plan, loaded};
use crate::load::client::Message;
use crate::load::figures::Unit;
use crate::load::peers::{flask, portfolio};
use crate::load::rounds::Contender;
use crate::load::stage::{On, Stage};

const CLIENTS: usize = 256;

pub fn plans() -> Vec<Plan> {
    vec![Plan {
        name: "mixed-256",
        what: "256 uploads at once, 1 KiB to 16 MiB, a quarter of them forms; memory is the figure"
            .into(),
        unit: Unit::Bytes,
        contenders: Box::new(contenders),
    }]
}

fn contenders(stage: &mut Stage) -> Vec<Contender> {
    let Some(store) = stage.store(On::Discard) else {
        return Vec::new();
    };
    let ours = stage.portfolio(On::Discard, "warn");
    let flask = stage.flask(On::Discard);
    let mut all = Vec::new();
    for (peer, program) in [(portfolio::NAME, ours), (flask::NAME, flask)] {
        let Some(program) = program else { continue };
        let host = program.target.host.clone();
        let who = (program.target.clone(), Some(program), Some(store.clone()));
        let takes_put = peer == portfolio::NAME;
        all.push(loaded(
            peer,
            who,
            (stage, Unit::Bytes),
            CLIENTS,
            move |n, message| {
                write(n, &host, takes_put, message);
            },
        ));
    }
    all
}

fn write(n: u64, host: &str, takes_put: bool, message: &mut Message) {
    // Every sixteenth has 16 MiB, every fourth 1 MiB, and so on down: most are small, and most
    // bytes are in the large ones.
    let bytes = match n % 16 {
        0 => 16 << 20,
        1..=4 => 1 << 20,
        5..=9 => 64 << 10,
        _ => 1 << 10,
    };
    if takes_put && !(n / 16).is_multiple_of(4) {
        message.send("PUT", host, &format!("/files/mixed/{n}"), "", bytes);
    } else {
        message.form(
            host,
            "/upload?prefix=mixed/form",
            &format!("{n}.bin"),
            bytes,
        );
    }
    message.statuses = &[201];
}
