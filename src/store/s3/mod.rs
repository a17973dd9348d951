//! The S3 store: its calls, each given to the module that makes it. Rusoto's operations (`call`)
//! where they say all that is needed, requests built by hand (`request`) where they do not. Errors
//! get their meaning in `meaning`, connections are `transport`'s.
//!
//! Where one call leads to another, the other is boxed: else every call's future would be as large
//! as both.

mod answer;
mod call;
mod connect;
mod copy;
mod counted;
mod crc64;
mod credentials;
mod delete;
mod document;
mod framing;
mod heal;
mod heed;
mod integrity;
mod listing;
mod meaning;
mod multipart;
mod operation;
mod outage;
mod parts;
mod payload;
mod probe;
mod put;
mod read;
mod request;
mod retry;
mod settings;
mod share;
mod sign;
mod silence;
mod transport;
mod versions;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use rusoto_core::Client;
use rusoto_s3::S3Client;

use super::{
    Attributes, Condition, Download, Link, ListPage, ListQuery, Multipart, ObjectKey, ObjectMeta,
    Part, Payload, RangeSpec, Store, StoreResult, VersionId, Versions,
};
use crate::counters::Counters;
use connect::{CONNECT_TIMEOUT, Connector};
pub use credentials::Credentials;
pub use settings::S3Settings;
use transport::Transport;

/// One worker's S3, with connections of its own.
#[derive(Clone)]
pub struct S3Store {
    settings: Arc<S3Settings>,
    transport: Transport,
    s3: S3Client,
}

impl S3Store {
    /// Opens no connection yet.
    #[must_use]
    pub fn new(settings: Arc<S3Settings>) -> Self {
        let counters = Arc::clone(&settings.counters);
        let connector = Connector::new(&settings.tls, CONNECT_TIMEOUT, counters);
        let outage = Arc::clone(&settings.outage);
        let transport = Transport::new(connector, settings.timeout, outage);
        Self::over(settings, transport)
    }

    fn over(settings: Arc<S3Settings>, transport: Transport) -> Self {
        let client = Client::new_with(settings.credentials.clone(), transport.clone());
        let s3 = S3Client::new_with_client(client, settings.region.clone());
        Self {
            settings,
            transport,
            s3,
        }
    }

    fn counters(&self) -> &Counters {
        &self.settings.counters
    }

    fn bucket(&self) -> String {
        self.settings.bucket.clone()
    }

    /// The key with `KEY_PREFIX`, as S3 has it.
    fn full(&self, key: &ObjectKey) -> String {
        format!("{}{key}", self.settings.prefix)
    }
}

#[async_trait]
impl Store for S3Store {
    async fn check(&self) -> StoreResult<()> {
        self.check_bucket().await
    }

    async fn doubted(&self) {
        self.settings.outage.doubted().await;
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<ListPage> {
        self.page(query, false).await
    }

    async fn head(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<ObjectMeta> {
        self.head_object(key, version).await
    }

    async fn get(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<Download> {
        self.get_object(key, version, range, if_match).await
    }

    async fn put(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        condition: &Condition,
        payload: Payload,
    ) -> StoreResult<ObjectMeta> {
        self.put_object(key, attributes, condition, payload).await
    }

    async fn delete(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<()> {
        self.delete_object(key, version).await
    }

    async fn versions(&self, key: &ObjectKey) -> StoreResult<Versions> {
        self.list_versions(key).await
    }

    async fn copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        self.copy_object(from, source, to, condition).await
    }

    async fn copy_part_size(&self, size: u64, condition: &Condition) -> StoreResult<Option<u64>> {
        let most = self.settings.max_copy_bytes;
        // Of nothing there are no parts.
        let one_call = size <= most && (size == 0 || self.copies_heed(condition).await?);
        Ok((!one_call).then(|| copy::part_size(size, most)))
    }

    async fn begin_copy(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        to: &ObjectKey,
        attributes: &Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart> {
        self.create_copy(from, source, to, attributes, part_size)
            .await
    }

    async fn copy_part(
        &self,
        from: &ObjectKey,
        source: &ObjectMeta,
        multipart: &Multipart,
        number: u32,
    ) -> StoreResult<Part> {
        self.put_copied_part(from, source, multipart, number).await
    }

    async fn share(
        &self,
        key: &ObjectKey,
        lifetime: Duration,
        disposition: &str,
    ) -> StoreResult<Link> {
        self.presign(key, lifetime, disposition, Utc::now()).await
    }

    fn has_signed(&self, _: &ObjectKey, _: i64, _: &str) -> bool {
        false
    }

    async fn create_multipart(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        part_size: u64,
    ) -> StoreResult<Multipart> {
        self.create_upload(key, attributes, part_size).await
    }

    async fn upload_part(
        &self,
        multipart: &Multipart,
        number: u32,
        payload: Payload,
    ) -> StoreResult<Part> {
        self.put_part(multipart, number, payload).await
    }

    async fn complete_multipart(
        &self,
        multipart: &Multipart,
        parts: &[Part],
        condition: &Condition,
    ) -> StoreResult<ObjectMeta> {
        self.complete_upload(multipart, parts, condition).await
    }

    async fn list_parts(&self, multipart: &Multipart) -> StoreResult<Vec<Part>> {
        self.stored_parts(multipart).await
    }

    async fn list_internal(&self, below: &str, cursor: Option<&str>) -> StoreResult<ListPage> {
        self.internal_page(below, cursor).await
    }

    async fn abort_multipart(&self, multipart: &Multipart) -> StoreResult<()> {
        self.abort_upload(multipart).await
    }
}
