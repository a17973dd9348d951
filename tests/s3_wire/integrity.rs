//! Checks of what S3 has stored: what is not what was sent does not stay.

use cloud_portfolio::store::{
    Attributes, Condition, KeyRules, Multipart, Payload, Store, StoreError,
};

use super::calls::{
    Call, LONG, OBJECT, STORED, UPLOAD, fake, gathered, key, open_with, outcome, streamed, upload,
};
use crate::fake_s3::{FakeS3, answer, error};
use crate::s3::assert_err;

const WRONG_CRC: &[(&str, &str)] = &[
    ("ETag", "\"5d41402abc4b2a76b9719d911017c592\""),
    ("x-amz-checksum-crc64nvme", "AAAAAAAAAAE="),
    ("x-amz-version-id", "v1"),
];
const NO_CRC: &[(&str, &str)] = &[("ETag", "\"5d41402abc4b2a76b9719d911017c592\"")];
/// Of no bytes.
const EMPTY: &[(&str, &str)] = &[
    ("ETag", "\"d41d8cd98f00b204e9800998ecf8427e\""),
    ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
];
const WRONG_MD5: &[(&str, &str)] = &[("ETag", "\"00000000000000000000000000000000\"")];

fn made(headers: &[(&str, &str)]) -> Vec<u8> {
    answer(200, headers, b"")
}

async fn put(
    answers: &[Vec<u8>],
    integrity: &str,
    payload: Payload,
) -> (FakeS3, Result<(), StoreError>) {
    let fake = fake(answers).await;
    let store = open_with(&fake.endpoint, LONG, &[("S3_INTEGRITY", integrity)]);
    let attributes = Attributes::default();
    let stored = store
        .put(&key(), &attributes, &Condition::None, payload)
        .await;
    (fake, stored.map(drop))
}

#[tokio::test]
async fn an_object_that_is_not_what_was_sent_is_removed_again() {
    let ours = answer(200, OBJECT, b"");
    let removed = answer(204, &[], b"");
    for (integrity, headers, payload) in [
        ("auto", WRONG_CRC, gathered()),
        ("auto", WRONG_CRC, streamed()),
        ("crc64nvme", WRONG_CRC, gathered()),
        ("crc64nvme", WRONG_CRC, streamed()),
        ("sha256", WRONG_MD5, streamed()),
        ("md5", WRONG_MD5, streamed()),
    ] {
        // The version that was just made, where the bucket keeps versions; else what is there, if
        // it is still the same.
        let versioned = headers.iter().any(|(_, value)| *value == "v1");
        let mut answers = vec![made(headers)];
        if !versioned {
            answers.push(ours.clone());
        }
        answers.push(removed.clone());
        let (fake, stored) = put(&answers, integrity, payload).await;
        assert_err!(stored, StoreError::Corrupt(_), "{integrity}");
        let last = fake.seen().pop().unwrap();
        assert_eq!(last.method, "DELETE", "{integrity}");
        assert_eq!(last.target.contains("versionId=v1"), versioned);
    }
}

#[tokio::test]
async fn a_stream_that_s3_did_not_check_may_have_its_framing_inside_and_does_not_stay() {
    for integrity in ["auto", "crc64nvme"] {
        let answers = [
            made(NO_CRC),
            answer(200, OBJECT, b""),
            answer(204, &[], b""),
        ];
        let (fake, stored) = put(&answers, integrity, streamed()).await;
        assert_err!(stored, StoreError::Unavailable(_), "{integrity}");
        assert_eq!(fake.seen().pop().unwrap().method, "DELETE");
    }
    // Where it cannot be removed nothing may take it for a lost answer.
    let denied = [
        made(NO_CRC),
        answer(200, OBJECT, b""),
        error(403, "AccessDenied"),
    ];
    let (_fake, stored) = put(&denied, "auto", streamed()).await;
    assert_err!(stored, StoreError::Corrupt(_));
}

#[tokio::test]
async fn what_was_gathered_and_not_checked_stays_where_that_is_allowed() {
    let (_fake, stored) = put(&[made(NO_CRC)], "auto", gathered()).await;
    stored.unwrap();
    let answers = [
        made(NO_CRC),
        answer(200, OBJECT, b""),
        answer(204, &[], b""),
    ];
    let (fake, stored) = put(&answers, "crc64nvme", gathered()).await;
    assert_err!(stored, StoreError::Unavailable(_));
    assert_eq!(fake.requests(), 3);
}

#[tokio::test]
async fn what_another_writer_has_stored_since_is_not_removed() {
    let mut theirs = OBJECT.to_vec();
    theirs.push(("x-amz-meta-upload-nonce", "theirs"));
    let answers = [made(NO_CRC), answer(200, &theirs, b"")];
    let (fake, stored) = put(&answers, "auto", streamed()).await;
    assert_err!(stored, StoreError::Unavailable(_));
    assert_eq!(fake.seen().pop().unwrap().method, "HEAD");
}

#[tokio::test]
async fn a_part_that_is_not_what_was_sent_counts_for_nothing_when_the_upload_is_resumed() {
    for (integrity, crc64, headers) in [("auto", true, WRONG_CRC), ("md5", false, WRONG_MD5)] {
        let fake = fake(&[made(headers), made(EMPTY)]).await;
        let store = open_with(&fake.endpoint, LONG, &[("S3_INTEGRITY", integrity)]);
        let upload = Multipart { crc64, ..upload() };
        let sent = store.upload_part(&upload, 1, streamed()).await;
        assert_err!(sent, StoreError::Corrupt(_), "{integrity}");
        let last = fake.seen().pop().unwrap();
        assert_eq!((last.method.as_str(), last.body.len()), ("PUT", 0));
        assert!(last.target.contains("partNumber=1"));
    }
}

#[tokio::test]
async fn bytes_that_changed_on_the_way_are_sent_again_and_crc64_stays_in_use() {
    for code in ["BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody"] {
        let answers = [error(400, code), made(STORED), made(STORED)];
        let fake = fake(&answers).await;
        let store = open_with(&fake.endpoint, LONG, &[]);
        Call::Put.run(&store).await.unwrap();
        Call::Put.run(&store).await.unwrap();
        for request in fake.seen() {
            assert!(request.header("x-amz-checksum-crc64nvme").is_some());
        }
    }
}

#[tokio::test]
async fn a_condition_that_s3_does_not_know_says_nothing_of_checksums() {
    let answers = [error(501, "NotImplemented"), made(STORED)];
    let fake = fake(&answers).await;
    let store = open_with(&fake.endpoint, LONG, &[]);
    let refused = Call::PutIfAbsent.run(&store).await;
    assert_err!(refused, StoreError::Unsupported(_));
    Call::Put.run(&store).await.unwrap();
    let last = fake.seen().pop().unwrap();
    assert!(last.header("x-amz-checksum-crc64nvme").is_some());
}

#[tokio::test]
async fn an_answer_without_etag_or_with_an_odd_date_is_a_lost_one_or_none() {
    let crc = STORED[1];
    let lost = outcome(Call::PutIfAbsent, &[made(&[crc])]).await;
    assert_err!(lost, StoreError::Unavailable(_));
    let odd = [STORED[0], crc, ("Date", "yesterday")];
    outcome(Call::PutIfAbsent, &[made(&odd)]).await.unwrap();
}

#[tokio::test]
async fn proxies_in_front_of_s3_cannot_say_what_it_did() {
    for status in [408, 500, 502, 503, 508, 520, 524, 530] {
        let odd = answer(status, &[], b"<html>");
        let lost = outcome(Call::CompleteIfAbsent, &[odd]).await;
        assert_err!(lost, StoreError::Unavailable(_), "{status}");
    }
}

#[tokio::test]
async fn a_store_that_is_down_has_not_lost_the_keys_that_others_could_not_hold() {
    let rules = KeyRules::default();
    let long = "x".repeat(300);
    for key in ["folder/", "a//b", "..", long.as_str()] {
        let key = rules.readable(key).unwrap();
        for down in [error(503, "SlowDown"), error(403, "ExpiredToken")] {
            let fake = fake(&vec![down; 9]).await;
            let store = open_with(&fake.endpoint, LONG, &[]);
            let failed =
                |e: StoreError| matches!(e, StoreError::Unavailable(_) | StoreError::Refused(_));
            assert!(failed(store.head(&key, None).await.unwrap_err()), "{key}");
            assert!(failed(store.delete(&key, None).await.unwrap_err()), "{key}");
        }
    }
}

#[tokio::test]
async fn a_storage_class_is_for_the_users_objects_and_not_for_ours() {
    let answers = [made(STORED), answer(200, &[], UPLOAD.as_bytes())];
    let fake = fake(&answers).await;
    let class = [("S3_STORAGE_CLASS", "GLACIER"), ("S3_INTEGRITY", "sha256")];
    let store = open_with(&fake.endpoint, LONG, &class);
    Call::Put.run(&store).await.unwrap();
    // Its state object, which is read again, is written by the engine.
    let budget = cloud_portfolio::upload::Budget::new(20 << 20);
    let config = cloud_portfolio::config::Config::from_lookup(&|_| None).unwrap();
    let engine = cloud_portfolio::upload::Engine::new(store, budget, config.upload);
    let new = cloud_portfolio::upload::resume::New {
        key: key(),
        attributes: Attributes::default(),
        length: Some(5),
        metadata: None,
        if_absent: false,
    };
    assert!(engine.begin(new).await.is_err(), "the script ends here");
    let seen = fake.seen();
    let class = |at: usize| seen[at].header("x-amz-storage-class");
    assert_eq!((class(0), class(1)), (Some("GLACIER"), Some("GLACIER")));
    let state = seen
        .iter()
        .find(|s| s.target.contains("/.cloud-portfolio/"));
    assert_eq!(state.unwrap().header("x-amz-storage-class"), None);
}
