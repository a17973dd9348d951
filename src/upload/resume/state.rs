//! The state object of an upload in parts: what the protocols must give back, and for the sweeper
//! the only sign that the upload is ours. Written when an upload begins, again only when a length
//! becomes known, removed when it ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::id::{self, UploadHash, UploadId};
use super::tails;
use crate::error::Error;
use crate::store::{
    Attributes, Condition, Multipart, ObjectKey, Payload, Store, StoreError, StoreResult, VersionId,
};

/// Below the internal prefix: `uploads/{hash}/`.
pub(super) const FOLDER: &str = "uploads/";
/// The state's name in there.
pub(super) const NAME: &str = "state";

/// A state is an id, headers of one request and a few numbers: 16 KiB and what JSON makes of it.
const MAX_BYTES: u64 = 256 << 10;

/// When a plain upload is taken for dead at the earliest: its client was told of no time, and may
/// be slow.
const PLAIN_EXPIRY: Duration = Duration::from_hours(7 * 24);

/// What is known of an upload besides its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The id, for the sweeper.
    pub(super) id: String,
    /// Bytes in all, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Seconds since 1970 after which it is given up.
    pub expires: i64,
    /// tus: `Upload-Metadata` as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Whether it is to be made only where nothing has its key then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) if_absent: bool,
    /// For an upload that turns out to be empty: it cannot be made of parts.
    #[serde(default)]
    pub(super) attributes: Attributes,
}

impl State {
    /// The condition under which it becomes an object.
    pub(super) fn condition(&self) -> Condition {
        condition(self.if_absent)
    }

    /// Whether it becomes one only where nothing has its key.
    #[must_use]
    pub fn if_absent(&self) -> bool {
        self.if_absent
    }

    /// Whether the upload is given up.
    #[must_use]
    pub fn is_expired(&self) -> bool {
        self.expires <= Utc::now().timestamp()
    }
}

/// A state as it lies in the store.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) state: State,
    pub(super) etag: String,
    pub(super) version: Option<VersionId>,
}

/// The condition under which an upload becomes an object.
pub(super) fn condition(if_absent: bool) -> Condition {
    if if_absent {
        Condition::IfAbsent
    } else {
        Condition::None
    }
}

/// When an upload that begins now expires.
pub(super) fn expires(expiry: Duration) -> i64 {
    let seconds = i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX);
    Utc::now().timestamp().saturating_add(seconds)
}

/// The state's key.
pub(super) fn key(hash: UploadHash) -> ObjectKey {
    tails::key(hash, NAME)
}

/// Stores a new state.
pub(super) async fn create(
    store: &dyn Store,
    hash: UploadHash,
    state: &State,
) -> StoreResult<Stored> {
    write(store, hash, state, &Condition::None).await
}

/// Reads a state.
pub(super) async fn read(store: &dyn Store, hash: UploadHash) -> StoreResult<Stored> {
    read_at(store, &key(hash)).await
}

/// Reads the state that has this key: as it is now, where it is rewritten while it is read.
pub(super) async fn read_at(store: &dyn Store, key: &ObjectKey) -> StoreResult<Stored> {
    match read_once(store, key).await {
        Err(StoreError::Conflict(_) | StoreError::Precondition) => read_once(store, key).await,
        outcome => outcome,
    }
}

async fn read_once(store: &dyn Store, key: &ObjectKey) -> StoreResult<Stored> {
    let download = store.get(key, None, None, None).await?;
    if download.meta.size > MAX_BYTES {
        return Err(StoreError::Corrupt("a state object is too large".into()));
    }
    let bytes: Vec<Bytes> = download.body.try_collect().await?;
    let state = serde_json::from_slice(&bytes.concat())
        .map_err(|error| StoreError::Corrupt(error.into()))?;
    Ok(Stored {
        state,
        etag: download.meta.etag,
        version: download.meta.version_id,
    })
}

/// Notes the length, which once known never changes. Two requests may note it at the same time.
///
/// Fails with [`Error::InconsistentLength`] when another is noted.
pub(super) async fn set_length(
    store: &dyn Store,
    hash: UploadHash,
    stored: &mut Stored,
    length: u64,
) -> Result<(), Error> {
    if stored.state.length.is_none() {
        let state = State {
            length: Some(length),
            ..stored.state.clone()
        };
        let condition = Condition::IfMatch(stored.etag.clone());
        let before = stored.version.take();
        *stored = match write(store, hash, &state, &condition).await {
            Ok(written) => written,
            // Someone else was faster, or this write was, and its answer was lost.
            Err(error) => match read(store, hash).await {
                Ok(read) if read.state.length.is_some() => read,
                Ok(_) if error.is_unsupported() => {
                    write(store, hash, &state, &Condition::None).await?
                }
                _ => return Err(error.into()),
            },
        };
        if before.is_some()
            && before != stored.version
            && let Err(error) = store.delete(&key(hash), before.as_ref()).await
        {
            // It goes with the last one, when the upload ends.
            log::warn!("a former state object stays: {error}");
        }
    }
    if stored.state.length == Some(length) {
        Ok(())
    } else {
        Err(Error::InconsistentLength)
    }
}

async fn write(
    store: &dyn Store,
    hash: UploadHash,
    state: &State,
    condition: &Condition,
) -> StoreResult<Stored> {
    let text = serde_json::to_vec(state).map_err(|error| StoreError::Corrupt(error.into()))?;
    let attributes = Attributes {
        content_type: Some("application/json".to_owned()),
        ..Attributes::default()
    };
    let payload = Payload::Gathered(vec![Bytes::from(text)]);
    let meta = store
        .put(&key(hash), &attributes, condition, payload)
        .await?;
    Ok(Stored {
        state: state.clone(),
        etag: meta.etag,
        version: meta.version_id,
    })
}

/// The state object of an upload in parts that nothing resumes: only the sweeper reads it, when
/// the process that sent the parts did not live to end the upload.
pub(in crate::upload) struct Plain {
    store: Arc<dyn Store>,
    hash: UploadHash,
    version: Option<VersionId>,
    kept: bool,
}

impl Plain {
    /// Stores it.
    pub(in crate::upload) async fn create(
        store: Arc<dyn Store>,
        multipart: &Multipart,
        expiry: Duration,
    ) -> Result<Self, Error> {
        let id = UploadId {
            key: multipart.key.clone(),
            store_id: multipart.upload_id.clone(),
            nonce: id::random()?,
            begun: id::now(),
            part_size: multipart.part_size,
            crc64: multipart.crc64,
        };
        let text = id.encode();
        let hash = UploadHash::of(&text);
        let state = State {
            id: text,
            length: None,
            expires: expires(expiry.max(PLAIN_EXPIRY)),
            if_absent: false,
            metadata: None,
            attributes: Attributes::default(),
        };
        let version = create(store.as_ref(), hash, &state).await?.version;
        Ok(Self {
            store,
            hash,
            version,
            kept: false,
        })
    }

    /// Leaves it to the sweeper: there may be parts later.
    pub(in crate::upload) fn keep(&mut self) {
        self.kept = true;
    }

    /// Removes it: the upload has ended. What stays is the sweeper's.
    pub(in crate::upload) async fn remove(self) {
        if self.kept {
            return;
        }
        let key = key(self.hash);
        if let Err(error) = self.store.delete(&key, self.version.as_ref()).await {
            log::warn!("a state object stays until it is swept: {error}");
        }
    }
}
