//! S3 `PutObject`: under its condition, with its check, and taken back where S3 has something else.
//! How the body goes is `payload`'s business.

use chrono::Utc;

use super::answer::{parse_http_date, unquote};
use super::integrity::Check;
use super::request::add_condition;
use super::{S3Store, meaning};
use crate::store::{
    Attributes, Condition, ObjectKey, ObjectMeta, Payload, StoreError, StoreResult, VersionId,
};

impl S3Store {
    /// S3 `PutObject`.
    pub(super) async fn put_object(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        condition: &Condition,
        payload: Payload,
    ) -> StoreResult<ObjectMeta> {
        let size = payload.len();
        // A conditional write whose answer is lost would meet itself when it is sent again.
        let again = match condition {
            Condition::None => StoreError::is_transient,
            _ => meaning::did_nothing,
        };
        let build = || {
            let mut request = self.request("PUT", key);
            self.add_attributes(&mut request, key, attributes);
            add_condition(&mut request, condition);
            request
        };
        let checks = &self.settings.checks;
        let check = checks.check();
        let repeatable = match &payload {
            Payload::Gathered(blocks) => Some(blocks.clone()),
            Payload::Streamed { .. } => None,
        };
        let streamed = repeatable.is_none();
        let mut sent = self.send_payload(payload, check, again, build).await;
        // A 501 to a condition is about the condition.
        if check == Check::Crc64
            && let Err(error) = &sent
            && !(error.is_unsupported() && *condition != Condition::None)
            && meaning::knows_no_checksum(error)
            && checks.fall_back(error)
            && let Some(blocks) = repeatable
        {
            let payload = Payload::Gathered(blocks);
            sent = self
                .send_payload(payload, checks.check(), again, build)
                .await;
        }
        let sent = sent.map_err(|error| meaning::of_condition(error, condition))?;
        let version = sent.answer.version();
        if let Err(wrong) = sent.verdict() {
            let unproven = matches!(wrong, StoreError::Unavailable(_));
            // S3 only does not say so, and what was gathered was in no framing of ours. An answer
            // without ETag is not S3's, and says nothing of what S3 can do.
            let is_theirs = sent.header("etag").is_some();
            let may_stay = unproven && is_theirs && checks.fall_back(&wrong) && !streamed;
            if !may_stay {
                let nonce = attributes.nonce.as_deref();
                return Err(self.take_back(key, version, nonce, wrong).await);
            }
        }
        // Without it nobody knows what was stored: the nonce tells.
        let etag = sent
            .header("etag")
            .ok_or_else(|| StoreError::Unavailable("S3 gave no ETag".into()))?
            .to_owned();
        // S3 dates the object in the second in which it answers.
        let date = sent
            .header("date")
            .and_then(|date| parse_http_date(date).ok());
        Ok(ObjectMeta {
            key: key.as_str().to_owned(),
            size,
            etag: unquote(Some(etag)),
            last_modified: date.unwrap_or_else(Utc::now),
            version_id: version,
            attributes: attributes.clone(),
        })
    }

    /// Removes what was stored and is not what was sent; returns why the write failed. Where it
    /// cannot be removed that is nothing that a nonce may settle: it is there, and wrong.
    async fn take_back(
        &self,
        key: &ObjectKey,
        version: Option<VersionId>,
        nonce: Option<&str>,
        wrong: StoreError,
    ) -> StoreError {
        let removed = async {
            let version = match version {
                Some(version) => Some(version),
                // Another writer may have come since: only what is ours is removed.
                None => match Box::pin(self.head_object(key, None)).await {
                    Ok(now) if now.attributes.nonce.as_deref() == nonce => now.version_id,
                    Ok(_) | Err(StoreError::NotFound) => return Ok(()),
                    Err(error) => return Err(error),
                },
            };
            Box::pin(self.delete_object(key, version.as_ref())).await
        };
        match removed.await {
            Ok(()) => wrong,
            Err(error) => {
                log::error!("an object that is not what was sent stays in S3: {wrong}; {error}");
                StoreError::Corrupt(wrong.to_string().into())
            }
        }
    }
}
