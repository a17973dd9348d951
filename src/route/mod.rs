//! (method, path) to [`Route`], without I/O. What a route does is in `handler`; how keys and queries
//! are decoded is in `query`.
//!
//! | path | methods | route |
//! |---|---|---|
//! | `/`, `/index.html` and the page's files | GET, HEAD | [`Route::Asset`] |
//! | `/openapi.json` | GET, HEAD | [`Route::Asset`]: what tells of all this |
//! | `/upload` | POST | [`Route::Upload`] |
//! | `/files` | GET, HEAD, POST, DELETE | [`Route::Files`]: a listing, `?zip`, `?delete`, or one object by `?key=` |
//! | `/files/{key}` | GET, HEAD, POST, PUT, DELETE | [`Route::File`]; what a POST does is in `handler::actions` |
//! | `/uploads` | OPTIONS, POST | [`Route::Uploads`]: begins a resumable upload |
//! | `/uploads/{id}` | OPTIONS, HEAD, PATCH, DELETE | [`Route::Resumable`] |
//! | `/health`, `/healthz`, `/livez` | GET, HEAD | [`Route::Health`] |
//! | `/ready`, `/readyz` | GET, HEAD | [`Route::Ready`] |
//!
//! All of it lies under `BASE_PATH`.

mod query;

use hyper::Method;
use log::Level;

use crate::access::Right;
use crate::error::Error;
use crate::handler::assets::{self, Asset};
use crate::handler::share;
pub use query::{Query, decode};

/// Where a request goes.
#[derive(Clone, Copy)]
pub enum Route<'a> {
    /// The page or one of its files.
    Asset(&'static Asset),
    /// `BASE_PATH` without its slash: sent on to the page.
    Base,
    /// Form upload.
    Upload,
    /// Listing, or an object named in the query.
    Files,
    /// One object; its key still percent-encoded.
    File(&'a str),
    /// Where resumable uploads begin.
    Uploads,
    /// One resumable upload, by its id.
    Resumable(&'a str),
    /// Liveness.
    Health,
    /// Readiness.
    Ready,
}

impl Route<'_> {
    /// What level its requests are logged at. Probes come every few seconds for ever: only who looks
    /// for them sees them.
    #[must_use]
    pub fn log_level(self) -> Level {
        match self {
            Self::Health | Self::Ready => Level::Debug,
            _ => Level::Info,
        }
    }

    /// The route as logs name it: never the raw path, which the client chooses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asset(asset) => asset.route(),
            Self::Base => "/",
            Self::Upload => "/upload",
            Self::Files => "/files",
            Self::File(_) => "/files/{key}",
            Self::Uploads => "/uploads",
            Self::Resumable(_) => "/uploads/{id}",
            Self::Health => "/health",
            Self::Ready => "/ready",
        }
    }

    /// The methods it takes, as the `Allow` header lists them.
    #[must_use]
    pub fn allow(self) -> &'static str {
        match self {
            Self::Asset(_) | Self::Base | Self::Health | Self::Ready => "GET, HEAD",
            Self::Upload => "POST",
            Self::Uploads => "OPTIONS, POST",
            Self::Resumable(_) => "OPTIONS, HEAD, PATCH, DELETE",
            Self::Files => "GET, HEAD, POST, DELETE",
            Self::File(_) => "GET, HEAD, POST, PUT, DELETE",
        }
    }

    /// What of [`Right`] a request of this method, which the route takes, and query needs. Where is
    /// for the handlers to see, which know the key.
    ///
    /// | request | rights |
    /// |---|---|
    /// | `GET /files` | list |
    /// | `GET /files?zip` | list, read |
    /// | `GET`, `HEAD` of an object, also `?versions` | read; none by a link that was shared |
    /// | `PUT`, `POST /upload`, all of `/uploads` | write; to replace an object delete too |
    /// | `DELETE`, `POST /files?delete` | delete |
    /// | `POST ?copy_to` | read, write |
    /// | `POST ?move_to` | read, write, delete |
    /// | `POST ?restore` | write; to replace an object delete too |
    /// | `POST ?share` | read |
    /// | the page, its files, probes, `OPTIONS` | none |
    pub fn needs(self, method: &Method, query: Option<&str>) -> Result<&'static [Right], Error> {
        use Right::{Delete, List, Read, Write};
        Ok(match self {
            _ if method == Method::OPTIONS => &[],
            Self::Asset(_) | Self::Base | Self::Health | Self::Ready => &[],
            Self::Upload | Self::Uploads | Self::Resumable(_) => &[Write],
            Self::Files | Self::File(_) => {
                let query = Query::parse(query)?;
                let is_one = matches!(self, Self::File(_)) || query.has("key");
                match *method {
                    Method::DELETE => &[Delete],
                    Method::POST if !is_one => &[Delete],
                    Method::POST if query.has("move_to") => &[Read, Write, Delete],
                    Method::POST if query.has("copy_to") => &[Read, Write],
                    Method::POST if query.has("share") => &[Read],
                    Method::PUT | Method::POST => &[Write],
                    // Its signature is the right, and is looked at before anything else is.
                    _ if is_one && share::is_link(&query) => &[],
                    _ if is_one => &[Read],
                    _ if query.has("zip") => &[List, Read],
                    _ => &[List],
                }
            }
        })
    }

    /// Whether it takes the method.
    pub fn check(self, method: &Method) -> Result<(), Error> {
        let allow = self.allow();
        if allow.split(", ").any(|allowed| allowed == method.as_str()) {
            Ok(())
        } else {
            Err(Error::MethodNotAllowed { allow })
        }
    }
}

/// The route of a path, if there is one.
#[must_use]
pub fn find<'a>(base_path: &str, path: &'a str) -> Option<Route<'a>> {
    let path = path.strip_prefix(base_path)?;
    if path.is_empty() {
        return Some(Route::Base);
    }
    let path = path.strip_prefix('/')?;
    Some(match path {
        "upload" => Route::Upload,
        "files" => Route::Files,
        "uploads" | "uploads/" => Route::Uploads,
        "health" | "healthz" | "livez" => Route::Health,
        "ready" | "readyz" => Route::Ready,
        _ => match (path.strip_prefix("files/"), path.strip_prefix("uploads/")) {
            (Some(key), _) => Route::File(key),
            (_, Some(id)) => Route::Resumable(id),
            (None, None) => Route::Asset(assets::find(path)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(base: &str, path: &str) -> Option<&'static str> {
        find(base, path).map(Route::name)
    }

    #[test]
    fn each_path_has_its_route() {
        assert_eq!(name("", "/"), Some("/"));
        assert_eq!(name("", "/upload"), Some("/upload"));
        assert_eq!(name("", "/files"), Some("/files"));
        assert_eq!(name("", "/files/a/b"), Some("/files/{key}"));
        assert_eq!(name("", "/uploads"), Some("/uploads"));
        assert_eq!(name("", "/uploads/x"), Some("/uploads/{id}"));
        assert_eq!(name("", "/livez"), Some("/health"));
        assert_eq!(name("", "/readyz"), Some("/ready"));
        assert_eq!(name("", "/nothing"), None);
        assert_eq!(name("", "/filesystem"), None);
    }

    #[test]
    fn everything_sits_under_the_base_path() {
        assert_eq!(name("/portal", "/portal/files"), Some("/files"));
        assert!(matches!(find("/portal", "/portal"), Some(Route::Base)));
        assert_eq!(name("/portal", "/files"), None);
        assert_eq!(name("/portal", "/portalfiles"), None);
    }

    #[test]
    fn each_request_needs_the_rights_of_what_it_does() {
        use Right::{Delete, List, Read, Write};
        for (method, path, query, rights) in [
            ("GET", "/", "", &[][..]),
            ("GET", "/ready", "", &[]),
            ("OPTIONS", "/uploads", "", &[]),
            ("POST", "/uploads", "", &[Write]),
            ("HEAD", "/uploads/x", "", &[Write]),
            ("DELETE", "/uploads/x", "", &[Write]),
            ("POST", "/upload", "", &[Write]),
            ("GET", "/files", "prefix=a", &[List]),
            ("GET", "/files", "zip&signature=x", &[List, Read]),
            ("GET", "/files", "signature=x", &[List]),
            ("HEAD", "/files", "key=a", &[Read]),
            ("GET", "/files/a", "versions", &[Read]),
            ("GET", "/files/a", "expires=1&signature=x", &[]),
            ("PUT", "/files/a", "signature=x", &[Write]),
            ("DELETE", "/files/a", "signature=x", &[Delete]),
            ("DELETE", "/files", "key=a", &[Delete]),
            ("POST", "/files", "delete", &[Delete]),
            ("POST", "/files/a", "copy_to=b", &[Read, Write]),
            ("POST", "/files", "key=a&move_to=b", &[Read, Write, Delete]),
            ("POST", "/files/a", "restore=1", &[Write]),
            ("POST", "/files/a", "share", &[Read]),
        ] {
            let route = find("", path).unwrap();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let needs = route.needs(&method, Some(query)).unwrap();
            assert_eq!(needs, rights, "{method} {path}?{query}");
        }
    }

    proptest! {
        #[test]
        fn no_path_or_query_breaks_the_parser(path in "/[ -~]{0,60}", query in "[ -~]{0,60}") {
            let _ = find("", &path);
            let _ = find("/base", &path);
            let _ = decode(&path, "x");
            let _ = Query::parse(Some(&query));
        }
    }
}
