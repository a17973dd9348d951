//! `GET /files?prefix=…&zip`: all objects below a prefix as one zip. What a zip is made of is
//! `crate::zip`'s business.

use std::sync::Arc;

use hyper::Response;
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use super::{files, headers};
use crate::access::Who;
use crate::app::App;
use crate::body::Body;
use crate::error::Error;
use crate::route::Query;
use crate::store::{Bytestream, KeyRules, ListQuery, Store, StoreError, StoreResult};
use crate::zip::{self, Catalog, Full, Open};

/// Keys in a page while the zip is being planned.
const PAGE: u16 = 1000;

/// The zip. Everything is listed before the first byte, so that what is too much is refused with
/// an answer, and so that memory cannot run out in the middle.
pub(super) async fn get(app: &App, query: &Query, who: &Who) -> Result<Response<Body>, Error> {
    let prefix = files::prefix(query)?;
    who.reach(prefix)?;
    let mut catalog = Catalog::new(prefix, Arc::clone(&app.process.zip_memory));
    let mut ask = ListQuery {
        prefix: prefix.to_owned(),
        delimiter: None,
        limit: PAGE,
        cursor: None,
    };
    loop {
        let page = app.store.list(&ask).await?;
        for object in &page.objects {
            if app.keys.readable(&object.key).is_err() {
                continue;
            }
            catalog
                .add(&object.key, object.size, object.last_modified.timestamp())
                .map_err(refusal)?;
        }
        ask.cursor = page.next_cursor;
        if ask.cursor.is_none() {
            break;
        }
    }
    if catalog.is_empty() {
        return Err(Error::NotFound);
    }
    let objects = Objects {
        store: Arc::clone(&app.store),
        keys: app.keys.clone(),
    };
    let mut response = Response::new(Body::stream(zip::stream(catalog, objects), None));
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let name = format!("{}.zip", folder_name(prefix));
    fields.insert(
        CONTENT_DISPOSITION,
        headers::disposition("attachment", &name),
    );
    Ok(response)
}

/// The last folder of the prefix; `files` where there is none.
fn folder_name(prefix: &str) -> &str {
    let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    match folder.rsplit('/').next() {
        Some(name) if !name.is_empty() => name,
        _ => "files",
    }
}

fn refusal(full: Full) -> Error {
    match full {
        Full::Zip => Error::TooMany {
            detail: "A zip holds at most 100,000 files, fewer where their names are long.",
        },
        Full::Process => Error::Busy {
            detail: "Too many large zips are being made. Try again in a moment.",
        },
    }
}

struct Objects {
    store: Arc<dyn Store>,
    keys: KeyRules,
}

impl Open for Objects {
    async fn open(&mut self, key: &str) -> StoreResult<(u64, Bytestream)> {
        let key = self
            .keys
            .readable(key)
            .map_err(|error| StoreError::InvalidKey(error.into()))?;
        let download = self.store.get(&key, None, None, None).await?;
        Ok((download.meta.size, download.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zip_is_named_after_the_last_folder() {
        for (prefix, name) in [
            ("", "files"),
            ("photos/", "photos"),
            ("photos/2024/img", "2024"),
            ("img", "files"),
            ("//", "files"),
        ] {
            assert_eq!(folder_name(prefix), name, "{prefix}");
        }
    }
}
