//! S3 `ListParts`, read here: rusoto's operation does not know the parts' CRC-64s, without which
//! the whole object's could not be combined.

use rusoto_core::signature::SignedRequest;
use xml::reader::XmlEvent;

use super::{S3Store, crc64, document, sign};
use crate::store::{Multipart, Part, StoreError, StoreResult};

/// One page of the answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Page {
    parts: Vec<Part>,
    /// The number after which the next page begins.
    next: Option<u32>,
}

impl S3Store {
    /// All parts that are stored, in order of their numbers.
    pub(super) async fn stored_parts(&self, multipart: &Multipart) -> StoreResult<Vec<Part>> {
        let mut all: Vec<Part> = Vec::new();
        let mut after = 0;
        loop {
            let document = self
                .retry(|| async {
                    let mut request: SignedRequest = self.request("GET", &multipart.key);
                    request.add_param("uploadId", &multipart.upload_id);
                    request.add_param("max-parts", "1000");
                    if after > 0 {
                        request.add_param("part-number-marker", &after.to_string());
                    }
                    Ok(self.send(request, sign::UNSIGNED).await?.body)
                })
                .await?;
            let page = parse(&document)?;
            all.extend(page.parts);
            match page.next {
                // A marker that does not move would be asked for for ever.
                Some(next) if next > after => after = next,
                Some(_) => return Err(corrupt("its next page is this one")),
                None => break,
            }
        }
        all.sort_by_key(|part| part.number);
        Ok(all)
    }
}

fn parse(document: &[u8]) -> StoreResult<Page> {
    let mut page = Page::default();
    let (mut truncated, mut is_list) = (false, false);
    let mut part: Option<Part> = None;
    let mut text = String::new();
    for event in document::events(document) {
        match event? {
            XmlEvent::StartElement { name, .. } => {
                text.clear();
                is_list |= name.local_name == "ListPartsResult";
                if name.local_name == "Part" {
                    part = Some(Part {
                        number: 0,
                        size: u64::MAX,
                        etag: String::new(),
                        crc64: None,
                    });
                }
            }
            XmlEvent::Characters(more) | XmlEvent::CData(more) => text.push_str(&more),
            XmlEvent::EndElement { name } => {
                let text = std::mem::take(&mut text);
                match (name.local_name.as_str(), &mut part) {
                    ("Part", _) => {
                        let part = part.take().filter(|part| {
                            part.number > 0 && part.size != u64::MAX && !part.etag.is_empty()
                        });
                        page.parts
                            .push(part.ok_or_else(|| corrupt("a part says too little"))?);
                    }
                    ("PartNumber", Some(part)) => part.number = text.parse().unwrap_or(0),
                    ("Size", Some(part)) => part.size = text.parse().unwrap_or(u64::MAX),
                    ("ETag", Some(part)) => part.etag = text,
                    ("ChecksumCRC64NVME", Some(part)) => part.crc64 = crc64::decode(&text),
                    ("IsTruncated", None) => truncated = text == "true",
                    ("NextPartNumberMarker", None) => page.next = text.parse().ok(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    if !is_list {
        return Err(corrupt("it is something else"));
    }
    if !truncated {
        // Some stores give the last number here even when there is no further page.
        page.next = None;
    } else if page.next.is_none() {
        return Err(corrupt("it names no next page"));
    }
    Ok(page)
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("S3's list of parts: {what}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_with_their_checksums_and_the_next_page() {
        let document = br#"
<?xml version="1.0"?><ListPartsResult xmlns="x"><UploadId>u</UploadId>
<NextPartNumberMarker>2</NextPartNumberMarker><IsTruncated>true</IsTruncated>
<Part><PartNumber>1</PartNumber><ETag>&#34;a&#34;</ETag><Size>5</Size></Part>
<Part><PartNumber>2</PartNumber><ETag>"b"</ETag><Size>0</Size>
<ChecksumCRC64NVME>AAAAAAAAAAE=</ChecksumCRC64NVME></Part></ListPartsResult>"#;
        let page = parse(document).unwrap();
        assert_eq!(page.next, Some(2));
        assert_eq!(page.parts[0].etag, "\"a\"");
        assert_eq!((page.parts[0].size, page.parts[0].crc64), (5, None));
        assert_eq!((page.parts[1].size, page.parts[1].crc64), (0, Some(1)));
    }

    #[test]
    fn an_answer_that_says_too_little_is_an_error_and_no_empty_list() {
        for odd in [
            &b""[..],
            b"<ListPartsResult><Part><PartNumber>1</PartNumber></Part></ListPartsResult>",
            b"<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>",
            b"<ListPartsResult>",
            b"<html></html>",
        ] {
            assert!(parse(odd).is_err(), "{}", String::from_utf8_lossy(odd));
        }
    }
}
