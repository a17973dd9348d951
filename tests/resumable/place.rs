//! The stores that the tests run on, and what uploads leave in them.

use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region};
use rusoto_s3::{ListObjectVersionsRequest, S3 as _, S3Client};
use tempfile::TempDir;

use crate::support::{
    Server,
    server::{On, minio},
};

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
            let request = ListObjectVersionsRequest {
                bucket: bucket(),
                prefix: Some(format!("{}.cloud-portfolio/", self.prefix)),
                ..ListObjectVersionsRequest::default()
            };
            let page = run(s3().list_object_versions(request)).unwrap();
            let versions = page.versions.unwrap_or_default();
            let markers = page.delete_markers.unwrap_or_default();
            let versions = versions.into_iter().filter_map(|version| version.key);
            let markers = markers.into_iter().filter_map(|marker| marker.key);
            return versions.chain(markers).collect();
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

pub fn setting(name: &str) -> String {
    let all = minio();
    all.into_iter().find(|(n, _)| n == name).unwrap().1
}

pub fn bucket() -> String {
    setting("BUCKET_NAME")
}

pub fn s3() -> S3Client {
    let credentials = StaticProvider::new_minimal(
        setting("AWS_ACCESS_KEY_ID"),
        setting("AWS_SECRET_ACCESS_KEY"),
    );
    let region = Region::Custom {
        name: setting("AWS_REGION"),
        endpoint: setting("AWS_ENDPOINT_URL_S3"),
    };
    S3Client::new_with(HttpClient::new().unwrap(), credentials, region)
}

pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}
