//! The soak: several replicas on one bucket through a storm of faults, clients that upload in every
//! way and break off anywhere, replicas that are ended and killed. Afterwards what was
//! acknowledged is intact, nothing is half there, and nothing is left behind.
//!
//! `SOAK_SEED`, and `SOAK_UPLOADS` or `SOAK_MINUTES`, say which run and how long; see `scripts/soak`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    unreachable_pub,
    reason = "a test that fails may panic, and its modules are no API"
)]

mod support;

mod soak {
    pub mod client;
    pub mod fleet;
    pub mod ledger;
    pub mod plain;
    pub mod report;
    pub mod resumed;
    pub mod run;
    pub mod verify;
}

use soak::run::Run;

#[test]
fn what_is_acknowledged_under_faults_is_intact_and_nothing_is_left() {
    let run = Run::from_env();
    let report = run.run();
    report.print();
    report.check();
}
