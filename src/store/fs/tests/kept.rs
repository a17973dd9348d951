//! Uploads in parts that outlive the process.

use std::fs::File;

use super::multipart::{begin, complete, part};
use super::*;

/// As after a kill: nothing is dropped but the lock.
fn reopen(dir: &TempDir, store: Arc<FsStore>) -> Arc<FsStore> {
    drop(store);
    FsStore::open(dir.path()).unwrap()
}

#[tokio::test]
async fn an_upload_that_is_kept_goes_on_after_a_restart_and_others_are_gone() {
    let (dir, mut store) = open();
    let upload = begin(&store).await;
    let other = begin(&store).await;
    let first = part(&store, &upload, 1, b"first").await;
    store.keep_multipart(&upload).await.unwrap();
    part(&store, &upload, 2, b"long!").await;
    store = reopen(&dir, store);
    assert!(matches!(
        store.list_parts(&other).await,
        Err(StoreError::NotFound)
    ));
    // Sent again before the restart, after it, and in between by one that did not come to an end.
    let again = part(&store, &upload, 2, b"secnd").await;
    let mut late = store.tree.begin_part(&upload, 2, 5).unwrap();
    payload::Sink::write(&mut late, b"XXX").unwrap();
    std::mem::forget(late);
    let parts = store.list_parts(&upload).await.unwrap();
    assert_eq!(parts, [first.clone(), again.clone()]);
    // `late` keeps the upload alive, as a kill would keep nothing: its files must not be touched.
    drop(store);
    let copy = tempfile::tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    let store = FsStore::open(copy.path()).unwrap();
    assert_eq!(store.list_parts(&upload).await.unwrap(), parts);
    let third = part(&store, &upload, 3, b"3").await;
    complete(&store, &upload, &[first, again, third])
        .await
        .unwrap();
    assert_eq!(content(&store, "m").await, b"firstsecnd3");
    let store = {
        drop(store);
        FsStore::open(copy.path()).unwrap()
    };
    assert!(names(&copy.path().join("tmp")).is_empty());
    assert_eq!(content(&store, "m").await, b"firstsecnd3");
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn only_what_was_confirmed_counts_after_a_restart_and_a_file_s_length_never_does() {
    let (dir, mut store) = open();
    let upload = begin(&store).await;
    store.keep_multipart(&upload).await.unwrap();
    part(&store, &upload, 2, b"secnd").await;
    let data = temp::multipart_path(&store.tree.tmp, &upload.upload_id, "");
    File::options()
        .write(true)
        .open(&data)
        .unwrap()
        .set_len(50)
        .unwrap();
    store = reopen(&dir, store);
    let numbers = |parts: Vec<Part>| parts.iter().map(|part| part.number).collect::<Vec<_>>();
    assert_eq!(numbers(store.list_parts(&upload).await.unwrap()), [2]);
    // A disk that lost what it had confirmed.
    File::options()
        .write(true)
        .open(&data)
        .unwrap()
        .set_len(7)
        .unwrap();
    store = reopen(&dir, store);
    assert!(store.list_parts(&upload).await.unwrap().is_empty());
    drop(store);
    // Longer than this test takes on a busy machine.
    let store = FsStore::open_keeping(dir.path(), Duration::from_hours(1)).unwrap();
    assert!(
        names(&dir.path().join("tmp")).len() == 2,
        "it is not that old"
    );
    store.abort_multipart(&upload).await.unwrap();
    assert!(names(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn an_upload_that_is_too_old_is_not_kept() {
    let (dir, store) = open();
    let upload = begin(&store).await;
    store.keep_multipart(&upload).await.unwrap();
    let journal = temp::multipart_path(&store.tree.tmp, &upload.upload_id, ".log");
    drop(store);
    let text = fs::read_to_string(&journal).unwrap();
    let (before, after) = text.split_once("\"begun\":").unwrap();
    let after = after.split_once(',').unwrap().1;
    fs::write(&journal, format!("{before}\"begun\":1,{after}")).unwrap();
    let store = FsStore::open(dir.path()).unwrap();
    assert!(store.list_parts(&upload).await.is_err());
    assert!(names(&dir.path().join("tmp")).is_empty());
}
