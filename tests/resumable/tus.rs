//! tus 1.0.0: options, creation, sizes, cut connections, free names. Checksums, metadata and lengths
//! that are told later have files of their own.

use super::talk::{STREAM, TUS, assert_stored, create, cut, head, metadata, number, offset, patch};
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
                // Nor does a client that asks wait for what will not change.
                assert_eq!(head(&mut server.client(), second).status, 412);
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
