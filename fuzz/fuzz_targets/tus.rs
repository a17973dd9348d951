//! What must hold is in `cloud_portfolio::properties`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloud_portfolio::properties::tus(data));
