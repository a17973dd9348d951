//! Resumable uploads over HTTP, in both protocols and on both stores: every size around the
//! boundaries, every way in which a request can end, and any replica.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusoto_core::credential::StaticProvider;
use rusoto_core::{HttpClient, Region};
use rusoto_s3::{
    AbortMultipartUploadRequest, CreateMultipartUploadRequest, ListObjectVersionsRequest,
    ListPartsRequest, S3, S3Client,
};
use support::client::Answer;
use support::proxy::{Fault, Proxy};
use support::server::{On, minio};
use support::{Client, Noise, Server, sha256, wait_for};
use tempfile::TempDir;

const PART: u64 = 5 << 20;
const STORES: [On; 2] = [On::Local, On::Minio];
const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const STREAM: (&str, &str) = ("Content-Type", "application/offset+octet-stream");
const PARTIAL: (&str, &str) = ("Content-Type", "application/partial-upload");

/// A store of the test's own, that any number of servers may use (one at a time if it is local).
struct Place {
    on: On,
    dir: Option<TempDir>,
    prefix: String,
}

impl Place {
    fn new(on: On) -> Self {
        Self {
            on,
            dir: (on == On::Local).then(|| tempfile::tempdir().unwrap()),
            prefix: format!("test-{:016x}/", getrandom::u64().unwrap()),
        }
    }

    fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let mut all = match &self.dir {
            Some(dir) => vec![("DATA_DIR".into(), dir.path().to_str().unwrap().into())],
            None => minio(),
        };
        all.push(("KEY_PREFIX".into(), self.prefix.clone()));
        all.push(("UPLOAD_PART_BYTES".into(), PART.to_string()));
        all.extend(settings.iter().map(|(n, v)| ((*n).into(), (*v).into())));
        let server = Server::spawn(&all);
        server.wait_ready();
        server
    }

    /// Every version of every temporary object, and on the local store every temporary file.
    fn left(&self) -> Vec<String> {
        let Some(dir) = &self.dir else {
            let request = ListObjectVersionsRequest {
                bucket: bucket(),
                prefix: Some(format!("{}.cloud-portfolio/", self.prefix)),
                ..ListObjectVersionsRequest::default()
            };
            let page = run(s3().list_object_versions(request)).unwrap();
            let versions = page.versions.unwrap_or_default();
            let markers = page.delete_markers.unwrap_or_default();
            let versions = versions.into_iter().filter_map(|version| version.key);
            let markers = markers.into_iter().filter_map(|marker| marker.key);
            return versions.chain(markers).collect();
        };
        let mut left = Vec::new();
        let mut folders = vec![
            dir.path().join("tmp"),
            dir.path().join("objects/.cloud-portfolio.d"),
        ];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    left.push(path.display().to_string());
                }
            }
        }
        left
    }

    fn assert_nothing_left(&self, what: &str) {
        assert_eq!(self.left(), [""; 0], "{:?} {what}", self.on);
    }
}

fn setting(name: &str) -> String {
    let all = minio();
    all.into_iter().find(|(n, _)| n == name).unwrap().1
}

fn bucket() -> String {
    setting("BUCKET_NAME")
}

fn s3() -> S3Client {
    let credentials = StaticProvider::new_minimal(
        setting("AWS_ACCESS_KEY_ID"),
        setting("AWS_SECRET_ACCESS_KEY"),
    );
    let region = Region::Custom {
        name: setting("AWS_REGION"),
        endpoint: setting("AWS_ENDPOINT_URL_S3"),
    };
    S3Client::new_with(HttpClient::new().unwrap(), credentials, region)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name} {}", STANDARD.encode(value)))
        .collect();
    pairs.join(",")
}

/// tus creation without bytes; the upload's path.
fn create(client: &mut Client, name: &str, length: Option<u64>) -> String {
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

fn head(client: &mut Client, upload: &str) -> Answer {
    client.send_head("HEAD", upload, &[TUS]);
    client.answer_to("HEAD")
}

fn number(answer: &Answer, name: &str) -> u64 {
    let value = answer.header(name);
    value
        .unwrap_or_else(|| panic!("no {name} in {answer:?}"))
        .parse()
        .unwrap()
}

fn offset(client: &mut Client, upload: &str) -> u64 {
    let answer = head(client, upload);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    number(&answer, "upload-offset")
}

fn patch(client: &mut Client, upload: &str, offset: u64, body: &[u8]) -> Answer {
    patch_with(client, upload, offset, &[], body)
}

fn patch_with(
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
fn cut(client: &mut Client, upload: &str, from: u64, data: &[u8], sent: usize) {
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

fn assert_stored(server: &Server, name: &str, data: &[u8]) {
    let got = server.client().get(&format!("/files/{name}"));
    assert_eq!(got.status, 200, "{name}");
    assert_eq!(got.body.len(), data.len());
    assert_eq!(sha256([&got.body]), sha256([data]), "{name}");
}

#[test]
fn options_tell_what_the_server_can_do() {
    let server = Server::with(On::Local, &[("MAX_UPLOAD_BYTES", "123456789")]);
    for target in ["/uploads", "/uploads/anything"] {
        let answer = server.client().request("OPTIONS", target, &[], b"");
        assert_eq!(answer.status, 204);
        for (name, value) in [
            ("tus-version", "1.0.0"),
            ("tus-resumable", "1.0.0"),
            ("tus-max-size", "123456789"),
            ("tus-checksum-algorithm", "sha1,md5,sha256"),
            ("accept-patch", "application/partial-upload"),
            ("upload-limit", "max-size=123456789"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        let extensions = answer.header("tus-extension").unwrap();
        for extension in [
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "termination",
            "expiration",
            "checksum",
        ] {
            assert!(extensions.split(',').any(|e| e == extension), "{extension}");
        }
    }
}

#[test]
fn tus_stores_every_size_around_the_boundaries_and_leaves_nothing_behind() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        for size in [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1] {
            let data = Noise::bytes(size, size);
            let name = format!("s{size}");
            let upload = create(&mut client, &name, Some(size));
            if size > 0 {
                assert_eq!(offset(&mut client, &upload), 0);
                let half = size / 2;
                let answer = patch(&mut client, &upload, 0, &data[..half as usize]);
                assert_eq!(answer.status, 204, "{on:?} {size} {answer:?}");
                assert_eq!(number(&answer, "upload-offset"), half);
                assert!(answer.header("upload-expires").is_some());
                let answer = patch(&mut client, &upload, half, &data[half as usize..]);
                assert_eq!(answer.status, 204, "{on:?} {size} {answer:?}");
                assert_eq!(number(&answer, "upload-offset"), size);
                let path = format!("/files/{name}");
                assert_eq!(answer.header("content-location"), Some(path.as_str()));
                let stored = client.head(&path);
                assert_eq!(answer.header("etag"), stored.header("etag"));
            }
            assert_stored(&server, &name, &data);
            let got = client.head(&format!("/files/{name}"));
            assert_eq!(got.header("content-type"), Some("text/x-test"));
            assert!(got.headers.iter().all(|(name, _)| !name.contains("nonce")));
            // A lost last answer: the upload is known to be complete.
            let answer = head(&mut client, &upload);
            assert_eq!(
                (answer.status, number(&answer, "upload-offset")),
                (200, size)
            );
            assert_eq!(number(&answer, "upload-length"), size);
            assert_eq!(patch(&mut client, &upload, size, b"").status, 204);
            let wrong = patch(&mut client, &upload, size + 1, b"");
            assert_eq!(wrong.problem(), "offset_mismatch");
            place.assert_nothing_left(&name);
        }
        let listed = client.get("/files").json();
        assert_eq!(listed["files"].as_array().unwrap().len(), 7);
    }
}

#[test]
fn tus_creation_may_bring_the_first_bytes_or_all_of_them() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        for (size, first) in [(5, 5), (PART + 9, 7), (PART + 9, PART + 9), (PART, PART)] {
            let data = Noise::bytes(size, size);
            let name = format!("f{size}-{first}");
            let metadata = metadata(&[("filename", &name)]);
            let length = size.to_string();
            let headers = [
                TUS,
                STREAM,
                ("Upload-Length", length.as_str()),
                ("Upload-Metadata", metadata.as_str()),
            ];
            let answer = client.request("POST", "/uploads", &headers, &data[..first as usize]);
            assert_eq!(answer.status, 201, "{answer:?}");
            assert_eq!(number(&answer, "upload-offset"), first);
            let upload = answer.header("location").unwrap().to_owned();
            if first < size {
                let answer = patch(&mut client, &upload, first, &data[first as usize..]);
                assert_eq!(answer.status, 204);
            }
            assert_stored(&server, &name, &data);
            place.assert_nothing_left(&name);
        }
    }
}

#[test]
fn tus_goes_on_wherever_the_connection_was_cut() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let size = 3 * PART + 12_345;
        let data = Noise::bytes(3, size);
        let upload = create(&mut server.client(), "cut", Some(size));
        let mut at = 0;
        let mut requests = 0;
        while at < size {
            requests += 1;
            assert!(requests < 100, "it makes no progress at {at}");
            let mut client = server.client();
            let random = getrandom::u64().unwrap() % (2 * PART);
            if at + random >= size {
                let answer = patch(&mut client, &upload, at, &data[at as usize..]);
                if answer.status == 409 {
                    // The one that was cut came in behind the question for the offset.
                    at = number(&answer, "upload-offset");
                    continue;
                }
                assert_eq!(answer.status, 204, "{on:?} {answer:?}");
                break;
            }
            cut(&mut client, &upload, at, &data, random as usize);
            drop(client);
            let now = offset(&mut server.client(), &upload);
            assert!(
                now >= at && now <= at + random,
                "{on:?} {at} {now} {random}"
            );
            at = now;
        }
        assert_stored(&server, "cut", &data);
        place.assert_nothing_left("cut");
    }
}

#[test]
fn a_chunked_body_and_a_deferred_length_are_taken() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        let data = Noise::bytes(4, PART + 77);
        let upload = create(&mut client, "deferred", None);
        let answer = head(&mut client, &upload);
        assert_eq!(answer.header("upload-defer-length"), Some("1"));
        assert_eq!(answer.header("upload-length"), None);
        let blocks = data[..PART as usize + 7]
            .chunks(100_000)
            .map(<[u8]>::to_vec);
        let headers = [TUS, STREAM, ("Upload-Offset", "0")];
        let answer = client.chunked("PATCH", &upload, &headers, blocks);
        assert_eq!(answer.status, 204, "{answer:?}");
        let at = PART + 7;
        assert_eq!(offset(&mut client, &upload), at);
        // Too small, then what it is, then another.
        for (length, status) in [(5, 400), (PART + 77, 204), (PART + 78, 400)] {
            let length = length.to_string();
            let header = [("Upload-Length", length.as_str())];
            let answer = patch_with(&mut client, &upload, at, &header, b"");
            assert_eq!(answer.status, status, "{length} {answer:?}");
        }
        let answer = head(&mut client, &upload);
        assert_eq!(number(&answer, "upload-length"), PART + 77);
        assert_eq!(answer.header("upload-defer-length"), None);
        let over = patch(&mut client, &upload, at, &[0; 71]);
        assert_eq!(
            (over.status, over.problem().as_str()),
            (400, "inconsistent_length")
        );
        let mut client = server.client();
        assert_eq!(
            patch(&mut client, &upload, at, &data[at as usize..]).status,
            204
        );
        assert_stored(&server, "deferred", &data);
        place.assert_nothing_left("deferred");
        // Of no bytes after all.
        let upload = create(&mut client, "nothing", None);
        let answer = patch_with(&mut client, &upload, 0, &[("Upload-Length", "0")], b"");
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_stored(&server, "nothing", b"");
        place.assert_nothing_left("nothing");
    }
}

#[test]
fn a_checksum_is_checked_before_a_byte_counts() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        let upload = create(&mut client, "sum", Some(PART + 11));
        let data = Noise::bytes(5, PART);
        let right = STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(&data));
        let right = format!("sha256 {right}");
        let hello = [("Upload-Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")];
        assert_eq!(
            patch_with(&mut client, &upload, 0, &hello, b"hello world").status,
            204
        );
        let wrong = patch_with(&mut client, &upload, 11, &hello, b"hello wOrld");
        assert_eq!(
            (wrong.status, wrong.problem().as_str()),
            (460, "checksum_mismatch")
        );
        assert_eq!(wrong.header("tus-resumable"), Some("1.0.0"));
        let mut client = server.client();
        assert_eq!(offset(&mut client, &upload), 11);
        let odd = [("Upload-Checksum", "crc32 AAAA")];
        assert_eq!(
            patch_with(&mut client, &upload, 11, &odd, b"x").problem(),
            "invalid_checksum"
        );
        let mut client = server.client();
        let large = vec![0; PART as usize + 1];
        let right = [("Upload-Checksum", right.as_str())];
        let answer = patch_with(&mut client, &upload, 11, &right, &large);
        assert_eq!(answer.status, 413, "{answer:?}");
        let mut client = server.client();
        let headers = [TUS, STREAM, ("Upload-Offset", "11"), hello[0]];
        let answer = client.chunked("PATCH", &upload, &headers, [b"x".to_vec()].into_iter());
        assert_eq!(answer.status, 413);
        let mut client = server.client();
        let answer = patch_with(&mut client, &upload, 11, &right, &data);
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_stored(&server, "sum", &[b"hello world", data.as_slice()].concat());
        place.assert_nothing_left("sum");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let server = Server::local();
    let mut client = server.client();
    let upload = create(&mut client, "a", Some(10));
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let answer = server.client().request("POST", "/uploads", headers, body);
        (answer.status, answer.problem())
    };
    let name = metadata(&[("filename", "x")]);
    let name = ("Upload-Metadata", name.as_str());
    for (headers, status, code) in [
        (vec![TUS, name], 400, "invalid_upload_length"),
        (
            vec![TUS, name, ("Upload-Defer-Length", "2")],
            400,
            "invalid_upload_length",
        ),
        (
            vec![TUS, name, ("Upload-Length", "-1")],
            400,
            "invalid_upload_length",
        ),
        (
            vec![
                TUS,
                name,
                ("Upload-Length", "1"),
                ("Upload-Defer-Length", "1"),
            ],
            400,
            "invalid_upload_length",
        ),
        (
            vec![TUS, name, ("Upload-Length", "99999999999999999")],
            413,
            "too_large",
        ),
        (vec![TUS, ("Upload-Length", "1")], 400, "invalid_key"),
        (
            vec![
                TUS,
                ("Upload-Length", "1"),
                ("Upload-Metadata", "filename ?"),
            ],
            400,
            "invalid_metadata",
        ),
        (
            vec![TUS, name, ("Upload-Length", "1"), ("If-None-Match", "*")],
            400,
            "invalid_condition",
        ),
        (
            vec![
                TUS,
                name,
                ("Upload-Length", "1"),
                ("Repr-Digest", "sha-256=:AA==:"),
            ],
            400,
            "digest_unsupported",
        ),
        (vec![("Tus-Resumable", "0.2.2"), name], 412, "tus_version"),
        (vec![name], 400, "invalid_upload_complete"),
    ] {
        assert_eq!(
            post(&headers, b""),
            (status, code.to_owned()),
            "{headers:?}"
        );
    }
    let version = server
        .client()
        .request("POST", "/uploads", &[("Tus-Resumable", "2.0.0")], b"");
    assert_eq!(version.header("tus-version"), Some("1.0.0"));
    assert_eq!(
        post(&[TUS, name, ("Upload-Length", "3")], b"abc"),
        (415, "unsupported_media_type".to_owned())
    );
    let wrong = patch(&mut client, &upload, 3, b"abc");
    assert_eq!(
        (wrong.status, wrong.problem().as_str()),
        (409, "offset_mismatch")
    );
    assert_eq!(wrong.header("upload-offset"), Some("0"));
    let answer = server
        .client()
        .request("PATCH", &upload, &[TUS, STREAM], b"abc");
    assert_eq!(answer.problem(), "invalid_upload_offset");
    let get = server.client().get(&upload);
    assert_eq!(
        (get.status, get.problem().as_str()),
        (405, "method_not_allowed")
    );
    for none in ["/uploads/x", "/uploads/", &format!("{upload}A")] {
        let answer = server.client().request("DELETE", none, &[TUS], b"");
        assert!(matches!(answer.status, 404 | 405), "{none} {answer:?}");
    }
    // A folder, a path from a browser, a prefix; nothing of it leads elsewhere.
    for (pairs, key) in [
        (
            vec![("relativePath", "d/e.txt"), ("filename", "e.txt")],
            Some("d/e.txt"),
        ),
        (
            vec![("relativePath", "null"), ("filename", "C:\\x\\f.txt")],
            Some("f.txt"),
        ),
        (
            vec![("relativePath", "/d/g.txt"), ("prefix", "p/")],
            Some("p/d/g.txt"),
        ),
        (
            vec![("filename", "h.txt"), ("prefix", "p/q")],
            Some("p/q/h.txt"),
        ),
        (vec![("relativePath", "../x")], None),
        (vec![("filename", "..")], None),
        (vec![("relativePath", ".cloud-portfolio/uploads/x")], None),
        (vec![("prefix", "p")], None),
    ] {
        let metadata = metadata(&pairs);
        let headers = [
            TUS,
            ("Upload-Length", "0"),
            ("Upload-Metadata", metadata.as_str()),
        ];
        let answer = server.client().request("POST", "/uploads", &headers, b"");
        match key {
            Some(key) => {
                let path = format!("/files/{key}");
                assert_eq!(
                    answer.header("content-location"),
                    Some(path.as_str()),
                    "{pairs:?}"
                );
            }
            None => assert_eq!(
                (answer.status, answer.problem().as_str()),
                (400, "invalid_key")
            ),
        }
    }
}

#[test]
fn metadata_is_given_back_and_the_base_path_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("BASE_PATH".to_owned(), "/portal".to_owned()),
        (
            "DATA_DIR".to_owned(),
            dir.path().to_str().unwrap().to_owned(),
        ),
    ];
    let server = Server::spawn(&settings);
    let metadata = format!("{},is_confidential", metadata(&[("filename", "ü.txt")]));
    let headers = [
        TUS,
        ("Upload-Length", "2"),
        ("Upload-Metadata", metadata.as_str()),
    ];
    let mut client = server.client();
    let answer = client.request("POST", "/portal/uploads", &headers, b"");
    let upload = answer.header("location").unwrap().to_owned();
    assert!(upload.starts_with("/portal/uploads/"));
    assert!(httpdate::parse_http_date(answer.header("upload-expires").unwrap()).is_ok());
    let answer = head(&mut client, &upload);
    assert_eq!(answer.header("upload-metadata"), Some(metadata.as_str()));
    let answer = patch(&mut client, &upload, 0, b"ab");
    assert_eq!(
        answer.header("content-location"),
        Some("/portal/files/%C3%BC.txt")
    );
    let answer = head(&mut client, &upload);
    assert_eq!(answer.header("upload-metadata"), Some(metadata.as_str()));
}

#[test]
fn metadata_is_given_back_after_completion_to_who_uploaded_and_to_nobody_else() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        // More than S3 keeps with an object is forgotten with the upload.
        for (name, length, kept) in [("empty", 0, 9), ("short", 3, 9), ("long", 3, 3000)] {
            let metadata = metadata(&[("filename", name), ("note", &"n".repeat(kept))]);
            let size = length.to_string();
            let headers = [
                TUS,
                ("Upload-Length", size.as_str()),
                ("Upload-Metadata", metadata.as_str()),
            ];
            let answer = client.request("POST", "/uploads", &headers, b"");
            let upload = answer.header("location").unwrap().to_owned();
            if length > 0 {
                assert_eq!(patch(&mut client, &upload, 0, b"abc").status, 204);
            }
            let answer = head(&mut client, &upload);
            assert_eq!(number(&answer, "upload-offset"), length);
            let want = Some(metadata.as_str()).filter(|_| kept < 2048);
            assert_eq!(answer.header("upload-metadata"), want, "{on:?} {name}");
            let got = client.get(&format!("/files/{name}"));
            let shown = got.headers.iter().any(|(n, _)| n.contains("upload-meta"));
            assert!(!shown, "{got:?}");
        }
        let spoof = [("x-amz-meta-upload-metadata", "a YQ==")];
        let answer = client.request("PUT", "/files/spoof", &spoof, b"");
        assert_eq!(answer.status, 400);
    }
}

#[test]
fn a_method_may_be_overridden() {
    let server = Server::local();
    let mut client = server.client();
    let upload = create(&mut client, "o", Some(3));
    let headers = [
        TUS,
        STREAM,
        ("Upload-Offset", "0"),
        ("X-HTTP-Method-Override", "PATCH"),
    ];
    let answer = client.request("POST", &upload, &headers, b"ab");
    assert_eq!((answer.status, number(&answer, "upload-offset")), (204, 2));
    let as_head = client.request(
        "POST",
        &upload,
        &[TUS, ("X-HTTP-Method-Override", "HEAD")],
        b"",
    );
    assert_eq!(
        (as_head.status, number(&as_head, "upload-offset")),
        (200, 2)
    );
    let as_get = client.request(
        "POST",
        &upload,
        &[TUS, ("X-HTTP-Method-Override", "GET")],
        b"",
    );
    assert_eq!(as_get.status, 405);
    let delete = [TUS, ("X-HTTP-Method-Override", "DELETE")];
    assert_eq!(client.request("POST", &upload, &delete, b"").status, 204);
    assert_eq!(head(&mut client, &upload).status, 404);
    // Nowhere else.
    client.put("/files/kept", b"x");
    let answer = client.request("GET", "/files/kept", &delete, b"");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"x"[..]));
}

#[test]
fn a_terminated_upload_is_gone_with_all_that_it_had() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        let upload = create(&mut client, "t", Some(3 * PART));
        let data = Noise::bytes(6, PART + 1000);
        assert_eq!(patch(&mut client, &upload, 0, &data).status, 204);
        assert!(!place.left().is_empty());
        assert_eq!(client.request("DELETE", &upload, &[TUS], b"").status, 204);
        place.assert_nothing_left("terminated");
        assert_eq!(head(&mut client, &upload).status, 404);
        assert_eq!(patch(&mut client, &upload, PART + 1000, b"x").status, 404);
        let mut client = server.client();
        assert_eq!(client.request("DELETE", &upload, &[TUS], b"").status, 404);
        assert_eq!(client.get("/files/t").status, 404);
    }
}

#[test]
fn an_upload_that_expired_is_swept_and_another_program_s_is_not() {
    for on in STORES {
        let place = Place::new(on);
        let foreign = (on == On::Minio).then(|| {
            let key = format!("{}foreign", place.prefix);
            let request = CreateMultipartUploadRequest {
                bucket: bucket(),
                key: key.clone(),
                ..CreateMultipartUploadRequest::default()
            };
            let created = run(s3().create_multipart_upload(request)).unwrap();
            (key, created.upload_id.unwrap())
        });
        let server = place.serve(&[("UPLOAD_EXPIRY_SECONDS", "2")]);
        let other = (on == On::Minio).then(|| place.serve(&[("UPLOAD_EXPIRY_SECONDS", "2")]));
        let mut client = server.client();
        let upload = create(&mut client, "e", Some(3 * PART));
        let data = Noise::bytes(6, PART + 1000);
        let answer = patch(&mut client, &upload, 0, &data);
        assert_eq!(answer.status, 204);
        wait_for("the sweep", || place.left().is_empty());
        let mut client = server.client();
        assert_eq!(head(&mut client, &upload).status, 404);
        assert_eq!(patch(&mut client, &upload, PART + 1000, b"x").status, 404);
        if let Some((key, upload_id)) = foreign {
            let request = ListPartsRequest {
                bucket: bucket(),
                key: key.clone(),
                upload_id: upload_id.clone(),
                ..ListPartsRequest::default()
            };
            assert!(run(s3().list_parts(request)).is_ok());
            let request = AbortMultipartUploadRequest {
                bucket: bucket(),
                key,
                upload_id,
                ..AbortMultipartUploadRequest::default()
            };
            run(s3().abort_multipart_upload(request)).unwrap();
        }
        drop(other);
    }
}

#[test]
fn a_plain_upload_in_parts_leaves_no_state_behind() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let data = Noise::bytes(8, 2 * PART + 5);
        assert_eq!(server.client().put("/files/plain", &data).status, 201);
        assert_stored(&server, "plain", &data);
        let mut client = server.client();
        let length = (20 * PART).to_string();
        client.send_head("PUT", "/files/cut", &[("Content-Length", &length)]);
        client.send(&data);
        drop(client);
        wait_for("the end of what was cut", || place.left().is_empty());
        assert_eq!(server.client().get("/files/cut").status, 404);
    }
}

#[test]
fn killed_in_the_middle_it_goes_on_after_a_restart() {
    for on in STORES {
        let place = Place::new(on);
        let mut server = place.serve(&[]);
        let size = 4 * PART + 99;
        let data = Noise::bytes(9, size);
        let upload = create(&mut server.client(), "killed", Some(size));
        let told = PART + PART / 2;
        let answer = patch(&mut server.client(), &upload, 0, &data[..told as usize]);
        assert_eq!(answer.status, 204, "{answer:?}");
        for round in 1..4 {
            let mut client = server.client();
            let at = offset(&mut client, &upload);
            assert!(at >= told, "{on:?} {round}: {at} of {told} that it told");
            let sent = (PART / 2 + 7).min(size - at - 1);
            cut(&mut client, &upload, at, &data, sent as usize);
            server.kill();
            server = place.serve(&[]);
        }
        let mut client = server.client();
        let at = offset(&mut client, &upload);
        assert!(at >= told);
        let answer = patch(&mut client, &upload, at, &data[at as usize..]);
        assert_eq!(answer.status, 204, "{on:?} {answer:?}");
        assert_stored(&server, "killed", &data);
        place.assert_nothing_left("killed");
    }
}

#[test]
fn a_server_that_is_told_to_end_saves_what_came_and_the_next_goes_on() {
    for on in STORES {
        let place = Place::new(on);
        let mut server = place.serve(&[]);
        let size = 3 * PART;
        let data = Noise::bytes(10, size);
        let tus = create(&mut server.client(), "term", Some(size));
        let ietf = begin(&mut server.client(), "term2", &[]);
        let mut first = server.client();
        let sent = (PART + 1_000_000) as usize;
        cut(&mut first, &tus, 0, &data, sent);
        let mut second = server.client();
        let length = size.to_string();
        let headers = [
            PARTIAL,
            ("Upload-Complete", "?1"),
            ("Upload-Offset", "0"),
            ("Content-Length", length.as_str()),
        ];
        second.send_head("PATCH", &ietf, &headers);
        second.send(&data[..sent]);
        wait_for("the first part", || {
            let state = place.left().len();
            state >= 2
        });
        server.signal("TERM");
        let answer = first.answer_to("PATCH");
        assert_eq!(answer.status, 204, "{on:?} {answer:?}");
        let saved = number(&answer, "upload-offset");
        assert!(saved > 0 && saved <= sent as u64);
        let answer = second.answer_to("PATCH");
        assert_eq!(
            (answer.status, answer.header("upload-complete")),
            (503, Some("?0"))
        );
        let saved_too = number(&answer, "upload-offset");
        assert_eq!(server.wait(), 0);
        wait_for("the log", || server.log().contains("nothing was cut"));

        let server = place.serve(&[]);
        let mut client = server.client();
        assert_eq!(offset(&mut client, &tus), saved);
        let answer = patch(&mut client, &tus, saved, &data[saved as usize..]);
        assert_eq!(answer.status, 204);
        assert_stored(&server, "term", &data);
        let answer = status(&mut client, &ietf);
        assert_eq!(number(&answer, "upload-offset"), saved_too);
        let answer = append(
            &mut client,
            &ietf,
            saved_too,
            true,
            &data[saved_too as usize..],
        );
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_stored(&server, "term2", &data);
        place.assert_nothing_left("term");
    }
}

#[test]
fn any_replica_goes_on_where_another_ended() {
    let place = Place::new(On::Minio);
    let servers = [place.serve(&[]), place.serve(&[]), place.serve(&[])];
    let size = 3 * PART + 4321;
    let data = Noise::bytes(11, size);
    let upload = create(&mut servers[0].client(), "any", Some(size));
    let mut at = 0;
    for round in 1.. {
        assert!(round < 100);
        let server = &servers[round % 3];
        let end = (at + getrandom::u64().unwrap() % PART + 1).min(size);
        let piece = &data[at as usize..end as usize];
        let answer = patch(&mut server.client(), &upload, at, piece);
        if answer.status == 409 {
            // The one that was cut came in behind the question for the offset.
            let now = number(&answer, "upload-offset");
            assert!(now > at, "the offset decreased from {at} to {now}");
            at = now;
            continue;
        }
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(number(&answer, "upload-offset"), end);
        let other = &servers[(round + 1) % 3];
        assert_eq!(offset(&mut other.client(), &upload), end);
        at = end;
        if at == size {
            break;
        }
        // One that is cut, and seen by another while the first may not have noticed.
        let sent = (getrandom::u64().unwrap() % 200_000).min(size - at - 1);
        let mut client = other.client();
        cut(&mut client, &upload, at, &data, sent as usize);
        drop(client);
        at = settle(&servers, &upload, at);
    }
    assert_stored(&servers[1], "any", &data);
    place.assert_nothing_left("any");
}

/// The offset once no server has a request of this upload any more: asking each ends its own.
fn settle(servers: &[Server], upload: &str, at: u64) -> u64 {
    let mut last = at;
    for server in servers.iter().chain(servers) {
        let now = offset(&mut server.client(), upload);
        assert!(now >= last, "the offset decreased from {last} to {now}");
        last = now;
    }
    last
}

/// Each has the whole file at the same offset, as when a proxy sends a request once more.
#[test]
fn of_two_requests_at_two_replicas_one_stores_the_file() {
    let place = Place::new(On::Minio);
    let servers = [place.serve(&[]), place.serve(&[])];
    let size = 3 * PART + 99;
    let data = Noise::bytes(15, size);
    for round in 0..6 {
        let name = format!("race{round}");
        let upload = create(&mut servers[0].client(), &name, Some(size));
        let first = 1000 * (round % 2);
        let answer = patch(&mut servers[0].client(), &upload, 0, &data[..first]);
        assert_eq!(answer.status, 204, "{answer:?}");
        let statuses = std::thread::scope(|scope| {
            let (upload, data) = (&upload, &data);
            let racing = servers.each_ref().map(|server| {
                scope.spawn(move || {
                    let answer = patch(&mut server.client(), upload, first as u64, &data[first..]);
                    if answer.status == 204 {
                        assert_eq!(number(&answer, "upload-offset"), size);
                    }
                    answer.status
                })
            });
            racing.map(|thread| thread.join().unwrap())
        });
        eprintln!("two replicas at once: {statuses:?}");
        assert!(statuses.contains(&204), "{statuses:?}");
        assert!(statuses.iter().all(|status| matches!(status, 204 | 409)));
        assert_stored(&servers[1], &name, &data);
        let answer = head(&mut servers[1].client(), &upload);
        assert_eq!(number(&answer, "upload-offset"), size);
        place.assert_nothing_left(&name);
    }
}

#[test]
fn a_new_request_ends_the_one_that_its_client_has_given_up() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let data = Noise::bytes(12, PART);
        let upload = create(&mut server.client(), "again", Some(PART));
        let mut stale = server.client();
        let length = PART.to_string();
        let headers = [
            TUS,
            STREAM,
            ("Upload-Offset", "0"),
            ("Content-Length", length.as_str()),
            ("Expect", "100-continue"),
        ];
        stale.send_head("PATCH", &upload, &headers);
        assert_eq!(stale.read_head().unwrap().status, 100, "it is being served");
        stale.send(&data[..700_000]);
        // Still open, and silent: it is told to end, and what it brought counts.
        let at = offset(&mut server.client(), &upload);
        let ended = stale.answer_to("PATCH");
        assert_eq!((ended.status, number(&ended, "upload-offset")), (204, at));
        assert!(at <= 700_000);
        let answer = patch(&mut server.client(), &upload, at, &data[at as usize..]);
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_stored(&server, "again", &data);
        place.assert_nothing_left("again");
    }
}

#[test]
fn small_memory_slows_nobody_down_for_good() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[("UPLOAD_BUFFER_BYTES", "10485760")]);
        let size = 2 * PART + 321;
        std::thread::scope(|scope| {
            for n in 0..8 {
                let server = &server;
                scope.spawn(move || {
                    let data = Noise::bytes(n, size);
                    let mut client = server.client();
                    let name = format!("m{n}");
                    let upload = create(&mut client, &name, Some(size));
                    let mut at = 0;
                    while at < size {
                        let end = (at + 3_000_000).min(size);
                        let piece = &data[at as usize..end as usize];
                        let answer = patch(&mut client, &upload, at, piece);
                        assert_eq!(answer.status, 204, "{answer:?}");
                        at = end;
                    }
                    assert_stored(server, &name, &data);
                });
            }
        });
        place.assert_nothing_left("small memory");
    }
}

#[test]
fn a_failing_store_loses_nothing_that_was_told() {
    let place = Place::new(On::Minio);
    let proxy = Proxy::before(&setting("AWS_ENDPOINT_URL_S3"));
    let server = place.serve(&[("AWS_ENDPOINT_URL_S3", proxy.endpoint.as_str())]);
    let size = 2 * PART + 10;
    let data = Noise::bytes(14, size);
    let begun = |name: &str| {
        let upload = create(&mut server.client(), name, Some(size));
        let answer = patch(&mut server.client(), &upload, 0, &data[..1000]);
        assert_eq!(answer.status, 204, "{answer:?}");
        upload
    };
    let rest =
        |upload: &str, at: u64| patch(&mut server.client(), upload, at, &data[at as usize..]);
    // The answer to the last request is lost on the way to us: it is settled, and never guessed.
    let upload = begun("lost");
    proxy.inject("POST", "uploadId", Fault::LoseAnswer, 1);
    assert_eq!(rest(&upload, 1000).status, 204);
    assert_eq!(proxy.hits(), 1);
    assert_stored(&server, "lost", &data);
    // A part is lost for good: what came before it counts, and the client goes on from there.
    let upload = begun("part");
    proxy.inject("PUT", "partNumber=2", Fault::Reset, 3);
    let answer = rest(&upload, 1000);
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "store_unavailable")
    );
    assert_eq!(proxy.hits(), 3);
    let at = offset(&mut server.client(), &upload);
    assert_eq!(at, PART);
    assert_eq!(rest(&upload, at).status, 204);
    assert_stored(&server, "part", &data);
    // The completion fails for good: whoever asks for the offset completes it.
    let upload = begun("complete");
    proxy.inject("POST", "uploadId", Fault::Reset, 3);
    assert_eq!(rest(&upload, 1000).status, 503);
    assert_eq!(proxy.hits(), 3);
    assert_eq!(offset(&mut server.client(), &upload), size);
    assert_stored(&server, "complete", &data);
    // The answer to a tail is lost.
    proxy.inject("PUT", "/00000-0000001000", Fault::LoseAnswer, 1);
    let upload = begun("tail");
    assert_eq!(proxy.hits(), 1);
    assert_eq!(offset(&mut server.client(), &upload), 1000);
    // The state cannot be read: the client asks again.
    proxy.inject("GET", "/state", Fault::Reset, 3);
    assert_eq!(head(&mut server.client(), &upload).status, 423);
    assert_eq!(proxy.hits(), 3);
    assert_eq!(rest(&upload, 1000).status, 204);
    assert_stored(&server, "tail", &data);
    // Nothing can begin without a state, and nothing is left of it.
    proxy.inject("PUT", "/state", Fault::Reset, 3);
    let metadata = metadata(&[("filename", "state")]);
    let headers = [
        TUS,
        ("Upload-Length", "1"),
        ("Upload-Metadata", metadata.as_str()),
    ];
    let answer = server.client().request("POST", "/uploads", &headers, b"");
    assert_eq!(answer.status, 503);
    place.assert_nothing_left("a failing store");
}

#[test]
fn when_the_store_is_gone_tus_is_told_to_ask_again() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nowhere.local_addr().unwrap());
    let place = Place::new(On::Minio);
    let server = place.serve(&[]);
    let upload = create(&mut server.client(), "gone", Some(10));
    drop(nowhere);
    let mut settings = minio();
    settings.retain(|(name, _)| name != "AWS_ENDPOINT_URL_S3");
    settings.push(("AWS_ENDPOINT_URL_S3".into(), endpoint));
    let blind = Server::spawn(&settings);
    let answer = head(&mut blind.client(), &upload);
    assert_eq!(answer.status, 423);
    assert_eq!(answer.header("tus-resumable"), Some("1.0.0"));
    assert_eq!(status(&mut blind.client(), &upload).status, 503);
}

/// IETF creation with `Upload-Complete: ?0` and no bytes; the upload's path.
fn begin(client: &mut Client, name: &str, more: &[(&str, &str)]) -> String {
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

fn status(client: &mut Client, upload: &str) -> Answer {
    client.send_head("HEAD", upload, &[]);
    client.answer_to("HEAD")
}

fn append(client: &mut Client, upload: &str, offset: u64, last: bool, body: &[u8]) -> Answer {
    let offset = offset.to_string();
    let headers = [
        PARTIAL,
        ("Upload-Offset", offset.as_str()),
        ("Upload-Complete", if last { "?1" } else { "?0" }),
    ];
    client.request("PATCH", upload, &headers, body)
}

#[test]
fn ietf_stores_every_size_around_the_boundaries_and_leaves_nothing_behind() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        for size in [0, 1, PART - 1, PART, PART + 1, 2 * PART + 1] {
            let data = Noise::bytes(size, size);
            let name = format!("i{size}");
            let upload = begin(&mut client, &name, &[]);
            let half = size / 2;
            let answer = append(&mut client, &upload, 0, false, &data[..half as usize]);
            assert_eq!(answer.status, 204, "{on:?} {size} {answer:?}");
            assert_eq!(answer.header("upload-complete"), Some("?0"));
            let answer = status(&mut client, &upload);
            assert_eq!(
                (answer.status, number(&answer, "upload-offset")),
                (204, half)
            );
            assert_eq!(answer.header("upload-complete"), Some("?0"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let answer = append(&mut client, &upload, half, true, &data[half as usize..]);
            assert_eq!(answer.status, 201, "{on:?} {size} {answer:?}");
            assert_eq!(answer.header("upload-complete"), Some("?1"));
            let path = format!("/files/{name}");
            assert_eq!(answer.header("location"), Some(path.as_str()));
            assert_eq!(answer.json()["size"], size);
            assert_eq!(answer.json()["content_type"], "text/x-test");
            assert_stored(&server, &name, &data);
            let answer = status(&mut client, &upload);
            assert_eq!(answer.header("upload-complete"), Some("?1"));
            assert_eq!(number(&answer, "upload-offset"), size);
            assert_eq!(number(&answer, "upload-length"), size);
            place.assert_nothing_left(&name);
            let again = append(&mut client, &upload, size, true, b"");
            assert_eq!(again.problem(), "upload_completed");
            let kind = "https://iana.org/assignments/http-problem-types#completed-upload";
            assert_eq!(again.json()["type"], kind);
            let more = append(&mut client, &upload, size, true, b"x");
            assert_eq!(more.problem(), "inconsistent_length");
            client = server.client();
        }
    }
}

#[test]
fn ietf_creation_may_bring_bytes_and_a_length() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        let data = Noise::bytes(13, PART + 100);
        let length = data.len().to_string();
        let headers = [
            ("Upload-Complete", "?0"),
            ("Upload-Length", length.as_str()),
            ("Content-Type", "application/octet-stream"),
        ];
        let target = "/uploads?key=some/where.bin";
        let answer = client.request("POST", target, &headers, &data[..1000]);
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(number(&answer, "upload-offset"), 1000);
        let upload = answer.header("location").unwrap().to_owned();
        let answer = status(&mut client, &upload);
        assert_eq!(number(&answer, "upload-length"), PART + 100);
        // A body without a length, to the end and no further: complete when the client says so.
        let headers = [
            PARTIAL,
            ("Upload-Offset", "1000"),
            ("Upload-Complete", "?0"),
        ];
        let blocks = data[1000..].chunks(70_000).map(<[u8]>::to_vec);
        let answer = client.chunked("PATCH", &upload, &headers, blocks);
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(number(&answer, "upload-offset"), PART + 100);
        assert_eq!(server.client().get("/files/some/where.bin").status, 404);
        let answer = append(&mut client, &upload, PART + 100, true, b"");
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_stored(&server, "some/where.bin", &data);
        // All at once: an upload like any other.
        let headers = [("Upload-Complete", "?1"), ("Content-Type", "text/x-test")];
        let answer = client.request("POST", "/uploads?key=once", &headers, &data);
        assert_eq!(
            (answer.status, answer.header("upload-complete")),
            (201, Some("?1"))
        );
        assert_stored(&server, "once", &data);
        place.assert_nothing_left("ietf");
    }
}

#[test]
fn ietf_is_told_what_does_not_fit_together() {
    let server = Server::local();
    let mut client = server.client();
    let upload = begin(&mut client, "p", &[("Upload-Length", "10")]);
    let wrong = append(&mut client, &upload, 3, false, b"abc");
    assert_eq!(
        (wrong.status, wrong.problem().as_str()),
        (409, "offset_mismatch")
    );
    assert_eq!(wrong.header("upload-offset"), Some("0"));
    let problem = wrong.json();
    let kind = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset";
    assert_eq!(problem["type"], kind);
    assert_eq!(
        (&problem["expected-offset"], &problem["provided-offset"]),
        (&0.into(), &3.into())
    );
    let answer = append(&mut server.client(), &upload, 0, true, b"short");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "inconsistent_length")
    );
    let kind = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";
    assert_eq!(answer.json()["type"], kind);
    assert_eq!(status(&mut server.client(), &upload).status, 204);
    let digest = [("Upload-Complete", "?0"), ("Repr-Digest", "sha-256=:AA==:")];
    let answer = server
        .client()
        .request("POST", "/uploads?key=x", &digest, b"");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (400, "digest_unsupported")
    );
    for (headers, code) in [
        (
            vec![PARTIAL, ("Upload-Offset", "0")],
            "invalid_upload_complete",
        ),
        (
            vec![PARTIAL, ("Upload-Complete", "?0")],
            "invalid_upload_offset",
        ),
        (
            vec![PARTIAL, ("Upload-Complete", "1"), ("Upload-Offset", "0")],
            "invalid_upload_complete",
        ),
        (
            vec![("Upload-Complete", "?0"), ("Upload-Offset", "0")],
            "unsupported_media_type",
        ),
    ] {
        let answer = server.client().request("PATCH", &upload, &headers, b"x");
        assert_eq!(answer.problem(), code, "{headers:?}");
        let accepted = Some("application/partial-upload").filter(|_| answer.status == 415);
        assert_eq!(answer.header("accept-patch"), accepted, "{headers:?}");
    }
    let headers = [
        ("Content-Type", "Application/Partial-Upload"),
        ("Upload-Complete", "?0"),
        ("Upload-Offset", "0"),
    ];
    let answer = server.client().request("PATCH", &upload, &headers, b"");
    assert_eq!(answer.status, 204, "{answer:?}");
    // Interop version 5 has no media type of its own, and 6 calls the time left otherwise.
    let old = [
        ("Upload-Draft-Interop-Version", "5"),
        ("Upload-Complete", "?0"),
        ("Upload-Offset", "0"),
    ];
    assert_eq!(
        server.client().request("PATCH", &upload, &old, b"x").status,
        204
    );
    let mut client = server.client();
    client.send_head("HEAD", &upload, &[("Upload-Draft-Interop-Version", "6")]);
    let limit = client
        .answer_to("HEAD")
        .header("upload-limit")
        .unwrap()
        .to_owned();
    assert!(limit.contains(", expires="), "{limit}");
    let limit = status(&mut client, &upload);
    assert!(limit.header("upload-limit").unwrap().contains(", max-age="));
    // A digest of one request's bytes.
    let digest = format!("sha-256=:{}:", STANDARD.encode([0; 32]));
    let headers = [
        PARTIAL,
        ("Upload-Complete", "?0"),
        ("Upload-Offset", "1"),
        ("Content-Digest", digest.as_str()),
    ];
    let answer = server.client().request("PATCH", &upload, &headers, b"x");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (422, "checksum_mismatch")
    );
    assert_eq!(number(&status(&mut client, &upload), "upload-offset"), 1);
    assert_eq!(client.request("DELETE", &upload, &[], b"").status, 204);
    assert_eq!(status(&mut client, &upload).status, 404);
    let small = Server::with(On::Local, &[("MAX_UPLOAD_BYTES", "10")]);
    let headers = [("Upload-Complete", "?0"), ("Upload-Length", "11")];
    let answer = small
        .client()
        .request("POST", "/uploads?key=x", &headers, b"");
    assert_eq!(
        (answer.status, answer.header("upload-limit")),
        (413, Some("max-size=10"))
    );
}

/// Section "Upload Append" of the draft, Server Behavior: the server rejects the request, marks the
/// upload invalid and rejects whatever comes for it.
#[test]
fn an_ietf_upload_that_is_sent_more_than_its_length_is_invalid() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        for (told, last) in [(true, false), (true, true), (false, false), (false, true)] {
            let name = format!("over-{told}-{last}");
            let upload = begin(&mut server.client(), &name, &[("Upload-Length", "10")]);
            let answer = append(&mut server.client(), &upload, 0, false, b"four");
            assert_eq!(answer.status, 204);
            // An offset that is wrong says nothing of the length.
            let answer = append(&mut server.client(), &upload, 5, false, b"longer than ten");
            assert_eq!(answer.status, 409);
            let mut client = server.client();
            let answer = if told {
                append(&mut client, &upload, 4, last, b"seven..")
            } else {
                let headers = [
                    PARTIAL,
                    ("Upload-Offset", "4"),
                    ("Upload-Complete", if last { "?1" } else { "?0" }),
                ];
                let blocks = [b"six...".to_vec(), b"!".to_vec()];
                client.chunked("PATCH", &upload, &headers, blocks.into_iter())
            };
            assert_eq!(answer.status, 400, "{on:?} {answer:?}");
            assert_eq!(answer.problem(), "inconsistent_length");
            assert_eq!(status(&mut server.client(), &upload).status, 404);
            let answer = append(&mut server.client(), &upload, 4, true, b"six...");
            assert_eq!(answer.status, 404);
            assert_eq!(server.client().get(&format!("/files/{name}")).status, 404);
            place.assert_nothing_left(&name);
        }
    }
}

#[test]
fn an_ietf_creation_in_chunks_that_is_not_as_long_as_it_says_is_refused() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        for length in ["4", "6"] {
            let headers = [("Upload-Complete", "?1"), ("Upload-Length", length)];
            let blocks = [b"fi".to_vec(), b"ve.".to_vec()];
            let answer = server.client().chunked(
                "POST",
                "/uploads?key=chunks",
                &headers,
                blocks.into_iter(),
            );
            assert_eq!(answer.status, 400, "{on:?} {length} {answer:?}");
            assert_eq!(answer.problem(), "inconsistent_length");
            assert_eq!(server.client().get("/files/chunks").status, 404);
        }
    }
}

#[test]
fn an_upload_that_turns_out_to_be_empty_keeps_what_was_said_of_it() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let said = [
            ("Cache-Control", "max-age=5"),
            ("Content-Language", "fr"),
            ("Content-Encoding", "gzip"),
            ("x-amz-meta-camera", "X 1"),
        ];
        let upload = begin(&mut server.client(), "nothing", &said);
        let answer = append(&mut server.client(), &upload, 0, true, b"");
        assert_eq!(answer.status, 201, "{answer:?}");
        let got = server.client().get("/files/nothing");
        assert_eq!(got.header("content-type"), Some("text/x-test"));
        for (name, value) in said {
            assert_eq!(got.header(name), Some(value), "{on:?} {name}");
        }
        place.assert_nothing_left("nothing");
    }
}

#[test]
fn browsers_of_other_origins_are_let_in_only_when_they_are_named() {
    let origin = ("Origin", "https://app.example");
    let asks = [
        origin,
        ("Access-Control-Request-Method", "PATCH"),
        (
            "Access-Control-Request-Headers",
            "tus-resumable,upload-offset",
        ),
    ];
    let closed = Server::local();
    assert_eq!(
        closed
            .client()
            .request("OPTIONS", "/files", &asks, b"")
            .status,
        405
    );
    let answer = closed.client().request("GET", "/files", &[origin], b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let settings = [("ALLOWED_ORIGINS", "https://app.example,https://b.example")];
    let open = Server::with(On::Local, &settings);
    for target in ["/files", "/files/x", "/uploads", "/uploads/x", "/upload"] {
        let answer = open.client().request("OPTIONS", target, &asks, b"");
        assert_eq!(answer.status, 204);
        for (name, value) in [
            ("access-control-allow-origin", "https://app.example"),
            (
                "access-control-allow-headers",
                "tus-resumable,upload-offset",
            ),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{target}");
        }
        assert!(
            answer
                .header("access-control-allow-methods")
                .unwrap()
                .contains("PATCH")
        );
    }
    let answer = open
        .client()
        .request("GET", "/nothing-here", &[origin], b"");
    assert_eq!(answer.status, 404);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["Upload-Offset", "Location", "Tus-Resumable", "ETag"] {
        assert!(exposed.contains(name));
    }
    let stranger = [("Origin", "https://evil.example")];
    let answer = open.client().request("GET", "/files", &stranger, b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("vary"), Some("Origin"));
}
