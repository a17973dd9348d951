//! The floor under an upload: the same bytes sent straight to the S3, in parts, over as many
//! connections as the program uses, by a client that does nothing else.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc64fast_nvme::Digest;
use rusoto_core::credential::AwsCredentials;
use rusoto_core::signature::SignedRequest;
use rusoto_core::{ByteStream, Region};

use super::send::Maker;

/// An S3 over plain HTTP and what it wants to know.
pub struct Straight {
    pub host: String,
    pub bucket: String,
    pub region: Region,
    pub credentials: AwsCredentials,
}

impl Straight {
    /// From the settings that the program gets.
    pub fn new(settings: &[(String, String)]) -> Self {
        let get = |wanted: &str| {
            let found = settings.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.clone()).expect("a setting")
        };
        let endpoint = get("AWS_ENDPOINT_URL_S3");
        Self {
            host: endpoint.strip_prefix("http://").expect("http").to_owned(),
            bucket: get("BUCKET_NAME"),
            region: Region::Custom {
                name: get("AWS_REGION"),
                endpoint,
            },
            credentials: AwsCredentials::new(
                get("AWS_ACCESS_KEY_ID"),
                get("AWS_SECRET_ACCESS_KEY"),
                None,
                None,
            ),
        }
    }

    /// One multipart upload of `length` bytes in parts of `part_bytes` over `connections`
    /// connections, each part with the CRC-64/NVME that the SDKs of today send as well.
    pub fn upload(
        &self,
        key: &str,
        length: u64,
        part_bytes: u64,
        connections: usize,
    ) -> io::Result<()> {
        let mut connection = Connection::open(self)?;
        let mut create = self.request("POST", key);
        create.add_param("uploads", "");
        create.add_header("x-amz-checksum-algorithm", "CRC64NVME");
        create.add_header("x-amz-checksum-type", "FULL_OBJECT");
        let document = connection.call(self, create, b"")?.1;
        let id = between(&document, "<UploadId>", "</UploadId>")?.to_owned();
        let count = u32::try_from(length.div_ceil(part_bytes)).expect("at most 10,000 parts");
        let next = AtomicU32::new(1);
        let etags: io::Result<Vec<Vec<_>>> = std::thread::scope(|scope| {
            let sending: Vec<_> = std::iter::repeat_with(|| {
                scope.spawn(|| {
                    let mut connection = Connection::open(self)?;
                    let mut etags = Vec::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number > count {
                            return Ok(etags);
                        }
                        let size = part_bytes.min(length - u64::from(number - 1) * part_bytes);
                        let body = part(number, size);
                        let mut digest = Digest::new();
                        digest.write(&body);
                        let crc = STANDARD.encode(digest.sum64().to_be_bytes());
                        let mut request = self.request("PUT", key);
                        request.add_param("uploadId", &id);
                        request.add_param("partNumber", &number.to_string());
                        request.add_header("x-amz-checksum-crc64nvme", &crc);
                        let etag = connection.call(self, request, &body)?.0;
                        etags.push((number, etag, crc));
                    }
                })
            })
            .take(connections)
            .collect();
            let ended = sending
                .into_iter()
                .map(|thread| thread.join().expect("a sender"));
            ended.collect()
        });
        let mut etags: Vec<(u32, String, String)> = etags?.into_iter().flatten().collect();
        etags.sort();
        let mut document = String::from("<CompleteMultipartUpload>");
        for (number, etag, crc) in etags {
            let part = format!("<PartNumber>{number}</PartNumber><ETag>{etag}</ETag>");
            let crc = format!("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>");
            document.extend(["<Part>", &part, &crc, "</Part>"]);
        }
        document.push_str("</CompleteMultipartUpload>");
        let mut complete = self.request("POST", key);
        complete.add_param("uploadId", &id);
        let answer = connection.call(self, complete, document.as_bytes())?.1;
        between(&answer, "<ETag>", "</ETag>").map(drop)
    }

    fn request(&self, method: &str, key: &str) -> SignedRequest {
        let path = format!("/{}/{key}", self.bucket);
        SignedRequest::new(method, "s3", &self.region, &path)
    }
}

fn part(number: u32, size: u64) -> Vec<u8> {
    let mut maker = Maker::new(u64::from(number), size);
    let mut body = Vec::with_capacity(size as usize);
    loop {
        let block = maker.next(usize::MAX);
        if block.is_empty() {
            return body;
        }
        body.extend_from_slice(block);
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(s3: &Straight) -> io::Result<Self> {
        let stream = TcpStream::connect(&s3.host)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The answer's ETag and body.
    fn call(
        &mut self,
        s3: &Straight,
        mut request: SignedRequest,
        body: &[u8],
    ) -> io::Result<(String, String)> {
        // Signed as a stream, whose hash nobody asks for.
        let nothing = futures_util::stream::empty();
        request.set_payload_stream(ByteStream::new_with_size(nothing, body.len()));
        request.sign(&s3.credentials);
        let query = request.canonical_query_string();
        let mut head = format!(
            "{} {}?{query} HTTP/1.1\r\n",
            request.method(),
            request.canonical_uri()
        );
        for (name, values) in request.headers() {
            for value in values {
                head.extend([name, ": ", &String::from_utf8_lossy(value), "\r\n"]);
            }
        }
        head.push_str("\r\n");
        let stream = self.0.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let (mut etag, mut length) = (String::new(), 0);
        let mut status = String::new();
        self.0.read_line(&mut status)?;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "etag" => value.trim().clone_into(&mut etag),
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                _ => {}
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if !status.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(format!("{status}{answer}")));
        }
        Ok((etag, answer))
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> io::Result<&'a str> {
    let found = text
        .split_once(from)
        .and_then(|(_, rest)| rest.split_once(to));
    found
        .map(|(found, _)| found)
        .ok_or_else(|| io::Error::other(format!("there is no {from} in {text}")))
}
