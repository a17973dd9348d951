//! A proxy in front of a real S3 that does to chosen requests what networks and stores do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// S3 does it; its answer never arrives.
    LoseAnswer,
    /// S3 never sees it; the connection is reset.
    Reset,
    /// S3 never sees it; the answer is a 503 SlowDown.
    SlowDown,
    /// S3 does it; half of the answer's body arrives.
    CutAnswer,
}

struct Rule {
    method: &'static str,
    target: &'static str,
    fault: Fault,
    times: usize,
}

/// The proxy; its threads end with its connections.
pub struct Proxy {
    pub endpoint: String,
    rules: Arc<Mutex<Vec<Rule>>>,
    hits: Arc<Mutex<usize>>,
}

impl Proxy {
    /// In front of `http://host:port`.
    pub fn before(endpoint: &str) -> Self {
        let upstream = endpoint.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            rules: Arc::default(),
            hits: Arc::default(),
        };
        let (rules, hits) = (Arc::clone(&proxy.rules), Arc::clone(&proxy.hits));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (rules, hits) = (Arc::clone(&rules), Arc::clone(&hits));
                let upstream = upstream.clone();
                // An end of either side ends the connection, and that is all.
                thread::spawn(move || drop(serve(&client, &upstream, &rules, &hits)));
            }
        });
        proxy
    }

    /// The next `times` requests of this method whose target contains this text meet `fault`.
    pub fn inject(&self, method: &'static str, target: &'static str, fault: Fault, times: usize) {
        self.rules.lock().unwrap().push(Rule {
            method,
            target,
            fault,
            times,
        });
    }

    /// Faults that have happened since the last call.
    pub fn hits(&self) -> usize {
        std::mem::take(&mut *self.hits.lock().unwrap())
    }
}

fn serve(
    client: &TcpStream,
    upstream: &str,
    rules: &Mutex<Vec<Rule>>,
    hits: &Mutex<usize>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    let mut from_client = BufReader::new(client.try_clone()?);
    let mut from_server = BufReader::new(server.try_clone()?);
    let (mut to_client, mut to_server) = (client, &server);
    while let Some(request) = Head::read(&mut from_client)? {
        let mut words = request.lines[0].split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let fault = strike(rules, method, target);
        *hits.lock().unwrap() += usize::from(fault.is_some());
        match fault {
            Some(Fault::Reset) => return Ok(()),
            Some(Fault::SlowDown) => {
                std::io::copy(
                    &mut (&mut from_client).take(request.length),
                    &mut std::io::sink(),
                )?;
                let body = "<Error><Code>SlowDown</Code></Error>";
                let length = body.len();
                write!(
                    to_client,
                    "HTTP/1.1 503 Slow Down\r\nContent-Length: {length}\r\n\r\n{body}"
                )?;
                continue;
            }
            _ => {}
        }
        to_server.write_all(request.bytes.as_bytes())?;
        std::io::copy(&mut (&mut from_client).take(request.length), &mut to_server)?;
        let Some(answer) = Head::read(&mut from_server)? else {
            return Ok(());
        };
        if method == "HEAD" {
            to_client.write_all(answer.bytes.as_bytes())?;
            continue;
        }
        let mut body = Vec::new();
        if answer.chunked {
            // Bounded documents only: they are read to the last chunk and sent on as they came.
            while !body.ends_with(b"0\r\n\r\n") {
                let mut byte = [0];
                from_server.read_exact(&mut byte)?;
                body.push(byte[0]);
            }
        } else {
            (&mut from_server)
                .take(answer.length)
                .read_to_end(&mut body)?;
        }
        match fault {
            Some(Fault::LoseAnswer) => return Ok(()),
            Some(Fault::CutAnswer) => {
                to_client.write_all(answer.bytes.as_bytes())?;
                return to_client.write_all(&body[..body.len() / 2]);
            }
            _ => {
                to_client.write_all(answer.bytes.as_bytes())?;
                to_client.write_all(&body)?;
            }
        }
    }
    Ok(())
}

fn strike(rules: &Mutex<Vec<Rule>>, method: &str, target: &str) -> Option<Fault> {
    let mut rules = rules.lock().unwrap();
    let at = rules
        .iter()
        .position(|rule| rule.times > 0 && rule.method == method && target.contains(rule.target))?;
    rules[at].times -= 1;
    Some(rules[at].fault)
}

/// The head of a request or an answer.
struct Head {
    lines: Vec<String>,
    bytes: String,
    length: u64,
    chunked: bool,
}

impl Head {
    fn read(from: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut bytes = String::new();
        while !bytes.ends_with("\r\n\r\n") {
            if from.read_line(&mut bytes)? == 0 {
                return Ok(None);
            }
        }
        let lines: Vec<_> = bytes.lines().map(str::to_owned).collect();
        let value = |name: &str| {
            lines.iter().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found
                    .eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            })
        };
        let length = value("content-length").and_then(|text| text.parse().ok());
        let chunked = value("transfer-encoding").is_some();
        Ok(Some(Self {
            length: length.unwrap_or(0),
            chunked,
            lines,
            bytes,
        }))
    }
}
