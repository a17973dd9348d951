//! Uploads and downloads over a failing S3: what was acknowledged is there, what was refused is
//! not, and an answer that was lost is looked up and never guessed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use std::time::Duration;

use support::proxy::{Fault, Proxy};
use support::server::minio;
use support::{Answer, Bucket, Client, Noise, Server, post, refused, sha256};

struct Setup {
    server: Server,
    proxy: Proxy,
    prefix: String,
}

fn setup() -> Setup {
    setup_with(&[])
}

fn setup_with(more: &[(&str, &str)]) -> Setup {
    let mut settings = minio();
    let mut proxy = None;
    for (name, value) in &mut settings {
        if name == "AWS_ENDPOINT_URL_S3" {
            let before = Proxy::before(value);
            value.clone_from(&before.endpoint);
            proxy = Some(before);
        }
    }
    let prefix = format!("fault-{:016x}/", getrandom::u64().unwrap());
    settings.push(("KEY_PREFIX".into(), prefix.clone()));
    settings.extend(more.iter().map(|(n, v)| ((*n).into(), (*v).into())));
    let server = Server::spawn(&settings);
    server.wait_ready();
    Setup {
        server,
        proxy: proxy.unwrap(),
        prefix,
    }
}

impl Setup {
    fn put(&self, key: &str, size: u64, headers: &[(&str, &str)]) -> Answer {
        let body = Noise::bytes(size, size);
        let target = format!("/files/{key}");
        self.server.client().request("PUT", &target, headers, &body)
    }

    fn is_intact(&self, key: &str, size: u64) -> bool {
        let got = self.server.client().get(&format!("/files/{key}"));
        got.status == 200 && sha256([got.body]) == sha256(Noise::new(size, size))
    }

    /// Nothing of this key is there, in no form.
    fn assert_nothing_of(&self, key: &str) {
        let got = self.server.client().get(&format!("/files/{key}"));
        assert_eq!(got.status, 404, "{key}");
        let bucket = Bucket::open();
        let full = format!("{}{key}", self.prefix);
        assert_eq!(bucket.multiparts(&full), [""; 0], "{key}");
        assert_eq!(bucket.versions(&full), [], "{key}");
        let internal = format!("{}.cloud-portfolio/", self.prefix);
        assert_eq!(bucket.versions(&internal), [], "{key}");
    }
}

const SIZES: [u64; 4] = [10, 1_000_000, 9_000_000, 20_000_000];

#[test]
fn a_lost_answer_to_a_write_is_settled_and_not_guessed() {
    let setup = setup();
    for size in SIZES {
        // The last request of an upload: the only PUT of a small one, or the completion.
        let method = if size < 9_000_000 { "PUT" } else { "POST" };
        let target = if size < 9_000_000 { "lost" } else { "uploadId" };
        for (key, headers) in [
            ("lost-plain", &[][..]),
            ("lost-if-absent", &[("If-None-Match", "*")]),
        ] {
            let key = format!("{key}-{size}");
            setup.proxy.inject(method, target, Fault::LoseAnswer, 1);
            let answer = setup.put(&key, size, headers);
            assert_eq!(setup.proxy.hits(), 1);
            assert!(matches!(answer.status, 200 | 201), "{key} {answer:?}");
            assert!(setup.is_intact(&key, size), "{key}");
        }
    }
}

const PASSING: [Fault; 5] = [
    Fault::SlowDown,
    Fault::InternalError,
    Fault::Reset,
    Fault::ResetInBody,
    Fault::ResetAfterBody,
];

#[test]
fn passing_failures_are_retried_and_the_client_sees_nothing() {
    let setup = setup();
    for size in SIZES {
        for fault in PASSING {
            let key = format!("retried-{size}-{fault:?}");
            setup.proxy.inject("PUT", "retried", fault, 2);
            let answer = setup.put(&key, size, &[]);
            assert_eq!(setup.proxy.hits(), 2, "{key}");
            assert!(matches!(answer.status, 200 | 201), "{key} {answer:?}");
            assert!(setup.is_intact(&key, size), "{key}");
        }
    }
}

#[test]
fn a_lost_part_is_sent_again() {
    let setup = setup();
    setup
        .proxy
        .inject("PUT", "partNumber=2", Fault::LoseAnswer, 1);
    setup.proxy.inject("PUT", "partNumber=1", Fault::Reset, 2);
    assert_eq!(setup.put("parts", 30_000_000, &[]).status, 201);
    assert_eq!(setup.proxy.hits(), 3);
    assert!(setup.is_intact("parts", 30_000_000));
}

#[test]
fn an_upload_that_fails_for_good_is_refused_and_not_there() {
    let setup = setup();
    setup.proxy.inject("PUT", "partNumber=1", Fault::Reset, 3);
    let answer = setup.put("failed", 30_000_000, &[]);
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "store_unavailable")
    );
    assert_eq!(setup.proxy.hits(), 3);
    assert_eq!(setup.server.client().get("/files/failed").status, 404);
}

#[test]
fn a_download_that_s3_cuts_goes_on_and_the_client_sees_nothing() {
    let setup = setup();
    assert_eq!(setup.put("whole", 20_000_000, &[]).status, 201);
    setup.proxy.inject("GET", "whole", Fault::CutAnswer, 3);
    assert!(setup.is_intact("whole", 20_000_000));
    assert_eq!(setup.proxy.hits(), 3);
    setup.proxy.inject("GET", "whole", Fault::CutAnswer, 1);
    let headers = [("Range", "bytes=1000-15000000")];
    let part = setup
        .server
        .client()
        .request("GET", "/files/whole", &headers, b"");
    assert_eq!(part.status, 206);
    assert!(part.body[..] == Noise::bytes(20_000_000, 20_000_000)[1000..=15_000_000]);
}

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
        let proxy = Proxy::before(
            &minio()
                .iter()
                .find(|(n, _)| n == "AWS_ENDPOINT_URL_S3")
                .unwrap()
                .1,
        );
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
