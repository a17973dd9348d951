//! What a faulty or hostile request gets: a problem document with a stable code, an answer that
//! can be read, and nothing stored.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

mod support;

mod refusals {
    mod bodies;
    mod forms;
    mod heads;
    mod keys;
    mod objects;
    mod sites;
}

use support::Server;

fn stored(server: &Server) -> usize {
    let page = server.client().get("/files?limit=1000").json();
    page["files"].as_array().unwrap().len()
}
