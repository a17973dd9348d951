//! One connection: sends a request, reads the whole answer, and says what it was. Bodies of answers
//! are counted and thrown away, unless they are asked for.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::message::{Message, noise};
use super::target::Target;

/// Room for a head, and for the body of most answers.
const BUFFER_BYTES: usize = 16 << 10;
/// Room to read a large body with.
const LARGE_BYTES: usize = 256 << 10;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// What was read and not yet taken: `buffer[taken..filled]`.
    taken: usize,
    filled: usize,
}

/// An answer that has come whole.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub body_bytes: u64,
    /// Whether the connection ends with it.
    pub closes: bool,
    pub location: Option<String>,
}

/// How long a body is.
enum Framing {
    Length(u64),
    Chunked,
    /// As long as there comes something.
    ToTheEnd,
}

impl Connection {
    pub async fn open(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &target.tls {
            None => Box::new(stream),
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                Box::new(connector.connect(name.clone(), stream).await?)
            }
        };
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER_BYTES],
            taken: 0,
            filled: 0,
        })
    }

    /// Sends `message` and reads its answer, whose body goes to `body` if that is given.
    pub async fn exchange(
        &mut self,
        message: &Message,
        body: Option<&mut Vec<u8>>,
    ) -> io::Result<Answer> {
        let sent = self.send(message).await;
        match (self.receive(body).await, sent) {
            // Refused before all was sent: the answer says why, and the connection is of no use.
            (Ok(answer), Err(_)) => Ok(Answer {
                closes: true,
                ..answer
            }),
            (Err(_), Err(error)) => Err(error),
            (received, Ok(())) => received,
        }
    }

    async fn send(&mut self, message: &Message) -> io::Result<()> {
        self.stream.write_all(&message.bytes).await?;
        let mut left = message.noise;
        while left > 0 {
            let piece = noise(left);
            self.stream.write_all(piece).await?;
            left -= piece.len() as u64;
        }
        if !message.tail.is_empty() {
            self.stream.write_all(&message.tail).await?;
        }
        self.stream.flush().await
    }

    async fn receive(&mut self, mut body: Option<&mut Vec<u8>>) -> io::Result<Answer> {
        let (mut answer, framing) = loop {
            if let Some(head) = self.head()? {
                // 100 Continue and its like come before the answer.
                if head.0.status >= 200 {
                    break head;
                }
            } else {
                self.fill().await?;
            }
        };
        match framing {
            Framing::Length(length) => {
                self.take(length, &mut body).await?;
                answer.body_bytes = length;
            }
            Framing::Chunked => loop {
                let line = self.line().await?;
                let digits = line.split(';').next().unwrap_or("").trim();
                let size = u64::from_str_radix(digits, 16).map_err(|_| odd("a chunk's size"))?;
                if size == 0 {
                    while !self.line().await?.is_empty() {}
                    break;
                }
                self.take(size, &mut body).await?;
                self.line().await?;
                answer.body_bytes += size;
            },
            Framing::ToTheEnd => {
                answer.closes = true;
                loop {
                    let there = (self.filled - self.taken) as u64;
                    self.take(there, &mut body).await?;
                    answer.body_bytes += there;
                    if !self.fill_or_end().await? {
                        break;
                    }
                }
            }
        }
        Ok(answer)
    }

    /// The next head, when it is all there.
    fn head(&mut self) -> io::Result<Option<(Answer, Framing)>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(&self.buffer[self.taken..self.filled]);
        let httparse::Status::Complete(length) = parsed.map_err(|_| odd("a head"))? else {
            return Ok(None);
        };
        let mut answer = Answer {
            status: head.code.unwrap_or(0),
            closes: head.version == Some(0),
            ..Answer::default()
        };
        let without_body = answer.status < 200 || matches!(answer.status, 204 | 304);
        let mut framing = if without_body {
            Framing::Length(0)
        } else {
            Framing::ToTheEnd
        };
        for header in head.headers {
            let value = || String::from_utf8_lossy(header.value);
            if header.name.eq_ignore_ascii_case("content-length") && !without_body {
                let length = value().parse().map_err(|_| odd("a length"))?;
                framing = Framing::Length(length);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") && !without_body {
                framing = Framing::Chunked;
            } else if header.name.eq_ignore_ascii_case("connection") {
                if header.value.eq_ignore_ascii_case(b"close") {
                    answer.closes = true;
                } else if header.value.eq_ignore_ascii_case(b"keep-alive") {
                    answer.closes = false;
                }
            } else if header.name.eq_ignore_ascii_case("location") {
                answer.location = Some(value().into_owned());
            }
        }
        self.taken += length;
        Ok(Some((answer, framing)))
    }

    /// Passes `length` bytes over.
    async fn take(&mut self, length: u64, body: &mut Option<&mut Vec<u8>>) -> io::Result<()> {
        if length > LARGE_BYTES as u64 && self.buffer.len() < LARGE_BYTES {
            self.buffer.resize(LARGE_BYTES, 0);
        }
        let mut left = length;
        while left > 0 {
            if self.taken == self.filled {
                self.fill().await?;
            }
            let count = left.min((self.filled - self.taken) as u64) as usize;
            if let Some(body) = body {
                body.extend_from_slice(&self.buffer[self.taken..self.taken + count]);
            }
            self.taken += count;
            left -= count as u64;
        }
        Ok(())
    }

    /// The next line without its end.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            let there = &self.buffer[self.taken..self.filled];
            if let Some(end) = there.iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&there[..end]).trim_end().to_owned();
                self.taken += end + 1;
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.fill_or_end().await? {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// Reads what there is; false at the end.
    async fn fill_or_end(&mut self) -> io::Result<bool> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        } else if self.filled == self.buffer.len() {
            if self.taken == 0 {
                return Err(odd("a head as long as its buffer"));
            }
            self.buffer.copy_within(self.taken..self.filled, 0);
            (self.taken, self.filled) = (0, self.filled - self.taken);
        }
        let count = self.stream.read(&mut self.buffer[self.filled..]).await?;
        self.filled += count;
        Ok(count > 0)
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is not HTTP"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// What one GET makes of an answer that is written as it stands, and of its end.
    fn received(answer: &'static [u8]) -> io::Result<(Answer, Vec<u8>)> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer).unwrap();
        });
        let received = super::super::runtime().block_on(async {
            let mut connection = Connection::open(&Target::loopback(port)).await?;
            let mut message = Message::default();
            message.get("test", "/", "");
            let mut body = Vec::new();
            let answer = connection.exchange(&message, Some(&mut body)).await?;
            Ok((answer, body))
        });
        server.join().unwrap();
        received
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let of = |answer| {
            let (answer, body) = received(answer).unwrap();
            assert_eq!(answer.body_bytes, body.len() as u64);
            (
                answer.status,
                answer.closes,
                String::from_utf8(body).unwrap(),
            )
        };
        assert_eq!(
            of(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd"),
            (200, false, "abc".into())
        );
        assert_eq!(
            of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\nT: v\r\n\r\n"),
            (200, false, "abc".into())
        );
        assert_eq!(of(b"HTTP/1.1 404 No\r\n\r\nabc"), (404, true, "abc".into()));
        assert_eq!(
            of(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
            (204, true, String::new())
        );
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            b"HTTP/1.1 200",
            b"what\r\n\r\n",
        ] {
            assert!(received(answer).is_err());
        }
    }
}
