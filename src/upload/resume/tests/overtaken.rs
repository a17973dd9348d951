//! Requests of one upload that are under way at once.

use tokio_util::sync::CancellationToken;

use super::super::{Finish, Piece, Progress};
use super::{Bench, PART, broken, data, source};
use crate::error::Error;
use crate::store::StoreError;

#[tokio::test]
async fn of_two_requests_at_once_one_stores_the_file_and_none_is_told_an_untruth() {
    for round in 0..8 {
        let bench = Bench::new(8 << 20);
        let data = data(3 * PART + 50);
        let id = bench.begin(Some(data.len() as u64)).await;
        // With a tail that one of them finds gone, and without.
        let tail = 100 * (round % 2);
        bench
            .add(&id, broken(&data[..tail]), None, Finish::AtLength)
            .await
            .unwrap_err();
        // Both found it at the same offset.
        let (first, second) = (bench.open(&id).await, bench.open(&id).await);
        let piece = || Piece {
            source: source(&data[tail..]),
            length: None,
            finish: Finish::AtLength,
            stop: CancellationToken::new(),
        };
        let (first, second) = tokio::join!(
            bench.engine.append(first, piece()),
            bench.engine.append(second, piece()),
        );
        let mut stored = 0;
        for outcome in [first, second] {
            match outcome {
                Ok(Progress::Stored(meta)) => {
                    assert_eq!(meta.size, data.len() as u64);
                    stored += 1;
                }
                Ok(Progress::More { .. }) => panic!("it has all bytes"),
                // The other one removed the tail before this one could read it.
                Err(Error::Store(StoreError::Conflict(_))) if tail > 0 => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(stored > 0, "each was refused because of the other");
        assert!(bench.object().await.unwrap() == data);
        // A part of the one that was late may still be on a blocking thread.
        for _ in 0..100 {
            if bench.left().await.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(bench.left().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_request_that_another_has_overtaken_is_told_of_the_object() {
    let bench = Bench::new(8 << 20);
    let data = data(2 * PART + 5);
    let id = bench.begin(Some(data.len() as u64)).await;
    let late = bench.open(&id).await;
    bench
        .add(&id, source(&data), None, Finish::AtLength)
        .await
        .unwrap();
    let piece = Piece {
        source: source(&data),
        length: Some(data.len() as u64),
        finish: Finish::AtLength,
        stop: CancellationToken::new(),
    };
    let outcome = bench.engine.append(late, piece).await;
    assert!(matches!(outcome, Ok(Progress::Stored(meta)) if meta.size == data.len() as u64));
}
