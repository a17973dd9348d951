//! What connections cost that are open and silent.

use std::rc::Rc;

use super::Plan;
use crate::load::client::{InTurn, Meter};
use crate::load::figures::Unit;
use crate::load::peers::{Program, nginx, portfolio};
use crate::load::rounds::{Contender, round};
use crate::load::stage::{On, Stage};

/// How many are open: the names of the peers have them.
pub const COUNTS: [usize; 3] = [1, 100, 1000];

pub fn plans() -> Vec<Plan> {
    vec![Plan {
        name: "idle-connections",
        what: "GET /health, one at a time, on 1, 100 or 1,000 open connections in turn".into(),
        unit: Unit::Requests,
        contenders: Box::new(contenders),
    }]
}

fn contenders(stage: &mut Stage) -> Vec<Contender> {
    let mut all = Vec::new();
    for count in COUNTS {
        let ours = stage.portfolio(On::Discard, "warn");
        all.extend(ours.map(|ours| contender(stage, portfolio::NAME, ours, count)));
        let nginx = stage.nginx(None, false);
        all.extend(nginx.map(|nginx| contender(stage, nginx::NAME, nginx, count)));
    }
    all
}

fn contender(stage: &Stage, peer: &str, program: Rc<Program>, count: usize) -> Contender {
    let host = program.target.host.clone();
    let connections = InTurn::new(program.target.clone(), move |_, message| {
        message.get(&host, "/health", "");
    });
    // Opened before the first round, and kept: what is measured is that they are open.
    let connections = Rc::new(std::cell::RefCell::new(connections));
    let opened = Rc::clone(&connections);
    let duration = stage.effort.duration;
    let run = Box::new(move |meter: &Meter| {
        round(
            &connections.borrow_mut().run(duration, meter),
            Unit::Requests,
        )
    });
    let mut contender = Contender::new(&format!("{peer}-{count}"), Some(program), None, run);
    contender.prepare = Some(Box::new(move |_| {
        let opened = opened.borrow_mut().open(count);
        opened.map_err(|error| error.to_string())
    }));
    contender
}
