//! Whether the store heeds a condition in `CopyObject`, which not every one does. What is done where it
//! does not is `copy`'s business.

use bytes::Bytes;

use super::S3Store;
use super::copy::etag_of;
use super::request::add_condition;
use crate::store::{Attributes, Condition, ObjectKey, Payload, StoreError, StoreResult};

impl S3Store {
    /// Whether S3 heeds this condition on a copy's target, as Amazon does. MinIO makes the copy all the
    /// same: there the completion of an upload in parts is what heeds it. Found out once.
    pub(super) async fn copies_heed(&self, condition: &Condition) -> StoreResult<bool> {
        if *condition == Condition::None {
            return Ok(true);
        }
        let known = &self.settings.copies_heed;
        let known = known.get_or_try_init(|| self.try_copy_that_must_fail());
        match known.await {
            Ok(heeds) => Ok(*heeds),
            // Parts are always right, but cost more, and leave tags behind.
            Err(error) if !error.is_transient() => {
                log::warn!("whether copies heed conditions cannot be found out: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn try_copy_that_must_fail(&self) -> StoreResult<bool> {
        let mut name = [0; 16];
        getrandom::fill(&mut name)
            .map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        // As if it were of an upload: what a process that is killed leaves is swept.
        let name = format!("uploads/{:032x}/copy", u128::from_ne_bytes(name));
        let key = ObjectKey::internal(&name);
        let nothing = Payload::Gathered(Vec::new());
        let attributes = Attributes::default();
        let made = Box::pin(self.put_object(&key, &attributes, &Condition::None, nothing)).await?;
        let mut request = self.request("PUT", &key);
        self.add_source(&mut request, &key, &made);
        // Onto itself, which is only allowed with other metadata.
        request.add_header("x-amz-metadata-directive", "REPLACE");
        request.add_optional_header("x-amz-server-side-encryption", self.settings.sse.as_ref());
        add_condition(&mut request, &Condition::IfAbsent);
        request.set_payload(Some(Bytes::new()));
        let copied = self.send_copy(request).await;
        let mut versions = vec![made.version_id];
        if let Ok((_, version)) = &copied {
            versions.push(version.clone());
        }
        versions.dedup();
        for version in versions {
            let removed = Box::pin(self.delete_object(&key, version.as_ref())).await;
            if let Err(error) = removed {
                log::warn!("a temporary object stays until it is swept: {error}");
            }
        }
        match copied {
            // A 200 may have an error in it.
            Ok((document, _)) => etag_of(&document).map(|_| false),
            // The last: then the condition goes without it, as it always has there.
            Err(StoreError::Precondition | StoreError::Unsupported(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
