//! What the sweeper takes, and what it leaves.

use std::time::Duration;

use bytes::Bytes;

use super::super::tails::{self, Tail};
use super::super::{Finish, State, UploadId, state, sweep};
use super::{Bench, EXPIRY, PART, source};
use crate::error::Error;
use crate::store::{Attributes, KeyRules, Payload, StoreError};

#[tokio::test]
async fn a_sweep_takes_what_has_expired_and_nothing_else() {
    let bench = Bench::new(8 << 20);
    let rules = KeyRules::default();
    let key = rules.writable("other").unwrap();
    let others = bench
        .store
        .create_multipart(&key, &Attributes::default(), PART)
        .await
        .unwrap();
    let live = bench.begin(Some(10)).await;
    let old = bench.begin(Some(10)).await;
    bench
        .add(&old, source(b"old"), None, Finish::AtLength)
        .await
        .unwrap();
    let sweep = || sweep::sweep(bench.store.as_ref(), &rules, EXPIRY);
    assert_eq!(sweep().await.unwrap(), 0);
    let hash = old.hash();
    let stored = state::read(bench.store.as_ref(), hash).await.unwrap();
    let state = State {
        expires: 1,
        ..stored.state
    };
    state::create(bench.store.as_ref(), hash, &state)
        .await
        .unwrap();
    assert!(matches!(
        bench.engine.find_upload(old.clone()).await,
        Err(Error::NotFound)
    ));
    let (first, second) = tokio::join!(sweep(), sweep());
    assert!(first.unwrap() + second.unwrap() >= 1);
    assert_eq!(sweep().await.unwrap(), 0);
    let gone = bench.store.list_parts(&old.multipart().unwrap()).await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
    assert_eq!(bench.open(&live).await.offset, 0);
    assert!(bench.store.list_parts(&others).await.unwrap().is_empty());
    // A tail that came too late goes with its age.
    let tail = Tail { part: 0, length: 1 };
    let payload = Payload::Gathered(vec![Bytes::from_static(b"x")]);
    tails::write(bench.store.as_ref(), hash, tail, payload)
        .await
        .unwrap();
    assert_eq!(sweep().await.unwrap(), 0);
    let swept = sweep::sweep(bench.store.as_ref(), &rules, Duration::ZERO).await;
    assert_eq!(swept.unwrap(), 1);
    let left = bench.store.list_internal("", None).await.unwrap();
    assert_eq!(left.objects.len(), 1, "the live one's state");
}

#[tokio::test]
async fn an_upload_that_cannot_be_swept_keeps_no_other_from_it() {
    let bench = Bench::new(8 << 20);
    let rules = KeyRules::default();
    let mut expired = Vec::new();
    for _ in 0..13 {
        expired.push(bench.begin(Some(10)).await);
    }
    expired.sort_by_key(|id| id.hash().hex());
    for (number, id) in expired.iter().enumerate() {
        let stored = state::read(bench.store.as_ref(), id.hash()).await.unwrap();
        let state = State {
            expires: 1,
            // The first ones are of a kind that this program does not know.
            id: if number < 10 {
                "?".into()
            } else {
                stored.state.id
            },
            ..stored.state
        };
        state::create(bench.store.as_ref(), id.hash(), &state)
            .await
            .unwrap();
    }
    let swept = sweep::sweep(bench.store.as_ref(), &rules, EXPIRY).await;
    assert_eq!(swept.unwrap(), 3);
    let left = bench.store.list_internal("", None).await.unwrap();
    assert_eq!(left.objects.len(), 10, "what names parts that nobody knows");
}

#[tokio::test]
async fn the_state_of_a_restored_version_is_read_whatever_its_key() {
    let rules = KeyRules::default();
    let id = UploadId {
        key: rules.readable("folder//").unwrap(),
        store_id: "x".into(),
        nonce: [7; 16],
        begun: 1,
        part_size: 5,
        crc64: false,
    };
    let text = id.encode();
    assert_eq!(UploadId::decode_any(&text, &rules), Some(id));
    assert_eq!(
        UploadId::decode(&text, &rules),
        None,
        "nobody may resume it"
    );
}
