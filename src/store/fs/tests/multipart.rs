//! Uploads in parts.

use super::*;

pub(super) async fn begin(store: &FsStore) -> Multipart {
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        ..Attributes::default()
    };
    store
        .create_multipart(&key("m"), &attributes, 5)
        .await
        .unwrap()
}

pub(super) async fn part(
    store: &FsStore,
    multipart: &Multipart,
    number: u32,
    bytes: &[u8],
) -> Part {
    store
        .upload_part(multipart, number, gathered(bytes))
        .await
        .unwrap()
}

pub(super) async fn complete(
    store: &FsStore,
    multipart: &Multipart,
    parts: &[Part],
) -> StoreResult<ObjectMeta> {
    store
        .complete_multipart(multipart, parts, &Condition::None)
        .await
}

#[tokio::test]
async fn parts_in_any_order_make_one_object() {
    let (dir, store) = open();
    let upload = begin(&store).await;
    let third = part(&store, &upload, 3, b"rest").await;
    let first = part(&store, &upload, 1, b"first").await;
    let chunks = ["s", "ec", "nd"].map(|text| Ok(Bytes::from(text)));
    let second = streamed(5, chunks.into());
    let second = store.upload_part(&upload, 2, second).await.unwrap();
    assert!(matches!(
        store.head(&key("m"), None).await,
        Err(StoreError::NotFound)
    ));
    let meta = complete(&store, &upload, &[first, second, third])
        .await
        .unwrap();
    assert_eq!(meta.size, 14);
    assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
    assert_eq!(content(&store, "m").await, b"firstsecndrest");
    assert!(names(&dir.path().join("tmp")).is_empty());
    let again = complete(&store, &upload, &[]).await;
    assert!(matches!(again, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn a_part_sent_again_replaces_the_first_even_when_shorter() {
    let (_dir, store) = open();
    let upload = begin(&store).await;
    let first = part(&store, &upload, 1, b"first").await;
    let long = part(&store, &upload, 2, b"long!").await;
    let short = part(&store, &upload, 2, b"s").await;
    let stale = complete(&store, &upload, &[first.clone(), long]).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))));
    complete(&store, &upload, &[first, short]).await.unwrap();
    assert_eq!(content(&store, "m").await, b"firsts");
}

#[tokio::test]
async fn a_part_sent_again_that_failed_takes_nothing_away() {
    let (dir, store) = open();
    let upload = begin(&store).await;
    let first = part(&store, &upload, 1, b"first").await;
    let chunks = vec![Ok(Bytes::from("X")), Err(StoreError::Source("gone".into()))];
    let failed = store.upload_part(&upload, 1, streamed(5, chunks)).await;
    assert!(matches!(failed, Err(StoreError::Source(_))));
    assert_eq!(
        store.list_parts(&upload).await.unwrap(),
        std::slice::from_ref(&first)
    );
    complete(&store, &upload, &[first]).await.unwrap();
    assert_eq!(content(&store, "m").await, b"first");
    assert!(names(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn of_two_writers_of_one_part_the_last_to_end_counts_and_neither_fails() {
    use payload::Sink;
    let (dir, store) = open();
    for (early_first, want) in [(true, b"newer"), (false, b"older")] {
        let upload = begin(&store).await;
        let mut early = store.tree.begin_part(&upload, 1, 5).unwrap();
        let mut late = store.tree.begin_part(&upload, 1, 5).unwrap();
        early.write(b"old").unwrap();
        late.write(b"new").unwrap();
        early.write(b"er").unwrap();
        late.write(b"er").unwrap();
        let (first, last) = if early_first {
            (early, late)
        } else {
            (late, early)
        };
        let first = first.finish().unwrap();
        let last = last.finish().unwrap();
        let outcome = complete(&store, &upload, &[first]).await;
        assert!(matches!(outcome, Err(StoreError::Conflict(_))));
        complete(&store, &upload, &[last]).await.unwrap();
        assert_eq!(content(&store, "m").await, want);
    }
    assert!(names(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn a_writer_that_is_late_never_reaches_the_object() {
    use payload::Sink;
    let (_dir, store) = open();
    let upload = begin(&store).await;
    let mut late = store.tree.begin_part(&upload, 1, 5).unwrap();
    late.write(b"old").unwrap();
    let first = part(&store, &upload, 1, b"first").await;
    late.write(b"!").unwrap();
    complete(&store, &upload, &[first]).await.unwrap();
    assert!(matches!(late.write(b"!"), Err(StoreError::NotFound)));
    assert_eq!(content(&store, "m").await, b"first");
}

#[tokio::test]
async fn part_lists_that_make_no_object_are_refused_and_the_upload_stays() {
    let (_dir, store) = open();
    let upload = begin(&store).await;
    let first = part(&store, &upload, 1, b"first").await;
    let second = part(&store, &upload, 2, b"2").await;
    let third = part(&store, &upload, 3, b"3").await;
    for parts in [
        vec![],
        vec![second.clone()],
        vec![first.clone(), third.clone()],
        vec![second.clone(), first.clone()],
        vec![first.clone(), first.clone()],
        vec![first.clone(), second.clone(), third],
    ] {
        let result = complete(&store, &upload, &parts).await;
        assert!(matches!(result, Err(StoreError::Corrupt(_))), "{parts:?}");
    }
    complete(&store, &upload, &[first, second]).await.unwrap();
    assert_eq!(content(&store, "m").await, b"first2");
}

#[tokio::test]
async fn parts_too_large_or_out_of_number_are_refused() {
    let (_dir, store) = open();
    let upload = begin(&store).await;
    for (number, bytes) in [(1, &b"123456"[..]), (0, b"1"), (10_001, b"1")] {
        let result = store.upload_part(&upload, number, gathered(bytes)).await;
        assert!(matches!(result, Err(StoreError::TooLarge(_))), "{number}");
    }
}

#[tokio::test]
async fn an_upload_completes_only_under_its_condition_and_can_be_tried_again() {
    let (dir, store) = open();
    let existing = put(&store, "m", b"old").await;
    let upload = begin(&store).await;
    let parts = [part(&store, &upload, 1, b"new").await];
    let refused = store
        .complete_multipart(&upload, &parts, &Condition::IfAbsent)
        .await;
    assert!(matches!(refused, Err(StoreError::Precondition)));
    assert_eq!(content(&store, "m").await, b"old");
    let condition = Condition::IfMatch(existing.etag);
    store
        .complete_multipart(&upload, &parts, &condition)
        .await
        .unwrap();
    assert_eq!(content(&store, "m").await, b"new");
    assert!(names(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn an_aborted_upload_is_gone_and_aborting_again_succeeds() {
    let (dir, store) = open();
    let upload = begin(&store).await;
    part(&store, &upload, 1, b"first").await;
    store.abort_multipart(&upload).await.unwrap();
    store.abort_multipart(&upload).await.unwrap();
    assert!(names(&dir.path().join("tmp")).is_empty());
    let result = store.upload_part(&upload, 2, gathered(b"2")).await;
    assert!(matches!(result, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn upload_ids_from_outside_reach_nothing_else() {
    let (_dir, store) = open();
    let upload = begin(&store).await;
    let path = format!("../tmp/{}", upload.upload_id);
    for multipart in [
        Multipart {
            upload_id: path,
            ..upload.clone()
        },
        Multipart {
            upload_id: String::new(),
            ..upload.clone()
        },
        Multipart {
            key: key("other"),
            ..upload.clone()
        },
        Multipart {
            part_size: 6,
            ..upload.clone()
        },
    ] {
        let result = store.upload_part(&multipart, 1, gathered(b"1")).await;
        assert!(matches!(result, Err(StoreError::NotFound)));
        store.abort_multipart(&multipart).await.unwrap();
    }
    part(&store, &upload, 1, b"1").await;
}
