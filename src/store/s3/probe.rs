//! Whether S3 is there: probes beside the calls that wait for it. What follows from them is
//! `outage`'s business, when to look `server::watch`'s.

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rusoto_s3::{HeadObjectRequest, S3};

use super::connect::{CONNECT_TIMEOUT, Connector};
use super::transport::Transport;
use super::{S3Store, outage};
use crate::store::{INTERNAL_PREFIX, StoreResult};

/// Most probes of one check, a second after each other.
const PROBES: usize = 5;

impl S3Store {
    /// Succeeds when S3 answers and lets us list.
    pub(super) async fn check_bucket(&self) -> StoreResult<()> {
        // Without any S3 is not asked, and nothing is known of it.
        self.settings.credentials.get().await?;
        let _judged = self.settings.outage.check();
        let mut touched = std::pin::pin!(self.touch());
        // S3 may come back while a probe waits on a connection that is dead: the next one tells.
        let mut probes = FuturesUnordered::new();
        loop {
            probes.push(self.probe());
            tokio::select! {
                Some(outcome) = probes.next() => return outcome,
                () = tokio::time::sleep(outage::DOUBT), if probes.len() < PROBES => {}
                never = &mut touched => match never {},
            }
        }
    }

    /// The same store, on connections of its own, which also calls while S3 is gone.
    fn prober(&self) -> Self {
        let settings = &self.settings;
        let counters = Arc::clone(&settings.counters);
        let connector = Connector::new(&settings.tls, CONNECT_TIMEOUT, counters);
        let outage = Arc::clone(&settings.outage);
        let transport = Transport::probe(connector, settings.timeout, outage);
        Self::over(Arc::clone(settings), transport)
    }

    async fn probe(&self) -> StoreResult<()> {
        self.prober().list_one().await
    }

    /// Asks after a moment for a key that is never there. Where only listing is slow, S3 is not
    /// gone: any answer says so. What it is says nothing.
    async fn touch(&self) -> Infallible {
        tokio::time::sleep(outage::DOUBT).await;
        let prober = self.prober();
        let request = HeadObjectRequest {
            bucket: self.bucket(),
            key: format!("{}{INTERNAL_PREFIX}probe", self.settings.prefix),
            ..HeadObjectRequest::default()
        };
        let _ = prober.call(prober.s3.head_object(request)).await;
        std::future::pending().await
    }
}
