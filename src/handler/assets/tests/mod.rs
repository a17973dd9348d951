//! What is embedded, and how a request for it is answered.

mod answers;
mod embedded;

use super::{ASSETS, Asset, find};

fn page() -> &'static Asset {
    find("").unwrap_or(&ASSETS[0])
}
