//! What is told of calls to S3: the trace that goes with them, and the numbers that they add to.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use cloud_portfolio::config::{Config, StoreConfig};
use cloud_portfolio::context::{self, Context};
use cloud_portfolio::counters::Counters;
use cloud_portfolio::metrics::calls::{OPERATIONS, OUTCOMES};
use cloud_portfolio::metrics::histogram::DURATIONS;
use cloud_portfolio::store::Store as _;
use cloud_portfolio::store::s3::{S3Settings, S3Store};
use cloud_portfolio::trace::Trace;

use super::calls::{Call, LONG, open};
use crate::fake_s3::{FakeS3, Reply, error};
use crate::s3;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_request_s_trace_goes_with_its_calls_unsigned() {
    // One that rusoto sends, and one of our own.
    let calls = [Call::Head, Call::Put];
    let script = calls.iter().chain(&calls).flat_map(|call| call.answers());
    let fake = FakeS3::start(script.map(Reply::Answer).collect()).await;
    let store = open(&fake, LONG);
    let context = Arc::new(Context {
        id: "1".into(),
        from: Ipv4Addr::LOCALHOST.into(),
        user: None,
        trace: Trace::parse(TRACEPARENT.as_bytes()),
    });
    for call in calls {
        call.run(&store).await.unwrap();
    }
    for call in calls {
        let called = context::within(Arc::clone(&context), call.run(&store));
        called.await.unwrap();
    }
    let seen = fake.seen();
    let traces: Vec<_> = seen
        .iter()
        .map(|request| request.header("traceparent"))
        .collect();
    assert_eq!(traces, [None, None, Some(TRACEPARENT), Some(TRACEPARENT)]);
    for request in seen {
        assert!(
            !request
                .header("authorization")
                .unwrap()
                .contains("traceparent")
        );
    }
}

fn counting(fake: &FakeS3) -> (Arc<S3Store>, Arc<Counters>) {
    let endpoint = fake.endpoint.clone();
    let config = Config::from_lookup(&|name| match name {
        "BUCKET_NAME" => Some("bucket".into()),
        "AWS_ENDPOINT_URL_S3" => Some(endpoint.clone()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".into()),
        _ => None,
    });
    let StoreConfig::S3(s3) = config.unwrap().store else {
        panic!("no S3");
    };
    let counters = Arc::new(Counters::default());
    let settings = S3Settings::new(&s3, "", LONG).unwrap();
    let settings = settings.counting(Arc::clone(&counters));
    (s3::start(settings), counters)
}

fn count(counters: &Counters, operation: &str, outcome: &str) -> u64 {
    let operation = OPERATIONS.iter().position(|name| *name == operation);
    let outcome = OUTCOMES.iter().position(|name| *name == outcome);
    let of = &counters.calls.durations[operation.unwrap()];
    of[outcome.unwrap()].snapshot(&DURATIONS, 1e6).count
}

#[tokio::test]
async fn calls_and_connections_are_counted_by_how_they_ended() {
    let mut script: Vec<_> = Call::Put.answers().into_iter().map(Reply::Answer).collect();
    script.push(Reply::Answer(error(403, "AccessDenied")));
    script.extend((0..3).map(|_| Reply::Answer(error(503, "SlowDown"))));
    let fake = FakeS3::start(script).await;
    let (store, counters) = counting(&fake);
    Call::Put.run(&store).await.unwrap();
    for _ in 0..2 {
        assert!(Call::Head.run(&store).await.is_err());
    }
    let count = |operation, outcome| count(&counters, operation, outcome);
    assert_eq!(count("PutObject", "success"), 1);
    assert_eq!(count("HeadObject", "client_error"), 1);
    assert_eq!(count("HeadObject", "server_error"), 3);
    assert_eq!(counters.calls.open.now(), 0);
    assert_eq!(counters.calls.connections.now(), 1);
    drop(store);
    while counters.calls.connections.now() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_counts_as_one_without_an_answer_and_one_that_is_refused_as_none() {
    let fake = FakeS3::start((0..9).map(|_| Reply::Stall(Vec::new())).collect()).await;
    let (store, counters) = counting(&fake);
    // The call's own doubt and the check's make it gone; what is sent again then is refused.
    let check = tokio::time::timeout(Duration::from_secs(2), store.check());
    let (put, check) = tokio::join!(Call::Put.run(&store), check);
    assert!(put.is_err() && check.is_err());
    assert!(Call::Put.run(&store).await.is_err());
    assert!(Call::Head.run(&store).await.is_err());
    let ends = |operation: &str| OUTCOMES.map(|outcome| count(&counters, operation, outcome));
    let timeout = OUTCOMES.map(|outcome| u64::from(outcome == "timeout"));
    assert_eq!(ends("PutObject"), timeout);
    // The check's.
    let cancelled = OUTCOMES.map(|outcome| u64::from(outcome == "cancelled"));
    assert_eq!(ends("HeadObject"), cancelled);
}
