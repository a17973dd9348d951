//! Resumable uploads on the local store. What they are tried with is here, what they are tried for in
//! the modules.

mod cut;
mod ended;
mod overtaken;
mod refused;
mod swept;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::super::source::Source;
use super::super::{Budget, Engine};
use super::{Finish, Found, New, Open, Piece, Progress, UploadId};
use crate::config::UploadConfig;
use crate::error::Error;
use crate::store::fs::FsStore;
use crate::store::{Attributes, KeyRules, Store};

const PART: u64 = 1 << 20;
const EXPIRY: Duration = Duration::from_hours(1);

struct Bench {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    engine: Engine,
    buffer: usize,
}

impl Bench {
    fn new(buffer: usize) -> Self {
        Self::on(tempfile::tempdir().unwrap(), buffer)
    }

    fn on(dir: tempfile::TempDir, buffer: usize) -> Self {
        let store: Arc<dyn Store> = FsStore::open_keeping(dir.path(), EXPIRY).unwrap();
        let config = UploadConfig {
            buffer_bytes: buffer,
            part_bytes: PART,
            concurrency: 4,
            max_bytes: 20 * PART,
            expiry: EXPIRY,
        };
        Self {
            engine: Engine::new(Arc::clone(&store), Budget::new(buffer), config),
            dir,
            store,
            buffer,
        }
    }

    /// As after a crash: nothing that a process held is there any more.
    fn restarted(self) -> Self {
        let Self {
            dir,
            store,
            engine,
            buffer,
        } = self;
        drop((store, engine));
        Self::on(dir, buffer)
    }

    async fn begin(&self, length: Option<u64>) -> UploadId {
        let new = New {
            key: KeyRules::default().writable("dir/k").unwrap(),
            attributes: Attributes {
                content_type: Some("text/plain".into()),
                ..Attributes::default()
            },
            length,
            metadata: Some("filename aw==".into()),
            if_absent: false,
        };
        let (id, _) = self.engine.begin(new).await.unwrap();
        UploadId::decode(&id.encode(), &KeyRules::default()).unwrap()
    }

    async fn open(&self, id: &UploadId) -> Open {
        match self.engine.find_upload(id.clone()).await.unwrap() {
            Found::Open(open) => *open,
            Found::Done(_) => panic!("it is complete"),
        }
    }

    async fn add(
        &self,
        id: &UploadId,
        source: Source<'_>,
        length: Option<u64>,
        finish: Finish,
    ) -> Result<Progress, Error> {
        let piece = Piece {
            source,
            length,
            finish,
            stop: CancellationToken::new(),
        };
        self.engine.append(self.open(id).await, piece).await
    }

    async fn object(&self) -> Option<Vec<u8>> {
        let key = KeyRules::default().readable("dir/k").unwrap();
        let body = self.store.get(&key, None, None, None).await.ok()?.body;
        let blocks: Vec<Bytes> = body.try_collect().await.unwrap();
        Some(blocks.concat())
    }

    /// Temporary objects and files that are left.
    async fn left(&self) -> Vec<String> {
        let page = self.store.list_internal("", None).await.unwrap();
        let mut left: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
        let files = std::fs::read_dir(self.dir.path().join("tmp")).unwrap();
        left.extend(files.map(|file| file.unwrap().file_name().into_string().unwrap()));
        left
    }
}

fn data(len: u64) -> Vec<u8> {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

fn source(data: &[u8]) -> Source<'static> {
    let chunks: Vec<_> = data
        .chunks(70_001)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    Box::pin(stream::iter(chunks))
}

fn broken(data: &[u8]) -> Source<'static> {
    let cut = stream::iter([Err(Error::BodyBroken("cut".into()))]);
    Box::pin(source(data).chain(cut))
}
