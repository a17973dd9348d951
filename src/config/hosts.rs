//! `ALLOWED_HOSTS`: the names that this server may be asked under. What another gets is
//! `server::exchange`'s business.

use hyper::http::uri::Authority;

/// Host names, in lower case and without port; none: whatever the client says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Reads names or addresses with commas between.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let list: Vec<&str> = text.split(',').map(str::trim).collect();
        match list.as_slice() {
            [""] => Ok(Self::default()),
            _ if list.iter().all(|host| is_host(host)) => {
                Ok(Self(list.into_iter().map(plain).collect()))
            }
            _ => Err("must be host names without port, with commas between".to_owned()),
        }
    }

    /// Whether a `Host` header of this value (RFC 9110 section 7.2) is one of them.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        let is_one = |asked: Authority| {
            let name = plain(asked.host());
            self.0.contains(&name)
        };
        self.0.is_empty() || host.parse().is_ok_and(is_one)
    }
}

/// As one may be written in more ways than one: an IPv6 address in its short form (RFC 5952), in
/// lower case, and without the dot of the root, whose own name is empty, at the end.
fn plain(host: &str) -> String {
    let inner = host
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match inner.and_then(|text| text.parse::<std::net::Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(address) = inner {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    !matches!(text, "" | ".") && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_its_name_whatever_its_port() {
        let hosts = Hosts::parse("files.example, 10.0.0.1,[0:0::1],Dot.example.").unwrap();
        for host in [
            "files.example",
            "FILES.example:5000",
            "files.example.",
            "files.example.:5000",
            "dot.example",
            "10.0.0.1:80",
            "[::1]",
            "[0::0:1]",
            "[::1]:5000",
        ] {
            assert!(hosts.allow(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "files.example.evil",
            "files.example..",
            ".",
            "[::2]",
            "::1",
            "files.example:80:80",
        ] {
            assert!(!hosts.allow(host), "{host}");
        }
        assert!(Hosts::parse("").unwrap().allow("anything"));
        for text in ["a,,b", "a:80", "http://a", "[x]", "a b", "*", "."] {
            assert!(Hosts::parse(text).is_err(), "{text}");
        }
    }
}
