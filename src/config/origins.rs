//! `ALLOWED_ORIGINS`: which origins' scripts may use the API from a browser.
//! What they are told is `handler::cors`' business.

/// Whose scripts may use the API, besides our own page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// Nobody's.
    #[default]
    None,
    /// Everybody's.
    Any,
    /// Those of these origins, as browsers send them.
    These(Vec<String>),
}

impl Origins {
    /// Reads `*`, or origins (RFC 6454 section 6.2) with commas between.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let list: Vec<&str> = text.split(',').map(str::trim).collect();
        match list.as_slice() {
            [""] => Ok(Self::None),
            ["*"] => Ok(Self::Any),
            _ if list.iter().all(|origin| is_origin(origin)) => {
                Ok(Self::These(list.into_iter().map(str::to_owned).collect()))
            }
            _ => Err(
                "must be '*', or origins like https://example.com with commas between".to_owned(),
            ),
        }
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Scheme, host, and a port where it is not the scheme's own, all in lower case: browsers send no
/// other spelling, and what never matches is a mistake.
fn is_origin(text: &str) -> bool {
    let Some(authority) = ["http://", "https://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme))
    else {
        return false;
    };
    let uri: Option<hyper::Uri> = text.parse().ok();
    let plain = |c: char| !c.is_ascii_uppercase() && !"/?#@*".contains(c);
    authority.chars().all(plain)
        && uri.is_some_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
        && !(text.starts_with("http://") && text.ends_with(":80"))
        && !(text.starts_with("https://") && text.ends_with(":443"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact_and_all_of_them_only_when_said() {
        assert_eq!(Origins::parse(""), Ok(Origins::None));
        assert_eq!(Origins::parse("*"), Ok(Origins::Any));
        let two = "https://a.example, http://localhost:8080";
        assert!(matches!(Origins::parse(two), Ok(Origins::These(list)) if list.len() == 2));
        for bad in [
            "https://a.example/",
            "a.example",
            "null",
            "https://*.example",
            "*, https://a.example",
            "https://A.example",
            "https://a.example:443",
            "https://user@a.example",
            "https://",
            ",",
        ] {
            assert!(Origins::parse(bad).is_err(), "{bad}");
        }
    }
}
