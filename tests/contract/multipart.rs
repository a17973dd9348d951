//! Uploads in parts.

use cloud_portfolio::store::{
    Attributes, Condition, ListQuery, Multipart, Part, StoreError, StoreResult,
};
use futures_util::future::join_all;

use super::backend::{Bench, broken, gathered, key, read, streamed};
use crate::s3::assert_err;
use crate::support::Noise;

/// The smallest part but the last that S3 takes (S3 User Guide, "multipart upload limits").
const PART: u64 = 5 << 20;

async fn begin(bench: &Bench, name: &str) -> Multipart {
    let attributes = Attributes::default();
    bench
        .store
        .create_multipart(&key(name), &attributes, PART)
        .await
        .unwrap()
}

async fn send(bench: &Bench, upload: &Multipart, number: u32, bytes: &[u8]) -> Part {
    bench
        .store
        .upload_part(upload, number, gathered(bytes))
        .await
        .unwrap()
}

async fn complete(bench: &Bench, upload: &Multipart, parts: &[Part]) {
    let meta = bench
        .store
        .complete_multipart(upload, parts, &Condition::None)
        .await
        .unwrap();
    let head = bench.store.head(&upload.key, None).await.unwrap();
    assert_eq!((meta.key, meta.size), (head.key, head.size));
    assert_eq!((meta.etag, meta.version_id), (head.etag, head.version_id));
    assert_eq!(meta.attributes, head.attributes);
    assert_eq!(meta.last_modified, head.last_modified);
}

pub async fn parts_sent_at_once_and_out_of_order_make_one_object(bench: &Bench) {
    let attributes = Attributes {
        content_type: Some("video/mp4".into()),
        cache_control: Some("no-store".into()),
        content_language: Some("fr".into()),
        content_encoding: Some("gzip".into()),
        metadata: vec![("camera".into(), "X 1/2 + 3%".into())],
        nonce: Some("random".into()),
    };
    let bytes = Noise::bytes(5, 3 * PART + 12_345);
    let upload = bench
        .store
        .create_multipart(&key("dir/large +%é.mp4"), &attributes, PART)
        .await
        .unwrap();
    assert_eq!(upload.key, key("dir/large +%é.mp4"));
    assert_eq!(upload.part_size, PART);
    let chunks: Vec<&[u8]> = bytes.chunks(PART as usize).collect();
    let sent = [4, 2, 1, 3].map(|number: u32| {
        let chunk = chunks[number as usize - 1];
        let payload = match number {
            1 => streamed(chunk, 16_384),
            _ => gathered(chunk),
        };
        bench.store.upload_part(&upload, number, payload)
    });
    let sent: StoreResult<Vec<Part>> = join_all(sent).await.into_iter().collect();
    let mut parts = sent.unwrap();
    parts.sort_by_key(|part| part.number);
    for (part, chunk) in parts.iter().zip(&chunks) {
        assert_eq!(part.size, chunk.len() as u64);
    }
    complete(bench, &upload, &parts).await;
    let get = bench.store.get(&upload.key, None, None, None).await;
    let get = get.unwrap();
    assert_eq!(get.meta.size, bytes.len() as u64);
    assert_eq!(get.meta.attributes, attributes);
    assert!(read(get.body).await.unwrap() == bytes);
}

pub async fn one_part_makes_an_object(bench: &Bench) {
    for size in [1, 100_000] {
        let bytes = Noise::bytes(6, size);
        let upload = begin(bench, "a").await;
        let part = send(bench, &upload, 1, &bytes).await;
        complete(bench, &upload, &[part]).await;
        assert!(bench.content("a").await.unwrap() == bytes, "{size}");
    }
}

pub async fn one_empty_part_makes_an_empty_object(bench: &Bench) {
    let upload = begin(bench, "a").await;
    let part = send(bench, &upload, 1, b"").await;
    if bench.can.completes_an_empty_part.yes() {
        complete(bench, &upload, &[part]).await;
        assert!(bench.content("a").await.unwrap().is_empty());
        return;
    }
    let completed = bench
        .store
        .complete_multipart(&upload, &[part], &Condition::None)
        .await;
    // MinIO says that the checksum is another.
    assert_err!(
        completed,
        StoreError::Malformed(_) | StoreError::Unavailable(_)
    );
    assert_err!(bench.content("a").await, StoreError::NotFound);
    bench.store.abort_multipart(&upload).await.unwrap();
}

pub async fn a_part_sent_again_replaces_the_first(bench: &Bench) {
    let wrong = Noise::bytes(7, PART);
    let right = Noise::bytes(8, PART);
    let upload = begin(bench, "a").await;
    send(bench, &upload, 1, &wrong).await;
    send(bench, &upload, 2, b"too long by far").await;
    let first = send(bench, &upload, 1, &right).await;
    let second = send(bench, &upload, 2, b"end").await;
    complete(bench, &upload, &[first, second]).await;
    assert!(bench.content("a").await.unwrap() == [right.as_slice(), b"end"].concat());
}

pub async fn a_streamed_part_that_failed_can_be_sent_again(bench: &Bench) {
    let bytes = Noise::bytes(9, 300_000);
    let upload = begin(bench, "a").await;
    for failure in [Some(StoreError::Source("the client left".into())), None] {
        let payload = broken(&bytes[..200_000], 300_000, failure);
        let part = bench.store.upload_part(&upload, 1, payload).await;
        assert_err!(part, StoreError::Source(_));
    }
    let payload = streamed(&bytes, 1_448);
    let part = bench.store.upload_part(&upload, 1, payload).await.unwrap();
    complete(bench, &upload, &[part]).await;
    assert!(bench.content("a").await.unwrap() == bytes);
}

pub async fn nothing_is_visible_before_completion(bench: &Bench) {
    let upload = begin(bench, "dir/a").await;
    send(bench, &upload, 1, b"part").await;
    let head = bench.store.head(&key("dir/a"), None).await;
    assert_err!(head, StoreError::NotFound);
    for delimiter in [None, Some("/".to_owned())] {
        let query = ListQuery {
            prefix: String::new(),
            delimiter,
            limit: 9,
            cursor: None,
        };
        let page = bench.store.list(&query).await.unwrap();
        assert!(page.objects.is_empty() && page.prefixes.is_empty());
    }
    bench.store.abort_multipart(&upload).await.unwrap();
}

pub async fn a_completion_replaces_the_object(bench: &Bench) {
    let old = bench.put("a", b"old").await;
    let upload = begin(bench, "a").await;
    let part = send(bench, &upload, 1, b"new").await;
    assert_eq!(bench.content("a").await.unwrap(), b"old");
    complete(bench, &upload, &[part]).await;
    assert_eq!(bench.content("a").await.unwrap(), b"new");
    let head = bench.store.head(&key("a"), None).await.unwrap();
    assert_ne!(head.etag, old.etag);
    if bench.can.keeps_versions.yes() {
        assert_ne!(head.version_id, old.version_id);
        let old = bench.store.head(&key("a"), old.version_id.as_ref()).await;
        assert_eq!(old.unwrap().size, 3);
    }
}

/// What every call but an abort says of an upload that is not there.
async fn is_unknown(bench: &Bench, upload: &Multipart, parts: &[Part]) {
    let part = bench.store.upload_part(upload, 1, gathered(b"x")).await;
    let completed = bench
        .store
        .complete_multipart(upload, parts, &Condition::None)
        .await;
    if bench.can.tells_unknown_uploads.yes() {
        assert_err!(part, StoreError::NotFound);
        assert_err!(completed, StoreError::NotFound);
    } else {
        assert_err!(part, StoreError::Refused(_));
        assert_err!(completed, StoreError::Refused(_));
    }
}

async fn abort_of_unknown(bench: &Bench, upload: &Multipart) {
    let aborted = bench.store.abort_multipart(upload).await;
    if bench.can.tells_unknown_uploads.yes() {
        aborted.unwrap();
    } else {
        assert_err!(aborted, StoreError::Refused(_));
    }
}

pub async fn an_aborted_upload_is_gone(bench: &Bench) {
    bench.put("a", b"before").await;
    let upload = begin(bench, "a").await;
    let part = send(bench, &upload, 1, b"part").await;
    bench.store.abort_multipart(&upload).await.unwrap();
    is_unknown(bench, &upload, &[part]).await;
    assert_eq!(bench.content("a").await.unwrap(), b"before");
}

pub async fn an_upload_can_be_aborted_twice(bench: &Bench) {
    let upload = begin(bench, "a").await;
    bench.store.abort_multipart(&upload).await.unwrap();
    abort_of_unknown(bench, &upload).await;
    // Once it is complete it is gone as well, and the object stays.
    let upload = begin(bench, "a").await;
    let part = send(bench, &upload, 1, b"part").await;
    complete(bench, &upload, &[part]).await;
    abort_of_unknown(bench, &upload).await;
    assert_eq!(bench.content("a").await.unwrap(), b"part");
}

pub async fn an_unknown_upload_is_not_found(bench: &Bench) {
    let upload = Multipart {
        key: key("a"),
        upload_id: "00000000-0000-4000-8000-000000000000".into(),
        part_size: PART,
        crc64: false,
    };
    let part = Part {
        number: 1,
        size: 1,
        etag: "d41d8cd98f00b204e9800998ecf8427e".into(),
        crc64: None,
    };
    is_unknown(bench, &upload, &[part]).await;
    abort_of_unknown(bench, &upload).await;
    let head = bench.store.head(&key("a"), None).await;
    assert_err!(head, StoreError::NotFound);
}
