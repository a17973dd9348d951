//! Credentials that were right, so that only the first request with them costs a hash. Kept is a
//! keyed hash of them, under a key of this directory's own.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::hmac::{self, HMAC_SHA256};

use super::who::Pass;

/// Kept for each secret: base64 with its padding and without is the same password.
const FORMS: usize = 2;

/// Stands for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Seal([u8; 32]);

/// What has been verified against one directory; it goes with it.
pub(super) struct Verified {
    key: hmac::Key,
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    passes: HashMap<Seal, Arc<Pass>>,
    /// The same, the oldest first.
    order: VecDeque<Seal>,
}

impl Verified {
    /// Room for all of a directory with so many secrets. Only what was right gets here, so that no
    /// stranger can push others out.
    pub(super) fn new(secrets: usize) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key: hmac::Key::new(HMAC_SHA256, &key),
            most: secrets * FORMS,
            kept: Mutex::default(),
        })
    }

    /// The seal of credentials as they stand in a request.
    pub(super) fn seal(&self, given: &[u8]) -> Seal {
        let mut seal = [0; 32];
        seal.copy_from_slice(hmac::sign(&self.key, given).as_ref());
        Seal(seal)
    }

    pub(super) fn find(&self, seal: &Seal) -> Option<Arc<Pass>> {
        self.kept().passes.get(seal).map(Arc::clone)
    }

    pub(super) fn keep(&self, seal: Seal, pass: Arc<Pass>) {
        let mut kept = self.kept();
        if kept.passes.insert(seal, pass).is_some() {
            return;
        }
        kept.order.push_back(seal);
        if kept.order.len() > self.most
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.passes.remove(&oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::who::{Grant, Refusal};

    fn pass() -> Arc<Pass> {
        Arc::new(Pass {
            user: None,
            grant: Grant::default(),
            refusal: Refusal::Forbidden,
        })
    }

    #[test]
    fn all_of_a_large_directory_are_kept_and_one_too_many_costs_only_the_oldest() {
        let verified = Verified::new(3000).unwrap();
        let seals: Vec<_> = (0..6001_u32)
            .map(|n| verified.seal(&n.to_be_bytes()))
            .collect();
        for seal in &seals[..6000] {
            verified.keep(*seal, pass());
            // Two requests that verified the same at once.
            verified.keep(*seal, pass());
        }
        assert!(
            seals[..6000]
                .iter()
                .all(|seal| verified.find(seal).is_some())
        );
        verified.keep(seals[6000], pass());
        let missing = seals.iter().filter(|seal| verified.find(seal).is_none());
        assert_eq!(missing.count(), 1);
        assert!(verified.find(&seals[0]).is_none());
    }
}
