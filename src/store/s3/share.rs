//! Presigned URLs of `GetObject`.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusoto_core::signature::SignedRequest;

use super::S3Store;
use crate::store::{Access, Link, ObjectKey, StoreError, StoreResult};

impl S3Store {
    pub(super) async fn presign(
        &self,
        key: &ObjectKey,
        lifetime: Duration,
        disposition: &str,
        now: DateTime<Utc>,
    ) -> StoreResult<Link> {
        let settings = &self.settings;
        let lease = settings.credentials.get().await?;
        let credentials = &lease.keys;
        let (lifetime, expires_at) = end(lifetime, *credentials.expires_at(), now)?;
        let path = format!("/{}/{}", settings.bucket, self.full(key));
        let mut request = SignedRequest::new("GET", "s3", &settings.public_region, &path);
        request.add_param("response-content-disposition", disposition);
        let url = request.generate_presigned_url(credentials, &lifetime, false);
        Ok(Link {
            access: Access::Url(url),
            expires_at,
        })
    }
}

/// How long a link is good for, and its end: what was asked for, but never beyond the credentials,
/// with which it ends whatever it says.
fn end(
    lifetime: Duration,
    credentials: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<(Duration, DateTime<Utc>)> {
    // S3 counts from the whole second in the signature.
    let start = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let left = match credentials {
        None => lifetime,
        Some(end) => (end - start).to_std().unwrap_or_default(),
    };
    let lifetime = Duration::from_secs(lifetime.min(left).as_secs());
    TimeDelta::from_std(lifetime)
        .ok()
        .filter(|lifetime| !lifetime.is_zero())
        .and_then(|lifetime| Some((lifetime.to_std().ok()?, start.checked_add_signed(lifetime)?)))
        .ok_or_else(|| StoreError::Credentials("they expire in this second".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_outlives_the_credentials_that_signed_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 5).unwrap();
        let hour = Duration::from_hours(1);
        let seconds =
            |credentials| end(hour, credentials, at(100)).map(|(lifetime, _)| lifetime.as_secs());
        assert_eq!(seconds(None).unwrap(), 3600);
        assert_eq!(seconds(Some(at(9999))).unwrap(), 3600);
        assert_eq!(seconds(Some(at(160))).unwrap(), 60);
        assert!(seconds(Some(at(100))).is_err());
        let (_, expires_at) = end(hour, None, at(100)).unwrap();
        assert_eq!(expires_at.timestamp_micros(), 3_700_000_000);
    }
}
