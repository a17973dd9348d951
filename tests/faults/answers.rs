//! What a client sees of a store that refuses, is late or silent, or answers with what cannot be
//! read; and that a storm of it all is the same for the same seed.

use std::time::Duration;

use crate::support::proxy::{Fault, Proxy};
use crate::support::server::minio_setting;
use crate::support::{Client, post, refused};
use crate::{SIZES, setup, setup_with};

#[test]
fn an_expired_token_that_nothing_can_renew_is_a_refusal_and_stores_nothing() {
    let setup = setup();
    for (size, target) in [(10, "expired"), (30_000_000, "partNumber=2")] {
        let key = format!("expired-{size}");
        setup.proxy.inject("PUT", target, Fault::ExpiredToken, 1);
        refused(&setup.put(&key, size, &[]), 502, "store_refused");
        assert_eq!(setup.proxy.hits(), 1, "asking again would change nothing");
        setup.assert_nothing_of(&key);
    }
    assert_eq!(setup.put("kept", 10, &[]).status, 201);
    setup.proxy.inject("GET", "kept", Fault::ExpiredToken, 1);
    let got = setup.server.client().get("/files/kept");
    refused(&got, 502, "store_refused");
    assert!(setup.is_intact("kept", 10));
}

#[test]
fn an_answer_that_comes_late_counts_and_one_that_comes_too_late_is_settled() {
    let setup = setup_with(&[("TIMEOUT", "2")]);
    for (late, size) in [(500, 10), (500, 9_000_000), (3500, 10), (3500, 9_000_000)] {
        let key = format!("late-{late}-{size}");
        let (method, target) = if size == 10 {
            ("PUT", "late")
        } else {
            ("POST", "uploadId")
        };
        let delay = Fault::Delay(Duration::from_millis(late));
        setup.proxy.inject(method, target, delay, 1);
        let answer = setup.put(&key, size, &[]);
        assert_eq!(setup.proxy.hits(), 1);
        assert!(matches!(answer.status, 200 | 201), "{key} {answer:?}");
        assert!(setup.is_intact(&key, size), "{key}");
    }
}

#[test]
fn a_store_that_never_answers_is_given_up_after_the_timeout() {
    let setup = setup_with(&[("TIMEOUT", "1")]);
    setup.proxy.inject("PUT", "once", Fault::Stall, 1);
    assert_eq!(setup.put("once", 1_000_000, &[]).status, 201);
    assert!(setup.is_intact("once", 1_000_000));
    for (size, target) in [(1_000_000, "silent"), (9_000_000, "partNumber=1")] {
        let key = format!("silent-{size}");
        setup.proxy.hits();
        setup.proxy.inject("PUT", target, Fault::Stall, 3);
        refused(&setup.put(&key, size, &[]), 504, "store_timeout");
        assert_eq!(setup.proxy.hits(), 3);
        setup.assert_nothing_of(&key);
    }
    setup.proxy.inject("GET", "once", Fault::Stall, 3);
    let got = setup.server.client().get("/files/once");
    refused(&got, 504, "store_timeout");
}

#[test]
fn an_error_within_a_200_is_an_error() {
    let setup = setup();
    let error = Fault::ErrorIn200;
    setup.proxy.inject("POST", "uploadId", error, 1);
    assert_eq!(setup.put("completed", 9_000_000, &[]).status, 201);
    assert!(setup.is_intact("completed", 9_000_000));
    setup.proxy.inject("POST", "uploadId", error, 3);
    let answer = setup.put("never", 9_000_000, &[]);
    refused(&answer, 503, "store_unavailable");
    setup.assert_nothing_of("never");

    let mut client = setup.server.client();
    setup.proxy.inject("PUT", "copy-1", error, 1);
    let copied = post(&mut client, "/files/completed?copy_to=copy-1");
    assert_eq!(copied.status, 201, "{copied:?}");
    assert!(setup.is_intact("copy-1", 9_000_000));
    setup.proxy.inject("PUT", "copy-2", error, 3);
    let moved = post(&mut client, "/files/completed?move_to=copy-2");
    refused(&moved, 503, "store_unavailable");
    assert_eq!(client.get("/files/copy-2").status, 404);
    assert!(setup.is_intact("completed", 9_000_000), "the source stays");
    assert_eq!(setup.proxy.hits(), 8);
}

#[test]
fn an_answer_with_a_malformed_header_is_a_lost_one() {
    let setup = setup();
    for size in SIZES {
        let (method, target) = if size < 9_000_000 {
            ("PUT", "header")
        } else {
            ("POST", "uploadId")
        };
        for headers in [&[][..], &[("If-None-Match", "*")]] {
            let key = format!("header-{size}-{}", headers.len());
            let fault = Fault::MalformedHeader;
            setup.proxy.inject(method, target, fault, 1);
            let answer = setup.put(&key, size, headers);
            assert!(matches!(answer.status, 200 | 201), "{key} {answer:?}");
            setup.proxy.inject("GET", "header", fault, 1);
            assert!(setup.is_intact(&key, size), "{key}");
            assert_eq!(setup.proxy.hits(), 2);
        }
    }
}

#[test]
fn an_answer_that_is_no_xml_is_a_lost_one_to_a_write_and_a_failure_to_a_read() {
    let setup = setup();
    let fault = Fault::MalformedXml;
    for headers in [&[][..], &[("If-None-Match", "*")]] {
        let key = format!("xml-{}", headers.len());
        setup.proxy.inject("POST", "uploadId", fault, 1);
        assert_eq!(setup.put(&key, 9_000_000, headers).status, 201);
        assert!(setup.is_intact(&key, 9_000_000));
    }
    let mut client = setup.server.client();
    setup.proxy.inject("PUT", "copy", fault, 1);
    let copied = post(&mut client, "/files/xml-0?copy_to=copy");
    assert_eq!(copied.status, 201, "{copied:?}");
    assert!(setup.is_intact("copy", 9_000_000));
    setup.proxy.inject("GET", "list-type=2", fault, 1);
    refused(&client.get("/files"), 502, "store_failed");
    assert_eq!(client.get("/files").status, 200);
    assert_eq!(setup.proxy.hits(), 4);
}

#[test]
fn a_storm_is_the_same_for_the_same_seed_and_ends() {
    let storm = |seed| {
        let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
        let port = proxy.endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let ask = || {
            let mut client = Client::connect(port);
            client.send_head("GET", "/", &[]);
            // What stalls ends with us.
            client.finish_sending();
            drop(client.try_answer("GET"));
        };
        proxy.storm(seed, 0.5);
        (0..200).for_each(|_| ask());
        let counts = proxy.counts();
        assert!((60..140).contains(&proxy.hits()), "{counts:?}");
        proxy.calm();
        (0..20).for_each(|_| ask());
        assert_eq!(proxy.hits(), 0);
        counts
    };
    let first = storm(1);
    assert!(first.len() > 5, "{first:?}");
    assert_eq!(first, storm(1));
    assert_ne!(first, storm(2));
}
