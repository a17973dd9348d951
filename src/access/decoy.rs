//! What the secret of a name that nobody has is verified against, so that how long it takes does not
//! tell who there is: where hashes differ in cost, not between two changes of the file. Who there is,
//! is `users`' business.

use ring::hmac::{self, HMAC_SHA256};

use super::credentials::Scheme;
use super::hash::Hash;

/// The hashes of a directory, which may differ in what they cost.
pub(super) struct Decoys {
    passwords: Vec<Hash>,
    tokens: Vec<Hash>,
    choice: hmac::Key,
}

impl Decoys {
    /// Of a users file, and the hashes in it.
    pub(super) fn new(file: &[u8], mut passwords: Vec<Hash>, mut tokens: Vec<Hash>) -> Self {
        passwords.sort_by_key(Hash::cost);
        tokens.sort_by_key(Hash::cost);
        Self {
            passwords,
            tokens,
            // The same in every replica that has this file, and known to nobody who has not.
            choice: hmac::Key::new(HMAC_SHA256, file),
        }
    }

    /// One of the hashes that names are verified against, for each name always the same; None where
    /// there is none.
    pub(super) fn of(&self, scheme: Scheme, name: &str) -> Option<&Hash> {
        let hashes = match scheme {
            Scheme::Basic => &self.passwords,
            Scheme::Bearer => &self.tokens,
        };
        let tag = hmac::sign(&self.choice, name.as_bytes());
        let (bytes, _) = tag.as_ref().split_first_chunk()?;
        let at = u64::from_be_bytes(*bytes).checked_rem(hashes.len() as u64)?;
        hashes.get(at as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(memory: u32) -> Hash {
        let text = format!(
            "$argon2id$v=19$m={memory},t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
        );
        Hash::parse(&text).unwrap()
    }

    #[test]
    fn a_name_that_nobody_has_costs_what_somebodys_costs_and_always_the_same() {
        let passwords = || vec![hash(1024), hash(65536)];
        let one = Decoys::new(b"file", passwords(), vec![hash(512)]);
        let replica = Decoys::new(b"file", passwords().into_iter().rev().collect(), vec![]);
        let cost = |of: &Decoys, name: &str| of.of(Scheme::Basic, name).unwrap().cost();
        let names: Vec<_> = (0..64).map(|n| n.to_string()).collect();
        let costs: Vec<_> = names.iter().map(|name| cost(&one, name)).collect();
        for known in passwords() {
            assert!(costs.contains(&known.cost()), "{costs:?}");
        }
        for (name, known) in names.iter().zip(costs) {
            assert_eq!((cost(&one, name), cost(&replica, name)), (known, known));
        }
        let token = one.of(Scheme::Bearer, "x").unwrap();
        assert_eq!(token.cost(), hash(512).cost());
        assert!(replica.of(Scheme::Bearer, "x").is_none());
    }
}
