//! From a payload to a file, without a file's delays on the calling thread and without holding
//! a blocking thread while the source is silent. Where the bytes go is the sink's business.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};

use super::blocking;
use crate::store::{Bytestream, StoreError, StoreResult};

/// Bytes gathered before a write: one hand-over to a blocking thread costs some 10 µs, too much
/// for each 1.4 KB that a socket gives.
const BLOCK: usize = 256 * 1024;

/// So much is written at once when the source has no more ready: a stream that waits for a slow
/// client holds no more than this.
const SMALL_BLOCK: usize = 64 * 1024;

/// Takes bytes in order, blocking.
pub(super) trait Sink: Send + 'static {
    fn write(&mut self, block: &[u8]) -> StoreResult<()>;
}

/// Writes the blocks of a gathered payload, on a blocking thread.
pub(super) fn write_all(sink: &mut impl Sink, blocks: &[Bytes]) -> StoreResult<()> {
    blocks.iter().try_for_each(|block| sink.write(block))
}

/// Writes a streamed payload and gives the sink back.
///
/// Fails with [`StoreError::Source`] unless `body` yields exactly `len` bytes.
pub(super) async fn pour<S: Sink>(sink: S, len: u64, body: Bytestream) -> StoreResult<S> {
    let mut parked = Parked(Some(sink));
    let poured = pour_parked(&mut parked, len, body).await;
    // Without a sink the write itself failed, and took the sink along.
    match (poured, parked.0.take()) {
        (Ok(()), Some(sink)) => Ok(sink),
        (Ok(()), None) => Err(StoreError::Unavailable("the sink is gone".into())),
        (Err(error), sink) => {
            // Cleaned up when the caller hears of the failure, not some time later.
            blocking(move || {
                drop(sink);
                Ok(())
            })
            .await?;
            Err(error)
        }
    }
}

async fn pour_parked<S: Sink>(
    parked: &mut Parked<S>,
    len: u64,
    mut body: Bytestream,
) -> StoreResult<()> {
    let mut left = len;
    let mut gathered = Vec::new();
    loop {
        let ready = body.next().now_or_never();
        let chunk = if let Some(chunk) = ready {
            chunk
        } else {
            if gathered.len() >= SMALL_BLOCK {
                parked.write(std::mem::take(&mut gathered)).await?;
            }
            body.next().await
        };
        let Some(chunk) = chunk.transpose()? else {
            break;
        };
        left = left
            .checked_sub(chunk.len() as u64)
            .ok_or_else(|| StoreError::Source(format!("more than the {len} bytes said").into()))?;
        if gathered.is_empty() && chunk.len() >= SMALL_BLOCK {
            parked.write(chunk).await?;
            continue;
        }
        // Copied, not kept: a chunk from a socket pins the whole buffer it was read into.
        gathered.extend_from_slice(&chunk);
        if gathered.len() >= BLOCK {
            parked.write(std::mem::take(&mut gathered)).await?;
        }
    }
    if left > 0 {
        let text = format!("ended {left} bytes before the {len} said");
        return Err(StoreError::Source(text.into()));
    }
    if !gathered.is_empty() {
        parked.write(gathered).await?;
    }
    Ok(())
}

/// A sink between two writes. When the upload is dropped here, the sink goes on a blocking
/// thread: it may remove a file of gigabytes.
struct Parked<S: Sink>(Option<S>);

impl<S: Sink> Parked<S> {
    async fn write(&mut self, block: impl AsRef<[u8]> + Send + 'static) -> StoreResult<()> {
        let Some(mut sink) = self.0.take() else {
            return Ok(());
        };
        // The block comes back too: see `read::stream`.
        let (sink, _written) = blocking(move || {
            sink.write(block.as_ref())?;
            Ok((sink, block))
        })
        .await?;
        self.0 = Some(sink);
        Ok(())
    }
}

impl<S: Sink> Drop for Parked<S> {
    fn drop(&mut self) {
        let Some(sink) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Where the runtime is ending, the closure is dropped, and the sink with it.
            drop(runtime.spawn_blocking(move || drop(sink)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[derive(Default)]
    struct Blocks(Vec<Vec<u8>>);

    impl Sink for Blocks {
        fn write(&mut self, block: &[u8]) -> StoreResult<()> {
            self.0.push(block.to_vec());
            Ok(())
        }
    }

    fn chunks(size: usize, count: usize) -> Bytestream {
        let chunk = Bytes::from((0..size).map(|i| i as u8).collect::<Vec<_>>());
        stream::iter(std::iter::repeat_n(chunk, count).map(Ok)).boxed()
    }

    #[tokio::test]
    async fn small_chunks_are_written_in_large_blocks_and_in_order() {
        let sink = pour(Blocks::default(), 1_448_000, chunks(1_448, 1_000)).await;
        let blocks = sink.unwrap().0;
        assert!(blocks.len() < 10, "{} blocks", blocks.len());
        assert!(blocks.iter().all(|block| block.len() < BLOCK + 1_448));
        let mut all = blocks.concat().into_iter();
        for i in 0..1_448_000_usize {
            assert_eq!(all.next(), Some((i % 1_448) as u8));
        }
    }

    #[tokio::test]
    async fn a_source_that_yields_more_or_less_than_it_said_fails() {
        for len in [99, 101, 0] {
            let result = pour(Blocks::default(), len, chunks(10, 10)).await;
            assert!(matches!(result, Err(StoreError::Source(_))), "{len}");
        }
        assert!(pour(Blocks::default(), 0, chunks(10, 0)).await.is_ok());
    }
}
