//! Adding a request's bytes to an upload: what they must fit, and what becomes of what is left:
//! a tail, or with the last byte the object.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::super::flight::Flight;
use super::super::part::Cutter;
use super::super::{CLEAN_UP, total};
use super::piece::{Cut, CutCell, Finish, Piece, Progress, Until};
use super::tails::{self, Tail};
use super::take::{Rest, Taken};
use super::{Engine, Open, state};
use crate::counters::Count;
use crate::error::Error;
use crate::store::{Payload, StoreError};

impl Engine {
    /// Adds a request's bytes behind `open.offset`. Whatever ends the request, what it brought is
    /// saved where it can be: what was streamed for want of memory falls back to the part's
    /// beginning, or to the tail that was there.
    ///
    /// Fails as its source does, or with [`Error::InconsistentLength`], or for bytes that the
    /// upload cannot have with [`Error::LengthExceeded`] or [`Error::TooLarge`], or as the store
    /// does.
    pub async fn append(&self, open: Open, piece: Piece<'_>) -> Result<Progress, Error> {
        let id = open.id.clone();
        match self.add(open, piece).await {
            // Another request with the same bytes was faster, and there is an object of them.
            Err(Error::Store(error @ (StoreError::NotFound | StoreError::Conflict(_)))) => {
                match self.object_of(&id).await {
                    Ok(meta) => Ok(Progress::Stored(Box::new(meta))),
                    Err(Error::NotFound) => Err(error.into()),
                    // Nobody knows: it must not be said to be gone.
                    Err(unknown) => Err(unknown),
                }
            }
            outcome => outcome,
        }
    }

    async fn add(&self, mut open: Open, piece: Piece<'_>) -> Result<Progress, Error> {
        let from = open.offset;
        let most = self.most(open.id.part_size);
        if let Some(count) = piece.length {
            let end = from.saturating_add(count);
            if end > most {
                return Err(Error::TooLarge { limit: most });
            }
            if open.length().is_some_and(|length| end > length) {
                return Err(Error::LengthExceeded);
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
            Arc::clone(&self.counters),
        )
        .close_together();
        let begun = open.parts.len() as u64;
        // Also a request without bytes may be the one that completes: then the tail is the last part.
        let finishing = match piece.finish {
            Finish::Now => !cut.is_set(),
            Finish::AtLength => open.has_all(),
            Finish::Later => false,
        };
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
        let removed = tails::remove(&self.store, open.hash, &covered);
        if tokio::time::timeout(CLEAN_UP, removed).await.is_err() {
            log::warn!("tails stay until their upload ends");
        }
        match cut {
            None if finish == Finish::Now => Err(Error::InconsistentLength),
            None | Some(Cut::Stopped) => Ok(Progress::More { offset, whole }),
            Some(Cut::Client(error)) => Err(error),
            Some(Cut::TooLong) if open.length().is_some() => Err(Error::LengthExceeded),
            Some(Cut::TooLong) => Err(Error::TooLarge {
                limit: self.most(part_size),
            }),
        }
    }

    async fn note_length(&self, open: &mut Open, length: u64) -> Result<(), Error> {
        self.check_size(Some(length))?;
        let most = self.most(open.id.part_size);
        if length > most {
            return Err(Error::TooLarge { limit: most });
        }
        state::set_length(self.store.as_ref(), open.hash, &mut open.stored, length).await
    }

    /// Notes the length that a request names, also one without bytes.
    ///
    /// Fails with [`Error::InconsistentLength`] when another is noted, or more bytes are here, and
    /// with [`Error::LengthExceeded`] when the `count` bytes of the request itself are more: a
    /// length that cannot be right is not noted, for it could never be changed.
    pub async fn announce_length(
        &self,
        open: &mut Open,
        length: u64,
        count: Option<u64>,
    ) -> Result<(), Error> {
        if length < open.offset {
            return Err(Error::InconsistentLength);
        }
        if length - open.offset < count.unwrap_or(0) {
            return Err(Error::LengthExceeded);
        }
        self.note_length(open, length).await
    }
}
