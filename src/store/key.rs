//! Object keys: parsed once at the edge, then never checked again.
//! Which file or URL a key becomes is each backend's business.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// S3's limit for a key in bytes of UTF-8, `KEY_PREFIX` included (S3 User Guide, "Naming objects").
pub const MAX_KEY_BYTES: usize = 1024;

/// Where the program keeps its own temporary objects, below `KEY_PREFIX`. Never listed or served.
pub const INTERNAL_PREFIX: &str = ".cloud-portfolio/";

/// What of a key a path leaves as it is, in a URL or in S3's headers: RFC 3986's unreserved
/// characters, and slashes. Everything else is percent-encoded.
pub const KEY_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The key is empty.
    Empty,
    /// With `KEY_PREFIX` it is longer than [`MAX_KEY_BYTES`].
    TooLong,
    /// It lies under the internal prefix.
    Internal,
    /// It has a control character.
    Control,
    /// It has a backslash.
    Backslash,
    /// It has an empty, `.` or `..` segment, or a slash at its beginning or end.
    Segment,
    /// It has a segment that MinIO keeps for itself.
    Reserved,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the key is empty",
            Self::TooLong => "the key is longer than 1,024 bytes",
            Self::Internal => "the key lies under a prefix that is reserved",
            Self::Control => "the key has a control character",
            Self::Backslash => "the key has a backslash",
            Self::Segment => {
                "the key has an empty, '.' or '..' segment, or a slash at its beginning or end"
            }
            Self::Reserved => {
                "the key has a segment 'xl.meta', or one that ends in '__XLDIR__', as stores have inside"
            }
        })
    }
}

impl std::error::Error for KeyError {}

/// What the configuration says of keys.
#[derive(Debug, Clone, Default)]
pub struct KeyRules {
    /// Length of `KEY_PREFIX` in bytes: it counts towards the limit.
    pub prefix_len: usize,
}

impl KeyRules {
    /// A key to read or delete: anything S3 can hold, outside the internal prefix.
    pub fn readable(&self, text: &str) -> Result<ObjectKey, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() + self.prefix_len > MAX_KEY_BYTES {
            return Err(KeyError::TooLong);
        }
        // MinIO takes a slash at the beginning for none: it must not open this door.
        if text.trim_start_matches('/').starts_with(INTERNAL_PREFIX) {
            return Err(KeyError::Internal);
        }
        Ok(ObjectKey(text.to_owned()))
    }

    /// A key to write: portable names only, so that every browser, shell and file system can
    /// carry it (no control character, no backslash, no empty, `.` or `..` segment).
    pub fn writable(&self, text: &str) -> Result<ObjectKey, KeyError> {
        let key = self.readable(text)?;
        portable(text).map(|()| key)
    }
}

/// Whether a segment is one that clients fold out of a path, or proxies merge.
pub(crate) fn is_folded(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

fn portable(text: &str) -> Result<(), KeyError> {
    if text.chars().any(char::is_control) {
        return Err(KeyError::Control);
    }
    if text.contains('\\') {
        return Err(KeyError::Backslash);
    }
    if text.split('/').any(is_folded) {
        return Err(KeyError::Segment);
    }
    if text.split('/').any(is_minios) {
        return Err(KeyError::Reserved);
    }
    Ok(())
}

/// Whether a segment is a name that MinIO has for files of its own: such an object keeps its folder
/// from ever being one, or is stored as another.
fn is_minios(segment: &str) -> bool {
    segment == "xl.meta" || segment.ends_with("__XLDIR__")
}

/// A valid key, without `KEY_PREFIX`: 1 to 1,024 bytes of UTF-8 outside the internal prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// A temporary object of the program's own, below [`INTERNAL_PREFIX`]. No text of a user's
    /// becomes such a key.
    pub(crate) fn internal(below: &str) -> Self {
        Self(format!("{INTERNAL_PREFIX}{below}"))
    }

    /// Whether it is a temporary object of the program's own.
    pub(crate) fn is_internal(&self) -> bool {
        self.0.starts_with(INTERNAL_PREFIX)
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every store can hold it: a store that refuses one that is not simply has none.
    #[must_use]
    pub fn is_portable(&self) -> bool {
        portable(&self.0).is_ok() && self.0.split('/').all(|segment| segment.len() <= 255)
    }

    /// The part after the last slash; the whole key where that part is empty.
    #[must_use]
    pub fn file_name(&self) -> &str {
        match self.0.rsplit('/').next() {
            Some(name) if !name.is_empty() => name,
            _ => &self.0,
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> KeyRules {
        KeyRules::default()
    }

    #[test]
    fn portable_names_are_writable() {
        for key in [
            "a",
            "a/b",
            "naïve +%#?.txt",
            "日本語/😀",
            ".hidden",
            "a..b",
            "...",
        ] {
            assert_eq!(rules().writable(key).map(|k| k.0), Ok(key.to_owned()));
        }
    }

    #[test]
    fn hostile_names_are_not_writable_and_each_says_why() {
        for (key, why) in [
            ("", KeyError::Empty),
            ("../../etc/passwd", KeyError::Segment),
            ("a/./b", KeyError::Segment),
            ("/a", KeyError::Segment),
            ("a/", KeyError::Segment),
            ("a//b", KeyError::Segment),
            ("a/xl.meta", KeyError::Reserved),
            ("xl.meta/a", KeyError::Reserved),
            ("a__XLDIR__/b", KeyError::Reserved),
            ("..\\x", KeyError::Backslash),
            ("a\0b", KeyError::Control),
            ("a\r\nb", KeyError::Control),
            ("a\u{85}b", KeyError::Control),
            (".cloud-portfolio/uploads/x", KeyError::Internal),
        ] {
            assert_eq!(rules().writable(key), Err(why), "{key:?}");
        }
        assert_eq!(rules().writable(&"k".repeat(1025)), Err(KeyError::TooLong));
        assert!(rules().writable(&"k".repeat(1024)).is_ok());
    }

    #[test]
    fn the_configured_prefix_counts_towards_the_limit() {
        let rules = KeyRules { prefix_len: 24 };
        assert!(rules.writable(&"k".repeat(1000)).is_ok());
        assert_eq!(rules.writable(&"k".repeat(1001)), Err(KeyError::TooLong));
    }

    #[test]
    fn reading_accepts_what_s3_can_hold() {
        for key in ["a//b", "../x", "a/", "/", "a\0b", "\\"] {
            assert!(rules().readable(key).is_ok(), "{key:?}");
        }
        assert_eq!(
            rules().readable(".cloud-portfolio/x"),
            Err(KeyError::Internal)
        );
        assert_eq!(
            rules().readable("//.cloud-portfolio/x"),
            Err(KeyError::Internal)
        );
    }

    proptest! {
        #[test]
        fn every_writable_key_stays_below_its_root(text in "\\PC{0,40}|[./\\\\a]{0,12}") {
            if let Ok(key) = rules().writable(&text) {
                let path = std::path::Path::new(key.as_str());
                prop_assert!(path.is_relative());
                for part in path.components() {
                    prop_assert!(matches!(part, std::path::Component::Normal(_)));
                }
            }
        }
    }
}
