//! What an S3 store is made of: the bucket and how it is reached, and what all workers' stores share.
//! Which settings there are and what is wrong with them is `config`'s business.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rusoto_core::Region;
use tokio::sync::OnceCell;

use super::credentials::Credentials;
use super::integrity::Checks;
use super::outage::Outage;
use super::sign::Signer;
use super::{connect, copy};
use crate::config::S3Config;
use crate::counters::Counters;

/// What every worker's store is made of.
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    pub(super) prefix: String,
    pub(super) region: Region,
    /// The region at the endpoint that users reach.
    pub(super) public_region: Region,
    pub(super) max_copy_bytes: u64,
    pub(super) credentials: Credentials,
    pub(super) signer: Signer,
    pub(super) checks: Checks,
    /// Whether copies heed a condition, once that is known.
    pub(super) copies_heed: OnceCell<bool>,
    pub(super) sse: Option<String>,
    pub(super) storage_class: Option<String>,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) timeout: Duration,
    pub(super) counters: Arc<Counters>,
    pub(super) outage: Arc<Outage>,
}

impl S3Settings {
    /// Fails when the CA bundle cannot be read.
    pub fn new(config: &S3Config, key_prefix: &str, timeout: Duration) -> io::Result<Self> {
        // Always custom: rusoto knows no region of after 2022.
        let region_at = |endpoint: &String| Region::Custom {
            name: config.region.clone(),
            endpoint: endpoint.clone(),
        };
        let tls = connect::tls(config.ca_bundle.as_deref())?;
        Ok(Self {
            bucket: config.bucket.clone(),
            prefix: key_prefix.to_owned(),
            region: region_at(&config.endpoint),
            public_region: region_at(config.public_endpoint.as_ref().unwrap_or(&config.endpoint)),
            max_copy_bytes: copy::MAX_COPY_BYTES,
            credentials: Credentials::new(config.credentials.clone(), Arc::clone(&tls)),
            signer: Signer::default(),
            checks: Checks::new(config.integrity),
            copies_heed: OnceCell::new(),
            sse: config.sse.clone(),
            storage_class: config.storage_class.clone(),
            tls,
            timeout,
            counters: Arc::default(),
            outage: Arc::new(Outage::new()),
        })
    }

    /// Counts on these.
    #[must_use]
    pub fn counting(self, counters: Arc<Counters>) -> Self {
        Self {
            credentials: self.credentials.counting(Arc::clone(&counters)),
            counters,
            ..self
        }
    }

    /// What requests are signed with, as long as somebody runs [`Credentials::keep`].
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Lets S3 copy objects above this many bytes in parts, for a store that takes less than the
    /// 5 GiB of Amazon's.
    #[must_use]
    pub fn copying_at_most(self, bytes: u64) -> Self {
        Self {
            max_copy_bytes: bytes,
            ..self
        }
    }
}
