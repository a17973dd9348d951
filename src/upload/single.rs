//! What fits into one part: one PutObject, gathered or streamed, and whether the object is new. What
//! turns out to be longer goes on in `multipart`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::part::{Cutter, Gathered, Room};
use super::streamed::stream_payload;
use super::{Engine, Stored, Upload, check_whole, total, until};
use crate::counters::Count;
use crate::error::Error;
use crate::store::{Condition, Payload, StoreError};

/// Up to here an object goes in with `If-None-Match: *` to learn whether it is new; sending it a
/// second time when it is not costs less than asking before. Larger ones ask while bytes arrive.
const ASK_BY_WRITING: u64 = 64 << 10;

/// How long an answer is worth waiting for on which only the choice between 201 and 200 hangs.
const ASK: Duration = Duration::from_secs(5);

impl Engine {
    /// Known length, one PutObject.
    pub(super) async fn single(
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

    /// Unknown length: one PutObject if it ends within a part, else parts.
    pub(super) async fn unknown(
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
    pub(super) async fn existed(&self, upload: &Upload<'_>) -> Option<bool> {
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
