//! The versions of one object: files in its directory whose names sort by age.
//! What is inside such a file is `trailer`'s business, writing one `commit`'s.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::error::is_absent;
use super::random;

/// Names a version: the microsecond it was stored, greater for each newer version of a key, and
/// random bits, so that an id is never used twice even when a version is deleted and the clock
/// steps back. It is the object's etag too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    /// Since the epoch, not negative, within what `DateTime` can hold.
    micros: i64,
    random: u32,
}

impl Id {
    /// Reads 16 hex digits, a dash, 8 hex digits; nothing else, as ids come from outside.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (micros, random) = text.split_once('-')?;
        if micros.len() != 16 || random.len() != 8 || !is_lower_hex(micros) || !is_lower_hex(random)
        {
            return None;
        }
        let micros = i64::from_str_radix(micros, 16).ok()?;
        DateTime::from_timestamp_micros(micros)?;
        let random = u32::from_str_radix(random, 16).ok()?;
        Some(Self { micros, random })
    }

    /// An id for now, or for just after `newest` where the clock is not past that.
    pub(super) fn after(newest: Option<Self>) -> io::Result<Self> {
        let now = Utc::now().timestamp_micros().max(0);
        let micros = newest.map_or(now, |newest| now.max(newest.micros + 1));
        let mut bits = [0; 4];
        random(&mut bits)?;
        Ok(Self {
            micros,
            random: u32::from_be_bytes(bits),
        })
    }

    pub(super) fn time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.micros).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:08x}", self.micros, self.random)
    }
}

/// Whether all of it is `0-9a-f` (`from_str_radix` would also take signs and upper case).
pub(super) fn is_lower_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A file in an object's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Bytes and trailer.
    Data(Id),
    /// An empty file that says: from here on there is no object.
    Marker(Id),
}

impl Version {
    pub(super) fn id(self) -> Id {
        match self {
            Self::Data(id) | Self::Marker(id) => id,
        }
    }

    /// The id, if this version makes the object exist.
    pub(super) fn live(self) -> Option<Id> {
        match self {
            Self::Data(id) => Some(id),
            Self::Marker(_) => None,
        }
    }

    pub(super) fn file_name(self) -> String {
        match self {
            Self::Data(id) => id.to_string(),
            Self::Marker(id) => format!("{id}.del"),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        match name.strip_suffix(".del") {
            Some(id) => Id::parse(id).map(Self::Marker),
            None => Id::parse(name).map(Self::Data),
        }
    }
}

/// The newest version in an object's directory; None where there is none, or no directory.
pub(super) fn newest(dir: &Path) -> io::Result<Option<Version>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if is_absent(&error) => return Ok(None),
        entries => entries?,
    };
    let mut newest: Option<Version> = None;
    for entry in entries {
        // Names that are not ours (an operator's copy, say) are no versions.
        let Some(version) = entry?.file_name().to_str().and_then(Version::parse) else {
            continue;
        };
        if newest.is_none_or(|newest| newest.id() < version.id()) {
            newest = Some(version);
        }
    }
    Ok(newest)
}

/// The newest `limit` versions in an object's directory, newest first, and whether there are more.
pub(super) fn newest_of(dir: &Path, limit: usize) -> io::Result<(Vec<Version>, bool)> {
    let mut found: Vec<Version> = Vec::new();
    let mut more = false;
    let mut cut = |found: &mut Vec<Version>| {
        found.sort_unstable_by_key(|version| std::cmp::Reverse(version.id()));
        more |= found.len() > limit;
        found.truncate(limit);
    };
    let entries = match fs::read_dir(dir) {
        Err(error) if is_absent(&error) => return Ok((Vec::new(), false)),
        entries => entries?,
    };
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(Version::parse));
        // An object overwritten a million times must not cost memory for a million.
        if found.len() == limit * 2 {
            cut(&mut found);
        }
    }
    cut(&mut found);
    Ok((found, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_sorts_as_its_text_does() {
        let first = Id::after(None).unwrap();
        let second = Id::after(Some(first)).unwrap();
        assert!(first < second && first.to_string() < second.to_string());
        assert_eq!(Id::parse(&first.to_string()), Some(first));
    }

    #[test]
    fn a_newer_version_sorts_later_though_the_clock_stepped_back() {
        let future = Id::parse("00ffffffffffffff-00000000").unwrap();
        assert!(Id::after(Some(future)).unwrap() > future);
    }

    #[test]
    fn only_ids_of_our_own_making_are_read() {
        for text in [
            "",
            "-",
            "..",
            "../../etc/passwd",
            "0000000000000001-0000000",
            "0000000000000001-0000000A",
            "+000000000000001-00000000",
            "0000000000000001-00000000.del",
            "0000000000000001-00000000/",
            "ffffffffffffffff-00000000",
            "7fffffffffffffff-00000000",
        ] {
            assert_eq!(Id::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_newest_name_wins_and_foreign_names_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(newest(&dir.path().join("gone")).unwrap(), None);
        assert_eq!(newest(dir.path()).unwrap(), None);
        for name in [
            "0000000000000001-ffffffff",
            "0000000000000002-00000000.del",
            "zzz",
            "0000000000000003-00000000.bak",
        ] {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        let found = newest(dir.path()).unwrap().unwrap();
        assert_eq!(found.file_name(), "0000000000000002-00000000.del");
        assert_eq!(found.live(), None);
    }

    #[test]
    fn the_newest_names_come_first_and_the_others_are_told_of() {
        let dir = tempfile::tempdir().unwrap();
        for n in 1..=9_u32 {
            let name = format!("{n:016x}-00000000");
            fs::write(dir.path().join(name), b"").unwrap();
        }
        let ids = |limit| {
            let (found, more) = newest_of(dir.path(), limit).unwrap();
            let micros: Vec<_> = found.iter().map(|found| found.id().micros).collect();
            (micros, more)
        };
        assert_eq!(ids(2), (vec![9, 8], true));
        assert_eq!(ids(9), ((1..=9).rev().collect(), false));
        assert!(newest_of(&dir.path().join("gone"), 2).unwrap().0.is_empty());
    }
}
