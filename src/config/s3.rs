//! The settings of the store: a local directory, or a bucket and how to reach it. Where its
//! credentials come from is `credentials`' business.

use std::path::PathBuf;

use super::credentials::{self, CredentialSources};
use super::reader::Reader;

/// Which store.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A local directory.
    Local {
        /// The directory; made when it is missing.
        data_dir: PathBuf,
    },
    /// An S3 bucket.
    S3(Box<S3Config>),
}

/// An S3 bucket and how to reach it.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Scheme, host and port, without a trailing slash (a slash would be signed twice).
    pub endpoint: String,
    /// The same as users reach it, where that differs: shared links lead there.
    pub public_endpoint: Option<String>,
    /// PEM file of further roots to trust.
    pub ca_bundle: Option<PathBuf>,
    /// Where credentials may come from.
    pub credentials: CredentialSources,
    /// How S3 is made to check what it stores.
    pub integrity: Integrity,
    /// Server-side encryption asked for (`x-amz-server-side-encryption`).
    pub sse: Option<String>,
    /// Storage class of new objects (`x-amz-storage-class`).
    pub storage_class: Option<String>,
}

/// How S3 is made to check what it stores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Integrity {
    /// CRC-64/NVME; SHA-256 and MD5 once the store has shown that it does not know it.
    #[default]
    Auto,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-256 of what is gathered, MD5 against the ETag for what is streamed.
    Sha256,
    /// `Content-MD5` of what is gathered, MD5 against the ETag for what is streamed.
    Md5,
}

pub(super) fn read_store(env: &mut Reader<'_>) -> StoreConfig {
    let data_dir = env.optional("DATA_DIR").unwrap_or_default();
    let Some(bucket) = env.optional("BUCKET_NAME") else {
        return StoreConfig::Local {
            data_dir: PathBuf::from(data_dir),
        };
    };
    check_bucket(&bucket).unwrap_or_else(|fault| env.fault("BUCKET_NAME", &fault));
    let region = match env.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) {
        Some((name, text)) => parse_region(&text).unwrap_or_else(|fault| {
            env.fault(name, &fault);
            String::new()
        }),
        None => "us-east-1".to_owned(),
    };
    let endpoint = match env.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
        Some((name, text)) => parse_endpoint(&text).unwrap_or_else(|fault| {
            env.fault(name, &fault);
            String::new()
        }),
        None => aws_endpoint("s3", &region),
    };
    StoreConfig::S3(Box::new(S3Config {
        bucket,
        credentials: credentials::read(env, &region),
        region,
        endpoint,
        public_endpoint: env.with("S3_PUBLIC_ENDPOINT", parse_public_endpoint),
        ca_bundle: env.optional("AWS_CA_BUNDLE").map(PathBuf::from),
        integrity: env.with("S3_INTEGRITY", parse_integrity),
        sse: env.with("S3_SSE", |text| {
            one_of(text, &["AES256", "aws:kms", "aws:kms:dsse"])
        }),
        storage_class: env.with("S3_STORAGE_CLASS", parse_storage_class),
    }))
}

/// A slash would make the rest of it part of every key.
fn check_bucket(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.len() <= 255 && text.chars().all(plain) {
        Ok(())
    } else {
        Err("must be at most 255 letters, digits, '.', '_' and '-'".to_owned())
    }
}

/// It becomes a part of host names.
fn parse_region(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if text.len() <= 64 && text.chars().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be a region's name, like eu-west-1".to_owned())
    }
}

fn parse_integrity(text: &str) -> Result<Integrity, String> {
    match text {
        "auto" => Ok(Integrity::Auto),
        "crc64nvme" => Ok(Integrity::Crc64Nvme),
        "sha256" => Ok(Integrity::Sha256),
        "md5" => Ok(Integrity::Md5),
        _ => Err("must be auto, crc64nvme, sha256 or md5".to_owned()),
    }
}

fn one_of(text: &str, allowed: &[&str]) -> Result<Option<String>, String> {
    if text.is_empty() {
        Ok(None)
    } else if allowed.contains(&text) {
        Ok(Some(text.to_owned()))
    } else {
        Err(format!("must be one of {}", allowed.join(", ")))
    }
}

/// Any name that S3 may come to know: upper case, digits, underscores.
fn parse_storage_class(text: &str) -> Result<Option<String>, String> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if text.chars().all(plain) {
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    } else {
        Err("must be a storage class as S3 names it, like STANDARD_IA".to_owned())
    }
}

/// The public endpoint of a service in a region; China's partition has a domain of its own.
pub(super) fn aws_endpoint(service: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("https://{service}.{region}.{domain}")
}

pub(super) fn parse_endpoint(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let uri: hyper::Uri = text.parse().map_err(|e| format!("is no URL: {e}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => {}
        _ => return Err("must begin with http:// or https:// and name a host".to_owned()),
    }
    if text.contains('@') {
        return Err("must not carry a user or password".to_owned());
    }
    // What follows a '#' is not in `uri` any more.
    if uri.query().is_some() || text.contains('#') {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok(text.to_owned())
}

/// Browsers leave the scheme's own port out of the Host header, which is signed.
pub(super) fn parse_public_endpoint(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let endpoint = parse_endpoint(text)?;
    for (scheme, port) in [("http://", ":80"), ("https://", ":443")] {
        if let Some(rest) = endpoint.strip_prefix(scheme) {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.strip_suffix(port).unwrap_or(authority);
            return Ok(Some(format!("{scheme}{host}{path}")));
        }
    }
    Ok(Some(endpoint))
}
