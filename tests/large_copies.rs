//! Copies that are too large for one call of the store, without a 5 GiB object: by a store that is
//! told that one call takes less.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use cloud_portfolio::config::{Config, StoreConfig};
use cloud_portfolio::error::Error;
use cloud_portfolio::store::s3::{S3Settings, S3Store};
use cloud_portfolio::store::{
    Attributes, Condition, KeyRules, ObjectKey, ObjectMeta, Payload, Store, StoreError,
};
use cloud_portfolio::upload::{Budget, Engine};
use support::Noise;
use support::proxy::{Fault, Proxy};
use support::server::{minio, minio_setting};
use tokio_util::sync::CancellationToken;

/// An object of 12 MB and where it is copied to.
struct SmallCopies {
    engine: Engine,
    store: Arc<S3Store>,
    prefix: String,
    from: ObjectKey,
    to: ObjectKey,
    attributes: Attributes,
    body: Vec<u8>,
}

impl SmallCopies {
    async fn of(most: u64, endpoint: Option<&str>) -> Self {
        let mut settings = minio();
        settings.extend(endpoint.map(|it| ("AWS_ENDPOINT_URL_S3".into(), it.into())));
        let config = Config::from_lookup(&|name| {
            let found = settings.iter().rev().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone())
        })
        .unwrap();
        let StoreConfig::S3(s3) = &config.store else {
            panic!("a bucket is set");
        };
        let prefix = format!("parts-{:016x}/", getrandom::u64().unwrap());
        let settings = S3Settings::new(s3, &prefix, Duration::from_secs(20)).unwrap();
        let credentials = settings.credentials().clone();
        tokio::spawn(async move { match credentials.keep().await {} });
        let store = Arc::new(S3Store::new(Arc::new(settings.copying_at_most(most))));
        let rules = KeyRules::default();
        let [from, to] = ["from ü", "to"].map(|key| rules.readable(key).unwrap());
        let attributes = Attributes {
            content_type: Some("text/x-big".into()),
            cache_control: Some("max-age=9".into()),
            content_language: Some("de".into()),
            metadata: vec![("a".into(), "b".into())],
            nonce: Some("of the source".into()),
            ..Attributes::default()
        };
        let body = Noise::bytes(9, 12_345_678);
        let payload = Payload::Gathered(vec![body.clone().into()]);
        store
            .put(&from, &attributes, &Condition::None, payload)
            .await
            .unwrap();
        Self {
            engine: Engine::new(store.clone(), Budget::new(1 << 20), config.upload),
            store,
            prefix,
            from,
            to,
            attributes,
            body,
        }
    }

    async fn copy(&self, source: &ObjectMeta, condition: Condition) -> Result<ObjectMeta, Error> {
        let stop = CancellationToken::new();
        self.engine
            .copy(&self.from, source, &self.to, &condition, &stop)
            .await
    }

    async fn source(&self) -> ObjectMeta {
        self.store.head(&self.from, None).await.unwrap()
    }

    /// Keys of the temporary objects that are left.
    async fn left(&self) -> Vec<String> {
        let page = self.store.list_internal("", None).await.unwrap();
        page.objects.into_iter().map(|object| object.key).collect()
    }

    fn open_uploads(&self) -> usize {
        // Asked from a thread of its own: the bucket brings a runtime along.
        let key = format!("{}{}", self.prefix, self.to);
        let ask = move || support::Bucket::open().multiparts(&key).len();
        std::thread::spawn(ask).join().unwrap()
    }
}

#[tokio::test]
async fn what_is_too_large_for_one_copy_goes_in_parts() {
    let small = SmallCopies::of(5 << 20, None).await;
    let source = small.source().await;
    let copy = small.copy(&source, Condition::IfAbsent).await.unwrap();
    assert_eq!(copy.size, 12_345_678);
    let mut got = small.store.get(&small.to, None, None, None).await.unwrap();
    assert_eq!(got.meta.attributes, copy.attributes);
    let nonce = got.meta.attributes.nonce.take();
    assert_ne!(
        nonce, source.attributes.nonce,
        "a lost answer is settled by it"
    );
    let described = Attributes {
        nonce: None,
        ..small.attributes.clone()
    };
    assert_eq!(got.meta.attributes, described);
    let mut bytes = Vec::new();
    while let Some(chunk) = futures_util::StreamExt::next(&mut got.body).await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(support::sha256([bytes]), support::sha256([&small.body]));
    assert_eq!(small.left().await, [""; 0]);
    let again = small.copy(&source, Condition::IfAbsent).await;
    assert!(matches!(again, Err(Error::PreconditionFailed)), "{again:?}");
    assert_eq!((small.left().await.len(), small.open_uploads()), (0, 0));
}

#[tokio::test]
async fn a_source_that_is_gone_is_a_conflict_also_where_it_is_copied_in_parts() {
    for most in [5 << 20, 5 << 30] {
        let small = SmallCopies::of(most, None).await;
        let source = small.source().await;
        let version = source.version_id.as_ref();
        small.store.delete(&small.from, version).await.unwrap();
        let gone = small.copy(&source, Condition::None).await;
        assert!(
            matches!(gone, Err(Error::Store(StoreError::Conflict(_)))),
            "{gone:?}"
        );
        assert_eq!((small.left().await.len(), small.open_uploads()), (0, 0));
    }
}

#[tokio::test]
async fn a_copy_in_parts_that_nobody_waits_for_is_given_up_and_one_that_is_killed_can_be_swept() {
    let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
    let small = SmallCopies::of(5 << 20, Some(&proxy.endpoint)).await;
    let source = small.source().await;
    proxy.inject("PUT", "partNumber=3", Fault::Stall, 9);
    let stop = CancellationToken::new();
    let none = Condition::None;
    let copy = || {
        small
            .engine
            .copy(&small.from, &source, &small.to, &none, &stop)
    };
    {
        let mut killed = Box::pin(copy());
        wait_while(&mut killed, || proxy.hits() > 0).await;
    }
    // The only sign of it, and enough for the sweeper.
    assert_eq!((small.left().await.len(), small.open_uploads()), (1, 1));
    let mut given_up = Box::pin(copy());
    wait_while(&mut given_up, || proxy.hits() > 0).await;
    stop.cancel();
    let outcome = given_up.await;
    assert!(matches!(outcome, Err(Error::ShuttingDown)), "{outcome:?}");
    // The store may go on with what it was asked to copy: the sweeper will look again.
    assert_eq!((small.left().await.len(), small.open_uploads()), (2, 1));
}

/// Drives `work`, which must not end, until something has come about.
async fn wait_while<T: std::fmt::Debug>(
    work: &mut (impl Future<Output = T> + Unpin),
    happened: impl Fn() -> bool,
) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(30);
    while !happened() {
        assert!(tokio::time::Instant::now() < patience, "it did not happen");
        let pause = tokio::time::sleep(Duration::from_millis(10));
        tokio::select! {
            ended = &mut *work => panic!("it ended with {ended:?}"),
            () = pause => {}
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_copy_in_parts_is_settled() {
    let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
    let small = SmallCopies::of(5 << 20, Some(&proxy.endpoint)).await;
    let source = small.source().await;
    proxy.inject("POST", "uploadId", Fault::LoseAnswer, 1);
    let copy = small.copy(&source, Condition::IfAbsent).await.unwrap();
    assert_eq!((copy.size, proxy.hits()), (12_345_678, 1));
    assert_eq!((small.left().await.len(), small.open_uploads()), (0, 0));
}
