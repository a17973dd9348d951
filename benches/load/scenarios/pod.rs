//! The same under a pod's limits, each program in a group of its own: a quarter of a CPU, 256 MiB.
//! How long it was held back is in the figures.

use super::uploads::{Uploads, uploads};
use super::{Contenders, Plan, answers, starts};
use crate::load::figures::Unit;
use crate::load::rounds::Contender;
use crate::load::stage::{On, Stage};

const SMALL: Uploads = uploads("pod-upload-1k", On::Discard, 16, 1 << 10);
const LARGE: Uploads = uploads("pod-upload-100m", On::Discard, 1, 100 << 20);

pub fn plans() -> Vec<Plan> {
    vec![
        Plan {
            name: "pod-health",
            what: "GET /health by 64 clients, within 0.25 CPU and 256 MiB".into(),
            unit: Unit::Requests,
            contenders: limited(|stage| answers::health(stage, false)),
        },
        of_uploads(SMALL),
        of_uploads(LARGE),
        Plan {
            name: "pod-cold-start",
            what: "from exec to the first 200 of /health, within 0.25 CPU and 256 MiB".into(),
            unit: Unit::Seconds,
            contenders: limited(starts::contenders),
        },
    ]
}

fn of_uploads(uploads: Uploads) -> Plan {
    let plan = uploads.plan();
    Plan {
        what: format!("{}, within 0.25 CPU and 256 MiB", plan.what),
        contenders: limited(plan.contenders),
        ..plan
    }
}

fn limited(contenders: impl Fn(&mut Stage) -> Vec<Contender> + 'static) -> Contenders {
    Box::new(move |stage| {
        stage.limited = true;
        let contenders = contenders(stage);
        stage.limited = false;
        contenders
    })
}
