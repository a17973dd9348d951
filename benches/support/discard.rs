//! An S3 that throws bodies away and keeps their sizes and checksums, on threads of its own: what
//! is measured before it is the program's cost and not a disk's. It refuses a body whose CRC-64
//! is not the one that came with it.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc64fast_nvme::Digest;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Name of the threads that it runs on, by which their CPU time can be told from others'.
pub const THREADS: &str = "discard";
const CHECKSUM: &str = "x-amz-checksum-crc64nvme";
/// Objects up to this size are kept: state objects are read again.
const KEPT_BYTES: usize = 64 << 10;

/// What is known of an object.
#[derive(Clone, Default)]
pub struct Object {
    pub size: u64,
    /// CRC-64/NVME of the whole: computed here, or that of CompleteMultipartUpload.
    pub crc64: u64,
    metadata: Vec<(String, String)>,
    bytes: Bytes,
}

struct Upload {
    key: String,
    metadata: Vec<(String, String)>,
    parts: BTreeMap<u32, (u64, u64)>,
}

#[derive(Default)]
struct State {
    objects: HashMap<String, Object>,
    uploads: HashMap<String, Upload>,
    uploads_begun: u64,
}

/// A running one; ends when it is dropped.
pub struct Discard {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
    /// Of the certificate that signs for itself.
    ca: Option<TempDir>,
    _runtime: Runtime,
}

impl Discard {
    pub fn start(tls: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .expect("a runtime");
        let state = Arc::new(Mutex::new(State::default()));
        let (acceptor, ca) = tls.then(certificate).unzip();
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        runtime.spawn(accept(listener, Arc::clone(&state), acceptor));
        let scheme = if tls { "https" } else { "http" };
        Self {
            endpoint: format!("{scheme}://localhost:{port}"),
            state,
            ca,
            _runtime: runtime,
        }
    }

    /// The settings with which the program uses it.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![
            ("BUCKET_NAME".into(), "bench".into()),
            ("AWS_REGION".into(), "us-east-1".into()),
            ("AWS_ENDPOINT_URL_S3".into(), self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID".into(), "bench".into()),
            ("AWS_SECRET_ACCESS_KEY".into(), "bench".into()),
        ];
        if let Some(ca) = &self.ca {
            let path: PathBuf = ca.path().join("ca.pem");
            settings.push(("AWS_CA_BUNDLE".into(), path.display().to_string()));
        }
        settings
    }

    pub fn object(&self, key: &str) -> Option<Object> {
        self.state
            .lock()
            .expect("the state")
            .objects
            .get(key)
            .cloned()
    }

    /// Multipart uploads that were neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.state.lock().expect("the state").uploads.len()
    }
}

fn certificate() -> (TlsAcceptor, TempDir) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("ca.pem"), certificate.pem()).expect("a file");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("a certificate with its key");
    (TlsAcceptor::from(Arc::new(config)), dir)
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => serve(stream, state).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin, state: Arc<Mutex<State>>) {
    let service = service_fn(|request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(handle(&state, request).await) }
    });
    // A client that leaves ends its connection, and that is all.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(io), service)
        .await;
}

type Answer = Response<Full<Bytes>>;

async fn handle(state: &Mutex<State>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let path = head
        .uri
        .path()
        .trim_start_matches("/bench")
        .trim_start_matches('/');
    let key = percent_encoding::percent_decode_str(path)
        .decode_utf8_lossy()
        .into_owned();
    let query: HashMap<&str, &str> = head
        .uri
        .query()
        .unwrap_or("")
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .collect();
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
    let received = match receive(body, header("x-amz-decoded-content-length").is_some()).await {
        Ok(received) => received,
        Err(text) => return error(400, &text),
    };
    let declared = header(CHECKSUM).map(str::to_owned).or(received.trailer);
    let metadata: Vec<(String, String)> = head
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-amz-meta-"))
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    let completes = head.method == Method::POST && query.contains_key("uploadId");
    let crc = decode(declared.as_deref());
    if !completes && declared.is_some() && crc != Some(received.crc64) {
        return error(400, "BadDigest");
    }
    let mut state = state.lock().expect("the state");
    match head.method {
        Method::PUT if query.contains_key("partNumber") => {
            let Some(upload) = state.uploads.get_mut(query["uploadId"]) else {
                return error(404, "NoSuchUpload");
            };
            let number: u32 = query["partNumber"].parse().unwrap_or(0);
            upload.parts.insert(number, (received.size, received.crc64));
            stored(received.crc64)
        }
        Method::PUT => {
            if header("if-none-match").is_some() && state.objects.contains_key(&key) {
                return error(412, "PreconditionFailed");
            }
            let object = Object {
                size: received.size,
                crc64: received.crc64,
                metadata,
                bytes: received.kept.into(),
            };
            state.objects.insert(key, object);
            stored(received.crc64)
        }
        Method::POST if query.contains_key("uploads") => {
            state.uploads_begun += 1;
            let id = format!("upload-{}", state.uploads_begun);
            let upload = Upload {
                key,
                metadata,
                parts: BTreeMap::new(),
            };
            state.uploads.insert(id.clone(), upload);
            let text = format!(
                "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
            );
            Response::builder()
                .header("x-amz-checksum-algorithm", "CRC64NVME")
                .header("x-amz-checksum-type", "FULL_OBJECT")
                .body(Full::new(Bytes::from(text)))
                .expect("a response")
        }
        Method::POST if completes => {
            let Some(upload) = state.uploads.remove(query["uploadId"]) else {
                return error(404, "NoSuchUpload");
            };
            let object = Object {
                size: upload.parts.values().map(|(size, _)| size).sum(),
                crc64: crc.unwrap_or(0),
                metadata: upload.metadata,
                bytes: Bytes::new(),
            };
            state.objects.insert(upload.key, object);
            document(
                "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>",
            )
        }
        Method::DELETE => {
            match query.get("uploadId") {
                Some(id) => drop(state.uploads.remove(*id)),
                None => drop(state.objects.remove(&key)),
            }
            answer(204, "")
        }
        Method::GET if query.contains_key("list-type") => document(
            "<ListBucketResult><Name>bench</Name><EncodingType>url</EncodingType><KeyCount>0</KeyCount><MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>",
        ),
        Method::GET | Method::HEAD => match state.objects.get(&key) {
            Some(object) => {
                let mut response = Response::builder()
                    .header("etag", "\"whole\"")
                    .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
                    .header("content-length", object.size);
                for (name, value) in &object.metadata {
                    response = response.header(name, value);
                }
                response
                    .body(Full::new(object.bytes.clone()))
                    .expect("a response")
            }
            None => error(404, "NoSuchKey"),
        },
        _ => error(405, "MethodNotAllowed"),
    }
}

/// A body that was read.
struct Received {
    size: u64,
    crc64: u64,
    trailer: Option<String>,
    kept: Vec<u8>,
}

/// Where in the aws-chunked framing the next byte belongs.
enum Within {
    /// A line: a chunk's size, a trailer, or the empty one after a chunk.
    Line(Vec<u8>),
    /// A chunk, with so many bytes left.
    Chunk(u64),
}

async fn receive(mut body: Incoming, framed: bool) -> Result<Received, String> {
    let mut digest = Digest::new();
    let mut received = Received {
        size: 0,
        crc64: 0,
        trailer: None,
        kept: Vec::new(),
    };
    let mut within = if framed {
        Within::Line(Vec::new())
    } else {
        Within::Chunk(u64::MAX)
    };
    while let Some(frame) = body.frame().await {
        let Ok(mut chunk) = frame.map_err(|error| error.to_string())?.into_data() else {
            continue;
        };
        while !chunk.is_empty() {
            match &mut within {
                Within::Chunk(left) => {
                    let count = (chunk.len() as u64).min(*left) as usize;
                    let data = chunk.split_to(count);
                    digest.write(&data);
                    received.size += count as u64;
                    if received.kept.len() + count <= KEPT_BYTES {
                        received.kept.extend_from_slice(&data);
                    }
                    *left -= count as u64;
                    if *left == 0 {
                        within = Within::Line(Vec::new());
                    }
                }
                Within::Line(line) => {
                    let end = chunk.iter().position(|byte| *byte == b'\n');
                    let count = end.map_or(chunk.len(), |at| at + 1);
                    line.extend_from_slice(&chunk.split_to(count));
                    if end.is_none() {
                        continue;
                    }
                    let text = String::from_utf8_lossy(line).trim().to_owned();
                    line.clear();
                    // Other clients send other checksums, which are taken on trust.
                    if let Some(value) = text.strip_prefix(&format!("{CHECKSUM}:")) {
                        received.trailer = Some(value.to_owned());
                    } else if !text.is_empty() && !text.contains(':') {
                        let size = u64::from_str_radix(&text, 16).map_err(|e| e.to_string())?;
                        if size > 0 {
                            within = Within::Chunk(size);
                        }
                    }
                }
            }
        }
    }
    received.crc64 = digest.sum64();
    Ok(received)
}

fn decode(text: Option<&str>) -> Option<u64> {
    let bytes = STANDARD.decode(text?).ok()?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

fn stored(crc64: u64) -> Answer {
    Response::builder()
        .header("etag", format!("\"{crc64:016x}\""))
        .header(CHECKSUM, STANDARD.encode(crc64.to_be_bytes()))
        .body(Full::default())
        .expect("a response")
}

fn document(text: &str) -> Answer {
    answer(200, text)
}

fn error(status: u16, code: &str) -> Answer {
    answer(status, &format!("<Error><Code>{code}</Code></Error>"))
}

fn answer(status: u16, text: &str) -> Answer {
    Response::builder()
        .status(status)
        .body(Full::new(Bytes::from(text.to_owned())))
        .expect("a response")
}
