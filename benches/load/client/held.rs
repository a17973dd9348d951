//! Connections that are kept open and say nothing.

use std::io;

use tokio::runtime::Runtime;

use super::{Connection, Message, Target, runtime, unexpected};

pub struct Held {
    target: Target,
    connections: Vec<Connection>,
    runtime: Runtime,
}

impl Held {
    pub fn new(target: Target) -> Self {
        Self {
            target,
            connections: Vec::new(),
            runtime: runtime(),
        }
    }

    /// Has `count` of them open, each of which has just had an answer to `GET path`: programs close
    /// those that were silent for too long.
    pub fn refresh(&mut self, count: usize, path: &str) -> io::Result<()> {
        self.runtime.block_on(async {
            let mut message = Message::default();
            message.clear();
            message.get(&self.target.host, path, "");
            for at in 0..count {
                // One after the other: more than its backlog at once would wait for seconds.
                if at == self.connections.len() {
                    let connection = Connection::open(&self.target).await?;
                    self.connections.push(connection);
                }
                let answer = self.connections[at].exchange(&message, None).await?;
                if answer.status != 200 || answer.closes {
                    return Err(unexpected(&answer));
                }
            }
            Ok(())
        })
    }
}
