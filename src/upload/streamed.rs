//! Bodies that go out as they come in, because the budget is spent or they are too large for it.

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::mpsc;

use super::part::Cutter;
use super::{short, total};
use crate::error::Error;
use crate::store::{Payload, StoreError, StoreResult};

/// Sends `length` bytes as they arrive: first `blocks`, then what `cutter` still yields. Their
/// memory comes back as the store takes them. Cannot be repeated. With `last`, these are the
/// source's last bytes: the end of them goes out only when the source has ended as it should.
pub(super) async fn stream_payload<T, F>(
    cutter: &mut Cutter<'_>,
    blocks: Vec<Bytes>,
    length: u64,
    last: bool,
    send: impl FnOnce(Payload) -> F,
) -> Result<T, Error>
where
    F: Future<Output = StoreResult<T>>,
{
    let gathered = total(&blocks);
    // One chunk between the client's connection and the store's: enough to overlap reading with
    // writing, and no second buffer.
    let (sender, receiver) = mpsc::channel::<StoreResult<Bytes>>(1);
    let arriving = stream::unfold(receiver, |mut receiver| async move {
        let chunk = receiver.recv().await?;
        Some((chunk, receiver))
    });
    let body = stream::iter(blocks.into_iter().map(Ok)).chain(arriving);
    let sending = send(Payload::Streamed {
        len: length,
        body: Box::pin(body),
    });
    let feeding = async {
        let mut left = length - gathered;
        while left > 0 {
            let next = match cutter.next(left).await {
                Ok(Some(chunk)) if last && chunk.len() as u64 == left => {
                    cutter.expect_end(length).await.map(|()| chunk)
                }
                Ok(Some(chunk)) => Ok(chunk),
                Ok(None) => Err(short(length - left, length)),
                Err(error) => Err(error),
            };
            match next {
                Ok(chunk) => {
                    left -= chunk.len() as u64;
                    if sender.send(Ok(chunk)).await.is_err() {
                        // The store gave up; its own answer says why.
                        return Ok(());
                    }
                }
                Err(error) => {
                    let broken = StoreError::Source(error.to_string().into());
                    let _ = sender.send(Err(broken)).await;
                    return Err(error);
                }
            }
        }
        drop(sender);
        Ok(())
    };
    let mut sending = std::pin::pin!(sending);
    let mut feeding = std::pin::pin!(feeding);
    tokio::select! {
        biased;
        outcome = &mut feeding => {
            outcome?;
            Ok(sending.await?)
        }
        answer = &mut sending => match answer {
            Err(StoreError::Source(_)) => {
                // What broke is the client's side: its own error is the one to tell. It has none
                // yet when it was only slower than the store waits for a part that is not in
                // memory: had there been room, it would have been heard out.
                feeding.as_mut().now_or_never().unwrap_or(Ok(()))?;
                Err(Error::BudgetSpent)
            }
            Err(error) => Err(error.into()),
            Ok(_) => Err(StoreError::Corrupt("the store answered before the end of the bytes".into()).into()),
        },
    }
}
