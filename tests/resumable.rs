//! Resumable uploads over HTTP, in both protocols and on both stores: every size around the
//! boundaries, every way in which a request can end, and any replica.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test that fails may panic, and its modules are no API"
)]

mod support;

mod resumable {
    mod checksum;
    mod ends;
    mod ietf;
    mod lengths;
    mod metadata;
    mod refusals;
    mod replicas;
    mod talk;
    mod tus;
}
