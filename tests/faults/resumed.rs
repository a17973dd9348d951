//! What a client of a resumable upload sees of faults at its worst moments.

use crate::support::proxy::Fault;
use crate::support::server::minio;
use crate::support::{Server, wait_for};
use crate::{Setup, setup};

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
/// The file name `late`, in base64.
const NAMED: (&str, &str) = ("Upload-Metadata", "filename bGF0ZQ==");

fn create(setup: &Setup, length: (&str, &str)) -> String {
    let headers = [TUS, NAMED, length];
    let mut client = setup.server.client();
    let created = client.request("POST", "/uploads", &headers, b"");
    assert_eq!(created.status, 201, "{created:?}");
    created.header("location").unwrap().to_owned()
}

fn patch(server: &Server, upload: &str, body: &[u8], more: &[(&str, &str)]) -> u16 {
    let mut headers = vec![
        TUS,
        ("Upload-Offset", "0"),
        ("Content-Type", "application/offset+octet-stream"),
    ];
    headers.extend(more);
    let mut client = server.client();
    client.request("PATCH", upload, &headers, body).status
}

#[test]
fn an_upload_is_not_gone_when_its_state_is_rewritten_while_it_is_read() {
    let setup = setup();
    let upload = create(&setup, ("Upload-Defer-Length", "1"));
    let mut settings = minio();
    settings.push(("KEY_PREFIX".into(), setup.prefix.clone()));
    let other = Server::spawn(&settings);
    // The state comes half, and the rest of that version is asked for until it is no more.
    setup
        .proxy
        .inject("GET", "/state?versionId", Fault::Reset, 6);
    setup.proxy.inject("GET", "/state", Fault::CutAnswer, 1);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut client = setup.server.client();
            client.send_head("HEAD", &upload, &[TUS]);
            client.answer_to("HEAD")
        });
        wait_for("the cut", || {
            setup.proxy.counts().contains_key("answer_cut")
        });
        let length = [("Upload-Length", "10")];
        assert_eq!(patch(&other, &upload, b"hello", &length), 204);
        let told = asking.join().unwrap();
        assert_eq!(told.status, 200, "{told:?}");
        assert_eq!(told.header("upload-length"), Some("10"));
    });
}

#[test]
fn a_lost_completion_that_cannot_be_looked_up_is_not_said_to_be_gone() {
    let setup = setup();
    let upload = create(&setup, ("Upload-Length", "5"));
    setup.proxy.inject("POST", "uploadId", Fault::LoseAnswer, 1);
    setup.proxy.inject("HEAD", "/late", Fault::Reset, 3);
    assert_eq!(patch(&setup.server, &upload, b"hello", &[]), 503);
    assert_eq!(setup.proxy.hits(), 4);
    let mut client = setup.server.client();
    client.send_head("HEAD", &upload, &[TUS]);
    let told = client.answer_to("HEAD");
    assert_eq!(
        (told.status, told.header("upload-offset")),
        (200, Some("5"))
    );
    assert_eq!(client.get("/files/late").body, b"hello");
}
