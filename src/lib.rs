//! An upload portal and HTTP API in front of Amazon S3.
//! 64-bit targets only: sizes move between `usize` and `u64` freely.

#![forbid(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("cloud-portfolio is built for 64-bit targets");

pub mod access;
pub mod address;
pub mod app;
pub mod audit;
pub mod body;
pub mod cli;
pub mod config;
pub mod context;
pub mod counters;
pub mod error;
pub mod handler;
pub mod logging;
pub mod metrics;
#[cfg(any(test, fuzzing))]
pub mod properties;
pub mod recent;
pub mod route;
pub mod server;
pub mod store;
pub mod trace;
pub mod upload;
pub mod zip;
