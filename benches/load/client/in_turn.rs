//! Connections that are kept open, of which one sends at a time, each in its turn: what a program
//! pays for those that are silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::{Connection, Make, Message, Meter, Outcome, Target, runtime};
use crate::load::interrupt;

pub struct InTurn {
    target: Target,
    make: Make,
    connections: Vec<Connection>,
    runtime: Runtime,
}

impl InTurn {
    pub fn new(target: Target, make: impl Fn(u64, &mut Message) + Send + Sync + 'static) -> Self {
        Self {
            target,
            make: Arc::new(make),
            connections: Vec::new(),
            runtime: runtime(),
        }
    }

    /// Opens connections until there are `count`, each of which has had an answer.
    pub fn open(&mut self, count: usize) -> std::io::Result<()> {
        self.runtime.block_on(async {
            let mut message = Message::default();
            while self.connections.len() < count {
                let mut connection = Connection::open(&self.target).await?;
                message.clear();
                (self.make)(0, &mut message);
                connection.exchange(&message, None).await?;
                self.connections.push(connection);
            }
            Ok(())
        })
    }

    /// Requests on one connection after the other. The first that is not answered rightly ends it.
    pub fn run(&mut self, duration: Duration, meter: &Meter) -> Outcome {
        let mut outcome = Outcome::default();
        let mut message = Message::default();
        let begun = Instant::now();
        self.runtime.block_on(async {
            for (number, at) in (0..self.connections.len()).cycle().enumerate() {
                let sent = Instant::now();
                if sent - begun >= duration || interrupt::requested() {
                    break;
                }
                message.clear();
                (self.make)(number as u64, &mut message);
                let why = match self.connections[at].exchange(&message, None).await {
                    Ok(answer) if message.statuses.contains(&answer.status) && !answer.closes => {
                        meter.add(answer.body_bytes);
                        let now = Instant::now();
                        outcome.succeed(answer.body_bytes, now - sent, now);
                        continue;
                    }
                    Ok(answer) => super::unexpected(&answer).to_string(),
                    Err(error) => error.to_string(),
                };
                outcome.fail(why);
                break;
            }
        });
        outcome.seconds = begun.elapsed().as_secs_f64();
        outcome
    }
}
