//! Who may do what, as a client sees it: signing in, rights, prefixes, trusted proxies, and what one
//! address may take of the server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that fails may panic"
)]

#[path = "access/cut.rs"]
mod cut;
#[path = "access/headers.rs"]
mod headers;
#[path = "access/limits.rs"]
mod limits;
#[path = "access/proxies.rs"]
mod proxies;
#[path = "access/rights.rs"]
mod rights;
#[path = "access/sign_in.rs"]
mod sign_in;
mod support;
#[path = "access/users.rs"]
mod users;
