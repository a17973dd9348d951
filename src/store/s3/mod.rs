//! The S3 store: rusoto's operations where they say all that is needed, requests built by hand
//! (`request`) where they do not. Errors get their meaning in `meaning`, connections in
//! `transport`.

mod connect;
mod copy;
mod counted;
mod crc64;
mod credentials;
mod document;
mod framing;
mod heal;
mod integrity;
mod listing;
mod meaning;
mod multipart;
mod operation;
mod outage;
mod parts;
mod payload;
mod put;
mod request;
mod retry;
mod share;
mod sign;
mod silence;
mod transport;
mod versions;

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, TryFutureExt};
use percent_encoding::percent_decode_str;
use rusoto_core::{ByteStream, Client, Region, RusotoError};
use rusoto_s3::{
    AbortMultipartUploadRequest, DeleteObjectRequest, GetObjectRequest, HeadObjectOutput,
    HeadObjectRequest, S3, S3Client,
};

use super::{
    Attributes, ByteRange, Bytestream, Condition, Download, INTERNAL_PREFIX, Link, ListPage,
    ListQuery, Multipart, ObjectKey, ObjectMeta, Part, Payload, RangeSpec, Store, StoreError,
    StoreResult, VersionId, Versions,
};
use crate::config::S3Config;
use crate::counters::Counters;
use connect::{CONNECT_TIMEOUT, Connector};
pub use credentials::Credentials;
use integrity::Checks;
use meaning::Named;
use outage::Outage;
use sign::Signer;
use transport::Transport;

/// The metadata by which an upload's object is known again: see `upload::settle`.
const NONCE: &str = "upload-nonce";

/// Most probes of one check, a second after each other.
const PROBES: usize = 5;

/// What every worker's store is made of.
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    prefix: String,
    region: Region,
    /// The region at the endpoint that users reach.
    public_region: Region,
    max_copy_bytes: u64,
    credentials: Credentials,
    signer: Signer,
    checks: Checks,
    sse: Option<String>,
    storage_class: Option<String>,
    tls: Arc<rustls::ClientConfig>,
    timeout: Duration,
    counters: Arc<Counters>,
    outage: Arc<Outage>,
}

impl S3Settings {
    /// Fails when the CA bundle cannot be read.
    pub fn new(config: &S3Config, key_prefix: &str, timeout: Duration) -> io::Result<Self> {
        // Always custom: rusoto knows no region of after 2022.
        let region_at = |endpoint: &String| Region::Custom {
            name: config.region.clone(),
            endpoint: endpoint.clone(),
        };
        let tls = connect::tls(config.ca_bundle.as_deref())?;
        Ok(Self {
            bucket: config.bucket.clone(),
            prefix: key_prefix.to_owned(),
            region: region_at(&config.endpoint),
            public_region: region_at(config.public_endpoint.as_ref().unwrap_or(&config.endpoint)),
            max_copy_bytes: copy::MAX_COPY_BYTES,
            credentials: Credentials::new(config.credentials.clone(), Arc::clone(&tls)),
            signer: Signer::default(),
            checks: Checks::new(config.integrity),
            sse: config.sse.clone(),
            storage_class: config.storage_class.clone(),
            tls,
            timeout,
            counters: Arc::default(),
            outage: Arc::new(Outage::new()),
        })
    }

    /// Counts on these.
    #[must_use]
    pub fn counting(self, counters: Arc<Counters>) -> Self {
        Self {
            credentials: self.credentials.counting(Arc::clone(&counters)),
            counters,
            ..self
        }
    }

    /// What requests are signed with, as long as somebody runs [`Credentials::keep`].
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Lets S3 copy objects above this many bytes in parts, for a store that takes less than the
    /// 5 GiB of Amazon's.
    #[must_use]
    pub fn copying_at_most(self, bytes: u64) -> Self {
        Self {
            max_copy_bytes: bytes,
            ..self
        }
    }
}

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

    /// The same, on connections of its own, also while S3 is gone.
    fn prober(&self) -> Self {
        let settings = &self.settings;
        let counters = Arc::clone(&settings.counters);
        let connector = Connector::new(&settings.tls, CONNECT_TIMEOUT, counters);
        let outage = Arc::clone(&settings.outage);
        let transport = Transport::probe(connector, settings.timeout, outage);
        Self::over(Arc::clone(settings), transport)
    }

    async fn probe(&self) -> StoreResult<()> {
        self.prober().list_one().await
    }

    /// Asks after a moment for a key that is never there. Where only listing is slow, S3 is not
    /// gone: any answer says so. What it is says nothing.
    async fn touch(&self) -> Infallible {
        tokio::time::sleep(outage::DOUBT).await;
        let prober = self.prober();
        let request = HeadObjectRequest {
            bucket: self.bucket(),
            key: format!("{}{INTERNAL_PREFIX}probe", self.settings.prefix),
            ..HeadObjectRequest::default()
        };
        let _ = prober.call(prober.s3.head_object(request)).await;
        std::future::pending().await
    }

    /// The least that can be asked of a bucket, and an answer that says what is wrong.
    async fn list_one(&self) -> StoreResult<()> {
        let query = ListQuery {
            prefix: String::new(),
            delimiter: None,
            limit: 1,
            cursor: None,
        };
        self.list(&query).await.map(|_| ())
    }

    /// One of rusoto's operations. It unwraps some headers and panics on some XML: what S3 sends
    /// must not end a request with anything but an error.
    async fn call<T, E: Named>(
        &self,
        operation: impl Future<Output = Result<T, RusotoError<E>>>,
    ) -> StoreResult<T> {
        let number = self.settings.credentials.number();
        let outcome: StoreResult<T> = AssertUnwindSafe(operation.map_err(meaning::of_rusoto))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(StoreError::Corrupt("S3's answer made rusoto panic".into())));
        match outcome {
            Err(error) if meaning::is_of_credentials(&error) => {
                Err(Box::pin(self.refused(error, number)).await)
            }
            outcome => outcome,
        }
    }

    /// Gets others for the credentials of this number, which S3 does not take; what its error means
    /// then. Whether the call can be sent again is for `retry` to say.
    async fn refused(&self, error: StoreError, number: u64) -> StoreError {
        let may_come = self.settings.credentials.refused(number).await;
        match error {
            StoreError::Credentials(cause) if !may_come => StoreError::Refused(cause),
            other => other,
        }
    }

    /// S3 `HeadObject`.
    async fn ask_head(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
    ) -> StoreResult<HeadObjectOutput> {
        let request = HeadObjectRequest {
            bucket: self.bucket(),
            key: self.full(key),
            version_id: version.map(|version| version.0.clone()),
            ..HeadObjectRequest::default()
        };
        let call = || self.call(self.s3.head_object(request.clone()));
        let credentials = &self.settings.credentials;
        match self.retry(call).await {
            // A HEAD's answer cannot say that the credentials have expired: another call's can.
            Err(error @ (StoreError::Malformed(_) | StoreError::Refused(_)))
                if credentials.are_lent() =>
            {
                let number = credentials.number();
                let _ = self.list_one().await;
                if credentials.number() == number {
                    return Err(error);
                }
                self.retry(call).await
            }
            outcome => outcome,
        }
    }

    async fn size_of(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<u64> {
        Ok(self.head(key, version).await?.size)
    }

    /// S3 `GetObject`: the object, the range that comes where it is not the whole, and the bytes
    /// as this one answer has them.
    async fn open(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<(ObjectMeta, Option<ByteRange>, Bytestream)> {
        let request = GetObjectRequest {
            bucket: self.bucket(),
            key: self.full(key),
            version_id: version.map(|version| version.0.clone()),
            range: range.map(range_header),
            if_match: if_match.map(|etag| format!("\"{etag}\"")),
            ..GetObjectRequest::default()
        };
        let got = match self
            .retry(|| self.call(self.s3.get_object(request.clone())))
            .await
        {
            Ok(got) => got,
            Err(StoreError::Range { .. }) => {
                let size = self.size_of(key, version).await?;
                return Err(StoreError::Range { size });
            }
            Err(error) => return Err(of_read(error, key, version)),
        };
        if range.is_some() && got.content_length == Some(0) {
            // MinIO sends an empty 206 for the last bytes of an empty object.
            return Err(StoreError::Range { size: 0 });
        }
        let span = got
            .content_range
            .as_deref()
            .map(parse_content_range)
            .transpose()?;
        let size = match span {
            Some((_, total)) => i64::try_from(total).ok(),
            None => got.content_length,
        };
        let meta = describe(
            key,
            Described {
                size,
                etag: got.e_tag,
                last_modified: got.last_modified,
                version_id: got.version_id,
                attributes: Attributes {
                    content_type: got.content_type,
                    cache_control: got.cache_control,
                    content_language: got.content_language,
                    content_encoding: own_encoding(got.content_encoding),
                    ..own_metadata(got.metadata)
                },
            },
        )?;
        let body = got.body.unwrap_or_else(|| ByteStream::from(Vec::new()));
        let body = body.map(|chunk| {
            chunk.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => StoreError::Timeout(error.into()),
                _ => StoreError::Unavailable(error.into()),
            })
        });
        Ok((meta, span.map(|(range, _)| range), body.boxed()))
    }
}

#[async_trait]
impl Store for S3Store {
    async fn check(&self) -> StoreResult<()> {
        // Without any S3 is not asked, and nothing is known of it.
        self.settings.credentials.get().await?;
        let _judged = self.settings.outage.check();
        let mut touched = std::pin::pin!(self.touch());
        // S3 may come back while a probe waits on a connection that is dead: the next one tells.
        let mut probes = FuturesUnordered::new();
        loop {
            probes.push(self.probe());
            tokio::select! {
                Some(outcome) = probes.next() => return outcome,
                () = tokio::time::sleep(outage::DOUBT), if probes.len() < PROBES => {}
                never = &mut touched => match never {},
            }
        }
    }

    async fn doubted(&self) {
        self.settings.outage.doubted().await;
    }

    async fn list(&self, query: &ListQuery) -> StoreResult<ListPage> {
        self.page(query, false).await
    }

    async fn head(&self, key: &ObjectKey, version: Option<&VersionId>) -> StoreResult<ObjectMeta> {
        let asked = self.ask_head(key, version).await;
        let head = asked.map_err(|error| of_read(error, key, version))?;
        describe(
            key,
            Described {
                size: head.content_length,
                etag: head.e_tag,
                last_modified: head.last_modified,
                version_id: head.version_id,
                attributes: Attributes {
                    content_type: head.content_type,
                    cache_control: head.cache_control,
                    content_language: head.content_language,
                    content_encoding: own_encoding(head.content_encoding),
                    ..own_metadata(head.metadata)
                },
            },
        )
    }

    async fn get(
        &self,
        key: &ObjectKey,
        version: Option<&VersionId>,
        range: Option<RangeSpec>,
        if_match: Option<&str>,
    ) -> StoreResult<Download> {
        let (meta, range, body) = self.open(key, version, range, if_match).await?;
        let whole = ByteRange {
            start: 0,
            end: meta.size,
        };
        let span = range.unwrap_or(whole);
        let body = heal::heal(self.clone(), key.clone(), &meta, span, body);
        Ok(Download { meta, range, body })
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
            Err(error) => match of_read(error, key, version) {
                StoreError::NotFound => Ok(()),
                error => Err(error),
            },
        }
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

    fn copy_part_size(&self, size: u64) -> Option<u64> {
        let most = self.settings.max_copy_bytes;
        (size > most).then(|| copy::part_size(size, most))
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
        self.create(key, attributes, part_size).await
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
        let (etag, version) = self.complete(multipart, parts, condition).await?;
        // S3 dates such an object by its beginning, which only HEAD tells. That it is there is
        // known already: not being let to read, or finding another writer's, takes nothing away.
        match self.head(&multipart.key, version.as_ref()).await {
            Ok(meta) if meta.etag == etag => Ok(meta),
            // What it says it made is not there: whoever settles that looks for it once more.
            Err(StoreError::NotFound) => Err(StoreError::Unavailable(
                "S3 said that an object is complete, and has none".into(),
            )),
            _ => Ok(ObjectMeta {
                key: multipart.key.as_str().to_owned(),
                size: parts.iter().map(|part| part.size).sum(),
                etag,
                last_modified: Utc::now(),
                version_id: version,
                attributes: Attributes::default(),
            }),
        }
    }

    async fn list_parts(&self, multipart: &Multipart) -> StoreResult<Vec<Part>> {
        self.stored_parts(multipart).await
    }

    async fn list_internal(&self, below: &str, cursor: Option<&str>) -> StoreResult<ListPage> {
        let query = ListQuery {
            prefix: format!("{INTERNAL_PREFIX}{below}"),
            delimiter: None,
            limit: 1000,
            cursor: cursor.map(str::to_owned),
        };
        self.page(&query, true).await
    }

    async fn abort_multipart(&self, multipart: &Multipart) -> StoreResult<()> {
        let request = AbortMultipartUploadRequest {
            bucket: self.bucket(),
            key: self.full(&multipart.key),
            upload_id: multipart.upload_id.clone(),
            ..AbortMultipartUploadRequest::default()
        };
        match self
            .retry(|| self.call(self.s3.abort_multipart_upload(request.clone())))
            .await
        {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

struct Described {
    size: Option<i64>,
    etag: Option<String>,
    last_modified: Option<String>,
    version_id: Option<String>,
    attributes: Attributes,
}

fn describe(key: &ObjectKey, from: Described) -> StoreResult<ObjectMeta> {
    let missing = |what| StoreError::Corrupt(format!("S3 gave no {what}").into());
    let modified = from.last_modified.ok_or_else(|| missing("Last-Modified"))?;
    Ok(ObjectMeta {
        key: key.as_str().to_owned(),
        size: from
            .size
            .and_then(|size| size.try_into().ok())
            .ok_or_else(|| missing("Content-Length"))?,
        etag: unquote(Some(from.etag.ok_or_else(|| missing("ETag"))?)),
        last_modified: parse_http_date(&modified)?,
        version_id: from.version_id.map(VersionId),
        attributes: from.attributes,
    })
}

/// What a read's refusal means: a version id that S3 cannot read, or a key that it cannot hold,
/// is one that is not there. MinIO says the latter in many ways, to a HEAD without a code.
fn of_read(error: StoreError, key: &ObjectKey, version: Option<&VersionId>) -> StoreError {
    match error {
        StoreError::InvalidKey(_) => StoreError::NotFound,
        StoreError::Malformed(_) if version.is_some() => StoreError::NotFound,
        StoreError::Malformed(_) if !key.is_portable() => StoreError::NotFound,
        other => other,
    }
}

fn is_internal(key: &str) -> bool {
    key.starts_with(INTERNAL_PREFIX)
}

/// The users' metadata, and apart from it the nonce that is ours.
fn own_metadata(metadata: Option<HashMap<String, String>>) -> Attributes {
    let mut metadata = metadata.unwrap_or_default();
    let nonce = metadata.remove(NONCE);
    let mut metadata: Vec<_> = metadata.into_iter().collect();
    metadata.sort();
    Attributes {
        metadata,
        nonce,
        ..Attributes::default()
    }
}

/// The uploader's encoding: some stores keep the framing in which an object came beside it.
fn own_encoding(encoding: Option<String>) -> Option<String> {
    let encoding = encoding?;
    let own: Vec<_> = encoding
        .split(',')
        .map(str::trim)
        .filter(|text| !text.eq_ignore_ascii_case("aws-chunked") && !text.is_empty())
        .collect();
    (!own.is_empty()).then(|| own.join(", "))
}

fn unquote(etag: Option<String>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

fn range_header(range: RangeSpec) -> String {
    // Stores keep these in 64 bits with a sign, and ignore or refuse what does not fit. No object
    // is as long as this.
    let near = |offset: u64| offset.min(1 << 60);
    match range {
        RangeSpec::From(start) => format!("bytes={}-", near(start)),
        RangeSpec::Between(first, last) => format!("bytes={}-{}", near(first), near(last)),
        RangeSpec::Last(count) => format!("bytes=-{}", near(count)),
    }
}

/// `bytes a-b/size`.
fn parse_content_range(text: &str) -> StoreResult<(ByteRange, u64)> {
    let parsed = text.strip_prefix("bytes ").and_then(|rest| {
        let (span, size) = rest.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let range = ByteRange {
            start: first.parse().ok()?,
            end: last.parse::<u64>().ok()?.checked_add(1)?,
        };
        (range.start < range.end).then_some((range, size.parse().ok()?))
    });
    parsed.ok_or_else(|| StoreError::Corrupt(format!("S3's Content-Range is {text:?}").into()))
}

fn parse_http_date(text: &str) -> StoreResult<DateTime<Utc>> {
    httpdate::parse_http_date(text)
        .map(DateTime::<Utc>::from)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

fn parse_rfc3339(text: Option<&str>) -> StoreResult<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text.unwrap_or_default())
        .map(Into::into)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

/// With `encoding-type=url` S3 form-encodes keys: a space is a plus.
fn decode_listed(text: &str) -> StoreResult<String> {
    percent_decode_str(&text.replace('+', "%20"))
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_or_refused() {
        let (range, size) = parse_content_range("bytes 2-4/10").unwrap();
        assert_eq!((range.start, range.end, size), (2, 5, 10));
        for odd in [
            "",
            "bytes */10",
            "bytes 4-2/10",
            "bytes 0-18446744073709551615/1",
            "0-1/2",
        ] {
            assert!(parse_content_range(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn listed_keys_are_decoded_as_s3_encodes_them() {
        assert_eq!(decode_listed("a+b%2Bc%00").unwrap(), "a b+c\0");
        assert!(decode_listed("%ff").is_err());
    }
}
