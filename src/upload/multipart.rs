//! Objects of more than one part: parts in parallel, given up when any of them fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::part::{Cutter, Gathered, Room};
use super::resume::Plain;
use super::{Engine, Stored, Upload, check_whole, stream_payload, total, until};
use crate::config::MAX_PARTS;
use crate::counters::Count;
use crate::error::Error;
use crate::store::{Multipart, ObjectMeta, Part, Payload, Store, StoreError, StoreResult};

/// How long giving an upload up may take; what is left then is the sweeper's.
const ABORT: Duration = Duration::from_secs(10);

/// The parts of one upload that are on their way or done.
pub(super) struct Flight {
    store: Arc<dyn Store>,
    multipart: Multipart,
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
        while !self.sending.is_empty() {
            self.land().await?;
        }
        Ok(())
    }

    /// Sends a gathered part; waits first while as many as allowed are on their way.
    pub(super) async fn send(&mut self, number: u32, blocks: Vec<Bytes>) -> Result<(), Error> {
        while self.sending.len() >= self.most {
            self.land().await?;
        }
        let store = Arc::clone(&self.store);
        let multipart = self.multipart.clone();
        self.sending.push(Box::pin(async move {
            store
                .upload_part(&multipart, number, Payload::Gathered(blocks))
                .await
        }));
        Ok(())
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

impl Engine {
    /// Stores an object in parts. `first` is a first part that is gathered already.
    pub(super) async fn parts(
        &self,
        upload: &Upload<'_>,
        mut cutter: Cutter<'_>,
        length: Option<u64>,
        first: Option<Vec<Bytes>>,
    ) -> Result<Stored, Error> {
        let part_size = self.part_size(length);
        let (begun, existed) =
            tokio::join!(self.begin_parts(upload, part_size), self.existed(upload),);
        let (multipart, state) = begun?;
        let mut flight = Flight::new(Arc::clone(&self.store), multipart, self.config.concurrency);
        let all_parts = async {
            match length {
                Some(length) => self.send_known(&mut flight, &mut cutter, length).await,
                None => self.send_unknown(&mut flight, &mut cutter, first).await,
            }
        };
        let sent = until(upload.stop, all_parts).await;
        // Parts still on their way are given up before the upload is.
        flight.sending.clear();
        let completed = match sent {
            Ok(()) => {
                flight.done.sort_by_key(|part| part.number);
                let complete = self.store.complete_multipart(
                    &flight.multipart,
                    &flight.done,
                    upload.condition,
                );
                let completing = async {
                    match complete.await {
                        Ok(meta) => Ok(meta),
                        // Gone, though nobody but us knew of it: never a 404 to who is writing.
                        Err(StoreError::NotFound) => {
                            let gone = StoreError::Conflict("the upload is gone".into());
                            self.settle(upload, gone).await.map_err(Error::from)
                        }
                        Err(error) => self.settle(upload, error).await.map_err(Error::from),
                    }
                };
                until(upload.stop, completing).await
            }
            Err(error) => Err(error),
        };
        match completed {
            Ok(meta) => {
                let removed = tokio::time::timeout(ABORT, state.remove()).await;
                if removed.is_err() {
                    log::warn!("a state object stays until it is swept");
                }
                Ok(Stored {
                    meta: ObjectMeta {
                        attributes: upload.attributes.clone(),
                        ..meta
                    },
                    created: !existed.unwrap_or(false),
                })
            }
            Err(error) => {
                self.counters.count(Count::Aborts);
                let abort = async {
                    self.store.abort_multipart(&flight.multipart).await?;
                    // Where it stays, the sweeper tries again.
                    state.remove().await;
                    Ok::<_, StoreError>(())
                };
                match tokio::time::timeout(ABORT, abort).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failed)) => log::warn!("a failed upload could not be aborted: {failed}"),
                    Err(_) => log::warn!("a failed upload could not be aborted within {ABORT:?}"),
                }
                Err(error)
            }
        }
    }

    /// Begins an upload in parts, and says so in a state object in case that it never ends.
    async fn begin_parts(
        &self,
        upload: &Upload<'_>,
        part_size: u64,
    ) -> Result<(Multipart, Plain), Error> {
        let multipart = self
            .store
            .create_multipart(upload.key, upload.attributes, part_size)
            .await?;
        match Plain::create(Arc::clone(&self.store), &multipart, self.config.expiry).await {
            Ok(state) => Ok((multipart, state)),
            Err(error) => {
                self.counters.count(Count::Aborts);
                if let Err(failed) = self.store.abort_multipart(&multipart).await {
                    log::warn!("a failed upload could not be aborted: {failed}");
                }
                Err(error)
            }
        }
    }

    async fn send_known(
        &self,
        flight: &mut Flight,
        cutter: &mut Cutter<'_>,
        length: u64,
    ) -> Result<(), Error> {
        let part_size = flight.multipart.part_size;
        let mut left = length;
        for number in 1.. {
            if left == 0 {
                break;
            }
            let size = part_size.min(left);
            let gathered = if self.is_gathered(size) {
                let work = cutter.gather(size, Room::Blocks(&self.budget));
                flight.during(work).await?
            } else {
                Gathered::Spent(Vec::new())
            };
            match gathered {
                Gathered::Whole(blocks) => {
                    check_whole(&blocks, size)?;
                    flight.send(number, blocks).await?;
                }
                Gathered::Spent(blocks) => {
                    let store = Arc::clone(&flight.store);
                    let multipart = flight.multipart.clone();
                    let work = stream_payload(cutter, blocks, size, false, |payload| async move {
                        store.upload_part(&multipart, number, payload).await
                    });
                    let part = flight.during(work).await?;
                    flight.done.push(part);
                }
            }
            left -= size;
        }
        while !flight.sending.is_empty() {
            flight.land().await?;
        }
        cutter.expect_end(length).await
    }

    async fn send_unknown(
        &self,
        flight: &mut Flight,
        cutter: &mut Cutter<'_>,
        first: Option<Vec<Bytes>>,
    ) -> Result<(), Error> {
        let part_size = flight.multipart.part_size;
        let limit = self.unknown_limit();
        let mut sent = 0;
        let mut next = first;
        for number in 1.. {
            let blocks = if let Some(blocks) = next.take() {
                blocks
            } else {
                if flight.during(cutter.at_end()).await? {
                    break;
                }
                flight.during(self.gather_whole(cutter, part_size)).await?
            };
            sent += total(&blocks);
            if sent > limit || u64::from(number) > MAX_PARTS {
                return Err(Error::TooLarge { limit });
            }
            flight.send(number, blocks).await?;
        }
        while !flight.sending.is_empty() {
            flight.land().await?;
        }
        Ok(())
    }
}
