//! The IETF protocol: sizes, creation, and what does not fit together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::talk::{PARTIAL, append, assert_stored, begin, number, status};
use crate::support::place::{PART, Place, STORES};
use crate::support::{Noise, Server, server::On};

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
            if size > 0 {
                let behind = append(&mut server.client(), &upload, 0, true, &data);
                assert_eq!(
                    (behind.status, behind.problem().as_str()),
                    (409, "offset_mismatch")
                );
                assert_eq!(number(&behind, "upload-offset"), size);
            }
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
