//! The form of the users file: one JSON document, as the README has it. What follows from it is
//! `users`' business.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::who::Right;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) users: Vec<User>,
    #[serde(default)]
    pub(super) anonymous: Option<Rights>,
    #[serde(default)]
    pub(super) others: Option<Rights>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) name: String,
    #[serde(default)]
    pub(super) password: Option<String>,
    /// Hash by id.
    #[serde(default)]
    pub(super) tokens: BTreeMap<String, String>,
    pub(super) rights: Vec<Right>,
    #[serde(default = "everywhere")]
    pub(super) prefixes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rights {
    pub(super) rights: Vec<Right>,
    #[serde(default = "everywhere")]
    pub(super) prefixes: Vec<String>,
}

fn everywhere() -> Vec<String> {
    vec![String::new()]
}

impl Document {
    /// Reads it. A fault is told by its place.
    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        // The parser would take a list for an object whose fields have no names.
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err("is no JSON object".to_owned());
        }
        serde_json::from_slice(json).map_err(|error| {
            // The parser's own words may repeat a value.
            format!(
                "is no document of users, at line {} column {}",
                error.line(),
                error.column()
            )
        })
    }
}

pub(super) fn check_prefixes(name: &str, prefixes: &[String]) -> Result<(), String> {
    if prefixes.is_empty() {
        return Err(format!(
            "has {name:?} with no prefix at all; leave prefixes out for every key"
        ));
    }
    if prefixes.iter().any(|prefix| prefix.starts_with('/')) {
        return Err(format!(
            "has {name:?} with a prefix that begins with a slash, as no key does"
        ));
    }
    let folds = |prefix: &String| {
        // What is after the last slash is the beginning of a name.
        let (folders, _) = prefix.rsplit_once('/').unwrap_or_default();
        folders.split('/').any(|part| matches!(part, "." | ".."))
    };
    if prefixes.iter().any(folds) {
        return Err(format!(
            "has {name:?} with a prefix that has a segment . or .., below which nobody is let"
        ));
    }
    Ok(())
}

pub(super) fn is_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (1..=64).contains(&text.len()) && text.chars().all(plain)
}
