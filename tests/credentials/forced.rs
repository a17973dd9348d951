//! Credentials that S3 refuses before their time, and many who need some at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use cloud_portfolio::config::{Config, StoreConfig};
use cloud_portfolio::store::s3::{S3Settings, S3Store};
use cloud_portfolio::store::{
    Attributes, Condition, KeyRules, ListQuery, Payload, Store as _, StoreError,
};
use futures_util::{StreamExt as _, future, stream};
use tokio::runtime::{Builder, Runtime};

use crate::fake_s3::{FakeS3, Reply, answer};
use crate::s3::assert_err;
use crate::support::agent::{Agent, in_seconds, lent};
use crate::{listing, refusal, s3, settings, signers};

/// An agent whose credentials are numbered.
fn numbering(pause: Duration) -> Agent {
    let count = AtomicUsize::new(0);
    Agent::start(move |_| {
        thread::sleep(pause);
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        let end = in_seconds(3600);
        (
            200,
            lent(&format!("key-{number}"), "secret", "token", Some(&end)),
        )
    })
}

fn keys(fake: &FakeS3) -> Vec<String> {
    signers(fake).into_iter().map(|(key, _)| key).collect()
}

const TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_expired_token_gets_new_credentials_and_one_retry() {
    for code in ["ExpiredToken", "InvalidToken"] {
        let agent = numbering(Duration::ZERO);
        let more = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str())];
        let script = vec![refusal(400, code), listing()];
        let fake = FakeS3::start(script).await;
        let store = s3::open(&settings(&fake, &more), TIMEOUT);
        store.check().await.unwrap();
        assert_eq!(keys(&fake), ["key-1", "key-2"]);
        // Not over and over, whatever S3 says.
        let fake = FakeS3::start((0..9).map(|_| refusal(400, code)).collect()).await;
        let store = s3::open(&settings(&fake, &more), TIMEOUT);
        for _ in 0..3 {
            let refused = store.check().await;
            assert_err!(refused, StoreError::Credentials(_));
        }
        assert_eq!(keys(&fake), ["key-3", "key-4", "key-4", "key-4"]);
    }
}

#[tokio::test]
async fn a_gathered_body_is_sent_again_and_a_streamed_one_fails_for_the_next_to_succeed() {
    let agent = numbering(Duration::ZERO);
    let more = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str()),
        ("S3_INTEGRITY", "sha256"),
    ];
    let stored = || Reply::Answer(answer(200, &[("ETag", "\"e\"")], b""));
    let expired = || refusal(400, "ExpiredToken");
    let key = KeyRules::default().writable("a").unwrap();
    let attributes = Attributes::default();
    let bytes = Bytes::from_static(b"hello");

    let fake = FakeS3::start(vec![expired(), stored()]).await;
    let store = s3::open(&settings(&fake, &more), TIMEOUT);
    // Under a condition, too: what was refused has changed nothing.
    let gathered = Payload::Gathered(vec![bytes.clone()]);
    let put = store.put(&key, &attributes, &Condition::IfAbsent, gathered);
    put.await.unwrap();
    assert_eq!(keys(&fake), ["key-1", "key-2"]);
    assert!(fake.seen().iter().all(|seen| seen.body == b"hello"));

    let fake = FakeS3::start(vec![expired(), stored()]).await;
    let store = s3::open(&settings(&fake, &more), TIMEOUT);
    let streamed = || Payload::Streamed {
        len: 5,
        body: stream::iter([Ok(bytes.clone())]).boxed(),
    };
    let put = store.put(&key, &attributes, &Condition::None, streamed());
    let failed = put.await;
    assert_err!(failed, StoreError::Credentials(_));
    let put = store.put(&key, &attributes, &Condition::None, streamed());
    // Its ETag is no MD5, so that nothing is compared.
    put.await.unwrap();
    assert_eq!(keys(&fake), ["key-3", "key-4"]);
}

#[tokio::test]
async fn a_refused_head_which_cannot_say_why_is_looked_into_by_another_call() {
    let agent = numbering(Duration::ZERO);
    let more = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str())];
    let found = Reply::Answer(answer(
        200,
        &[
            ("ETag", "\"e\""),
            ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ],
        b"",
    ));
    let fake = FakeS3::start(vec![
        refusal(400, "ExpiredToken"),
        refusal(400, "ExpiredToken"),
        listing(),
        found,
    ])
    .await;
    let store = s3::open(&settings(&fake, &more), TIMEOUT);
    let key = KeyRules::default().writable("a").unwrap();
    store.head(&key, None).await.unwrap();
    assert_eq!(keys(&fake), ["key-1", "key-1", "key-2", "key-2"]);
}

#[test]
fn one_fetch_serves_all_requests_of_all_workers() {
    let agent = numbering(Duration::from_millis(500));
    let runtime = Runtime::new().unwrap();
    let fake = runtime.block_on(FakeS3::start((0..100).map(|_| listing()).collect()));
    let more = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str())];
    let all = settings(&fake, &more);
    let lookup = |name: &str| {
        let found = all.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    let config = Config::from_lookup(&lookup).unwrap();
    let StoreConfig::S3(s3) = &config.store else {
        panic!("a bucket is set");
    };
    let settings = Arc::new(S3Settings::new(s3, "", TIMEOUT).unwrap());
    assert_eq!(settings.credentials().expires_at(), None);
    s3::keep(&settings);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let settings = Arc::clone(&settings);
            thread::spawn(move || {
                let store = S3Store::new(settings);
                let runtime = Builder::new_current_thread().enable_all().build();
                let checks = (0..25).map(|_| store.check());
                let done = runtime.unwrap().block_on(future::try_join_all(checks));
                done.map(|_| ())
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap().unwrap();
    }
    assert_eq!((agent.count(), fake.requests()), (1, 100));
    let left = settings.credentials().expires_at().unwrap() - chrono::Utc::now();
    assert!((3500..=3600).contains(&left.num_seconds()));
}

#[tokio::test]
async fn a_fetch_goes_on_when_those_who_wait_for_it_give_up_or_leave() {
    // Longer than a request waits, shorter than the patience with a source.
    let agent = numbering(Duration::from_millis(4_600));
    let more = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str())];
    let fake = FakeS3::start(vec![listing()]).await;
    let store = s3::open(&settings(&fake, &more), TIMEOUT);
    for _ in 0..3 {
        let left = tokio::time::timeout(Duration::from_millis(50), store.check()).await;
        assert!(left.is_err());
    }
    assert_err!(store.check().await, StoreError::Credentials(_));
    store.check().await.unwrap();
    assert_eq!((keys(&fake), agent.count()), (vec!["key-1".to_owned()], 1));
}

#[tokio::test]
async fn s3_is_not_gone_because_there_are_no_credentials_to_ask_it_with() {
    let agent = numbering(Duration::ZERO);
    agent.set_down(true);
    let more = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url.as_str())];
    let fake = FakeS3::start(vec![listing()]).await;
    let store = s3::open(&settings(&fake, &more), TIMEOUT);
    for _ in 0..3 {
        assert_err!(store.check().await, StoreError::Credentials(_));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    agent.set_down(false);
    let query = ListQuery {
        prefix: String::new(),
        delimiter: None,
        limit: 1,
        cursor: None,
    };
    loop {
        match store.list(&query).await {
            Err(StoreError::Credentials(_)) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            other => break assert!(other.is_ok(), "{other:?}"),
        }
    }
}
