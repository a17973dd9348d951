//! How properties read their input, and the server without a network that some need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::app::{App, Process};
use crate::config::Config;
use crate::store::{
    Attributes, Condition, Download, Link, ListPage, ListQuery, Multipart, ObjectKey, ObjectMeta,
    Part, Payload, RangeSpec, Store, StoreError, StoreResult, VersionId, Versions,
};

/// The input as text, if it is any.
pub(crate) fn text(data: &[u8]) -> Option<&str> {
    str::from_utf8(data).ok()
}

/// Its lines, up to where it is no text any more.
pub(crate) fn lines(data: &[u8]) -> impl Iterator<Item = &str> {
    data.split(|byte| *byte == b'\n').map_while(text)
}

/// Lines of `name: value` as hyper would have read them: a hundred at most, those that are none
/// left out.
pub(crate) fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// What a store in memory holds: type and bytes by key.
pub(crate) type Objects = BTreeMap<String, (String, Vec<u8>)>;

/// A server with every default over an empty store in memory.
pub(crate) fn app() -> (App, Arc<Memory>) {
    let config = Config::from_lookup(&|_| None).unwrap();
    let memory = Arc::new(Memory::default());
    let store: Arc<dyn Store> = Arc::clone(&memory) as Arc<dyn Store>;
    (
        App::new(Arc::new(Process::new(config).unwrap()), store),
        memory,
    )
}

/// All that is stored there; nothing is afterwards.
pub(crate) fn stored(memory: &Memory) -> Objects {
    std::mem::take(&mut *memory.0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A store in memory that takes whole objects, and has nothing else.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Objects>);

#[async_trait]
impl Store for Memory {
    async fn check(&self) -> StoreResult<()> {
        Ok(())
    }
    async fn list(&self, _: &ListQuery) -> StoreResult<ListPage> {
        Ok(ListPage::default())
    }
    async fn head(&self, _: &ObjectKey, _: Option<&VersionId>) -> StoreResult<ObjectMeta> {
        Err(StoreError::NotFound)
    }
    async fn get(
        &self,
        _: &ObjectKey,
        _: Option<&VersionId>,
        _: Option<RangeSpec>,
        _: Option<&str>,
    ) -> StoreResult<Download> {
        Err(StoreError::NotFound)
    }
    async fn put(
        &self,
        key: &ObjectKey,
        attributes: &Attributes,
        _: &Condition,
        payload: Payload,
    ) -> StoreResult<ObjectMeta> {
        let bytes = match payload {
            Payload::Gathered(pieces) => pieces.concat(),
            Payload::Streamed { mut body, .. } => {
                let mut bytes = Vec::new();
                while let Some(piece) = body.next().await {
                    bytes.extend_from_slice(&piece?);
                }
                bytes
            }
        };
        let size = bytes.len() as u64;
        let kind = attributes.content_type.clone().unwrap_or_default();
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(key.as_str().to_owned(), (kind, bytes));
        Ok(ObjectMeta {
            key: key.as_str().to_owned(),
            size,
            etag: "e".to_owned(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            version_id: None,
            attributes: attributes.clone(),
        })
    }
    async fn delete(&self, _: &ObjectKey, _: Option<&VersionId>) -> StoreResult<()> {
        Ok(())
    }
    async fn versions(&self, _: &ObjectKey) -> StoreResult<Versions> {
        Err(StoreError::NotFound)
    }
    async fn copy(
        &self,
        _: &ObjectKey,
        _: &ObjectMeta,
        _: &ObjectKey,
        _: &Condition,
    ) -> StoreResult<ObjectMeta> {
        Err(StoreError::NotFound)
    }
    async fn share(&self, _: &ObjectKey, _: Duration, _: &str) -> StoreResult<Link> {
        Err(StoreError::NotFound)
    }
    fn has_signed(&self, _: &ObjectKey, _: i64, _: &str) -> bool {
        false
    }
    async fn create_multipart(
        &self,
        _: &ObjectKey,
        _: &Attributes,
        _: u64,
    ) -> StoreResult<Multipart> {
        Err(StoreError::NotFound)
    }
    async fn upload_part(&self, _: &Multipart, _: u32, _: Payload) -> StoreResult<Part> {
        Err(StoreError::NotFound)
    }
    async fn complete_multipart(
        &self,
        _: &Multipart,
        _: &[Part],
        _: &Condition,
    ) -> StoreResult<ObjectMeta> {
        Err(StoreError::NotFound)
    }
    async fn abort_multipart(&self, _: &Multipart) -> StoreResult<()> {
        Ok(())
    }
    async fn list_parts(&self, _: &Multipart) -> StoreResult<Vec<Part>> {
        Err(StoreError::NotFound)
    }
    async fn list_internal(&self, _: &str, _: Option<&str>) -> StoreResult<ListPage> {
        Ok(ListPage::default())
    }
}

/// A request body that comes in pieces of these lengths, over and over; at least a byte each.
pub(crate) fn pieces(bytes: &[u8], lengths: &[u8]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let mut turn = lengths.iter().cycle();
    while !rest.is_empty() {
        let length = turn
            .next()
            .map_or(rest.len(), |length| usize::from(*length) + 1);
        let (piece, after) = rest.split_at(length.min(rest.len()));
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    pieces
}
