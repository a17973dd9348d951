//! What each key may hold. Every key has one writer, who knows: what was acknowledged, or, where
//! the answer to a write was lost, what was before or what was written. Such a key is not written
//! again, as nobody could say which write came last.

use std::collections::BTreeMap;

use crate::support::sha256;

/// How many bytes an object has, and their SHA-256; None where there is no object.
pub type Content = Option<String>;

/// Of these bytes.
pub fn digest(bytes: &[u8]) -> String {
    format!("{}-{}", bytes.len(), sha256([bytes]))
}

#[derive(Default)]
pub struct Ledger {
    /// What a key may hold: one thing, or several.
    pub keys: BTreeMap<String, Vec<Content>>,
    /// Source and target of moves of unknown outcome: one of them at least is there.
    pub moves: Vec<(String, String)>,
    /// Keys that hold an object for certain.
    live: Vec<String>,
}

impl Ledger {
    /// It holds this, and nothing else.
    pub fn certain(&mut self, key: &str, content: Content) {
        self.live.retain(|live| live != key);
        if content.is_some() {
            self.live.push(key.to_owned());
        }
        self.keys.insert(key.to_owned(), vec![content]);
    }

    /// It holds this, or what it held before.
    pub fn perhaps(&mut self, key: &str, content: Content) {
        self.live.retain(|live| live != key);
        let may = self
            .keys
            .entry(key.to_owned())
            .or_insert_with(|| vec![None]);
        if !may.contains(&content) {
            may.push(content);
        }
    }

    /// It was written to, without any effect.
    pub fn untouched(&mut self, key: &str) {
        self.keys
            .entry(key.to_owned())
            .or_insert_with(|| vec![None]);
    }

    pub fn live(&self) -> &[String] {
        &self.live
    }

    /// What a key holds for certain.
    pub fn content(&self, key: &str) -> Content {
        match self.keys.get(key).map(Vec::as_slice) {
            Some([content]) => content.clone(),
            _ => None,
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.moves.extend(other.moves);
    }
}
