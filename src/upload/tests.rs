//! Uploads of every size on the local store: whole or not at all, and no memory kept.

use futures_util::{StreamExt, stream};
use std::sync::Arc;

use super::*;
use crate::store::KeyRules;
use crate::store::fs::FsStore;

/// Part sizes of a known length are whole MiB.
const PART: u64 = 1 << 20;

struct Bench {
    _dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    engine: Engine,
}

fn bench(buffer_bytes: usize) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = FsStore::open(dir.path()).unwrap();
    let config = UploadConfig {
        buffer_bytes,
        part_bytes: PART,
        concurrency: 4,
        max_bytes: 20 * PART,
        expiry: Duration::from_hours(1),
    };
    let engine = Engine::new(Arc::clone(&store), Budget::new(buffer_bytes), config);
    Bench {
        _dir: dir,
        store,
        engine,
    }
}

fn key() -> ObjectKey {
    KeyRules::default().writable("k").unwrap()
}

fn data(len: u64) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

fn source(data: &[u8]) -> Source<'static> {
    let chunks: Vec<_> = data
        .chunks(70_001)
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    Box::pin(stream::iter(chunks))
}

fn broken(data: &[u8]) -> Source<'static> {
    let cut = stream::iter([Err(Error::BodyBroken("cut".into()))]);
    Box::pin(source(data).chain(cut))
}

async fn store(
    bench: &Bench,
    condition: Condition,
    length: Option<u64>,
    source: Source<'_>,
) -> Result<Stored, Error> {
    let upload = Upload {
        key: &key(),
        attributes: &Attributes::default(),
        condition: &condition,
        length: length.map_or(Length::AtMost(None), Length::Exactly),
        stop: &CancellationToken::new(),
    };
    bench.engine.store(&upload, source).await
}

async fn read(bench: &Bench) -> Vec<u8> {
    let mut body = bench
        .store
        .get(&key(), None, None, None)
        .await
        .unwrap()
        .body;
    let mut read = Vec::new();
    while let Some(chunk) = body.next().await {
        read.extend_from_slice(&chunk.unwrap());
    }
    read
}

#[tokio::test]
async fn every_size_around_the_boundaries_arrives_whole_of_known_and_unknown_length() {
    // With room for all, for some, and for next to none: gathered, mixed, streamed.
    for buffer in [32 << 20, 6 << 20, 2_300_000] {
        let bench = bench(buffer);
        for size in [0, 1, 65_536, 65_537, PART - 1, PART, PART + 1, 7 * PART + 5] {
            let data = data(size);
            for length in [Some(size), None] {
                let stored = store(&bench, Condition::None, length, source(&data)).await;
                let stored = stored.unwrap_or_else(|e| panic!("{size} {length:?} {buffer}: {e}"));
                assert_eq!(stored.meta.size, size);
                assert!(read(&bench).await == data, "{size} {length:?} {buffer}");
            }
        }
        assert_eq!(bench.engine.budget.in_use(), 0);
    }
}

#[tokio::test]
async fn a_source_that_breaks_stores_nothing_and_gives_its_memory_back() {
    for buffer in [32 << 20, 2_300_000] {
        let bench = bench(buffer);
        for size in [0, 10, PART, 5 * PART] {
            for length in [Some(size + 1), None] {
                let outcome = store(&bench, Condition::None, length, broken(&data(size))).await;
                assert!(
                    matches!(outcome, Err(Error::BodyBroken(_))),
                    "{size} {length:?}"
                );
                let head = bench.store.head(&key(), None).await;
                assert!(matches!(head, Err(StoreError::NotFound)));
            }
        }
        // Blocking tasks that were under way when their upload was given up end on their own.
        let idle = async {
            while bench.engine.budget.in_use() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), idle).await;
        assert!(
            waited.is_ok(),
            "{} bytes are lost",
            bench.engine.budget.in_use()
        );
    }
}

#[tokio::test]
async fn a_source_shorter_than_its_length_stores_nothing() {
    let bench = bench(32 << 20);
    for length in [11, PART + 11] {
        let outcome = store(&bench, Condition::None, Some(length), source(&data(10))).await;
        assert!(matches!(outcome, Err(Error::BodyBroken(_))));
    }
    assert!(bench.store.head(&key(), None).await.is_err());
}

#[tokio::test]
async fn too_large_is_refused_before_a_byte_is_read_or_when_it_shows() {
    let bench = bench(32 << 20);
    let never: Source<'_> = Box::pin(stream::pending());
    let outcome = store(&bench, Condition::None, Some(20 * PART + 1), never).await;
    assert!(matches!(outcome, Err(Error::TooLarge { limit }) if limit == 20 * PART));
    let outcome = store(&bench, Condition::None, None, source(&data(20 * PART + 1))).await;
    assert!(matches!(outcome, Err(Error::TooLarge { .. })));
    assert!(bench.store.head(&key(), None).await.is_err());
}

#[tokio::test]
async fn a_condition_that_fails_is_told_before_a_byte_is_read() {
    let bench = bench(32 << 20);
    let never = || -> Source<'_> { Box::pin(stream::pending()) };
    let missing = store(&bench, Condition::IfMatch("x".into()), None, never()).await;
    assert!(matches!(missing, Err(Error::PreconditionFailed)));
    let first = store(&bench, Condition::IfAbsent, None, source(b"1"))
        .await
        .unwrap();
    assert!(first.created);
    let again = store(&bench, Condition::IfAbsent, None, never()).await;
    assert!(matches!(again, Err(Error::PreconditionFailed)));
    let etag = Condition::IfMatch(first.meta.etag);
    let replaced = store(&bench, etag, Some(1), source(b"2")).await.unwrap();
    assert!(!replaced.created);
    assert_eq!(read(&bench).await, b"2");
}

#[tokio::test]
async fn new_and_replaced_are_told_apart() {
    for size in [3, 100_000, 3 * PART] {
        let bench = bench(32 << 20);
        for length in [Some(size), None] {
            bench.store.delete(&key(), None).await.unwrap();
            for created in [true, false] {
                let stored = store(&bench, Condition::None, length, source(&data(size))).await;
                assert_eq!(stored.unwrap().created, created, "{size} {length:?}");
            }
        }
    }
}

#[test]
fn parts_grow_so_that_ten_thousand_hold_the_object() {
    let engine = bench(32 << 20).engine;
    assert_eq!(engine.part_size(None), PART);
    for length in [1, 10_000 * PART, 100 << 30, 48 << 40] {
        let part = engine.part_size(Some(length));
        assert!(length.div_ceil(part) <= MAX_PARTS, "{length}");
    }
}
