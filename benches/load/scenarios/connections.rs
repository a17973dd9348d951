//! What connections cost that are open and silent: the same load on the program with few and with
//! many of them.

use std::rc::Rc;

use super::{Plan, loaded};
use crate::load::client::Held;
use crate::load::figures::Unit;
use crate::load::peers::{Program, nginx, portfolio};
use crate::load::rounds::Contender;
use crate::load::stage::{On, Stage};

/// How many are open: the names of the peers have them.
const COUNTS: [usize; 3] = [1, 100, 1000];
/// Connections beside them that send. Enough that the program is never idle: what a wake-up costs
/// is the scheduler's, and hides what is looked for.
const CLIENTS: usize = 16;
const PATH: &str = "/health";

pub fn plans() -> Vec<Plan> {
    vec![Plan {
        name: "idle-connections",
        what: "GET /health by 16 clients, while 1, 100 or 1,000 other connections are open".into(),
        unit: Unit::Requests,
        contenders: Box::new(contenders),
    }]
}

fn contenders(stage: &mut Stage) -> Vec<Contender> {
    let mut all = Vec::new();
    for count in COUNTS {
        let ours = stage.portfolio(On::Discard, "warn");
        all.extend(ours.map(|ours| contender(stage, portfolio::NAME, ours, count)));
    }
    for count in COUNTS {
        let nginx = stage.nginx(None, nginx::Manner::Plain);
        all.extend(nginx.map(|nginx| contender(stage, nginx::NAME, nginx, count)));
    }
    all
}

fn contender(stage: &Stage, peer: &str, program: Rc<Program>, count: usize) -> Contender {
    let mut held = Held::new(program.target.clone());
    let host = program.target.host.clone();
    let who = (program.target.clone(), Some(program), None);
    let name = format!("{peer}-{count}");
    let mut contender = loaded(
        &name,
        who,
        (stage, Unit::Requests),
        CLIENTS,
        move |_, message| {
            message.get(&host, PATH, "");
        },
    );
    contender.prepare = Some(Box::new(move || {
        let refreshed = held.refresh(count, PATH);
        refreshed.map_err(|error| error.to_string())
    }));
    contender
}
