//! Network addresses as limits count them, and networks as settings name them (`10.0.0.0/8`).
//! Which address a request is from is `server::forwarded`'s business.

use std::net::{IpAddr, Ipv6Addr};

/// Whom an address belongs to: an IPv4 address stands for itself, an IPv6 address for its /64, the
/// smallest network that anyone is given (RFC 6177), whose addresses one host may change at will.
#[must_use]
pub fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A list of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    /// Its bits beyond `bits` are zero.
    address: IpAddr,
    bits: u32,
}

impl Networks {
    /// Reads addresses and networks in CIDR notation (RFC 4632, RFC 4291) with commas between.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.split(',')
            .map(|one| Network::parse(one.trim()))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| {
                "must be networks like 10.0.0.0/8 or fd00::/8, whose other bits are zero, with commas between"
                    .to_owned()
            })
    }

    /// Whether the address is in one of them. An IPv4 address that came in as IPv6 is what it was.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether every address of a kind is in one of them.
    #[must_use]
    pub fn contain_everyone(&self) -> bool {
        self.0.iter().any(|network| network.bits == 0)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        // An IPv4 address as IPv6 is compared as IPv4: as a network it would have nobody in it.
        if address.to_canonical() != address {
            return None;
        }
        let all = width(address);
        let bits = match bits {
            None => all,
            // No sign, no leading zero: what else would be taken for one thing by one reader and
            // for another by the next.
            Some(text) => {
                let bits: u32 = text.parse().ok()?;
                (bits <= all && bits.to_string() == text).then_some(bits)?
            }
        };
        let network = Self { address, bits };
        (number(address) == network.masked(address)).then_some(network)
    }

    fn contains(self, address: IpAddr) -> bool {
        width(address) == width(self.address) && self.masked(address) == number(self.address)
    }

    fn masked(self, address: IpAddr) -> u128 {
        let rest = width(self.address) - self.bits;
        let cut = number(address).checked_shr(rest).unwrap_or(0);
        cut.checked_shl(rest).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn has(networks: &str, address: &str) -> bool {
        Networks::parse(networks)
            .unwrap()
            .contain(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_a_network_when_its_first_bits_are_the_same() {
        let list = "10.0.0.0/8, 192.168.1.7,fd00::/8,::1";
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "192.168.1.7",
            "fdff::1",
            "::1",
            "::ffff:10.1.2.3",
        ] {
            assert!(has(list, inside), "{inside}");
        }
        for outside in ["11.0.0.0", "9.255.255.255", "192.168.1.8", "fc00::1", "::2"] {
            assert!(!has(list, outside), "{outside}");
        }
        assert!(has("0.0.0.0/0", "1.2.3.4") && !has("0.0.0.0/0", "::1"));
        assert!(has("::/0", "::1") && !has("::/0", "1.2.3.4"));
        assert!(Networks::parse("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.0.0.0/33",
            "::/129",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0/8",
            "all",
            "10.0.0.0/8,",
            "fd00::1/64",
            "/8",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.1",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(Networks::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_client_with_ipv6_is_counted_by_its_network() {
        let of = |text: &str| holder(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }

    proptest! {
        #[test]
        fn every_address_is_in_its_own_networks_and_the_first_bit_that_differs_decides(
            raw in any::<u128>(), v4 in any::<bool>(), bits in 0_u32..=128, flip in 0_u32..128,
        ) {
            let all = if v4 { 32 } else { 128 };
            let (bits, flip) = (bits.min(all), flip % all);
            let make = |raw: u128| -> IpAddr {
                if v4 { std::net::Ipv4Addr::from(raw as u32).into() } else { Ipv6Addr::from(raw).into() }
            };
            let raw = if v4 { raw & u128::from(u32::MAX) } else { raw | (1 << 127) };
            let mask = if bits == 0 { 0 } else { u128::MAX << (all - bits) };
            let text = format!("{}/{bits}", make(raw & mask));
            let networks = Networks::parse(&text).unwrap();
            prop_assert!(networks.contain(make(raw)), "{}", text);
            let other = make(raw ^ (1 << (all - 1 - flip)));
            prop_assume!(other.to_canonical() == other);
            prop_assert_eq!(networks.contain(other), flip >= bits, "{} {}", text, other);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "[0-9a-f:./, ]{0,40}|\\PC{0,20}") {
            let _ = Networks::parse(&text);
        }
    }
}
