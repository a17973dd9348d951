//! `AUTH` and what goes with it. What the users file says, and who may do what by it, is `access`'
//! business.

use std::path::{Path, PathBuf};

use hyper::header::HeaderName;

use super::{Origins, Reader};
use crate::access;
use crate::address::Networks;

/// The header of proxies that sign users in, where `AUTH_PROXY_HEADER` names no other. Only one: of
/// two, a proxy that sets one would let the client's own through as the other.
const PROXY_HEADER: HeaderName = HeaderName::from_static("x-forwarded-user");

/// How it is found out who asks.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// It is not: everyone may do everything.
    #[default]
    Off,
    /// By name and password (RFC 7617).
    Basic {
        /// Who there is.
        users: PathBuf,
    },
    /// By token (RFC 6750).
    Bearer {
        /// Who there is.
        users: PathBuf,
    },
    /// By a header that a trusted proxy sets.
    Proxy {
        /// It holds the user's name.
        header: HeaderName,
        /// Who may do what; without it whoever has a name may do everything.
        users: Option<PathBuf>,
    },
}

impl Auth {
    /// The users file.
    #[must_use]
    pub fn users_file(&self) -> Option<&Path> {
        match self {
            Self::Off => None,
            Self::Basic { users } | Self::Bearer { users } => Some(users),
            Self::Proxy { users, .. } => users.as_deref(),
        }
    }
}

/// Reads it, and names what contradicts itself.
pub(super) fn read(env: &mut Reader<'_>, proxies: &Networks, origins: &Origins) -> Auth {
    let mode = env.optional("AUTH").unwrap_or_default();
    let users = env.optional("AUTH_USERS_FILE").map(PathBuf::from);
    let header = env.optional("AUTH_PROXY_HEADER");
    if mode != "proxy" && header.is_some() {
        env.fault("AUTH_PROXY_HEADER", "is for AUTH=proxy only");
    }
    let auth = match (mode.as_str(), users) {
        ("off", None) => Auth::Off,
        ("off", Some(_)) => {
            env.fault(
                "AUTH_USERS_FILE",
                "is set, and AUTH is off: nobody would be asked who they are",
            );
            Auth::Off
        }
        ("basic", Some(users)) => Auth::Basic { users },
        ("bearer", Some(users)) => Auth::Bearer { users },
        ("basic" | "bearer", None) => {
            env.fault("AUTH_USERS_FILE", "is needed when AUTH is basic or bearer");
            Auth::Off
        }
        ("proxy", users) => {
            if proxies.is_empty() {
                env.fault(
                    "TRUSTED_PROXIES",
                    "is needed when AUTH is proxy: anyone could send the header",
                );
            }
            if proxies.contain_everyone() {
                env.fault(
                    "TRUSTED_PROXIES",
                    "must not be everyone when AUTH is proxy: anyone could send the header",
                );
            }
            let header = header.map_or(Ok(PROXY_HEADER), |name| name.parse());
            let header = header.unwrap_or_else(|_| {
                env.fault("AUTH_PROXY_HEADER", "must be the name of a header");
                PROXY_HEADER
            });
            Auth::Proxy { header, users }
        }
        _ => {
            env.fault("AUTH", "must be off, basic, bearer or proxy");
            Auth::Off
        }
    };
    // Browsers add the password, or the proxy its header, to what any page makes them send.
    if matches!(auth, Auth::Basic { .. } | Auth::Proxy { .. }) && *origins == Origins::Any {
        env.fault(
            "ALLOWED_ORIGINS",
            "must name origins when AUTH is basic or proxy: with * any page could act as who is signed in",
        );
    }
    if let Some(path) = auth.users_file()
        && let Err(why) = access::check_file(path, &auth)
    {
        env.fault("AUTH_USERS_FILE", &why);
    }
    auth
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::{Config, Faults};

    fn config(pairs: &[(&str, &str)]) -> Result<Config, Faults> {
        let map: HashMap<&str, &str> = pairs.iter().copied().collect();
        Config::from_lookup(&|name| map.get(name).map(|v| (*v).to_owned()))
    }

    #[test]
    fn settings_that_contradict_each_other_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{}").unwrap();
        let users = ("AUTH_USERS_FILE", file.path().to_str().unwrap());
        let proxies = ("TRUSTED_PROXIES", "10.0.0.0/8");
        for (pairs, named) in [
            (&[("AUTH", "open")][..], "AUTH must"),
            (&[users], "AUTH_USERS_FILE is set"),
            (&[("AUTH", "basic")], "AUTH_USERS_FILE is needed"),
            (&[("AUTH", "bearer")], "AUTH_USERS_FILE is needed"),
            (
                &[("AUTH", "basic"), ("AUTH_USERS_FILE", "/nonexistent")],
                "AUTH_USERS_FILE cannot be read",
            ),
            (&[("AUTH", "proxy")], "TRUSTED_PROXIES is needed"),
            (
                &[("AUTH", "proxy"), ("TRUSTED_PROXIES", "10.0.0.0/8,::/0")],
                "TRUSTED_PROXIES must not",
            ),
            (
                &[("AUTH", "proxy"), proxies, ("AUTH_PROXY_HEADER", "a b")],
                "AUTH_PROXY_HEADER must",
            ),
            (
                &[("AUTH", "basic"), users, ("AUTH_PROXY_HEADER", "x")],
                "AUTH_PROXY_HEADER is for",
            ),
            (
                &[("AUTH", "basic"), users, ("ALLOWED_ORIGINS", "*")],
                "ALLOWED_ORIGINS must",
            ),
            (
                &[("AUTH", "proxy"), proxies, ("ALLOWED_ORIGINS", "*")],
                "ALLOWED_ORIGINS must",
            ),
            (&[("TRUSTED_PROXIES", "10.0.0.1/8")], "TRUSTED_PROXIES must"),
        ] {
            let faults = config(pairs).map(|_| ()).unwrap_err().0;
            assert!(
                faults.iter().any(|fault| fault.starts_with(named)),
                "{named}: {faults:?}"
            );
        }
        for pairs in [
            &[("AUTH", "basic"), users][..],
            &[("AUTH", "bearer"), users, ("ALLOWED_ORIGINS", "*")],
            &[("AUTH", "proxy"), proxies],
            &[
                ("AUTH", "proxy"),
                proxies,
                users,
                ("AUTH_PROXY_HEADER", "X-Auth-Request-User"),
            ],
            &[proxies],
        ] {
            assert!(config(pairs).is_ok(), "{pairs:?}");
        }
    }
}
