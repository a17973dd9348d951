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
            while self.connections.len() < count {
                let connection = Connection::open(&self.target).await?;
                self.connections.push(connection);
            }
            let mut message = Message::default();
            message.clear();
            message.get(&self.target.host, path, "");
            for connection in &mut self.connections {
                let answer = connection.exchange(&message, None).await?;
                if answer.status != 200 || answer.closes {
                    return Err(unexpected(&answer));
                }
            }
            Ok(())
        })
    }
}
