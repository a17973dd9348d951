//! Listings: the question and the page that answers it.

use super::ObjectMeta;

/// What to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Only keys that begin with this; may be empty.
    pub prefix: String,
    /// Keys that share the part from the prefix to this text, inclusive, are given as one prefix.
    pub delimiter: Option<String>,
    /// Most keys and prefixes together, 1 to 1,000.
    pub limit: u16,
    /// Where to go on: [`ListPage::next_cursor`] of the page before.
    pub cursor: Option<String>,
}

/// One page of a listing, in UTF-8 byte order.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Objects; their content type is not known here.
    pub objects: Vec<ObjectMeta>,
    /// What the delimiter rolled up, each ending in the delimiter.
    pub prefixes: Vec<String>,
    /// Set while there may be more. Opaque: it means something only to the store that gave it.
    pub next_cursor: Option<String>,
}
