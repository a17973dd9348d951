//! The journal of an upload in parts that is to outlive the process: one line for the upload, one
//! for each part as it is confirmed. A part counts once its bytes and then its line were fsynced;
//! how long the data's file is says nothing, as files may be sparse.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{commit, temp};
use crate::store::{Attributes, Part};

/// Suffix of the journal's name after that of the data.
pub(super) const SUFFIX: &str = ".log";

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) key: String,
    pub(super) part_size: u64,
    /// Seconds since 1970.
    pub(super) begun: i64,
    pub(super) attributes: Attributes,
}

/// A further line: a part that is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) size: u64,
    pub(super) etag: String,
    /// Set where its bytes are in a file of their own: the suffix of that file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) aside: Option<String>,
}

impl Line {
    pub(super) fn part(&self) -> Part {
        Part {
            number: self.number,
            size: self.size,
            etag: self.etag.clone(),
            crc64: None,
        }
    }
}

/// A journal that goes on. Its file is open only while a line is written: uploads that wait for
/// their clients for days must not use the process's descriptors up.
pub(super) struct Journal {
    path: PathBuf,
    /// Bytes of whole lines; what a failed write left after them is written over.
    len: u64,
}

impl Journal {
    /// Begins a journal; durable when it returns, with the name of the data beside it.
    pub(super) fn create(tmp: &Path, upload_id: &str, head: &Head) -> io::Result<Self> {
        let path = temp::multipart_path(tmp, upload_id, SUFFIX);
        File::create_new(&path)?;
        let mut journal = Self { path, len: 0 };
        let begun = journal.append(head).and_then(|()| commit::sync(tmp));
        if let Err(error) = begun {
            drop(fs::remove_file(&journal.path));
            return Err(error);
        }
        Ok(journal)
    }

    /// Adds a line; durable when it returns.
    pub(super) fn append(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let file = File::options().write(true).open(&self.path)?;
        file.write_all_at(&bytes, self.len)?;
        file.sync_all()?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Reads a journal back, up to the first line that was not written whole. None where not
    /// even the first one was.
    pub(super) fn open(path: PathBuf) -> io::Result<Option<(Self, Head, Vec<Line>)>> {
        let text = fs::read(&path)?;
        let mut lines = text.split_inclusive(|&byte| byte == b'\n');
        let whole = |line: &[u8]| line.ends_with(b"\n");
        let Some(first) = lines.next().filter(|line| whole(line)) else {
            return Ok(None);
        };
        let Ok(head) = serde_json::from_slice::<Head>(first) else {
            return Ok(None);
        };
        let mut len = first.len() as u64;
        let mut parts = Vec::new();
        for line in lines.take_while(|line| whole(line)) {
            let Ok(part) = serde_json::from_slice::<Line>(line) else {
                break;
            };
            len += line.len() as u64;
            parts.push(part);
        }
        if len < text.len() as u64 {
            // What follows would be read as part of the next line.
            File::options().write(true).open(&path)?.set_len(len)?;
        }
        Ok(Some((Self { path, len }, head, parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u32) -> Line {
        Line {
            number,
            size: 5,
            etag: "e".into(),
            aside: (number == 2).then(|| ".2-1".into()),
        }
    }

    #[test]
    fn a_journal_that_was_cut_anywhere_reads_back_up_to_there_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let id = temp::random_name().unwrap();
        let head = Head {
            key: "k".into(),
            part_size: 5,
            begun: 7,
            attributes: Attributes::default(),
        };
        let mut journal = Journal::create(dir.path(), &id, &head).unwrap();
        for number in 1..=3 {
            journal.append(&line(number)).unwrap();
        }
        let path = temp::multipart_path(dir.path(), &id, SUFFIX);
        let whole = fs::read(&path).unwrap();
        let mut seen = 0;
        for end in 0..=whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let Some((mut journal, head, lines)) = Journal::open(path.clone()).unwrap() else {
                assert_eq!(seen, 0, "{end}");
                continue;
            };
            assert_eq!((head.key.as_str(), head.begun), ("k", 7));
            assert!(lines.len() == seen || lines.len() == seen + 1, "{end}");
            seen = lines.len();
            assert_eq!(lines, (1..=seen as u32).map(line).collect::<Vec<_>>());
            journal.append(&line(9)).unwrap();
            let (_, _, again) = Journal::open(path.clone()).unwrap().unwrap();
            assert_eq!((again.len(), again.last()), (seen + 1, Some(&line(9))));
        }
        assert_eq!(seen, 3);
    }
}
