//! The stores that the tests run on, and what uploads leave in them.

use tempfile::TempDir;

use super::server::{On, minio};
use super::{Bucket, Server};

pub const PART: u64 = 5 << 20;
pub const STORES: [On; 2] = [On::Local, On::Minio];

/// A store of the test's own, that any number of servers may use (one at a time if it is local).
pub struct Place {
    pub on: On,
    pub dir: Option<TempDir>,
    pub prefix: String,
}

impl Place {
    pub fn new(on: On) -> Self {
        Self {
            on,
            dir: (on == On::Local).then(|| tempfile::tempdir().unwrap()),
            prefix: format!("test-{:016x}/", getrandom::u64().unwrap()),
        }
    }

    pub fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let mut all = match &self.dir {
            Some(dir) => vec![("DATA_DIR".into(), dir.path().to_str().unwrap().into())],
            None => minio(),
        };
        all.push(("KEY_PREFIX".into(), self.prefix.clone()));
        all.push(("UPLOAD_PART_BYTES".into(), PART.to_string()));
        all.extend(settings.iter().map(|(n, v)| ((*n).into(), (*v).into())));
        let server = Server::spawn(&all);
        server.wait_ready();
        server
    }

    /// Every version of every temporary object, and on the local store every temporary file.
    pub fn left(&self) -> Vec<String> {
        let Some(dir) = &self.dir else {
            let prefix = format!("{}.cloud-portfolio/", self.prefix);
            let versions = Bucket::open().versions(&prefix);
            return versions.into_iter().map(|(key, _)| key).collect();
        };
        let mut left = Vec::new();
        let mut folders = vec![
            dir.path().join("tmp"),
            dir.path().join("objects/.cloud-portfolio.d"),
        ];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    left.push(path.display().to_string());
                }
            }
        }
        left
    }

    pub fn assert_nothing_left(&self, what: &str) {
        assert_eq!(self.left(), [""; 0], "{:?} {what}", self.on);
    }
}
