//! What is percent-encoded: a key in a path, and the parameters of a query. What they mean is for the
//! routes and the handlers.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// Percent-decodes once. `+` stays a plus. A `%` without two hex digits, or what is no UTF-8,
/// is refused with this code.
pub fn decode<'a>(text: &'a str, code: &'static str) -> Result<Cow<'a, str>, Error> {
    let hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        if !hex(bytes.get(at + 1)) || !hex(bytes.get(at + 2)) {
            return Err(Error::invalid(
                code,
                "A '%' is not followed by two hex digits.",
            ));
        }
    }
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Error::invalid(code, "What is percent-encoded is not UTF-8."))
}

/// The query's parameters, form-urlencoded as browsers write them: here `+` is a space.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query, without its `?`.
    pub fn parse(query: Option<&str>) -> Result<Self, Error> {
        let decode =
            |text: &str| decode(&text.replace('+', "%20"), "invalid_query").map(Cow::into_owned);
        pairs(query)
            .map(|(name, value)| Ok((decode(name)?, decode(value)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The same of any query: what cannot be decoded stays as it came.
    #[must_use]
    pub fn as_it_came(query: Option<&str>) -> Self {
        let decode = |text: &str| {
            let decoded = decode(&text.replace('+', "%20"), "").map(Cow::into_owned);
            decoded.unwrap_or_else(|_| text.to_owned())
        };
        Self(pairs(query).map(|(n, v)| (decode(n), decode(v))).collect())
    }

    /// The parameter's value; empty where it has none (`?inline`). Naming one twice is refused,
    /// because two readers would choose differently.
    pub fn value(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v);
        let first = values.next();
        if values.next().is_some() {
            let detail = format!("The parameter '{name}' is given more than once.");
            return Err(Error::invalid("invalid_query", detail));
        }
        Ok(first.map(String::as_str))
    }

    /// Whether the parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|n| n == name)
    }

    /// The parameters' names, as often as they are there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&');
    pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_decoded_once_and_plus_is_a_plus() {
        assert_eq!(decode("a%2Fb+c%2520", "x").unwrap(), "a/b+c%20");
        for bad in ["%", "%2", "%zz", "%ff"] {
            assert!(decode(bad, "x").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_query_is_read_as_browsers_write_it() {
        let query = Query::parse(Some("prefix=a+b%2Bc&inline&&limit=")).unwrap();
        assert_eq!(query.value("prefix").unwrap(), Some("a b+c"));
        assert_eq!(query.value("inline").unwrap(), Some(""));
        assert_eq!(query.value("limit").unwrap(), Some(""));
        assert_eq!(query.value("cursor").unwrap(), None);
        assert!(Query::parse(Some("a=%zz")).is_err());
        let twice = Query::parse(Some("a=1&a=2")).unwrap();
        assert!(twice.value("a").is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives_encoding_and_decoding(text in "\\PC{0,40}") {
            let encoded = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode(&encoded, "x").unwrap(), text.as_str());
        }
    }
}
