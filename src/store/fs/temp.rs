//! Files in `tmp/` while they are written: each is removed when its guard goes, or at the next
//! start where the process was killed. Making an object of one is `commit`'s business, and which
//! uploads in parts outlive a restart is `uploads`'s.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::fault;
use super::payload::Sink;
use super::{random, version};
use crate::store::StoreResult;

/// What a temporary file is for; its name begins with it.
const PUT: &str = "put-";
const MULTIPART: &str = "mp-";
const CHECK: &str = "check-";

/// 32 hex digits of random: names that nobody guesses.
pub(super) fn random_name() -> io::Result<String> {
    let mut bits = [0; 16];
    random(&mut bits)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// A file's path; the file is removed with this, unless it was renamed.
pub(super) struct TempPath(Option<PathBuf>);

impl TempPath {
    /// Where the file is; None once it was renamed.
    pub(super) fn path(&self) -> Option<&Path> {
        self.0.as_deref()
    }

    /// A further name for the file at `source`.
    pub(super) fn link(tmp: &Path, source: &Path) -> io::Result<Self> {
        let path = tmp.join(format!("{PUT}{}", random_name()?));
        fs::hard_link(source, &path)?;
        Ok(Self(Some(path)))
    }

    /// The file has become something else: nothing to remove any more.
    pub(super) fn renamed(&mut self) {
        self.0 = None;
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let Some(path) = &self.0 else { return };
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("temporary file {} stays: {error}", path.display());
            }
            _ => {}
        }
    }
}

/// A file open for writing. Dropping it is I/O: not on a thread that serves connections.
pub(super) struct TempFile {
    pub(super) file: File,
    pub(super) path: TempPath,
}

impl TempFile {
    pub(super) fn for_put(tmp: &Path) -> io::Result<Self> {
        Self::create(tmp, PUT, &random_name()?)
    }

    /// The data of an upload in parts; with a `suffix`, what belongs to that upload beside it.
    pub(super) fn for_multipart(tmp: &Path, upload_id: &str, suffix: &str) -> io::Result<Self> {
        Self::create(tmp, MULTIPART, &format!("{upload_id}{suffix}"))
    }

    pub(super) fn for_check(tmp: &Path) -> io::Result<Self> {
        Self::create(tmp, CHECK, &random_name()?)
    }

    fn create(tmp: &Path, purpose: &str, name: &str) -> io::Result<Self> {
        let path = tmp.join(format!("{purpose}{name}"));
        let file = File::create_new(&path)?;
        let path = TempPath(Some(path));
        Ok(Self { file, path })
    }
}

impl Sink for TempFile {
    fn write(&mut self, block: &[u8]) -> StoreResult<()> {
        self.file.write_all(block).map_err(fault)
    }
}

/// Where the data of an upload in parts is, or with a `suffix` what belongs to it.
pub(super) fn multipart_path(tmp: &Path, upload_id: &str, suffix: &str) -> PathBuf {
    tmp.join(format!("{MULTIPART}{upload_id}{suffix}"))
}

/// The uploads in parts that have a file with this suffix.
pub(super) fn multiparts(tmp: &Path, suffix: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(tmp)? {
        let name = entry?.file_name();
        let id = name
            .to_str()
            .and_then(|name| name.strip_prefix(MULTIPART)?.strip_suffix(suffix))
            .filter(|id| is_random_name(id));
        found.extend(id.map(str::to_owned));
    }
    Ok(found)
}

/// Removes what a killed process left, but for the uploads in parts that are to be kept. Only
/// names of our making: with a mistaken `DATA_DIR` of `/` this directory is everybody's.
pub(super) fn sweep(tmp: &Path, keep: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(tmp)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((purpose, id)) = name.to_str().and_then(parse) else {
            continue;
        };
        if !(purpose == MULTIPART && keep(id)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// What a file of our making is for, and its random name.
fn parse(name: &str) -> Option<(&'static str, &str)> {
    let (purpose, rest) = [PUT, MULTIPART, CHECK]
        .into_iter()
        .find_map(|purpose| Some((purpose, name.strip_prefix(purpose)?)))?;
    // Files that belong to an upload in parts have a suffix after a dot.
    let (id, suffix) = rest.split_once('.').unwrap_or((rest, ""));
    (is_random_name(id) && (suffix.is_empty() || purpose == MULTIPART)).then_some((purpose, id))
}

fn is_random_name(name: &str) -> bool {
    name.len() == 32 && version::is_lower_hex(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_temporary_file_goes_with_its_guard_unless_it_was_renamed() {
        let dir = tempfile::tempdir().unwrap();
        drop(TempFile::for_put(dir.path()).unwrap());
        assert!(names(dir.path()).is_empty());
        let mut kept = TempFile::for_put(dir.path()).unwrap();
        fs::rename(kept.path.path().unwrap(), dir.path().join("kept")).unwrap();
        kept.path.renamed();
        drop(kept);
        assert_eq!(names(dir.path()), ["kept"]);
    }

    #[test]
    fn a_sweep_removes_our_leftovers_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for purpose in [PUT, MULTIPART, CHECK] {
            let name = format!("{purpose}{}", random_name().unwrap());
            fs::write(dir.path().join(name), b"left").unwrap();
        }
        fs::write(dir.path().join("put-letters"), b"not ours").unwrap();
        let kept = random_name().unwrap();
        for suffix in ["", ".log", ".2-1"] {
            fs::write(multipart_path(dir.path(), &kept, suffix), b"kept").unwrap();
        }
        sweep(dir.path(), |id| id == kept).unwrap();
        let mut left = names(dir.path());
        left.sort();
        let mp = format!("mp-{kept}");
        assert_eq!(
            left,
            [
                mp.clone(),
                format!("{mp}.2-1"),
                format!("{mp}.log"),
                "put-letters".into()
            ]
        );
        assert_eq!(multiparts(dir.path(), ".log").unwrap(), [kept]);
    }
}
