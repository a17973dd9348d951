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
mod single;
mod source;
mod streamed;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::config::{MAX_PART_BYTES, MAX_PARTS, UploadConfig};
use crate::counters::Counters;
use crate::error::Error;
use crate::store::{Attributes, Condition, ObjectKey, ObjectMeta, Store, StoreError};
pub use budget::Budget;
pub use digest::Expected;
use part::{Cutter, Gathered, Room};
use settle::nonce;
pub use source::{RequestBody, Source};

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

    /// Whether a part of this size may be gathered at all: one over a quarter of the budget would
    /// take it from all others.
    fn is_gathered(&self, size: u64) -> bool {
        size <= (self.config.buffer_bytes / 4) as u64
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
