//! How signed requests reach S3: hyper's pooled client under rusoto's `DispatchSignedRequest`,
//! with the timeouts that rusoto never asks for. What is sent, and sent again, is others' choice.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, Stream, TryStreamExt};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rusoto_core::request::{DispatchSignedRequestFuture, HttpResponse};
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};
use rusoto_core::{ByteStream, DispatchSignedRequest, HttpDispatchError};
use tokio::time::{Instant, sleep};

use super::connect::Connector;
use super::outage::Outage;
use super::silence::Silence;
use super::{document, operation};
use crate::context;
use crate::metrics::calls::Outcome;
use crate::store::VersionId;
use crate::trace::TRACEPARENT;

/// S3 closes idle connections after about 20 s; one that is closed while we send costs a retry.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Idle connections kept by each worker.
const POOL_SIZE: usize = 32;
/// hyper's buffers for each connection, as for clients' connections.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// Longest answer that is read as a whole: a listing of 1,000 keys of 1,024 encoded bytes is
/// about 4 MiB.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// S3 gives a request up after about 20 s without a byte of its body, with no word: before that we
/// do, and say so.
const SOURCE_SILENCE: Duration = Duration::from_secs(15);

/// While Amazon's S3 copies, it sends white space. MinIO and others say nothing until they are
/// done: 5 GiB at 18 MB/s, a slow disk.
const COPY_SILENCE: Duration = Duration::from_mins(5);

/// Prefixes of the texts of `HttpDispatchError`, which carries nothing else: see `meaning`.
pub(super) const TIMEOUT: &str = "timeout: ";
pub(super) const CONNECT: &str = "connect: ";
pub(super) const SOURCE: &str = "source: ";
pub(super) const CORRUPT: &str = "corrupt: ";
/// Sooner than at its timeout.
const GIVEN_UP: &str = "given up: ";
/// After [`CONNECT`]: it was not even tried.
pub(super) const GONE: &str = "S3 has not answered lately";

/// One worker's connections to S3.
#[derive(Clone)]
pub(super) struct Transport {
    connector: Connector,
    pool: Arc<Mutex<Pool>>,
    timeout: Duration,
    outage: Arc<Outage>,
    /// Whether it also calls while S3 is gone.
    probes: bool,
}

struct Pool {
    client: Client<Connector, OutBody>,
    /// Outages before its first connection.
    outages: u32,
}

impl Pool {
    fn new(connector: Connector, outages: u32) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_max_buf_size(MAX_BUFFER_BYTES)
            .build(connector);
        Self { client, outages }
    }
}

impl Transport {
    pub(super) fn new(connector: Connector, timeout: Duration, outage: Arc<Outage>) -> Self {
        let pool = Pool::new(connector.clone(), outage.times());
        Self {
            connector,
            pool: Arc::new(Mutex::new(pool)),
            timeout,
            outage,
            probes: false,
        }
    }

    /// The same, to find out whether S3 is there: with connections of its own, as those of a pool
    /// may be dead without a word.
    pub(super) fn probe(connector: Connector, timeout: Duration, outage: Arc<Outage>) -> Self {
        Self {
            probes: true,
            ..Self::new(connector, timeout, outage)
        }
    }

    /// Never one with connections of before an outage.
    fn client(&self) -> Client<Connector, OutBody> {
        let outages = self.outage.times();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.outages != outages {
            *pool = Pool::new(self.connector.clone(), outages);
        }
        pool.client.clone()
    }

    /// Sends a signed request whose answer is a document. Whether that can be read is for whoever
    /// reads it to say.
    pub(super) async fn ask(&self, signed: SignedRequest) -> Result<Document, HttpDispatchError> {
        self.admit(&signed)?;
        let call = self.connector.calls().begin(operation::of(&signed));
        let asked = async { read(self.send(signed, false).await?).await };
        let asked = asked.await;
        call.end(outcome(asked.as_ref().map(|document| document.status)));
        asked
    }

    /// Sends a request to another service than S3, which needs no signature; reads at most so many
    /// bytes of its answer.
    pub(super) async fn fetch(
        &self,
        request: Request<Bytes>,
        most: u64,
    ) -> Result<Document, HttpDispatchError> {
        let progress = Arc::new(Progress::new());
        let request = request.map(|bytes| {
            let payload = (!bytes.is_empty()).then_some(SignedRequestPayload::Buffer(bytes));
            OutBody::new(payload, None, Arc::clone(&progress))
        });
        let sent = tokio::select! {
            sent = self.client().request(request) => sent,
            () = progress.silence(self.timeout) => {
                let text = format!("{TIMEOUT}no answer for {:?}", self.timeout);
                return Err(HttpDispatchError::new(text));
            }
        };
        let response = sent.map_err(|error| HttpDispatchError::new(chain(&error)))?;
        read(response.map(|body| self.body(body, self.timeout, most))).await
    }
}

/// An answer and all of its body.
pub(super) struct Document {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Document {
    /// A header's value, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The version that a write made, where the bucket keeps versions.
    pub(super) fn version(&self) -> Option<VersionId> {
        let version = self.header("x-amz-version-id")?;
        Some(VersionId(version.to_owned()))
    }
}

impl DispatchSignedRequest for Transport {
    fn dispatch(
        &self,
        request: SignedRequest,
        _never_given: Option<Duration>,
    ) -> DispatchSignedRequestFuture {
        let transport = self.clone();
        let answered = async move {
            transport.admit(&request)?;
            let connector = transport.connector.clone();
            let call = connector.calls().begin(operation::of(&request));
            let answered = answer(transport, request).await;
            let status = answered.as_ref().map(|response| response.status.as_u16());
            let status = status.map(|code| StatusCode::from_u16(code).unwrap_or_default());
            call.end(outcome(status));
            answered
        };
        answered.boxed()
    }
}

/// What a call is counted as.
fn outcome(status: Result<StatusCode, &HttpDispatchError>) -> Outcome {
    match status {
        Ok(status) if status.is_client_error() => Outcome::ClientError,
        Ok(status) if status.is_server_error() => Outcome::ServerError,
        Ok(_) => Outcome::Success,
        Err(error) => {
            let text = error.to_string();
            [
                (TIMEOUT, Outcome::Timeout),
                (GIVEN_UP, Outcome::Timeout),
                (CONNECT, Outcome::Unreachable),
                (SOURCE, Outcome::Source),
            ]
            .into_iter()
            .find(|(prefix, _)| text.starts_with(prefix))
            .map_or(Outcome::Broken, |(_, outcome)| outcome)
        }
    }
}

/// An answer as rusoto's operations want it.
async fn answer(
    transport: Transport,
    signed: SignedRequest,
) -> Result<HttpResponse, HttpDispatchError> {
    // Only an object is read piece by piece; everything else is a document.
    let object = signed.method == "GET" && signed.params.keys().all(|name| name == "versionId");
    let response = transport.send(signed, object).await?;
    let (status, headers, body) = if object && response.status().is_success() {
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, ByteStream::new(body))
    } else {
        let document = well_formed(read(response).await?)?;
        let body = ByteStream::from(document.body.to_vec());
        (document.status, document.headers, body)
    };
    Ok(HttpResponse {
        status: http02::StatusCode::from_u16(status.as_u16())
            .map_err(|error| HttpDispatchError::new(error.to_string()))?,
        headers: texts(&headers),
        body,
    })
}

/// A document that is known to be well-formed: rusoto's parser never comes back from an error or an
/// end inside an element, and takes the worker's thread along. What explains a failure and cannot
/// be read is left out; the status says enough.
fn well_formed(mut document: Document) -> Result<Document, HttpDispatchError> {
    let body = document.body.trim_ascii_start();
    if !body.is_empty() && !document::is_well_formed(body) {
        if document.status.is_success() {
            let text = format!("{CORRUPT}the answer is no XML document");
            return Err(HttpDispatchError::new(text));
        }
        document.body = Bytes::new();
    }
    Ok(document)
}

/// The headers whose values are text: others are of no use to rusoto, which would panic on them.
fn texts(headers: &HeaderMap) -> http02::HeaderMap<String> {
    let mut texts = http02::HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let name = http02::header::HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, value.to_str()) {
            texts.insert(name, value.to_owned());
        }
    }
    texts
}

impl Transport {
    fn body(&self, body: Incoming, timeout: Duration, left: u64) -> InBody {
        InBody {
            body,
            timeout,
            left,
            silence: Silence::new(timeout),
            outage: Arc::clone(&self.outage),
        }
    }

    /// Fails while S3 is gone: what is not sent is no call.
    fn admit(&self, signed: &SignedRequest) -> Result<(), HttpDispatchError> {
        if self.outage.is_gone() && !self.probes && !goes_on(signed) {
            return Err(HttpDispatchError::new(format!("{CONNECT}{GONE}")));
        }
        Ok(())
    }

    /// Sends a request. Its answer is as long as it likes where it is an `object`, and not over
    /// [`MAX_DOCUMENT_BYTES`] else.
    async fn send(
        &self,
        mut signed: SignedRequest,
        object: bool,
    ) -> Result<Response<InBody>, HttpDispatchError> {
        let outage = &self.outage;
        let copies = signed.headers().contains_key("x-amz-copy-source");
        let goes_on = goes_on(&signed);
        let progress = Arc::new(Progress::new());
        let timeout = if copies {
            self.timeout.max(COPY_SILENCE)
        } else {
            self.timeout
        };
        let payload = signed.payload.take();
        // rusoto keeps a stream's length to itself and to this header.
        let length = signed.headers().get("content-length").and_then(|values| {
            let value = std::str::from_utf8(values.first()?).ok()?;
            value.parse().ok()
        });
        let body = OutBody::new(payload, length, Arc::clone(&progress));
        let request = build(&signed, body)
            .map_err(|error| HttpDispatchError::new(format!("no valid request: {error}")))?;
        let sent = tokio::select! {
            sent = self.client().request(request) => sent,
            () = progress.silence(timeout) => {
                let text = format!("{TIMEOUT}no answer for {timeout:?}");
                return Err(HttpDispatchError::new(text));
            }
            // While it copies, S3 may well be silent.
            () = outage.over(|| progress.quiet(), goes_on), if !copies && !self.probes => {
                let text = format!("{GIVEN_UP}no answer, and S3 is or was gone");
                return Err(HttpDispatchError::new(text));
            }
        };
        match sent {
            Ok(response) => {
                outage.answered();
                let left = if object && response.status().is_success() {
                    u64::MAX
                } else {
                    MAX_DOCUMENT_BYTES
                };
                Ok(response.map(|body| self.body(body, timeout, left)))
            }
            Err(_) if progress.source_failed() => Err(HttpDispatchError::new(format!(
                "{SOURCE}the bytes to be sent did not come"
            ))),
            Err(error) => {
                outage.doubt(progress.origin);
                let kind = if error.is_connect() { CONNECT } else { "" };
                Err(HttpDispatchError::new(format!("{kind}{}", chain(&error))))
            }
        }
    }
}

/// Whether it is a part, or the end of an upload in parts: what was sent before is worth some
/// patience.
fn goes_on(signed: &SignedRequest) -> bool {
    signed.params.contains_key("uploadId") && matches!(signed.method.as_str(), "PUT" | "POST")
}

/// Reads an answer to its end.
async fn read(response: Response<InBody>) -> Result<Document, HttpDispatchError> {
    let (parts, mut body) = response.into_parts();
    // Most come in one piece, or are empty. Others are copied, as a piece of one byte may keep a
    // whole read buffer.
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(piece) = body.try_next().await? {
        if first.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
    }
    let body = if whole.is_empty() {
        first
    } else {
        whole.into()
    };
    Ok(Document {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

/// An error with its causes: hyper's own text says only which step failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn build(signed: &SignedRequest, body: OutBody) -> Result<Request<OutBody>, hyper::http::Error> {
    let query = signed.canonical_query_string();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut request = Request::builder()
        .method(Method::from_bytes(signed.method().as_bytes())?)
        .uri(format!(
            "{}://{}{}{mark}{query}",
            signed.scheme(),
            signed.hostname(),
            signed.canonical_uri(),
        ));
    for (name, values) in signed.headers() {
        for value in values {
            request = request.header(name.as_str(), value.as_slice());
        }
    }
    // Not signed, as what is between us and S3 may change it.
    if let Some(trace) = context::trace() {
        request = request.header(TRACEPARENT, trace.as_str());
    }
    request.body(body)
}

/// When a request's bytes last moved, and whether it is us they wait for.
struct Progress {
    origin: Instant,
    moved_ms: AtomicU64,
    starved: AtomicBool,
    failed: AtomicBool,
}

impl Progress {
    fn new() -> Self {
        Self {
            origin: Instant::now(),
            moved_ms: AtomicU64::new(0),
            starved: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    fn moved(&self) {
        let ms = self.origin.elapsed().as_millis() as u64;
        self.moved_ms.store(ms, Ordering::Relaxed);
    }

    fn source_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// For how long S3 neither took a byte nor answered. While the bytes to be sent are still on
    /// their way to us, the silence is not S3's.
    fn quiet(&self) -> Duration {
        if self.starved.load(Ordering::Relaxed) {
            self.moved();
        }
        let moved = Duration::from_millis(self.moved_ms.load(Ordering::Relaxed));
        self.origin.elapsed().saturating_sub(moved)
    }

    /// Ends when that has been so for `timeout`.
    async fn silence(&self, timeout: Duration) {
        loop {
            let left = timeout.saturating_sub(self.quiet());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

/// A request's body.
pub(super) struct OutBody {
    payload: Option<SignedRequestPayload>,
    left: u64,
    progress: Arc<Progress>,
    /// Of the bytes to be sent.
    silence: Silence,
}

impl OutBody {
    fn new(
        payload: Option<SignedRequestPayload>,
        length: Option<u64>,
        progress: Arc<Progress>,
    ) -> Self {
        let left = match &payload {
            None => 0,
            Some(SignedRequestPayload::Buffer(bytes)) => bytes.len() as u64,
            Some(SignedRequestPayload::Stream(_)) => length.unwrap_or(u64::MAX),
        };
        Self {
            payload,
            left,
            progress,
            silence: Silence::new(SOURCE_SILENCE),
        }
    }
}

impl HttpBody for OutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        let polled = match &mut this.payload {
            None => Poll::Ready(None),
            Some(SignedRequestPayload::Buffer(bytes)) => {
                let bytes = std::mem::take(bytes);
                this.payload = None;
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            Some(SignedRequestPayload::Stream(stream)) => Pin::new(stream).poll_next(cx),
        };
        this.progress.moved();
        this.progress
            .starved
            .store(polled.is_pending(), Ordering::Relaxed);
        if polled.is_pending() {
            ready!(this.silence.poll_over(cx));
            this.progress.failed.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        this.silence.broken();
        match ready!(polled) {
            Some(Ok(chunk)) => {
                this.left = this.left.saturating_sub(chunk.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => {
                this.progress.failed.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(error)))
            }
            None if this.left > 0 && this.left != u64::MAX => {
                this.progress.failed.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        if self.left == u64::MAX {
            SizeHint::new()
        } else {
            SizeHint::with_exact(self.left)
        }
    }
}

/// An answer's body: fails after `timeout` of silence, and when a document is too long.
struct InBody {
    body: Incoming,
    timeout: Duration,
    left: u64,
    silence: Silence,
    outage: Arc<Outage>,
}

impl Stream for InBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match Pin::new(&mut this.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.silence.broken();
                    this.outage.heard();
                    let Ok(chunk) = frame.into_data() else {
                        continue;
                    };
                    let Some(left) = this.left.checked_sub(chunk.len() as u64) else {
                        let error = io::Error::other("the answer is too long");
                        return Poll::Ready(Some(Err(error)));
                    };
                    this.left = left;
                    return Poll::Ready(Some(Ok(chunk)));
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(io::Error::other(chain(&error)))));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        ready!(this.silence.poll_over(cx));
        let text = format!("{TIMEOUT}no byte of the answer for {:?}", this.timeout);
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, text))))
    }
}
