//! Who may do what: signing in by `AUTH`, and the rights of users and of who has not signed in.
//! Which rights a request needs is the table in `route`; what is refused becomes a status in `error`.

mod credentials;
mod decoy;
mod delay;
mod document;
mod hash;
mod sign_in;
mod users;
mod verified;
mod watch;
mod who;

use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use hyper::HeaderMap;
use hyper::header::HeaderName;

use crate::config::Auth;
use crate::error::Error;
use credentials::Scheme;
use delay::Delays;
use hash::Verifier;
pub use hash::{new_token, of_password};
pub use sign_in::Claim;
use users::Directory;
pub use watch::watch;
pub use who::{Right, Way, Who};

/// Reads a users file, to say what is wrong with it.
pub fn check_file(path: &Path, auth: &Auth) -> Result<(), String> {
    first(path, &kind(auth)).map(|_| ())
}

/// What a server begins with: where nobody could sign in, the settings contradict each other.
fn first(path: &Path, kind: &Kind) -> Result<Directory, String> {
    let users = Directory::load(path, kind.refusal())?;
    match kind {
        Kind::Scheme(scheme) => users.can_sign_in_by(*scheme).map(|()| users),
        Kind::Off | Kind::Proxy(_) => Ok(users),
    }
}

/// How it is found out who asks.
pub struct Access {
    kind: Kind,
    /// Replaced as a whole when the file changes, and with it what was verified by it.
    users: RwLock<Arc<Directory>>,
    verifier: Verifier,
    delays: Delays,
    watched: watch::Watched,
}

enum Kind {
    Off,
    Scheme(Scheme),
    /// A proxy that is trusted says who it is, in this header.
    Proxy(HeaderName),
}

impl Kind {
    fn refusal(&self) -> who::Refusal {
        match self {
            Self::Scheme(scheme) => who::Refusal::Challenge(scheme.challenge()),
            Self::Off | Self::Proxy(_) => who::Refusal::Forbidden,
        }
    }
}

fn kind(auth: &Auth) -> Kind {
    match auth {
        Auth::Off => Kind::Off,
        Auth::Basic { .. } => Kind::Scheme(Scheme::Basic),
        Auth::Bearer { .. } => Kind::Scheme(Scheme::Bearer),
        Auth::Proxy { header, .. } => Kind::Proxy(header.clone()),
    }
}

/// Who it is, or what must be verified to know.
pub enum Identity {
    /// Known.
    Known(Who),
    /// Credentials that have not been seen before.
    Claimed(Claim),
}

impl Access {
    /// As `auth` says. Fails when its users cannot be read.
    pub fn new(auth: &Auth) -> io::Result<Self> {
        let kind = kind(auth);
        let (users, watched) = match auth.users_file() {
            None => (
                Directory::of_everyone(kind.refusal())?,
                watch::Watched::default(),
            ),
            Some(path) => {
                // Looked at before it is read: what changes in between is read again.
                let watched = watch::Watched::of(path);
                (first(path, &kind).map_err(io::Error::other)?, watched)
            }
        };
        Ok(Self {
            kind,
            users: RwLock::new(Arc::new(users)),
            verifier: Verifier::default(),
            delays: Delays::default(),
            watched,
        })
    }

    /// Whether everyone may do everything.
    #[must_use]
    pub fn is_off(&self) -> bool {
        matches!(self.kind, Kind::Off)
    }

    /// Whether a browser must be made to ask for a password before it is given the page: where
    /// nothing can be done without.
    #[must_use]
    pub fn keeps_the_page(&self) -> bool {
        matches!(self.kind, Kind::Scheme(Scheme::Basic))
            && !self.users().anonymous_may_do_something()
    }

    /// Who sends a request with these headers. `trusted`: it came through a proxy that is.
    ///
    /// Fails with a 401 for credentials that cannot be read, with a 403 for a proxy that says two
    /// things.
    pub fn identify(
        &self,
        who: &Who,
        trusted: bool,
        headers: &HeaderMap,
    ) -> Result<Identity, Error> {
        match &self.kind {
            Kind::Off => Ok(Identity::Known(who.clone().free())),
            Kind::Scheme(scheme) => {
                let users = self.users();
                let Some(given) = scheme.find(headers)? else {
                    return Ok(Identity::Known(who.clone().holding(users.anonymous())));
                };
                let seal = users.verified.seal(given.as_bytes());
                if let Some(pass) = users.verified.find(&seal) {
                    return Ok(Identity::Known(who.clone().holding(pass)));
                }
                Claim::new(*scheme, given, seal, users).map(Identity::Claimed)
            }
            Kind::Proxy(header) => {
                let users = self.users();
                let pass = match credentials::named(headers, header).filter(|_| trusted) {
                    Some(name) => users.named(name?),
                    None => users.anonymous(),
                };
                Ok(Identity::Known(who.clone().holding(pass)))
            }
        }
    }

    fn users(&self) -> Arc<Directory> {
        Arc::clone(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a server goes on with: to lock out the last one who could sign in is no fault.
    fn load(&self, path: &Path) -> Result<Directory, String> {
        Directory::load(path, self.kind.refusal())
    }

    fn replace(&self, users: Directory) {
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(users);
    }
}
