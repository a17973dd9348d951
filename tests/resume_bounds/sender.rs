//! A request whose bytes are counted on their way, as far as the kernel has them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::support::{Server, wait_for};

/// A request whose bytes are counted on their way.
pub struct Sender {
    pub stream: TcpStream,
    /// Its own port and the server's.
    ports: (u64, u64),
    /// Whether the length is not told, so that bytes go in chunks.
    chunked: bool,
    /// Bytes of the body that the kernel has taken.
    pub sent: u64,
}

impl Sender {
    pub fn begin(server: &Server, head: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let near = stream.local_addr().unwrap().port();
        Self {
            stream,
            ports: (near.into(), server.port.into()),
            chunked: head.contains("chunked"),
            sent: 0,
        }
    }

    /// Sends the bytes, or as many as the kernel takes before the server answers, goes away or
    /// stops reading for so long that it will not go on; whether all were taken.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let stall = Duration::from_secs(3);
        self.stream.set_write_timeout(Some(stall)).unwrap();
        // A chunk that is cut would not count: small ones lose little.
        for block in bytes.chunks(16 << 10) {
            let head = format!("{:x}\r\n", block.len());
            let framed = [head.as_bytes(), block, b"\r\n"].concat();
            let framed: &[u8] = if self.chunked { &framed } else { block };
            if self.has_answer() || self.stream.write_all(framed).is_err() {
                return false;
            }
            self.sent += block.len() as u64;
        }
        true
    }

    /// Whether an answer, or the end, can be read.
    fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        !matches!(peeked, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// The answer's status, if there is an answer.
    pub fn answer(&mut self) -> Option<u16> {
        let wait = Duration::from_mins(1);
        self.stream.set_read_timeout(Some(wait)).unwrap();
        let mut text = Vec::new();
        let mut block = [0; 1024];
        while !text.windows(4).any(|end| end == b"\r\n\r\n") {
            let count = self.stream.read(&mut block).ok().filter(|&n| n > 0)?;
            text.extend_from_slice(&block[..count]);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        text.split(' ').nth(1)?.parse().ok()
    }

    /// Bytes that the kernel holds: of those that were sent, not yet received; and received, not
    /// yet read by the server (`/proc/net/tcp`, tx_queue of our end and rx_queue of the other).
    /// What is on its way and not yet acknowledged may be in both.
    pub fn in_kernel(&self) -> u64 {
        let (near, far) = self.ports;
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let port = |address: &str| hex(address.split_once(':').unwrap().1);
        let queues = table.lines().skip(1).map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let ends = (port(fields[1]), port(fields[2]));
            let (tx, rx) = fields[4].split_once(':').unwrap();
            match ends {
                ends if ends == (near, far) => hex(tx),
                ends if ends == (far, near) => hex(rx),
                _ => 0,
            }
        });
        queues.sum()
    }

    /// Waits until the server has read all that was sent.
    pub fn wait_received(&self) {
        wait_for("the server to read", || self.in_kernel() == 0);
    }

    /// Breaks the connection with a reset.
    pub fn reset(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}
