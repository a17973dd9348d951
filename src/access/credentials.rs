//! Credentials as they stand in a request's headers. Whether they are right is `sign_in`'s business.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};

use crate::error::Error;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Characters of the longest name of a user.
pub(super) const MAX_NAME: usize = 128;

/// How credentials are sent (RFC 9110 section 11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// RFC 7617: name and password.
    Basic,
    /// RFC 6750: a token, `id.secret`.
    Bearer,
}

/// Credentials as they are meant.
#[derive(PartialEq, Eq)]
pub(super) struct Given {
    /// A user's name, or a token's id.
    pub(super) name: String,
    pub(super) secret: String,
}

impl Scheme {
    /// `WWW-Authenticate`.
    pub(super) fn challenge(self) -> &'static str {
        match self {
            Self::Basic => "Basic realm=\"cloud-portfolio\", charset=\"UTF-8\"",
            Self::Bearer => "Bearer realm=\"cloud-portfolio\"",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Bearer => "Bearer",
        }
    }

    pub(super) fn refusal(self) -> Error {
        let challenge = self.challenge();
        Error::Unauthorized { challenge }
    }

    /// What follows the scheme's name in the one `Authorization` header; None without such a header.
    pub(super) fn find(self, headers: &HeaderMap) -> Result<Option<&str>, Error> {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let value = match (all.next(), all.next()) {
            (None, _) => return Ok(None),
            (Some(one), None) => one.to_str().ok(),
            _ => None,
        };
        value
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(self.name()))
            .map(|(_, given)| Some(given.trim()))
            .ok_or_else(|| self.refusal())
    }

    /// Reads it.
    pub(super) fn parse(self, given: &str) -> Option<Given> {
        match self {
            Self::Basic => {
                let text = String::from_utf8(BASE64.decode(given).ok()?).ok()?;
                split(&text, ':')
            }
            Self::Bearer => split(given, '.'),
        }
    }
}

fn split(text: &str, at: char) -> Option<Given> {
    let (name, secret) = text.split_once(at)?;
    Some(Given {
        name: name.to_owned(),
        secret: secret.to_owned(),
    })
}

/// The name that a proxy gives; None where it gives none. Two names are an error: the proxy's, and
/// one that it let through.
pub(super) fn named<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
) -> Option<Result<&'a str, Error>> {
    let mut all = headers.get_all(header).iter();
    let (first, second) = (all.next()?, all.next());
    let name = first.to_str().ok().map(str::trim);
    if name == Some("") && second.is_none() {
        return None;
    }
    let plain = name.filter(|name| is_name(name) && second.is_none());
    Some(plain.ok_or(Error::Forbidden {
        code: "forbidden",
        detail: "The proxy's word for who this is cannot be read.",
    }))
}

/// Whether it can be a user's name: RFC 7617 excludes colons and controls.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(|c| c.is_control() || c == ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn find(scheme: Scheme, value: &'static str) -> Result<Option<String>, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        match scheme.find(&headers) {
            Ok(found) => Ok(found.map(str::to_owned)),
            Err(error) => Err(error.outcome().0),
        }
    }

    #[test]
    fn credentials_are_read_as_their_scheme_has_them() {
        assert_eq!(find(Scheme::Basic, "bASIC  YTpi "), Ok(Some("YTpi".into())));
        let given = Scheme::Basic.parse("w6k6YTpi").unwrap();
        assert_eq!((given.name.as_str(), given.secret.as_str()), ("é", "a:b"));
        let given = Scheme::Bearer.parse("id.se.cret").unwrap();
        assert_eq!(
            (given.name.as_str(), given.secret.as_str()),
            ("id", "se.cret")
        );
        for bad in ["", "Basic", "Bearer x", "YTpi"] {
            assert_eq!(find(Scheme::Basic, bad), Err(401), "{bad}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        }
        assert!(Scheme::Basic.find(&twice).is_err());
        assert!(Scheme::Basic.find(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn a_proxy_that_says_two_names_says_none_that_counts() {
        let header = HeaderName::from_static("x-forwarded-user");
        let name = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&header, HeaderValue::from_static(value));
            }
            named(&headers, &header).map(|name| name.map(str::to_owned).ok())
        };
        assert_eq!(name(&[]), None);
        assert_eq!(name(&[""]), None);
        assert_eq!(name(&["ann@a.example"]), Some(Some("ann@a.example".into())));
        assert_eq!(name(&["ann", "bob"]), Some(None));
        assert_eq!(name(&["a:b"]), Some(None));
    }

    proptest! {
        #[test]
        fn any_name_and_password_read_back(name in "[^:]{1,20}", secret in "\\PC{0,20}") {
            let text = BASE64.encode(format!("{name}:{secret}"));
            let given = Scheme::Basic.parse(&text).unwrap();
            prop_assert_eq!((given.name, given.secret), (name, secret));
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[ -~]{0,60}") {
            let _ = (Scheme::Basic.parse(&text).is_some(), Scheme::Bearer.parse(&text).is_some());
            let _ = is_name(&text);
        }
    }
}
