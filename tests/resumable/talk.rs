//! What clients of both protocols say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Client, Server, client::Answer, sha256};

pub const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
pub const STREAM: (&str, &str) = ("Content-Type", "application/offset+octet-stream");
pub const PARTIAL: (&str, &str) = ("Content-Type", "application/partial-upload");

pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name} {}", STANDARD.encode(value)))
        .collect();
    pairs.join(",")
}

/// tus creation without bytes; the upload's path.
pub fn create(client: &mut Client, name: &str, length: Option<u64>) -> String {
    let length = length.map(|length| length.to_string());
    let length = match &length {
        Some(length) => ("Upload-Length", length.as_str()),
        None => ("Upload-Defer-Length", "1"),
    };
    let metadata = metadata(&[("filename", name), ("filetype", "text/x-test")]);
    let headers = [TUS, length, ("Upload-Metadata", metadata.as_str())];
    let answer = client.request("POST", "/uploads", &headers, b"");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("tus-resumable"), Some("1.0.0"));
    answer.header("location").unwrap().to_owned()
}

pub fn head(client: &mut Client, upload: &str) -> Answer {
    client.send_head("HEAD", upload, &[TUS]);
    client.answer_to("HEAD")
}

pub fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name);
    value
        .unwrap_or_else(|| panic!("no {name} in {answer:?}"))
        .parse()
        .unwrap()
}

pub fn offset(client: &mut Client, upload: &str) -> u64 {
    let answer = head(client, upload);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    number(&answer, "upload-offset")
}

pub fn patch(client: &mut Client, upload: &str, offset: u64, body: &[u8]) -> Answer {
    patch_with(client, upload, offset, &[], body)
}

pub fn patch_with(
    client: &mut Client,
    upload: &str,
    offset: u64,
    more: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let offset = offset.to_string();
    let mut headers = vec![TUS, STREAM, ("Upload-Offset", offset.as_str())];
    headers.extend(more);
    client.request("PATCH", upload, &headers, body)
}

/// Begins a PATCH of all that is left, sends so many bytes of it, and goes away.
pub fn cut(client: &mut Client, upload: &str, from: u64, data: &[u8], sent: usize) {
    let (offset, length) = (from.to_string(), (data.len() as u64 - from).to_string());
    let headers = [
        TUS,
        STREAM,
        ("Upload-Offset", offset.as_str()),
        ("Content-Length", length.as_str()),
    ];
    client.send_head("PATCH", upload, &headers);
    client.send(&data[from as usize..from as usize + sent]);
}

pub fn assert_stored(server: &Server, name: &str, data: &[u8]) {
    let got = server.client().get(&format!("/files/{name}"));
    assert_eq!(got.status, 200, "{name}");
    assert_eq!(got.body.len(), data.len());
    assert_eq!(sha256([&got.body]), sha256([data]), "{name}");
}

/// IETF creation with `Upload-Complete: ?0` and no bytes; the upload's path.
pub fn begin(client: &mut Client, name: &str, more: &[(&str, &str)]) -> String {
    let disposition = format!("inline; filename=\"{name}\"");
    let mut headers = vec![
        ("Upload-Complete", "?0"),
        ("Content-Disposition", disposition.as_str()),
        ("Content-Type", "text/x-test"),
    ];
    headers.extend(more);
    let answer = client.request("POST", "/uploads", &headers, b"");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("upload-complete"), Some("?0"));
    let limit = answer.header("upload-limit").unwrap();
    assert!(limit.contains("max-size="), "{limit}");
    assert_eq!(answer.header("tus-resumable"), None);
    answer.header("location").unwrap().to_owned()
}

pub fn status(client: &mut Client, upload: &str) -> Answer {
    client.send_head("HEAD", upload, &[]);
    client.answer_to("HEAD")
}

pub fn append(client: &mut Client, upload: &str, offset: u64, last: bool, body: &[u8]) -> Answer {
    let offset = offset.to_string();
    let headers = [
        PARTIAL,
        ("Upload-Offset", offset.as_str()),
        ("Upload-Complete", if last { "?1" } else { "?0" }),
    ];
    client.request("PATCH", upload, &headers, body)
}
