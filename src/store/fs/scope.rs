//! Which keys a page of a listing may hold: its prefix, and where the page before ended.
//! Finding the keys is `walk`'s business.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::store::{INTERNAL_PREFIX, MAX_KEY_BYTES};

/// Where a page ended: what the next one leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// Keys up to this one.
    Key(String),
    /// Keys up to and with those that begin so.
    Prefix(String),
}

impl Position {
    /// As a cursor.
    pub(super) fn encode(&self) -> String {
        let (kind, text) = match self {
            Self::Key(key) => ('k', key),
            Self::Prefix(prefix) => ('p', prefix),
        };
        URL_SAFE_NO_PAD.encode(format!("{kind}{text}"))
    }

    /// What [`Position::encode`] gave in a listing of `prefix`; anything else is none of ours.
    pub(super) fn decode(cursor: &str, prefix: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let mut text = String::from_utf8(bytes).ok()?;
        if !(2..=MAX_KEY_BYTES + 1).contains(&text.len()) || !text.is_char_boundary(1) {
            return None;
        }
        let rest = text.split_off(1);
        if !rest.starts_with(prefix) {
            return None;
        }
        match text.as_str() {
            "k" => Some(Self::Key(rest)),
            "p" => Some(Self::Prefix(rest)),
            _ => None,
        }
    }
}

/// What keys a walk still has to visit.
pub(super) struct Scope {
    pub(super) prefix: String,
    pub(super) after: Option<Position>,
    /// The program's own temporary objects, and no others; else all others.
    pub(super) internal: bool,
}

impl Scope {
    /// Whether this key is asked for.
    pub(super) fn has_key(&self, key: &[u8]) -> bool {
        key.starts_with(self.prefix.as_bytes())
            && key.starts_with(INTERNAL_PREFIX.as_bytes()) == self.internal
            && match &self.after {
                None => true,
                Some(Position::Key(after)) => key > after.as_bytes(),
                Some(Position::Prefix(after)) => {
                    key > after.as_bytes() && !key.starts_with(after.as_bytes())
                }
            }
    }

    /// Whether there may be a key asked for among those that begin with `start`.
    pub(super) fn may_lie_below(&self, start: &[u8]) -> bool {
        let prefix = self.prefix.as_bytes();
        (start.starts_with(prefix) || prefix.starts_with(start))
            && (self.internal || !start.starts_with(INTERNAL_PREFIX.as_bytes()))
            && match &self.after {
                None => true,
                Some(Position::Key(after)) => {
                    start > after.as_bytes() || after.as_bytes().starts_with(start)
                }
                Some(Position::Prefix(after)) => {
                    let after = after.as_bytes();
                    !start.starts_with(after) && (start > after || after.starts_with(start))
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back() {
        for position in [Position::Key("a/é".into()), Position::Prefix("a/".into())] {
            assert_eq!(Position::decode(&position.encode(), "a"), Some(position));
        }
    }

    #[test]
    fn directories_that_cannot_hold_a_key_asked_for_are_passed() {
        let scope = |prefix: &str, after| Scope {
            prefix: prefix.into(),
            after,
            internal: false,
        };
        assert!(!scope("b/d/", None).may_lie_below(b"a/"));
        assert!(!scope("b/d/", None).may_lie_below(b"b/c/"));
        assert!(scope("b/d/", None).may_lie_below(b"b/"));
        let after = Some(Position::Prefix("b/".into()));
        assert!(!scope("", after.clone()).may_lie_below(b"b/d/"));
        assert!(!scope("", after).may_lie_below(b"a/"));
        let after = Some(Position::Key("b/d/e".into()));
        assert!(scope("", after.clone()).may_lie_below(b"b/d/"));
        assert!(!scope("", after).may_lie_below(b"b/c/"));
    }
}
