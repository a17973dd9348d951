//! A client's socket as hyper sees it. Adds what hyper leaves out: a close that lets the client
//! read an early answer, a limit on a client that does not read, a body for hyper's own refusals,
//! and the refusal of a target with a fragment.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::fragment::Seen;
use super::in_service::InService;
use super::refusals;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// After our last byte the client's are read and thrown away, so that the reset that closing
/// with unread bytes causes does not eat our answer (RFC 9112 section 9.6): at most this many
/// bytes, or this long.
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A client that takes less than 1 KiB/s over a minute of our waiting is given up, as one that
/// sends so little is.
const SLOW_BYTES: usize = 60 << 10;
const SLOW_WINDOW: Duration = Duration::from_mins(1);

/// Read at once while a request line is awaited: what hyper's buffer has room for at first.
const LINE_BYTES: usize = 8 << 10;

/// The socket.
pub(super) struct ClientIo {
    stream: TokioIo<TcpStream>,
    timeout: Duration,
    in_service: Arc<InService>,
    /// Of the next request's head; None where that may have been read with what was before it.
    seen: Option<Seen>,
    /// The rest of a refusal of ours that stands in for hyper's.
    refusal: Option<&'static [u8]>,
    write_stall: Option<Pin<Box<Sleep>>>,
    stalled_since: Option<Instant>,
    /// Of the window in which the client's rate is judged.
    stalled: Duration,
    written: usize,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

impl ClientIo {
    pub(super) fn new(stream: TcpStream, timeout: Duration, in_service: Arc<InService>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            timeout,
            in_service,
            seen: Some(Seen::default()),
            refusal: None,
            write_stall: None,
            stalled_since: None,
            stalled: Duration::ZERO,
            written: 0,
            linger: None,
        }
    }

    /// Fails a write that has made no progress for `timeout`.
    fn stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let timeout = self.timeout;
        self.stalled_since.get_or_insert_with(Instant::now);
        let timer = self
            .write_stall
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Notes that bytes went out; fails when next to none did over a whole window of waiting.
    fn progress(&mut self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        self.write_stall = None;
        self.written += result.as_ref().map_or(0, |count| *count);
        if let Some(since) = self.stalled_since.take() {
            self.stalled += since.elapsed();
        }
        if self.stalled >= SLOW_WINDOW {
            if self.written < SLOW_BYTES {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.stalled = Duration::ZERO;
            self.written = 0;
        }
        Poll::Ready(result)
    }

    /// Our refusal in the place of hyper's, which has no body; None when this is not one.
    fn refusal(&self, bytes: &[u8]) -> Option<&'static [u8]> {
        if !self.in_service.is_idle() {
            return None;
        }
        if bytes.starts_with(b"HTTP/1.1 431") {
            Some(refusals::HEADERS_TOO_LARGE)
        } else if bytes.starts_with(b"HTTP/1.1 414") {
            Some(refusals::URI_TOO_LONG)
        } else if bytes.starts_with(b"HTTP/1.1 400") {
            Some(refusals::INVALID_REQUEST)
        } else {
            None
        }
    }

    /// Writes what is left of the refusal, then says that hyper's `len` bytes went out.
    fn poll_refusal(&mut self, cx: &mut Context<'_>, len: usize) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.refusal.filter(|rest| !rest.is_empty()) {
            match Write::poll_write(Pin::new(&mut self.stream), cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => self.refusal = rest.get(count..),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.stalled(cx),
            }
        }
        self.progress(Ok(len))
    }
}

impl Read for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.in_service.is_idle() {
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            // A body, perhaps with what comes after it.
            self.in_service.has_begun();
            self.seen = None;
            return Poll::Ready(Ok(()));
        }
        if self.in_service.has_begun() {
            self.seen = Some(Seen::default());
        }
        let mut seen = match self.seen {
            Some(seen) if seen != Seen::Line => seen,
            _ => return Pin::new(&mut self.stream).poll_read(cx, buf),
        };
        let mut scratch = [const { MaybeUninit::uninit() }; LINE_BYTES];
        let room = scratch.get_mut(..buf.remaining().min(LINE_BYTES));
        let mut read = ReadBuf::uninit(room.unwrap_or_default());
        ready!(Pin::new(self.stream.inner_mut()).poll_read(cx, &mut read))?;
        seen.spoil(read.filled_mut());
        self.seen = Some(seen);
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refusal.is_none() {
            self.refusal = self.refusal(buf);
        }
        if self.refusal.is_some() {
            return self.poll_refusal(cx, buf.len());
        }
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(result) => self.progress(result),
            Poll::Pending => self.stalled(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let head = bufs.first().map_or(&[][..], |first| first);
        if self.refusal.is_none() {
            self.refusal = self.refusal(head);
        }
        if self.refusal.is_some() {
            let len = bufs.iter().map(|buf| buf.len()).sum();
            return self.poll_refusal(cx, len);
        }
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Ready(result) => self.progress(result),
            Poll::Pending => self.stalled(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper comes here only with an empty write buffer.
        self.in_service.flushed();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(self.stream.inner_mut()).poll_shutdown(cx))?;
            self.linger = Some((Box::pin(sleep(LINGER)), LINGER_BYTES));
        }
        let Self { stream, linger, .. } = &mut *self;
        let Some((timer, left)) = linger else {
            return Poll::Ready(Ok(()));
        };
        let mut scratch = [0_u8; 16 << 10];
        while *left > 0 {
            let mut read = ReadBuf::new(&mut scratch);
            match Pin::new(stream.inner_mut()).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    *left = left.saturating_sub(read.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(timer.as_mut().poll(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// How writing for ever ends for a client that takes `bytes` every ten seconds, and after how
    /// long; gives up after half an hour.
    async fn write_to_who_takes(bytes: usize) -> (Option<io::ErrorKind>, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        // Small, so that what is not read is felt at once.
        socket.set_recv_buffer_size(4096).unwrap();
        let (reader, accepted) = tokio::join!(socket.connect(address), listener.accept());
        let (mut reader, (stream, _)) = (reader.unwrap(), accepted.unwrap());
        rustix::net::sockopt::set_socket_send_buffer_size(&stream, 4096).unwrap();
        let in_service = Arc::new(InService::new(Arc::default()));
        in_service.begin();
        // Silence is another's test: here something always moves.
        let mut io = ClientIo::new(stream, Duration::from_hours(2), in_service);
        let reading = tokio::spawn(async move {
            let mut taken = vec![0; bytes];
            loop {
                sleep(Duration::from_secs(10)).await;
                if reader.read_exact(&mut taken).await.is_err() {
                    return;
                }
            }
        });
        let began = Instant::now();
        let chunk = [7; 1024];
        let mut end = None;
        while end.is_none() && began.elapsed() < Duration::from_mins(30) {
            let wrote = poll_fn(|cx| Pin::new(&mut io).poll_write(cx, &chunk)).await;
            end = wrote.err().map(|error| error.kind());
        }
        reading.abort();
        (end, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_less_than_a_kibibyte_a_second_is_given_up_and_who_takes_more_is_not() {
        let (end, after) = write_to_who_takes(2 << 10).await;
        assert_eq!(end, Some(io::ErrorKind::TimedOut));
        assert!(after < Duration::from_mins(5), "{after:?}");
        let (end, _) = write_to_who_takes(40 << 10).await;
        assert_eq!(end, None);
    }
}
