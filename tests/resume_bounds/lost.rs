//! What a last answer costs that is lost, on either side of the server.

use super::protocol::Protocol::{Ietf, Tus};
use super::protocol::number;
use super::sender::Sender;
use crate::support::place::PART;
use crate::support::proxy::{Fault, Proxy};
use crate::support::{Noise, wait_for};
use crate::{assert_stored, endpoint, place};

#[test]
fn a_lost_last_answer_sends_nothing_again() {
    let place = place();
    let other = place.serve(&[]);
    let size = 2 * PART + 99;
    let data = Noise::bytes(25, size);
    for protocol in [Tus, Ietf] {
        // Between S3 and the server, once and for all its tries; with the server dead on top.
        for (lost, killed) in [(1, false), (9, false), (9, true)] {
            let proxy = Proxy::before(&endpoint());
            let mut server = place.serve(&[("AWS_ENDPOINT_URL_S3", proxy.endpoint.as_str())]);
            let name = format!("l{protocol:?}{lost}{killed}");
            let upload = protocol.create(&mut other.client(), &name, Some(size));
            proxy.inject("POST", "uploadId", Fault::LoseAnswer, lost);
            let head = protocol.patch(&upload, 0, Some(size));
            let mut sender = Sender::begin(&server, &head);
            assert!(sender.send(&data));
            let path = format!("/files/{name}");
            wait_for("the completion", || {
                other.client().head(&path).status == 200
            });
            assert!(proxy.hits() > 0);
            if killed {
                server.kill();
            } else {
                let status = sender.answer();
                assert!(matches!(status, Some(201 | 204)), "{status:?}");
            }
            let answer = protocol.head(&mut other.client(), &upload);
            protocol.assert_complete(&answer, size);
            eprintln!(
                "{protocol:?}, CompleteMultipartUpload's answer lost{}: offset {} of {size}: 0 again",
                if killed { ", then SIGKILL" } else { "" },
                number(&answer, "upload-offset"),
            );
            assert_stored(&other, &name, &data);
        }
        // Between the server and the client, which is gone before it could read it.
        let server = place.serve(&[]);
        let name = format!("c{protocol:?}");
        let upload = protocol.create(&mut other.client(), &name, Some(size));
        let head = protocol.patch(&upload, 0, Some(size));
        let mut sender = Sender::begin(&server, &head);
        assert!(sender.send(&data));
        sender.wait_received();
        sender.reset();
        let mut answer = protocol.head(&mut other.client(), &upload);
        wait_for("the end of the request", || {
            answer = protocol.head(&mut other.client(), &upload);
            number(&answer, "upload-offset") == size
        });
        if protocol == Ietf && answer.header("upload-complete") != Some("?1") {
            // All bytes are here and nothing says yet that they are all: a client says so without
            // bytes, or hears that the first request was faster (400 with "completed-upload").
            let mut last = Sender::begin(&other, &protocol.patch(&upload, size, Some(0)));
            let status = last.answer();
            assert!(matches!(status, Some(201 | 400)), "{status:?}");
            answer = protocol.head(&mut other.client(), &upload);
        }
        protocol.assert_complete(&answer, size);
        eprintln!("{protocol:?}, the client gone before the last answer: 0 again");
        assert_stored(&other, &name, &data);
    }
}
