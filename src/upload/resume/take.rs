//! Taking a request's bytes in: as parts as long as there are enough for one, and what is left
//! in memory or as a tail. What becomes of that is `append`'s.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};

use super::super::flight::Flight;
use super::super::part::{Cutter, Gathered, Room};
use super::super::source::Source;
use super::super::streamed::stream_payload;
use super::super::{check_whole, total};
use super::piece::CutCell;
use super::tails::{self, Tail};
use super::{Engine, Open};
use crate::config::MAX_PARTS;
use crate::error::Error;
use crate::store::StoreError;

/// What is left when no further part becomes full.
pub(super) enum Rest {
    /// Nothing, or it is lost.
    Nothing,
    /// These bytes, in memory.
    Gathered(Vec<Bytes>),
    /// A tail of so many bytes, stored already.
    Saved(u64),
}

/// How far a request came.
pub(super) struct Taken {
    /// Parts that were sent or were there before.
    pub(super) parts: u64,
    pub(super) rest: Rest,
}

impl Engine {
    /// Sends the source's bytes as parts as long as there are enough for one. The source begins
    /// with the first byte after the run of full parts and has `left` bytes where that is known.
    pub(super) async fn take_in(
        &self,
        open: &Open,
        cutter: &mut Cutter<'_>,
        mut left: Option<u64>,
        cut: &CutCell,
        flight: &mut Flight,
    ) -> Result<Taken, Error> {
        let part_size = open.id.part_size;
        let mut parts = open.parts.len() as u64;
        let taken = |parts, rest| Ok(Taken { parts, rest });
        loop {
            let start = parts * part_size;
            let want = match open.length() {
                Some(length) => part_size.min(length.saturating_sub(start)),
                None => part_size,
            };
            if left == Some(0) {
                return taken(parts, Rest::Nothing);
            }
            if want == 0 {
                // Whether there is more than there should be shows only now.
                flight.during(cutter.at_end()).await?;
                return taken(parts, Rest::Nothing);
            }
            let number = parts as u32 + 1;
            let gathered = if let Some(left) = left {
                // As many as come of a known number: never a wait for memory.
                let goal = want.min(left);
                if self.is_gathered(goal) {
                    let work = cutter.gather(goal, Room::Blocks(&self.budget));
                    flight.during(work).await?
                } else {
                    Gathered::Spent(Vec::new())
                }
            } else {
                if flight.during(cutter.at_end()).await? {
                    return taken(parts, Rest::Nothing);
                }
                if parts >= MAX_PARTS {
                    return Err(Error::TooLarge { limit: start });
                }
                // Parts grow with the length that was told at creation.
                if want > self.budget.largest_part() {
                    return Err(Error::LengthRequired);
                }
                let work = self.gather_whole(cutter, want);
                Gathered::Whole(flight.during(work).await?)
            };
            match (gathered, left) {
                (Gathered::Whole(blocks), _) if total(&blocks) < want => {
                    return taken(parts, Rest::Gathered(blocks));
                }
                (Gathered::Whole(blocks), _) => flight.send(number, blocks).await?,
                (Gathered::Spent(blocks), Some(left)) => {
                    let goal = want.min(left);
                    let streamed = self.stream_on(open, cutter, blocks, parts, goal, flight);
                    match streamed.await {
                        // The source ended early: the bytes went nowhere.
                        Err(_) if cut.is_set() && !flight.has_failed() => {
                            return taken(parts, Rest::Nothing);
                        }
                        Err(error) => return Err(error),
                        Ok(()) if goal < want => return taken(parts, Rest::Saved(goal)),
                        Ok(()) => {}
                    }
                }
                // A reservation is never spent.
                (Gathered::Spent(_), None) => return Err(Error::BudgetSpent),
            }
            left = left.map(|left| left.saturating_sub(want));
            parts += 1;
        }
    }

    /// Sends `goal` bytes as they come: as part `parts` where they are all of it, else as a tail.
    async fn stream_on(
        &self,
        open: &Open,
        cutter: &mut Cutter<'_>,
        blocks: Vec<Bytes>,
        parts: u64,
        goal: u64,
        flight: &mut Flight,
    ) -> Result<(), Error> {
        let end = parts * open.id.part_size + goal;
        let is_part = goal == open.id.part_size || open.length() == Some(end);
        let store = Arc::clone(&self.store);
        if is_part {
            let multipart = open.multipart.clone();
            let number = parts as u32 + 1;
            flight.room_for(number).await?;
            let work = stream_payload(cutter, blocks, goal, false, |payload| async move {
                store.upload_part(&multipart, number, payload).await
            });
            let part = flight.during(work).await?;
            flight.note(part);
        } else {
            let hash = open.hash;
            let tail = Tail {
                part: parts,
                length: goal,
            };
            let work = stream_payload(cutter, blocks, goal, false, |payload| async move {
                tails::write(store.as_ref(), hash, tail, payload).await
            });
            flight.during(work).await?;
        }
        Ok(())
    }

    /// The longest tail after the run, to be sent again with what follows it.
    pub(super) async fn read_tail(&self, open: &Open) -> Result<Source<'static>, Error> {
        if open.tail == 0 {
            return Ok(Box::pin(stream::empty()));
        }
        let tail = Tail {
            part: open.parts.len() as u64,
            length: open.tail,
        };
        let key = tails::tail_key(open.hash, tail);
        let download = match self.store.get(&key, None, None, None).await {
            Ok(download) => download,
            Err(StoreError::NotFound) => {
                let text = "another request went on with this upload";
                return Err(StoreError::Conflict(text.into()).into());
            }
            Err(error) => return Err(error.into()),
        };
        if download.meta.size != tail.length {
            return Err(StoreError::Corrupt("a tail has not its length".into()).into());
        }
        Ok(Box::pin(download.body.map_err(Error::from)))
    }

    /// The same bytes, once all of them are here and their source has ended as it should: where a
    /// checksum is wrong, none of them counts.
    ///
    /// Fails with [`Error::AppendTooLarge`] for more than a part, or than memory has room for, or
    /// where their number is not known.
    pub async fn hold(
        &self,
        open: &Open,
        source: Source<'_>,
        length: Option<u64>,
    ) -> Result<Source<'static>, Error> {
        let limit = open.id.part_size.min(self.budget.largest_part());
        let length = length
            .filter(|&length| length <= limit)
            .ok_or(Error::AppendTooLarge { limit })?;
        let mut cutter = Cutter::new(source);
        let room = Room::Reserved(self.budget.part(length as usize).await?);
        let Gathered::Whole(blocks) = cutter.gather(length, room).await? else {
            return Err(Error::BudgetSpent);
        };
        check_whole(&blocks, length)?;
        cutter.expect_end(length).await?;
        Ok(Box::pin(stream::iter(blocks.into_iter().map(Ok))))
    }
}
