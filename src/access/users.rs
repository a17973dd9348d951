//! The users file: read as a whole or not at all. Its form is `document`'s business, and when it is
//! read is `watch`'s.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use super::credentials::{Scheme, is_name};
use super::decoy::Decoys;
use super::document::{Document, Rights, check_prefixes, is_id};
use super::hash::Hash;
use super::verified::Verified;
use super::who::{Grant, Pass, Refusal};

/// Bytes of the largest file that is taken: thousands of users.
const MAX_FILE: u64 = 1 << 20;

/// Somebody whose secret can be verified.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) hash: Hash,
    pub(super) pass: Arc<Pass>,
}

/// All who are known.
pub(super) struct Directory {
    passwords: HashMap<String, Entry>,
    /// By their ids.
    tokens: HashMap<String, Entry>,
    names: HashMap<String, Arc<Pass>>,
    anonymous: Arc<Pass>,
    /// Of those that a proxy names and that are not listed.
    others: Option<Grant>,
    refusal: Refusal,
    pub(super) decoys: Decoys,
    pub(super) verified: Verified,
}

impl Directory {
    /// Reads the file. Faults name the user, never a hash.
    pub(super) fn load(path: &Path, refusal: Refusal) -> Result<Self, String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(path)?;
            file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(format!("is larger than {MAX_FILE} bytes"));
        }
        Self::parse(&bytes, refusal)
    }

    fn parse(json: &[u8], refusal: Refusal) -> Result<Self, String> {
        let Document {
            users,
            anonymous,
            others,
        } = Document::parse(json)?;
        let grant = |name: &str, rights: Option<Rights>| match rights {
            None => Ok(None),
            Some(Rights { rights, prefixes }) => {
                check_prefixes(name, &prefixes)?;
                Ok::<_, String>(Some(Grant::new(&rights, prefixes)))
            }
        };
        let anonymous = Arc::new(Pass {
            user: None,
            grant: grant("anonymous", anonymous)?.unwrap_or_default(),
            refusal,
        });
        let others = grant("others", others)?;
        let (mut passwords, mut tokens, mut names) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        for user in users {
            let name = user.name;
            if !is_name(&name) {
                return Err("has a user whose name is empty, over 128 characters, or has a colon or control character".to_owned());
            }
            check_prefixes(&name, &user.prefixes)?;
            let pass = Arc::new(Pass {
                user: Some(name.as_str().into()),
                grant: Grant::new(&user.rights, user.prefixes),
                refusal: Refusal::Forbidden,
            });
            let entry = |hash: &str, what: &str| {
                let hash = Hash::parse(hash)
                    .map_err(|why| format!("has user {name:?} whose {what} {why}"))?;
                let pass = Arc::clone(&pass);
                Ok::<_, String>(Entry { hash, pass })
            };
            if let Some(hash) = &user.password {
                passwords.insert(name.clone(), entry(hash, "password")?);
            }
            for (id, hash) in &user.tokens {
                if !is_id(id) {
                    return Err(format!(
                        "has user {name:?} with a token whose id is no 1 to 64 of A-Z a-z 0-9 - _"
                    ));
                }
                if tokens.insert(id.clone(), entry(hash, "token")?).is_some() {
                    return Err(format!("has the token {id} twice"));
                }
            }
            if names.insert(name.clone(), pass).is_some() {
                return Err(format!("has user {name:?} twice"));
            }
        }
        let hashes = |entries: &HashMap<String, Entry>| {
            entries.values().map(|entry| entry.hash.clone()).collect()
        };
        let decoys = Decoys::new(json, hashes(&passwords), hashes(&tokens));
        let secrets = passwords.len() + tokens.len();
        Ok(Self {
            passwords,
            tokens,
            names,
            anonymous,
            others,
            refusal,
            decoys,
            verified: Verified::new(secrets).map_err(|error| error.to_string())?,
        })
    }

    /// Without a file: everything for everyone who is signed in, nothing for others.
    pub(super) fn of_everyone(refusal: Refusal) -> std::io::Result<Self> {
        let mut directory = Self::parse(b"{}", refusal).map_err(std::io::Error::other)?;
        directory.others = Some(Grant::everything());
        Ok(directory)
    }

    /// Whether there is somebody who can sign in in this way, or nobody who is to.
    pub(super) fn can_sign_in_by(&self, scheme: Scheme) -> Result<(), String> {
        let (secrets, what) = match scheme {
            Scheme::Basic => (
                &self.passwords,
                "gives no user a password, and AUTH is basic",
            ),
            Scheme::Bearer => (&self.tokens, "gives no user a token, and AUTH is bearer"),
        };
        if secrets.is_empty() && !self.names.is_empty() {
            return Err(what.to_owned());
        }
        Ok(())
    }

    pub(super) fn password(&self, name: &str) -> Option<&Entry> {
        self.passwords.get(name)
    }

    pub(super) fn token(&self, id: &str) -> Option<&Entry> {
        self.tokens.get(id)
    }

    pub(super) fn anonymous(&self) -> Arc<Pass> {
        Arc::clone(&self.anonymous)
    }

    pub(super) fn anonymous_may_do_something(&self) -> bool {
        !self.anonymous.grant.is_empty()
    }

    /// Of one whom a proxy names.
    pub(super) fn named(&self, name: &str) -> Arc<Pass> {
        if let Some(pass) = self.names.get(name) {
            return Arc::clone(pass);
        }
        Arc::new(Pass {
            user: Some(name.into()),
            grant: self.others.clone().unwrap_or_default(),
            refusal: self.refusal,
        })
    }

    /// How many have a name.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HASH: &str =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

    fn parse(text: &str) -> Result<Directory, String> {
        Directory::parse(text.replace("HASH", HASH).as_bytes(), Refusal::Forbidden)
    }

    #[test]
    fn users_are_found_by_password_token_and_name() {
        let text = r#"{"users":[
            {"name":"ann","password":"HASH","rights":["read","list"],"prefixes":["ann/","b/."]},
            {"name":"ci","tokens":{"k1":"HASH","k2":"HASH"},"rights":["write"]}],
            "anonymous":{"rights":["list"]}}"#;
        let users = parse(text).unwrap();
        assert_eq!(users.count(), 2);
        assert!(users.password("ann").is_some() && users.password("ci").is_none());
        let ci = users.token("k2").unwrap();
        assert_eq!(ci.pass.user.as_deref(), Some("ci"));
        assert!(users.anonymous_may_do_something());
        let stranger = users.named("eve");
        assert!(stranger.grant.is_empty());
        assert!(!users.named("ann").grant.is_empty());
    }

    #[test]
    fn a_document_with_a_fault_is_refused_and_no_hash_is_repeated() {
        for text in [
            "",
            "[]",
            r#"{"user":[]}"#,
            r#"{"users":[{"name":"a"}]}"#,
            r#"{"users":[{"name":"a","rights":["root"]}]}"#,
            r#"{"users":[{"name":"a","password":"HASHx$","rights":[]}]}"#,
            r#"{"users":[{"name":"a:b","rights":[]}]}"#,
            r#"{"users":[{"name":"","rights":[]}]}"#,
            r#"{"users":[{"name":"a","rights":[]},{"name":"a","rights":[]}]}"#,
            r#"{"users":[{"name":"a","tokens":{"x":"HASH"},"rights":[]},{"name":"b","tokens":{"x":"HASH"},"rights":[]}]}"#,
            r#"{"users":[{"name":"a","tokens":{"x.y":"HASH"},"rights":[]}]}"#,
            r#"{"users":[{"name":"a","rights":[],"prefixes":[]}]}"#,
            r#"{"users":[{"name":"a","rights":[],"prefixes":["a/../b"]}]}"#,
            r#"{"anonymous":{"rights":[],"prefixes":["/a"]}}"#,
            r#"{"users":[{"name":"a","password":"hunter2","rights":[]}]}"#,
            r#"{"users":[{"name":"a","rights":["hunter2"]}]}"#,
        ] {
            let Err(why) = parse(text) else {
                panic!("{text}")
            };
            assert!(!why.contains("CTFh") && !why.contains("hunter2"), "{why}");
        }
    }

    #[test]
    fn a_file_with_which_nobody_could_sign_in_is_told_so() {
        let (basic, bearer) = (Scheme::Basic, Scheme::Bearer);
        let password = parse(r#"{"users":[{"name":"a","password":"HASH","rights":[]}]}"#).unwrap();
        let token = parse(r#"{"users":[{"name":"a","tokens":{"x":"HASH"},"rights":[]}]}"#).unwrap();
        let gallery = parse(r#"{"anonymous":{"rights":["read"]}}"#).unwrap();
        assert!(password.can_sign_in_by(basic).is_ok() && token.can_sign_in_by(bearer).is_ok());
        assert!(password.can_sign_in_by(bearer).is_err() && token.can_sign_in_by(basic).is_err());
        assert!(gallery.can_sign_in_by(basic).is_ok() && gallery.can_sign_in_by(bearer).is_ok());
    }

    proptest! {
        #[test]
        fn no_document_breaks_the_parser(text in "\\PC{0,60}", name in "\\PC{0,9}", prefix in "\\PC{0,9}") {
            let _ = parse(&text);
            let user = serde_json::json!({"name": name, "rights": ["read"], "prefixes": [prefix]});
            let _ = parse(&serde_json::json!({"users": [user]}).to_string());
        }
    }
}
