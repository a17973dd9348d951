//! The S3 store against a scripted S3 (`support/fake_s3.rs`) with faults on the wire: what is
//! sent again and what never, what silence is, and what odd answers become.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that fails may panic, and its modules are no API"
)]

#[path = "support/fake_s3.rs"]
mod fake_s3;
#[path = "support/s3.rs"]
mod s3;

mod s3_wire {
    mod answers;
    mod calls;
    mod downloads;
    mod integrity;
    mod listings;
    mod observed;
    mod parts;
    mod requests;
    mod retries;
    mod silence;
    mod tls;
}
