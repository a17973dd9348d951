//! Hashes of passwords and of tokens' secrets: Argon2id (RFC 9106) in PHC string format. Who they
//! belong to is `users`' business.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::Error;

/// KiB that all verifications at one time may take: one of RFC 9106's second choice, three of the
/// 19 MiB of our own. With the uploads' 40 MiB it fits a pod of 256.
const MEMORY: u32 = 64 << 10;
/// Passes of the slowest hash that is taken: with all of [`MEMORY`] some 0.3 s.
const MAX_PASSES: u32 = 4;
/// How long a verification waits for its memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a token's secret. Nobody guesses 256 bits.
const SECRET: usize = 32;
/// Bytes of a token's id.
const ID: usize = 6;
/// Bytes of a salt (RFC 9106 section 3.1).
const SALT: usize = 16;

/// What a secret is checked against.
#[derive(Clone)]
pub(super) struct Hash {
    phc: Arc<PasswordHash>,
    /// KiB that it takes.
    pub(super) memory: u32,
    passes: u32,
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

impl Hash {
    /// Reads `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "is no hash as `cloud-portfolio hash-password` prints it".to_owned();
        let phc = PasswordHash::new(text).map_err(|_| wrong())?;
        let params = Params::try_from(&phc).map_err(|_| wrong())?;
        // Of a version that is not known no secret would match, and where none is said the reference
        // implementation means the older one, and the crate the newer.
        let version = phc.version.map(Version::try_from);
        let is_known = phc.algorithm == ARGON2ID_IDENT && matches!(version, Some(Ok(_)));
        if !is_known || phc.salt.is_none() || phc.hash.is_none() {
            return Err(wrong());
        }
        if params.m_cost() > MEMORY || params.t_cost() > MAX_PASSES {
            return Err(format!(
                "is a hash that costs more than is taken: m={MEMORY} and t={MAX_PASSES} at most"
            ));
        }
        Ok(Self {
            memory: params.m_cost(),
            passes: params.t_cost(),
            phc: Arc::new(phc),
        })
    }

    /// What it takes, to compare with another's.
    pub(super) fn cost(&self) -> (u32, u32) {
        (self.memory, self.passes)
    }

    /// Takes its time. Compares in constant time.
    fn matches(&self, secret: &[u8]) -> bool {
        Argon2::default()
            .verify_password(secret, self.phc.as_ref())
            .is_ok()
    }
}

/// Verifies a few at a time.
pub(super) struct Verifier(Arc<Semaphore>);

impl Default for Verifier {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY as usize)))
    }
}

impl Verifier {
    /// Whether the secret is the hash's, on a blocking thread of this worker's. `meanwhile` is asked
    /// once it is its turn; what it has found makes the work needless.
    pub(super) async fn verify<T>(
        &self,
        hash: Hash,
        secret: String,
        meanwhile: impl FnOnce() -> Option<T>,
    ) -> Result<Verdict<T>, Error> {
        let busy = || Error::Busy {
            detail: "Too many sign in at once. Try again in a moment.",
        };
        let room = Arc::clone(&self.0).acquire_many_owned(hash.memory);
        let room = timeout(PATIENCE, room).await.map_err(|_| busy())?;
        let room = room.map_err(|_| busy())?;
        if let Some(found) = meanwhile() {
            return Ok(Verdict::Found(found));
        }
        let work = tokio::task::spawn_blocking(move || {
            let matches = hash.matches(secret.as_bytes());
            // Given back by the thread: the work goes on when its client has gone.
            drop(room);
            matches
        });
        match work.await {
            Ok(true) => Ok(Verdict::Right),
            Ok(false) => Ok(Verdict::Wrong),
            Err(_) => Err(Error::Panicked),
        }
    }
}

/// What came of a verification.
pub(super) enum Verdict<T> {
    Right,
    Wrong,
    /// It was not needed any more.
    Found(T),
}

/// The hash of a password, for the users file.
pub fn of_password(password: &str) -> Result<String, getrandom::Error> {
    of(password.as_bytes())
}

/// A new token `id.secret`, its id, and the hash of its secret.
pub fn new_token() -> Result<(String, String, String), getrandom::Error> {
    let id = URL_SAFE_NO_PAD.encode(random::<ID>()?);
    let secret = URL_SAFE_NO_PAD.encode(random::<SECRET>()?);
    let hash = of(secret.as_bytes())?;
    Ok((format!("{id}.{secret}"), id, hash))
}

fn of(secret: &[u8]) -> Result<String, getrandom::Error> {
    let salt = random::<SALT>()?;
    // With these parameters only a secret of 4 GiB fails.
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(secret, &salt)
        .map_err(|_| getrandom::Error::UNEXPECTED)?;
    Ok(hash.to_string())
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_its_secret_and_of_no_other() {
        let hash = Hash::parse(&of_password("correct horse").unwrap()).unwrap();
        assert!(hash.matches(b"correct horse") && !hash.matches(b"correct hors"));
        assert_eq!(format!("{hash:?}"), "********");
        let (token, id, hash) = new_token().unwrap();
        let secret = token.strip_prefix(&format!("{id}.")).unwrap();
        assert!(Hash::parse(&hash).unwrap().matches(secret.as_bytes()));
    }

    #[test]
    fn the_reference_implementations_hash_is_read() {
        // Of the reference implementation's own tests: "password", "somesalt", t=2, m=2^16, p=1.
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hash = Hash::parse(text).unwrap();
        assert!(hash.matches(b"password") && !hash.matches(b"Password"));
    }

    #[test]
    fn what_is_weak_costly_or_no_hash_is_refused() {
        for text in [
            "",
            "password",
            "$2b$12$abcdefghijklmnopqrstuuX1",
            "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65537,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=1024,t=99,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ",
            "$argon2id$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=20$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        ] {
            assert!(Hash::parse(text).is_err(), "{text}");
        }
    }
}
