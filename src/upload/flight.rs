//! The parts of one upload while they are on their way to the store, several at once. What they are
//! made of, and what becomes of the upload, is `multipart`'s, `copy`'s and `resume`'s.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::error::Error;
use crate::store::{Multipart, Part, Payload, Store, StoreResult};

/// The parts of one upload that are on their way or done.
pub(super) struct Flight {
    pub(super) store: Arc<dyn Store>,
    pub(super) multipart: Multipart,
    most: usize,
    sending: FuturesUnordered<BoxFuture<'static, StoreResult<Part>>>,
    pub(super) done: Vec<Part>,
}

impl Flight {
    /// At most `most` parts on their way at once.
    pub(super) fn new(store: Arc<dyn Store>, multipart: Multipart, most: usize) -> Self {
        Self {
            store,
            multipart,
            most,
            sending: FuturesUnordered::new(),
            done: Vec::new(),
        }
    }

    /// Waits for all parts that are on their way.
    pub(super) async fn land_all(&mut self) -> Result<(), Error> {
        while self.is_busy() {
            self.land().await?;
        }
        Ok(())
    }

    /// Sends a gathered part; waits first while as many as allowed are on their way.
    pub(super) async fn send(&mut self, number: u32, blocks: Vec<Bytes>) -> Result<(), Error> {
        let store = Arc::clone(&self.store);
        let multipart = self.multipart.clone();
        let work = async move {
            store
                .upload_part(&multipart, number, Payload::Gathered(blocks))
                .await
        };
        self.launch(work).await
    }

    /// Adds what makes one part; waits first while as many as allowed are on their way.
    pub(super) async fn launch(
        &mut self,
        work: impl Future<Output = StoreResult<Part>> + Send + 'static,
    ) -> Result<(), Error> {
        while self.sending.len() >= self.most {
            self.land().await?;
        }
        self.sending.push(Box::pin(work));
        Ok(())
    }

    /// Whether parts are on their way.
    pub(super) fn is_busy(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Gives up the parts that are on their way; whether there were any.
    pub(super) fn drop_all(&mut self) -> bool {
        let any = self.is_busy();
        self.sending.clear();
        any
    }

    /// Waits for one part to be confirmed.
    async fn land(&mut self) -> Result<(), Error> {
        if let Some(part) = self.sending.next().await {
            self.done.push(part?);
        }
        Ok(())
    }

    /// Waits for `work` while parts go on; a part that fails ends the wait.
    pub(super) async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(part) = self.sending.next(), if !self.sending.is_empty() => {
                    self.done.push(part?);
                }
            }
        }
    }
}
