//! Whole objects: what goes in comes out, and what fails leaves nothing.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use cloud_portfolio::store::{Attributes, Condition, Payload, StoreError};

use super::backend::{Bench, broken, gathered, key, read, streamed};
use crate::s3::assert_err;
use crate::support::Noise;

fn all_attributes() -> Attributes {
    Attributes {
        content_type: Some("text/plain; charset=utf-8".into()),
        cache_control: Some("max-age=60, private".into()),
        content_language: Some("de, en".into()),
        content_encoding: Some("br".into()),
        metadata: vec![
            ("a-number".into(), "42".into()),
            ("owner".into(), "O'Neill & \"Co\" <a@b> 100%".into()),
        ],
        nonce: Some("beside-the_metadata".into()),
    }
}

pub async fn what_is_put_reads_back_with_its_attributes(bench: &Bench) {
    let attributes = all_attributes();
    let bytes = Noise::bytes(1, 100_000);
    let put = bench
        .store
        .put(
            &key("dir/a.txt"),
            &attributes,
            &Condition::None,
            gathered(&bytes),
        )
        .await
        .unwrap();
    let head = bench.store.head(&key("dir/a.txt"), None).await.unwrap();
    let get = bench
        .store
        .get(&key("dir/a.txt"), None, None, Some(&put.etag))
        .await
        .unwrap();
    for meta in [&put, &head, &get.meta] {
        assert_eq!(meta.key, "dir/a.txt");
        assert_eq!(meta.size, 100_000);
        assert_eq!(meta.attributes, attributes);
        assert!(!meta.etag.is_empty() && !meta.etag.contains('"'));
        assert_eq!(meta.etag, put.etag);
        assert_eq!(meta.version_id, put.version_id);
        let age = Utc::now() - meta.last_modified;
        assert!(age.abs() < TimeDelta::minutes(5), "{age}");
    }
    assert_eq!(put.version_id.is_some(), bench.can.keeps_versions.yes());
    assert_eq!(get.range, None);
    assert!(read(get.body).await.unwrap() == bytes);
}

pub async fn an_object_put_without_attributes_has_none(bench: &Bench) {
    bench.put("plain", b"x").await;
    let head = bench.store.head(&key("plain"), None).await.unwrap();
    // S3 gives every object a type.
    let attributes = Attributes {
        content_type: None,
        ..head.attributes
    };
    assert_eq!(attributes, Attributes::default());
}

pub async fn an_empty_object_is_an_object(bench: &Bench) {
    for (name, payload) in [
        ("no-block", Payload::Gathered(Vec::new())),
        ("empty-block", gathered(b"")),
        (
            "empty-blocks",
            Payload::Gathered(vec![Bytes::new(), Bytes::new()]),
        ),
        ("stream", streamed(b"", 1)),
    ] {
        let attributes = all_attributes();
        let put = bench
            .store
            .put(&key(name), &attributes, &Condition::None, payload)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(put.size, 0, "{name}");
        let get = bench.store.get(&key(name), None, None, None).await.unwrap();
        assert_eq!((get.meta.size, get.range), (0, None), "{name}");
        assert_eq!(get.meta.attributes, attributes, "{name}");
        assert!(read(get.body).await.unwrap().is_empty(), "{name}");
    }
}

pub async fn payloads_of_every_shape_are_stored_byte_for_byte(bench: &Bench) {
    let bytes = Noise::bytes(2, 700_001);
    let blocks = |sizes: &[usize]| {
        let mut rest = bytes.as_slice();
        let mut blocks = Vec::new();
        for &size in sizes {
            let (block, after) = rest.split_at(size);
            blocks.push(Bytes::copy_from_slice(block));
            rest = after;
        }
        (sizes.iter().sum(), Payload::Gathered(blocks))
    };
    let mut shapes: Vec<(usize, Payload)> = vec![
        blocks(&[1]),
        // Around the size up to which a payload is signed with its digest.
        blocks(&[65_535]),
        blocks(&[65_536]),
        blocks(&[65_537]),
        blocks(&[10, 0, 20]),
        blocks(&[262_144, 262_144, 1_000]),
        blocks(&[0, 700_001]),
    ];
    for size in [1_448, 65_536, 700_001] {
        shapes.push((bytes.len(), streamed(&bytes, size)));
    }
    shapes.push((999, streamed(&bytes[..999], 1)));
    for (number, (len, payload)) in shapes.into_iter().enumerate() {
        let name = format!("shape-{number}");
        let attributes = Attributes::default();
        let put = bench
            .store
            .put(&key(&name), &attributes, &Condition::None, payload)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(put.size, len as u64, "{name}");
        let get = bench
            .store
            .get(&key(&name), None, None, None)
            .await
            .unwrap();
        // Whatever framing it came in is not the object's.
        assert_eq!(get.meta.attributes.content_encoding, None, "{name}");
        assert!(read(get.body).await.unwrap() == bytes[..len], "{name}");
    }
}

pub async fn a_put_replaces_the_bytes_and_the_attributes(bench: &Bench) {
    let first = bench
        .store
        .put(
            &key("a"),
            &all_attributes(),
            &Condition::None,
            gathered(b"first"),
        )
        .await
        .unwrap();
    let second = bench.put("a", b"the second").await;
    assert_ne!(first.etag, second.etag);
    let get = bench.store.get(&key("a"), None, None, None).await.unwrap();
    assert_eq!((get.meta.etag, get.meta.size), (second.etag, 10));
    assert_eq!(get.meta.attributes.metadata, []);
    assert_eq!(get.meta.attributes.cache_control, None);
    assert_eq!(read(get.body).await.unwrap(), b"the second");
}

async fn stores_nothing(bench: &Bench, failure: fn() -> Option<StoreError>) {
    let bytes = Noise::bytes(3, 400_000);
    // Broken before the first byte, amid, and one byte before the end.
    for sent in [0, 100, 399_999] {
        let attributes = Attributes::default();
        let payload = broken(&bytes[..sent], 400_000, failure());
        let put = bench
            .store
            .put(&key("broken"), &attributes, &Condition::None, payload)
            .await;
        assert_err!(put, StoreError::Source(_), "after {sent} bytes");
        let head = bench.store.head(&key("broken"), None).await;
        assert_err!(head, StoreError::NotFound, "after {sent} bytes");
    }
}

pub async fn a_streamed_payload_that_fails_stores_nothing(bench: &Bench) {
    stores_nothing(bench, || Some(StoreError::Source("the client left".into()))).await;
}

pub async fn a_streamed_payload_that_is_short_stores_nothing(bench: &Bench) {
    stores_nothing(bench, || None).await;
}

pub async fn a_failed_put_leaves_the_old_object(bench: &Bench) {
    let old = bench.put("a", b"old").await;
    for failure in [Some(StoreError::Source("the client left".into())), None] {
        let attributes = Attributes::default();
        let payload = broken(&Noise::bytes(10, 99_999), 100_000, failure);
        let put = bench
            .store
            .put(&key("a"), &attributes, &Condition::None, payload)
            .await;
        assert_err!(put, StoreError::Source(_));
    }
    let head = bench.store.head(&key("a"), None).await.unwrap();
    assert_eq!((head.etag, head.version_id), (old.etag, old.version_id));
    assert_eq!(bench.content("a").await.unwrap(), b"old");
}

pub async fn what_was_never_put_is_not_found(bench: &Bench) {
    bench.put("there", b"x").await;
    for name in ["nowhere", "no/where", "ther", "there2"] {
        let head = bench.store.head(&key(name), None).await;
        assert_err!(head, StoreError::NotFound, "{name}");
        let get = bench.store.get(&key(name), None, None, None).await;
        assert_err!(get, StoreError::NotFound, "{name}");
        let get = bench.store.get(&key(name), None, None, Some("etag")).await;
        assert_err!(get, StoreError::NotFound, "{name}");
    }
}

pub async fn a_delete_succeeds_twice_and_for_what_was_never_there(bench: &Bench) {
    bench.put("a", b"x").await;
    bench.put("ab", b"y").await;
    for name in ["a", "a", "never"] {
        bench.store.delete(&key(name), None).await.unwrap();
        let head = bench.store.head(&key(name), None).await;
        assert_err!(head, StoreError::NotFound, "{name}");
        let get = bench.store.get(&key(name), None, None, None).await;
        assert_err!(get, StoreError::NotFound, "{name}");
    }
    assert_eq!(bench.content("ab").await.unwrap(), b"y");
    bench.put("a", b"again").await;
    assert_eq!(bench.content("a").await.unwrap(), b"again");
}
