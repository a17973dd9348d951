//! The store as a whole: what its callers rely on. Formats and listings have their tests beside
//! them; what every store must do is tested by the contract suite.

mod failures;
mod kept;
mod multipart;

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use super::*;
use crate::store::{Bytestream, KeyRules};

fn key(text: &str) -> ObjectKey {
    KeyRules::default().readable(text).unwrap()
}

fn gathered(bytes: &[u8]) -> Payload {
    Payload::Gathered(vec![Bytes::copy_from_slice(bytes)])
}

fn streamed(len: u64, chunks: Vec<StoreResult<Bytes>>) -> Payload {
    let body = stream::iter(chunks).boxed();
    Payload::Streamed { len, body }
}

fn open() -> (TempDir, Arc<FsStore>) {
    let dir = tempfile::tempdir().unwrap();
    let store = FsStore::open(dir.path()).unwrap();
    (dir, store)
}

async fn put(store: &FsStore, name: &str, bytes: &[u8]) -> ObjectMeta {
    let attributes = Attributes::default();
    store
        .put(&key(name), &attributes, &Condition::None, gathered(bytes))
        .await
        .unwrap()
}

async fn put_if(store: &FsStore, name: &str, condition: Condition) -> StoreResult<ObjectMeta> {
    let attributes = Attributes::default();
    store
        .put(&key(name), &attributes, &condition, gathered(b"if"))
        .await
}

async fn read(body: Bytestream) -> StoreResult<Vec<u8>> {
    let blocks: Vec<Bytes> = body.try_collect().await?;
    Ok(blocks.concat())
}

async fn content(store: &FsStore, name: &str) -> Vec<u8> {
    let download = store.get(&key(name), None, None, None).await.unwrap();
    read(download.body).await.unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn version_file(dir: &Path, name: &str, meta: &ObjectMeta) -> PathBuf {
    dir.join("objects")
        .join(layout::object_dir(name))
        .join(&meta.version_id.as_ref().unwrap().0)
}

#[tokio::test]
async fn an_object_reads_back_with_its_attributes_also_after_a_restart() {
    let (dir, store) = open();
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        metadata: vec![("owner".into(), "me".into())],
        ..Attributes::default()
    };
    let bytes: Vec<u8> = (0..600_000_u32).map(|i| i as u8).collect();
    let put = store
        .put(
            &key("a/../b"),
            &attributes,
            &Condition::None,
            gathered(&bytes),
        )
        .await
        .unwrap();
    drop(store);
    let store = FsStore::open(dir.path()).unwrap();
    let head = store.head(&key("a/../b"), None).await.unwrap();
    assert_eq!((head.size, &head.attributes), (600_000, &attributes));
    assert_eq!((&head.etag, &head.version_id), (&put.etag, &put.version_id));
    assert_eq!(head.last_modified, put.last_modified);
    assert!(content(&store, "a/../b").await == bytes);
    let range = Some(RangeSpec::Between(262_143, 524_288));
    let part = store
        .get(&key("a/../b"), None, range, Some(&put.etag))
        .await
        .unwrap();
    assert_eq!(
        part.range.map(|range| (range.start, range.end)),
        Some((262_143, 524_289))
    );
    assert!(read(part.body).await.unwrap() == bytes[262_143..524_289]);
    store.check().await.unwrap();
}

#[tokio::test]
async fn plain_tools_recover_an_object_from_its_file() {
    let (dir, store) = open();
    let meta = put(&store, "Hello", b"hello").await;
    let file = fs::read(version_file(dir.path(), "Hello", &meta)).unwrap();
    assert!(file.starts_with(b"hello{\"size\":5"));
}

#[tokio::test]
async fn overwrites_and_deletes_keep_earlier_versions() {
    let (_dir, store) = open();
    let first = put(&store, "a", b"one").await;
    let second = put(&store, "a", b"two").await;
    assert!(first.version_id != second.version_id && first.etag != second.etag);
    assert!(first.last_modified < second.last_modified);
    store.delete(&key("a"), None).await.unwrap();
    store.delete(&key("a"), None).await.unwrap();
    assert!(matches!(
        store.head(&key("a"), None).await,
        Err(StoreError::NotFound)
    ));
    for (meta, bytes) in [(&first, b"one"), (&second, b"two")] {
        let old = store
            .get(&key("a"), meta.version_id.as_ref(), None, None)
            .await
            .unwrap();
        assert_eq!(old.meta.version_id, meta.version_id);
        assert_eq!(read(old.body).await.unwrap(), bytes);
    }
    put(&store, "a", b"three").await;
    assert_eq!(content(&store, "a").await, b"three");
}

#[tokio::test]
async fn deleting_a_marker_brings_the_object_back() {
    let (dir, store) = open();
    put(&store, "a", b"one").await;
    store.delete(&key("a"), None).await.unwrap();
    let files = names(&dir.path().join("objects/a.o"));
    let marker = files
        .iter()
        .find_map(|name| name.strip_suffix(".del"))
        .unwrap();
    let marker = VersionId(marker.to_owned());
    let named = store.head(&key("a"), Some(&marker)).await;
    assert!(matches!(named, Err(StoreError::NotFound)));
    store.delete(&key("a"), Some(&marker)).await.unwrap();
    assert_eq!(content(&store, "a").await, b"one");
}

#[tokio::test]
async fn the_last_version_takes_its_empty_directories_along_but_not_the_root() {
    let (dir, store) = open();
    let other = put(&store, "a/x", b"x").await;
    let meta = put(&store, "a/b/c/d", b"d").await;
    store
        .delete(&key("a/b/c/d"), meta.version_id.as_ref())
        .await
        .unwrap();
    assert_eq!(names(&dir.path().join("objects/a.d")), ["x.o"]);
    store
        .delete(&key("a/x"), other.version_id.as_ref())
        .await
        .unwrap();
    assert!(names(&dir.path().join("objects")).is_empty());
    put(&store, "a/b/c/d", b"d").await;
}

#[tokio::test]
async fn version_ids_from_outside_reach_nothing_else() {
    let (_dir, store) = open();
    let meta = put(&store, "a", b"a").await;
    put(&store, "b", b"b").await;
    let path = format!("../a.o/{}", meta.etag);
    for text in ["", "..", &path, "0000000000000001-00000000", "x\0y"] {
        let version = VersionId(text.to_owned());
        let head = store.head(&key("b"), Some(&version)).await;
        assert!(matches!(head, Err(StoreError::NotFound)), "{text:?}");
        store.delete(&key("b"), Some(&version)).await.unwrap();
    }
    assert_eq!(content(&store, "a").await, b"a");
    assert_eq!(content(&store, "b").await, b"b");
}

#[tokio::test]
async fn writes_happen_only_under_their_condition() {
    let (dir, store) = open();
    let refused = |result| matches!(result, Err(StoreError::Precondition));
    assert!(refused(
        put_if(&store, "a", Condition::IfMatch("x".into())).await
    ));
    let first = put_if(&store, "a", Condition::IfAbsent).await.unwrap();
    assert!(refused(put_if(&store, "a", Condition::IfAbsent).await));
    assert!(refused(
        put_if(&store, "a", Condition::IfMatch("x".into())).await
    ));
    let etag = first.etag.clone();
    let second = put_if(&store, "a", Condition::IfMatch(etag.clone()))
        .await
        .unwrap();
    assert!(refused(
        put_if(&store, "a", Condition::IfMatch(etag.clone())).await
    ));
    let got = store.get(&key("a"), None, None, Some(&etag)).await.err();
    assert!(matches!(got, Some(StoreError::Precondition)));
    store.delete(&key("a"), None).await.unwrap();
    assert!(refused(
        put_if(&store, "a", Condition::IfMatch(second.etag)).await
    ));
    put_if(&store, "a", Condition::IfAbsent).await.unwrap();
    assert!(names(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn listings_go_through_the_store() {
    let (_dir, store) = open();
    for name in ["b", "a/1", "a/2"] {
        put(&store, name, b"x").await;
    }
    store.delete(&key("b"), None).await.unwrap();
    let query = ListQuery {
        prefix: "a/".into(),
        delimiter: Some("/".into()),
        limit: 1,
        cursor: None,
    };
    let page = store.list(&query).await.unwrap();
    assert_eq!(page.objects[0].key, "a/1");
    let cursor = page.next_cursor;
    let page = store.list(&ListQuery { cursor, ..query }).await.unwrap();
    assert_eq!(page.objects[0].key, "a/2");
    assert_eq!(page.next_cursor, None);
}

#[tokio::test]
async fn temporary_objects_of_our_own_are_listed_for_us_alone() {
    let (_dir, store) = open();
    for name in ["a", "b/c"] {
        let key = ObjectKey::internal(name);
        let attributes = Attributes::default();
        store
            .put(&key, &attributes, &Condition::None, gathered(b"x"))
            .await
            .unwrap();
    }
    put(&store, "a", b"x").await;
    let page = store.list_internal("", None).await.unwrap();
    let keys: Vec<_> = page.objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(keys, [".cloud-portfolio/a", ".cloud-portfolio/b/c"]);
    assert_eq!(
        store.list_internal("b/", None).await.unwrap().objects.len(),
        1
    );
    for prefix in ["", ".cloud-portfolio/", ".cloud-portfolio/b"] {
        let query = ListQuery {
            prefix: prefix.into(),
            delimiter: None,
            limit: 9,
            cursor: None,
        };
        let page = store.list(&query).await.unwrap();
        let keys: Vec<_> = page.objects.into_iter().map(|o| o.key).collect();
        assert_eq!(keys, if prefix.is_empty() { vec!["a"] } else { vec![] });
    }
}

#[tokio::test]
async fn streamed_objects_are_stored_whole_also_when_empty() {
    let (_dir, store) = open();
    for (count, size) in [(0, 0), (1, 100_000), (700, 1_448)] {
        let chunk = Bytes::from(vec![b'x'; size]);
        let chunks: Vec<_> = std::iter::repeat_n(chunk, count).map(Ok).collect();
        let payload = streamed((count * size) as u64, chunks);
        let attributes = Attributes::default();
        let put = store
            .put(&key("a"), &attributes, &Condition::None, payload)
            .await;
        assert_eq!(put.unwrap().size, (count * size) as u64);
        assert!(content(&store, "a").await == vec![b'x'; count * size]);
    }
    put(&store, "empty", b"").await;
    let range = store
        .get(&key("empty"), None, Some(RangeSpec::From(0)), None)
        .await
        .err();
    assert!(matches!(range, Some(StoreError::Range { size: 0 })));
}
