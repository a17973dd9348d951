//! Credentials: each source by its real protocol, in their order, and what happens when they expire.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic, and shares what other tests have"
)]

#[allow(dead_code, reason = "nothing goes wrong on the wire here")]
#[path = "support/fake_s3.rs"]
mod fake_s3;
#[path = "support/s3.rs"]
mod s3;
mod support;

mod credentials {
    mod expiry;
    mod forced;
    mod order;
    mod sources;
    mod sts;
}

use std::time::Duration;

use cloud_portfolio::store::{Store as _, StoreError};
use fake_s3::{FakeS3, Reply, answer, error};
use support::agent::Asked;

/// S3's answer to the call that the tests here make.
fn listing() -> Reply {
    let document = "<ListBucketResult><Name>bucket</Name><Prefix></Prefix><KeyCount>0</KeyCount>\
        <MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";
    Reply::Answer(answer(200, &[], document.as_bytes()))
}

fn refusal(status: u16, code: &str) -> Reply {
    Reply::Answer(error(status, code))
}

/// A bucket at this S3; the metadata service, which a machine may have, is not asked unless it is
/// turned on again.
fn settings(fake: &FakeS3, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let endpoint = fake.endpoint.as_str();
    [
        ("BUCKET_NAME", "bucket"),
        ("AWS_ENDPOINT_URL_S3", endpoint),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .iter()
    .chain(more)
    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// With which access key and session token S3 was asked, request by request.
fn signers(fake: &FakeS3) -> Vec<(String, String)> {
    let signer = |seen: fake_s3::Seen| {
        let header = |name| seen.header(name).unwrap_or_default().to_owned();
        let signed = header("authorization");
        let (_, rest) = signed.split_once("Credential=").unwrap();
        let key = rest.split('/').next().unwrap().to_owned();
        (key, header("x-amz-security-token"))
    };
    fake.seen().into_iter().map(signer).collect()
}

/// Asks S3 once, with these settings; with what it was asked, or why not.
async fn used(more: &[(&str, &str)]) -> Result<(String, String), String> {
    let fake = FakeS3::start(vec![listing()]).await;
    let store = s3::open(&settings(&fake, more), Duration::from_secs(5));
    match store.check().await {
        Ok(()) => Ok(signers(&fake).remove(0)),
        Err(StoreError::Credentials(why)) => Err(why.to_string()),
        Err(other) => panic!("{other:?}"),
    }
}

fn pair(key: &str, token: &str) -> (String, String) {
    (key.to_owned(), token.to_owned())
}

/// The metadata service of an instance with a role: its second version with a session token, and
/// its first without.
fn instance(asked: &Asked, credentials: &str) -> (u16, String) {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let token = asked.header("x-aws-ec2-metadata-token");
    if asked.method == "PUT" && asked.path == "/latest/api/token" {
        let ttl = asked.header("x-aws-ec2-metadata-token-ttl-seconds");
        let ttl: Option<u32> = ttl.and_then(|ttl| ttl.parse().ok());
        return match ttl {
            Some(1..=21600) => (200, "session-of-the-instance".to_owned()),
            _ => (400, String::new()),
        };
    }
    match asked.path.strip_prefix(ROLES) {
        _ if asked.method != "GET" => (405, String::new()),
        _ if token.is_some_and(|token| token != "session-of-the-instance") => (401, String::new()),
        Some("") => (200, "role-of-the-instance\n".to_owned()),
        Some("role-of-the-instance") => (200, credentials.to_owned()),
        _ => (404, String::new()),
    }
}
