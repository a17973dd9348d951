//! Bodies that break off, are too large, or are empty, which is valid.

use crate::stored;
use crate::support::client::{FORM, form};
use crate::support::server::On;
use crate::support::{Server, refused};

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        for length in ["100", "20000000"] {
            let mut client = server.client();
            client.send_head("PUT", "/files/short", &[("Content-Length", length)]);
            client.send(&[7; 50]);
            client.finish_sending();
            let answer = client.answer();
            refused(&answer, 400, "invalid_body");
        }
        let mut client = server.client();
        client.send_head("PUT", "/files/chunked", &[("Transfer-Encoding", "chunked")]);
        client.send(b"5\r\nhello\r\nnonsense\r\n");
        refused(&client.answer(), 400, "invalid_body");
        assert_eq!(stored(&server), 0, "{on:?}");
    }
}

#[test]
fn too_large_is_told_before_the_body_and_the_answer_survives_a_client_that_goes_on_sending() {
    let server = Server::with(On::Local, &[("MAX_UPLOAD_BYTES", "1000")]);
    let mut client = server.client();
    client.send_head(
        "PUT",
        "/files/big",
        &[("Content-Length", "1001"), ("Expect", "100-continue")],
    );
    refused(&client.answer(), 413, "too_large");
    // Over and over, because a reset that eats the answer is a race.
    for _ in 0..50 {
        let answer = server.client().put("/files/big", &vec![1; 900_000]);
        refused(&answer, 413, "too_large");
    }
    let unknown = server
        .client()
        .chunked("PUT", "/files/big", &[], [vec![1; 1001]].into_iter());
    refused(&unknown, 413, "too_large");
    assert_eq!(server.client().put("/files/fits", &[1; 1000]).status, 201);
    assert_eq!(stored(&server), 1);
}

#[test]
fn an_empty_file_is_valid_in_every_way() {
    for on in [On::Local, On::Minio] {
        let server = Server::with(on, &[]);
        let mut client = server.client();
        assert_eq!(client.put("/files/zero", b"").status, 201);
        assert_eq!(
            client
                .chunked("PUT", "/files/zero-chunked", &[], std::iter::empty())
                .status,
            201
        );
        let form = form(&[("zero-form", b"")]);
        assert_eq!(
            client
                .request("POST", "/upload", &[("Content-Type", FORM)], &form)
                .status,
            201
        );
        for key in ["zero", "zero-chunked", "zero-form"] {
            let got = client.get(&format!("/files/{key}"));
            assert_eq!((got.status, got.body.len()), (200, 0), "{on:?} {key}");
        }
    }
}
