//! What the process asks the system for itself: as many open files as connections need, no huge
//! pages, and no core dumps.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::disable_transparent_huge_pages;

/// Descriptors for everything that is no client connection: runtimes, listener, lock, log.
const RESERVED: u64 = 64;
/// Descriptors for each client connection: its own, and one to the store or a file.
const EACH: u64 = 2;

/// Where the system gives them unasked, each small allocation and each block of an upload may come to
/// hold 2 MiB. (mimalloc's own switch leaves this undone.)
pub(super) fn no_huge_pages() {
    if let Err(error) = disable_transparent_huge_pages(true) {
        log::debug!("huge pages stay as the system has them: {error}");
    }
}

/// A crash leaves no image of memory, which has credentials in it. A limit of one byte, because a
/// system that pipes dumps to a program (`core_pattern` with a `|`) passes over every other limit, 0
/// too (Linux, fs/coredump.c). Not `PR_SET_DUMPABLE`, which also hides `/proc/self` from ourselves.
pub(super) fn no_core_dumps() {
    let least = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    if let Err(error) = setrlimit(Resource::Core, least) {
        log::debug!("core dumps stay as the system has them: {error}");
    }
}

/// `wanted` connections, or as many as the limit of open files allows after raising the soft one
/// as far as the hard one lets us.
pub(super) fn connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let needed = RESERVED + EACH * wanted as u64;
    let have = limit.current.unwrap_or(u64::MAX);
    let possible = limit.maximum.unwrap_or(u64::MAX);
    let mut allowed = have;
    if have < needed {
        let raised = needed.min(possible);
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, new) {
            Ok(()) => allowed = raised,
            Err(error) => log::warn!("the limit of open files could not be raised: {error}"),
        }
    }
    let fit = usize::try_from(allowed.saturating_sub(RESERVED) / EACH).unwrap_or(usize::MAX);
    if fit < wanted {
        let fit = fit.max(1);
        log::warn!(
            "MAX_CONNECTIONS is lowered from {wanted} to {fit}: {allowed} open files are allowed"
        );
        return fit;
    }
    wanted
}
