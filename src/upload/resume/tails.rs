//! Tails: what a request left behind the last full part, each a write-once object
//! `{hash}/{part}-{length}`. The part counts from 0, and the object holds its first `length`
//! bytes. Also how temporary objects are named, listed and removed.

use std::sync::Arc;

use futures_util::future::join_all;

use super::id::UploadHash;
use super::state;
use crate::store::{
    Attributes, Condition, ObjectKey, ObjectMeta, Payload, Store, StoreError, StoreResult,
};

/// Versions of one temporary object that are looked for: one, or a few where a state was
/// rewritten, or where a store ignored that a tail is to be written once.
const MAX_VERSIONS: usize = 8;

/// A tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tail {
    /// The part that it begins, from 0.
    pub(super) part: u64,
    /// Bytes.
    pub(super) length: u64,
}

impl Tail {
    /// So that they sort as they count: 10,000 parts of at most 5 GiB.
    fn name(self) -> String {
        format!("{:05}-{:010}", self.part, self.length)
    }

    fn parse(name: &str) -> Option<Self> {
        let (part, length) = name.split_once('-')?;
        let tail = Self {
            part: part.parse().ok()?,
            length: length.parse().ok()?,
        };
        (tail.name() == name).then_some(tail)
    }
}

/// The key of a temporary object of an upload.
pub(super) fn key(hash: UploadHash, name: &str) -> ObjectKey {
    let hash = hash.hex();
    ObjectKey::internal(&format!("{}{hash}/{name}", state::FOLDER))
}

pub(super) fn tail_key(hash: UploadHash, tail: Tail) -> ObjectKey {
    key(hash, &tail.name())
}

/// All tails of an upload, in order.
pub(super) async fn list(store: &dyn Store, hash: UploadHash) -> StoreResult<Vec<Tail>> {
    let names = names(store, hash).await?;
    Ok(names.iter().filter_map(|name| Tail::parse(name)).collect())
}

async fn names(store: &dyn Store, hash: UploadHash) -> StoreResult<Vec<String>> {
    let folder = key(hash, "");
    let below = format!("{}{}/", state::FOLDER, hash.hex());
    let mut names = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list_internal(&below, cursor.as_deref()).await?;
        let found = page.objects.iter();
        names.extend(found.filter_map(|o| Some(o.key.strip_prefix(folder.as_str())?.to_owned())));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(names);
        }
    }
}

/// Writes a tail. That there is one of this name already is as good: it has the same bytes.
pub(super) async fn write(
    store: &dyn Store,
    hash: UploadHash,
    tail: Tail,
    payload: Payload,
) -> StoreResult<()> {
    let key = tail_key(hash, tail);
    let attributes = Attributes {
        content_type: Some("application/octet-stream".to_owned()),
        ..Attributes::default()
    };
    let blocks = match payload {
        Payload::Gathered(blocks) => blocks,
        // It cannot be sent again, and its bytes are on their way before an answer comes.
        streamed @ Payload::Streamed { .. } => {
            store
                .put(&key, &attributes, &Condition::None, streamed)
                .await?;
            return Ok(());
        }
    };
    let put = |condition: Condition| {
        let payload = Payload::Gathered(blocks.clone());
        let (key, attributes) = (&key, &attributes);
        async move { store.put(key, attributes, &condition, payload).await }
    };
    match put(Condition::IfAbsent).await {
        Ok(_) | Err(StoreError::Precondition) => Ok(()),
        // A store without conditions, or an answer that was lost: once more does no harm.
        Err(error) if error.is_transient() || error.is_unsupported() => {
            put(Condition::None).await.map(|_| ())
        }
        Err(error) => Err(error),
    }
}

/// Removes tails that are of no use any more. What stays goes when the upload ends.
pub(super) async fn remove(store: &Arc<dyn Store>, hash: UploadHash, tails: &[Tail]) {
    let gone = tails.iter().map(|&tail| async move {
        let key = tail_key(hash, tail);
        if let Err(error) = erase(store.as_ref(), &key).await {
            log::warn!("a tail stays until its upload ends: {error}");
        }
    });
    join_all(gone).await;
}

/// Removes everything that an upload had, its state last: what a crash leaves is still known.
pub(super) async fn remove_all(store: &dyn Store, hash: UploadHash) -> StoreResult<()> {
    for name in names(store, hash).await? {
        if name != state::NAME {
            erase(store, &key(hash, &name)).await?;
        }
    }
    erase(store, &state::key(hash)).await
}

/// Removes a temporary object with its versions: without one named, a bucket that keeps versions
/// would keep it for ever. Others may be doing the same.
pub(super) async fn erase(store: &dyn Store, key: &ObjectKey) -> StoreResult<()> {
    for _ in 0..MAX_VERSIONS {
        let version = match store.head(key, None).await {
            Ok(ObjectMeta { version_id, .. }) => version_id,
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        store.delete(key, version.as_ref()).await?;
        if version.is_none() {
            return Ok(());
        }
    }
    Err(StoreError::Conflict("its versions keep coming".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MAX_PART_BYTES;
    use proptest::prelude::*;

    #[test]
    fn a_tail_has_one_name_and_other_names_are_none() {
        for name in [
            "",
            "state",
            "1-1",
            "00001-1",
            "00001-00000000001",
            "-",
            "+0001-0000000001",
        ] {
            assert_eq!(Tail::parse(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn tails_sort_as_their_names_do(
            a in (0_u64..10_000, 0..=MAX_PART_BYTES),
            b in (0_u64..10_000, 0..=MAX_PART_BYTES),
        ) {
            let [a, b] = [a, b].map(|(part, length)| Tail { part, length });
            prop_assert_eq!(Tail::parse(&a.name()), Some(a));
            prop_assert_eq!(a.cmp(&b), a.name().cmp(&b.name()));
        }
    }
}
