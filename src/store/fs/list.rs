//! Pages of a listing: which keys and prefixes, and where a page ends.
//! Finding the keys in order is `walk`'s business, cursors are `scope`'s.

use std::path::Path;

use super::commit;
use super::scope::{Position, Scope};
use super::version::Id;
use super::walk::{Found, Walk};
use crate::store::{Attributes, ListPage, ListQuery, ObjectMeta, StoreError, StoreResult};

/// What bounds one page's time and memory, whatever the tree holds.
pub(super) struct Bounds {
    /// Names of one directory held at once; a larger one is read again. Above the largest page,
    /// so that a page of a flat directory mostly reads it once.
    pub(super) names: usize,
    /// Objects looked at, deleted ones among them, before a page ends short. Some 10 µs each.
    pub(super) objects: usize,
    /// Lists the program's own temporary objects, and no others; else all others.
    pub(super) internal: bool,
}

impl Bounds {
    /// Of a listing of the program's own temporary objects.
    pub(super) fn internal() -> Self {
        Self {
            internal: true,
            ..Self::default()
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            names: 2_048,
            objects: 10_000,
            internal: false,
        }
    }
}

/// One page of the live keys below `root`. Blocking.
pub(super) fn page(root: &Path, query: &ListQuery, bounds: &Bounds) -> StoreResult<ListPage> {
    let after = match &query.cursor {
        None => None,
        Some(cursor) => {
            let position = Position::decode(cursor, &query.prefix);
            Some(position.ok_or(StoreError::InvalidCursor)?)
        }
    };
    let mut scope = Scope {
        prefix: query.prefix.clone(),
        after,
        internal: bounds.internal,
    };
    let delimiter = query.delimiter.as_deref().filter(|text| !text.is_empty());
    let limit = usize::from(query.limit.max(1));
    let mut page = ListPage::default();
    let mut walk = Walk::new(root, bounds.names, &scope)?;
    let mut looked_at = 0;
    while let Some(found) = walk.next(&scope)? {
        let full = page.objects.len() + page.prefixes.len() == limit;
        if let Some(id) = found.live {
            if full {
                page.next_cursor = scope.after.as_ref().map(Position::encode);
                return Ok(page);
            }
            if let Some(rolled_up) = roll_up(&found.key, &query.prefix, delimiter) {
                page.prefixes.push(rolled_up.to_owned());
                scope.after = Some(Position::Prefix(rolled_up.to_owned()));
            } else {
                page.objects.extend(object(&found, id)?);
                scope.after = Some(Position::Key(found.key));
            }
        } else {
            scope.after = Some(Position::Key(found.key));
        }
        looked_at += 1;
        if looked_at == bounds.objects {
            page.next_cursor = scope.after.as_ref().map(Position::encode);
            return Ok(page);
        }
    }
    Ok(page)
}

/// The part of `key` up to and with the first delimiter after the prefix.
fn roll_up<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let rest = key.get(prefix.len()..)?;
    let at = rest.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// None where the object went meanwhile.
fn object(found: &Found, id: Id) -> StoreResult<Option<ObjectMeta>> {
    let size = found.size(id)?;
    Ok(size.map(|size| ObjectMeta {
        version_id: None,
        ..commit::describe(&found.key, id, size, Attributes::default())
    }))
}

#[cfg(test)]
mod tests {
    use super::super::layout::{self, tests::hostile_key};
    use super::super::trailer;
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;

    /// A key's directory with one version, and a marker after it where the key is deleted.
    fn plant(root: &Path, key: &str, live: bool) {
        let dir = root.join(layout::object_dir(key));
        fs::create_dir_all(&dir).unwrap();
        let tail = trailer::encode(1, &Attributes::default()).unwrap();
        let file = [b"x", tail.as_slice()].concat();
        fs::write(dir.join("0000000000000001-00000000"), file).unwrap();
        if !live {
            fs::write(dir.join("0000000000000002-00000000.del"), b"").unwrap();
        }
    }

    fn query(prefix: &str, delimiter: Option<&str>, limit: u16) -> ListQuery {
        ListQuery {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            limit,
            cursor: None,
        }
    }

    /// Keys and prefixes in one order, from all the pages.
    fn all_pages(root: &Path, mut query: ListQuery, bounds: &Bounds) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..10_000 {
            let page = page(root, &query, bounds).unwrap();
            let keys = page.objects.iter().map(|object| object.key.clone());
            let keys: Vec<String> = keys.collect();
            assert!(keys.is_sorted() && page.prefixes.is_sorted());
            assert!(keys.len() + page.prefixes.len() <= usize::from(query.limit));
            let mut both = [keys, page.prefixes].concat();
            both.sort();
            all.extend(both);
            query.cursor = page.next_cursor;
            if query.cursor.is_none() {
                return all;
            }
        }
        panic!("the pages do not end");
    }

    /// What S3 would list.
    fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
        let mut all = Vec::new();
        for key in keys.iter().filter(|key| key.starts_with(prefix)) {
            let item = match delimiter.and_then(|text| key[prefix.len()..].find(text)) {
                Some(at) => &key[..prefix.len() + at + delimiter.unwrap().len()],
                None => key,
            };
            if all.last().is_none_or(|last| last != item) {
                all.push(item.to_owned());
            }
        }
        all
    }

    #[test]
    fn an_object_comes_before_its_neighbours_and_those_before_what_is_below_it() {
        let root = tempfile::tempdir().unwrap();
        for key in ["a/b", "a!b", "a", "a0", "A", "a/", "é", "a//b"] {
            plant(root.path(), key, true);
        }
        assert_eq!(
            all_pages(root.path(), query("", None, 1), &Bounds::default()),
            ["A", "a", "a!b", "a/", "a//b", "a/b", "a0", "é"]
        );
        let page = page(root.path(), &query("", Some("/"), 9), &Bounds::default()).unwrap();
        assert_eq!(page.prefixes, ["a/"]);
        assert_eq!(page.objects.len(), 5);
        assert_eq!(page.objects[0].size, 1);
        assert_eq!(page.objects[0].version_id, None);
    }

    #[test]
    fn a_full_page_at_the_very_end_has_no_cursor() {
        let root = tempfile::tempdir().unwrap();
        plant(root.path(), "a", true);
        plant(root.path(), "b/c", true);
        plant(root.path(), "b/d", true);
        plant(root.path(), "z", false);
        let page = page(root.path(), &query("", Some("/"), 2), &Bounds::default()).unwrap();
        assert_eq!((page.objects.len(), page.prefixes.len()), (1, 1));
        assert_eq!(page.next_cursor, None);
    }

    #[test]
    fn the_internal_prefix_and_files_that_are_not_ours_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        plant(root.path(), ".cloud-portfolio/uploads/x", true);
        plant(root.path(), ".cloud-portfolio", true);
        fs::write(root.path().join("file.d"), b"").unwrap();
        fs::write(root.path().join("file.o"), b"").unwrap();
        fs::write(root.path().join(".DS_Store"), b"").unwrap();
        fs::create_dir(root.path().join("empty.o")).unwrap();
        let all = all_pages(root.path(), query("", None, 9), &Bounds::default());
        assert_eq!(all, [".cloud-portfolio"]);
    }

    #[test]
    fn a_damaged_file_is_listed_with_its_neighbours() {
        let root = tempfile::tempdir().unwrap();
        plant(root.path(), "a", true);
        plant(root.path(), "b", true);
        fs::write(root.path().join("a.o/0000000000000001-00000000"), b"cut").unwrap();
        let all = all_pages(root.path(), query("", None, 9), &Bounds::default());
        assert_eq!(all, ["a", "b"]);
    }

    #[test]
    fn cursors_that_this_store_did_not_give_are_refused() {
        let root = tempfile::tempdir().unwrap();
        for text in ["k", "p", "", "xa", "é", "kb"] {
            let cursor = Some(URL_SAFE_NO_PAD.encode(text));
            let query = ListQuery {
                cursor,
                ..query("a", None, 1)
            };
            let result = page(root.path(), &query, &Bounds::default());
            assert!(matches!(result, Err(StoreError::InvalidCursor)), "{text:?}");
        }
        for cursor in ["?", "a2E=", "a2F", "_w"] {
            let cursor = Some(cursor.to_owned());
            let query = ListQuery {
                cursor,
                ..query("a", None, 1)
            };
            let result = page(root.path(), &query, &Bounds::default());
            assert!(matches!(result, Err(StoreError::InvalidCursor)));
        }
    }

    proptest! {
        // Each case makes a tree of files.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn pages_together_are_what_s3_would_list(
            keys in prop::collection::btree_map(hostile_key(), prop::bool::weighted(0.8), 1..30),
            cut in any::<(prop::sample::Index, prop::sample::Index)>(),
            delimiter in prop::sample::select(
                vec![None, Some("/"), Some("//"), Some("a"), Some("é"), Some("aa/"), Some("")]
            ),
            limit in 1_u16..6,
            names in 1_usize..6,
            objects in 1_usize..9,
        ) {
            let keys: BTreeMap<String, bool> = keys;
            let root = tempfile::tempdir().unwrap();
            let mut live = BTreeSet::new();
            for (key, &is_live) in &keys {
                plant(root.path(), key, is_live);
                if is_live {
                    live.insert(key.clone());
                }
            }
            // A prefix of one of the keys, cut between two characters.
            let key: Vec<char> = cut.0.get(&keys.keys().collect::<Vec<_>>()).chars().collect();
            let prefix: String = key[..cut.1.index(key.len() + 1).min(90)].iter().collect();
            for prefix in ["", &prefix] {
                let want = model(&live, prefix, delimiter.filter(|text| !text.is_empty()));
                let query = query(prefix, delimiter, limit);
                let bounds = Bounds { names, objects, internal: false };
                prop_assert_eq!(all_pages(root.path(), query, &bounds), want);
            }
        }
    }
}
