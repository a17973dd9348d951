//! What every answer on `/uploads` has, refusals too, by the protocol that the request spoke.

use hyper::header::HeaderValue;
use hyper::{HeaderMap, Response, StatusCode};

use super::{ACCEPT_PATCH, TUS_RESUMABLE, UPLOAD_LIMIT, VERSION, ietf, text};
use crate::body::Body;
use crate::error::Limit;
use crate::route::Route;

/// What every answer on these routes has, failures too.
pub struct Marks {
    tus: bool,
    /// Whether a refusal for its size must say what size would do, and one for its type what type.
    ietf: bool,
}

impl Marks {
    /// Of a request with these headers on this route, if it has one.
    #[must_use]
    pub fn of(route: Option<&Route<'_>>, headers: &HeaderMap) -> Self {
        let here = matches!(route, Some(Route::Uploads | Route::Resumable(_)));
        let tus = headers.contains_key(TUS_RESUMABLE);
        Self {
            tus: here && tus,
            ietf: here && !tus,
        }
    }

    /// Adds them.
    pub fn add_to(&self, response: &mut Response<Body>) {
        let status = response.status();
        let limit = response.extensions_mut().remove::<Limit>();
        let headers = response.headers_mut();
        if self.tus {
            headers.insert(TUS_RESUMABLE, VERSION);
        }
        if self.ietf
            && let Some(Limit(name, bytes)) = limit
        {
            let limit = format!("{name}={bytes}");
            headers.entry(UPLOAD_LIMIT).or_insert(text(&limit));
        }
        // RFC 5789 section 2.2.
        if self.ietf && status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_PATCH, HeaderValue::from_static(ietf::PARTIAL));
        }
    }
}
