//! The store's calls, one by one, and what S3 answers when all is well.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloud_portfolio::store::s3::S3Store;
use cloud_portfolio::store::{
    Attributes, Bytestream, Condition, Download, KeyRules, ListPage, ListQuery, Multipart,
    ObjectKey, Part, Payload, Store, StoreResult,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::fake_s3::{FakeS3, Reply, answer};
use crate::s3;

/// For tests that are not about time.
pub const LONG: Duration = Duration::from_mins(1);

/// What S3 says of bytes that it has stored, these being `hello`.
pub const STORED: &[(&str, &str)] = &[
    ("ETag", "\"5d41402abc4b2a76b9719d911017c592\""),
    // CRC-64/NVME in base64.
    ("x-amz-checksum-crc64nvme", "M3eFcAZSQlc="),
];

/// The headers of an object of five bytes.
pub const OBJECT: &[(&str, &str)] = &[
    ("ETag", "\"5d41402abc4b2a76b9719d911017c592\""),
    ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("Content-Length", "5"),
];

pub const UPLOAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>a</Key><UploadId>upload-1</UploadId>\
    </InitiateMultipartUploadResult>";

pub const COMPLETED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <CompleteMultipartUploadResult><Bucket>bucket</Bucket><Key>a</Key><ETag>&quot;1-1&quot;</ETag>\
    </CompleteMultipartUploadResult>";

/// A listing of this, which stands between the page's own fields and its end.
pub fn listing(contents: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult><Name>bucket</Name>\
         <Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>9</MaxKeys><EncodingType>url\
         </EncodingType><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    );
    answer(200, &[], document.as_bytes())
}

/// One object of a listing.
pub fn listed(name: &str) -> String {
    format!(
        "<Contents><Key>{name}</Key><LastModified>1994-11-06T08:49:37.000Z</LastModified>\
         <ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>5</Size></Contents>"
    )
}

/// A store that talks to `fake`.
pub fn open(fake: &FakeS3, timeout: Duration) -> Arc<S3Store> {
    open_with(&fake.endpoint, timeout, &[])
}

pub fn open_with(endpoint: &str, timeout: Duration, more: &[(&str, &str)]) -> Arc<S3Store> {
    let settings: Vec<(String, String)> = [
        ("BUCKET_NAME", "bucket"),
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_ACCESS_KEY_ID", "key-id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ]
    .iter()
    .chain(more)
    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    s3::open(&settings, timeout)
}

pub fn key() -> ObjectKey {
    KeyRules::default().writable("a").unwrap()
}

pub fn upload() -> Multipart {
    Multipart {
        key: key(),
        upload_id: "upload-1".into(),
        part_size: 5 << 20,
        crc64: true,
    }
}

/// Small enough to be signed with its digest.
pub fn gathered() -> Payload {
    Payload::Gathered(vec![Bytes::from_static(b"hello")])
}

/// The same bytes, that can be had only once.
pub fn streamed() -> Payload {
    paced(["he", "llo"], Duration::ZERO)
}

/// Chunks with a pause before each but the first.
pub fn paced<const N: usize>(chunks: [&'static str; N], pause: Duration) -> Payload {
    Payload::Streamed {
        len: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
        body: stream::iter(chunks.into_iter().enumerate())
            .then(move |(number, chunk)| async move {
                if number > 0 && !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                Ok(Bytes::from_static(chunk.as_bytes()))
            })
            .boxed(),
    }
}

pub async fn read(body: Bytestream) -> StoreResult<Vec<u8>> {
    let blocks: Vec<Bytes> = body.try_collect().await?;
    Ok(blocks.concat())
}

pub async fn list(store: &S3Store) -> StoreResult<ListPage> {
    let query = ListQuery {
        prefix: String::new(),
        delimiter: None,
        limit: 9,
        cursor: None,
    };
    store.list(&query).await
}

pub async fn get(store: &S3Store) -> StoreResult<Download> {
    store.get(&key(), None, None, None).await
}

pub async fn put(store: &S3Store, condition: Condition, payload: Payload) -> StoreResult<()> {
    let attributes = Attributes::default();
    let put = store.put(&key(), &attributes, &condition, payload).await?;
    assert_eq!(put.size, 5);
    Ok(())
}

pub async fn complete(store: &S3Store, condition: Condition) -> StoreResult<()> {
    let part = Part {
        number: 1,
        size: 5,
        etag: "\"1\"".into(),
        crc64: None,
    };
    let meta = store
        .complete_multipart(&upload(), &[part], &condition)
        .await?;
    assert_eq!(meta.size, 5);
    Ok(())
}

/// One call of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Head,
    Get,
    List,
    Put,
    Delete,
    UploadPart,
    Complete,
    Abort,
    // Those below must not be sent twice.
    PutIfAbsent,
    PutIfMatch,
    PutStreamed,
    UploadPartStreamed,
    CreateMultipart,
    CompleteIfAbsent,
}

use Call::{
    Abort, Complete, CompleteIfAbsent, CreateMultipart, Delete, Get, Head, List, Put, PutIfAbsent,
    PutIfMatch, PutStreamed, UploadPart, UploadPartStreamed,
};

/// Sent twice they do no more than once.
pub const IDEMPOTENT: [Call; 8] = [Head, Get, List, Put, Delete, UploadPart, Complete, Abort];
/// Sent again they could meet themselves, or lack their bytes.
pub const ONLY_ONCE: [Call; 6] = [
    PutIfAbsent,
    PutIfMatch,
    PutStreamed,
    UploadPartStreamed,
    CreateMultipart,
    CompleteIfAbsent,
];

impl Call {
    pub async fn run(self, store: &S3Store) -> StoreResult<()> {
        match self {
            Head => store.head(&key(), None).await.map(drop),
            Get => {
                let download = get(store).await?;
                assert_eq!(read(download.body).await?, b"hello");
                Ok(())
            }
            List => list(store).await.map(drop),
            Put => put(store, Condition::None, gathered()).await,
            Delete => store.delete(&key(), None).await,
            UploadPart => store.upload_part(&upload(), 1, gathered()).await.map(drop),
            Complete => complete(store, Condition::None).await,
            Abort => store.abort_multipart(&upload()).await,
            PutIfAbsent => put(store, Condition::IfAbsent, gathered()).await,
            PutIfMatch => put(store, Condition::IfMatch("1".into()), gathered()).await,
            PutStreamed => put(store, Condition::None, streamed()).await,
            UploadPartStreamed => store.upload_part(&upload(), 1, streamed()).await.map(drop),
            CreateMultipart => {
                let attributes = Attributes::default();
                let begun = store.create_multipart(&key(), &attributes, 5 << 20).await?;
                assert_eq!(begun.upload_id, "upload-1");
                Ok(())
            }
            CompleteIfAbsent => complete(store, Condition::IfAbsent).await,
        }
    }

    /// The answers of an S3 where all is well, one for each request of the call.
    pub fn answers(self) -> Vec<Vec<u8>> {
        let head = answer(200, OBJECT, b"");
        match self {
            Head => vec![head],
            Get => vec![answer(200, OBJECT, b"hello")],
            List => vec![listing(&listed("a"))],
            Delete | Abort => vec![answer(204, &[], b"")],
            Put | PutIfAbsent | PutIfMatch | PutStreamed | UploadPart | UploadPartStreamed => {
                vec![answer(200, STORED, b"")]
            }
            CreateMultipart => {
                let declared = [("x-amz-checksum-algorithm", "CRC64NVME")];
                vec![answer(200, &declared, UPLOAD.as_bytes())]
            }
            // It asks for the object's date afterwards.
            Complete | CompleteIfAbsent => vec![answer(200, &[], COMPLETED.as_bytes()), head],
        }
    }
}

/// A store that gives these answers, one after the other.
pub async fn fake(answers: &[Vec<u8>]) -> FakeS3 {
    FakeS3::start(answers.iter().cloned().map(Reply::Answer).collect()).await
}

/// The outcome of a call that is answered with this.
pub async fn outcome(call: Call, answers: &[Vec<u8>]) -> StoreResult<()> {
    let fake = fake(answers).await;
    call.run(&open(&fake, LONG)).await
}
