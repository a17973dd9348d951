//! What is found of an upload that was cancelled, is complete, or never was.

use super::super::{Finish, Found, UploadId};
use super::{Bench, PART, data, source};
use crate::error::Error;

#[tokio::test]
async fn a_cancelled_upload_is_gone_and_a_completed_one_keeps_its_object() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(PART + 5)).await;
    bench
        .add(&id, source(&data(PART + 1)), None, Finish::AtLength)
        .await
        .unwrap();
    bench.engine.cancel(&id).await.unwrap();
    assert_eq!(bench.left().await, [""; 0]);
    assert!(matches!(
        bench.engine.find_upload(id.clone()).await,
        Err(Error::NotFound)
    ));
    assert!(bench.engine.cancel(&id).await.is_err());
    let id = bench.begin(Some(1)).await;
    bench
        .add(&id, source(b"x"), None, Finish::AtLength)
        .await
        .unwrap();
    assert!(bench.engine.cancel(&id).await.is_err());
    assert_eq!(bench.object().await.unwrap(), b"x");
}

#[tokio::test]
async fn an_id_that_is_not_ours_finds_nothing() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(10)).await;
    for other in [
        UploadId {
            begun: id.begun + 1,
            ..id.clone()
        },
        UploadId {
            nonce: [0; 16],
            ..id.clone()
        },
        UploadId {
            part_size: PART + 1,
            ..id.clone()
        },
        UploadId {
            store_id: "x".into(),
            ..id.clone()
        },
        UploadId {
            store_id: String::new(),
            ..id.clone()
        },
    ] {
        assert!(matches!(
            bench.engine.find_upload(other).await,
            Err(Error::NotFound)
        ));
    }
    bench.open(&id).await;
}

#[tokio::test]
async fn a_lost_last_answer_is_settled_though_others_wrote_or_deleted_since() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(3)).await;
    bench
        .add(&id, source(b"one"), None, Finish::AtLength)
        .await
        .unwrap();
    let other = bench.begin(Some(3)).await;
    bench
        .add(&other, source(b"two"), None, Finish::AtLength)
        .await
        .unwrap();
    bench.store.delete(&id.key, None).await.unwrap();
    for id in [id, other] {
        assert!(
            matches!(bench.engine.find_upload(id).await, Ok(Found::Done(meta)) if meta.size == 3)
        );
    }
}
