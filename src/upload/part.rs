//! Cuts a source into parts and gathers each in blocks of the budget.
//! Sending parts is the business of `single`, `multipart` and `flight`.

use bytes::Bytes;
use futures_util::StreamExt;

use super::budget::{BLOCK_BYTES, Block, Budget, Reservation};
use super::source::Source;
use crate::error::Error;

/// First block of a part.
const FIRST_BYTES: usize = 64 << 10;

/// A source with what is left of the chunk that was cut at a part's end.
pub(super) struct Cutter<'a> {
    source: Source<'a>,
    rest: Bytes,
    ended: bool,
}

/// What gathering came to.
pub(super) enum Gathered {
    /// The part is complete: it has the bytes wanted, or the source has ended.
    Whole(Vec<Bytes>),
    /// The budget was spent after these.
    Spent(Vec<Bytes>),
}

/// Where blocks come from.
pub(super) enum Room<'a> {
    /// One after the other, while the budget lasts.
    Blocks(&'a Budget),
    /// A reservation for the whole part.
    Reserved(Reservation),
}

impl Room<'_> {
    fn block(&mut self, size: usize) -> Option<Block> {
        match self {
            Self::Blocks(budget) => budget.block(size),
            Self::Reserved(part) => part.block(size),
        }
    }
}

impl<'a> Cutter<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Self {
            source,
            rest: Bytes::new(),
            ended: false,
        }
    }

    /// Whether there is a byte left; waits for the next chunk when that is not known yet.
    async fn has_more(&mut self) -> Result<bool, Error> {
        while self.rest.is_empty() && !self.ended {
            match self.source.next().await.transpose()? {
                Some(chunk) => self.rest = chunk,
                None => self.ended = true,
            }
        }
        Ok(!self.rest.is_empty())
    }

    /// Whether the source has ended; waits for the next chunk when that is not known yet.
    pub(super) async fn at_end(&mut self) -> Result<bool, Error> {
        Ok(!self.has_more().await?)
    }

    /// Fails when the source has more than the `length` bytes that came of it, or ends in an
    /// error: a checksum that does not match shows only here.
    pub(super) async fn expect_end(&mut self, length: u64) -> Result<(), Error> {
        if self.at_end().await? {
            return Ok(());
        }
        Err(Error::BodyBroken(
            format!("more than the {length} bytes announced came").into(),
        ))
    }

    /// At most `most` further bytes; None at the source's end.
    pub(super) async fn next(&mut self, most: u64) -> Result<Option<Bytes>, Error> {
        if !self.has_more().await? {
            return Ok(None);
        }
        let count = self
            .rest
            .len()
            .min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Some(self.rest.split_to(count)))
    }

    /// Gathers `want` bytes, or as many as the source still has, in blocks of `room`.
    pub(super) async fn gather(
        &mut self,
        want: u64,
        mut room: Room<'_>,
    ) -> Result<Gathered, Error> {
        let mut blocks = Vec::new();
        let mut left = usize::try_from(want).unwrap_or(usize::MAX);
        let mut block: Option<Block> = None;
        while left > 0 && self.has_more().await? {
            if block.is_none() {
                // Never larger than what is left, so a full part ends exactly at its boundary. The
                // first is small: most of what comes without a length is.
                let most = if blocks.is_empty() {
                    FIRST_BYTES
                } else {
                    BLOCK_BYTES
                };
                block = room.block(most.min(left));
            }
            let Some(filling) = &mut block else {
                return Ok(Gathered::Spent(blocks));
            };
            left -= filling.fill(&mut self.rest);
            if filling.is_full() {
                blocks.extend(block.take().map(Block::freeze));
            }
        }
        blocks.extend(block.map(Block::freeze));
        Ok(Gathered::Whole(blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use proptest::prelude::*;

    fn cutter(chunks: Vec<Vec<u8>>) -> Cutter<'static> {
        Cutter::new(Box::pin(stream::iter(
            chunks.into_iter().map(|c| Ok(Bytes::from(c))),
        )))
    }

    fn bytes(blocks: &[Bytes]) -> Vec<u8> {
        blocks.concat()
    }

    #[tokio::test]
    async fn a_spent_budget_loses_no_byte() {
        let budget = Budget::new(2 * BLOCK_BYTES);
        let data: Vec<u8> = (0..600_000_u32).map(|n| n as u8).collect();
        let mut cutter = cutter(data.chunks(70_000).map(<[u8]>::to_vec).collect());
        let Ok(Gathered::Spent(blocks)) = cutter.gather(600_000, Room::Blocks(&budget)).await
        else {
            panic!("half of the budget is one block: the first, and no second");
        };
        let mut seen = bytes(&blocks);
        assert_eq!(seen.len(), FIRST_BYTES);
        while let Some(chunk) = cutter.next(u64::MAX).await.unwrap() {
            seen.extend_from_slice(&chunk);
        }
        assert!(seen == data);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn parts_are_the_source_cut_at_every_boundary(
            sizes in proptest::collection::vec(0_usize..2000, 0..30),
            part in 1_u64..3000,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let chunks: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(i, &n)| vec![i as u8; n]).collect();
                let whole = chunks.concat();
                let budget = Budget::new(1 << 20);
                let mut cutter = cutter(chunks);
                let mut seen = Vec::new();
                while !cutter.at_end().await.unwrap() {
                    let room = Room::Reserved(budget.part(part as usize).await.unwrap());
                    let Gathered::Whole(blocks) = cutter.gather(part, room).await.unwrap() else {
                        panic!("a reservation holds a whole part");
                    };
                    let blocks = bytes(&blocks);
                    assert!(blocks.len() as u64 == part || seen.len() + blocks.len() == whole.len());
                    seen.extend_from_slice(&blocks);
                }
                assert!(seen == whole);
                drop(cutter);
                assert_eq!(budget.in_use(), 0);
            });
        }
    }
}
