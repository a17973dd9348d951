//! Writes and reads that happen only under a condition.

use cloud_portfolio::store::{Attributes, Condition, Multipart, Part, StoreError};

use super::backend::{Bench, gathered, key};
use crate::s3::assert_err;

/// An upload of one part, ready to be completed.
async fn uploaded(bench: &Bench, name: &str, bytes: &[u8]) -> (Multipart, Vec<Part>) {
    let attributes = Attributes::default();
    let upload = bench
        .store
        .create_multipart(&key(name), &attributes, 5 << 20)
        .await
        .unwrap();
    let part = bench.store.upload_part(&upload, 1, gathered(bytes)).await;
    (upload, vec![part.unwrap()])
}

pub async fn a_put_if_absent_succeeds_only_the_first_time(bench: &Bench) {
    bench.put("ab", b"a neighbour").await;
    let first = bench.put_if("a", Condition::IfAbsent, b"1").await.unwrap();
    let second = bench.put_if("a", Condition::IfAbsent, b"2").await;
    assert_err!(second, StoreError::Precondition);
    let head = bench.store.head(&key("a"), None).await.unwrap();
    assert_eq!(head.etag, first.etag);
    assert_eq!(bench.content("a").await.unwrap(), b"1");
    bench.store.delete(&key("a"), None).await.unwrap();
    bench.put_if("a", Condition::IfAbsent, b"3").await.unwrap();
    assert_eq!(bench.content("a").await.unwrap(), b"3");
}

pub async fn a_put_if_match_succeeds_only_on_that_etag(bench: &Bench) {
    let first = bench.put("a", b"1").await;
    let condition = Condition::IfMatch(first.etag);
    let second = bench.put_if("a", condition.clone(), b"2").await.unwrap();
    let late = bench.put_if("a", condition, b"3").await;
    assert_err!(late, StoreError::Precondition);
    assert_eq!(bench.content("a").await.unwrap(), b"2");
    let head = bench.store.head(&key("a"), None).await.unwrap();
    assert_eq!(head.etag, second.etag);
}

pub async fn a_put_if_match_fails_where_nothing_is(bench: &Bench) {
    let condition = || Condition::IfMatch("d41d8cd98f00b204e9800998ecf8427e".into());
    let put = bench.put_if("a", condition(), b"1").await;
    assert_err!(put, StoreError::Precondition);
    let deleted = bench.put("a", b"1").await;
    bench.store.delete(&key("a"), None).await.unwrap();
    for condition in [condition(), Condition::IfMatch(deleted.etag)] {
        let put = bench.put_if("a", condition, b"2").await;
        assert_err!(put, StoreError::Precondition);
    }
    let head = bench.store.head(&key("a"), None).await;
    assert_err!(head, StoreError::NotFound);
}

pub async fn of_two_puts_if_absent_at_once_one_succeeds(bench: &Bench) {
    for round in 0..10 {
        let name = format!("race-{round}");
        let outcomes = tokio::join!(
            bench.put_if(&name, Condition::IfAbsent, b"1"),
            bench.put_if(&name, Condition::IfAbsent, b"2"),
        );
        let (winner, loser) = match outcomes {
            (Ok(_), Err(error)) => (b"1", error),
            (Err(error), Ok(_)) => (b"2", error),
            (Ok(_), Ok(_)) if !bench.can.decides_races.yes() => return,
            other => panic!("{other:?}"),
        };
        assert!(
            matches!(loser, StoreError::Precondition | StoreError::Conflict(_)),
            "{loser:?}"
        );
        assert_eq!(bench.content(&name).await.unwrap(), winner);
    }
}

pub async fn a_completion_if_absent_succeeds_only_the_first_time(bench: &Bench) {
    let (upload, parts) = uploaded(bench, "a", b"1").await;
    bench
        .store
        .complete_multipart(&upload, &parts, &Condition::IfAbsent)
        .await
        .unwrap();
    let (upload, parts) = uploaded(bench, "a", b"2").await;
    let second = bench
        .store
        .complete_multipart(&upload, &parts, &Condition::IfAbsent)
        .await;
    assert_err!(second, StoreError::Precondition);
    assert_eq!(bench.content("a").await.unwrap(), b"1");
}

pub async fn a_completion_if_match_succeeds_only_on_that_etag(bench: &Bench) {
    let (upload, parts) = uploaded(bench, "a", b"0").await;
    let nothing = Condition::IfMatch("d41d8cd98f00b204e9800998ecf8427e".into());
    let completed = bench
        .store
        .complete_multipart(&upload, &parts, &nothing)
        .await;
    assert_err!(completed, StoreError::Precondition);
    let first = bench.put("a", b"1").await;
    let condition = Condition::IfMatch(first.etag);
    let (upload, parts) = uploaded(bench, "a", b"2").await;
    bench
        .store
        .complete_multipart(&upload, &parts, &condition)
        .await
        .unwrap();
    let (upload, parts) = uploaded(bench, "a", b"3").await;
    let late = bench
        .store
        .complete_multipart(&upload, &parts, &condition)
        .await;
    assert_err!(late, StoreError::Precondition);
    assert_eq!(bench.content("a").await.unwrap(), b"2");
}

pub async fn an_upload_whose_completion_was_refused_can_still_be_completed(bench: &Bench) {
    bench.put("a", b"1").await;
    let (upload, parts) = uploaded(bench, "a", b"2").await;
    for condition in [
        Condition::IfAbsent,
        Condition::IfMatch("d41d8cd98f00b204e9800998ecf8427e".into()),
    ] {
        let refused = bench
            .store
            .complete_multipart(&upload, &parts, &condition)
            .await;
        assert_err!(refused, StoreError::Precondition);
    }
    bench
        .store
        .complete_multipart(&upload, &parts, &Condition::None)
        .await
        .unwrap();
    assert_eq!(bench.content("a").await.unwrap(), b"2");
}

pub async fn a_read_fails_once_the_object_has_changed(bench: &Bench) {
    let first = bench.put("a", b"1").await;
    let get = bench
        .store
        .get(&key("a"), None, None, Some(&first.etag))
        .await;
    assert_eq!(get.unwrap().meta.etag, first.etag);
    bench.put("a", b"2").await;
    let get = bench
        .store
        .get(&key("a"), None, None, Some(&first.etag))
        .await;
    if bench.can.reads_under_conditions.yes() {
        assert_err!(get, StoreError::Precondition);
    } else {
        assert_ne!(get.unwrap().meta.etag, first.etag);
    }
}
