//! What is sent again after a failure that may pass, and what never.

use cloud_portfolio::store::{Condition, StoreError, StoreResult};
use futures_util::future::join_all;

use super::calls::{Call, IDEMPOTENT, LONG, ONLY_ONCE, STORED, gathered, open, open_with, put};
use crate::fake_s3::{FakeS3, Reply, answer, error};
use crate::s3::assert_err;

/// What happens instead of an answer, and its name.
type Fault = (&'static str, fn() -> Reply);

const FAILED: Fault = ("500", || Reply::Answer(error(500, "InternalError")));
const SLOW_DOWN: Fault = ("503 SlowDown", || Reply::Answer(error(503, "SlowDown")));
const OF_A_PROXY: Fault = ("503 of a proxy", || {
    let html = answer(503, &[("Content-Type", "text/html")], b"<html><body>sorry");
    Reply::Answer(html)
});
const BODY_TOO_SLOW: Fault = ("400 RequestTimeout", || {
    Reply::Answer(error(400, "RequestTimeout"))
});
const RESET: Fault = ("a reset", || Reply::Reset);
const CLOSED: Fault = ("a close", || Reply::Cut(Vec::new()));
const HALF: Fault = ("half an answer", || {
    Reply::Cut(b"HTTP/1.1 200 OK\r\nETag: \"5d4140".to_vec())
});

/// After these nobody knows whether the request was carried out, or S3 asks to try later.
const FAULTS: [Fault; 7] = [
    FAILED,
    SLOW_DOWN,
    OF_A_PROXY,
    BODY_TOO_SLOW,
    RESET,
    CLOSED,
    HALF,
];

/// Runs a call against faults that go before the right answers.
async fn after(call: Call, faults: Vec<Reply>) -> (StoreResult<()>, usize) {
    let script = faults
        .into_iter()
        .chain(call.answers().into_iter().map(Reply::Answer));
    let fake = FakeS3::start(script.collect()).await;
    let outcome = call.run(&open(&fake, LONG)).await;
    (outcome, fake.requests())
}

#[tokio::test]
async fn every_call_succeeds_at_once_when_all_is_well() {
    for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
        let (outcome, requests) = after(call, vec![]).await;
        outcome.unwrap_or_else(|error| panic!("{call:?}: {error:?}"));
        assert_eq!(requests, call.answers().len(), "{call:?}");
    }
}

#[tokio::test]
async fn idempotent_calls_succeed_after_a_failure_that_passes() {
    let cases = IDEMPOTENT
        .iter()
        .flat_map(|&call| FAULTS.map(|(name, fault)| (call, name, fault)));
    join_all(cases.map(|(call, name, fault)| async move {
        // An answer to HEAD has no body that could name the code.
        if call == Call::Head && name == BODY_TOO_SLOW.0 {
            return;
        }
        let (outcome, requests) = after(call, vec![fault()]).await;
        outcome.unwrap_or_else(|error| panic!("{call:?} after {name}: {error:?}"));
        assert_eq!(requests, 1 + call.answers().len(), "{call:?} after {name}");
    }))
    .await;
}

#[tokio::test]
async fn two_different_failures_in_a_row_are_survived() {
    join_all(IDEMPOTENT.map(|call| async move {
        let (outcome, _) = after(call, vec![RESET.1(), SLOW_DOWN.1()]).await;
        outcome.unwrap_or_else(|error| panic!("{call:?}: {error:?}"));
    }))
    .await;
}

#[tokio::test]
async fn idempotent_calls_give_up_after_three_tries() {
    join_all(IDEMPOTENT.map(|call| async move {
        for (name, fault) in [FAILED, RESET] {
            let (outcome, requests) = after(call, vec![fault(), fault(), fault()]).await;
            assert_err!(outcome, StoreError::Unavailable(_), "{call:?} after {name}");
            assert_eq!(requests, 3, "{call:?} after {name}");
        }
    }))
    .await;
}

#[tokio::test]
async fn what_must_not_be_done_twice_is_sent_again_only_where_s3_says_that_it_did_not_do_it() {
    let cases = ONLY_ONCE
        .iter()
        .flat_map(|&call| FAULTS.map(|(name, fault)| (call, name, fault)));
    join_all(cases.map(|(call, name, fault)| async move {
        let is_put_off = [SLOW_DOWN.0, BODY_TOO_SLOW.0].contains(&name)
            // A completion that was carried out all the same is told by its nonce.
            || (name == FAILED.0 && call == Call::CompleteIfAbsent);
        let has_its_bytes = !matches!(call, Call::PutStreamed | Call::UploadPartStreamed);
        let (outcome, requests) = after(call, vec![fault()]).await;
        if is_put_off && has_its_bytes {
            outcome.unwrap_or_else(|error| panic!("{call:?} after {name}: {error:?}"));
            assert_eq!(requests, 1 + call.answers().len(), "{call:?} after {name}");
        } else {
            assert_err!(outcome, StoreError::Unavailable(_), "{call:?} after {name}");
            assert_eq!(requests, 1, "{call:?} after {name}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_404_that_is_not_of_s3_says_nothing_of_what_is_there() {
    let of_a_balancer = || {
        let text = answer(404, &[("Content-Type", "text/plain")], b"default backend");
        Reply::Answer(text)
    };
    for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
        let faults = (0..3).map(|_| of_a_balancer()).collect();
        let (outcome, requests) = after(call, faults).await;
        let tries = if IDEMPOTENT.contains(&call) { 3 } else { 1 };
        // Its answer has no body, so that nobody can tell.
        if call == Call::Head {
            assert_err!(outcome, StoreError::NotFound);
        } else {
            assert_err!(outcome, StoreError::Unavailable(_), "{call:?}");
            assert_eq!(requests, tries, "{call:?}");
        }
    }
}

#[tokio::test]
async fn a_store_that_lets_nothing_be_deleted_has_deleted_nothing() {
    let refusal = vec![Reply::Answer(error(405, "MethodNotAllowed"))];
    let (outcome, _) = after(Call::Delete, refusal).await;
    assert_err!(outcome, StoreError::Refused(_));
    let marker = vec![Reply::Answer(error(405, "MethodNotAllowed"))];
    let (outcome, _) = after(Call::Get, marker).await;
    assert_err!(outcome, StoreError::NotFound);
}

#[tokio::test]
async fn a_reset_before_the_body_is_read_is_no_success() {
    for call in IDEMPOTENT {
        let (outcome, requests) = after(call, vec![Reply::ResetAtHead]).await;
        outcome.unwrap_or_else(|error| panic!("{call:?}: {error:?}"));
        assert_eq!(requests, 1 + call.answers().len(), "{call:?}");
    }
    for call in ONLY_ONCE {
        let (outcome, requests) = after(call, vec![Reply::ResetAtHead]).await;
        assert_err!(outcome, StoreError::Unavailable(_), "{call:?}");
        assert_eq!(requests, 1, "{call:?}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
        let (outcome, requests) =
            after(call, vec![Reply::Answer(error(403, "AccessDenied"))]).await;
        assert_err!(outcome, StoreError::Refused(_), "{call:?}");
        assert_eq!(requests, 1, "{call:?}");
    }
}

#[tokio::test]
async fn a_body_cut_half_way_in_a_document_is_tried_again() {
    for call in [Call::List, Call::Complete] {
        let mut half = call.answers().remove(0);
        half.truncate(half.len() - 20);
        let (outcome, requests) = after(call, vec![Reply::Cut(half)]).await;
        outcome.unwrap_or_else(|error| panic!("{call:?}: {error:?}"));
        assert_eq!(requests, 1 + call.answers().len(), "{call:?}");
    }
}

#[tokio::test]
async fn what_is_sent_again_is_the_same() {
    let fake = FakeS3::start(vec![Reply::Reset, Reply::Answer(answer(200, STORED, b""))]).await;
    let store = open(&fake, LONG);
    put(&store, Condition::None, gathered()).await.unwrap();
    let seen = fake.seen();
    assert_eq!(seen[0].target, seen[1].target);
    for request in seen {
        assert_eq!(
            (request.method.as_str(), &*request.payload()),
            ("PUT", &b"hello"[..])
        );
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_connected_to_is_unavailable() {
    // A port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = open_with(&endpoint, LONG, &[]);
    join_all(IDEMPOTENT.into_iter().chain(ONLY_ONCE).map(|call| {
        let store = &store;
        async move {
            let outcome = call.run(store).await;
            assert_err!(outcome, StoreError::Unavailable(_), "{call:?}");
        }
    }))
    .await;
}
