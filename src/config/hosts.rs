//! `ALLOWED_HOSTS`: the names that this server may be asked under. What another gets is
//! `server::exchange`'s business.

use hyper::http::uri::Authority;

/// Host names, in lower case and without port; none: whatever the client says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Reads names or addresses with commas between.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let hosts: Option<_> = text.split(',').map(str::trim).map(canonical).collect();
        hosts
            .map(Self)
            .ok_or_else(|| "must be host names without port, with commas between".to_owned())
    }

    /// Whether a `Host` header of this value (RFC 9110 section 7.2) is one of them.
    #[must_use]
    pub fn allow(&self, host: &str) -> bool {
        let is_one = |asked: Authority| {
            let name = canonical(asked.host());
            name.is_some_and(|name| self.0.contains(&name))
        };
        self.0.is_empty() || host.parse().is_ok_and(is_one)
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets, as one that may be written in more ways
/// than one: an IPv6 address in its short form (RFC 5952), the others in lower case, and without the
/// dot of the root, whose own name is empty, at the end.
fn canonical(host: &str) -> Option<String> {
    let inner = host
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(address) = inner {
        let address: std::net::Ipv6Addr = address.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_host = !matches!(host, "" | ".") && host.chars().all(plain);
    is_host.then(|| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
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
