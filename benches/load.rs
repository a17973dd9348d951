//! What the program does for a CPU-second and for a megabyte of memory, beside nginx, beside
//! Gunicorn with Flask and boto3, and beside a client straight to the S3, all in one run.
//!
//!   cargo bench --bench load                     everything, on loopback, under 8 minutes
//!   cargo bench --bench load -- --quick          the same in under a minute, for a first look
//!   cargo bench --bench load -- --url URL        a service that runs elsewhere
//!   cargo bench --bench load -- --help           all options
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a bench that fails may panic, and prints; its figures are no longer than an f64"
)]

#[path = "support/mod.rs"]
mod bench;
#[path = "load/mod.rs"]
mod load;

use std::process::ExitCode;

fn main() -> ExitCode {
    load::interrupt::listen();
    ExitCode::from(load::main(std::env::args_os()))
}
