//! Crashes, races, sources that fail, files that were damaged.

use std::fs::File;

use super::*;

/// One runtime of its own, as each worker has. Ends when its blocking tasks have ended.
fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work)
}

#[test]
fn a_directory_in_use_is_refused_until_it_is_free() {
    let (dir, store) = open();
    let error = FsStore::open(dir.path()).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    assert!(error.to_string().contains("another process uses"));
    drop(store);
    assert!(FsStore::open(dir.path()).is_ok());
}

#[tokio::test]
async fn what_a_killed_process_left_is_removed_at_the_next_start() {
    let (dir, store) = open();
    put(&store, "kept", b"kept").await;
    store
        .create_multipart(&key("b"), &Attributes::default(), 5)
        .await
        .unwrap();
    let left = format!("put-{}", temp::random_name().unwrap());
    let tmp = dir.path().join("tmp");
    // As a kill does: nothing is dropped.
    fs::write(tmp.join(left), b"half").unwrap();
    fs::hard_link(
        tmp.join(
            names(&tmp)
                .iter()
                .find(|name| name.starts_with("mp-"))
                .unwrap(),
        ),
        tmp.join(format!("mp-{}", "0".repeat(32))),
    )
    .unwrap();
    drop(store);
    assert!(!names(&tmp).is_empty());
    let store = FsStore::open(dir.path()).unwrap();
    assert!(names(&tmp).is_empty());
    assert_eq!(content(&store, "kept").await, b"kept");
}

#[test]
fn of_many_writers_that_ask_for_absence_exactly_one_wins() {
    let (_dir, store) = open();
    for round in 0..20 {
        let name = format!("dir{round}/a");
        let wins: usize = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| run(put_if(&store, &name, Condition::IfAbsent)).is_ok()))
                .collect();
            let wins = writers.into_iter().map(|writer| writer.join().unwrap());
            wins.filter(|&won| won).count()
        });
        assert_eq!(wins, 1);
    }
}

#[test]
fn a_put_succeeds_while_deletes_prune_the_directories_it_needs() {
    let (_dir, store) = open();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let name = format!("x/y/z/{writer}");
                run(async {
                    for _ in 0..50 {
                        let meta = put(store, &name, b"x").await;
                        let version = meta.version_id.as_ref();
                        store.delete(&key(&name), version).await.unwrap();
                    }
                });
            });
        }
    });
}

#[tokio::test]
async fn a_source_that_fails_or_says_a_wrong_length_leaves_nothing() {
    let (dir, store) = open();
    let chunk = || Ok(Bytes::from_static(b"12345"));
    let failed = || Err(StoreError::Source("gone".into()));
    for payload in [
        streamed(10, vec![chunk()]),
        streamed(4, vec![chunk()]),
        streamed(10, vec![chunk(), failed()]),
    ] {
        let attributes = Attributes::default();
        let result = store
            .put(&key("a"), &attributes, &Condition::None, payload)
            .await;
        assert!(matches!(result, Err(StoreError::Source(_))));
        assert!(names(&dir.path().join("tmp")).is_empty());
    }
    assert!(names(&dir.path().join("objects")).is_empty());
}

#[test]
fn a_put_that_is_dropped_leaves_no_temporary_file() {
    let (dir, store) = open();
    let tmp = dir.path().join("tmp");
    run(async {
        let first = Bytes::from(vec![0; 300_000]);
        let body = stream::iter([Ok(first)]).chain(stream::pending()).boxed();
        let payload = Payload::Streamed { len: 400_000, body };
        let (name, attributes) = (key("a"), Attributes::default());
        let put = store.put(&name, &attributes, &Condition::None, payload);
        let begun = async {
            while names(&tmp).is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = put => panic!("its source never ends"),
            () = begun => {}
        }
    });
    assert!(names(&tmp).is_empty());
    assert!(names(&dir.path().join("objects")).is_empty());
}

#[tokio::test]
async fn a_damaged_file_is_told_from_an_object() {
    let (dir, store) = open();
    let meta = put(&store, "a", &[7; 1_000]).await;
    let download = store.get(&key("a"), None, None, None).await.unwrap();
    let file = version_file(dir.path(), "a", &meta);
    File::options()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(500)
        .unwrap();
    // Cut while it is read: the stream says so rather than end early.
    assert!(matches!(
        read(download.body).await,
        Err(StoreError::Corrupt(_))
    ));
    assert!(matches!(
        store.head(&key("a"), None).await,
        Err(StoreError::Corrupt(_))
    ));
}
