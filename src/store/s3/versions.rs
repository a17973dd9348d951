//! S3 `ListObjectVersions` for one key. Read here and not by rusoto, which gives versions and
//! delete markers in two lists and so loses their order: S3's times have whole seconds only.

use rusoto_core::signature::SignedRequest;
use xml::reader::XmlEvent;

use super::answer::{decode_listed, parse_rfc3339, unquote};
use super::meaning::of_read;
use super::{S3Store, document, sign};
use crate::store::{
    Attributes, MAX_VERSIONS, ObjectKey, ObjectMeta, StoreError, StoreResult, Version, VersionId,
    Versions,
};

/// One answer.
#[derive(Debug, Default)]
struct Page {
    entries: Vec<Entry>,
    is_truncated: bool,
    next_key: String,
    next_version: String,
}

/// A version or a delete marker, as S3 writes it.
#[derive(Debug, Default)]
struct Entry {
    is_marker: bool,
    key: String,
    version_id: String,
    is_latest: bool,
    last_modified: String,
    etag: String,
    size: String,
}

impl S3Store {
    /// Of all keys that begin with this one, S3 gives the key itself first.
    pub(super) async fn list_versions(&self, key: &ObjectKey) -> StoreResult<Versions> {
        let full = self.full(key);
        let mut result = Versions::default();
        let mut after = None;
        loop {
            let page = self
                .retry(|| self.version_page(&full, after.as_ref()))
                .await;
            let page = match page.map_err(|error| of_read(error, key, None)) {
                Err(StoreError::NotFound) => return Ok(result),
                page => page?,
            };
            for entry in page.entries {
                if decode_listed(&entry.key)? != full {
                    return Ok(result);
                }
                if result.versions.len() == MAX_VERSIONS {
                    result.truncated = true;
                    return Ok(result);
                }
                result.versions.push(entry.into_version(key)?);
            }
            if !page.is_truncated || decode_listed(&page.next_key)? != full {
                return Ok(result);
            }
            if result.versions.len() == MAX_VERSIONS {
                result.truncated = true;
                return Ok(result);
            }
            let next = Some(page.next_version);
            if next == after {
                return Err(StoreError::Corrupt("S3 gave the same page twice".into()));
            }
            after = next;
        }
    }

    async fn version_page(&self, full: &str, after: Option<&String>) -> StoreResult<Page> {
        let path = format!("/{}", self.settings.bucket);
        let mut request = SignedRequest::new("GET", "s3", &self.settings.region, &path);
        request.add_param("versions", "");
        request.add_param("prefix", full);
        request.add_param("max-keys", &MAX_VERSIONS.to_string());
        request.add_param("encoding-type", "url");
        if let Some(version) = after {
            request.add_param("key-marker", full);
            request.add_param("version-id-marker", version);
        }
        parse(&self.send(request, sign::EMPTY).await?.body)
    }
}

impl Entry {
    fn into_version(self, key: &ObjectKey) -> StoreResult<Version> {
        let corrupt = || StoreError::Corrupt("a version without id or size".into());
        if self.version_id.is_empty() {
            return Err(corrupt());
        }
        let size = if self.is_marker {
            0
        } else {
            self.size.parse().map_err(|_| corrupt())?
        };
        Ok(Version {
            meta: ObjectMeta {
                key: key.as_str().to_owned(),
                size,
                etag: unquote(Some(self.etag)),
                last_modified: parse_rfc3339(Some(&self.last_modified))?,
                version_id: Some(VersionId(self.version_id)),
                attributes: Attributes::default(),
            },
            is_latest: self.is_latest,
            is_delete_marker: self.is_marker,
        })
    }

    fn set(&mut self, name: &str, text: &str) {
        match name {
            "Key" => self.key.push_str(text),
            "VersionId" => self.version_id.push_str(text),
            "IsLatest" => self.is_latest = text == "true",
            "LastModified" => self.last_modified.push_str(text),
            "ETag" => self.etag.push_str(text),
            "Size" => self.size.push_str(text),
            _ => {}
        }
    }
}

fn parse(document: &[u8]) -> StoreResult<Page> {
    let mut page = Page::default();
    let mut path: Vec<String> = Vec::new();
    let mut ended = false;
    for event in document::events(document) {
        match event? {
            XmlEvent::StartElement { name, .. } => {
                if path.len() == 1 && matches!(&*name.local_name, "Version" | "DeleteMarker") {
                    page.entries.push(Entry {
                        is_marker: name.local_name == "DeleteMarker",
                        ..Entry::default()
                    });
                }
                path.push(name.local_name);
            }
            XmlEvent::Characters(text) => {
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                match *path {
                    [_, "IsTruncated"] => page.is_truncated = text == "true",
                    [_, "NextKeyMarker"] => page.next_key.push_str(&text),
                    [_, "NextVersionIdMarker"] => page.next_version.push_str(&text),
                    [_, "Version" | "DeleteMarker", name] => {
                        if let Some(entry) = page.entries.last_mut() {
                            entry.set(name, &text);
                        }
                    }
                    _ => {}
                }
            }
            XmlEvent::EndElement { name } => {
                path.pop();
                // Only a document that has come to its end is one.
                ended = path.is_empty() && name.local_name == "ListVersionsResult";
            }
            _ => {}
        }
    }
    if ended {
        return Ok(page);
    }
    Err(StoreError::Corrupt(
        "S3 answered a listing of versions with something else".into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyRules;

    fn document(inside: &str) -> Vec<u8> {
        format!(
            "<?xml version=\"1.0\"?><ListVersionsResult><Name>b</Name>{inside}</ListVersionsResult>"
        )
        .into_bytes()
    }

    #[test]
    fn versions_and_markers_keep_the_order_in_which_s3_gives_them() {
        let entry = |element: &str, id: &str, size: &str| {
            format!(
                "<{element}><Key>a+b%2B</Key><VersionId>{id}</VersionId><IsLatest>{}</IsLatest><LastModified>2026-01-02T03:04:05.000Z</LastModified>{size}<Owner><ID>x</ID></Owner></{element}>",
                id == "3"
            )
        };
        let size = "<ETag>&quot;abc&quot;</ETag><Size>7</Size>";
        let page = parse(&document(&format!(
            "<IsTruncated>true</IsTruncated><NextKeyMarker>a+b%2B</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>{}{}{}",
            entry("DeleteMarker", "3", ""),
            entry("Version", "2", size),
            entry("DeleteMarker", "1", ""),
        )))
        .unwrap();
        assert!(page.is_truncated);
        assert_eq!(decode_listed(&page.next_key).unwrap(), "a b+");
        assert_eq!(page.next_version, "1");
        let key = KeyRules::default().readable("a b+").unwrap();
        let versions: Vec<_> = page
            .entries
            .into_iter()
            .map(|entry| entry.into_version(&key).unwrap())
            .collect();
        let seen: Vec<_> = versions
            .iter()
            .map(|v| (v.is_latest, v.is_delete_marker, v.meta.size))
            .collect();
        assert_eq!(seen, [(true, true, 0), (false, false, 7), (false, true, 0)]);
        assert_eq!(versions[1].meta.etag, "abc");
    }

    #[test]
    fn what_is_no_listing_of_versions_is_an_error_and_no_panic() {
        let cut = &document("<Version><Key>a</Key>")[..60];
        for odd in [&b""[..], b"  ", b"<", b"<Error/>", b"\xff", cut] {
            assert!(parse(odd).is_err());
        }
        let page = parse(&document("<Version><Key>a</Key><Size/></Version>")).unwrap();
        let key = KeyRules::default().readable("a").unwrap();
        for entry in page.entries {
            assert!(entry.into_version(&key).is_err());
        }
    }
}
