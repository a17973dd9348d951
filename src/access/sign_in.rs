//! Verifies credentials that have not been seen before: slowly, a few at a time, and for a name that
//! nobody has as slowly as for one that somebody has.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;

use super::credentials::{Given, Scheme};
use super::hash::Verdict;
use super::users::Directory;
use super::verified::Seal;
use super::{Access, Who};
use crate::error::Error;

/// Credentials to be verified.
pub struct Claim {
    scheme: Scheme,
    given: Given,
    seal: Seal,
    users: Arc<Directory>,
}

impl Claim {
    /// Fails with a 401 for what the scheme does not have.
    pub(super) fn new(
        scheme: Scheme,
        given: &str,
        seal: Seal,
        users: Arc<Directory>,
    ) -> Result<Self, Error> {
        let given = scheme.parse(given).ok_or_else(|| scheme.refusal())?;
        Ok(Self {
            scheme,
            given,
            seal,
            users,
        })
    }
}

impl Access {
    /// Who it is. Fails with a 401 when the secret is wrong or nobody has the name, and with a 503
    /// when too many sign in at once.
    pub async fn verify(&self, who: &Who, claim: Claim) -> Result<Who, Error> {
        let Claim {
            scheme,
            given,
            seal,
            users,
        } = claim;
        let wait = self.delays.begin(who.from, Instant::now());
        let wait = wait.ok_or(Error::Busy {
            detail: "Too many sign in from your address. Try again in a moment.",
        })?;
        if !wait.is_zero() {
            sleep(wait).await;
        }
        let entry = match scheme {
            Scheme::Basic => users.password(&given.name),
            Scheme::Bearer => users.token(&given.name),
        };
        let hash = entry
            .map(|entry| &entry.hash)
            .or_else(|| users.decoys.of(scheme, &given.name));
        let Some(hash) = hash.cloned() else {
            return Err(scheme.refusal());
        };
        let known = || users.verified.find(&seal);
        let verdict = self.verifier.verify(hash, given.secret, known).await?;
        let pass = match (verdict, entry) {
            (Verdict::Found(pass), _) => pass,
            (Verdict::Right, Some(entry)) => {
                let pass = Arc::clone(&entry.pass);
                users.verified.keep(seal, Arc::clone(&pass));
                pass
            }
            // The decoy is another's hash: even where it fits, it is nobody's.
            (Verdict::Right, None) | (Verdict::Wrong, _) => return Err(scheme.refusal()),
        };
        self.delays.forgive(who.from);
        Ok(who.clone().holding(pass))
    }
}
