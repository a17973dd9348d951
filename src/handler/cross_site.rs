//! Whether a request that changes something was sent by a page of another site. Such a page cannot
//! read the answer, and need not: what it made a browser store or delete is done. Programs that are
//! no browser send none of these headers and are never refused here. Who may read answers is
//! `cors`'s.

use hyper::Method;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};

use crate::error::Error;

/// Fetch Metadata (W3C): sent by browsers over HTTPS and to loopback, and no script can set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Fails with `cross_site` when a page that is not ours, and whose origin is not `allowed`, sends a
/// request whose method changes something.
pub fn check(method: &Method, headers: &HeaderMap, allowed: bool) -> Result<(), Error> {
    if method.is_safe() || allowed || is_ours(headers) {
        return Ok(());
    }
    Err(Error::Forbidden {
        code: "cross_site",
        detail: "Pages of other sites may change nothing here, unless ALLOWED_ORIGINS names them.",
    })
}

fn is_ours(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        // `none`: the user did it. Another site of the same domain is another's: its pages may be
        // anybody's.
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    // Over plain HTTP this is all that there is. A page's own origin has the host that it was
    // loaded from; `null` is a sandbox's, or of a page that hides where it is from.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
    match (origin, host) {
        (Some(("http", authority)), Some(host)) => is_same(authority, host, ":80"),
        (Some(("https", authority)), Some(host)) => is_same(authority, host, ":443"),
        _ => false,
    }
}

/// Whether two authorities are the same; one of them may name the scheme's own port.
fn is_same(one: &str, other: &str, port: &str) -> bool {
    let plain = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.strip_suffix(port).map(str::to_owned).unwrap_or(text)
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn taken(method: &Method, fields: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("Files.example:5000"));
        for (name, value) in fields {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        check(method, &headers, false).is_ok()
    }

    #[test]
    fn only_our_own_page_and_what_is_no_browser_may_change_something() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for (fields, want) in [
                (&[][..], true),
                (&[("sec-fetch-site", "same-origin")][..], true),
                (&[("sec-fetch-site", "none")][..], true),
                (&[("sec-fetch-site", "same-site")][..], false),
                (&[("sec-fetch-site", "cross-site")][..], false),
                (&[("origin", "http://files.example:5000")][..], true),
                (&[("origin", "https://files.example:5000")][..], true),
                (&[("origin", "http://files.example")][..], false),
                (&[("origin", "http://evil.example:5000")][..], false),
                (&[("origin", "null")][..], false),
                (&[("origin", "files.example:5000")][..], false),
            ] {
                assert_eq!(taken(&method, fields), want, "{method} {fields:?}");
            }
            // What a script cannot forge is believed first.
            let both = [
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://files.example:5000"),
            ];
            assert!(!taken(&method, &both));
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(taken(&method, &[("sec-fetch-site", "cross-site")]));
        }
    }

    #[test]
    fn a_schemes_own_port_may_be_named_or_not() {
        assert!(is_same("a.example", "A.example:443", ":443"));
        assert!(is_same("a.example:443", "a.example", ":443"));
        assert!(!is_same("a.example", "a.example:80", ":443"));
        assert!(!is_same("a.example:8443", "a.example", ":443"));
    }
}
