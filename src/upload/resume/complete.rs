//! How an upload ends: its object is made of what it has, or found where another request made it,
//! and what was temporary is removed. When it has come to its end is `append`'s to find.

use futures_util::stream;
use tokio_util::sync::CancellationToken;

use super::super::{CLEAN_UP, Engine, Length, Upload};
use super::id::{UploadHash, UploadId};
use super::open::Open;
use super::piece::{Finish, Piece, Progress};
use super::tails;
use crate::error::Error;
use crate::store::{Attributes, Condition, ObjectMeta, Part, Payload, StoreError, StoreResult};

/// How many versions back a complete upload's object is looked for: those that others stored
/// between the upload's beginning and a client that asks what became of it.
const RECENT: usize = 16;
/// How often a completion is tried while other requests store parts again.
const COMPLETIONS: usize = 4;
/// How far apart the clocks of the replicas and of the store may be, in seconds.
const CLOCK_SKEW: i64 = 300;

impl Engine {
    /// Makes the object of an upload that has all its bytes.
    pub async fn complete(&self, open: Open) -> Result<ObjectMeta, Error> {
        let nothing = Piece {
            source: Box::pin(stream::empty()),
            length: Some(0),
            finish: Finish::AtLength,
            stop: CancellationToken::new(),
        };
        match self.append(open, nothing).await? {
            Progress::Stored(meta) => Ok(*meta),
            Progress::More { .. } => {
                Err(StoreError::Conflict("the upload has not all its bytes".into()).into())
            }
        }
    }

    pub(super) async fn complete_with(
        &self,
        open: &Open,
        parts: &[Part],
    ) -> Result<ObjectMeta, Error> {
        // The last guard of all: an object shorter than what was acknowledged is never made.
        let bytes: u64 = parts.iter().map(|part| part.size).sum();
        if open.length() != Some(bytes) {
            let text = format!("{bytes} bytes are in parts, of {:?}", open.length());
            return Err(StoreError::Conflict(text.into()).into());
        }
        let attributes = Attributes {
            nonce: Some(open.id.nonce_text()),
            ..open.state().attributes.clone()
        };
        let condition = open.state().condition();
        let meta = if parts.is_empty() {
            // No list of parts may be empty. It may be there already: another writer may have come
            // since whoever made it did not live to clean up.
            let meta = match self.object_of(&open.id).await {
                Err(Error::NotFound) => self.put_empty(&open.id, &attributes, &condition).await?,
                found => found?,
            };
            if let Err(error) = self.store.abort_multipart(&open.multipart).await {
                log::warn!("an upload without parts was not aborted: {error}");
                return Ok(meta);
            }
            meta
        } else {
            match self.complete_parts(open, parts, &condition).await {
                Ok(meta) => meta,
                Err(error) => {
                    let upload = Upload {
                        key: &open.id.key,
                        attributes: &attributes,
                        condition: &condition,
                        length: Length::AtMost(open.length()),
                        stop: &CancellationToken::new(),
                    };
                    self.settle(&upload, error).await?
                }
            }
        };
        self.clean_up(open.hash).await;
        Ok(meta)
    }

    /// Where another request stored a part again, its bytes are the same and its ETag is not: so
    /// the list is read anew, or of two such requests each could refuse the other.
    async fn complete_parts(
        &self,
        open: &Open,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        let mut listed = Vec::new();
        let mut tries = 1;
        loop {
            let parts = if listed.is_empty() { parts } else { &listed };
            let completed = self
                .store
                .complete_multipart(&open.multipart, parts, condition)
                .await;
            let refused = matches!(completed, Err(StoreError::Conflict(_)));
            if !refused || tries == COMPLETIONS {
                return completed;
            }
            let shape = |part: &Part| (part.number, part.size);
            let now = self.store.list_parts(&open.multipart).await?;
            if !now.iter().map(shape).eq(parts.iter().map(shape)) {
                return completed;
            }
            listed = now;
            tries += 1;
        }
    }

    pub(super) async fn put_empty(
        &self,
        id: &UploadId,
        attributes: &Attributes,
        condition: &Condition,
    ) -> Result<ObjectMeta, StoreError> {
        let nothing = Payload::Gathered(Vec::new());
        self.store
            .put(&id.key, attributes, condition, nothing)
            .await
    }

    /// The object that this upload made, or the version that it is by now.
    pub(super) async fn object_of(&self, id: &UploadId) -> Result<ObjectMeta, Error> {
        let nonce = id.nonce_text();
        let begun = i64::try_from(id.begun).unwrap_or(i64::MAX) - CLOCK_SKEW;
        let found = self.find(&id.key, Some(&nonce), RECENT, begun).await?;
        found.ok_or(Error::NotFound)
    }

    /// Removes the temporary objects of an upload that has ended. What stays is the sweeper's: the
    /// client waits for its answer.
    pub(super) async fn clean_up(&self, hash: UploadHash) {
        let removed = tails::remove_all(self.store.as_ref(), hash);
        match tokio::time::timeout(CLEAN_UP, removed).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("temporary objects stay until they are swept: {error}"),
            Err(_) => log::warn!("temporary objects stay until they are swept"),
        }
    }
}
