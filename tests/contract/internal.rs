//! The listing of the program's own temporary objects, by which the sweeper finds uploads.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use cloud_portfolio::config::UploadConfig;
use cloud_portfolio::store::{Attributes, ListQuery, ObjectMeta};
use cloud_portfolio::upload::resume::{New, UploadId};
use cloud_portfolio::upload::{Budget, Engine};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::backend::{Bench, gathered, key};

/// One more than a page holds.
const MORE_THAN_A_PAGE: usize = 1001;

fn engine(bench: &Bench) -> Engine {
    let config = UploadConfig {
        buffer_bytes: 16 << 20,
        part_bytes: 5 << 20,
        concurrency: 4,
        max_bytes: 1 << 30,
        expiry: Duration::from_hours(1),
    };
    Engine::new(bench.store.clone(), Budget::new(16 << 20), config)
}

/// A resumable upload: it has one temporary object, its state.
async fn begin(engine: &Engine, name: &str) -> UploadId {
    let new = New {
        key: key(name),
        attributes: Attributes::default(),
        length: None,
        metadata: None,
        if_absent: false,
    };
    engine.begin(new).await.unwrap().0
}

/// All pages, each but the last with a cursor and something in it.
async fn list(bench: &Bench, below: &str) -> Vec<ObjectMeta> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = bench.store.list_internal(below, cursor.as_deref());
        let page = page.await.unwrap();
        assert_eq!(page.prefixes, [""; 0]);
        all.extend(page.objects);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

fn keys(objects: &[ObjectMeta]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

pub async fn temporary_objects_are_listed_in_order_and_to_nobody_else(bench: &Bench) {
    assert_eq!(list(bench, "").await.len(), 0);
    bench.put("a", b"not temporary").await;
    let engine = engine(bench);
    let mut ids = Vec::new();
    for name in ["a", "dir/b", "dir/c"] {
        ids.push(begin(&engine, name).await);
    }
    let listed = list(bench, "uploads/").await;
    assert_eq!(listed.len(), 3);
    assert!(keys(&listed).is_sorted());
    for object in &listed {
        let name = object.key.strip_prefix(".cloud-portfolio/uploads/");
        assert!(name.unwrap().ends_with("/state"), "{}", object.key);
        assert!(object.size > 0);
        assert!((Utc::now() - object.last_modified).abs() < TimeDelta::minutes(5));
    }
    assert_eq!(keys(&list(bench, "").await), keys(&listed));
    assert_eq!(list(bench, "other/").await.len(), 0);
    let query = ListQuery {
        prefix: String::new(),
        delimiter: None,
        limit: 1000,
        cursor: None,
    };
    let page = bench.store.list(&query).await.unwrap();
    assert_eq!(keys(&page.objects), ["a"]);
    for id in ids {
        engine.cancel(&id).await.unwrap();
    }
    assert_eq!(list(bench, "").await.len(), 0);
}

pub async fn temporary_objects_are_listed_past_the_first_page(bench: &Bench) {
    let numbers = stream::iter(0..MORE_THAN_A_PAGE);
    let below = if let Some(internal) = bench.deeper(".cloud-portfolio/") {
        let puts = numbers.map(|n| {
            let internal = internal.clone();
            async move {
                let attributes = Attributes::default();
                let condition = cloud_portfolio::store::Condition::None;
                let name = key(&format!("many/{n:04}"));
                internal
                    .put(&name, &attributes, &condition, gathered(b"x"))
                    .await
            }
        });
        puts.buffer_unordered(16)
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
        "many/"
    } else {
        let engine = engine(bench);
        let begun = numbers.map(|_| begin(&engine, "a"));
        begun.buffer_unordered(16).collect::<Vec<_>>().await;
        "uploads/"
    };
    let first = bench.store.list_internal(below, None).await.unwrap();
    assert!(first.next_cursor.is_some());
    let listed = list(bench, below).await;
    assert_eq!(listed.len(), MORE_THAN_A_PAGE);
    assert!(keys(&listed).is_sorted_by(|a, b| a < b));
}
