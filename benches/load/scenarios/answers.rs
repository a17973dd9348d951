//! Requests that the store has no part in: what an answer costs by itself.

use std::rc::Rc;

use super::{Plan, loaded};
use crate::load::figures::Unit;
use crate::load::peers::nginx::Manner;
use crate::load::peers::{Program, flask, nginx, portfolio};
use crate::load::rounds::Contender;
use crate::load::stage::{On, Stage};

const CLIENTS: usize = 64;

pub fn plans() -> Vec<Plan> {
    vec![
        Plan {
            name: "health",
            what: "GET /health by 64 clients: a constant answer, also with a log line for each"
                .into(),
            unit: Unit::Requests,
            contenders: Box::new(|stage| health(stage, true)),
        },
        Plan {
            name: "page",
            what: "GET / by 64 clients, of nginx the very same bytes as a file, by nginx-tuned \
                   without sendfile; portfolio-br is the page as browsers get it"
                .into(),
            unit: Unit::Requests,
            contenders: Box::new(page),
        },
    ]
}

/// With `logging`, also with a log line for each request.
pub fn health(stage: &mut Stage, logging: bool) -> Vec<Contender> {
    let mut all = Vec::new();
    let mut programs = vec![
        (portfolio::NAME, stage.portfolio(On::Discard, "warn")),
        (nginx::NAME, stage.nginx(None, Manner::Plain)),
        (flask::NAME, stage.flask(On::Discard)),
    ];
    if logging {
        programs.push(("portfolio-logging", stage.portfolio(On::Discard, "info")));
        programs.push(("nginx-logging", stage.nginx(None, Manner::Logging)));
    }
    for (peer, program) in programs {
        all.extend(program.map(|program| get(peer, program, stage, "/health", "")));
    }
    all
}

fn page(stage: &mut Stage) -> Vec<Contender> {
    const PLAIN: &str = "Accept-Encoding: identity\r\n";
    let mut all = Vec::new();
    let ours = stage.portfolio(On::Discard, "warn");
    let programs = [
        (portfolio::NAME, ours.clone(), PLAIN),
        (nginx::NAME, stage.nginx(None, Manner::Plain), PLAIN),
        (flask::NAME, stage.flask(On::Discard), PLAIN),
        ("nginx-tuned", stage.nginx(None, Manner::Tuned), PLAIN),
        (
            "portfolio-br",
            ours,
            "Accept-Encoding: gzip, deflate, br\r\n",
        ),
    ];
    for (peer, program, headers) in programs {
        all.extend(program.map(|program| get(peer, program, stage, "/", headers)));
    }
    all
}

fn get(
    peer: &str,
    program: Rc<Program>,
    stage: &Stage,
    target: &'static str,
    headers: &'static str,
) -> Contender {
    let host = program.target.host.clone();
    let who = (program.target.clone(), Some(program), None);
    loaded(
        peer,
        who,
        (stage, Unit::Requests),
        CLIENTS,
        move |_, message| {
            message.get(&host, target, headers);
        },
    )
}
