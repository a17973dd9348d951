//! Answers that mean something else than success, and answers that make no sense.

use cloud_portfolio::store::{Condition, StoreError};

use super::calls::{
    COMPLETED, Call, IDEMPOTENT, LONG, OBJECT, ONLY_ONCE, STORED, complete, fake, open, outcome,
};
use crate::fake_s3::{FakeS3, Reply, answer, error, error_document};
use crate::s3::assert_err;

#[tokio::test]
async fn a_refusal_is_no_failure_that_passes() {
    for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
        for (status, code) in [
            (403, "AccessDenied"),
            (403, "SignatureDoesNotMatch"),
            (400, "ExpiredToken"),
            (301, "PermanentRedirect"),
        ] {
            let refused = outcome(call, &[error(status, code)]).await;
            assert_err!(
                refused,
                StoreError::Refused(_) | StoreError::Malformed(_),
                "{call:?} {code}"
            );
        }
    }
}

#[tokio::test]
async fn a_missing_bucket_is_a_refusal() {
    for call in IDEMPOTENT.into_iter().chain(ONLY_ONCE) {
        let answer = error(404, "NoSuchBucket");
        // An answer to HEAD has no body that could tell.
        if call != Call::Head {
            let refused = outcome(call, &[answer]).await;
            assert_err!(refused, StoreError::Refused(_), "{call:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_or_needs_no_removal() {
    for (call, code) in [
        (Call::Head, "NoSuchKey"),
        (Call::Get, "NoSuchKey"),
        (Call::UploadPart, "NoSuchUpload"),
        (Call::UploadPartStreamed, "NoSuchUpload"),
        (Call::Complete, "NoSuchUpload"),
        (Call::CompleteIfAbsent, "NoSuchUpload"),
    ] {
        let missing = outcome(call, &[error(404, code)]).await;
        assert_err!(missing, StoreError::NotFound, "{call:?}");
    }
    outcome(Call::Abort, &[error(404, "NoSuchUpload")])
        .await
        .unwrap();
    outcome(Call::Delete, &[error(404, "NoSuchKey")])
        .await
        .unwrap();
}

#[tokio::test]
async fn conditions_conflicts_archives_and_quotas_have_their_meaning() {
    for call in [Call::PutIfAbsent, Call::PutIfMatch, Call::CompleteIfAbsent] {
        let failed = outcome(call, &[error(412, "PreconditionFailed")]).await;
        assert_err!(failed, StoreError::Precondition, "{call:?}");
        let conflict = [(); 3].map(|()| error(409, "ConditionalRequestConflict"));
        let conflict = outcome(call, &conflict).await;
        assert_err!(conflict, StoreError::Conflict(_), "{call:?}");
    }
    let gone = outcome(Call::PutIfMatch, &[error(404, "NoSuchKey")]).await;
    assert_err!(gone, StoreError::Precondition);
    let archived = outcome(Call::Get, &[error(403, "InvalidObjectState")]).await;
    assert_err!(archived, StoreError::Archived);
    let full = outcome(Call::Put, &[error(507, "XMinioStorageFull")]).await;
    assert_err!(full, StoreError::Full(_));
    let large = outcome(Call::Put, &[error(400, "EntityTooLarge")]).await;
    assert_err!(large, StoreError::TooLarge(_));
}

#[tokio::test]
async fn a_completion_that_fails_late_is_a_failure() {
    for space in ["", " ", "\n\n   \r\n", "\n <?xml version=\"1.0\"?> "] {
        let late = |code: &str| {
            let document = format!("{space}{}", error_document(code));
            let document = if space.contains("<?xml") {
                document.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "", 1)
            } else {
                document
            };
            answer(200, &[], document.as_bytes())
        };
        for call in [Call::Complete, Call::CompleteIfAbsent] {
            let failed = vec![late("InternalError"); 3];
            let failed = outcome(call, &failed).await;
            assert_err!(failed, StoreError::Unavailable(_), "{call:?} {space:?}");
            let refused = outcome(call, &[late("AccessDenied")]).await;
            assert_err!(refused, StoreError::Refused(_), "{call:?} {space:?}");
        }
        // Once, and then well: it may be repeated where it has no condition.
        let answers = [&[late("InternalError")], &Call::Complete.answers()[..]].concat();
        outcome(Call::Complete, &answers).await.unwrap();
    }
}

#[tokio::test]
async fn white_space_before_a_completions_result_is_allowed() {
    let document = format!(" \n \n{COMPLETED}");
    let fake = fake(&[
        answer(200, &[], document.as_bytes()),
        answer(200, OBJECT, b""),
    ])
    .await;
    complete(&open(&fake, LONG), Condition::None).await.unwrap();
}

#[tokio::test]
async fn a_completion_that_says_nothing_is_no_success() {
    for document in [
        "",
        "  ",
        "<CompleteMultipartUploadResult/>",
        "<CompleteMultipartUploadResult><ETag/></CompleteMultipartUploadResult>",
        "<CompleteMultipartUploadResult><ETag",
        "<CompleteMultipartUploadResult><ETag>\"1-1\"</ETag><Loc",
        "<CompleteMultipartUploadResult><ETag>\"1-1\"</ETag></Wrong>",
        // S3 names the part's ETag where it refuses a part.
        "<Error><Code>InvalidPart</Code><PartNumber>1</PartNumber><ETag>1</ETag></Error>",
        "ok",
    ] {
        for call in [Call::Complete, Call::CompleteIfAbsent] {
            let answers = vec![answer(200, &[], document.as_bytes()); 3];
            assert!(
                outcome(call, &answers).await.is_err(),
                "{call:?} {document:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_object_that_is_not_there_is_not_complete_whatever_was_said() {
    let done = answer(200, &[], COMPLETED.as_bytes());
    let gone = vec![done, error(404, "NoSuchKey")];
    let outcome = outcome(Call::CompleteIfAbsent, &gone).await;
    assert_err!(outcome, StoreError::Unavailable(_));
}

#[tokio::test]
async fn headers_that_make_no_sense_are_an_error_and_no_panic() {
    for odd in [
        ("x-amz-missing-meta", "zzz"),
        ("x-amz-mp-parts-count", "zzz"),
        ("x-amz-delete-marker", "maybe"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "maybe"),
        ("Last-Modified", "yesterday"),
    ] {
        let mut headers = OBJECT.to_vec();
        headers.retain(|(name, _)| *name != odd.0);
        headers.push(odd);
        for call in [Call::Head, Call::Get] {
            let answer = answer(
                200,
                &headers,
                if call == Call::Get { b"hello" } else { b"" },
            );
            let failed = outcome(call, &[answer]).await;
            assert_err!(failed, StoreError::Corrupt(_), "{call:?} {odd:?}");
        }
    }
}

#[tokio::test]
async fn missing_headers_are_an_error() {
    for missing in ["ETag", "Last-Modified"] {
        let mut headers = OBJECT.to_vec();
        headers.retain(|(name, _)| *name != missing);
        for call in [Call::Head, Call::Get] {
            let answer = answer(
                200,
                &headers,
                if call == Call::Get { b"hello" } else { b"" },
            );
            let failed = outcome(call, &[answer]).await;
            assert_err!(failed, StoreError::Corrupt(_), "{call:?} {missing}");
        }
    }
    for call in [
        Call::Put,
        Call::PutIfAbsent,
        Call::PutStreamed,
        Call::UploadPart,
        Call::UploadPartStreamed,
    ] {
        let failed = outcome(call, &[answer(200, &STORED[1..], b"")]).await;
        // What became of an object its nonce tells; a part has none.
        assert_err!(
            failed,
            StoreError::Corrupt(_) | StoreError::Unavailable(_),
            "{call:?}"
        );
    }
    // No text: as good as missing.
    let mut binary = answer(200, &[("ETag", "\"?\""), STORED[1]], b"");
    let at = binary.iter().position(|byte| *byte == b'?').unwrap();
    binary[at] = 0xff;
    let failed = outcome(Call::Put, &[binary]).await;
    assert_err!(failed, StoreError::Unavailable(_));
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    for call in ONLY_ONCE {
        for garbage in [
            &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
            b"\x15\x03\x01\x00\x02\x02\x46",
        ] {
            let fake = FakeS3::start(vec![Reply::Cut(garbage.to_vec())]).await;
            let outcome = call.run(&open(&fake, LONG)).await;
            assert_err!(outcome, StoreError::Unavailable(_), "{call:?}");
        }
    }
}
