//! The programs that are measured, each started as its own documentation would have it, on a port
//! of its own.

pub mod flask;
pub mod nginx;
pub mod portfolio;
pub mod store;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::client::Target;
use super::process::{Process, Tree, launched};
use crate::bench::cgroup::Cgroup;

/// Longest that a program may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that answers.
pub struct Program {
    pub target: Target,
    process: Process,
    /// That limits it. After the process, so that it is empty when it is removed.
    pub group: Option<Rc<Cgroup>>,
    /// What it was given, and what it wrote.
    _folder: TempDir,
}

/// What a program is started with.
pub struct Start {
    pub command: Command,
    pub port: u16,
    /// For its files.
    pub folder: TempDir,
}

impl Start {
    /// With a port and a folder of its own, for `command` to name.
    pub fn new(
        command: impl FnOnce(u16, &Path) -> Result<Command, String>,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let port = free_port();
        Ok(Self {
            command: command(port, folder.path())?,
            port,
            folder,
        })
    }
}

impl Program {
    /// Starts it and waits until it answers `GET probe`; else why it does not.
    pub fn start(start: Start, probe: &str, group: Option<Rc<Cgroup>>) -> Result<Self, String> {
        let Start {
            command,
            port,
            folder,
        } = start;
        let command = match &group {
            Some(group) => launched(group.shell(), &command),
            None => command,
        };
        let log = folder.path().join("stderr");
        let mut process = Process::start(&command, &log).map_err(|error| error.to_string())?;
        let begun = Instant::now();
        while get(port, probe) != Some(200) {
            if let Some(end) = process.end() {
                return Err(end);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("GET {probe} is not answered with 200"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self {
            target: Target::loopback(port),
            process,
            group,
            _folder: folder,
        })
    }

    /// Its processes now.
    pub fn tree(&self) -> Tree {
        Tree::of(self.process.pid())
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// The status of the answer to one request; None when there is none.
pub fn get(port: u16, target: &str) -> Option<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let head =
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).ok()?;
    std::str::from_utf8(&status[9..]).ok()?.parse().ok()
}

/// Where a program of this name is; Debian's place for nginx is not in everybody's PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/sbin", "/sbin"]);
    folders
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}
