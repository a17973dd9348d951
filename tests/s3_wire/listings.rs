//! Listings as no store should answer them.

use std::time::Duration;

use cloud_portfolio::store::StoreError;

use super::calls::{Call, LONG, fake, list, listed, listing, open, outcome};
use crate::fake_s3::answer;
use crate::s3::assert_err;

#[tokio::test]
async fn an_empty_listing_document_is_no_empty_bucket() {
    for headers in [&[][..], &[("Content-Type", "application/xml")]] {
        let empty = outcome(Call::List, &[answer(200, headers, b"")]).await;
        assert_err!(empty, StoreError::Corrupt(_));
    }
}

/// What becomes of a listing, found out on a thread of its own: rusoto's parser once did not come
/// back from a document that ends inside an element, and no timeout stops a thread that spins.
async fn listing_outcome(document: &[u8]) -> Result<(), StoreError> {
    let answers = [answer(200, &[], document)];
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let _ = sender.send(runtime.block_on(outcome(Call::List, &answers)));
    });
    tokio::time::timeout(Duration::from_secs(20), receiver)
        .await
        .unwrap_or_else(|_| {
            panic!(
                "the parser spins on {:?}",
                String::from_utf8_lossy(document)
            )
        })
        .unwrap()
}

#[tokio::test]
async fn a_listing_that_cannot_be_read_is_an_error_and_no_panic() {
    let well = String::from_utf8(listing(&listed("a"))).unwrap();
    let (_, well) = well.split_once("\r\n\r\n").unwrap();
    let broken = [
        "not XML at all",
        "<",
        "\u{0}",
        "<html><body>sorry</body></html>",
        "<ListBucketResult>",
        "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><Name>bucket</Name><Contents><Key>a",
        &well.replace("<Size>5</Size>", "<Size></Size>"),
        &well.replace("<Size>5</Size>", "<Size>many</Size>"),
        &well.replace("<Size>5</Size>", "<Size/>"),
        &well.replace("false</IsTruncated>", "maybe</IsTruncated>"),
        // Said to go on, but not where.
        &well.replace("false</IsTruncated>", "true</IsTruncated>"),
        &well.replace("1994-11-06T08:49:37.000Z", "yesterday"),
        &well.replace("<Key>a</Key>", "<Key>%FF</Key>"),
        &well.replace("</ListBucketResult>", ""),
    ];
    for document in broken {
        assert_ne!(document, well);

        let listed = listing_outcome(document.as_bytes()).await;
        assert_err!(listed, StoreError::Corrupt(_), "{document:?}");
    }
    let listed = listing_outcome(b"<a>\xff\xfe</a>").await;
    assert_err!(listed, StoreError::Corrupt(_));
}

#[tokio::test]
async fn control_characters_in_listed_keys_survive() {
    let names = [
        "a%01b",
        "a%0Ab",
        "%7F",
        "a+b",
        "a%2Bb",
        "%25",
        "%E2%82%AC%2F",
    ];
    let contents: String = names.into_iter().map(listed).collect();
    let fake = fake(&[listing(&contents)]).await;
    let page = list(&open(&fake, LONG)).await.unwrap();
    let keys: Vec<_> = page.objects.iter().map(|o| o.key.as_str()).collect();
    assert_eq!(keys, ["a\u{1}b", "a\nb", "\u{7f}", "a b", "a+b", "%", "€/"]);
    assert!(fake.seen()[0].target.contains("encoding-type=url"));
}

#[tokio::test]
async fn a_document_that_is_far_too_long_is_given_up() {
    // Longer than a listing of 1,000 keys can be.
    let long = listing(&" ".repeat(17 << 20));
    let listed = outcome(Call::List, &vec![long; 3]).await;
    assert!(listed.is_err());
}
