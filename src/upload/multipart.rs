//! Objects of more than one part: parts in parallel, given up when any of them fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::flight::Flight;
use super::part::{Cutter, Gathered, Room};
use super::resume::Plain;
use super::streamed::stream_payload;
use super::{CLEAN_UP, Engine, Stored, Upload, check_whole, total, until};
use crate::config::MAX_PARTS;
use crate::counters::Count;
use crate::error::Error;
use crate::store::{Multipart, ObjectMeta, StoreError, StoreResult};

/// A part that is on its way when its upload is aborted may be stored all the same, so that the
/// upload must be aborted again (S3 AbortMultipartUpload): so much later.
const ABORT_AGAIN: Duration = Duration::from_millis(500);

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
        let create = self
            .store
            .create_multipart(upload.key, upload.attributes, part_size);
        let (begun, existed) = tokio::join!(self.begin_parts(create), self.existed(upload));
        let (mut flight, state) = begun?;
        let all_parts = async {
            match length {
                Some(length) => self.send_known(&mut flight, &mut cutter, length).await,
                None => self.send_unknown(&mut flight, &mut cutter, first).await,
            }
        };
        let sent = until(upload.stop, all_parts).await;
        Ok(Stored {
            meta: self.end_parts(upload, flight, state, sent).await?,
            created: !existed.unwrap_or(false),
        })
    }

    /// Begins an upload in parts by `create`, and says so in a state object in case that it never
    /// ends.
    pub(super) async fn begin_parts(
        &self,
        create: impl Future<Output = StoreResult<Multipart>>,
    ) -> Result<(Flight, Plain), Error> {
        let multipart = create.await?;
        match Plain::create(Arc::clone(&self.store), &multipart, self.config.expiry).await {
            Ok(state) => {
                let store = Arc::clone(&self.store);
                let flight = Flight::new(
                    store,
                    multipart,
                    self.config.concurrency,
                    Arc::clone(&self.counters),
                );
                Ok((flight, state))
            }
            Err(error) => {
                self.counters.count(Count::Aborts);
                if let Err(failed) = self.store.abort_multipart(&multipart).await {
                    log::warn!("a failed upload could not be aborted: {failed}");
                }
                Err(error)
            }
        }
    }

    /// Makes the object of the parts, if they were `sent`; else, or when that fails, gives the
    /// upload up.
    pub(super) async fn end_parts(
        &self,
        upload: &Upload<'_>,
        mut flight: Flight,
        state: Plain,
        sent: Result<(), Error>,
    ) -> Result<ObjectMeta, Error> {
        // Parts still on their way are given up before the upload is.
        let dropped = flight.drop_all();
        // A part whose answer did not come may still be on its way inside the store.
        let under_way = dropped || matches!(sent, Err(Error::Store(_) | Error::ShuttingDown));
        let completed = match sent {
            // Aborted by somebody else: never a 404 to who is writing.
            Err(Error::Store(StoreError::NotFound)) => {
                Err(StoreError::Conflict("the upload is gone".into()).into())
            }
            Ok(()) => until(upload.stop, self.make_object(upload, &mut flight)).await,
            Err(error) => Err(error),
        };
        match completed {
            Ok(meta) => {
                let removed = tokio::time::timeout(CLEAN_UP, state.remove()).await;
                if removed.is_err() {
                    log::warn!("a state object stays until it is swept");
                }
                Ok(ObjectMeta {
                    attributes: upload.attributes.clone(),
                    ..meta
                })
            }
            Err(error) => {
                self.counters.count(Count::Aborts);
                let abort = async {
                    self.store.abort_multipart(&flight.multipart).await?;
                    if under_way {
                        tokio::time::sleep(ABORT_AGAIN).await;
                        self.store.abort_multipart(&flight.multipart).await?;
                    }
                    // Where it stays, the sweeper tries again.
                    state.remove().await;
                    Ok::<_, StoreError>(())
                };
                match tokio::time::timeout(CLEAN_UP, abort).await {
                    Ok(Ok(())) => {}
                    Ok(Err(failed)) => log::warn!("a failed upload could not be aborted: {failed}"),
                    Err(_) => {
                        log::warn!("a failed upload could not be aborted within {CLEAN_UP:?}");
                    }
                }
                Err(error)
            }
        }
    }

    async fn make_object(
        &self,
        upload: &Upload<'_>,
        flight: &mut Flight,
    ) -> Result<ObjectMeta, Error> {
        flight.done.sort_by_key(|part| part.number);
        let completed = self
            .store
            .complete_multipart(&flight.multipart, &flight.done, upload.condition)
            .await;
        match completed {
            Ok(meta) => Ok(meta),
            // Gone, though nobody but us knew of it: never a 404 to who is writing.
            Err(StoreError::NotFound) => {
                let gone = StoreError::Conflict("the upload is gone".into());
                Ok(self.settle(upload, gone).await?)
            }
            Err(error) => Ok(self.settle(upload, error).await?),
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
                    flight.note(part);
                }
            }
            left -= size;
        }
        flight.land_all().await?;
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
        flight.land_all().await?;
        Ok(())
    }
}
