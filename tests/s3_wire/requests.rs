//! What is sent: once where it must be, signed, and over connections that are used again.

use cloud_portfolio::store::{Attributes, Condition, ListQuery, Store, StoreError};

use super::calls::{
    Call, IDEMPOTENT, LONG, OBJECT, ONLY_ONCE, STORED, gathered, get, key, listing, open,
    open_with, put, streamed,
};
use crate::fake_s3::{FakeS3, Reply, answer, error};
use crate::s3::assert_err;

fn stored() -> Reply {
    Reply::Answer(answer(200, STORED, b""))
}

#[tokio::test]
async fn connections_are_used_again() {
    let mut script = Vec::new();
    for _ in 0..3 {
        for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
            script.extend(call.answers().into_iter().map(Reply::Answer));
            // Also after an answer that is no success.
            script.push(Reply::Answer(error(403, "AccessDenied")));
        }
    }
    let requests = script.len();
    let fake = FakeS3::start(script).await;
    let store = open(&fake, LONG);
    for _ in 0..3 {
        for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
            call.run(&store).await.unwrap();
            assert_err!(call.run(&store).await, StoreError::Refused(_), "{call:?}");
        }
    }
    assert_eq!((fake.requests(), fake.connections()), (requests, 1));
}

#[tokio::test]
async fn calls_at_the_same_time_have_connections_of_their_own_and_leave_them_to_others() {
    let fake = FakeS3::start((0..8).map(|_| stored()).collect()).await;
    let store = open(&fake, LONG);
    for _ in 0..2 {
        let all = (0..4).map(|_| put(&store, Condition::None, gathered()));
        for outcome in futures_util::future::join_all(all).await {
            outcome.unwrap();
        }
    }
    assert_eq!(fake.requests(), 8);
    assert!(fake.connections() <= 5, "{}", fake.connections());
}

#[tokio::test]
async fn a_session_token_is_sent_and_signed() {
    let calls = [Call::Head, Call::List, Call::Put, Call::PutStreamed];
    let script = calls.iter().flat_map(|call| call.answers());
    let fake = FakeS3::start(script.map(Reply::Answer).collect()).await;
    let token = [("AWS_SESSION_TOKEN", "a+session/token==")];
    let store = open_with(&fake.endpoint, LONG, &token);
    for call in calls {
        call.run(&store).await.unwrap();
    }
    for request in fake.seen() {
        assert_eq!(
            request.header("x-amz-security-token"),
            Some("a+session/token==")
        );
        let authorization = request.header("authorization").unwrap();
        assert!(authorization.contains("Credential=key-id/"));
        assert!(authorization.contains("x-amz-security-token"));
    }
}

#[tokio::test]
async fn nothing_of_a_token_is_sent_where_there_is_none() {
    let fake = FakeS3::start(vec![stored()]).await;
    put(&open(&fake, LONG), Condition::None, gathered())
        .await
        .unwrap();
    assert_eq!(fake.seen()[0].header("x-amz-security-token"), None);
}

#[tokio::test]
async fn conditions_and_attributes_are_sent_as_s3_wants_them() {
    let fake = FakeS3::start((0..3).map(|_| stored()).collect()).await;
    let store = open(&fake, LONG);
    let attributes = Attributes {
        content_type: Some("text/plain".into()),
        metadata: vec![("owner".into(), "me".into())],
        ..Attributes::default()
    };
    for (condition, payload) in [
        (Condition::None, gathered()),
        (Condition::IfAbsent, streamed()),
        (Condition::IfMatch("e".into()), gathered()),
    ] {
        store
            .put(&key(), &attributes, &condition, payload)
            .await
            .unwrap();
    }
    let seen = fake.seen();
    for (request, (absent, matches)) in
        seen.iter()
            .zip([(None, None), (Some("*"), None), (None, Some("\"e\""))])
    {
        assert_eq!(request.target, "/bucket/a");
        assert_eq!(request.header("if-none-match"), absent);
        assert_eq!(request.header("if-match"), matches);
        assert_eq!(request.header("transfer-encoding"), None);
        assert_eq!(request.header("content-type"), Some("text/plain"));
        assert_eq!(request.header("x-amz-meta-owner"), Some("me"));
        assert_eq!(request.payload(), b"hello");
        let length = request.body.len().to_string();
        assert_eq!(request.header("content-length"), Some(&*length));
    }
}

#[tokio::test]
async fn the_key_prefix_stands_before_every_key() {
    let fake = FakeS3::start(vec![
        Reply::Answer(answer(200, OBJECT, b"hello")),
        Reply::Answer(listing("")),
    ])
    .await;
    let prefix = [("KEY_PREFIX", "team/é ")];
    let store = open_with(&fake.endpoint, LONG, &prefix);
    get(&store).await.unwrap();
    let query = ListQuery {
        prefix: "b".into(),
        delimiter: Some("/".into()),
        limit: 7,
        cursor: None,
    };
    store.list(&query).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].target, "/bucket/team/%C3%A9%20a");
    let target = &seen[1].target;
    for part in [
        "list-type=2",
        "prefix=team%2F%C3%A9%20b",
        "delimiter=%2F",
        "max-keys=7",
    ] {
        assert!(target.contains(part), "{target}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_body_is_sent_is_heard() {
    for call in [
        Call::PutStreamed,
        Call::UploadPartStreamed,
        Call::PutIfAbsent,
    ] {
        let fake = FakeS3::start(vec![Reply::Early(error(403, "AccessDenied"))]).await;
        let outcome = call.run(&open(&fake, LONG)).await;
        assert_err!(outcome, StoreError::Refused(_), "{call:?}");
    }
}
