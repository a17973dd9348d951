//! One client connection from its first byte to its close: hyper's limits, drain and eviction.
//! What a request gets is `exchange` and below.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::exchange;
use super::io::ClientIo;
use super::slots::Slot;
use crate::app::App;
use crate::counters::Count;

/// Headers of a request in all. Beyond it: 431. Apache and nginx take 8 to 32 KiB.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// Header fields of a request: hyper's own default, said here because it is part of the contract.
const MAX_HEADERS: usize = 100;
/// What the read buffers of a worker's connections should come to, whatever their number. They
/// grow with what arrives, up to the connection's share.
const BUFFERS_BYTES: usize = 2 << 20;
/// The share of one among many: the largest header, and 4 KiB to read on.
const MIN_BUFFER_BYTES: usize = MAX_HEADER_BYTES + (4 << 10);
/// The share of one among few.
const MAX_BUFFER_BYTES: usize = 124 << 10;
/// From the end of draining until the process ends: time to abort what was cut.
pub(super) const CUT_GRACE: Duration = Duration::from_secs(3);

/// A share for a new connection, the `count`th of its worker. It keeps it: those that came when
/// there were few keep more, at most [`BUFFERS_BYTES`] times the logarithm of their number in all.
fn buffer_bytes(count: usize) -> usize {
    (BUFFERS_BYTES / count.max(1)).clamp(MIN_BUFFER_BYTES, MAX_BUFFER_BYTES)
}

/// Counts a connection while it is open.
struct Counted<'a>(&'a App);

impl<'a> Counted<'a> {
    fn new(app: &'a App) -> Self {
        app.http.connections.begin();
        Self(app)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.http.connections.end();
    }
}

/// What a connection is told from outside.
#[derive(Clone, Copy)]
enum Signal {
    /// Its turn to make room has come.
    Leave,
    Drain,
    Cut,
}

impl Signal {
    async fn when(self, token: CancellationToken) -> Self {
        token.cancelled_owned().await;
        self
    }
}

/// Serves the connection, the `count`th of its worker, until it ends, its turn to go comes, or the
/// process is drained.
pub(super) async fn serve(app: Arc<App>, stream: TcpStream, slot: Slot, count: usize) {
    // Answers are written whole: waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("a connection was gone before it was served: {error}");
        return;
    }
    let peer = match stream.peer_addr() {
        // An IPv4 client of an IPv6 socket is an IPv4 client.
        Ok(peer) => peer.ip().to_canonical(),
        Err(error) => {
            log::debug!("a connection was gone before it was served: {error}");
            return;
        }
    };
    let _open = Counted::new(&app);
    let timeout = app.process.config.timeout;
    let io = ClientIo::new(stream, timeout, Arc::clone(slot.in_service()));
    let in_service = Arc::clone(slot.in_service());
    let service = service_fn({
        let app = Arc::clone(&app);
        move |request| exchange::serve(Arc::clone(&app), Arc::clone(&in_service), peer, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Runs from the end of the request before: it bounds idle connections as well.
        .header_read_timeout(timeout)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(buffer_bytes(count))
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let phase = &app.process.phase;
    // Each is looked at only when it comes: to ask a token takes locks, two of them those of all connections.
    let mut signals: FuturesUnordered<_> = [
        (slot.evict(), Signal::Leave),
        (phase.draining(), Signal::Drain),
        (phase.cut(), Signal::Cut),
    ]
    .map(|(token, signal)| signal.when(token.clone()))
    .into_iter()
    .collect();
    loop {
        tokio::select! {
            biased;
            ended = &mut connection => {
                if let Err(error) = ended {
                    // Mostly answered with a 400, 414 or 431; there was no request to count.
                    if error.is_parse() {
                        app.process.counters.count(Count::HeadsRefused);
                    }
                    log::debug!("a connection broke: {error}");
                }
                return;
            }
            Some(signal) = signals.next() => match signal {
                Signal::Leave => {
                    if slot.in_service().is_idle() {
                        log::debug!("a connection without a request made room for another");
                        return;
                    }
                    // Its request became complete at that very moment: it is served, and the last.
                    slot.stay();
                    connection.as_mut().graceful_shutdown();
                }
                Signal::Drain => connection.as_mut().graceful_shutdown(),
                Signal::Cut => {
                    // Uploads answer 503 to their clients now; that answer gets a moment to go out,
                    // and one that is out already a client that still sends, or it would be lost.
                    let _ = tokio::time::timeout(CUT_GRACE, &mut connection).await;
                    return;
                }
            }
        }
    }
}
