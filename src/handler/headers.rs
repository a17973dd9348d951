//! Headers of uploads and downloads: which are kept with an object and given back, and names in
//! Content-Disposition (RFC 6266). Conditions have a file of their own.

use hyper::HeaderMap;
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderName, HeaderValue,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;
use crate::store::{Attributes, ObjectKey};

/// Prefix of the headers that carry a user's own metadata.
const META: &str = "x-amz-meta-";
/// S3's limit for names and values of those together is 2 KiB (S3 User Guide, "Object metadata"),
/// of which our own nonce takes less than 64 bytes.
const MAX_META_BYTES: usize = 2048 - 64;
/// Any other header that is kept. S3 takes 8 KiB of headers in all, which it says only when asked.
const MAX_KEPT_BYTES: usize = 1024;
/// Names below this belong to the program.
const RESERVED_META: &str = "upload-nonce";
/// The same, for what a client of tus said of its upload and wants to hear again.
pub(super) const TUS_META: &str = "upload-metadata";
/// What there may be of it, so that S3's limit holds with the other headers of the program.
pub(super) const MAX_TUS_META: usize = 1900;

/// Whether a store may take metadata of this name for an order. MinIO unpacks an archive when it is told
/// so by `snowball-auto-extract`: into any key of the bucket, whatever a user's rights are.
fn is_acted_on(name: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["snowball-", "minio-", "x-minio-", "x-amz-"];
    BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning))
}

/// Content type of a key by its extension; octet-stream when that says nothing.
pub(super) fn type_of(key: &ObjectKey) -> String {
    mime_guess::from_path(key.file_name())
        .first_or_octet_stream()
        .essence_str()
        .to_owned()
}

/// A content type that is given in some other way than by its header.
pub(super) fn content_type(text: &str) -> Result<String, Error> {
    let value = HeaderValue::try_from(text).map_err(|_| invalid("Content-Type", "is no text"))?;
    visible("Content-Type", &value)
}

/// What is kept of a PUT's headers.
///
/// Fails with `invalid_header` for a value that could not be given back as it came.
pub(super) fn attributes(headers: &HeaderMap, key: &ObjectKey) -> Result<Attributes, Error> {
    // Lists may come in several lines, which mean the same as one (RFC 9110 section 5.3).
    let text = |name: HeaderName| {
        let lines: Vec<_> = headers
            .get_all(&name)
            .iter()
            .map(|value| visible(name.as_str(), value))
            .collect::<Result<_, _>>()?;
        if lines.len() > 1 && name == CONTENT_TYPE {
            return Err(invalid(name.as_str(), "is given more than once"));
        }
        let whole = lines.join(", ");
        if whole.len() > MAX_KEPT_BYTES {
            return Err(invalid(name.as_str(), "is over 1 KiB"));
        }
        Ok(Some(whole).filter(|_| !lines.is_empty()))
    };
    let mut metadata = Vec::new();
    let mut size = 0;
    for name in headers.keys() {
        let Some(short) = name.as_str().strip_prefix(META) else {
            continue;
        };
        if matches!(short, "" | RESERVED_META | TUS_META) || is_acted_on(short) {
            return Err(invalid(name.as_str(), "is reserved"));
        }
        let mut values = headers.get_all(name).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => visible(name.as_str(), value)?,
            _ => return Err(invalid(name.as_str(), "is given more than once")),
        };
        size += short.len() + value.len();
        metadata.push((short.to_owned(), value));
    }
    if size > MAX_META_BYTES {
        return Err(Error::invalid(
            "invalid_header",
            "The x-amz-meta headers are over 1,984 bytes together.",
        ));
    }
    metadata.sort();
    Ok(Attributes {
        content_type: Some(
            text(CONTENT_TYPE)?
                .filter(|t| !t.is_empty())
                .unwrap_or_else(|| type_of(key)),
        ),
        cache_control: text(CACHE_CONTROL)?,
        content_language: text(CONTENT_LANGUAGE)?,
        content_encoding: text(CONTENT_ENCODING)?,
        metadata,
        nonce: None,
    })
}

/// Gives back what was kept.
pub(super) fn give_back(attributes: &Attributes, headers: &mut HeaderMap) {
    for (name, value) in [
        (CACHE_CONTROL, &attributes.cache_control),
        (CONTENT_LANGUAGE, &attributes.content_language),
        (CONTENT_ENCODING, &attributes.content_encoding),
    ] {
        if let Some(value) = value.as_ref().and_then(|v| HeaderValue::try_from(v).ok()) {
            headers.insert(name, value);
        }
    }
    for (name, value) in &attributes.metadata {
        if name == TUS_META {
            continue;
        }
        let name = HeaderName::try_from(format!("{META}{name}"));
        // Another program may have stored what no header can carry.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}

/// Visible ASCII with single spaces between: what S3's signature and every proxy leave as it is.
pub(super) fn visible(name: &str, value: &HeaderValue) -> Result<String, Error> {
    let text = value
        .to_str()
        .map_err(|_| invalid(name, "has characters that are not ASCII"))?
        .trim();
    // Signature V4 folds runs of spaces, and not every signer folds them alike.
    if text.contains("  ") || text.contains('\t') {
        return Err(invalid(name, "has tabs or several spaces in a row"));
    }
    Ok(text.to_owned())
}

fn invalid(name: &str, why: &str) -> Error {
    Error::invalid("invalid_header", format!("The header '{name}' {why}."))
}

/// Characters of a value in RFC 8187's `ext-value` that need no encoding.
const EXT_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` that names the file (RFC 6266): the name in ASCII for old clients, and,
/// where that is not all of it, in UTF-8 as `filename*`.
pub(super) fn disposition(kind: &str, name: &str) -> HeaderValue {
    // A quoted-string takes any character but these two escaped; '%' confuses old browsers.
    let plain: String = name
        .chars()
        .map(|c| match c {
            ' '..='~' if !matches!(c, '"' | '\\' | '%' | '/') => c,
            _ => '_',
        })
        .collect();
    let value = if plain == name {
        format!("{kind}; filename=\"{plain}\"")
    } else {
        let exact = utf8_percent_encode(name, EXT_VALUE);
        format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{exact}")
    };
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Types that a browser may show from our origin: none of them can run script.
const SAFE_INLINE: &[&str] = &[
    "application/pdf",
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/webm",
    "audio/x-flac",
    "audio/x-m4a",
    "audio/x-wav",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/vnd.microsoft.icon",
    "image/webp",
    "image/x-icon",
    "text/csv",
    "text/plain",
    "video/mp4",
    "video/mpeg",
    "video/ogg",
    "video/quicktime",
    "video/webm",
    "video/x-matroska",
];

/// Whether this is exactly one of the safe types, with a charset at most. Browsers split a type at
/// commas and believe the last: one with a comma is none.
pub(super) fn safe_inline(content_type: &str) -> bool {
    let (essence, parameter) = match content_type.split_once(';') {
        Some((essence, parameter)) => (essence, parameter.trim()),
        None => (content_type, ""),
    };
    let essence = essence.trim().to_ascii_lowercase();
    let charset = parameter.to_ascii_lowercase();
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    SAFE_INLINE.contains(&essence.as_str())
        && (charset.is_empty() || charset.strip_prefix("charset=").is_some_and(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyRules;
    use proptest::prelude::*;

    fn key(text: &str) -> ObjectKey {
        KeyRules::default().readable(text).unwrap()
    }

    fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::try_from(*name).unwrap();
                (name, HeaderValue::from_bytes(value).unwrap())
            })
            .collect()
    }

    #[test]
    fn the_type_is_the_headers_or_the_extensions() {
        let none = HeaderMap::new();
        let of = |h: &HeaderMap, k: &str| attributes(h, &key(k)).unwrap().content_type.unwrap();
        assert_eq!(of(&none, "a/b.PNG"), "image/png");
        assert_eq!(of(&none, "a.b/c"), "application/octet-stream");
        assert_eq!(
            of(&headers(&[("content-type", b"x/y; a=b")]), "a.png"),
            "x/y; a=b"
        );
    }

    #[test]
    fn metadata_that_could_not_be_given_back_is_refused() {
        let long = [b'x'; 2049];
        for (name, value) in [
            ("x-amz-meta-a", "ü".as_bytes()),
            ("x-amz-meta-a", b"two  spaces"),
            ("x-amz-meta-a", &long),
            ("x-amz-meta-upload-nonce", b"mine"),
        ] {
            assert!(attributes(&headers(&[(name, value)]), &key("k")).is_err());
        }
    }

    #[test]
    fn a_disposition_names_the_file_for_old_and_new_clients() {
        let of = |name| disposition("attachment", name);
        assert_eq!(of("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            of("naïve\"\r\n.txt"),
            "attachment; filename=\"na_ve___.txt\"; filename*=UTF-8''na%C3%AFve%22%0D%0A.txt"
        );
    }

    #[test]
    fn nothing_that_can_run_script_is_shown_inline() {
        for bad in [
            "text/html",
            "image/svg+xml",
            "application/xml",
            "text/javascript",
            "TEXT/HTML",
            "",
            "application/xhtml+xml",
            "text/plain;, text/html",
            "text/plain, text/html",
            "video/x, text/html",
            "audio/x-svg+xml",
        ] {
            assert!(!safe_inline(bad), "{bad}");
        }
        assert!(safe_inline("text/plain; charset=utf-8") && safe_inline("image/PNG"));
    }

    proptest! {
        #[test]
        fn every_name_fits_into_one_header(name in "\\PC{0,60}|[\\x00-\\x7f]{0,60}") {
            let value = disposition("attachment", &name);
            prop_assert!(value.to_str().is_ok());
            prop_assert!(value.as_bytes().starts_with(b"attachment; filename=\""));
        }
    }
}
