//! Lost answers: whether a write that failed went in after all is settled by asking the store for
//! the nonce that every upload gives its object. ETags cannot tell: under SSE-KMS they are no MD5,
//! and two uploads of the same bytes have the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Engine, Upload};
use crate::counters::Count;
use crate::error::Error;
use crate::store::{ObjectKey, ObjectMeta, StoreError, StoreResult};

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
        let nonce = upload.attributes.nonce.as_deref();
        let meta = match self.find(upload.key, nonce, RECENT, i64::MIN).await {
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

    /// The object that carries this nonce: the current one, or one of the `recent` newest versions
    /// that are not older than `since`, in seconds since 1970.
    pub(super) async fn find(
        &self,
        key: &ObjectKey,
        nonce: Option<&str>,
        recent: usize,
        since: i64,
    ) -> StoreResult<Option<ObjectMeta>> {
        let ours = |meta: &ObjectMeta| meta.attributes.nonce.as_deref() == nonce;
        match self.store.head(key, None).await {
            Ok(meta) if ours(&meta) => return Ok(Some(meta)),
            Ok(_) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
        // Another writer, or a delete, may have come after it.
        let past = match self.store.versions(key).await {
            Ok(past) => past,
            // Whoever may not list versions, or asks a store that has none, cannot be told of them,
            // now or later.
            Err(StoreError::NotFound | StoreError::Refused(_) | StoreError::Unsupported(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let versions = past.versions.iter().filter(|version| {
            !version.is_delete_marker && version.meta.last_modified.timestamp() >= since
        });
        for version in versions.take(recent) {
            let id = version.meta.version_id.as_ref();
            match self.store.head(key, id).await {
                Ok(meta) if ours(&meta) => return Ok(Some(meta)),
                Ok(_) | Err(StoreError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
