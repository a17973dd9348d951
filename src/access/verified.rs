//! Credentials that were right, so that only the first request with them costs a hash. Kept is a
//! keyed hash of them, under a key of this directory's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::hmac::{self, HMAC_SHA256};

use super::who::Pass;

/// Most that are kept. Only what was right gets here, so that no stranger can push others out.
const MAX: usize = 1024;

/// Stands for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seal([u8; 32]);

/// What has been verified against one directory; it goes with it.
pub(super) struct Verified {
    key: hmac::Key,
    seals: Mutex<HashMap<Seal, Arc<Pass>>>,
}

impl Verified {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key: hmac::Key::new(HMAC_SHA256, &key),
            seals: Mutex::default(),
        })
    }

    /// The seal of credentials as they stand in a request.
    pub(super) fn seal(&self, given: &[u8]) -> Seal {
        let mut seal = [0; 32];
        seal.copy_from_slice(hmac::sign(&self.key, given).as_ref());
        Seal(seal)
    }

    pub(super) fn find(&self, seal: &Seal) -> Option<Arc<Pass>> {
        self.seals().get(seal).map(Arc::clone)
    }

    pub(super) fn keep(&self, seal: Seal, pass: Arc<Pass>) {
        let mut seals = self.seals();
        if seals.len() >= MAX {
            // Rare, and each comes back for the price of one hash.
            seals.clear();
        }
        seals.insert(seal, pass);
    }

    fn seals(&self) -> MutexGuard<'_, HashMap<Seal, Arc<Pass>>> {
        self.seals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
