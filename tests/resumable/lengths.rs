//! Lengths that are told after the creation, and those that cannot be right.

use super::talk::{
    PARTIAL, STREAM, TUS, append, assert_stored, begin, create, head, number, offset, patch,
    patch_with,
};
use crate::support::Noise;
use crate::support::place::{PART, Place, STORES};

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
