//! Wires the program together and exits; decides nothing.

use std::process::ExitCode;

// Not musl's, whose one lock and whose mappings for every few blocks of a size cost more than all of
// an upload's own work: 15,700 uploads of 1 KiB a CPU-second with it and 33,000 with this one, idle
// memory 3.4 and 3.9 MiB. Without its huge pages, which made that 11.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc's second version, which the crate has no name for.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> ExitCode {
    // Memory that is free goes back at once. With the default of 10 ms nothing did that was not
    // followed by more of its size: of 2,000 connections that had gone 33 MB stayed, with this 1 MB.
    // What it costs does not show: GET, PUT, lists and probes within the noise of three rounds.
    #[allow(unsafe_code, reason = "a C function that only stores a number")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
    }
    cloud_portfolio::cli::main()
}
