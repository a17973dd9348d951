//! Listings, page by page, against a model of what S3 would list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use cloud_portfolio::store::{
    Attributes, Condition, ListPage, ListQuery, Store, StoreError, StoreResult,
};

use super::backend::{Bench, gathered, key};
use crate::s3::assert_err;

/// In the order of their UTF-8 bytes, which is neither that of UTF-16 (the last two) nor that of
/// file names, nor that of a walk through directories (`d`, `d!`, `d/`, `d0`).
const KEYS: &[&str] = &[
    "!",
    "B",
    "Z/1",
    "a",
    "b/1",
    "b/2/1",
    "b/2/2",
    "b/3",
    "b0",
    "c-d/e!f",
    "c-d/e!f!g",
    "c/d",
    "c0",
    "d!/1",
    "d!x",
    "d/1",
    "d/2",
    "d0",
    "e",
    "z",
    "é/1",
    "日/本",
    "～",
    "😀",
];

fn query(prefix: &str, delimiter: Option<&str>, limit: u16) -> ListQuery {
    ListQuery {
        prefix: prefix.to_owned(),
        delimiter: delimiter.map(str::to_owned),
        limit,
        cursor: None,
    }
}

async fn plant(bench: &Bench) {
    // Neither in order nor in reverse.
    let (even, odd): (Vec<_>, Vec<_>) = KEYS.iter().enumerate().partition(|(i, _)| i % 2 == 0);
    for (_, name) in odd.into_iter().chain(even.into_iter().rev()) {
        bench.put(name, name.as_bytes()).await;
    }
}

/// Keys and prefixes of a page in one order.
fn items(page: &ListPage) -> Vec<String> {
    let mut keys: Vec<_> = page.objects.iter().map(|o| o.key.clone()).collect();
    assert!(keys.is_sorted() && page.prefixes.is_sorted(), "{page:?}");
    keys.extend(page.prefixes.iter().cloned());
    keys.sort();
    keys
}

/// What S3 would list.
fn model(prefix: &str, delimiter: Option<&str>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in KEYS.iter().filter(|name| name.starts_with(prefix)) {
        let rest = &name[prefix.len()..];
        let item = match delimiter.and_then(|text| Some((rest.find(text)?, text.len()))) {
            Some((at, len)) => &name[..prefix.len() + at + len],
            None => name,
        };
        if all.last().is_none_or(|last| last != item) {
            all.push(item.to_owned());
        }
    }
    all
}

async fn all_pages(store: &dyn Store, mut query: ListQuery) -> StoreResult<Vec<String>> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let page = store.list(&query).await?;
        let items = items(&page);
        assert!(items.len() <= usize::from(query.limit), "{items:?}");
        all.extend(items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return Ok(all);
        }
    }
    panic!("the pages do not end");
}

pub async fn keys_come_in_the_order_of_their_utf8_bytes(bench: &Bench) {
    assert!(KEYS.is_sorted());
    plant(bench).await;
    let page = bench.store.list(&query("", None, 1_000)).await.unwrap();
    assert_eq!(items(&page), KEYS);
    assert!(page.prefixes.is_empty() && page.next_cursor.is_none());
}

pub async fn pages_together_are_the_whole_listing(bench: &Bench) {
    plant(bench).await;
    for prefix in [
        "", "a", "b", "b/", "b/2/", "c", "c-d/e!f", "d", "d!", "é", "日/本", "none", "b/1/",
    ] {
        for delimiter in [None, Some("/"), Some("!")] {
            let any = delimiter != Some("!") || bench.can.pages_by_any_delimiter.yes();
            let limits: &[u16] = if any { &[1, 2, 3, 7, 1_000] } else { &[1_000] };
            for &limit in limits {
                let query = query(prefix, delimiter, limit);
                let context = format!("{query:?}");
                let listed = all_pages(&*bench.store, query).await.unwrap();
                let mut expected = model(prefix, delimiter);
                let itself = limit == 1 && KEYS.contains(&prefix);
                if itself && !bench.can.pages_from_the_prefix_itself.yes() {
                    expected.truncate(1);
                }
                assert_eq!(listed, expected, "{context}");
            }
        }
    }
}

pub async fn a_full_page_at_the_very_end_has_no_cursor(bench: &Bench) {
    for name in ["a", "b/1", "b/2"] {
        bench.put(name, b"x").await;
    }
    let page = bench.store.list(&query("", None, 3)).await.unwrap();
    assert_eq!((page.objects.len(), page.next_cursor), (3, None));
    let page = bench.store.list(&query("", Some("/"), 2)).await.unwrap();
    assert_eq!((page.objects.len(), page.prefixes.len()), (1, 1));
    assert_eq!(page.next_cursor, None);
    let page = bench.store.list(&query("nothing", None, 2)).await.unwrap();
    assert!(page.objects.is_empty() && page.next_cursor.is_none());
}

pub async fn a_listing_describes_objects_without_reading_them(bench: &Bench) {
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        ..Attributes::default()
    };
    let put = bench
        .store
        .put(&key("a"), &attributes, &Condition::None, gathered(b"12345"))
        .await
        .unwrap();
    let page = bench.store.list(&query("", None, 9)).await.unwrap();
    let [object] = page.objects.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!((object.key.as_str(), object.size), ("a", 5));
    assert!((Utc::now() - object.last_modified).abs() < TimeDelta::minutes(5));
    assert_eq!(object.version_id, None);
    assert_eq!(object.attributes, Attributes::default());
    let etag = if bench.can.lists_etags.yes() {
        put.etag.as_str()
    } else {
        ""
    };
    assert_eq!(object.etag, etag);
}

pub async fn a_deleted_object_is_not_listed(bench: &Bench) {
    for name in ["a", "b/1", "c"] {
        bench.put(name, b"x").await;
    }
    bench.store.delete(&key("b/1"), None).await.unwrap();
    for limit in [1, 9] {
        let listed = all_pages(&*bench.store, query("", None, limit)).await;
        assert_eq!(listed.unwrap(), ["a", "c"]);
        let rolled_up = all_pages(&*bench.store, query("", Some("/"), limit)).await;
        let left: &[&str] = if bench.can.forgets_deleted_prefixes.yes() {
            &["a", "c"]
        } else {
            &["a", "b/", "c"]
        };
        assert_eq!(rolled_up.unwrap(), left);
    }
}

pub async fn a_cursor_from_elsewhere_is_refused(bench: &Bench) {
    for name in ["a/1", "a/2", "b/1"] {
        bench.put(name, b"x").await;
    }
    let page = bench.store.list(&query("a/", None, 1)).await.unwrap();
    let of_another_prefix = page.next_cursor.unwrap();
    let nonsense = URL_SAFE_NO_PAD.encode("given by no store");
    for cursor in [
        "",
        "?",
        "a",
        "not base64!",
        "YQ==",
        "_w",
        &nonsense,
        &of_another_prefix,
    ] {
        let query = ListQuery {
            cursor: Some(cursor.to_owned()),
            ..query("b/", None, 9)
        };
        let page = bench.store.list(&query).await;
        assert_err!(page, StoreError::InvalidCursor, "{cursor:?}");
    }
}

pub async fn keys_of_others_are_not_seen(bench: &Bench) {
    // Only buckets are shared; the local directory is locked by one process.
    let Some(internal) = bench.deeper(".cloud-portfolio/") else {
        return;
    };
    bench.put("a", b"mine").await;
    let below = bench.deeper("below/").unwrap();
    for store in [&internal, &below] {
        let attributes = Attributes::default();
        store
            .put(&key("a"), &attributes, &Condition::None, gathered(b"other"))
            .await
            .unwrap();
        let page = store.list(&query("", None, 9)).await.unwrap();
        assert_eq!(items(&page), ["a"]);
    }
    let page = bench.store.list(&query("", None, 9)).await.unwrap();
    assert_eq!(items(&page), ["a", "below/a"]);
    let page = bench.store.list(&query("", Some("/"), 9)).await.unwrap();
    assert_eq!(items(&page), ["a", "below/"]);
    let pages = all_pages(&*bench.store, query("", None, 1)).await.unwrap();
    assert_eq!(pages, ["a", "below/a"]);
    assert_eq!(bench.content("a").await.unwrap(), b"mine");
}
