//! Ways in which an upload ends, and stores that fail.

use super::talk::{TUS, assert_stored, create, head, metadata, offset, patch, status};
use crate::support::place::{PART, Place, STORES};
use crate::support::{
    Bucket, Noise, Server,
    proxy::{Fault, Proxy},
    server::{On, minio, minio_setting},
    wait_for,
};

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
            let upload_id = Bucket::open().begin(&key);
            (key, upload_id)
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
            let bucket = Bucket::open();
            assert!(!bucket.has_parts(&key, &upload_id));
            bucket.abort(&key, &upload_id);
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
fn a_failing_store_loses_nothing_that_was_told() {
    let place = Place::new(On::Minio);
    let proxy = Proxy::before(&minio_setting("AWS_ENDPOINT_URL_S3"));
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
