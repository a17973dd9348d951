//! What must hold of each parser whatever it is fed, each said once: `cargo test` tries what
//! proptest and the kept corpora bring, `scripts/fuzz` what libFuzzer finds. Not part of the program.
//!
//! A property takes any bytes, reads them in the way that it describes, and panics when it does
//! not hold. Those of parsers that are private to the handlers are beside them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a property that does not hold panics"
)]

mod config;
mod key;
mod resume_id;
mod router;
mod shared;
#[cfg(test)]
mod tests;

pub use crate::handler::properties::{conditions, disposition, form};
pub use crate::handler::resumable::properties::{structured, tus};
pub use config::config;
pub(crate) use key::contained;
pub use key::key;
pub use resume_id::resume_id;
pub use router::router;
pub(crate) use shared::{Memory, Objects, app, headers, lines, pieces, stored, text};

/// Every property, under the name of its target in `fuzz/`.
pub const ALL: &[(&str, fn(&[u8]))] = &[
    ("router", router),
    ("key", key),
    ("conditions", conditions),
    ("disposition", disposition),
    ("form", form),
    ("tus", tus),
    ("structured", structured),
    ("resume_id", resume_id),
    ("config", config),
];
