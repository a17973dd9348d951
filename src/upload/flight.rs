//! The parts of one upload while they are on their way to the store, several at once. What they are
//! made of, and what becomes of the upload, is `multipart`'s, `copy`'s and `resume`'s.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::counters::{Count, Counters};
use crate::error::Error;
use crate::store::{Multipart, Part, Payload, Store, StoreResult};

/// The parts of one upload that are on their way or done.
pub(super) struct Flight {
    pub(super) store: Arc<dyn Store>,
    pub(super) multipart: Multipart,
    most: usize,
    /// Whether no part may be `most` or more ahead of one that is not confirmed.
    close: bool,
    sending: FuturesUnordered<BoxFuture<'static, (u32, StoreResult<Part>)>>,
    /// The numbers of the parts in `sending`.
    numbers: BTreeSet<u32>,
    failed: bool,
    pub(super) done: Vec<Part>,
    counters: Arc<Counters>,
}

impl Flight {
    /// At most `most` parts on their way at once.
    pub(super) fn new(
        store: Arc<dyn Store>,
        multipart: Multipart,
        most: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            store,
            multipart,
            most,
            close: false,
            sending: FuturesUnordered::new(),
            numbers: BTreeSet::new(),
            failed: false,
            done: Vec::new(),
            counters,
        }
    }

    /// No part runs ahead of one that is slow, or tried again: of a resumable upload counts only
    /// what has no gap before it, and the rest is sent again after a crash.
    pub(super) fn close_together(mut self) -> Self {
        self.close = true;
        self
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
        self.launch(number, work).await
    }

    /// Adds what makes part `number`; waits first while as many as allowed are on their way.
    pub(super) async fn launch(
        &mut self,
        number: u32,
        work: impl Future<Output = StoreResult<Part>> + Send + 'static,
    ) -> Result<(), Error> {
        self.room_for(number).await?;
        self.sending
            .push(Box::pin(async move { (number, work.await) }));
        self.numbers.insert(number);
        Ok(())
    }

    /// Waits while as many parts as allowed are on their way before part `number`.
    pub(super) async fn room_for(&mut self, number: u32) -> Result<(), Error> {
        let most = self.most;
        let ahead = |first: &u32| number.saturating_sub(*first) as usize >= most;
        while self.sending.len() >= most || (self.close && self.numbers.first().is_some_and(ahead))
        {
            self.land().await?;
        }
        Ok(())
    }

    /// Whether parts are on their way.
    pub(super) fn is_busy(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Whether a part failed. Whoever heard of it may have had another reason to stop.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Gives up the parts that are on their way; whether there were any.
    pub(super) fn drop_all(&mut self) -> bool {
        let any = self.is_busy();
        self.sending.clear();
        self.numbers.clear();
        any
    }

    /// Waits for one part to be confirmed.
    async fn land(&mut self) -> Result<(), Error> {
        match self.sending.next().await {
            Some(landed) => self.landed(landed),
            None => Ok(()),
        }
    }

    fn landed(&mut self, (number, outcome): (u32, StoreResult<Part>)) -> Result<(), Error> {
        self.numbers.remove(&number);
        self.failed |= outcome.is_err();
        self.note(outcome?);
        Ok(())
    }

    /// A part that the store has confirmed.
    pub(super) fn note(&mut self, part: Part) {
        self.counters.count(Count::Parts);
        self.done.push(part);
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
                Some(landed) = self.sending.next(), if !self.sending.is_empty() => {
                    self.landed(landed)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::fs::FsStore;
    use crate::store::{KeyRules, StoreError};

    fn flight(dir: &tempfile::TempDir) -> Flight {
        let multipart = Multipart {
            key: KeyRules::default().writable("k").unwrap(),
            upload_id: "u".into(),
            part_size: 1,
            crc64: false,
        };
        let store = FsStore::open(dir.path()).unwrap();
        Flight::new(store, multipart, 2, Arc::default())
    }

    /// The highest number that goes out while part 1 never comes back.
    async fn reach(mut flight: Flight) -> u32 {
        flight.launch(1, std::future::pending()).await.unwrap();
        for number in 2..10 {
            let part = Part {
                number,
                size: 1,
                etag: String::new(),
                crc64: None,
            };
            let sent = flight.launch(number, async { Ok(part) });
            if tokio::time::timeout(Duration::from_secs(1), sent)
                .await
                .is_err()
            {
                return number - 1;
            }
        }
        9
    }

    #[tokio::test]
    async fn a_part_that_failed_is_remembered_and_keeps_no_place() {
        let dir = tempfile::tempdir().unwrap();
        let mut flight = flight(&dir).close_together();
        let lost = async { Err(StoreError::NotFound) };
        flight.launch(1, lost).await.unwrap();
        assert!(!flight.has_failed() && flight.land_all().await.is_err());
        assert!(flight.has_failed());
        flight.room_for(9).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn only_parts_that_stay_together_wait_for_a_slow_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(reach(flight(&dir)).await, 9);
        assert_eq!(reach(flight(&dir).close_together()).await, 2);
    }
}
