//! How much a client of resumable uploads sends again at most, measured on MinIO: after a crash,
//! a broken connection, SIGTERM, a lost last answer and an outage of the store. Each figure is
//! printed; `cargo test --test resume_bounds -- --nocapture` shows them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test that fails may panic, and its modules are no API"
)]

mod support;

mod resume_bounds {
    mod crash;
    mod ended;
    mod lost;
    mod outage;
    pub mod protocol;
    pub mod sender;
}

use resume_bounds::protocol::Protocol;
use resume_bounds::sender::Sender;
use support::place::PART;
use support::server::{On, minio_setting};
use support::{Place, Server, sha256};

/// The default of `UPLOAD_CONCURRENCY` parts on their way, and the one that is being gathered.
const BOUND: u64 = (4 + 1) * PART;
/// What a server's HTTP buffer may hold of a body that nobody takes from it at the moment.
const READ_BUFFER: u64 = 512 << 10;

/// Any number of servers may use it.
fn place() -> Place {
    Place::new(On::Minio)
}

fn endpoint() -> String {
    minio_setting("AWS_ENDPOINT_URL_S3")
}

/// Brings what is missing, as one request, and checks the object. A part that a killed server had
/// sent whole may be stored behind the question for the offset: then a 409 says so, and the client
/// asks again.
fn finish(protocol: Protocol, server: &Server, upload: &str, at: u64, name: &str, data: &[u8]) {
    let mut at = at;
    for tries in 1.. {
        let rest = &data[at as usize..];
        let head = protocol.patch(upload, at, Some(rest.len() as u64));
        let mut sender = Sender::begin(server, &head);
        let whole = sender.send(rest);
        let status = sender.answer();
        if status == Some(409) && tries < 5 {
            let now = protocol.offset(server, upload);
            assert!(now > at, "{now} is not beyond {at}");
            at = now;
            continue;
        }
        let sent = sender.sent;
        let all = rest.len();
        assert!(whole, "{sent} of {all} were taken, then {status:?}");
        assert!(matches!(status, Some(201 | 204)), "{status:?}");
        break;
    }
    assert_stored(server, name, data);
}

fn assert_stored(server: &Server, name: &str, data: &[u8]) {
    let got = server.client().get(&format!("/files/{name}"));
    assert_eq!(got.status, 200, "{name}");
    assert_eq!(sha256([&got.body]), sha256([data]), "{name}");
}

fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0
}
