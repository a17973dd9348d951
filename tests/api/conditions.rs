//! What a request asks for besides the object: a range, a condition, a checksum.

use crate::STORES;
use crate::support::{Client, Noise, Server};

#[test]
fn ranges_and_conditions_are_honoured() {
    for on in STORES {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        let put = client.put("/files/r", b"0123456789");
        let etag = put.header("etag").unwrap().to_owned();
        for (range, want) in [
            ("bytes=2-4", Some("234")),
            ("bytes=7-", Some("789")),
            ("bytes=-2", Some("89")),
            ("bytes=0-99", Some("0123456789")),
            ("bytes=4-2", None),
            ("nonsense", None),
            ("bytes=1-2,4-5", None),
        ] {
            let got = client.request("GET", "/files/r", &[("Range", range)], b"");
            match want {
                Some(text) => {
                    assert_eq!(
                        (got.status, got.body.as_slice()),
                        (206, text.as_bytes()),
                        "{range}"
                    );
                    assert!(got.header("content-range").unwrap().ends_with("/10"));
                }
                None => assert_eq!((got.status, got.body.len()), (200, 10), "{range}"),
            }
        }
        let beyond = client.request("GET", "/files/r", &[("Range", "bytes=10-")], b"");
        assert_eq!(
            (beyond.status, beyond.problem().as_str()),
            (416, "invalid_range")
        );
        assert_eq!(beyond.header("content-range"), Some("bytes */10"));
        let get = |client: &mut Client, headers: &[(&str, &str)]| {
            client.request("GET", "/files/r", headers, b"").status
        };
        assert_eq!(get(&mut client, &[("If-None-Match", &etag)]), 304);
        assert_eq!(get(&mut client, &[("If-Match", "\"other\"")]), 412);
        assert_eq!(
            get(&mut client, &[("Range", "bytes=0-0"), ("If-Range", &etag)]),
            206
        );
        assert_eq!(
            get(
                &mut client,
                &[("Range", "bytes=0-0"), ("If-Range", "\"x\"")]
            ),
            200
        );

        // Each on a connection of its own: one that refuses a body before it is read closes.
        let write = |headers: &[(&str, &str)]| {
            let answer = server.client().request("PUT", "/files/r", headers, b"new");
            let closes = answer.header("connection") == Some("close");
            assert_eq!(closes, answer.status >= 400, "{answer:?}");
            answer.status
        };
        assert_eq!(write(&[("If-None-Match", "*")]), 412, "{on:?}");
        assert_eq!(write(&[("If-Match", "\"x\"")]), 412);
        assert_eq!(write(&[("If-Match", &etag)]), 200);
        assert_eq!(write(&[("If-None-Match", "\"x\"")]), 400);
        let absent = server
            .client()
            .request("PUT", "/files/absent", &[("If-Match", &etag)], b"x");
        assert_eq!(absent.status, 412);
        let fresh = server
            .client()
            .request("PUT", "/files/fresh", &[("If-None-Match", "*")], b"x");
        assert_eq!(fresh.status, 201);
    }
}

#[test]
fn a_checksum_of_the_clients_is_checked_before_anything_is_stored() {
    use base64::Engine as _;
    for on in STORES {
        // With next to no room everything is streamed, and the end is held back.
        for buffer in ["41943040", "16777216"] {
            let server = Server::with(on, &[("UPLOAD_BUFFER_BYTES", buffer)]);
            for size in [0, 5, 3_000_000, 9_000_000] {
                let data = Noise::bytes(1, size);
                let digest = |data: &[u8]| {
                    let hash = <sha2::Sha256 as sha2::Digest>::digest(data);
                    let text = base64::engine::general_purpose::STANDARD.encode(hash);
                    format!("sha-256=:{text}:")
                };
                let wrong = digest(b"other bytes");
                let put = |digest: &str| {
                    server
                        .client()
                        .request("PUT", "/files/d", &[("Repr-Digest", digest)], &data)
                };
                let refused = put(&wrong);
                assert_eq!(
                    (refused.status, refused.problem().as_str()),
                    (422, "checksum_mismatch")
                );
                assert_eq!(
                    server.client().get("/files/d").status,
                    404,
                    "{on:?} {buffer} {size}"
                );
                assert_eq!(put(&digest(&data)).status, 201, "{on:?} {buffer} {size}");
                assert_eq!(server.client().delete("/files/d").status, 204);
            }
        }
    }
}
