//! Requests built by hand, for what rusoto's operations cannot express: signed here and sent through
//! `transport`, their answers' documents left to whoever asked. Bodies are `payload`'s business.

use chrono::Utc;
use rusoto_core::signature::SignedRequest;

use super::transport::Document;
use super::{S3Store, meaning};
use crate::store::{Attributes, Condition, ObjectKey, StoreResult};

impl S3Store {
    pub(super) fn request(&self, method: &str, key: &ObjectKey) -> SignedRequest {
        let path = format!("/{}/{}", self.settings.bucket, self.full(key));
        SignedRequest::new(method, "s3", &self.settings.region, &path)
    }

    /// Signs and sends; anything but a success is an error by meaning.
    pub(super) async fn send(
        &self,
        mut request: SignedRequest,
        content_sha256: &str,
    ) -> StoreResult<Document> {
        let settings = &self.settings;
        let lease = settings.credentials.get().await?;
        let signer = &settings.signer;
        signer.sign(&mut request, &lease.keys, content_sha256, Utc::now());
        let answer = self.transport.ask(request).await;
        let answer = answer.map_err(|error| meaning::of_dispatch(&error))?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let error = meaning::of_answer(answer.status.as_u16(), &answer.body);
        if meaning::is_of_credentials(&error) {
            return Err(Box::pin(self.refused(error, lease.number)).await);
        }
        Err(error)
    }

    /// The headers that say how an object is described and kept.
    pub(super) fn add_attributes(
        &self,
        request: &mut SignedRequest,
        key: &ObjectKey,
        attributes: &Attributes,
    ) {
        let settings = &self.settings;
        // Temporary objects live for seconds and are read again: no class that bills them for a
        // month, or that gives them back after hours.
        let storage_class = settings
            .storage_class
            .as_ref()
            .filter(|_| !key.is_internal());
        request.add_optional_header("x-amz-storage-class", storage_class);
        for (name, value) in [
            ("content-type", &attributes.content_type),
            ("cache-control", &attributes.cache_control),
            ("content-language", &attributes.content_language),
            ("content-encoding", &attributes.content_encoding),
            ("x-amz-server-side-encryption", &settings.sse),
            ("x-amz-meta-upload-nonce", &attributes.nonce),
        ] {
            request.add_optional_header(name, value.as_ref());
        }
        for (name, value) in &attributes.metadata {
            request.add_header(format!("x-amz-meta-{name}"), value);
        }
    }
}

pub(super) fn add_condition(request: &mut SignedRequest, condition: &Condition) {
    match condition {
        Condition::None => {}
        Condition::IfAbsent => request.add_header("if-none-match", "*"),
        Condition::IfMatch(etag) => request.add_header("if-match", &format!("\"{etag}\"")),
    }
}
