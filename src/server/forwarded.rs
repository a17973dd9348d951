//! Where a request is from, when it came through proxies: their word counts only where they are
//! named in `TRUSTED_PROXIES`, because anyone can send such headers.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::http::uri::Authority;

use crate::access::Who;
use crate::address::Networks;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who sent the request that came in from `peer`, of whom only the address is known yet; and whether
/// the peer is a proxy that is trusted. `Host` becomes what the client asked for: what its target
/// has `named`, if that is a whole URL (RFC 9112 section 3.2.2). Where there are two, nobody knows, and
/// they stay, to be refused.
pub(super) fn resolve(
    proxies: &Networks,
    peer: IpAddr,
    named: Option<&Authority>,
    headers: &mut HeaderMap,
) -> (Who, bool) {
    let is_one = headers.get_all(HOST).iter().count() == 1;
    if let Some(host) = named.filter(|_| is_one)
        && let Ok(host) = HeaderValue::from_str(host.as_str())
    {
        headers.insert(HOST, host);
    }
    if !proxies.contain(peer) {
        return (Who::at(peer, false), false);
    }
    let from = client(proxies, peer, headers);
    let https = last(headers, &X_FORWARDED_PROTO)
        .is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    if let Some(host) = last(headers, &X_FORWARDED_HOST).filter(|_| is_one) {
        headers.insert(HOST, host);
    }
    (Who::at(from, https), true)
}

/// The nearest address that is no proxy of ours. Each proxy adds whom it was asked by at the right;
/// what is to the left of the first stranger is the stranger's word.
fn client(proxies: &Networks, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut from = peer;
    let lines: Vec<&HeaderValue> = headers.get_all(X_FORWARDED_FOR).iter().collect();
    for line in lines.into_iter().rev() {
        let Ok(line) = line.to_str() else { break };
        for hop in line.rsplit(',') {
            let Some(hop) = address(hop.trim()) else {
                return from;
            };
            from = hop;
            if !proxies.contain(hop) {
                return from;
            }
        }
    }
    from
}

/// An address, also with a port, as some proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address: Option<IpAddr> = bare.unwrap_or(text).parse().ok();
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    address
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

/// The last element: the one that the proxy which we trust has added.
fn last(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let line = headers.get_all(name).iter().next_back()?;
    let text = line.to_str().ok()?.rsplit(',').next()?.trim();
    (!text.is_empty()).then(|| HeaderValue::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolved(peer: &str, fields: &[(&HeaderName, &str)]) -> (String, bool, String) {
        let proxies = Networks::parse("10.0.0.0/8, ::1").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("inside"));
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let (who, _) = resolve(&proxies, peer.parse().unwrap(), None, &mut headers);
        let host = headers[HOST].to_str().unwrap().to_owned();
        (who.from.to_string(), who.https, host)
    }

    #[test]
    fn of_whom_is_not_trusted_nothing_is_believed() {
        let fields = [
            (&X_FORWARDED_FOR, "192.0.2.9"),
            (&X_FORWARDED_PROTO, "https"),
            (&X_FORWARDED_HOST, "evil.example"),
        ];
        let told = ("192.0.2.1".to_owned(), false, "inside".to_owned());
        assert_eq!(resolved("192.0.2.1", &fields), told);
        let told = ("192.0.2.9".to_owned(), true, "evil.example".to_owned());
        assert_eq!(resolved("10.1.2.3", &fields), told);
        assert_eq!(resolved("::1", &fields), told);
    }

    #[test]
    fn the_client_is_the_first_stranger_from_the_right() {
        for (lines, from) in [
            (&[][..], "10.0.0.1"),
            (&["192.0.2.7"], "192.0.2.7"),
            (&["1.1.1.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            (&["1.1.1.1", "192.0.2.7,10.0.0.2"], "192.0.2.7"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.7:4711"], "192.0.2.7"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["::ffff:192.0.2.7"], "192.0.2.7"),
            (&[""], "10.0.0.1"),
        ] {
            let name = X_FORWARDED_FOR;
            let fields: Vec<_> = lines.iter().map(|line| (&name, *line)).collect();
            assert_eq!(resolved("10.0.0.1", &fields).0, from, "{lines:?}");
        }
    }

    #[test]
    fn of_several_hosts_the_last_is_the_proxys_own_word() {
        let fields = [(&X_FORWARDED_HOST, "evil.example, files.example")];
        assert_eq!(resolved("10.0.0.1", &fields).2, "files.example");
        assert_eq!(resolved("10.0.0.1", &[(&X_FORWARDED_HOST, "")]).2, "inside");
    }

    #[test]
    fn a_target_that_is_a_whole_url_names_the_host_and_two_hosts_stay_two() {
        let proxies = Networks::parse("10.0.0.1").unwrap();
        let peer = "10.0.0.1".parse().unwrap();
        let named: Authority = "files.example:8080".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("inside"));
        resolve(&proxies, peer, Some(&named), &mut headers);
        assert_eq!(headers[HOST], "files.example:8080");
        headers.append(HOST, HeaderValue::from_static("second"));
        headers.insert(X_FORWARDED_HOST, HeaderValue::from_static("third"));
        resolve(&proxies, peer, Some(&named), &mut headers);
        assert_eq!(headers.get_all(HOST).iter().count(), 2);
    }

    proptest! {
        #[test]
        fn no_header_breaks_it_and_no_word_of_a_strangers_moves_it(
            forged in "[0-9a-f.:, \\[\\]]{0,60}|[ -~]{0,40}", stranger in any::<u32>(),
        ) {
            let stranger = std::net::Ipv4Addr::from(stranger | 0xC000_0000).to_string();
            let line = format!("{forged},{stranger}, 10.9.9.9");
            prop_assert_eq!(resolved("10.0.0.1", &[(&X_FORWARDED_FOR, &line)]).0, stranger);
            resolved("10.0.0.1", &[(&X_FORWARDED_FOR, &forged), (&X_FORWARDED_HOST, &forged)]);
        }
    }
}
