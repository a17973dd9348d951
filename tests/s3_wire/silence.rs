//! Silence: whose it is, and when it has lasted too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cloud_portfolio::store::{Condition, Payload, Store as _, StoreError};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::calls::{
    COMPLETED, Call, IDEMPOTENT, LONG, OBJECT, ONLY_ONCE, STORED, complete, get, listing, open,
    paced, put, read,
};
use super::downloads::REST;
use crate::fake_s3::{FakeS3, Reply, Seen, answer, error};
use crate::s3::assert_err;

/// For silence that is to be noticed.
const SHORT: Duration = Duration::from_millis(300);
/// For silence that is not: pauses stay far below it, however busy the machine.
const PATIENT: Duration = Duration::from_millis(1_500);
const PAUSE: Duration = Duration::from_millis(250);

#[tokio::test]
async fn a_silent_store_times_out() {
    join_all(
        IDEMPOTENT
            .into_iter()
            .chain(ONLY_ONCE)
            .map(|call| async move {
                let fake = FakeS3::start((0..3).map(|_| Reply::Stall(Vec::new())).collect()).await;
                let begun = Instant::now();
                let outcome = call.run(&open(&fake, SHORT)).await;
                assert_err!(outcome, StoreError::Timeout(_), "{call:?}");
                assert!(begun.elapsed() >= SHORT, "{call:?}");
                let tries = if IDEMPOTENT.contains(&call) { 3 } else { 1 };
                assert_eq!(fake.requests(), tries, "{call:?}");
            }),
    )
    .await;
}

#[tokio::test]
async fn a_store_that_only_lists_slowly_is_not_gone() {
    let slow = |seen: &Seen| {
        if seen.target.contains("list-type") {
            Reply::Stall(Vec::new())
        } else {
            Reply::Answer(error(404, "NoSuchKey"))
        }
    };
    let fake = FakeS3::deciding(slow).await;
    let store = open(&fake, LONG);
    for _ in 0..3 {
        let check = timeout(Duration::from_secs(2), store.check());
        assert!(check.await.is_err());
        assert_err!(get(&store).await, StoreError::NotFound);
    }
}

#[tokio::test]
async fn an_answer_that_stalls_in_its_head_times_out() {
    for call in [Call::PutIfAbsent, Call::PutStreamed, Call::CreateMultipart] {
        let half = b"HTTP/1.1 200 OK\r\nETag: ".to_vec();
        let fake = FakeS3::start(vec![Reply::Stall(half)]).await;
        let outcome = call.run(&open(&fake, SHORT)).await;
        assert_err!(outcome, StoreError::Timeout(_), "{call:?}");
    }
}

#[tokio::test]
async fn a_document_that_stalls_times_out() {
    for call in [Call::List, Call::Complete, Call::CreateMultipart] {
        let mut half = call.answers().remove(0);
        half.truncate(half.len() - 20);
        let script = (0..3).map(|_| Reply::Stall(half.clone())).collect();
        let fake = FakeS3::start(script).await;
        let outcome = call.run(&open(&fake, SHORT)).await;
        assert_err!(outcome, StoreError::Timeout(_), "{call:?}");
    }
}

#[tokio::test]
async fn a_store_that_takes_no_bytes_times_out() {
    // More than the buffers of both sockets hold.
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    let chunks = std::iter::repeat_n(chunk, 64).map(Ok);
    let payload = Payload::Streamed {
        len: 64 << 20,
        body: stream::iter(chunks).boxed(),
    };
    let fake = FakeS3::start(vec![Reply::Deaf]).await;
    let outcome = put(&open(&fake, SHORT), Condition::None, payload).await;
    assert_err!(outcome, StoreError::Timeout(_));
}

#[tokio::test]
async fn a_source_slower_than_the_timeout_is_not_the_stores_silence() {
    let timeout = Duration::from_secs(1);
    let ok = || Reply::Answer(answer(200, STORED, b""));
    let fake = FakeS3::start(vec![ok()]).await;
    // Two and a half times the timeout without a byte, before the store has the whole request.
    let payload = paced(["he", "llo"], timeout * 5 / 2);
    put(&open(&fake, timeout), Condition::None, payload)
        .await
        .unwrap();
    assert_eq!(fake.seen()[0].payload(), b"hello");
}

#[tokio::test]
async fn a_store_that_is_silent_after_a_slow_source_times_out() {
    let fake = FakeS3::start(vec![Reply::Stall(Vec::new())]).await;
    let payload = paced(["he", "llo"], SHORT * 2);
    let outcome = put(&open(&fake, SHORT), Condition::None, payload).await;
    assert_err!(outcome, StoreError::Timeout(_));
    assert_eq!(fake.seen()[0].payload(), b"hello");
}

#[tokio::test]
async fn a_body_that_stalls_is_asked_for_again_from_where_it_stalled() {
    let rest = [
        OBJECT[0],
        OBJECT[1],
        ("Content-Range", "bytes 3-4/5"),
        ("Content-Length", "2"),
    ];
    let fake = FakeS3::start(vec![
        Reply::Stall(answer(200, OBJECT, b"hel")),
        Reply::Answer(answer(206, &rest, b"lo")),
    ])
    .await;
    let store = open(&fake, SHORT);
    let body = get(&store).await.unwrap().body;
    assert_eq!(read(body).await.unwrap(), b"hello");
    assert_eq!(fake.seen()[1].header("range"), Some("bytes=3-4"));
}

#[tokio::test]
async fn a_body_that_stalls_every_time_times_out() {
    let rest = [
        OBJECT[0],
        OBJECT[1],
        ("Content-Range", "bytes 3-4/5"),
        ("Content-Length", "2"),
    ];
    let mut script = vec![Reply::Stall(answer(200, OBJECT, b"hel"))];
    script.extend((0..9).map(|_| Reply::Stall(answer(206, &rest, b""))));
    let fake = FakeS3::start(script).await;
    let store = open(&fake, SHORT);
    let mut body = get(&store).await.unwrap().body;
    assert_eq!(&body.next().await.unwrap().unwrap()[..], b"hel");
    assert_err!(body.next().await.unwrap(), StoreError::Timeout(_));
    assert!(fake.requests() < 10);
}

#[tokio::test]
async fn a_download_whose_connection_an_outage_has_left_dead_goes_on_soon_after_s3_is_back() {
    let is_gone = Arc::new(AtomicBool::new(false));
    let fake = FakeS3::deciding({
        let is_gone = Arc::clone(&is_gone);
        move |seen: &Seen| {
            if is_gone.load(Ordering::SeqCst) {
                Reply::Stall(Vec::new())
            } else if seen.target.contains("list-type") {
                Reply::Answer(listing(""))
            } else if seen.header("range").is_some() {
                Reply::Answer(answer(206, REST, b"lo"))
            } else {
                Reply::Stall(answer(200, OBJECT, b"hel"))
            }
        }
    })
    .await;
    let store = open(&fake, LONG);
    let mut body = get(&store).await.unwrap().body;
    assert_eq!(&body.next().await.unwrap().unwrap()[..], b"hel");
    is_gone.store(true, Ordering::SeqCst);
    let refused = async { while !matches!(get(&store).await, Err(StoreError::Unavailable(_))) {} };
    let checks = async {
        loop {
            let _ = timeout(Duration::from_secs(2), store.check()).await;
        }
    };
    // Its reader waits meanwhile, as a client does.
    let mut rest = tokio::spawn(async move { read(body).await.unwrap() });
    tokio::select! {
        () = refused => {}
        () = checks => {}
        () = tokio::time::sleep(LONG) => panic!("S3 is not taken for gone"),
    }
    assert!(!rest.is_finished());
    is_gone.store(false, Ordering::SeqCst);
    store.check().await.unwrap();
    let rest = timeout(Duration::from_secs(20), &mut rest).await;
    assert_eq!(rest.unwrap().unwrap(), b"lo");
}

#[tokio::test]
async fn a_body_that_comes_slowly_is_read_to_its_end() {
    let pieces = ["h", "e", "l", "l", "o", "!", "!", "!"].map(|piece| piece.as_bytes().to_vec());
    let eight = [OBJECT[0], OBJECT[1], ("Content-Length", "8")];
    let pieces = [vec![answer(200, &eight, b"")], pieces.to_vec()].concat();
    let fake = FakeS3::start(vec![Reply::Slowly(pieces, PAUSE)]).await;
    let store = open(&fake, PATIENT);
    let begun = Instant::now();
    let body = get(&store).await.unwrap().body;
    assert_eq!(read(body).await.unwrap(), b"hello!!!");
    assert!(begun.elapsed() > PATIENT);
}

#[tokio::test]
async fn a_reader_slower_than_the_timeout_is_not_the_stores_silence() {
    let large = vec![b'x'; 8 << 20];
    let length = large.len().to_string();
    let headers = [OBJECT[0], OBJECT[1], ("Content-Length", &length)];
    let fake = FakeS3::start(vec![Reply::Answer(answer(200, &headers, &large))]).await;
    let store = open(&fake, SHORT);
    let mut body = get(&store).await.unwrap().body;
    let mut got = 0;
    for _ in 0..2 {
        got += body.next().await.unwrap().unwrap().len();
        tokio::time::sleep(SHORT * 2).await;
    }
    got += read(body).await.unwrap().len();
    assert_eq!(got, large.len());
}

#[tokio::test]
async fn white_space_keeps_a_slow_completion_alive() {
    let start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut pieces = vec![start];
    pieces.extend((0..8).map(|_| b"1\r\n \r\n".to_vec()));
    let document = COMPLETED;
    pieces.push(format!("{:x}\r\n{document}\r\n0\r\n\r\n", document.len()).into_bytes());
    let fake = FakeS3::start(vec![
        Reply::Slowly(pieces, PAUSE),
        Reply::Answer(answer(200, OBJECT, b"")),
    ])
    .await;
    let begun = Instant::now();
    let store = open(&fake, PATIENT);
    complete(&store, Condition::None).await.unwrap();
    assert!(begun.elapsed() > PATIENT);
    assert_eq!(fake.requests(), 2);
}

#[tokio::test]
async fn a_call_that_timed_out_leaves_no_connection_to_the_next_one() {
    let fake = FakeS3::start(vec![Reply::Stall(Vec::new()), Reply::Answer(listing(""))]).await;
    let store = open(&fake, SHORT);
    let outcome = Call::PutIfAbsent.run(&store).await;
    assert_err!(outcome, StoreError::Timeout(_));
    Call::List.run(&store).await.unwrap();
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_source_that_is_silent_for_longer_than_s3_waits_is_the_sources_failure() {
    let fake = FakeS3::start(vec![Reply::Answer(answer(200, STORED, b""))]).await;
    // S3 gives up after about 20 s, with no word.
    let payload = paced(["he", "llo"], Duration::from_secs(20));
    let begun = Instant::now();
    let outcome = put(&open(&fake, LONG), Condition::None, payload).await;
    assert_err!(outcome, StoreError::Source(_));
    assert!(begun.elapsed() < Duration::from_secs(20));
}
