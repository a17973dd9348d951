//! The upload engine: takes bytes from a [`Source`] and makes an object of them, in flat memory.
//! One PutObject for what fits into a part, else parts in parallel. Gathers while the budget
//! lasts and streams when it is spent. HTTP is the handlers' business, talking to the store the
//! store's.

mod budget;
mod copy;
mod digest;
mod flight;
mod multipart;
mod part;
pub mod resume;
mod settle;
mod source;
mod streamed;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::config::{MAX_PART_BYTES, MAX_PARTS, UploadConfig};
use crate::counters::{Count, Counters};
use crate::error::Error;
use crate::store::{Attributes, Condition, ObjectKey, ObjectMeta, Payload, Store, StoreError};
pub use budget::Budget;
pub use digest::Expected;
use part::{Cutter, Gathered, Room};
use settle::nonce;
pub use source::{RequestBody, Source};
use streamed::stream_payload;

/// Up to here an object goes in with `If-None-Match: *` to learn whether it is new; sending it a
/// second time when it is not costs less than asking before. Larger ones ask while bytes arrive.
const ASK_BY_WRITING: u64 = 64 << 10;

/// How long an answer is worth waiting for on which only the choice between 201 and 200 hangs.
const ASK: Duration = Duration::from_secs(5);

/// How long cleaning up may keep an answer back; what is left then is the sweeper's.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Makes objects of sources; one for each worker.
#[derive(Clone)]
pub struct Engine {
    store: Arc<dyn Store>,
    budget: Budget,
    config: UploadConfig,
    counters: Arc<Counters>,
}

/// What is to be stored.
pub struct Upload<'a> {
    /// Under which key.
    pub key: &'a ObjectKey,
    /// With what.
    pub attributes: &'a Attributes,
    /// When only.
    pub condition: &'a Condition,
    /// How long it is.
    pub length: Length,
    /// Cancelled when nobody waits for it any more: it is given up and cleaned up after.
    pub stop: &'a CancellationToken,
}

/// What is known of an upload's length, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Exactly so many.
    Exactly(u64),
    /// Not known but, where that is given, an upper bound.
    AtMost(Option<u64>),
}

/// What was stored.
pub struct Stored {
    /// The object.
    pub meta: ObjectMeta,
    /// Whether there was none of this key before.
    pub created: bool,
}

impl Engine {
    /// An engine that writes to `store` with bytes of `budget`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, budget: Budget, config: UploadConfig) -> Self {
        Self {
            store,
            budget,
            config,
            counters: Arc::default(),
        }
    }

    /// Counts on these.
    #[must_use]
    pub fn counting(self, counters: Arc<Counters>) -> Self {
        Self { counters, ..self }
    }

    /// Most bytes that an upload of unknown length may have.
    fn unknown_limit(&self) -> u64 {
        self.config
            .max_bytes
            .min(self.config.part_bytes * MAX_PARTS)
    }

    /// Bytes in each part of an object of this length: such that [`MAX_PARTS`] hold it, in whole
    /// MiB, all equal but the last (R2 demands it).
    fn part_size(&self, length: Option<u64>) -> u64 {
        const MIB: u64 = 1 << 20;
        let needed = length.unwrap_or(0).div_ceil(MAX_PARTS).div_ceil(MIB) * MIB;
        self.config.part_bytes.max(needed).min(MAX_PART_BYTES)
    }

    /// Stores everything that `source` yields. Returns when it is durable and visible; on any
    /// error nothing is visible and parts already sent are given up.
    ///
    /// Refuses what can be refused without reading a byte before it reads one.
    pub async fn store(&self, upload: &Upload<'_>, source: Source<'_>) -> Result<Stored, Error> {
        let limit = self.config.max_bytes;
        if matches!(upload.length, Length::Exactly(length) if length > limit) {
            return Err(Error::TooLarge { limit });
        }
        self.check_condition(upload.key, upload.condition).await?;
        let attributes = Attributes {
            nonce: Some(nonce()?),
            ..upload.attributes.clone()
        };
        let upload = &Upload {
            attributes: &attributes,
            ..*upload
        };
        let cutter = Cutter::new(source);
        match upload.length {
            Length::Exactly(length) if length <= self.part_size(Some(length)) => {
                until(upload.stop, self.single(upload, cutter, length)).await
            }
            // Boxed, so that a small upload needs no room for their state.
            Length::Exactly(length) => {
                Box::pin(self.parts(upload, cutter, Some(length), None)).await
            }
            Length::AtMost(bound) => Box::pin(self.unknown(upload, cutter, bound)).await,
        }
    }

    /// A condition that is known to fail is refused before the body is read. The store checks it
    /// again when the object becomes visible.
    async fn check_condition(&self, key: &ObjectKey, condition: &Condition) -> Result<(), Error> {
        if *condition == Condition::None {
            return Ok(());
        }
        let current = match self.store.head(key, None).await {
            Ok(meta) => Some(meta.etag),
            Err(StoreError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        if condition.holds(current.as_deref()) {
            Ok(())
        } else {
            Err(Error::PreconditionFailed)
        }
    }

    /// Known length, one PutObject.
    async fn single(
        &self,
        upload: &Upload<'_>,
        mut cutter: Cutter<'_>,
        length: u64,
    ) -> Result<Stored, Error> {
        let gather = async {
            if self.is_gathered(length) {
                cutter.gather(length, Room::Blocks(&self.budget)).await
            } else {
                Ok(Gathered::Spent(Vec::new()))
            }
        };
        let (gathered, existed) = if length > ASK_BY_WRITING {
            let (gathered, existed) = tokio::join!(gather, self.existed(upload));
            (gathered?, existed)
        } else {
            (gather.await?, None)
        };
        match gathered {
            Gathered::Whole(blocks) => {
                check_whole(&blocks, length)?;
                cutter.expect_end(length).await?;
                self.put_gathered(upload, blocks, existed).await
            }
            Gathered::Spent(blocks) => {
                let existed = match existed {
                    Some(existed) => existed,
                    None => self.existed(upload).await.unwrap_or(false),
                };
                let work = stream_payload(&mut cutter, blocks, length, true, |payload| {
                    let store = Arc::clone(&self.store);
                    async move {
                        store
                            .put(upload.key, upload.attributes, upload.condition, payload)
                            .await
                    }
                });
                let meta = match Box::pin(work).await {
                    Err(Error::Store(error)) => Box::pin(self.settle(upload, error)).await?,
                    outcome => outcome?,
                };
                Ok(Stored {
                    meta,
                    created: !existed,
                })
            }
        }
    }

    /// Whether a part of this size may be gathered at all: one over a quarter of the budget would
    /// take it from all others.
    fn is_gathered(&self, size: u64) -> bool {
        size <= (self.config.buffer_bytes / 4) as u64
    }

    /// Unknown length: one PutObject if it ends within a part, else parts.
    async fn unknown(
        &self,
        upload: &Upload<'_>,
        mut cutter: Cutter<'_>,
        bound: Option<u64>,
    ) -> Result<Stored, Error> {
        let limit = self.unknown_limit();
        let size = self.part_size(None).min(bound.unwrap_or(u64::MAX));
        let blocks = until(upload.stop, self.gather_whole(&mut cutter, size)).await?;
        if total(&blocks) > limit {
            return Err(Error::TooLarge { limit });
        }
        if cutter.at_end().await? {
            return until(upload.stop, self.put_gathered(upload, blocks, None)).await;
        }
        self.parts(upload, cutter, None, Some(blocks)).await
    }

    /// Gathers a part that cannot be streamed, because nobody knows whether it will be full: from
    /// the half of the budget that nobody waits for while that lasts, so that a slow client holds
    /// no more than it has sent, and then with a reservation for the rest of the part.
    async fn gather_whole(&self, cutter: &mut Cutter<'_>, size: u64) -> Result<Vec<Bytes>, Error> {
        match cutter.gather(size, Room::Blocks(&self.budget)).await? {
            Gathered::Whole(blocks) => Ok(blocks),
            Gathered::Spent(mut blocks) => {
                let left = size - total(&blocks);
                let room = Room::Reserved(self.budget.part(left as usize).await?);
                match cutter.gather(left, room).await? {
                    Gathered::Whole(more) => blocks.extend(more),
                    Gathered::Spent(_) => return Err(Error::BudgetSpent),
                }
                Ok(blocks)
            }
        }
    }

    async fn put_gathered(
        &self,
        upload: &Upload<'_>,
        blocks: Vec<Bytes>,
        existed: Option<bool>,
    ) -> Result<Stored, Error> {
        let put = |condition: Condition| {
            let payload = Payload::Gathered(blocks.clone());
            async move {
                self.store
                    .put(upload.key, upload.attributes, &condition, payload)
                    .await
            }
        };
        let (outcome, created) = match (existed, upload.condition) {
            (None, Condition::None) => match put(Condition::IfAbsent).await {
                // It was there, another writer was faster, or nobody knows: written once more
                // without the condition, which may be repeated, it is there for certain.
                Err(StoreError::Precondition | StoreError::Conflict(_)) => {
                    (put(Condition::None).await, false)
                }
                Err(error) if error.is_transient() || error.is_unsupported() => {
                    self.counters.count(Count::Retries);
                    (put(Condition::None).await, true)
                }
                outcome => (outcome, true),
            },
            (Some(existed), condition) => (put(condition.clone()).await, !existed),
            (None, condition) => (
                put(condition.clone()).await,
                *condition == Condition::IfAbsent,
            ),
        };
        let meta = match outcome {
            Ok(meta) => meta,
            Err(error) => Box::pin(self.settle(upload, error)).await?,
        };
        Ok(Stored { meta, created })
    }

    /// Whether the object exists; None when the store would not say. Only the choice between 201
    /// and 200 hangs on it, so a store that lets us write and not read is good enough.
    async fn existed(&self, upload: &Upload<'_>) -> Option<bool> {
        match upload.condition {
            Condition::IfAbsent => return Some(false),
            Condition::IfMatch(_) => return Some(true),
            Condition::None => {}
        }
        let asked = tokio::time::timeout(ASK, self.store.head(upload.key, None)).await;
        match asked {
            Ok(Ok(_)) => Some(true),
            Ok(Err(StoreError::NotFound)) => Some(false),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

/// Waits for `work`, and no longer than until `stop` is cancelled.
async fn until<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        done = work => done,
        () = stop.cancelled() => Err(Error::ShuttingDown),
    }
}

/// A source of known length that ended early.
fn check_whole(blocks: &[Bytes], length: u64) -> Result<(), Error> {
    let got = total(blocks);
    if got == length {
        Ok(())
    } else {
        Err(short(got, length))
    }
}

fn total(blocks: &[Bytes]) -> u64 {
    blocks.iter().map(|block| block.len() as u64).sum()
}

fn short(got: u64, length: u64) -> Error {
    Error::BodyBroken(format!("{got} bytes came of {length}").into())
}

#[cfg(test)]
mod tests;
