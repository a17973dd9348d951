//! Keys that are hard on URLs, signatures, XML, file systems and sorting.

use std::collections::BTreeSet;

use cloud_portfolio::store::{Condition, ListQuery, StoreError};
use percent_encoding::percent_decode_str;

use super::backend::{Bench, key};
use crate::s3::assert_err;

const HOSTILE: &[&str] = &[
    "a b",
    " leading and trailing ",
    "two  spaces",
    "a+b",
    "100%",
    "%41 %2F %2B",
    "%",
    "a#b",
    "a?b=c&d",
    "?",
    "a=b",
    "a~b",
    "it's",
    "say \"hi\"",
    "<a>&amp;</a>",
    "a;b,c:d@e!$",
    "(a)[b]{c}|^`",
    "*",
    "naïve",
    "nai\u{308}ve",
    "日本語/ファイル",
    "😀👩‍👩‍👧",
    "مرحبا",
    "\u{feff}bom\u{a0}nbsp\u{202e}",
    ".hidden",
    "...",
    "a..b/..c/d..",
    "Makefile",
    "makefile",
    "con/nul.txt",
    "x.o/y.d",
    "deep/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/leaf",
];

/// All keys, as the store lists them.
async fn listed(bench: &Bench) -> Vec<String> {
    let query = ListQuery {
        prefix: String::new(),
        delimiter: None,
        limit: 1_000,
        cursor: None,
    };
    let page = bench.store.list(&query).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.objects.into_iter().map(|object| object.key).collect()
}

/// As a store that does not encode makes it look to a reader who decodes.
fn as_listed(bench: &Bench, name: &str) -> String {
    if bench.can.encodes_listed_keys.yes() {
        return name.to_owned();
    }
    let plus = name.replace('+', " ");
    percent_decode_str(&plus).decode_utf8().unwrap().into()
}

pub async fn hostile_keys_survive_byte_for_byte(bench: &Bench) {
    for name in HOSTILE {
        let meta = bench.put(name, name.as_bytes()).await;
        assert_eq!(meta.key, *name);
    }
    let expected: BTreeSet<String> = HOSTILE.iter().map(|name| as_listed(bench, name)).collect();
    let found = listed(bench).await;
    assert_eq!(found.len(), HOSTILE.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    for name in HOSTILE {
        let head = bench.store.head(&key(name), None).await.unwrap();
        assert_eq!(head.key, *name);
        assert_eq!(bench.content(name).await.unwrap(), name.as_bytes());
    }
    for (done, name) in HOSTILE.iter().enumerate() {
        bench.store.delete(&key(name), None).await.unwrap();
        let head = bench.store.head(&key(name), None).await;
        assert_err!(head, StoreError::NotFound, "{name:?}");
        assert_eq!(listed(bench).await.len(), HOSTILE.len() - done - 1);
    }
}

pub async fn keys_that_differ_little_are_different_objects(bench: &Bench) {
    let alike = [
        "a b", "a+b", "a%20b", "a%2Bb", "A b", "a  b", "é", "e\u{301}", "%C3%A9", "E\u{301}",
    ];
    for name in alike {
        bench.put(name, name.as_bytes()).await;
    }
    for name in alike {
        assert_eq!(bench.content(name).await.unwrap(), name.as_bytes());
    }
    bench.store.delete(&key("a+b"), None).await.unwrap();
    assert_eq!(bench.content("a b").await.unwrap(), b"a b");
    assert_eq!(bench.content("a%2Bb").await.unwrap(), b"a%2Bb");
}

/// Whether the store took it; in that case it is all there.
async fn takes(bench: &Bench, name: &str) -> bool {
    if let Err(error) = bench.put_if(name, Condition::None, b"x").await {
        // Whatever it says of it, it is neither half there nor our mistake.
        assert!(!matches!(error, StoreError::Corrupt(_)), "{error:?}");
        if bench.can.holds_long_keys.yes() {
            assert!(listed(bench).await.is_empty());
        }
        bench.store.delete(&key(name), None).await.unwrap();
        return false;
    }
    assert_eq!(listed(bench).await, [name]);
    assert_eq!(bench.content(name).await.unwrap(), b"x");
    bench.store.delete(&key(name), None).await.unwrap();
    assert!(listed(bench).await.is_empty());
    true
}

pub async fn the_longest_keys_are_held(bench: &Bench) {
    for letter in ["x", "A", "é"] {
        let mut name = format!("{}/", letter.repeat(198 / letter.len())).repeat(5);
        name.push_str("12345");
        assert_eq!(name.len(), 1_000);
        assert_eq!(takes(bench, &name).await, bench.can.holds_long_keys.yes());
    }
    for name in ["x".repeat(1_000), "é".repeat(500), "x".repeat(300)] {
        let taken = takes(bench, &name).await;
        assert_eq!(taken, bench.can.holds_long_segments.yes());
    }
    assert!(takes(bench, &"x".repeat(100)).await);
}

pub async fn a_key_may_lie_beside_deeper_ones(bench: &Bench) {
    bench.put("a/b/c", b"deep").await;
    let beside = bench.put_if("a", Condition::None, b"flat").await;
    if !bench.can.holds_a_key_beside_deeper_ones.yes() {
        assert!(beside.is_err());
        assert_eq!(listed(bench).await, ["a/b/c"]);
        return;
    }
    beside.unwrap();
    bench.put("a!b", b"between").await;
    bench.put("a/b", b"middle").await;
    let all = [
        ("a", "flat"),
        ("a!b", "between"),
        ("a/b", "middle"),
        ("a/b/c", "deep"),
    ];
    let seen = if bench.can.lists_keys_below_a_key.yes() {
        &["a", "a!b", "a/b", "a/b/c"][..]
    } else {
        &["a", "a!b"]
    };
    assert_eq!(listed(bench).await, seen);
    for (name, bytes) in all {
        assert_eq!(bench.content(name).await.unwrap(), bytes.as_bytes());
    }
    for (deleted, left) in [
        ("a", ["a!b", "a/b", "a/b/c"].as_slice()),
        ("a/b", &["a!b", "a/b/c"]),
    ] {
        bench.store.delete(&key(deleted), None).await.unwrap();
        let gone = bench.store.head(&key(deleted), None).await;
        assert_err!(gone, StoreError::NotFound, "{deleted}");
        for name in left {
            assert!(bench.content(name).await.is_ok(), "{name}");
        }
        if bench.can.lists_keys_below_a_key.yes() {
            assert_eq!(listed(bench).await, left);
        }
    }
}
