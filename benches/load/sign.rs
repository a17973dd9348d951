//! Signature V4 for requests that go to the S3 without an SDK: cheap, with one time and one key for
//! all, so that what is measured is the S3 and not the signing. Bodies are not signed.

use std::fmt::Write as _;

use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256, Key, Tag};

use super::peers::store::Store;

/// Signs for a quarter of an hour from when it was made.
#[derive(Clone)]
pub struct Signer {
    pub host: String,
    pub bucket: String,
    credential: String,
    stamp: String,
    scope: String,
    key: Key,
}

impl Signer {
    pub fn new(store: &Store) -> Self {
        let stamp = chrono::Utc::now().format("%Y%m%dT%H%M%SZ").to_string();
        let day = &stamp[..8];
        let region = store.setting("AWS_REGION");
        let scope = format!("{day}/{region}/s3/aws4_request");
        let secret = format!("AWS4{}", store.setting("AWS_SECRET_ACCESS_KEY"));
        let mut key = Key::new(HMAC_SHA256, secret.as_bytes());
        for part in [day, &region, "s3", "aws4_request"] {
            key = Key::new(HMAC_SHA256, sign(&key, part).as_ref());
        }
        let endpoint = store.setting("AWS_ENDPOINT_URL_S3");
        let host = endpoint.split_once("://").map_or("", |(_, host)| host);
        Self {
            host: host.to_owned(),
            bucket: store.setting("BUCKET_NAME"),
            credential: format!("{}/{scope}", store.setting("AWS_ACCESS_KEY_ID")),
            stamp,
            scope,
            key,
        }
    }

    /// The header lines that make a request of ours: `path` and `query` as they are sent, the query
    /// in order of its names. `crc64` is the CRC-64/NVME of a body, in base64.
    pub fn lines(&self, method: &str, path: &str, query: &str, crc64: Option<&str>) -> String {
        let checksum = crc64.map_or(String::new(), |crc64| {
            format!("x-amz-checksum-crc64nvme:{crc64}\n")
        });
        let amz = format!(
            "{checksum}x-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{}\n",
            self.stamp
        );
        let signed = if crc64.is_some() {
            "host;x-amz-checksum-crc64nvme;x-amz-content-sha256;x-amz-date"
        } else {
            "host;x-amz-content-sha256;x-amz-date"
        };
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{}\n{amz}\n{signed}\nUNSIGNED-PAYLOAD",
            self.host
        );
        let digest = hex(digest(&SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", self.stamp, self.scope);
        let signature = hex(sign(&self.key, &text).as_ref());
        format!(
            "{}Authorization: AWS4-HMAC-SHA256 Credential={}, SignedHeaders={signed}, Signature={signature}\r\n",
            amz.replace('\n', "\r\n"),
            self.credential
        )
    }
}

fn sign(key: &Key, text: &str) -> Tag {
    hmac::sign(key, text.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
