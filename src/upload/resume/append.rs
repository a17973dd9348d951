//! Adding a request's bytes to an upload: parts as they become full, the remainder as a tail, and
//! the object when the last byte is here.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::super::multipart::Flight;
use super::super::part::{Cutter, Gathered, Room};
use super::super::source::Source;
use super::super::{check_whole, stream_payload, total};
use super::piece::{Cut, CutCell, Finish, Piece, Progress, Until};
use super::tails::{self, Tail};
use super::{Engine, Open, state};
use crate::config::MAX_PARTS;
use crate::counters::Count;
use crate::error::Error;
use crate::store::{Payload, StoreError};

/// What is left when no further part becomes full.
enum Rest {
    /// Nothing, or it is lost.
    Nothing,
    /// These bytes, in memory.
    Gathered(Vec<Bytes>),
    /// A tail of so many bytes, stored already.
    Saved(u64),
}

/// How far a request came.
struct Taken {
    /// Parts that were sent or were there before.
    parts: u64,
    rest: Rest,
}

impl Engine {
    /// Adds a request's bytes behind `open.offset`. Whatever ends the request, what it brought is
    /// saved where it can be: what was streamed for want of memory falls back to the part's
    /// beginning, or to the tail that was there.
    ///
    /// Fails as its source does, or with [`Error::InconsistentLength`], [`Error::TooLarge`] for
    /// bytes that the upload cannot have, or as the store does.
    pub async fn append(&self, mut open: Open, piece: Piece<'_>) -> Result<Progress, Error> {
        let from = open.offset;
        let most = self.most(open.id.part_size);
        if let Some(count) = piece.length {
            let end = from.saturating_add(count);
            if end > most {
                return Err(Error::TooLarge { limit: most });
            }
            if open.length().is_some_and(|length| end > length) {
                return Err(Error::InconsistentLength);
            }
            if piece.finish == Finish::Now {
                self.note_length(&mut open, end).await?;
            }
        }
        self.check_size(open.length())?;
        let limit = open.length().unwrap_or(most);
        // Another request brought more than this one was told that there is.
        let room = limit.checked_sub(from).ok_or(Error::InconsistentLength)?;
        let cut = CutCell::default();
        let mut body = Until::new(piece.source, piece.stop, room, cut.clone());
        // Known before the tail is read, perhaps for nothing.
        let first = body.next().await.transpose()?;
        let has_bytes = first.is_some();
        if has_bytes && from > 0 {
            self.counters.count(Count::Resumes);
        }
        let source = stream::iter(first.map(Ok)).chain(body);

        let mut flight = Flight::new(
            Arc::clone(&self.store),
            open.multipart.clone(),
            self.config.concurrency,
        );
        let begun = open.parts.len() as u64;
        let finishing = piece.finish == Finish::Now && !cut.is_set();
        let taken = if has_bytes || (finishing && open.tail > 0) {
            let before = self.read_tail(&open).await?;
            let mut cutter = Cutter::new(Box::pin(before.chain(source)));
            let left = piece.length.map(|count| count + open.tail);
            let taken = self
                .take_in(&open, &mut cutter, left, &cut, &mut flight)
                .await;
            // What is on its way counts too, whatever became of the rest.
            let landed = flight.land_all().await;
            let taken = taken?;
            landed?;
            taken
        } else {
            Taken {
                parts: begun,
                rest: Rest::Nothing,
            }
        };
        let cut = cut.take();
        self.conclude(open, piece.finish, taken, cut, flight).await
    }

    /// Saves what is left, or makes the object.
    async fn conclude(
        &self,
        mut open: Open,
        finish: Finish,
        taken: Taken,
        cut: Option<Cut>,
        mut flight: Flight,
    ) -> Result<Progress, Error> {
        let part_size = open.id.part_size;
        let start = taken.parts * part_size;
        let in_tail = if taken.parts == open.parts.len() as u64 {
            open.tail
        } else {
            0
        };
        let rest = match &taken.rest {
            Rest::Nothing => in_tail,
            Rest::Gathered(blocks) => total(blocks).max(in_tail),
            Rest::Saved(length) => *length,
        };
        // A last part may be shorter than the others.
        let offset = open.length().map_or(start, |length| start.min(length)) + rest;
        let whole = cut.is_none();
        let complete = match finish {
            Finish::Later => false,
            Finish::AtLength => open.length() == Some(offset) && !matches!(cut, Some(Cut::TooLong)),
            Finish::Now => whole && open.length().is_none_or(|length| length == offset),
        };
        if complete {
            if open.length().is_none() {
                // Before the last part is stored, or a part shorter than the others would be
                // taken for none.
                self.note_length(&mut open, offset).await?;
            }
            if let Rest::Gathered(blocks) = taken.rest
                && !blocks.is_empty()
            {
                flight.send(taken.parts as u32 + 1, blocks).await?;
                flight.land_all().await?;
            }
            let mut parts = std::mem::take(&mut open.parts);
            parts.extend(flight.done);
            parts.sort_by_key(|part| part.number);
            let meta = self.complete_with(&open, &parts).await?;
            return Ok(Progress::Stored(Box::new(meta)));
        }
        if let Rest::Gathered(blocks) = taken.rest
            && total(&blocks) > in_tail
        {
            let tail = Tail {
                part: taken.parts,
                length: total(&blocks),
            };
            let payload = Payload::Gathered(blocks);
            tails::write(self.store.as_ref(), open.hash, tail, payload).await?;
        }
        let covered = |tail: &&Tail| {
            tail.part < taken.parts || (tail.part == taken.parts && tail.length < rest)
        };
        let covered: Vec<Tail> = open.tails.iter().filter(covered).copied().collect();
        tails::remove(&self.store, open.hash, &covered).await;
        match cut {
            None if finish == Finish::Now => Err(Error::InconsistentLength),
            None | Some(Cut::Stopped) => Ok(Progress::More { offset, whole }),
            Some(Cut::Client(error)) => Err(error),
            Some(Cut::TooLong) if open.length().is_some() => Err(Error::InconsistentLength),
            Some(Cut::TooLong) => Err(Error::TooLarge {
                limit: self.most(part_size),
            }),
        }
    }

    /// Sends the source's bytes as parts as long as there are enough for one. The source begins
    /// with the first byte after the run of full parts and has `left` bytes where that is known.
    async fn take_in(
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
                        Err(_) if cut.is_set() => return taken(parts, Rest::Nothing),
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
            let work = stream_payload(cutter, blocks, goal, false, |payload| async move {
                store.upload_part(&multipart, number, payload).await
            });
            let part = flight.during(work).await?;
            flight.done.push(part);
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
    async fn read_tail(&self, open: &Open) -> Result<Source<'static>, Error> {
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

    async fn note_length(&self, open: &mut Open, length: u64) -> Result<(), Error> {
        self.check_size(Some(length))?;
        let most = self.most(open.id.part_size);
        if length > most {
            return Err(Error::TooLarge { limit: most });
        }
        state::set_length(self.store.as_ref(), open.hash, &mut open.stored, length).await
    }

    /// The same bytes, once all of them are here and their source has ended as it should: where a
    /// checksum is wrong, none of them counts.
    ///
    /// Fails with [`Error::TooLarge`] for more than a part, or where their number is not known.
    pub async fn hold(
        &self,
        open: &Open,
        source: Source<'_>,
        length: Option<u64>,
    ) -> Result<Source<'static>, Error> {
        let limit = open.id.part_size;
        let length = length
            .filter(|&length| length <= limit)
            .ok_or(Error::TooLarge { limit })?;
        let mut cutter = Cutter::new(source);
        let room = Room::Reserved(self.budget.part(length as usize).await?);
        let Gathered::Whole(blocks) = cutter.gather(length, room).await? else {
            return Err(Error::BudgetSpent);
        };
        check_whole(&blocks, length)?;
        cutter.expect_end(length).await?;
        Ok(Box::pin(stream::iter(blocks.into_iter().map(Ok))))
    }

    /// Notes the length that a request names, also one without bytes.
    ///
    /// Fails with [`Error::InconsistentLength`] when another is noted, or more bytes are here.
    pub async fn announce_length(&self, open: &mut Open, length: u64) -> Result<(), Error> {
        if length < open.offset {
            return Err(Error::InconsistentLength);
        }
        self.note_length(open, length).await
    }
}
