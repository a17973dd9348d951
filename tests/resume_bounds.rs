//! How much a client of resumable uploads sends again at most, measured on MinIO: after a crash,
//! a broken connection, SIGTERM, a lost last answer and an outage of the store. Each figure is
//! printed; `cargo test --test resume_bounds -- --nocapture` shows them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use support::client::Answer;
use support::place::PART;
use support::proxy::{Fault, Proxy};
use support::relay::{Mode, Relay};
use support::server::{On, minio_setting};
use support::{Client, Dice, Noise, Place, Server, sha256, wait_for};

/// The default of `UPLOAD_CONCURRENCY` parts on their way, and the one that is being gathered.
const BOUND: u64 = (4 + 1) * PART;
/// What a server's HTTP buffer may hold of a body that nobody takes from it at the moment.
const READ_BUFFER: u64 = 512 << 10;
const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// Any number of servers may use it.
fn place() -> Place {
    Place::new(On::Minio)
}

fn endpoint() -> String {
    minio_setting("AWS_ENDPOINT_URL_S3")
}

/// Either protocol; the bounds are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Tus,
    Ietf,
}
use Protocol::{Ietf, Tus};

impl Protocol {
    /// An upload without bytes; its path. A tus client may name the length later, an IETF client
    /// need not.
    fn create(self, client: &mut Client, name: &str, length: Option<u64>) -> String {
        let target = format!("/uploads?key={name}");
        let known = length.map(|length| length.to_string());
        let mut headers = vec![match self {
            Tus => TUS,
            Ietf => ("Upload-Complete", "?0"),
        }];
        match (&known, self) {
            (Some(length), _) => headers.push(("Upload-Length", length)),
            (None, Tus) => headers.push(("Upload-Defer-Length", "1")),
            (None, Ietf) => {}
        }
        let answer = client.request("POST", &target, &headers, b"");
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    fn head(self, client: &mut Client, upload: &str) -> Answer {
        let headers = [TUS];
        client.send_head("HEAD", upload, &headers[..usize::from(self == Tus)]);
        client.answer_to("HEAD")
    }

    fn offset(self, server: &Server, upload: &str) -> u64 {
        let answer = self.head(&mut server.client(), upload);
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        number(&answer, "upload-offset")
    }

    /// Whether HEAD says that all is there, so that there is nothing to send again.
    fn assert_complete(self, answer: &Answer, size: u64) {
        assert_eq!(number(answer, "upload-offset"), size, "{answer:?}");
        assert_eq!(number(answer, "upload-length"), size, "{answer:?}");
        if self == Ietf {
            assert_eq!(answer.header("upload-complete"), Some("?1"));
        }
    }

    /// The head of a request that brings the last bytes, all of `length` if that is told.
    fn patch(self, upload: &str, offset: u64, length: Option<u64>) -> String {
        let own = match self {
            Tus => "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream",
            Ietf => "Upload-Complete: ?1\r\nContent-Type: application/partial-upload",
        };
        let length = match length {
            Some(length) => format!("Content-Length: {length}"),
            None => "Transfer-Encoding: chunked".to_owned(),
        };
        format!(
            "PATCH {upload} HTTP/1.1\r\nHost: test\r\nUpload-Offset: {offset}\r\n{own}\r\n{length}\r\n\r\n"
        )
    }
}

fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name);
    let value = value.unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    value.parse().unwrap()
}

/// A request whose bytes are counted on their way.
struct Sender {
    stream: TcpStream,
    /// Its own port and the server's.
    ports: (u64, u64),
    /// Whether the length is not told, so that bytes go in chunks.
    chunked: bool,
    /// Bytes of the body that the kernel has taken.
    sent: u64,
}

impl Sender {
    fn begin(server: &Server, head: &str) -> Self {
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
    fn send(&mut self, bytes: &[u8]) -> bool {
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
    fn answer(&mut self) -> Option<u16> {
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
    fn in_kernel(&self) -> u64 {
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
    fn wait_received(&self) {
        wait_for("the server to read", || self.in_kernel() == 0);
    }

    /// Breaks the connection with a reset.
    fn reset(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}

/// Brings what is missing, as one request, and checks the object. A part that a killed server had
/// sent whole may be stored behind the question for the offset: then a 409 says so, and the client
/// asks again.
fn finish(protocol: Protocol, server: &Server, upload: &str, at: u64, name: &str, data: &[u8]) {
    let mut at = at;
    for tries in 1.. {
        let rest = &data[at as usize..];
        let head = protocol.patch(upload, at, Some(rest.len() as u64));
        let mut sender = Sender::begin(server, &head);
        let whole = sender.send(rest);
        let status = sender.answer();
        if status == Some(409) && tries < 5 {
            let now = protocol.offset(server, upload);
            assert!(now > at, "{now} is not beyond {at}");
            at = now;
            continue;
        }
        let sent = sender.sent;
        let all = rest.len();
        assert!(whole, "{sent} of {all} were taken, then {status:?}");
        assert!(matches!(status, Some(201 | 204)), "{status:?}");
        break;
    }
    assert_stored(server, name, data);
}

fn assert_stored(server: &Server, name: &str, data: &[u8]) {
    let got = server.client().get(&format!("/files/{name}"));
    assert_eq!(got.status, 200, "{name}");
    assert_eq!(sha256([&got.body]), sha256([data]), "{name}");
}

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0
}

#[test]
fn a_crash_costs_at_most_the_parts_on_their_way_and_the_one_being_gathered() {
    let place = place();
    let other = place.serve(&[]);
    let mut dice = Dice::new(0x5eed);
    let size = 12 * PART + 4321;
    let data = Noise::bytes(21, size);
    for round in 0..6 {
        for (protocol, known) in [(Tus, true), (Ietf, false)] {
            let mut server = place.serve(&[]);
            let name = format!("k{round}{known}");
            let length = Some(size).filter(|_| known);
            let upload = protocol.create(&mut other.client(), &name, length);
            let mut sender = Sender::begin(&server, &protocol.patch(&upload, 0, length));
            let count = 1 + dice.below(size - 1);
            assert!(sender.send(&data[..count as usize]));
            // Stopped first, so that the kernel's share is of the moment of the crash.
            server.signal("STOP");
            let in_kernel = sender.in_kernel();
            server.kill();
            let at = protocol.offset(&other, &upload);
            let lost = count - at.min(count);
            eprintln!(
                "SIGKILL, {protocol:?}, length {}: sent {count}, in the kernel {in_kernel}, offset {at}: \
                 {:.2} MiB again, of at most {:.2}",
                if known { "known" } else { "unknown" },
                mib(lost),
                mib(BOUND + in_kernel),
            );
            assert!(at <= count, "{at} was never sent");
            assert!(lost <= BOUND + in_kernel, "{lost} bytes are lost");
            finish(protocol, &other, &upload, at, &name, &data);
        }
    }
}

#[test]
fn a_crash_while_the_store_takes_nothing_costs_no_more() {
    let place = place();
    let other = place.serve(&[]);
    // More than server and kernel may hold: a socket's buffer alone grows to 32 MiB (tcp_rmem).
    let size = 20 * PART;
    let data = Noise::bytes(22, size);
    for (protocol, known) in [(Tus, true), (Ietf, false)] {
        let relay = Relay::before(&endpoint());
        let mut server = place.serve(&[("AWS_ENDPOINT_URL_S3", relay.endpoint.as_str())]);
        let name = format!("w{known}");
        let length = Some(size).filter(|_| known);
        let upload = protocol.create(&mut other.client(), &name, length);
        let mut sender = Sender::begin(&server, &protocol.patch(&upload, 0, length));
        let first = 2 * PART + 77;
        assert!(sender.send(&data[..first as usize]));
        wait_for("two parts", || protocol.offset(&other, &upload) == 2 * PART);
        relay.set(Mode::Stalled);
        // Until every buffer on the way is full.
        assert!(!sender.send(&data[first as usize..]));
        server.signal("STOP");
        let in_kernel = sender.in_kernel();
        server.kill();
        let at = protocol.offset(&other, &upload);
        let lost = sender.sent - at;
        eprintln!(
            "SIGKILL with a stalled store, {protocol:?}, length {}: sent {}, in the kernel {in_kernel}, \
             offset {at}: {:.2} MiB again, {:.2} of them received, of at most {:.2}",
            if known { "known" } else { "unknown" },
            sender.sent,
            mib(lost),
            mib(lost.saturating_sub(in_kernel)),
            mib(BOUND + READ_BUFFER),
        );
        assert_eq!(at, 2 * PART);
        assert!(lost <= BOUND + READ_BUFFER + in_kernel, "{lost} are lost");
        finish(protocol, &other, &upload, at, &name, &data);
    }
}

/// How a request ends without its last byte.
#[derive(Clone, Copy, Debug)]
enum End {
    Closed,
    HalfClosed,
    Reset,
    Terminated,
}

impl End {
    const ALL: [Self; 4] = [
        Self::Closed,
        Self::HalfClosed,
        Self::Reset,
        Self::Terminated,
    ];

    /// What still has to live until the offset is known.
    fn happen(self, sender: Sender, server: &mut Server) -> Option<Sender> {
        match self {
            Self::Closed => drop(sender),
            Self::Reset => sender.reset(),
            Self::HalfClosed => {
                sender.stream.shutdown(Shutdown::Write).unwrap();
                return Some(sender);
            }
            Self::Terminated => {
                server.signal("TERM");
                assert_eq!(server.wait(), 0);
            }
        }
        None
    }
}

#[test]
fn nothing_that_was_gathered_is_sent_again_when_a_connection_breaks_or_the_server_is_told_to_end() {
    let place = place();
    let other = place.serve(&[]);
    let mut dice = Dice::new(0xca11);
    let size = 5 * PART;
    let data = Noise::bytes(23, size);
    for end in End::ALL {
        for (protocol, known) in [(Tus, true), (Ietf, true), (Ietf, false)] {
            let mut server = place.serve(&[]);
            let name = format!("g{end:?}{protocol:?}{known}");
            let length = Some(size).filter(|_| known);
            let upload = protocol.create(&mut other.client(), &name, length);
            let mut sender = Sender::begin(&server, &protocol.patch(&upload, 0, length));
            let count = 1 + dice.below(size - 1);
            assert!(sender.send(&data[..count as usize]));
            sender.wait_received();
            let _open = end.happen(sender, &mut server);
            let mut at = 0;
            wait_for("all that was received", || {
                at = protocol.offset(&other, &upload);
                assert!(at <= count, "{at} was never sent");
                at == count
            });
            eprintln!(
                "{end:?}, gathered, {protocol:?}, length {}: received {count}, offset {at}: {} again",
                if known { "known" } else { "unknown" },
                count - at
            );
            finish(protocol, &other, &upload, at, &name, &data);
        }
    }
}

#[test]
fn what_was_streamed_falls_back_to_the_beginning_of_its_part_or_to_the_tail_before_it() {
    let place = place();
    let other = place.serve(&[]);
    let mut dice = Dice::new(0xfa11);
    let size = 4 * PART;
    let data = Noise::bytes(24, size);
    for end in End::ALL {
        for tail in [0, 100_000] {
            // A part over a quarter of the budget is always streamed.
            let mut server = place.serve(&[("UPLOAD_BUFFER_BYTES", "10485760")]);
            let name = format!("s{end:?}{tail}");
            let upload = Tus.create(&mut other.client(), &name, Some(size));
            if tail > 0 {
                let mut first = Sender::begin(&server, &Tus.patch(&upload, 0, Some(tail)));
                assert!(first.send(&data[..tail as usize]));
                assert_eq!(first.answer(), Some(204));
            }
            let head = Tus.patch(&upload, tail, Some(size - tail));
            let mut sender = Sender::begin(&server, &head);
            // In the first part, where the tail is, or in a later one.
            let parts = if tail > 0 { 0 } else { 1 + dice.below(3) };
            let from = (parts * PART).max(tail);
            let count = from + 1 + dice.below((parts + 1) * PART - from - 1);
            assert!(sender.send(&data[tail as usize..count as usize]));
            sender.wait_received();
            wait_for("the parts before", || Tus.offset(&other, &upload) >= from);
            let _open = end.happen(sender, &mut server);
            // A request of this process waits for the one that ends; of another it does not, but
            // the offset is what it will be.
            let at = Tus.offset(&other, &upload);
            eprintln!(
                "{end:?}, streamed, with a tail of {tail}: received {count}, offset {at}: {:.2} MiB again, \
                 of at most {:.2}",
                mib(count - at),
                mib(PART),
            );
            assert_eq!(at, from);
            finish(Tus, &other, &upload, at, &name, &data);
        }
    }
}

#[test]
fn a_lost_last_answer_sends_nothing_again() {
    let place = place();
    let other = place.serve(&[]);
    let size = 2 * PART + 99;
    let data = Noise::bytes(25, size);
    for protocol in [Tus, Ietf] {
        // Between S3 and the server, once and for all its tries; with the server dead on top.
        for (lost, killed) in [(1, false), (9, false), (9, true)] {
            let proxy = Proxy::before(&endpoint());
            let mut server = place.serve(&[("AWS_ENDPOINT_URL_S3", proxy.endpoint.as_str())]);
            let name = format!("l{protocol:?}{lost}{killed}");
            let upload = protocol.create(&mut other.client(), &name, Some(size));
            proxy.inject("POST", "uploadId", Fault::LoseAnswer, lost);
            let head = protocol.patch(&upload, 0, Some(size));
            let mut sender = Sender::begin(&server, &head);
            assert!(sender.send(&data));
            let path = format!("/files/{name}");
            wait_for("the completion", || {
                other.client().head(&path).status == 200
            });
            assert!(proxy.hits() > 0);
            if killed {
                server.kill();
            } else {
                let status = sender.answer();
                assert!(matches!(status, Some(201 | 204)), "{status:?}");
            }
            let answer = protocol.head(&mut other.client(), &upload);
            protocol.assert_complete(&answer, size);
            eprintln!(
                "{protocol:?}, CompleteMultipartUpload's answer lost{}: offset {} of {size}: 0 again",
                if killed { ", then SIGKILL" } else { "" },
                number(&answer, "upload-offset"),
            );
            assert_stored(&other, &name, &data);
        }
        // Between the server and the client, which is gone before it could read it.
        let server = place.serve(&[]);
        let name = format!("c{protocol:?}");
        let upload = protocol.create(&mut other.client(), &name, Some(size));
        let head = protocol.patch(&upload, 0, Some(size));
        let mut sender = Sender::begin(&server, &head);
        assert!(sender.send(&data));
        sender.wait_received();
        sender.reset();
        let mut answer = protocol.head(&mut other.client(), &upload);
        wait_for("the end of the request", || {
            answer = protocol.head(&mut other.client(), &upload);
            number(&answer, "upload-offset") == size
        });
        if protocol == Ietf && answer.header("upload-complete") != Some("?1") {
            // All bytes are here and nothing says yet that they are all: a client says so without
            // bytes, or hears that the first request was faster (400 with "completed-upload").
            let mut last = Sender::begin(&other, &protocol.patch(&upload, size, Some(0)));
            let status = last.answer();
            assert!(matches!(status, Some(201 | 400)), "{status:?}");
            answer = protocol.head(&mut other.client(), &upload);
        }
        protocol.assert_complete(&answer, size);
        eprintln!("{protocol:?}, the client gone before the last answer: 0 again");
        assert_stored(&other, &name, &data);
    }
}

/// What a server says in its log of the requests that brought bytes.
#[derive(Default)]
struct Taken {
    requests: usize,
    bytes: u64,
}

impl Taken {
    fn of(server: &Server) -> Self {
        let mut all = Self::default();
        for line in server
            .log()
            .lines()
            .filter(|l| l.contains(" method=PATCH "))
        {
            let bytes = line.split(' ').find_map(|word| word.strip_prefix("in="));
            all.requests += 1;
            all.bytes += bytes.unwrap().parse::<u64>().unwrap();
        }
        all
    }
}

#[test]
fn an_outage_of_the_store_ends_with_the_file_stored_and_little_sent_twice() {
    let asked = std::env::var("RESUME_OUTAGE_SECONDS").ok();
    let seconds: u64 = asked.map_or(8, |text| text.parse().unwrap());
    let place = place();
    let relay = Relay::before(&endpoint());
    let server = place.serve(&[("AWS_ENDPOINT_URL_S3", relay.endpoint.as_str())]);
    let size = 12 * PART + 7;
    let data = Noise::bytes(26, size);
    for protocol in [Tus, Ietf] {
        let name = format!("o{protocol:?}");
        let upload = protocol.create(&mut server.client(), &name, Some(size));
        let before = Taken::of(&server);
        let (mut at, mut sent) = (0, 0);
        let (mut heads, mut patches, mut refusals) = (0, 0, Vec::new());
        let mut back: Option<Instant> = None;
        loop {
            patches += 1;
            let head = protocol.patch(&upload, at, Some(size - at));
            let mut sender = Sender::begin(&server, &head);
            let rest = &data[at as usize..];
            if back.is_none() {
                let half = rest.len() / 2;
                assert!(sender.send(&rest[..half]));
                relay.set(Mode::Down);
                back = Some(Instant::now() + Duration::from_secs(seconds));
                sender.send(&rest[half..]);
            } else {
                sender.send(rest);
            }
            sent += sender.sent;
            let status = sender.answer();
            if matches!(status, Some(201 | 204)) {
                break;
            }
            refusals.push(status.unwrap_or(0));
            assert!(patches < 100, "it makes no progress: {refusals:?}");
            // As clients of tus do: ask, and ask again while the answer is 423, 5xx or none.
            at = loop {
                if back.is_some_and(|back| Instant::now() >= back) {
                    relay.set(Mode::Open);
                }
                heads += 1;
                let answer = protocol.head(&mut server.client(), &upload);
                match answer.status {
                    200 | 204 => break number(&answer, "upload-offset"),
                    423 | 500.. => refusals.push(answer.status),
                    _ => panic!("a client would give up: {answer:?}"),
                }
                thread::sleep(Duration::from_millis(250));
            };
        }
        // What the kernel held, and what was drained after an early answer, never came to the
        // upload: how much that is depends on the machine's socket buffers.
        let mut taken = Taken::default();
        wait_for("the log lines", || {
            taken = Taken::of(&server);
            taken.requests == before.requests + patches
        });
        let again = taken.bytes - before.bytes - size;
        eprintln!(
            "an outage of {seconds} s, {protocol:?}: {patches} PATCH, {heads} HEAD, {} refused with {:?}; \
             {:.2} MiB taken again, of at most {:.2}; {:.2} MiB sent again",
            refusals.len(),
            refusals.iter().collect::<BTreeSet<_>>(),
            mib(again),
            mib(BOUND + READ_BUFFER),
            mib(sent - size),
        );
        assert!(patches > 1 && refusals.len() > 1, "there was no outage");
        assert!(again <= BOUND + READ_BUFFER, "{again} again");
        assert_stored(&server, &name, &data);
    }
}
