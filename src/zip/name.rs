//! Names of entries: relative paths that no unzip program can be tricked with. Most are the key
//! below the folder; a segment that would not be safe is renamed, always to the same name, and
//! never to that of another.

use std::fmt::Write as _;

use ring::digest;

/// Bytes of the hash in a new name, as twice as many hex digits.
const HASH: usize = 8;

/// The path of the entry for `rest`, a key below its folder. A folder's ends with a slash.
/// With `marked` the last segment gets a new name: there is a folder that has the old one.
pub(super) fn path(rest: &str, is_folder: bool, marked: bool) -> String {
    let rest = if is_folder {
        rest.strip_suffix('/').unwrap_or(rest)
    } else {
        rest
    };
    let mut path = String::with_capacity(rest.len() + 1);
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if is_safe(segment) && !(is_last && marked) {
            path.push_str(segment);
        } else {
            rename(&mut path, segment);
        }
        if !is_last {
            path.push('/');
        }
    }
    if is_folder {
        path.push('/');
    }
    path
}

fn is_safe(segment: &str) -> bool {
    let is_drive = matches!(segment.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    !matches!(segment, "" | "." | "..")
        && !is_drive
        && !segment.chars().any(is_unsafe)
        && !looks_renamed(segment)
}

fn is_unsafe(c: char) -> bool {
    c == '\\' || c.is_control()
}

/// Whether it might be the new name of another segment.
fn looks_renamed(segment: &str) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    segment.match_indices('~').any(|(at, _)| {
        let after = segment.as_bytes().get(at + 1..).unwrap_or_default();
        after
            .split_at_checked(HASH * 2)
            .is_some_and(|(hash, rest)| {
                hash.iter().all(is_hex) && matches!(rest.first(), None | Some(b'.'))
            })
    })
}

/// `name~0123456789abcdef.txt`: what is unsafe replaced, the old name's hash before the extension.
fn rename(path: &mut String, segment: &str) {
    let plain: String = match segment {
        "" | "." | ".." => "_".to_owned(),
        _ => segment
            .chars()
            .map(|c| if is_unsafe(c) || c == ':' { '_' } else { c })
            .collect(),
    };
    let (stem, extension) = match plain.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => {
            (stem, Some(extension))
        }
        _ => (plain.as_str(), None),
    };
    path.push_str(stem);
    path.push('~');
    let hash = digest::digest(&digest::SHA256, segment.as_bytes());
    for byte in hash.as_ref().iter().take(HASH) {
        let _ = write!(path, "{byte:02x}");
    }
    if let Some(extension) = extension {
        path.push('.');
        path.push_str(extension);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(rest: &str) -> String {
        path(rest, false, false)
    }

    #[test]
    fn portable_names_stay_as_they_are() {
        for name in [
            "a",
            "a/b.txt",
            ".hidden",
            "...",
            "12:30",
            "é/日本",
            "~x",
            "-rf",
        ] {
            assert_eq!(file(name), name);
        }
        assert_eq!(path("a/b/", true, false), "a/b/");
    }

    #[test]
    fn unsafe_segments_get_new_names_and_keep_their_extension() {
        for (name, start, end) in [
            ("../../etc/passwd", "_~", "/etc/passwd"),
            ("/etc/passwd", "_~", "/etc/passwd"),
            ("C:/x", "C_~", "/x"),
            ("..\\..\\x.txt", ".._.._x~", ".txt"),
            ("a\0b", "a_b~", ""),
            ("", "_~", ""),
            ("a//b", "a/_~", "/b"),
        ] {
            let path = file(name);
            assert!(path.starts_with(start) && path.ends_with(end), "{path}");
        }
    }

    #[test]
    fn a_name_that_looks_like_a_new_one_cannot_meet_it() {
        let new = file("..");
        assert_ne!(file(&new), new);
        assert_ne!(file("a~0123456789abcdef.txt"), "a~0123456789abcdef.txt");
        assert_eq!(file("a~0123456789abcdeg"), "a~0123456789abcdeg");
        let marked = path("a", false, true);
        assert_ne!(file(&marked), marked);
    }

    fn hostile() -> impl Strategy<Value = String> {
        "[a.:/\\\\~\0]{0,12}|\\PC{0,12}|(\\.\\./|/|C:|~[0-9a-f]{16}){0,4}"
    }

    proptest! {
        #[test]
        fn every_name_stays_below_its_folder(rest in hostile(), is_folder: bool, marked: bool) {
            let name = path(&rest, is_folder, marked);
            let inner = name.strip_suffix('/').unwrap_or(&name);
            for segment in inner.split('/') {
                prop_assert!(!matches!(segment, "" | "." | ".."), "{name:?}");
            }
            prop_assert!(!name.contains(['\\', '\0', '\n']));
            prop_assert!(name.len() <= u16::MAX.into());
        }

        #[test]
        fn two_keys_never_share_a_name(a in hostile(), b in hostile()) {
            prop_assert_eq!(a == b, file(&a) == file(&b));
        }
    }
}
