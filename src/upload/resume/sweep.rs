//! Gives up uploads that have expired, in the background. Any number of replicas may do so at
//! once: everything here may be done twice. What has no state object is not touched: uploads in
//! parts that another program began, in particular.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::id::UploadId;
use super::state::{self, State};
use super::tails;
use crate::counters::{Count, Counters};
use crate::store::{INTERNAL_PREFIX, KeyRules, ObjectKey, Store, StoreError, StoreResult};

/// Between sweeps at most. An expired upload costs storage and nothing else.
const LONGEST: Duration = Duration::from_hours(1);
/// Before the first one at most.
const FIRST: Duration = Duration::from_mins(5);
/// Between sweeps at least.
const SHORTEST: Duration = Duration::from_secs(1);

/// Sweeps for ever.
pub async fn run(
    store: Arc<dyn Store>,
    rules: KeyRules,
    expiry: Duration,
    counters: &Counters,
) -> Infallible {
    let every = (expiry / 4).clamp(SHORTEST, LONGEST);
    // Also a process that does not live long sweeps once.
    let mut pause = every.min(FIRST);
    loop {
        tokio::time::sleep(jitter(pause)).await;
        pause = every;
        let swept = AssertUnwindSafe(sweep(store.as_ref(), &rules, expiry))
            .catch_unwind()
            .await;
        match swept {
            Ok(Ok(0)) => {}
            Ok(Ok(count)) => {
                counters.add(Count::Swept, count as u64);
                log::info!("gave up {count} uploads that had expired");
            }
            Ok(Err(error)) => log::warn!("expired uploads stay until the next sweep: {error}"),
            // It was logged where it happened, and must not end the process.
            Err(_) => log::error!("a sweep panicked"),
        }
    }
}

/// Half of it to all of it and a half: replicas that started together do not sweep together.
fn jitter(every: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    every.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

/// The temporary objects of one upload.
struct Group {
    hash: String,
    names: Vec<String>,
    newest: DateTime<Utc>,
}

/// Goes through all temporary objects once; how many uploads were given up.
pub(super) async fn sweep(
    store: &dyn Store,
    rules: &KeyRules,
    expiry: Duration,
) -> StoreResult<usize> {
    let folder = format!("{INTERNAL_PREFIX}{}", state::FOLDER);
    let mut count = 0;
    let mut failures = Failures::default();
    let mut group: Option<Group> = None;
    let mut cursor = None;
    loop {
        let page = store
            .list_internal(state::FOLDER, cursor.as_deref())
            .await?;
        for object in page.objects {
            let Some((hash, name)) = object
                .key
                .strip_prefix(&folder)
                .and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            // In order of keys: what belongs together comes together.
            if let Some(group) = group.as_mut().filter(|group| group.hash == hash) {
                group.names.push(name.to_owned());
                group.newest = group.newest.max(object.last_modified);
                continue;
            }
            let next = Group {
                hash: hash.to_owned(),
                names: vec![name.to_owned()],
                newest: object.last_modified,
            };
            if let Some(group) = group.replace(next) {
                count += failures.note(visit(store, rules, expiry, &group).await)?;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if let Some(group) = group {
        count += failures.note(visit(store, rules, expiry, &group).await)?;
    }
    Ok(count)
}

/// Passing failures with no success between at which a sweep is given up: the store is down.
const MAX_FAILURES: usize = 8;

/// An upload that cannot be removed must not keep all those after it for ever.
#[derive(Default)]
struct Failures(usize);

impl Failures {
    fn note(&mut self, visited: StoreResult<bool>) -> StoreResult<usize> {
        match visited {
            Ok(removed) => {
                self.0 = 0;
                Ok(usize::from(removed))
            }
            // One that lasts says nothing of the others.
            Err(error) if !error.is_transient() || self.0 + 1 < MAX_FAILURES => {
                self.0 += usize::from(error.is_transient());
                log::warn!("an expired upload stays until the next sweep: {error}");
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }
}

/// Removes the group if its upload has expired; whether it was.
async fn visit(
    store: &dyn Store,
    rules: &KeyRules,
    expiry: Duration,
    group: &Group,
) -> StoreResult<bool> {
    let key = |name: &str| ObjectKey::internal(&format!("{}{}/{name}", state::FOLDER, group.hash));
    let mut found = None;
    if group.names.iter().any(|name| name == state::NAME) {
        match state::read_at(store, &key(state::NAME)).await {
            Ok(stored) => found = Some(stored.state),
            // It ended just now, or it cannot be read: then its age decides.
            Err(StoreError::NotFound | StoreError::Corrupt(_)) => {}
            Err(error) => return Err(error),
        }
    }
    match found {
        Some(state) if !state.is_expired() => return Ok(false),
        Some(State { id, .. }) => {
            let Some(id) = UploadId::decode_any(&id, rules) else {
                // Of a newer version of the program, perhaps; it may name parts.
                let text = format!("the state of {} names no upload", group.hash);
                return Err(StoreError::Corrupt(text.into()));
            };
            if let Some(multipart) = id.multipart() {
                store.abort_multipart(&multipart).await?;
            }
        }
        // Without a state: left by a request that came too late. In case that it is still at it.
        None if Utc::now() - group.newest
            < chrono::Duration::from_std(expiry).unwrap_or(chrono::Duration::MAX) =>
        {
            return Ok(false);
        }
        None => {}
    }
    // The state last: what a crash leaves is still known.
    let (state, others): (Vec<_>, Vec<_>) = group
        .names
        .iter()
        .partition(|name| name.as_str() == state::NAME);
    for name in others.into_iter().chain(state) {
        tails::erase(store, &key(name)).await?;
    }
    Ok(true)
}
