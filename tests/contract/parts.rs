//! The parts of an upload as the store lists them: what another replica goes on from.

use cloud_portfolio::store::{Attributes, Condition, Multipart, Part, StoreError};
use futures_util::{StreamExt, stream};

use super::backend::{Bench, Can, gathered, key};
use crate::s3::assert_err;

const PART: u64 = 5 << 20;
/// One more than S3 lists at once (S3 API reference, "ListParts").
const MORE_THAN_A_PAGE: u32 = 1001;

async fn begin(bench: &Bench) -> Multipart {
    let (key, attributes) = (key("dir/parts +%é"), Attributes::default());
    let begun = bench.store.create_multipart(&key, &attributes, PART);
    begun.await.unwrap()
}

async fn send(bench: &Bench, upload: &Multipart, number: u32, bytes: &[u8]) -> Part {
    let sent = bench.store.upload_part(upload, number, gathered(bytes));
    sent.await.unwrap()
}

/// Asserts that these are listed; on a store that cannot, that it is as its entry says.
async fn assert_listed(bench: &Bench, upload: &Multipart, want: &[Part]) {
    let listed = bench.store.list_parts(upload).await;
    match bench.can.lists_parts {
        Can::Yes => assert_eq!(listed.unwrap(), want),
        Can::No(reason) => assert_err!(listed, StoreError::Corrupt(_), "{reason}"),
    }
}

pub async fn parts_are_listed_in_order_as_they_were_confirmed(bench: &Bench) {
    let upload = begin(bench).await;
    assert_eq!(bench.store.list_parts(&upload).await.unwrap(), []);
    let third = send(bench, &upload, 3, b"third").await;
    let first = send(bench, &upload, 1, b"1").await;
    // With a gap: what counts of them is for others to say.
    assert_listed(bench, &upload, &[first.clone(), third]).await;
    let again = send(bench, &upload, 3, b"3").await;
    assert_listed(bench, &upload, &[first, again]).await;
}

pub async fn parts_are_listed_past_the_first_page(bench: &Bench) {
    let upload = begin(bench).await;
    let sent = stream::iter(1..=MORE_THAN_A_PAGE).map(|number| send(bench, &upload, number, b"x"));
    let mut parts: Vec<Part> = sent.buffer_unordered(16).collect().await;
    parts.sort_by_key(|part| part.number);
    assert_listed(bench, &upload, &parts).await;
    bench.store.abort_multipart(&upload).await.unwrap();
}

pub async fn parts_of_an_upload_that_has_ended_are_not_found(bench: &Bench) {
    let completed = begin(bench).await;
    let part = send(bench, &completed, 1, b"x").await;
    let store = &bench.store;
    store
        .complete_multipart(&completed, &[part], &Condition::None)
        .await
        .unwrap();
    let aborted = begin(bench).await;
    send(bench, &aborted, 1, b"x").await;
    store.abort_multipart(&aborted).await.unwrap();
    for upload in [completed, aborted] {
        let listed = store.list_parts(&upload).await;
        match bench.can.lists_parts {
            Can::Yes => assert_err!(listed, StoreError::NotFound),
            Can::No(reason) => assert_eq!(listed.unwrap(), [], "{reason}"),
        }
    }
}
