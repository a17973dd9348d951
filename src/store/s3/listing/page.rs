//! One page of a listing, as S3's document has it. Keys stay encoded; what they are, and what is
//! asked next, is `mod.rs`' business.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use crate::store::{StoreError, StoreResult};

/// One answer, keys still encoded as S3 sends them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<Entry>,
    pub(super) prefixes: Vec<String>,
    pub(super) is_truncated: bool,
    pub(super) next: Option<String>,
    /// An empty 200 is a page without a single field, this one too.
    bucket: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) size: String,
    pub(super) etag: String,
    pub(super) last_modified: String,
}

impl Page {
    pub(super) fn parse(document: &[u8]) -> StoreResult<Self> {
        let mut reader = Reader::from_reader(document.trim_ascii_start());
        let mut page = Self::default();
        let mut path: Vec<Vec<u8>> = Vec::new();
        let mut text = String::new();
        let broken = |error: quick_xml::Error| StoreError::Corrupt(error.into());
        loop {
            match reader.read_event().map_err(broken)? {
                Event::Start(element) => {
                    text.clear();
                    let name = element.local_name().as_ref().to_vec();
                    match name.as_slice() {
                        b"ListBucketResult" if path.is_empty() => {}
                        _ if path.is_empty() => return Err(corrupt("something else")),
                        b"Contents" => page.objects.push(Entry::default()),
                        _ => {}
                    }
                    path.push(name);
                }
                Event::End(_) => {
                    let name = path.pop().ok_or_else(|| corrupt("an end too many"))?;
                    let parent = path.last().map(Vec::as_slice).unwrap_or_default();
                    page.note(parent, &name, std::mem::take(&mut text))?;
                    if path.is_empty() {
                        break;
                    }
                }
                Event::Text(more) => {
                    let more = more.decode().map_err(|e| StoreError::Corrupt(e.into()))?;
                    text.push_str(&more);
                }
                Event::CData(more) => {
                    let more = more.decode().map_err(|e| StoreError::Corrupt(e.into()))?;
                    text.push_str(&more);
                }
                Event::GeneralRef(entity) => text.push(character(&entity)?),
                Event::Eof => return Err(corrupt("it ends in the middle, or is empty")),
                _ => {}
            }
        }
        if page.bucket.is_none() {
            return Err(corrupt("nothing"));
        }
        Ok(page)
    }

    /// An element below `parent` has ended.
    fn note(&mut self, parent: &[u8], name: &[u8], text: String) -> StoreResult<()> {
        match (parent, name, self.objects.last_mut()) {
            (b"Contents", b"Key", Some(entry)) => entry.key = text,
            (b"Contents", b"Size", Some(entry)) => entry.size = text,
            (b"Contents", b"ETag", Some(entry)) => entry.etag = text,
            (b"Contents", b"LastModified", Some(entry)) => entry.last_modified = text,
            (b"CommonPrefixes", b"Prefix", _) => self.prefixes.push(text),
            (b"ListBucketResult", b"Name", _) => self.bucket = Some(text),
            (b"ListBucketResult", b"IsTruncated", _) => match text.as_str() {
                "true" => self.is_truncated = true,
                "false" => self.is_truncated = false,
                _ => return Err(corrupt("no word on whether there is more")),
            },
            (b"ListBucketResult", b"NextContinuationToken", _) => self.next = Some(text),
            _ => {}
        }
        Ok(())
    }
}

/// `&quot;` and `&#34;`.
fn character(entity: &BytesRef<'_>) -> StoreResult<char> {
    let coded = entity.resolve_char_ref();
    if let Some(character) = coded.map_err(|error| StoreError::Corrupt(error.into()))? {
        return Ok(character);
    }
    match &**entity {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        _ => Err(corrupt("an entity that XML does not know")),
    }
}

pub(super) fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("S3 answered a listing with {what}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn objects_prefixes_and_the_next_page_are_read() {
        let document = br#"
<?xml version="1.0"?><ListBucketResult xmlns="x"><Name>b</Name><Prefix>no/</Prefix>
<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>
<Contents><Key>a+b%2B</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>&quot;e1&#34;</ETag><Size>5</Size><Owner><ID>x</ID></Owner></Contents>
<Contents><Key><![CDATA[c]]></Key><Size>0</Size></Contents>
<CommonPrefixes><Prefix>d%2F</Prefix></CommonPrefixes></ListBucketResult>"#;
        let page = Page::parse(document).unwrap();
        assert_eq!(page.objects.len(), 2);
        assert_eq!(page.objects[0].key, "a+b%2B");
        assert_eq!(page.objects[0].etag, "\"e1\"");
        assert_eq!(page.objects[0].size, "5");
        assert_eq!(page.objects[1].key, "c");
        assert_eq!(page.prefixes, ["d%2F"]);
        assert_eq!(
            (page.is_truncated, page.next.as_deref()),
            (true, Some("a&b"))
        );
    }

    #[test]
    fn what_is_no_listing_is_an_error_and_no_empty_page() {
        for odd in [
            &b""[..],
            b"<ListBucketResult>",
            b"<ListBucketResult></ListBucketResult>",
            b"<ListBucketResult><Name>b</Nam></ListBucketResult>",
            b"<ListBucketResult><Name>&odd;</Name></ListBucketResult>",
            b"<ListBucketResult><Name>\xff</Name></ListBucketResult>",
            b"<Other><Name>b</Name></Other>",
            b"{}",
        ] {
            let text = String::from_utf8_lossy(odd).into_owned();
            assert!(Page::parse(odd).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_document_makes_it_panic_or_go_on_for_ever(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("<ListBucketResult>"), Just("</ListBucketResult>"), Just("<Contents>"),
                    Just("</Contents>"), Just("<Key>"), Just("</Key>"), Just("<Name>b</Name>"),
                    Just("&amp;"), Just("&#x110000;"), Just("<![CDATA["), Just("]]>"), Just("<"),
                    Just("text"), Just("<!--"), Just("<?xml"), Just("\u{fffd}"),
                ],
                0..40,
            ),
        ) {
            let _ = Page::parse(pieces.concat().as_bytes());
        }
    }
}
