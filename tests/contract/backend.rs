//! The stores that the contract runs on, what each of them cannot do, and what tests share.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloud_portfolio::store::fs::FsStore;
use cloud_portfolio::store::{
    Attributes, Bytestream, Condition, KeyRules, ObjectKey, ObjectMeta, Payload, Store, StoreError,
    StoreResult,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::s3;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server;

/// Long: these tests are not about time, and the machine may be busy.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Whether a store does something that S3 does; if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    Yes,
    No(&'static str),
}

impl Can {
    pub fn yes(self) -> bool {
        self == Self::Yes
    }
}

/// What tells the stores apart. Everything that is not named here all of them do alike.
#[derive(Debug)]
pub struct Capabilities {
    pub name: &'static str,
    /// Overwrites and deletes keep what was there.
    pub keeps_versions: Can,
    /// Of two conditional writes at the same moment one fails.
    pub decides_races: Can,
    /// `a` and `a/b` are both objects.
    pub holds_a_key_beside_deeper_ones: Can,
    /// And all of them are listed.
    pub lists_keys_below_a_key: Can,
    /// A segment may be as long as a key.
    pub holds_long_segments: Can,
    /// A key may have 1,000 bytes in segments of less than 255.
    pub holds_long_keys: Can,
    /// Keys in a listing are encoded as `encoding-type=url` asks.
    pub encodes_listed_keys: Can,
    /// Listings carry etags.
    pub lists_etags: Can,
    /// A prefix whose keys are all deleted is not listed.
    pub forgets_deleted_prefixes: Can,
    /// A listing goes on after a prefix that ends in another delimiter than a slash.
    pub pages_by_any_delimiter: Can,
    /// A page of one key goes on when that key is the prefix itself.
    pub pages_from_the_prefix_itself: Can,
    /// A read under a condition fails when the condition does not hold.
    pub reads_under_conditions: Can,
    /// The last n bytes of an object that has fewer, or none.
    pub serves_long_suffixes: Can,
    /// An upload of one empty part is an empty object.
    pub completes_an_empty_part: Can,
    /// An upload that is not there is said to be not there.
    pub tells_unknown_uploads: Can,
    /// The parts of an upload are listed as they were confirmed.
    pub lists_parts: Can,
}

const LOCAL: Capabilities = Capabilities {
    name: "the local directory",
    keeps_versions: Can::Yes,
    decides_races: Can::Yes,
    holds_a_key_beside_deeper_ones: Can::Yes,
    lists_keys_below_a_key: Can::Yes,
    holds_long_segments: Can::Yes,
    holds_long_keys: Can::Yes,
    encodes_listed_keys: Can::Yes,
    lists_etags: Can::Yes,
    forgets_deleted_prefixes: Can::Yes,
    pages_by_any_delimiter: Can::Yes,
    pages_from_the_prefix_itself: Can::Yes,
    reads_under_conditions: Can::Yes,
    serves_long_suffixes: Can::Yes,
    completes_an_empty_part: Can::Yes,
    tells_unknown_uploads: Can::Yes,
    lists_parts: Can::Yes,
};

const S3S_FS: Capabilities = Capabilities {
    name: "s3s-fs",
    keeps_versions: Can::No("it keeps none, and takes a version id for the current object"),
    decides_races: Can::No("it looks whether the file exists, then takes the body"),
    holds_a_key_beside_deeper_ones: Can::No("a key is a path, a file or a directory"),
    lists_keys_below_a_key: Can::No("it holds none"),
    holds_long_segments: Can::No("a segment is a file name, of 255 bytes at most"),
    holds_long_keys: Can::No("the key in base64 names a second file, which fails after the first"),
    encodes_listed_keys: Can::No("it says EncodingType url, but gives keys as they are"),
    lists_etags: Can::No("it lists names, sizes and times only"),
    forgets_deleted_prefixes: Can::Yes,
    pages_by_any_delimiter: Can::Yes,
    pages_from_the_prefix_itself: Can::Yes,
    reads_under_conditions: Can::No("its GetObject reads no If-Match"),
    serves_long_suffixes: Can::No("it seeks to before the beginning, or panics"),
    completes_an_empty_part: Can::Yes,
    tells_unknown_uploads: Can::No("it answers AccessDenied"),
    lists_parts: Can::No("it lists them without etags, and none of an upload that is not there"),
};

const MINIO: Capabilities = Capabilities {
    name: "MinIO",
    keeps_versions: Can::Yes,
    decides_races: Can::Yes,
    holds_a_key_beside_deeper_ones: Can::Yes,
    lists_keys_below_a_key: Can::No("its walk does not go into what is an object"),
    holds_long_segments: Can::No("a segment is a file name, of 255 bytes at most"),
    holds_long_keys: Can::Yes,
    encodes_listed_keys: Can::Yes,
    lists_etags: Can::Yes,
    forgets_deleted_prefixes: Can::No("a key that has versions left keeps its prefix"),
    pages_by_any_delimiter: Can::No("its next page begins with the same prefix, for ever"),
    pages_from_the_prefix_itself: Can::No("asked for one key it looks for just that, then ends"),
    reads_under_conditions: Can::Yes,
    serves_long_suffixes: Can::Yes,
    completes_an_empty_part: Can::No(
        "it computes another CRC-64 of nothing than it did of the part",
    ),
    tells_unknown_uploads: Can::Yes,
    lists_parts: Can::Yes,
};

/// A store of a test's own, empty.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub can: &'static Capabilities,
    /// None for the local directory.
    settings: Option<Vec<(String, String)>>,
    _dir: Option<TempDir>,
    _server: JoinSet<()>,
}

pub async fn local() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let store = tokio::task::spawn_blocking(move || FsStore::open(&path));
    Bench {
        store: store.await.unwrap().unwrap(),
        can: &LOCAL,
        settings: None,
        _dir: Some(dir),
        _server: JoinSet::new(),
    }
}

pub async fn minio() -> Bench {
    let mut settings = server::minio();
    settings.push(("KEY_PREFIX".into(), random_prefix()));
    Bench {
        store: s3::open(&settings, TIMEOUT),
        can: &MINIO,
        settings: Some(settings),
        _dir: None,
        _server: JoinSet::new(),
    }
}

pub async fn s3_in_process() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("bucket")).unwrap();
    let (endpoint, server) = serve(dir.path()).await;
    let settings = [
        ("BUCKET_NAME", "bucket"),
        ("AWS_ENDPOINT_URL_S3", &endpoint),
        ("AWS_ACCESS_KEY_ID", "in-process"),
        ("AWS_SECRET_ACCESS_KEY", "checked-by-s3s"),
        ("KEY_PREFIX", &random_prefix()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    Bench {
        store: s3::open(&settings, TIMEOUT),
        can: &S3S_FS,
        settings: Some(settings),
        _dir: Some(dir),
        _server: server,
    }
}

fn random_prefix() -> String {
    format!("test-{:016x}/", getrandom::u64().unwrap())
}

/// Serves s3s-fs over a directory, as long as the tasks are kept.
async fn serve(dir: &Path) -> (String, JoinSet<()>) {
    let mut builder = S3ServiceBuilder::new(FileSystem::new(dir).unwrap());
    builder.set_auth(SimpleAuth::from_single("in-process", "checked-by-s3s"));
    let service = builder.build();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(accept(listener, service));
    (endpoint, server)
}

async fn accept(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        connections.spawn(async move {
            // A client that breaks off is part of some tests.
            let _ = connection.await;
        });
    }
}

impl Bench {
    /// Another store in the same bucket, its `KEY_PREFIX` longer by this; None for the local
    /// directory, which knows no such prefix.
    pub fn deeper(&self, prefix: &str) -> Option<Arc<dyn Store>> {
        let mut settings = self.settings.clone()?;
        let (_, own) = settings.iter().find(|(name, _)| name == "KEY_PREFIX")?;
        settings.push(("KEY_PREFIX".into(), format!("{own}{prefix}")));
        Some(s3::open(&settings, TIMEOUT))
    }

    /// The same store with a proxy before it; None for the local directory, which has no network.
    pub fn behind_a_proxy(&self) -> Option<(Proxy, Arc<dyn Store>)> {
        let mut settings = self.settings.clone()?;
        let (_, endpoint) = settings
            .iter()
            .find(|(name, _)| name == "AWS_ENDPOINT_URL_S3")?;
        let proxy = Proxy::before(endpoint);
        settings.push(("AWS_ENDPOINT_URL_S3".into(), proxy.endpoint.clone()));
        Some((proxy, s3::open(&settings, TIMEOUT)))
    }

    pub async fn put(&self, name: &str, bytes: &[u8]) -> ObjectMeta {
        self.put_if(name, Condition::None, bytes)
            .await
            .unwrap_or_else(|error| panic!("{name:?}: {error:?}"))
    }

    pub async fn put_if(
        &self,
        name: &str,
        condition: Condition,
        bytes: &[u8],
    ) -> StoreResult<ObjectMeta> {
        let attributes = Attributes::default();
        self.store
            .put(&key(name), &attributes, &condition, gathered(bytes))
            .await
    }

    /// The current object's bytes.
    pub async fn content(&self, name: &str) -> StoreResult<Vec<u8>> {
        let download = self.store.get(&key(name), None, None, None).await?;
        read(download.body).await
    }
}

pub fn key(text: &str) -> ObjectKey {
    KeyRules::default()
        .writable(text)
        .unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

pub fn gathered(bytes: &[u8]) -> Payload {
    Payload::Gathered(vec![Bytes::copy_from_slice(bytes)])
}

/// Bytes that come in chunks of `size`.
pub fn streamed(bytes: &[u8], size: usize) -> Payload {
    let chunks: Vec<_> = bytes
        .chunks(size)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    Payload::Streamed {
        len: bytes.len() as u64,
        body: stream::iter(chunks).boxed(),
    }
}

/// These bytes out of `len` that were said, then a failure, or just the end.
pub fn broken(bytes: &[u8], len: u64, failure: Option<StoreError>) -> Payload {
    let chunks: Vec<StoreResult<Bytes>> = bytes
        .chunks(50_000)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .chain(failure.map(Err))
        .collect();
    Payload::Streamed {
        len,
        body: stream::iter(chunks).boxed(),
    }
}

pub async fn read(body: Bytestream) -> StoreResult<Vec<u8>> {
    let blocks: Vec<Bytes> = body.try_collect().await?;
    Ok(blocks.concat())
}

/// Goes past the test harness, which shows nothing of a test that passes.
pub async fn what_the_store_cannot_do_is_said(bench: &Bench) {
    let can = bench.can;
    let all = [
        ("keeps versions", can.keeps_versions),
        ("decides races", can.decides_races),
        (
            "holds a key beside deeper ones",
            can.holds_a_key_beside_deeper_ones,
        ),
        ("lists keys below a key", can.lists_keys_below_a_key),
        ("holds long segments", can.holds_long_segments),
        ("holds long keys", can.holds_long_keys),
        ("encodes listed keys", can.encodes_listed_keys),
        ("lists etags", can.lists_etags),
        ("forgets deleted prefixes", can.forgets_deleted_prefixes),
        ("pages by any delimiter", can.pages_by_any_delimiter),
        (
            "pages from the prefix itself",
            can.pages_from_the_prefix_itself,
        ),
        ("reads under conditions", can.reads_under_conditions),
        ("serves long suffixes", can.serves_long_suffixes),
        ("completes an empty part", can.completes_an_empty_part),
        ("tells unknown uploads", can.tells_unknown_uploads),
        ("lists parts", can.lists_parts),
    ];
    for (what, can_it) in all {
        if let Can::No(reason) = can_it {
            let line = format!("contract: not so on {}: \"{what}\": {reason}\n", can.name);
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    }
}

pub async fn the_store_answers_a_check(bench: &Bench) {
    bench.store.check().await.unwrap();
}

pub async fn a_network_that_fails_in_passing_is_not_noticed(bench: &Bench) {
    let Some((proxy, store)) = bench.behind_a_proxy() else {
        return;
    };
    let bytes = vec![7; 300_000];
    let (key, attributes) = (key("passing"), Attributes::default());
    for fault in [
        Fault::Reset,
        Fault::ResetInBody,
        Fault::SlowDown,
        Fault::LoseAnswer,
    ] {
        proxy.inject("PUT", "passing", fault, 2);
        let put = store.put(&key, &attributes, &Condition::None, gathered(&bytes));
        put.await.unwrap();
        proxy.inject("GET", "passing", Fault::CutAnswer, 1);
        let got = store.get(&key, None, None, None).await.unwrap();
        assert!(read(got.body).await.unwrap() == bytes, "{fault:?}");
        assert_eq!(proxy.hits(), 3, "{fault:?}");
    }
}
