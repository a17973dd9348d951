//! The limit of open files, and how many connections it allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors for everything that is no client connection: runtimes, listener, lock, log.
const RESERVED: u64 = 64;
/// Descriptors for each client connection: its own, and one to the store or a file.
const EACH: u64 = 2;

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
