//! A store that is not there, and what the service says of it.

use crate::support::{self, Server, wait_for};

#[test]
fn a_store_that_is_not_there_makes_the_service_unready_and_says_so() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nowhere.local_addr().unwrap());
    drop(nowhere);
    let settings = [
        ("BUCKET_NAME", "b"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
    ];
    let settings: Vec<_> = settings
        .iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect();
    let server = Server::spawn(&settings);
    let mut client = server.client();
    assert_eq!(client.get("/health").status, 200);
    assert_eq!(client.get("/").status, 200);
    let ready = client.get("/ready");
    assert_eq!(ready.status, 503);
    assert!(ready.header("retry-after").is_some());
    let answer = client.get("/files");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (503, "store_unavailable")
    );
    assert!(answer.header("retry-after").is_some());
    let put = server.client().put("/files/x", b"x");
    assert_eq!(put.status, 503);
    wait_for("the log", || {
        server.log().contains("the store does not answer")
    });
    assert!(!server.log().contains("planted-secret"));
}

#[test]
fn a_bucket_that_is_not_there_is_a_502_and_not_ready() {
    let mut settings = support::server::minio();
    for (name, value) in &mut settings {
        if name == "BUCKET_NAME" {
            *value = "no-such-bucket".into();
        }
    }
    let server = Server::spawn(&settings);
    let answer = server.client().get("/files");
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (502, "store_refused")
    );
    assert_eq!(server.client().get("/ready").status, 503);
}
