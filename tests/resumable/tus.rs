//! tus 1.0.0: sizes, creation, deferred lengths, checksums, metadata.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::talk::{
    PARTIAL, STREAM, TUS, append, assert_stored, begin, create, cut, head, metadata, number,
    offset, patch, patch_with,
};
use crate::support::place::{PART, Place, STORES};
use crate::support::{Client, Noise, Server, refused, server::On};

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
        let (mut at, mut sent) = (0, 0);
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
            // Also of an earlier request that came in behind the question for the offset.
            sent = sent.max(at + random);
            let now = offset(&mut server.client(), &upload);
            assert!(now >= at && now <= sent, "{on:?} {at} {now} {sent}");
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
fn a_length_that_is_told_without_bytes_completes_with_all_that_was_sent() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        for size in [3, PART - 1, PART, PART + 1000] {
            let data = Noise::bytes(size, size);
            let name = format!("told-{size}");
            let upload = create(&mut client, &name, None);
            assert_eq!(
                number(&patch(&mut client, &upload, 0, &data), "upload-offset"),
                size
            );
            let length = size.to_string();
            let told = [("Upload-Length", length.as_str())];
            let answer = patch_with(&mut client, &upload, size, &told, b"");
            assert_eq!(answer.status, 204, "{on:?} {size} {answer:?}");
            assert_eq!(number(&answer, "upload-offset"), size);
            assert_stored(&server, &name, &data);
            // By the other protocol, whose client may tell the length and leave: a HEAD that says
            // that all is here makes the object.
            let name = format!("headed-{size}");
            let upload = begin(&mut client, &name, &[]);
            let answer = append(&mut client, &upload, 0, false, &data);
            assert_eq!(answer.status, 204, "{on:?} {size} {answer:?}");
            let headers = [
                PARTIAL,
                ("Upload-Offset", length.as_str()),
                ("Upload-Complete", "?0"),
                ("Upload-Length", length.as_str()),
            ];
            let answer = client.request("PATCH", &upload, &headers, b"");
            assert_eq!(answer.status, 204, "{on:?} {size} {answer:?}");
            assert_eq!(offset(&mut client, &upload), size);
            assert_stored(&server, &name, &data);
        }
        place.assert_nothing_left("told lengths");
    }
}

#[test]
fn a_length_that_the_request_itself_contradicts_is_not_noted() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        let upload = create(&mut client, "contradicted", None);
        assert_eq!(patch(&mut client, &upload, 0, b"abc").status, 204);
        let told = [("Upload-Length", "5")];
        let answer = patch_with(&mut client, &upload, 3, &told, b"123456789");
        assert_eq!(answer.status, 400, "{answer:?}");
        let told = [("Upload-Length", "6")];
        let mut client = server.client();
        assert_eq!(
            patch_with(&mut client, &upload, 3, &told, b"def").status,
            204
        );
        assert_stored(&server, "contradicted", b"abcdef");
        // What comes after the end is refused, and not dropped.
        assert_eq!(patch(&mut client, &upload, 6, b"more").status, 400);
    }
}

#[test]
fn an_upload_for_a_free_name_never_takes_one_that_is_taken() {
    for on in STORES {
        let place = Place::new(on);
        let server = place.serve(&[]);
        let mut client = server.client();
        for size in [9, PART + 9, 0] {
            let name = format!("free-{size}");
            let metadata = metadata(&[("filename", &name)]);
            let length = size.to_string();
            let headers = [
                TUS,
                ("Upload-Length", length.as_str()),
                ("Upload-Metadata", metadata.as_str()),
                ("If-None-Match", "*"),
            ];
            let begin = |client: &mut Client| client.request("POST", "/uploads", &headers, b"");
            let data = Noise::bytes(7, size);
            // Both begin while it is free.
            let (first, second) = (begin(&mut client), begin(&mut client));
            assert_eq!(first.status, 201, "{on:?} {first:?}");
            if size > 0 {
                assert_eq!(second.status, 201, "{on:?} {second:?}");
                let first = first.header("location").unwrap();
                let second = second.header("location").unwrap();
                assert_eq!(patch(&mut client, first, 0, &data).status, 204);
                let late = patch(&mut server.client(), second, 0, &vec![0; data.len()]);
                refused(&late, 412, "precondition_failed");
                let given_up = client.request("DELETE", second, &[TUS], b"");
                assert_eq!(given_up.status, 204, "{given_up:?}");
            } else {
                refused(&second, 412, "precondition_failed");
            }
            assert_stored(&server, &name, &data);
            refused(&begin(&mut client), 412, "precondition_failed");
        }
        place.assert_nothing_left("free names");
    }
}

#[test]
fn uploads_that_wait_for_their_clients_hold_no_descriptors() {
    let server = Server::with(On::Local, &[]);
    let mut client = server.client();
    create(&mut client, "first", Some(10));
    let before = server.descriptors();
    for n in 0..50 {
        create(&mut client, &format!("waiting-{n}"), Some(10));
    }
    assert!(server.descriptors() < before + 10, "{before} before");
}

#[test]
fn a_request_whose_checksum_is_awaited_makes_way_for_the_next() {
    let server = Server::with(On::Local, &[]);
    let upload = create(&mut server.client(), "stalled", Some(6));
    let mut stalled = server.client();
    let headers = [
        TUS,
        STREAM,
        ("Upload-Offset", "0"),
        ("Content-Length", "6"),
        ("Upload-Checksum", "sha1 H4rBDyPFtbwRZ72oS4M+XAV6d9I="),
    ];
    stalled.send_head("PATCH", &upload, &headers);
    stalled.send(b"abc");
    let begun = std::time::Instant::now();
    let mut client = server.client();
    loop {
        let answer = patch(&mut client, &upload, 0, b"abcdef");
        assert_eq!(answer.status, 204);
        match number(&answer, "upload-offset") {
            6 => break,
            // Two connections: the stalled request came second this time, and was let in.
            taken => assert_eq!(taken, 0),
        }
        assert!(begun.elapsed().as_secs() < 10);
    }
    // Far below TIMEOUT, after which the first would be given up.
    assert!(begun.elapsed().as_secs() < 10);
    assert_stored(&server, "stalled", b"abcdef");
}
