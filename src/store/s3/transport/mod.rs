//! How signed requests reach S3: hyper's pooled client under rusoto's `DispatchSignedRequest`,
//! with the timeouts that rusoto never asks for. What is sent, and sent again, is others' choice;
//! what goes and what comes are in `outgoing` and `incoming`, rusoto's own calls in `dispatch`.

mod dispatch;
mod failure;
mod incoming;
mod outgoing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rusoto_core::HttpDispatchError;
use rusoto_core::signature::{SignedRequest, SignedRequestPayload};

use super::connect::Connector;
use super::operation;
use super::outage::Outage;
pub(super) use failure::{CONNECT, CORRUPT, GONE, SOURCE, TIMEOUT};
use failure::{GIVEN_UP, chain, outcome};
pub(super) use incoming::Document;
use incoming::{ENDLESS, InBody, read};
use outgoing::{OutBody, Progress, build};

/// S3 closes idle connections after about 20 s; one that is closed while we send costs a retry.
const POOL_IDLE: Duration = Duration::from_secs(15);
/// Idle connections kept by each worker.
const POOL_SIZE: usize = 32;
/// hyper's buffers for each connection, as for clients' connections.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// Longest answer that is read as a whole: a listing of 1,000 keys of 1,024 encoded bytes is
/// about 4 MiB.
const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// While Amazon's S3 copies, it sends white space. MinIO and others say nothing until they are
/// done: 5 GiB at 18 MB/s, a slow disk.
const COPY_SILENCE: Duration = Duration::from_mins(5);

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
        let outage = Arc::clone(&self.outage);
        read(response.map(|body| InBody::new(body, self.timeout, most, outage))).await
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
                    ENDLESS
                } else {
                    MAX_DOCUMENT_BYTES
                };
                let outage = Arc::clone(outage);
                Ok(response.map(|body| InBody::new(body, timeout, left, outage)))
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
