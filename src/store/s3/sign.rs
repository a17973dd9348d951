//! AWS Signature V4 for the requests that rusoto cannot sign: those whose payload hash is known
//! before, or whose checksum follows as a trailer. Presigned URLs are others'.
//! Source: "Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Datelike, Timelike, Utc};
use ring::{digest, hmac};
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;

/// `x-amz-content-sha256` of a body that is not hashed.
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The same, of a body in aws-chunked framing that ends with a checksum as trailer.
pub(super) const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// The same, of no body at all: its SHA-256.
pub(super) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Signs requests, and keeps the key of the day: four of the five HMACs of a signature go into it.
#[derive(Default)]
pub(super) struct Signer {
    day: Mutex<Option<Day>>,
}

/// What a signing key is good for, and the key.
struct Day {
    secret: String,
    date: String,
    region: String,
    key: hmac::Key,
}

impl Signer {
    /// Signs `request`, which is not signed yet and whose body has this `x-amz-content-sha256`.
    pub(super) fn sign(
        &self,
        request: &mut SignedRequest,
        credentials: &AwsCredentials,
        content_sha256: &str,
        now: DateTime<Utc>,
    ) {
        // Host, content length, and the canonical path and query.
        request.complement();
        let date = format!("{:04}{:02}{:02}", now.year(), now.month(), now.day());
        let time = format!(
            "{date}T{:02}{:02}{:02}Z",
            now.hour(),
            now.minute(),
            now.second()
        );
        request.add_header("x-amz-date", &time);
        request.add_header("x-amz-content-sha256", content_sha256);
        if let Some(token) = credentials.token() {
            request.add_header("x-amz-security-token", token);
        }
        let (lines, names) = canonical_headers(request);
        let canonical = sha256_hex_of(&[
            request.method(),
            "\n",
            request.canonical_uri(),
            "\n",
            request.canonical_query_string(),
            "\n",
            &lines,
            "\n",
            &names,
            "\n",
            content_sha256,
        ]);
        let region = request.region_for_service();
        let scope = format!("{date}/{region}/s3/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
        let key = self.key(credentials.aws_secret_access_key(), date, region);
        let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
        let access_key = credentials.aws_access_key_id();
        request.add_header(
            "authorization",
            &format!(
                "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        );
    }

    fn key(&self, secret: &str, date: String, region: String) -> hmac::Key {
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(day) = &*day
            && day.date == date
            && day.region == region
            && day.secret == secret
        {
            return day.key.clone();
        }
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
        for step in [&date, &region, "s3", "aws4_request"] {
            let derived = hmac::sign(&key, step.as_bytes());
            key = hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref());
        }
        *day = Some(Day {
            secret: secret.to_owned(),
            date,
            region,
            key: key.clone(),
        });
        key
    }
}

/// The headers that are signed: as lines with their values, and their names with semicolons
/// between.
fn canonical_headers(request: &SignedRequest) -> (String, String) {
    // Of a usual PUT: no growing on the way.
    let mut lines = String::with_capacity(512);
    let mut names = String::with_capacity(128);
    for (name, values) in request.headers() {
        // Proxies may change these.
        if matches!(
            name.as_str(),
            "authorization" | "content-length" | "user-agent"
        ) {
            continue;
        }
        lines.push_str(name);
        for (n, value) in values.iter().enumerate() {
            lines.push(if n == 0 { ':' } else { ',' });
            push_folded(&mut lines, value);
        }
        lines.push('\n');
        if !names.is_empty() {
            names.push(';');
        }
        names.push_str(name);
    }
    (lines, names)
}

/// SHA-256 as lower hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-256 of blocks in their order, as lower hex. 8 MiB take about 5 ms: not for the event loop.
pub(super) fn sha256_hex_of(blocks: &[impl AsRef<[u8]>]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for block in blocks {
        context.update(block.as_ref());
    }
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

/// A header's value with its ends trimmed and every run of spaces folded into one.
fn push_folded(line: &mut String, value: &[u8]) {
    let text = String::from_utf8_lossy(value);
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    line.push_str(words.next().unwrap_or_default());
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
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
        let signer = Signer::default();
        let hash = sha256_hex(b"hello");
        signer.sign(&mut ours, &credentials, &hash, at.and_utc());
        assert_eq!(ours.headers(), theirs.headers());
        // Neither another day's key nor another secret's is taken for this one's.
        let tomorrow = at.and_utc() + chrono::TimeDelta::days(1);
        signer.sign(&mut request(), &credentials, &hash, tomorrow);
        let other = AwsCredentials::new("AKID", "other", None, None);
        signer.sign(&mut request(), &other, &hash, at.and_utc());
        let mut again = request();
        signer.sign(&mut again, &credentials, &hash, at.and_utc());
        assert_eq!(again.headers(), theirs.headers());
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
        assert_eq!(sha256_hex(b""), EMPTY);
        // The example signs no content type, which rusoto would add.
        request.add_header("content-type", "");
        Signer::default().sign(&mut request, &credentials, body, at.to_utc());
        let names = String::from_utf8(request.headers()["authorization"][0].clone()).unwrap();
        assert!(
            names.contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request")
        );
        assert!(names.contains("SignedHeaders=content-type;date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class"));
    }

    #[test]
    fn runs_of_spaces_fold_into_one() {
        let mut line = String::new();
        push_folded(&mut line, b"  a   b  c ");
        push_folded(&mut line, b"  ");
        assert_eq!(line, "a b c");
    }
}
