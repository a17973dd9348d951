//! Uploads and downloads over a failing S3: what was acknowledged is there, what was refused is
//! not, and an answer that was lost is looked up and never guessed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

mod faults {
    mod answers;
    mod resumed;
}

use support::proxy::{Fault, Proxy};
use support::server::{minio, minio_setting};
use support::{Answer, Bucket, Noise, Server, sha256};

struct Setup {
    server: Server,
    proxy: Proxy,
    prefix: String,
}

fn setup() -> Setup {
    setup_with(&[])
}

fn setup_with(more: &[(&str, &str)]) -> Setup {
    let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
    let mut settings = minio();
    settings.push(("AWS_ENDPOINT_URL_S3".into(), proxy.endpoint.clone()));
    let prefix = format!("fault-{:016x}/", getrandom::u64().unwrap());
    settings.push(("KEY_PREFIX".into(), prefix.clone()));
    settings.extend(more.iter().map(|(n, v)| ((*n).into(), (*v).into())));
    let server = Server::spawn(&settings);
    server.wait_ready();
    Setup {
        server,
        proxy,
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
fn a_process_says_in_its_last_line_what_it_has_met() {
    let mut setup = setup();
    setup.proxy.inject("PUT", "counted", Fault::SlowDown, 1);
    assert_eq!(setup.put("counted", 10, &[]).status, 201);
    setup.proxy.inject("PUT", "settled", Fault::LoseAnswer, 1);
    let if_absent = [("If-None-Match", "*")];
    assert_eq!(setup.put("settled", 10, &if_absent).status, 201);
    setup.proxy.inject("GET", "counted", Fault::CutAnswer, 1);
    assert!(setup.is_intact("counted", 10));
    setup.server.signal("TERM");
    assert_eq!(setup.server.wait(), 0);
    let last = || setup.server.log().lines().last().unwrap().to_owned();
    support::wait_for("the last line", || last().contains("counted:"));
    for count in [
        "store_retries_total=1 ",
        "store_settled_total{outcome=\"found\"}=1 ",
        "store_settled_total{outcome=\"missing\"}=0 ",
        "downloads_healed_total=1 ",
    ] {
        assert!(last().contains(count), "{count} in {}", last());
    }
}
