//! How a key becomes a path below `objects/`, and back, so that any key S3 can hold stays inside
//! the root and two keys never meet, whatever the file system folds (case, Unicode forms).
//! What lies in an object's directory is `version`'s business; walking the tree is `list`'s.

use std::ffi::OsStr;
use std::path::PathBuf;

/// A segment from this length on is cut into chunks. Escaped threefold and with its suffix a
/// chunk is 242 bytes, below the 255 that common file systems take for a name.
const CHUNK: usize = 80;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What a directory of the tree holds; the suffix of its name says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `.o`: the versions of one object.
    Object,
    /// `.d`: the keys below `segment/`.
    Folder,
    /// `.c`: the keys in which the segment goes on.
    Chunk,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Object => ".o",
            Self::Folder => ".d",
            Self::Chunk => ".c",
        }
    }
}

/// The directory that holds the versions of `key`, relative to the root of the tree.
pub(super) fn object_dir(key: &str) -> PathBuf {
    // Names are escaped, so that '/' is only ever the separator.
    let mut path = String::with_capacity(key.len() * 3 + 64);
    let mut segments = key.as_bytes().split(|&byte| byte == b'/').peekable();
    while let Some(mut segment) = segments.next() {
        // A segment of exactly CHUNK bytes goes on as an empty rest: a plain name is then always
        // shorter than a chunk, and a chunk's keys are contiguous in key order.
        while let Some((chunk, rest)) = segment.split_at_checked(CHUNK) {
            push(&mut path, chunk, Kind::Chunk);
            segment = rest;
        }
        if segments.peek().is_some() {
            push(&mut path, segment, Kind::Folder);
        } else {
            push(&mut path, segment, Kind::Object);
        }
    }
    PathBuf::from(path)
}

fn push(path: &mut String, raw: &[u8], kind: Kind) {
    if !path.is_empty() {
        path.push('/');
    }
    escape(path, raw);
    path.push_str(kind.suffix());
}

fn escape(name: &mut String, raw: &[u8]) {
    for &byte in raw {
        if matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') {
            name.push(char::from(byte));
        } else {
            name.push('%');
            name.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
        }
    }
}

/// What a directory of this name holds, and the bytes it adds to the key, a folder's slash
/// included. Sorted by these bytes, directories are in key order: `a` (object) before `a!b`
/// before `a/` (folder). None for names that [`object_dir`] never makes.
pub(super) fn parse_name(name: &OsStr) -> Option<(Kind, Vec<u8>)> {
    let name = name.to_str()?;
    let (escaped, kind) = [Kind::Object, Kind::Folder, Kind::Chunk]
        .into_iter()
        .find_map(|kind| Some((name.strip_suffix(kind.suffix())?, kind)))?;
    let mut raw = unescape(escaped.as_bytes())?;
    if (raw.len() == CHUNK) != (kind == Kind::Chunk) || raw.len() > CHUNK || raw.contains(&b'/') {
        return None;
    }
    // One spelling for each name, or two directories could stand for one key.
    let mut canonical = String::with_capacity(escaped.len());
    escape(&mut canonical, &raw);
    if canonical != escaped {
        return None;
    }
    if kind == Kind::Folder {
        raw.push(b'/');
    }
    Some((kind, raw))
}

fn unescape(escaped: &[u8]) -> Option<Vec<u8>> {
    let mut raw = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            raw.push(hex(*bytes.next()?)? << 4 | hex(*bytes.next()?)?);
        } else {
            raw.push(byte);
        }
    }
    Some(raw)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    /// Keys that are hard on file systems and on sorting: dots, empty segments, control bytes,
    /// both cases, two Unicode forms, neighbours of '/', segments around the chunk's length.
    pub(in crate::store::fs) fn hostile_key() -> impl Strategy<Value = String> {
        let segment = prop_oneof![
            4 => "[aAb!.%0é-]{0,3}",
            1 => Just("..".to_owned()),
            1 => "\\PC{0,6}",
            1 => Just("a\u{0}b\\\n".to_owned()),
            1 => Just("e\u{301}".to_owned()),
            2 => (78_usize..83).prop_map(|n| "a".repeat(n)),
            1 => (39_usize..42).prop_map(|n| "é".repeat(n)),
            1 => (158_usize..163).prop_map(|n| "A".repeat(n)),
        ];
        prop::collection::vec(segment, 1..5)
            .prop_map(|segments| segments.join("/"))
            .prop_filter("a key has 1 to 1,024 bytes", |key| {
                (1..=1024).contains(&key.len())
            })
    }

    fn decode(path: &std::path::Path) -> Option<String> {
        let mut key = Vec::new();
        let mut kinds = Vec::new();
        for component in path.components() {
            let (kind, bytes) = parse_name(component.as_os_str())?;
            kinds.push(kind);
            key.extend(bytes);
        }
        assert_eq!(kinds.pop(), Some(Kind::Object));
        assert!(!kinds.contains(&Kind::Object));
        String::from_utf8(key).ok()
    }

    fn assert_safe(key: &str) {
        let path = object_dir(key);
        for component in path.components() {
            let Component::Normal(name) = component else {
                panic!("{component:?} in the path of {key:?}");
            };
            assert!(name.len() <= 255);
            assert_eq!(name.to_ascii_lowercase(), name);
            assert!(name.is_ascii());
        }
        // Leaves room for the root's own path below PATH_MAX, 4,096.
        assert!(path.as_os_str().len() <= 3_200);
        assert_eq!(decode(&path).as_deref(), Some(key), "{path:?}");
    }

    #[test]
    fn an_object_and_the_keys_below_it_have_places_of_their_own() {
        assert_eq!(object_dir("a"), PathBuf::from("a.o"));
        assert_eq!(object_dir("a/b"), PathBuf::from("a.d/b.o"));
        assert_eq!(object_dir("a/"), PathBuf::from("a.d/.o"));
        assert_eq!(object_dir("../A"), PathBuf::from("...d/%41.o"));
        let long = "a".repeat(80);
        assert_eq!(object_dir(&long), PathBuf::from(format!("{long}.c/.o")));
    }

    #[test]
    fn the_longest_keys_fit() {
        for key in [
            "A".repeat(1024),
            "/".repeat(1024),
            "A/".repeat(512),
            "é/x".repeat(256),
        ] {
            assert_safe(&key);
        }
    }

    #[test]
    fn names_that_are_not_ours_are_not_taken_for_keys() {
        for name in [
            "a", ".", "..", "A.o", "%61.o", "%4.o", "%2f.d", "%4A.o", "é.o", "a.c",
        ] {
            assert_eq!(parse_name(OsStr::new(name)), None, "{name}");
        }
        let long = "a".repeat(80);
        assert_eq!(parse_name(OsStr::new(&format!("{long}.o"))), None);
        assert_eq!(parse_name(OsStr::new(&format!("{long}a.c"))), None);
    }

    proptest! {
        #[test]
        fn every_key_maps_inside_the_root_and_back(key in hostile_key()) {
            assert_safe(&key);
        }

        #[test]
        fn two_keys_never_share_a_place(a in hostile_key(), b in hostile_key()) {
            prop_assert_eq!(a == b, object_dir(&a) == object_dir(&b));
        }
    }
}
