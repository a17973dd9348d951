//! Requests that are cut anywhere, or restarted, or told to stop, make the file in the end.

use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::super::{Finish, Found, Piece, Progress};
use super::{Bench, PART, broken, data, source};
use crate::error::Error;

#[tokio::test]
async fn every_size_around_the_boundaries_arrives_in_two_requests_cut_anywhere() {
    for buffer in [8 << 20, 3 << 20] {
        for size in [1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7] {
            for cut in [
                0,
                1,
                size / 2,
                size - 1,
                PART.min(size - 1),
                (2 * PART).min(size - 1),
            ] {
                if cut >= size {
                    continue;
                }
                let bench = Bench::new(buffer);
                let (data, at) = (data(size), cut as usize);
                let id = bench.begin(Some(size)).await;
                let known = Some(size).filter(|_| cut % 2 == 0);
                let lost = bench
                    .add(&id, broken(&data[..at]), known, Finish::AtLength)
                    .await;
                assert!(matches!(lost, Err(Error::BodyBroken(_))), "{size} {cut}");
                let offset = bench.open(&id).await.offset;
                assert!(
                    offset <= cut && (buffer < 8 << 20 || offset == cut),
                    "{offset} {cut}"
                );
                let rest = &data[offset as usize..];
                let length = Some(rest.len() as u64).filter(|_| cut % 3 == 0);
                let stored = bench.add(&id, source(rest), length, Finish::AtLength).await;
                assert!(matches!(stored, Ok(Progress::Stored(meta)) if meta.size == size));
                assert!(bench.object().await.unwrap() == data, "{size} {cut}");
                assert_eq!(bench.left().await, [""; 0], "{size} {cut}");
                assert_eq!(bench.engine.budget.in_use(), 0);
                let Found::Done(meta) = bench.engine.find_upload(id).await.unwrap() else {
                    panic!("a lost last answer must not send it again");
                };
                assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
            }
        }
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_at_every_step() {
    let mut bench = Bench::new(8 << 20);
    let data = data(2 * PART + 100);
    let id = bench.begin(None).await;
    bench = bench.restarted();
    let mut at = 0;
    for count in [10, PART - 11, 1, PART / 2, PART / 2 + 50] {
        let piece = &data[at..at + count as usize];
        let progress = bench
            .add(&id, source(piece), Some(count), Finish::Later)
            .await;
        at += count as usize;
        assert!(
            matches!(progress, Ok(Progress::More { offset, whole: true }) if offset == at as u64)
        );
        bench = bench.restarted();
        assert_eq!(bench.open(&id).await.offset, at as u64);
        assert_eq!(bench.object().await, None);
    }
    let rest = &data[at..];
    let stored = bench.add(&id, source(rest), None, Finish::Now).await;
    assert!(matches!(stored, Ok(Progress::Stored(_))));
    assert!(bench.object().await.unwrap() == data);
    assert_eq!(bench.left().await, [""; 0]);
}

#[tokio::test]
async fn the_last_request_may_be_empty_and_so_may_the_object() {
    for size in [0, 5, PART, PART + 5] {
        let bench = Bench::new(8 << 20);
        let data = data(size);
        let id = bench.begin(None).await;
        bench
            .add(&id, source(&data), None, Finish::Later)
            .await
            .unwrap();
        let stored = bench.add(&id, source(b""), Some(0), Finish::Now).await;
        assert!(matches!(stored, Ok(Progress::Stored(meta)) if meta.size == size));
        assert!(bench.object().await.unwrap() == data);
        assert_eq!(bench.left().await, [""; 0], "{size}");
        assert!(matches!(
            bench.engine.find_upload(id).await,
            Ok(Found::Done(_))
        ));
    }
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(0)).await;
    assert!(matches!(
        bench.engine.find_upload(id).await,
        Ok(Found::Done(_))
    ));
}

#[tokio::test]
async fn what_is_told_to_stop_saves_what_it_has() {
    let bench = Bench::new(8 << 20);
    let data = data(2 * PART);
    let id = bench.begin(Some(3 * PART)).await;
    let stop = CancellationToken::new();
    let came = stop.clone();
    let first = source(&data[..PART as usize + 77]);
    let endless = first.chain(stream::once(async move {
        came.cancel();
        std::future::pending().await
    }));
    let piece = Piece {
        source: Box::pin(endless),
        length: Some(3 * PART),
        finish: Finish::AtLength,
        stop,
    };
    let progress = bench.engine.append(bench.open(&id).await, piece).await;
    assert!(matches!(progress, Ok(Progress::More { offset, whole: false }) if offset == PART + 77));
    assert_eq!(bench.open(&id).await.offset, PART + 77);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_sequence_of_cut_requests_makes_the_file(
        size in 1..(5 * PART),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 0..9),
        deferred in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new(8 << 20);
            let data = data(size);
            let id = bench.begin(Some(size).filter(|_| !deferred)).await;
            let mut offset = 0_usize;
            for (cut, known, restart) in cuts {
                let end = offset + cut.index(data.len() - offset);
                let length = known.then_some((end - offset) as u64);
                let piece = &data[offset..end];
                match bench.add(&id, source(piece), length, Finish::Later).await.unwrap() {
                    Progress::More { offset: now, .. } => assert_eq!(now as usize, end),
                    Progress::Stored(_) => panic!("too early"),
                }
                offset = end;
                if restart {
                    bench = bench.restarted();
                }
                assert_eq!(bench.open(&id).await.offset as usize, offset);
            }
            let last = bench.add(&id, source(&data[offset..]), None, Finish::Now).await;
            assert!(matches!(last, Ok(Progress::Stored(_))));
            assert!(bench.object().await.unwrap() == data);
            assert_eq!(bench.left().await, [""; 0]);
        });
    }
}
