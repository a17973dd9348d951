//! AWS Signature V4 for the requests that rusoto cannot sign: those whose payload hash is known
//! before, or whose checksum follows as a trailer. Presigned URLs are others'.
//! Source: "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use ring::{digest, hmac};
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;

/// `x-amz-content-sha256` of a body that is not hashed.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The same, of a body in aws-chunked framing that ends with a checksum as trailer.
pub(super) const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Signs `request`, whose body has this `x-amz-content-sha256`.
pub(super) fn sign(
    request: &mut SignedRequest,
    credentials: &AwsCredentials,
    content_sha256: &str,
    now: DateTime<Utc>,
) {
    // Host, content length, and the canonical path and query.
    request.complement();
    let time = now.format("%Y%m%dT%H%M%SZ").to_string();
    let date = now.format("%Y%m%d").to_string();
    let mut set = |name: &str, value: &str| {
        request.remove_header(name);
        request.add_header(name, value);
    };
    set("x-amz-date", &time);
    set("x-amz-content-sha256", content_sha256);
    if let Some(token) = credentials.token() {
        set("x-amz-security-token", token);
    }
    let mut lines = String::new();
    let mut names = String::new();
    for (name, values) in request.headers() {
        // Proxies may change these.
        if matches!(
            name.as_str(),
            "authorization" | "content-length" | "user-agent"
        ) {
            continue;
        }
        let folded: Vec<_> = values.iter().map(|value| fold(value)).collect();
        let _ = writeln!(lines, "{name}:{}", folded.join(","));
        let separator = if names.is_empty() { "" } else { ";" };
        let _ = write!(names, "{separator}{name}");
    }
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{content_sha256}",
        request.method(),
        request.canonical_uri(),
        request.canonical_query_string(),
    );
    let region = request.region_for_service();
    let scope = format!("{date}/{region}/s3/aws4_request");
    let text = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let mut key = format!("AWS4{}", credentials.aws_secret_access_key()).into_bytes();
    for step in [date.as_str(), &region, "s3", "aws4_request"] {
        key = keyed(&key, step.as_bytes());
    }
    let signature = hex(&keyed(&key, text.as_bytes()));
    let access_key = credentials.aws_access_key_id();
    request.remove_header("authorization");
    request.add_header(
        "authorization",
        &format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        ),
    );
}

/// SHA-256 as lower hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 of blocks in their order, as lower hex. 8 MiB take about 5 ms: not for the event loop.
pub(super) fn sha256_hex_of(blocks: &[bytes::Bytes]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for block in blocks {
        context.update(block);
    }
    hex(context.finish().as_ref())
}

fn keyed(key: &[u8], message: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, message).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A header's value with its ends trimmed and every run of spaces folded into one.
fn fold(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let words: Vec<_> = text.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusoto_core::Region;

    /// rusoto signs what it can sign: for such a request both must come to the same signature.
    #[test]
    fn a_signature_is_the_one_that_rusoto_makes() {
        let region = Region::Custom {
            name: "eu-central-1".into(),
            endpoint: "http://127.0.0.1:9000".into(),
        };
        let credentials = AwsCredentials::new("AKID", "secret", Some("token".into()), None);
        let request = || {
            let mut request = SignedRequest::new("PUT", "s3", &region, "/bucket/a b+%/ü");
            request.add_param("uploadId", "x/y=");
            request.add_header("x-amz-meta-a", "two words");
            request.set_payload(Some(b"hello".to_vec()));
            request
        };
        let mut theirs = request();
        theirs.sign(&credentials);
        let stamp = String::from_utf8(theirs.headers()["x-amz-date"][0].clone()).unwrap();
        let at = chrono::NaiveDateTime::parse_from_str(&stamp, "%Y%m%dT%H%M%SZ").unwrap();
        let mut ours = request();
        sign(&mut ours, &credentials, &sha256_hex(b"hello"), at.and_utc());
        assert_eq!(ours.headers(), theirs.headers());
    }

    /// "PUT Object" in "Examples: Signature Calculations", Amazon S3 API Reference.
    #[test]
    fn a_signature_is_the_one_of_amazons_example() {
        let mut request = SignedRequest::new("PUT", "s3", &Region::UsEast1, "/test$file.text");
        request.set_hostname(Some("examplebucket.s3.amazonaws.com".into()));
        request.add_header("date", "Fri, 24 May 2013 00:00:00 GMT");
        request.add_header("x-amz-storage-class", "REDUCED_REDUNDANCY");
        let credentials = AwsCredentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
        );
        let at = DateTime::parse_from_rfc3339("2013-05-24T00:00:00Z").unwrap();
        let body = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        assert_eq!(sha256_hex(b"Welcome to Amazon S3."), body);
        // The example signs no content type, which rusoto would add.
        request.add_header("content-type", "");
        sign(&mut request, &credentials, body, at.to_utc());
        let names = String::from_utf8(request.headers()["authorization"][0].clone()).unwrap();
        assert!(
            names.contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request")
        );
        assert!(names.contains("SignedHeaders=content-type;date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"));
    }

    #[test]
    fn runs_of_spaces_fold_into_one() {
        assert_eq!(fold(b"  a   b  c "), "a b c");
    }
}
