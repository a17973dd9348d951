//! Who sends a request and what they may do. Finding that out is `sign_in`'s business.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::Error;
use crate::store::Condition;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Objects and their versions.
    Read = 1,
    /// What there is.
    List = 2,
    /// New objects; others only with [`Right::Delete`].
    Write = 4,
    /// Ends objects: by deleting them, and by writing over them.
    Delete = 8,
}

/// Rights, and where they hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Grant {
    rights: u8,
    /// What keys begin with; `""` for all.
    prefixes: Vec<String>,
}

impl Grant {
    pub(super) fn new(rights: &[Right], prefixes: Vec<String>) -> Self {
        let rights = rights.iter().fold(0, |sum, right| sum | *right as u8);
        Self { rights, prefixes }
    }

    pub(super) fn everything() -> Self {
        let all = [Right::Read, Right::List, Right::Write, Right::Delete];
        Self::new(&all, vec![String::new()])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rights == 0
    }

    fn has(&self, right: Right) -> bool {
        self.rights & right as u8 != 0
    }

    /// Below a prefix there is nothing with `.` or `..` for a folder: a store, or what stands before
    /// it, might fold that into a key elsewhere.
    fn covers(&self, text: &str) -> bool {
        let folds = || text.split('/').any(|segment| matches!(segment, "." | ".."));
        let within = |prefix: &String| prefix.is_empty() || (text.starts_with(prefix) && !folds());
        self.prefixes.iter().any(within)
    }
}

/// What who may not is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// That signing in may help; the value is `WWW-Authenticate`'s.
    Challenge(&'static str),
    /// That it will not.
    Forbidden,
}

impl Refusal {
    fn error(self) -> Error {
        match self {
            Self::Challenge(challenge) => Error::Unauthorized { challenge },
            Self::Forbidden => Error::Forbidden {
                code: "forbidden",
                detail: "You have not the right to do this here.",
            },
        }
    }
}

/// What somebody is given when it is known who they are.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) user: Option<Arc<str>>,
    pub(super) grant: Grant,
    pub(super) refusal: Refusal,
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Who {
    /// The client's address: a proxy's word for it where that one is trusted.
    pub from: IpAddr,
    /// Whether the client speaks HTTPS, with a proxy that is trusted.
    pub https: bool,
    standing: Standing,
}

#[derive(Debug, Clone)]
enum Standing {
    /// Nobody has asked yet: may do nothing.
    Unknown,
    /// May do everything.
    Free,
    Holder(Arc<Pass>),
}

/// How a prefix lies to what somebody may list.
#[derive(Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// All below it is theirs.
    Within,
    /// These below it are.
    Above(Vec<&'a str>),
}

impl Who {
    /// A client at this address, of whom no more is known.
    #[must_use]
    pub fn at(from: IpAddr, https: bool) -> Self {
        Self {
            from,
            https,
            standing: Standing::Unknown,
        }
    }

    /// May do everything.
    #[must_use]
    pub fn free(self) -> Self {
        Self {
            standing: Standing::Free,
            ..self
        }
    }

    pub(super) fn holding(self, pass: Arc<Pass>) -> Self {
        Self {
            standing: Standing::Holder(pass),
            ..self
        }
    }

    /// The user's name, of one who has signed in. May have any character but controls.
    #[must_use]
    pub fn user(&self) -> Option<&Arc<str>> {
        match &self.standing {
            Standing::Holder(pass) => pass.user.as_ref(),
            Standing::Unknown | Standing::Free => None,
        }
    }

    /// Whether they have signed in, or need not.
    #[must_use]
    pub fn is_known(&self) -> bool {
        matches!(self.standing, Standing::Free) || self.user().is_some()
    }

    /// Whether they may do this to some keys at least.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        match &self.standing {
            Standing::Unknown => false,
            Standing::Free => true,
            Standing::Holder(pass) => pass.grant.has(right),
        }
    }

    /// Fails with a 401 or 403 where one of these rights is missing.
    pub fn need(&self, rights: &[Right]) -> Result<(), Error> {
        if rights.iter().all(|right| self.has(*right)) {
            Ok(())
        } else {
            Err(self.refused())
        }
    }

    /// Fails in the same way where the key is none of theirs, whether there is such an object or not.
    pub fn reach(&self, key: &str) -> Result<(), Error> {
        let covered = match &self.standing {
            Standing::Unknown => false,
            Standing::Free => true,
            Standing::Holder(pass) => pass.grant.covers(key),
        };
        if covered { Ok(()) } else { Err(self.refused()) }
    }

    /// How a prefix that is to be listed lies to theirs; fails where it leads elsewhere.
    pub fn way(&self, prefix: &str) -> Result<Way<'_>, Error> {
        if self.reach(prefix).is_ok() {
            return Ok(Way::Within);
        }
        let Standing::Holder(pass) = &self.standing else {
            return Err(self.refused());
        };
        let below = pass.grant.prefixes.iter().map(String::as_str);
        let below: Vec<_> = below.filter(|own| own.starts_with(prefix)).collect();
        if below.is_empty() {
            return Err(self.refused());
        }
        Ok(Way::Above(below))
    }

    /// Fails where neither what begins with the prefix is theirs, nor some of it.
    pub fn leads(&self, prefix: &str) -> Result<(), Error> {
        self.way(prefix).map(|_| ())
    }

    /// The condition under which they may write: who cannot delete cannot write over what is there.
    pub fn condition(&self, asked: Condition) -> Result<Condition, Error> {
        match asked {
            asked if self.has(Right::Delete) => Ok(asked),
            Condition::None | Condition::IfAbsent => Ok(Condition::IfAbsent),
            Condition::IfMatch(_) => Err(self.refused()),
        }
    }

    /// What they are told when they may not.
    #[must_use]
    pub fn refused(&self) -> Error {
        match &self.standing {
            Standing::Holder(pass) => pass.refusal.error(),
            Standing::Unknown | Standing::Free => Refusal::Forbidden.error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn who(rights: &[Right], prefixes: &[&str]) -> Who {
        let prefixes = prefixes.iter().map(|&text| text.to_owned()).collect();
        Who::at([127, 0, 0, 1].into(), false).holding(Arc::new(Pass {
            user: Some("u".into()),
            grant: Grant::new(rights, prefixes),
            refusal: Refusal::Forbidden,
        }))
    }

    #[test]
    fn of_whom_nothing_is_known_may_do_nothing() {
        let unknown = Who::at([127, 0, 0, 1].into(), false);
        assert!(unknown.need(&[Right::Read]).is_err());
        assert!(unknown.reach("a").is_err() && unknown.way("").is_err());
        assert_eq!(
            unknown.condition(Condition::None).unwrap(),
            Condition::IfAbsent
        );
        let free = unknown.free();
        assert!(free.need(&[Right::Delete, Right::Read]).is_ok());
        assert_eq!(free.way("").unwrap(), Way::Within);
    }

    #[test]
    fn above_what_is_theirs_only_the_way_to_it_is_seen() {
        let who = who(&[Right::List], &["team/a/", "team/b/", "x/"]);
        assert_eq!(who.way("team/a/deep").unwrap(), Way::Within);
        assert_eq!(
            who.way("team/").unwrap(),
            Way::Above(vec!["team/a/", "team/b/"])
        );
        assert_eq!(
            who.way("te").unwrap(),
            Way::Above(vec!["team/a/", "team/b/"])
        );
        assert!(who.way("team/c/").is_err() && who.way("team/a\u{0}").is_err());
        assert!(who.reach("team/a/../b/x").is_err() && who.reach("team/a/..x").is_ok());
        assert!(who.reach("team/a").is_err() && who.reach("team/ab").is_err());
    }

    #[test]
    fn only_who_can_delete_writes_over_what_is_there() {
        let writer = who(&[Right::Write], &[""]);
        assert_eq!(
            writer.condition(Condition::None).unwrap(),
            Condition::IfAbsent
        );
        assert!(writer.condition(Condition::IfMatch("e".into())).is_err());
        let owner = who(&[Right::Write, Right::Delete], &[""]);
        assert_eq!(owner.condition(Condition::None).unwrap(), Condition::None);
    }

    proptest! {
        #[test]
        fn a_key_is_reached_just_when_its_prefix_is_within(key in "[ab/]{0,8}", own in "[ab/]{0,4}") {
            let who = who(&[Right::Read], &[&own]);
            prop_assert_eq!(who.reach(&key).is_ok(), key.starts_with(&own), "{} {}", key, own);
            prop_assert_eq!(matches!(who.way(&key), Ok(Way::Within)), key.starts_with(&own));
        }
    }
}
