//! Bytes that an upload cannot have, or that memory does not hold, are refused.

use std::sync::Arc;

use super::super::super::{Budget, Engine};
use super::super::{Checksum, Finish};
use super::{Bench, EXPIRY, PART, data, source};
use crate::config::UploadConfig;
use crate::error::Error;

#[tokio::test]
async fn more_bytes_than_the_upload_may_have_are_refused() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(10)).await;
    for length in [Some(11), None] {
        let outcome = bench
            .add(&id, source(&data(11)), length, Finish::AtLength)
            .await;
        assert!(matches!(outcome, Err(Error::LengthExceeded)), "{length:?}");
        assert_eq!(bench.object().await, None);
    }
    let unknown = bench.begin(None).await;
    let outcome = bench
        .add(&unknown, source(b"x"), Some(20 * PART + 1), Finish::Later)
        .await;
    assert!(matches!(outcome, Err(Error::TooLarge { limit }) if limit == 20 * PART));
    let mut open = bench.open(&unknown).await;
    bench
        .engine
        .announce_length(&mut open, 7, None)
        .await
        .unwrap();
    let other = bench.engine.announce_length(&mut open, 8, None).await;
    assert!(matches!(other, Err(Error::InconsistentLength)));
    assert_eq!(bench.open(&unknown).await.length(), Some(7));
    let short = bench
        .add(&unknown, source(b"six..."), None, Finish::Now)
        .await;
    assert!(matches!(short, Err(Error::InconsistentLength)));
    assert_eq!(bench.open(&unknown).await.offset, 6);
}

#[tokio::test]
async fn a_request_without_a_length_is_refused_where_a_part_is_more_than_memory_holds() {
    let mut bench = Bench::new(8 << 20);
    let length = 10_000 * (5 << 20);
    let config = UploadConfig {
        buffer_bytes: 8 << 20,
        part_bytes: PART,
        concurrency: 4,
        max_bytes: length,
        expiry: EXPIRY,
    };
    bench.engine = Engine::new(Arc::clone(&bench.store), Budget::new(8 << 20), config);
    let id = bench.begin(Some(length)).await;
    assert!(id.part_size > 4 << 20, "{}", id.part_size);
    let body = source(&data(100_000));
    let refused = bench.add(&id, body, None, Finish::AtLength).await;
    assert!(matches!(refused, Err(Error::LengthRequired)), "{refused:?}");
    let body = source(&data(100_000));
    let taken = bench.add(&id, body, Some(100_000), Finish::AtLength).await;
    assert!(taken.is_ok(), "{taken:?}");
    assert_eq!(bench.open(&id).await.offset, 100_000);
}

#[tokio::test]
async fn what_is_held_counts_only_when_all_of_it_is_right() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(PART)).await;
    let open = bench.open(&id).await;
    let sum = |text: &str| Checksum::parse(text).unwrap();
    let right = sum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").verify(source(b"hello world"));
    let held = bench.engine.hold(&open, right, Some(11)).await;
    assert!(held.is_ok());
    drop(held);
    let wrong = sum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").verify(source(b"hello_world"));
    let held = bench.engine.hold(&open, wrong, Some(11)).await;
    assert!(matches!(held, Err(Error::TusChecksumMismatch)));
    for length in [None, Some(PART + 1)] {
        let held = bench.engine.hold(&open, source(b""), length).await;
        assert!(matches!(held, Err(Error::AppendTooLarge { limit: PART })));
    }
    assert_eq!(bench.engine.budget.in_use(), 0);
}
