//! What is measured: each scenario with the programs that take part in it.

mod answers;
mod connections;
mod mixed;
mod objects;
mod pod;
mod resumable;
mod starts;
mod uploads;

use std::rc::Rc;

use super::client::{Load, Message, Target};
use super::figures::Unit;
use super::peers::Program;
use super::peers::store::Store;
use super::rounds::{Contender, round};
use super::stage::Stage;

/// A scenario before it is played.
pub struct Plan {
    /// Short and stable.
    pub name: &'static str,
    /// In a sentence.
    pub what: String,
    pub unit: Unit,
    /// Starts what takes part.
    pub contenders: Contenders,
}

pub type Contenders = Box<dyn Fn(&mut Stage) -> Vec<Contender>>;

/// All of them, in the order in which they are played.
pub fn all() -> Vec<Plan> {
    [
        answers::plans(),
        uploads::plans(),
        resumable::plans(),
        objects::plans(),
        mixed::plans(),
        starts::plans(),
        connections::plans(),
        pod::plans(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Those that are named, by their whole name or by its beginning to a dash; else what is wrong.
pub fn chosen(names: &[String]) -> Result<Vec<Plan>, String> {
    let stands_for = |name: &String, plan: &Plan| {
        let rest = plan.name.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let all = all();
    let unknown = |name: &&String| !all.iter().any(|plan| stands_for(name, plan));
    if let Some(name) = names.iter().find(unknown) {
        return Err(format!("there is no scenario {name}; see --list"));
    }
    let wanted = |plan: &Plan| names.is_empty() || names.iter().any(|name| stands_for(name, plan));
    Ok(all.into_iter().filter(wanted).collect())
}

/// Requests to `target` by so many clients, each of which `make` writes; for who `program` is.
fn loaded(
    peer: &str,
    (target, program, store): (Target, Option<Rc<Program>>, Option<Rc<Store>>),
    (stage, unit): (&Stage, Unit),
    clients: usize,
    make: impl Fn(u64, &mut Message) + Send + Sync + 'static,
) -> Contender {
    let load = Load::new(target, clients, stage.effort.duration, make);
    let run = Box::new(move |meter: &_| round(&load.run(meter)[0], unit));
    Contender::new(peer, program, store, run)
}
