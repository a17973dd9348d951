//! Resumable uploads on the local store, cut, restarted, overtaken and swept.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::super::source::Source;
use super::super::{Budget, Engine};
use super::*;
use crate::config::UploadConfig;
use crate::store::fs::FsStore;
use crate::store::{KeyRules, Store};

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

#[tokio::test]
async fn every_size_around_the_boundaries_arrives_in_two_requests_cut_anywhere() {
    for buffer in [8 << 20, 3 << 20] {
        for size in [1, PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7] {
            for cut in [
                0,
                1,
                size / 2,
                size - 1,
                PART.min(size - 1),
                (2 * PART).min(size - 1),
            ] {
                if cut >= size {
                    continue;
                }
                let bench = Bench::new(buffer);
                let (data, at) = (data(size), cut as usize);
                let id = bench.begin(Some(size)).await;
                let known = Some(size).filter(|_| cut % 2 == 0);
                let lost = bench
                    .add(&id, broken(&data[..at]), known, Finish::AtLength)
                    .await;
                assert!(matches!(lost, Err(Error::BodyBroken(_))), "{size} {cut}");
                let offset = bench.open(&id).await.offset;
                assert!(
                    offset <= cut && (buffer < 8 << 20 || offset == cut),
                    "{offset} {cut}"
                );
                let rest = &data[offset as usize..];
                let length = Some(rest.len() as u64).filter(|_| cut % 3 == 0);
                let stored = bench.add(&id, source(rest), length, Finish::AtLength).await;
                assert!(matches!(stored, Ok(Progress::Stored(meta)) if meta.size == size));
                assert!(bench.object().await.unwrap() == data, "{size} {cut}");
                assert_eq!(bench.left().await, [""; 0], "{size} {cut}");
                assert_eq!(bench.engine.budget.in_use(), 0);
                let Found::Done(meta) = bench.engine.find_upload(id).await.unwrap() else {
                    panic!("a lost last answer must not send it again");
                };
                assert_eq!(meta.attributes.content_type.as_deref(), Some("text/plain"));
            }
        }
    }
}

#[tokio::test]
async fn an_upload_goes_on_after_a_restart_at_every_step() {
    let mut bench = Bench::new(8 << 20);
    let data = data(2 * PART + 100);
    let id = bench.begin(None).await;
    bench = bench.restarted();
    let mut at = 0;
    for count in [10, PART - 11, 1, PART / 2, PART / 2 + 50] {
        let piece = &data[at..at + count as usize];
        let progress = bench
            .add(&id, source(piece), Some(count), Finish::Later)
            .await;
        at += count as usize;
        assert!(
            matches!(progress, Ok(Progress::More { offset, whole: true }) if offset == at as u64)
        );
        bench = bench.restarted();
        assert_eq!(bench.open(&id).await.offset, at as u64);
        assert_eq!(bench.object().await, None);
    }
    let rest = &data[at..];
    let stored = bench.add(&id, source(rest), None, Finish::Now).await;
    assert!(matches!(stored, Ok(Progress::Stored(_))));
    assert!(bench.object().await.unwrap() == data);
    assert_eq!(bench.left().await, [""; 0]);
}

#[tokio::test]
async fn the_last_request_may_be_empty_and_so_may_the_object() {
    for size in [0, 5, PART, PART + 5] {
        let bench = Bench::new(8 << 20);
        let data = data(size);
        let id = bench.begin(None).await;
        bench
            .add(&id, source(&data), None, Finish::Later)
            .await
            .unwrap();
        let stored = bench.add(&id, source(b""), Some(0), Finish::Now).await;
        assert!(matches!(stored, Ok(Progress::Stored(meta)) if meta.size == size));
        assert!(bench.object().await.unwrap() == data);
        assert_eq!(bench.left().await, [""; 0], "{size}");
        assert!(matches!(
            bench.engine.find_upload(id).await,
            Ok(Found::Done(_))
        ));
    }
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(0)).await;
    assert!(matches!(
        bench.engine.find_upload(id).await,
        Ok(Found::Done(_))
    ));
}

#[tokio::test]
async fn what_is_told_to_stop_saves_what_it_has() {
    let bench = Bench::new(8 << 20);
    let data = data(2 * PART);
    let id = bench.begin(Some(3 * PART)).await;
    let stop = CancellationToken::new();
    let came = stop.clone();
    let first = source(&data[..PART as usize + 77]);
    let endless = first.chain(stream::once(async move {
        came.cancel();
        std::future::pending().await
    }));
    let piece = Piece {
        source: Box::pin(endless),
        length: Some(3 * PART),
        finish: Finish::AtLength,
        stop,
    };
    let progress = bench.engine.append(bench.open(&id).await, piece).await;
    assert!(matches!(progress, Ok(Progress::More { offset, whole: false }) if offset == PART + 77));
    assert_eq!(bench.open(&id).await.offset, PART + 77);
}

#[tokio::test]
async fn more_bytes_than_the_upload_may_have_are_refused() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(10)).await;
    for length in [Some(11), None] {
        let outcome = bench
            .add(&id, source(&data(11)), length, Finish::AtLength)
            .await;
        assert!(matches!(outcome, Err(Error::LengthExceeded)), "{length:?}");
        assert_eq!(bench.object().await, None);
    }
    let unknown = bench.begin(None).await;
    let outcome = bench
        .add(&unknown, source(b"x"), Some(20 * PART + 1), Finish::Later)
        .await;
    assert!(matches!(outcome, Err(Error::TooLarge { limit }) if limit == 20 * PART));
    let mut open = bench.open(&unknown).await;
    bench
        .engine
        .announce_length(&mut open, 7, None)
        .await
        .unwrap();
    let other = bench.engine.announce_length(&mut open, 8, None).await;
    assert!(matches!(other, Err(Error::InconsistentLength)));
    assert_eq!(bench.open(&unknown).await.length(), Some(7));
    let short = bench
        .add(&unknown, source(b"six..."), None, Finish::Now)
        .await;
    assert!(matches!(short, Err(Error::InconsistentLength)));
    assert_eq!(bench.open(&unknown).await.offset, 6);
}

#[tokio::test]
async fn a_cancelled_upload_is_gone_and_a_completed_one_keeps_its_object() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(PART + 5)).await;
    bench
        .add(&id, source(&data(PART + 1)), None, Finish::AtLength)
        .await
        .unwrap();
    bench.engine.cancel(&id).await.unwrap();
    assert_eq!(bench.left().await, [""; 0]);
    assert!(matches!(
        bench.engine.find_upload(id.clone()).await,
        Err(Error::NotFound)
    ));
    assert!(bench.engine.cancel(&id).await.is_err());
    let id = bench.begin(Some(1)).await;
    bench
        .add(&id, source(b"x"), None, Finish::AtLength)
        .await
        .unwrap();
    assert!(bench.engine.cancel(&id).await.is_err());
    assert_eq!(bench.object().await.unwrap(), b"x");
}

#[tokio::test]
async fn an_id_that_is_not_ours_finds_nothing() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(10)).await;
    for other in [
        UploadId {
            begun: id.begun + 1,
            ..id.clone()
        },
        UploadId {
            nonce: [0; 16],
            ..id.clone()
        },
        UploadId {
            part_size: PART + 1,
            ..id.clone()
        },
        UploadId {
            store_id: "x".into(),
            ..id.clone()
        },
        UploadId {
            store_id: String::new(),
            ..id.clone()
        },
    ] {
        assert!(matches!(
            bench.engine.find_upload(other).await,
            Err(Error::NotFound)
        ));
    }
    bench.open(&id).await;
}

#[tokio::test]
async fn a_sweep_takes_what_has_expired_and_nothing_else() {
    let bench = Bench::new(8 << 20);
    let rules = KeyRules::default();
    let key = rules.writable("other").unwrap();
    let others = bench
        .store
        .create_multipart(&key, &Attributes::default(), PART)
        .await
        .unwrap();
    let live = bench.begin(Some(10)).await;
    let old = bench.begin(Some(10)).await;
    bench
        .add(&old, source(b"old"), None, Finish::AtLength)
        .await
        .unwrap();
    let sweep = || sweep::sweep(bench.store.as_ref(), &rules, EXPIRY);
    assert_eq!(sweep().await.unwrap(), 0);
    let hash = old.hash();
    let stored = state::read(bench.store.as_ref(), hash).await.unwrap();
    let state = State {
        expires: 1,
        ..stored.state
    };
    state::create(bench.store.as_ref(), hash, &state)
        .await
        .unwrap();
    assert!(matches!(
        bench.engine.find_upload(old.clone()).await,
        Err(Error::NotFound)
    ));
    let (first, second) = tokio::join!(sweep(), sweep());
    assert!(first.unwrap() + second.unwrap() >= 1);
    assert_eq!(sweep().await.unwrap(), 0);
    let gone = bench.store.list_parts(&old.multipart().unwrap()).await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
    assert_eq!(bench.open(&live).await.offset, 0);
    assert!(bench.store.list_parts(&others).await.unwrap().is_empty());
    // A tail that came too late goes with its age.
    let tail = Tail { part: 0, length: 1 };
    let payload = Payload::Gathered(vec![Bytes::from_static(b"x")]);
    tails::write(bench.store.as_ref(), hash, tail, payload)
        .await
        .unwrap();
    assert_eq!(sweep().await.unwrap(), 0);
    let swept = sweep::sweep(bench.store.as_ref(), &rules, Duration::ZERO).await;
    assert_eq!(swept.unwrap(), 1);
    let left = bench.store.list_internal("", None).await.unwrap();
    assert_eq!(left.objects.len(), 1, "the live one's state");
}

#[tokio::test]
async fn an_upload_that_cannot_be_swept_keeps_no_other_from_it() {
    let bench = Bench::new(8 << 20);
    let rules = KeyRules::default();
    let mut expired = Vec::new();
    for _ in 0..13 {
        expired.push(bench.begin(Some(10)).await);
    }
    expired.sort_by_key(|id| id.hash().hex());
    for (number, id) in expired.iter().enumerate() {
        let stored = state::read(bench.store.as_ref(), id.hash()).await.unwrap();
        let state = State {
            expires: 1,
            // The first ones are of a kind that this program does not know.
            id: if number < 10 {
                "?".into()
            } else {
                stored.state.id
            },
            ..stored.state
        };
        state::create(bench.store.as_ref(), id.hash(), &state)
            .await
            .unwrap();
    }
    let swept = sweep::sweep(bench.store.as_ref(), &rules, EXPIRY).await;
    assert_eq!(swept.unwrap(), 3);
    let left = bench.store.list_internal("", None).await.unwrap();
    assert_eq!(left.objects.len(), 10, "what names parts that nobody knows");
}

#[tokio::test]
async fn the_state_of_a_restored_version_is_read_whatever_its_key() {
    let rules = KeyRules::default();
    let id = UploadId {
        key: rules.readable("folder//").unwrap(),
        store_id: "x".into(),
        nonce: [7; 16],
        begun: 1,
        part_size: 5,
        crc64: false,
    };
    let text = id.encode();
    assert_eq!(UploadId::decode_any(&text, &rules), Some(id));
    assert_eq!(
        UploadId::decode(&text, &rules),
        None,
        "nobody may resume it"
    );
}

#[tokio::test]
async fn a_request_without_a_length_is_refused_where_a_part_is_more_than_memory_holds() {
    let mut bench = Bench::new(8 << 20);
    let length = 10_000 * (5 << 20);
    let config = UploadConfig {
        buffer_bytes: 8 << 20,
        part_bytes: PART,
        concurrency: 4,
        max_bytes: length,
        expiry: EXPIRY,
    };
    bench.engine = Engine::new(Arc::clone(&bench.store), Budget::new(8 << 20), config);
    let id = bench.begin(Some(length)).await;
    assert!(id.part_size > 4 << 20, "{}", id.part_size);
    let body = source(&data(100_000));
    let refused = bench.add(&id, body, None, Finish::AtLength).await;
    assert!(matches!(refused, Err(Error::LengthRequired)), "{refused:?}");
    let body = source(&data(100_000));
    let taken = bench.add(&id, body, Some(100_000), Finish::AtLength).await;
    assert!(taken.is_ok(), "{taken:?}");
    assert_eq!(bench.open(&id).await.offset, 100_000);
}

#[tokio::test]
async fn of_two_requests_at_once_one_stores_the_file_and_none_is_told_an_untruth() {
    for round in 0..8 {
        let bench = Bench::new(8 << 20);
        let data = data(3 * PART + 50);
        let id = bench.begin(Some(data.len() as u64)).await;
        // With a tail that one of them finds gone, and without.
        let tail = 100 * (round % 2);
        bench
            .add(&id, broken(&data[..tail]), None, Finish::AtLength)
            .await
            .unwrap_err();
        // Both found it at the same offset.
        let (first, second) = (bench.open(&id).await, bench.open(&id).await);
        let piece = || Piece {
            source: source(&data[tail..]),
            length: None,
            finish: Finish::AtLength,
            stop: CancellationToken::new(),
        };
        let (first, second) = tokio::join!(
            bench.engine.append(first, piece()),
            bench.engine.append(second, piece()),
        );
        let mut stored = 0;
        for outcome in [first, second] {
            match outcome {
                Ok(Progress::Stored(meta)) => {
                    assert_eq!(meta.size, data.len() as u64);
                    stored += 1;
                }
                Ok(Progress::More { .. }) => panic!("it has all bytes"),
                // The other one removed the tail before this one could read it.
                Err(Error::Store(StoreError::Conflict(_))) if tail > 0 => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(stored > 0, "each was refused because of the other");
        assert!(bench.object().await.unwrap() == data);
        assert_eq!(bench.left().await, [""; 0]);
    }
}

#[tokio::test]
async fn a_request_that_another_has_overtaken_is_told_of_the_object() {
    let bench = Bench::new(8 << 20);
    let data = data(2 * PART + 5);
    let id = bench.begin(Some(data.len() as u64)).await;
    let late = bench.open(&id).await;
    bench
        .add(&id, source(&data), None, Finish::AtLength)
        .await
        .unwrap();
    let piece = Piece {
        source: source(&data),
        length: Some(data.len() as u64),
        finish: Finish::AtLength,
        stop: CancellationToken::new(),
    };
    let outcome = bench.engine.append(late, piece).await;
    assert!(matches!(outcome, Ok(Progress::Stored(meta)) if meta.size == data.len() as u64));
}

#[tokio::test]
async fn what_is_held_counts_only_when_all_of_it_is_right() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(PART)).await;
    let open = bench.open(&id).await;
    let sum = |text: &str| Checksum::parse(text).unwrap();
    let right = sum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").verify(source(b"hello world"));
    let held = bench.engine.hold(&open, right, Some(11)).await;
    assert!(held.is_ok());
    drop(held);
    let wrong = sum("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").verify(source(b"hello_world"));
    let held = bench.engine.hold(&open, wrong, Some(11)).await;
    assert!(matches!(held, Err(Error::TusChecksumMismatch)));
    for length in [None, Some(PART + 1)] {
        let held = bench.engine.hold(&open, source(b""), length).await;
        assert!(matches!(held, Err(Error::AppendTooLarge { limit: PART })));
    }
    assert_eq!(bench.engine.budget.in_use(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_sequence_of_cut_requests_makes_the_file(
        size in 1..(5 * PART),
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>(), any::<bool>()), 0..9),
        deferred in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new(8 << 20);
            let data = data(size);
            let id = bench.begin(Some(size).filter(|_| !deferred)).await;
            let mut offset = 0_usize;
            for (cut, known, restart) in cuts {
                let end = offset + cut.index(data.len() - offset);
                let length = known.then_some((end - offset) as u64);
                let piece = &data[offset..end];
                match bench.add(&id, source(piece), length, Finish::Later).await.unwrap() {
                    Progress::More { offset: now, .. } => assert_eq!(now as usize, end),
                    Progress::Stored(_) => panic!("too early"),
                }
                offset = end;
                if restart {
                    bench = bench.restarted();
                }
                assert_eq!(bench.open(&id).await.offset as usize, offset);
            }
            let last = bench.add(&id, source(&data[offset..]), None, Finish::Now).await;
            assert!(matches!(last, Ok(Progress::Stored(_))));
            assert!(bench.object().await.unwrap() == data);
            assert_eq!(bench.left().await, [""; 0]);
        });
    }
}

#[tokio::test]
async fn a_lost_last_answer_is_settled_though_others_wrote_or_deleted_since() {
    let bench = Bench::new(8 << 20);
    let id = bench.begin(Some(3)).await;
    bench
        .add(&id, source(b"one"), None, Finish::AtLength)
        .await
        .unwrap();
    let other = bench.begin(Some(3)).await;
    bench
        .add(&other, source(b"two"), None, Finish::AtLength)
        .await
        .unwrap();
    bench.store.delete(&id.key, None).await.unwrap();
    for id in [id, other] {
        assert!(
            matches!(bench.engine.find_upload(id).await, Ok(Found::Done(meta)) if meta.size == 3)
        );
    }
}
