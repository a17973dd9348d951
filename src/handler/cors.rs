//! Which other origins' scripts may use the API (Fetch standard, "CORS protocol"). For the whole
//! API, in this one place: nobody by default, and those that `ALLOWED_ORIGINS` names.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::body::Body;
use crate::config::Origins;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");

/// What scripts may read of an answer besides the few headers that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Disposition, Content-Location, Content-Range, ETag, Location, Retry-After, \
     Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, \
     Upload-Complete, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Limit, \
     Upload-Metadata, Upload-Offset, X-Request-Id",
);

/// Chromium takes no more than two hours.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// How a request stands to CORS.
pub struct Cors {
    /// `Access-Control-Allow-Origin`.
    allowed: Option<HeaderValue>,
    /// Whether answers differ by origin.
    varies: bool,
}

impl Cors {
    /// Of a request with these headers.
    #[must_use]
    pub fn of(origins: &Origins, headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(ORIGIN).iter();
        let origin = match (sent.next(), sent.next()) {
            (Some(origin), None) => Some(origin),
            _ => None,
        };
        let allowed = match (origins, origin) {
            (Origins::Any, Some(_)) => Some(HeaderValue::from_static("*")),
            (Origins::These(list), Some(origin)) => list
                .iter()
                .any(|allowed| allowed.as_bytes() == origin.as_bytes())
                .then(|| origin.clone()),
            _ => None,
        };
        Self {
            allowed,
            varies: matches!(origins, Origins::These(_)),
        }
    }

    /// The answer to a browser that asks whether it may send what comes next; None where that is
    /// not the question, or the origin is not one of those allowed.
    #[must_use]
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        let asks = request.method() == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || self.allowed.is_none() {
            return None;
        }
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        fields.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        // An origin that is allowed may say whatever our own page may: metadata has names of the
        // client's making, so that no list of ours could be complete.
        if let Some(wanted) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        Some(response)
    }

    /// Whether the request is of an origin whose scripts may use the API.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed.is_some()
    }

    /// Adds what every answer of the API has.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Some(allowed) = &self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(origins: &Origins, origin: Option<&'static str>) -> HeaderMap {
        let mut request = HeaderMap::new();
        if let Some(origin) = origin {
            request.insert(ORIGIN, HeaderValue::from_static(origin));
        }
        let mut headers = HeaderMap::new();
        Cors::of(origins, &request).add_to(&mut headers);
        headers
    }

    #[test]
    fn only_those_allowed_are_told_so_and_caches_keep_answers_apart() {
        let these = Origins::These(vec!["https://a.example".into()]);
        let allowed = answer(&these, Some("https://a.example"));
        assert_eq!(allowed[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(allowed[VARY], "Origin");
        for other in [None, Some("https://b.example"), Some("https://a.example.b")] {
            let headers = answer(&these, other);
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
            assert_eq!(headers[VARY], "Origin");
        }
        assert!(answer(&Origins::None, Some("https://a.example")).is_empty());
        let any = answer(&Origins::Any, Some("https://b.example"));
        assert_eq!(any[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}
