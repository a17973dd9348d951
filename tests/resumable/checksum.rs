//! tus: `Upload-Checksum`, which covers all of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::talk::{STREAM, TUS, assert_stored, create, number, offset, patch, patch_with};
use crate::support::place::{PART, Place, STORES};
use crate::support::{Noise, Server, server::On};

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
