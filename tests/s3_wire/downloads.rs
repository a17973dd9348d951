//! Ranges, and bodies that are cut.

use cloud_portfolio::store::{ByteRange, RangeSpec, Store, StoreError};

use super::calls::{LONG, OBJECT, fake, get, key, open, read};
use crate::fake_s3::{FakeS3, Reply, answer, error};
use crate::s3::assert_err;

#[tokio::test]
async fn an_unsatisfiable_range_tells_the_objects_size() {
    let fake = fake(&[error(416, "InvalidRange"), answer(200, OBJECT, b"")]).await;
    let store = open(&fake, LONG);
    let range = Some(RangeSpec::From(5));
    let got = store.get(&key(), None, range, None).await;
    assert_err!(got, StoreError::Range { size: 5 });
    let seen = fake.seen();
    assert_eq!(seen[0].header("range"), Some("bytes=5-"));
    assert_eq!(seen[1].method, "HEAD");
}

#[tokio::test]
async fn a_range_is_what_the_store_says_it_gives() {
    let partial = |range: &'static str, body: &str| {
        let length = body.len().to_string();
        let headers = [
            OBJECT[0],
            OBJECT[1],
            ("Content-Range", range),
            ("Content-Length", &length),
        ];
        answer(206, &headers, body.as_bytes())
    };
    let fake = fake(&[
        partial("bytes 1-3/5", "ell"),
        partial("bytes 3-1/5", "ell"),
        partial("bytes 1-3/*", "ell"),
        partial("characters 1-3/5", "ell"),
    ])
    .await;
    let store = open(&fake, LONG);
    let range = Some(RangeSpec::Between(1, 3));
    let got = store.get(&key(), None, range, None).await.unwrap();
    assert_eq!(got.range, Some(ByteRange { start: 1, end: 4 }));
    assert_eq!(got.meta.size, 5);
    assert_eq!(read(got.body).await.unwrap(), b"ell");
    for _ in 0..3 {
        let got = store.get(&key(), None, range, None).await;
        assert_err!(got, StoreError::Corrupt(_));
    }
}

/// The object's bytes from the fourth on, as they are asked for after a cut.
pub const REST: &[(&str, &str)] = &[
    OBJECT[0],
    OBJECT[1],
    ("Content-Range", "bytes 3-4/5"),
    ("Content-Length", "2"),
];

#[tokio::test]
async fn a_body_that_is_cut_goes_on_where_it_was_cut() {
    let last = [
        OBJECT[0],
        OBJECT[1],
        ("Content-Range", "bytes 4-4/5"),
        ("Content-Length", "1"),
    ];
    let fake = FakeS3::start(vec![
        Reply::Cut(answer(200, OBJECT, b"")),
        Reply::Cut(answer(206, &whole("bytes 0-4/5"), b"hel")),
        Reply::Cut(answer(206, REST, b"l")),
        Reply::Answer(answer(206, &last, b"o")),
    ])
    .await;
    let store = open(&fake, LONG);
    let body = get(&store).await.unwrap().body;
    assert_eq!(read(body).await.unwrap(), b"hello");
    for (request, range) in fake.seen()[1..].iter().zip(["0-4", "3-4", "4-4"]) {
        assert_eq!(request.header("range"), Some(&*format!("bytes={range}")));
        assert_eq!(request.header("if-match"), Some(OBJECT[0].1));
    }
}

/// The headers of the whole object as a range.
fn whole(range: &'static str) -> [(&'static str, &'static str); 4] {
    [OBJECT[0], OBJECT[1], OBJECT[2], ("Content-Range", range)]
}

#[tokio::test]
async fn a_body_that_is_cut_every_time_is_an_error_and_no_short_object() {
    let mut script = vec![Reply::Cut(answer(200, OBJECT, b"hel"))];
    script.extend((0..9).map(|_| Reply::Cut(answer(206, REST, b""))));
    let fake = FakeS3::start(script).await;
    let store = open(&fake, LONG);
    let body = get(&store).await.unwrap().body;
    assert_err!(read(body).await, StoreError::Unavailable(_));
    assert!(fake.requests() < 10);
}

#[tokio::test]
async fn bytes_of_two_objects_are_never_mixed() {
    let cut = || Reply::Cut(answer(200, OBJECT, b"hel"));
    for (other, is_precondition) in [
        (error(412, "PreconditionFailed"), true),
        (answer(200, OBJECT, b"HELLO"), false),
        (answer(206, &whole("bytes 0-4/5"), b"HELLO"), false),
    ] {
        let fake = FakeS3::start(vec![cut(), Reply::Answer(other)]).await;
        let store = open(&fake, LONG);
        let body = get(&store).await.unwrap().body;
        match read(body).await {
            Err(StoreError::Precondition) if is_precondition => {}
            Err(StoreError::Corrupt(_)) if !is_precondition => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_object_that_is_removed_while_it_is_read_is_not_said_to_be_none() {
    let cut = Reply::Cut(answer(200, OBJECT, b"hel"));
    let fake = FakeS3::start(vec![cut, Reply::Answer(error(404, "NoSuchVersion"))]).await;
    let store = open(&fake, LONG);
    let body = get(&store).await.unwrap().body;
    assert_err!(read(body).await, StoreError::Conflict(_));
}

#[tokio::test]
async fn an_object_without_a_length_is_none() {
    let chunked = [OBJECT[0], OBJECT[1], ("Transfer-Encoding", "chunked")];
    let fake = fake(&[answer(200, &chunked, b"5\r\nhello\r\n0\r\n\r\n")]).await;
    let store = open(&fake, LONG);
    assert_err!(get(&store).await, StoreError::Corrupt(_));
}
