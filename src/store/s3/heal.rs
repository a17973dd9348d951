//! Downloads that go on where S3 cut them: with Range from the byte reached and If-Match on the
//! object that began, so that bytes of two objects never mix. How a GET is sent is `read`'s.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::S3Store;
use super::retry::jitter;
use crate::counters::Count;
use crate::store::{
    ByteRange, Bytestream, ObjectKey, ObjectMeta, RangeSpec, StoreError, StoreResult, VersionId,
};

/// Cuts in a row, without a byte between them, after which the download is given up.
const CUTS: u32 = 4;
/// Before going on after a cut; twice as long after each further one in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A download under way.
struct Download {
    store: S3Store,
    key: ObjectKey,
    version: Option<VersionId>,
    etag: String,
    /// The next byte to be given out, and the one after the last.
    next: u64,
    end: u64,
    body: Option<Bytestream>,
    cuts: u32,
}

/// The bytes of `range`, of which `body` is the first try.
pub(super) fn heal(
    store: S3Store,
    key: ObjectKey,
    meta: &ObjectMeta,
    range: ByteRange,
    body: Bytestream,
) -> Bytestream {
    let download = Download {
        store,
        key,
        version: meta.version_id.clone(),
        etag: meta.etag.clone(),
        next: range.start,
        end: range.end,
        body: Some(body),
        cuts: 0,
    };
    stream::try_unfold(download, |mut download| async move {
        let chunk = download.chunk().await?;
        Ok(chunk.map(|chunk| (chunk, download)))
    })
    .boxed()
}

impl Download {
    /// The next bytes; None after the last.
    async fn chunk(&mut self) -> StoreResult<Option<Bytes>> {
        while self.next < self.end {
            let cut = match &mut self.body {
                Some(body) => match body.next().await {
                    Some(Ok(chunk)) => {
                        self.next += chunk.len() as u64;
                        if self.next > self.end {
                            return Err(StoreError::Corrupt("S3 sent more than was asked".into()));
                        }
                        if !chunk.is_empty() {
                            self.cuts = 0;
                        }
                        return Ok(Some(chunk));
                    }
                    Some(Err(error)) => error,
                    None => StoreError::Unavailable("S3 ended an object early".into()),
                },
                None => StoreError::Unavailable("S3 could not be asked again".into()),
            };
            self.reopen(cut).await?;
        }
        Ok(None)
    }

    /// Asks for what is missing; fails with `cut` after too many cuts in a row, and when the
    /// object is no longer the one that began.
    async fn reopen(&mut self, cut: StoreError) -> StoreResult<()> {
        self.body = None;
        self.cuts += 1;
        if self.cuts > CUTS || !cut.is_transient() {
            return Err(cut);
        }
        log::info!(
            "S3 cut a download at byte {} and is asked again: {cut}",
            self.next
        );
        tokio::time::sleep(jitter(FIRST_PAUSE * 2_u32.pow(self.cuts - 1))).await;
        let rest = RangeSpec::Between(self.next, self.end - 1);
        let version = self.version.as_ref();
        match self
            .store
            .open(&self.key, version, Some(rest), Some(&self.etag))
            .await
        {
            Ok((_, Some(range), body)) if range.start == self.next && range.end == self.end => {
                self.body = Some(body);
                self.store.counters().count(Count::Heals);
                Ok(())
            }
            Ok(_) => Err(StoreError::Corrupt(
                "S3 sent another range than was asked".into(),
            )),
            // What was found a moment ago is not what was never there.
            Err(StoreError::NotFound) => Err(StoreError::Conflict(
                "it was removed while it was read".into(),
            )),
            // Asked again, until that too has failed too often.
            Err(error) if error.is_transient() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
