//! Earlier versions, where the store keeps them.

use cloud_portfolio::store::{ObjectMeta, StoreError, VersionId};

use super::backend::{Bench, key, read};
use crate::s3::assert_err;

/// The object's version, on a store that keeps versions. On one that does not, asserts that it
/// names none: a version that it cannot find again would be worse than none.
fn version(bench: &Bench, meta: &ObjectMeta) -> Option<VersionId> {
    assert_eq!(meta.version_id.is_some(), bench.can.keeps_versions.yes());
    meta.version_id.clone()
}

async fn content_of(bench: &Bench, name: &str, version: &VersionId) -> Vec<u8> {
    let head = bench.store.head(&key(name), Some(version)).await.unwrap();
    assert_eq!(head.version_id.as_ref(), Some(version));
    let get = bench
        .store
        .get(&key(name), Some(version), None, Some(&head.etag))
        .await
        .unwrap();
    assert_eq!(get.meta.version_id.as_ref(), Some(version));
    let bytes = read(get.body).await.unwrap();
    assert_eq!(head.size, bytes.len() as u64);
    bytes
}

pub async fn an_overwritten_object_is_still_there_by_its_version(bench: &Bench) {
    let Some(first) = version(bench, &bench.put("a", b"one").await) else {
        return;
    };
    let second = version(bench, &bench.put("a", b"two").await).unwrap();
    assert_ne!(first, second);
    assert_eq!(content_of(bench, "a", &first).await, b"one");
    assert_eq!(content_of(bench, "a", &second).await, b"two");
    assert_eq!(bench.content("a").await.unwrap(), b"two");
}

pub async fn a_deleted_object_is_still_there_by_its_version(bench: &Bench) {
    let Some(first) = version(bench, &bench.put("a", b"one").await) else {
        return;
    };
    bench.store.delete(&key("a"), None).await.unwrap();
    bench.store.delete(&key("a"), None).await.unwrap();
    let head = bench.store.head(&key("a"), None).await;
    assert_err!(head, StoreError::NotFound);
    assert_eq!(content_of(bench, "a", &first).await, b"one");
}

pub async fn a_version_can_be_deleted_alone(bench: &Bench) {
    let Some(first) = version(bench, &bench.put("a", b"one").await) else {
        return;
    };
    let second = version(bench, &bench.put("a", b"two").await).unwrap();
    let third = version(bench, &bench.put("a", b"three").await).unwrap();
    for _ in 0..2 {
        bench.store.delete(&key("a"), Some(&second)).await.unwrap();
        let head = bench.store.head(&key("a"), Some(&second)).await;
        assert_err!(head, StoreError::NotFound);
        let get = bench.store.get(&key("a"), Some(&second), None, None).await;
        assert_err!(get, StoreError::NotFound);
    }
    assert_eq!(content_of(bench, "a", &first).await, b"one");
    assert_eq!(bench.content("a").await.unwrap(), b"three");
    // The current one goes: the one before it is current again.
    bench.store.delete(&key("a"), Some(&third)).await.unwrap();
    assert_eq!(bench.content("a").await.unwrap(), b"one");
    bench.store.delete(&key("a"), Some(&first)).await.unwrap();
    assert_err!(bench.content("a").await, StoreError::NotFound);
}

pub async fn unknown_versions_are_not_found(bench: &Bench) {
    let Some(other) = version(bench, &bench.put("other", b"x").await) else {
        return;
    };
    bench.put("a", b"one").await;
    let unknown = [
        "00000000-0000-4000-8000-000000000000",
        "0000000000000001-00000000",
        "null",
        "no version id",
        "../..",
        "a&b=c",
        &other.0,
    ];
    for text in unknown {
        let version = VersionId(text.to_owned());
        let head = bench.store.head(&key("a"), Some(&version)).await;
        assert_err!(head, StoreError::NotFound, "{text:?}");
        let get = bench.store.get(&key("a"), Some(&version), None, None).await;
        assert_err!(get, StoreError::NotFound, "{text:?}");
        bench.store.delete(&key("a"), Some(&version)).await.unwrap();
    }
    assert_eq!(bench.content("a").await.unwrap(), b"one");
    assert_eq!(bench.content("other").await.unwrap(), b"x");
}
