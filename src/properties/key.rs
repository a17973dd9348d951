//! Keys, and the keys that names below prefixes come to. Input: a text; of several lines the first
//! is a prefix, the second a file's name or path.

use std::path::{Component, Path};

use percent_encoding::utf8_percent_encode;

use super::{lines, text};
use crate::route::{self, Route};
use crate::store::{INTERNAL_PREFIX, KEY_IN_PATH, KeyRules, MAX_KEY_BYTES, ObjectKey};

/// A key that is written stays below its root and comes back out of its own URL; no key reaches
/// what is internal.
pub fn key(data: &[u8]) {
    let Some(text) = text(data) else { return };
    for rules in [KeyRules::default(), KeyRules { prefix_len: 24 }] {
        let readable = rules.readable(text);
        if let Ok(key) = &readable {
            assert_eq!(key.as_str(), text);
            assert!(text.len() + rules.prefix_len <= MAX_KEY_BYTES);
            assert!(!key.is_internal() && !text.is_empty());
            assert!(!key.file_name().is_empty());
        }
        if let Ok(key) = rules.writable(text) {
            assert_eq!(readable.as_ref(), Ok(&key));
            contained(&key);
        }
    }
    let mut lines = lines(data);
    if let (Some(prefix), Some(name)) = (lines.next(), lines.next()) {
        crate::handler::properties::named(prefix, name);
        crate::handler::resumable::properties::placed(prefix, name);
    }
}

/// What holds of every key that may be written.
pub(crate) fn contained(key: &ObjectKey) {
    let text = key.as_str();
    let path = Path::new(text);
    assert!(
        path.components()
            .all(|part| matches!(part, Component::Normal(_)))
    );
    assert!(!text.contains(['\\', '\0', '\r', '\n']) && !text.ends_with('/'));
    assert!(!text.starts_with(INTERNAL_PREFIX));
    assert!(!key.file_name().contains('/'));
    let url = format!("/files/{}", utf8_percent_encode(text, KEY_IN_PATH));
    assert!(url.parse::<hyper::Uri>().unwrap().path() == url);
    let Some(Route::File(raw)) = route::find("", &url) else {
        panic!("{url} is no file's");
    };
    assert_eq!(route::decode(raw, "x").unwrap(), text);
}
