//! A service that lends credentials: a small HTTP server whose answers a test decides, and which
//! remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

type Answers = Box<dyn FnMut(&Asked) -> (u16, String) + Send>;

struct Shared {
    answers: Mutex<Answers>,
    seen: Mutex<Vec<Asked>>,
    down: AtomicBool,
}

/// The service, on a port of its own.
pub struct Agent {
    pub url: String,
    shared: Arc<Shared>,
}

impl Agent {
    pub fn start(answers: impl FnMut(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            answers: Mutex::new(Box::new(answers)),
            seen: Mutex::default(),
            down: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&serving);
                thread::spawn(move || drop(serve(&stream, &shared)));
            }
        });
        Self { url, shared }
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Asked> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// Closes every connection without a word from now on, or no more.
    pub fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }
}

/// One request on one connection.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    if shared.down.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut asked = Asked {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: Vec::new(),
        body: String::new(),
    };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let pair = (name.to_ascii_lowercase(), value.trim().to_owned());
        asked.headers.push(pair);
    }
    let length = asked.header("content-length").and_then(|v| v.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    asked.body = String::from_utf8(body).unwrap();
    shared.seen.lock().unwrap().push(asked.clone());
    let (status, body) = shared.answers.lock().unwrap()(&asked);
    let length = body.len();
    write!(
        &mut &*stream,
        "HTTP/1.1 {status} Lent\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Credentials as container agents and the metadata service write them.
pub fn lent(id: &str, secret: &str, token: &str, expires: Option<&str>) -> String {
    let mut document = serde_json::json!({
        "Code": "Success", "AccessKeyId": id, "SecretAccessKey": secret, "Token": token,
    });
    if let Some(expires) = expires {
        document["Expiration"] = expires.into();
    }
    document.to_string()
}

/// So many seconds from now, as AWS writes times.
pub fn in_seconds(seconds: i64) -> String {
    let end = chrono::Utc::now() + chrono::TimeDelta::seconds(seconds);
    end.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
