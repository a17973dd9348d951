//! A store that does on the wire what it is told, fault by fault, and remembers what it was sent.
//! It signs and checks nothing.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What happens to one request.
pub enum Reply {
    /// The whole request is read, then this is sent; the connection stays.
    Answer(Vec<u8>),
    /// This is sent as soon as the request's head is there, before its body is read.
    Early(Vec<u8>),
    /// The whole request is read, this is sent, and the connection closed.
    Cut(Vec<u8>),
    /// The whole request is read, then the connection is reset.
    Reset,
    /// The connection is reset as soon as the request's head is there.
    ResetAtHead,
    /// The whole request is read, this is sent, then nothing more, the connection open.
    Stall(Vec<u8>),
    /// The request's head is read, and nothing more is taken or sent, the connection open.
    Deaf,
    /// The whole request is read, then these are sent, with a pause before each.
    Slowly(Vec<Vec<u8>>, Duration),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path and query, encoded as they were.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// What of the body was read, framing and all.
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body without the aws-chunked framing in which streams come.
    pub fn payload(&self) -> Vec<u8> {
        if self.header("x-amz-decoded-content-length").is_none() {
            return self.body.clone();
        }
        let mut payload = Vec::new();
        let mut rest = self.body.as_slice();
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                return payload;
            }
            payload.extend_from_slice(&rest[end + 2..end + 2 + size]);
            rest = &rest[end + 2 + size + 2..];
        }
    }
}

type Script = Box<dyn FnMut(&Seen) -> Option<Reply> + Send>;

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    accepts: AtomicUsize,
}

/// A scripted store on a port of its own, as long as it is kept.
pub struct FakeS3 {
    /// Scheme, host and port.
    pub endpoint: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl FakeS3 {
    /// Answers the first request, on whichever connection, with the first reply, and so on.
    /// Requests beyond the script are refused with 400.
    pub async fn start(script: Vec<Reply>) -> Self {
        Self::listen(in_order(script), None).await
    }

    /// Answers each request as this says.
    pub async fn deciding(mut reply: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        Self::listen(Box::new(move |seen| Some(reply(seen))), None).await
    }

    pub async fn start_tls(script: Vec<Reply>, acceptor: TlsAcceptor) -> Self {
        Self::listen(in_order(script), Some(acceptor)).await
    }

    async fn listen(script: Script, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            seen: Mutex::default(),
            accepts: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared), tls));
        Self {
            endpoint,
            shared,
            _tasks: tasks,
        }
    }

    /// The requests whose turn has come, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.shared.accepts.load(Ordering::SeqCst)
    }
}

fn in_order(script: Vec<Reply>) -> Script {
    let mut script = script.into_iter();
    Box::new(move |_| script.next())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, tls: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.accepts.fetch_add(1, Ordering::SeqCst);
        let (shared, tls) = (Arc::clone(&shared), tls.clone());
        connections.spawn(async move {
            // The peer may leave at any time: that is what the tests are about.
            let _ = match tls {
                None => serve(stream, &shared).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &shared).await,
                    Err(error) => Err(error),
                },
            };
        });
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn serve(mut wire: impl Wire, shared: &Shared) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(seen) = read_head(&mut wire, &mut buffer).await? {
        let index = {
            let mut all = shared.seen.lock().unwrap();
            all.push(seen.clone());
            all.len() - 1
        };
        let mut reply = shared.script.lock().unwrap()(&seen);
        if seen.method == "HEAD"
            && let Some(Reply::Answer(answer)) = &mut reply
            && let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            answer.truncate(end + 4);
        }
        match &reply {
            Some(Reply::Deaf) => std::future::pending::<()>().await,
            Some(Reply::ResetAtHead) => return wire.tcp().set_zero_linger(),
            Some(Reply::Early(answer)) => wire.write_all(answer).await?,
            _ => {}
        }
        let length = seen
            .header("content-length")
            .map_or(0, |v| v.parse().unwrap());
        while buffer.len() < length {
            if wire.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let rest = buffer.split_off(length);
        shared.seen.lock().unwrap()[index].body = std::mem::replace(&mut buffer, rest);
        match reply {
            Some(Reply::Answer(answer)) => wire.write_all(&answer).await?,
            Some(Reply::Cut(answer)) => {
                wire.write_all(&answer).await?;
                return wire.shutdown().await;
            }
            Some(Reply::Reset) => return wire.tcp().set_zero_linger(),
            Some(Reply::Stall(answer)) => {
                wire.write_all(&answer).await?;
                std::future::pending::<()>().await;
            }
            Some(Reply::Slowly(pieces, pause)) => {
                for piece in pieces {
                    tokio::time::sleep(pause).await;
                    wire.write_all(&piece).await?;
                }
            }
            None => wire.write_all(&error(400, "BeyondTheScript")).await?,
            Some(Reply::Early(_) | Reply::Deaf | Reply::ResetAtHead) => {}
        }
    }
    Ok(())
}

/// The next request's head; None when the peer has closed instead.
async fn read_head(wire: &mut impl Wire, buffer: &mut Vec<u8>) -> io::Result<Option<Seen>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if wire.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let rest = buffer.split_off(end);
    let head = String::from_utf8(std::mem::replace(buffer, rest)).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    Ok(Some(Seen {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers: lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect(),
        body: Vec::new(),
    }))
}

/// An answer; its Content-Length is that of the body where the headers say none.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Scripted\r\n");
    let length = body.len().to_string();
    let framed = headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    });
    let length = [("Content-Length", length.as_str())];
    for (name, value) in headers.iter().chain(if framed { &[][..] } else { &length }) {
        text.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// S3's error document.
pub fn error(status: u16, code: &str) -> Vec<u8> {
    let document = error_document(code);
    answer(
        status,
        &[("Content-Type", "application/xml")],
        document.as_bytes(),
    )
}

pub fn error_document(code: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>As the \
         script says</Message><RequestId>1</RequestId></Error>"
    )
}
