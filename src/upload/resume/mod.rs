//! Resumable uploads, on any replica, with no database. What is known of one is in its id, in the
//! store's own list of parts, and in a few small temporary objects; a replica keeps nothing that
//! another would need. Which protocol a client speaks is the handlers' business.
//!
//! Part k (S3 number k+1) always holds bytes `[k*P, (k+1)*P)`. The offset is the contiguous run of
//! full parts plus the longest tail of the part after it. A request that ends between two
//! boundaries, in any way, leaves what it has as such a tail, and the next one begins by reading
//! the longest.
//!
//! # Two requests at once
//!
//! A client sends one request at a time, but one that it has given up may still be under way,
//! here or on another replica. On this one it is told to end, and waited for ([`Live`]), so that
//! what it still holds counts. Across replicas nothing is locked. That does no harm:
//!
//! - Each position of the file has the same byte in both requests, as they carry the same file.
//!   Whoever stores part k last stores the bytes that were there. A part becomes visible whole.
//! - A tail is written once under a name that tells its length; the same name has the same bytes.
//!   A late request leaves a tail that is shorter than another, which nobody reads, or longer,
//!   which is progress.
//! - A tail is removed only after something that covers it was confirmed: the part, or a longer
//!   tail. A part is never removed before the upload ends. So the offset never decreases. Who read
//!   the list before a removal finds a tail gone: that is a 409, and the client asks again.
//! - The length is noted once, under the condition that nobody noted another.
//! - Completion names the ETags that this request received, and for earlier parts those of
//!   `ListParts` at its beginning. Where a part was stored again meanwhile under another ETag the
//!   store refuses the list, and it is read anew: two requests that were each faster with a part
//!   of the other would both be refused. Of two completions one finds no upload any more, and then
//!   the object with the nonce. So does a request that is overtaken before it has come to its end.
//! - Removal aborts the parts first and takes the state last. A request that is late after that
//!   gets a 404 from the store; a tail that it still writes has no state, and the sweeper takes it.
//!
//! A client that sends different bytes for one position gets one of them, as it would in turn.

mod append;
mod checksum;
mod complete;
mod id;
mod live;
mod open;
mod piece;
mod state;
pub mod sweep;
mod tails;
mod take;
#[cfg(test)]
mod tests;

use super::Engine;
use crate::config::MAX_PARTS;
use crate::counters::Count;
use crate::error::Error;
use crate::store::{Attributes, ObjectKey, StoreError};
pub use checksum::{ALGORITHMS, Checksum};
pub use id::{UploadHash, UploadId};
pub use live::{Guard, Live};
pub use open::{Found, Open};
pub use piece::{Finish, Piece, Progress};
pub(super) use state::Plain;
pub use state::State;

/// A resumable upload that is to begin.
pub struct New {
    /// The object's key.
    pub key: ObjectKey,
    /// What the object is stored with.
    pub attributes: Attributes,
    /// Bytes in all, where that is known.
    pub length: Option<u64>,
    /// tus: `Upload-Metadata` as it came, to be given back.
    pub metadata: Option<String>,
    /// Whether it is to be made only where nothing has its key.
    pub if_absent: bool,
}

impl Engine {
    /// Limits are checked at each request: they may have changed since the one before.
    fn check_size(&self, length: Option<u64>) -> Result<(), Error> {
        let limit = self.config.max_bytes;
        if length.is_some_and(|length| length > limit) {
            return Err(Error::TooLarge { limit });
        }
        Ok(())
    }

    /// Most bytes of an upload with parts of this size.
    fn most(&self, part_size: u64) -> u64 {
        self.config.max_bytes.min(part_size * MAX_PARTS)
    }

    /// Most bytes of an upload, of this one where it is known, else of any.
    #[must_use]
    pub fn max_size(&self, open: Option<&Open>) -> u64 {
        open.map_or(self.config.max_bytes, |open| self.most(open.id.part_size))
    }

    /// Begins an upload. One of no bytes is complete at once.
    ///
    /// Fails with [`Error::PreconditionFailed`] when its key must be free and is not: then no byte
    /// is sent in vain. What comes under that key meanwhile the store finds at the end.
    pub async fn begin(&self, new: New) -> Result<(UploadId, Found), Error> {
        self.check_size(new.length)?;
        let condition = state::condition(new.if_absent);
        self.check_condition(&new.key, &condition).await?;
        let mut id = UploadId {
            key: new.key,
            store_id: String::new(),
            nonce: id::random()?,
            begun: id::now(),
            part_size: self.part_size(new.length),
            crc64: false,
        };
        let attributes = Attributes {
            nonce: Some(id.nonce_text()),
            ..new.attributes
        };
        if new.length == Some(0) {
            let meta = self.put_empty(&id, &attributes, &condition).await?;
            return Ok((id, Found::Done(Box::new(meta))));
        }
        let multipart = self
            .store
            .create_multipart(&id.key, &attributes, id.part_size)
            .await?;
        id.store_id.clone_from(&multipart.upload_id);
        id.crc64 = multipart.crc64;
        let state = State {
            id: id.encode(),
            length: new.length,
            expires: state::expires(self.config.expiry),
            metadata: new.metadata,
            if_absent: new.if_absent,
            attributes,
        };
        let kept = async {
            self.store.keep_multipart(&multipart).await?;
            state::create(self.store.as_ref(), id.hash(), &state).await
        };
        match kept.await {
            Ok(stored) => {
                let open = Open::new(id.clone(), multipart, stored, Vec::new(), Vec::new());
                Ok((id, Found::Open(Box::new(open))))
            }
            Err(error) => {
                self.counters.count(Count::Aborts);
                if let Err(failed) = self.store.abort_multipart(&multipart).await {
                    log::warn!("an upload that could not begin was not aborted: {failed}");
                }
                Err(error.into())
            }
        }
    }

    /// Finds an upload wherever it was begun.
    ///
    /// Fails with [`Error::NotFound`] when there is none, or it was given up.
    pub async fn find_upload(&self, id: UploadId) -> Result<Found, Error> {
        let Some(multipart) = id.multipart() else {
            return Ok(Found::Done(Box::new(self.object_of(&id).await?)));
        };
        let hash = id.hash();
        // The tails first: one that another request removes meanwhile is covered by a part that the
        // later list has. The other way round neither would be seen, and the offset would go back.
        let listed = async {
            let tails = tails::list(self.store.as_ref(), hash).await;
            (self.store.list_parts(&multipart).await, tails)
        };
        let (stored, (parts, tails)) = tokio::join!(state::read(self.store.as_ref(), hash), listed);
        let stored = match stored {
            Ok(stored) => stored,
            Err(StoreError::NotFound) => {
                return Ok(Found::Done(Box::new(self.object_of(&id).await?)));
            }
            Err(error) => return Err(error.into()),
        };
        let parts = match parts {
            Ok(parts) => parts,
            Err(StoreError::NotFound) => {
                // It ended, and whoever ended it did not live to clean up.
                let meta = self.object_of(&id).await?;
                self.clean_up(hash).await;
                return Ok(Found::Done(Box::new(meta)));
            }
            Err(error) => return Err(error.into()),
        };
        if stored.state.is_expired() {
            return Err(Error::NotFound);
        }
        let open = Open::new(id, multipart, stored, parts, tails?);
        Ok(Found::Open(Box::new(open)))
    }

    /// Gives an upload up, with everything that there is of it. Its object, if it is complete,
    /// stays: then there is no upload any more.
    pub async fn cancel(&self, id: &UploadId) -> Result<(), Error> {
        let multipart = id.multipart().ok_or(Error::NotFound)?;
        state::read(self.store.as_ref(), id.hash()).await?;
        self.store.abort_multipart(&multipart).await?;
        self.counters.count(Count::Aborts);
        tails::remove_all(self.store.as_ref(), id.hash()).await?;
        Ok(())
    }
}
