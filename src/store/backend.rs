//! Chooses the store that the configuration asks for, and opens it for each worker.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use super::Store;
use super::fs::FsStore;
use super::s3::{Credentials, S3Settings, S3Store};
use crate::config::{Config, StoreConfig};
use crate::counters::Counters;

/// A store that can be opened for any number of workers.
#[derive(Clone)]
pub struct Backend {
    name: String,
    credentials: Option<Credentials>,
    opener: Arc<dyn Fn() -> Arc<dyn Store> + Send + Sync>,
}

impl Backend {
    /// Prepares the store that is configured, which counts on `counters`; asks nothing over the
    /// network yet.
    ///
    /// Fails when the directory cannot be used or another process has it, or when a CA bundle
    /// cannot be read.
    pub fn new(config: &Config, counters: &Arc<Counters>) -> std::io::Result<Self> {
        Ok(match &config.store {
            StoreConfig::Local { data_dir } => {
                // One value serves all workers: it has no connections, and its locks must be one.
                let store = FsStore::open_keeping(data_dir, config.upload.expiry)?;
                let name = format!("local store in {}", data_dir.display());
                Self::of(name, move || Arc::clone(&store) as Arc<dyn Store>)
            }
            StoreConfig::S3(s3) => {
                let settings = S3Settings::new(s3, &config.key_prefix, config.timeout)?;
                let settings = Arc::new(settings.counting(Arc::clone(counters)));
                let name = format!("bucket {}", s3.bucket);
                let credentials = Some(settings.credentials().clone());
                let backend = Self::of(name, move || {
                    Arc::new(S3Store::new(Arc::clone(&settings))) as Arc<dyn Store>
                });
                Self {
                    credentials,
                    ..backend
                }
            }
        })
    }

    /// A store of the caller's own.
    pub fn of(
        name: impl Into<String>,
        opener: impl Fn() -> Arc<dyn Store> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            credentials: None,
            opener: Arc::new(opener),
        }
    }

    /// What the store is asked with, where it asks for any.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Keeps credentials valid, for ever.
    pub async fn keep(&self) -> Infallible {
        match &self.credentials {
            Some(credentials) => credentials.keep().await,
            None => std::future::pending().await,
        }
    }

    /// The store, for one worker.
    #[must_use]
    pub fn open(&self) -> Arc<dyn Store> {
        (self.opener)()
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
