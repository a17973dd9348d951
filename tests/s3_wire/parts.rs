//! Lists of an upload's parts: all their pages, and answers that are none.

use cloud_portfolio::store::{KeyRules, Multipart, Store, StoreError};

use super::calls::{LONG, fake, open};
use crate::fake_s3::{answer, error};
use crate::s3::assert_err;

fn upload() -> Multipart {
    Multipart {
        key: KeyRules::default().writable("a b").unwrap(),
        upload_id: "u/+=".into(),
        part_size: 5,
        crc64: true,
    }
}

fn page(number: u32, rest: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListPartsResult>{rest}<Part><PartNumber>\
         {number}</PartNumber><ETag>&quot;e{number}&quot;</ETag><Size>5</Size><ChecksumCRC64NVME>\
         M3eFcAZSQlc=</ChecksumCRC64NVME></Part></ListPartsResult>"
    );
    answer(200, &[], document.as_bytes())
}

fn goes_on(after: u32) -> String {
    format!("<IsTruncated>true</IsTruncated><NextPartNumberMarker>{after}</NextPartNumberMarker>")
}

#[tokio::test]
async fn all_pages_of_a_list_of_parts_are_read_with_their_checksums() {
    let pages = [page(1, &goes_on(1)), page(2, &goes_on(2)), page(3, "")];
    let fake = fake(&pages).await;
    let parts = open(&fake, LONG).list_parts(&upload()).await.unwrap();
    let numbers: Vec<_> = parts.iter().map(|part| part.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(parts[2].etag, "\"e3\"");
    assert!(
        parts
            .iter()
            .all(|part| part.crc64 == parts[0].crc64 && part.crc64.is_some())
    );
    let seen = fake.seen();
    assert!(
        seen.iter()
            .all(|request| request.target.contains("uploadId=u%2F%2B%3D"))
    );
    assert!(!seen[0].target.contains("part-number-marker"));
    assert!(seen[2].target.contains("part-number-marker=2"));
}

#[tokio::test]
async fn a_list_of_parts_that_is_none_is_an_error() {
    for odd in [
        answer(200, &[], b""),
        answer(200, &[], b"<html><body>sorry</body></html>"),
        answer(200, &[], b"<ListPartsResult><Part><PartNumber>1"),
        page(1, "<IsTruncated>true</IsTruncated>"),
    ] {
        let fake = fake(&[odd]).await;
        let listed = open(&fake, LONG).list_parts(&upload()).await;
        assert_err!(listed, StoreError::Corrupt(_));
    }
    let fake = fake(&[page(1, &goes_on(1)), page(1, &goes_on(1))]).await;
    let listed = open(&fake, LONG).list_parts(&upload()).await;
    assert_err!(listed, StoreError::Corrupt(_));
}

#[tokio::test]
async fn the_parts_of_an_upload_that_is_gone_are_not_found() {
    let fake = fake(&[error(404, "NoSuchUpload")]).await;
    let listed = open(&fake, LONG).list_parts(&upload()).await;
    assert_err!(listed, StoreError::NotFound);
}
