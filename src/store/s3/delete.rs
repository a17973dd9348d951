//! S3 `DeleteObject`.

use rusoto_s3::{DeleteObjectRequest, S3};

use super::{S3Store, meaning};
use crate::store::{ObjectKey, StoreError, StoreResult, VersionId};

impl S3Store {
    /// Also succeeds when there was nothing.
    pub(super) async fn delete_object(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> StoreResult<()> {
        let request = DeleteObjectRequest {
            bucket: self.bucket(),
            key: self.full(key),
            version_id: version.map(|version| version.0.clone()),
            ..DeleteObjectRequest::default()
        };
        let deleted = self
            .retry(|| self.call(self.s3.delete_object(request.clone())))
            .await;
        match deleted {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            // A key or a version that S3 cannot hold is one that is not there.
            Err(error) => match meaning::of_name(error, key, version) {
                StoreError::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }
}
