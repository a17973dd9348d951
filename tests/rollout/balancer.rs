//! haproxy as it stands before replicas: TCP, and new connections only for those that are ready.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::wait_for;

/// Ends with its owner.
pub struct Balancer {
    pub port: u16,
    child: Child,
    dir: TempDir,
}

/// Below those that the system gives to connections: nobody takes it while its server is replaced.
pub fn free_port() -> u16 {
    loop {
        let port = 20_000 + (getrandom::u32().unwrap() % 10_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Balancer {
    /// Before replicas on these ports, each asked every `check` whether it is ready.
    pub fn start(replicas: &[u16], check: Duration) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let check = check.as_millis();
        let mut config = format!(
            "global\n  stats socket {0}/stats mode 600 level user\n\
             defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 2m\n  timeout server 2m\n  \
             timeout check 2s\n  retries 3\n  option redispatch\n\
             frontend portal\n  bind 127.0.0.1:{port}\n  default_backend replicas\n\
             backend replicas\n  balance roundrobin\n  option httpchk GET /ready\n  \
             http-check expect status 200\n  default-server check inter {check}ms fall 2 rise 2\n",
            dir.path().display(),
        );
        for (number, replica) in replicas.iter().enumerate() {
            let _ = writeln!(config, "  server r{number} 127.0.0.1:{replica}");
        }
        let path = dir.path().join("haproxy.cfg");
        std::fs::write(&path, config).unwrap();
        // /usr/sbin is not on everyone's path.
        let program = ["/usr/sbin/haproxy", "haproxy"]
            .into_iter()
            .find(|name| {
                Command::new(name)
                    .arg("-v")
                    .stdout(Stdio::null())
                    .status()
                    .is_ok()
            })
            .expect("haproxy is missing: run scripts/test");
        let child = Command::new(program)
            .arg("-db")
            .arg("-f")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let balancer = Self { port, child, dir };
        wait_for("the balancer", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        (0..replicas.len()).for_each(|number| balancer.wait_up(number));
        balancer
    }

    /// Waits until the balancer gives connections to this replica again.
    pub fn wait_up(&self, number: usize) {
        let name = format!("replicas,r{number},");
        wait_for("the balancer to see a replica", || {
            let mut socket = UnixStream::connect(self.dir.path().join("stats")).unwrap();
            socket.write_all(b"show stat\n").unwrap();
            let mut table = String::new();
            socket.read_to_string(&mut table).unwrap();
            let line = table.lines().find(|line| line.starts_with(&name)).unwrap();
            line.split(',').nth(17) == Some("UP")
        });
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
