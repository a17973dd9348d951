//! The life of the process and of its connections: readiness, drain, crashes, limits, silence.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

mod lifecycle {
    mod cap;
    mod crash;
    mod drain;
    mod slow;
    mod store;
}

/// An S3 that takes connections and never answers, and the settings to use it.
fn silent_s3() -> (std::net::TcpListener, Vec<(String, String)>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let settings = [
        ("BUCKET_NAME", "b"),
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("DRAIN_SECONDS", "1"),
        ("MAX_CONNECTIONS", "50"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (listener, settings.into())
}
