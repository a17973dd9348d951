//! Lost answers: whether a write that failed went in after all is settled by asking the store for
//! the nonce that every upload gives its object. ETags cannot tell: under SSE-KMS they are no MD5,
//! and two uploads of the same bytes have the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Engine, Upload};
use crate::counters::Count;
use crate::error::Error;
use crate::store::{ObjectMeta, StoreError, StoreResult};

/// How many versions back an upload is looked for: those that others wrote while it waited.
const RECENT: usize = 8;

/// A random name for one upload: 128 bits.
pub(super) fn nonce() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl Engine {
    /// The object, if `error` hides that this upload went in; else `error` itself.
    pub(super) async fn settle(
        &self,
        upload: &Upload<'_>,
        error: StoreError,
    ) -> Result<ObjectMeta, StoreError> {
        let lost = matches!(
            error,
            // The last two are what a repeated write hears when the first went in.
            StoreError::Unavailable(_)
                | StoreError::Timeout(_)
                | StoreError::Conflict(_)
                | StoreError::Precondition
                | StoreError::NotFound
        );
        if !lost {
            return Err(error);
        }
        let meta = match self.find(upload).await {
            Ok(Some(meta)) => meta,
            Ok(None) => {
                self.counters.count(Count::SettledMissing);
                return Err(error);
            }
            // Nobody knows, and it must not be said that it is not there, or that another was
            // faster.
            Err(unknown) => {
                return Err(match error {
                    StoreError::Unavailable(_) | StoreError::Timeout(_) => error,
                    _ => unknown,
                });
            }
        };
        self.counters.count(Count::SettledFound);
        log::info!("an answer was lost, and the object is there: {error}");
        Ok(meta)
    }

    /// The object or version of it that carries this upload's nonce.
    async fn find(&self, upload: &Upload<'_>) -> StoreResult<Option<ObjectMeta>> {
        let ours = |meta: &ObjectMeta| meta.attributes.nonce == upload.attributes.nonce;
        let current = self.store.head(upload.key, None).await;
        match current {
            Ok(meta) if ours(&meta) => return Ok(Some(meta)),
            Ok(_) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
        // Another writer, or a delete, may have come after it.
        let past = match self.store.versions(upload.key).await {
            Ok(past) => past,
            // Whoever may not list versions cannot be told of them, now or later.
            Err(StoreError::NotFound | StoreError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let recent = past.versions.iter().filter(|v| !v.is_delete_marker);
        for version in recent.take(RECENT) {
            let id = version.meta.version_id.as_ref();
            match self.store.head(upload.key, id).await {
                Ok(meta) if ours(&meta) => return Ok(Some(meta)),
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
