//! Ranges of addresses that are not on the internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses that no server on the internet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressRange {
    /// This host: 127.0.0.0/8, ::1 and the names under `localhost` (RFC 1122, RFC 4291, RFC 6761).
    Loopback,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918).
    Private,
    /// fc00::/7 and the former fec0::/10 (RFC 4193, RFC 3879).
    UniqueLocal,
    /// 169.254.0.0/16, fe80::/10 (RFC 3927, RFC 4291); cloud machines are told their secrets there.
    LinkLocal,
    /// 100.64.0.0/10, between a provider and its customers (RFC 6598).
    SharedSpace,
    /// 0.0.0.0/8 and :: (RFC 1122, RFC 4291), which many systems take for themselves.
    Unspecified,
    /// 224.0.0.0/4, ff00::/8 (RFC 5771, RFC 4291).
    Multicast,
    /// 240.0.0.0/4 with the broadcast address, 192.0.0.0/24, 64:ff9b:1::/48 (RFC 1112, RFC 6890, RFC 8215).
    Reserved,
    /// 198.18.0.0/15 (RFC 2544). Not where a look-up says so: proxies that catch all traffic resolve every name to it.
    Benchmarking,
}

impl AddressRange {
    /// The range that `address` lies in; `None` where it may be a server's on the internet. An IPv4 address inside an IPv6
    /// one (mapped, compatible, NAT64 of RFC 6052, 6to4 of RFC 3056) is judged as what it leads to.
    #[must_use]
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Self> {
        Some(match address.octets() {
            [0, ..] => Self::Unspecified,
            [127, ..] => Self::Loopback,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            [169, 254, ..] => Self::LinkLocal,
            [100, 64..=127, ..] => Self::SharedSpace,
            [198, 18 | 19, ..] => Self::Benchmarking,
            [192, 0, 0, _] | [240..=255, ..] => Self::Reserved,
            [224..=239, ..] => Self::Multicast,
            _ => return None,
        })
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        let v4 = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Some(Self::Unspecified),
            [0, 0, 0, 0, 0, 0, 0, 1] => Some(Self::Loopback),
            [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
            | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
            | [0x2002, high, low, ..] => v4(high, low),
            [0x64, 0xff9b, 1, ..] => Some(Self::Reserved),
            [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Some(Self::UniqueLocal),
            [0xfe80..=0xfebf, ..] => Some(Self::LinkLocal),
            [0xff00..=0xffff, ..] => Some(Self::Multicast),
            _ => None,
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::UniqueLocal => "unique local",
            Self::LinkLocal => "link-local",
            Self::SharedSpace => "shared (carrier-grade NAT)",
            Self::Unspecified => "unspecified",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Benchmarking => "benchmarking",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        use AddressRange as R;
        for (address, expect) in [
            ("93.184.216.34", None),
            ("2606:2800:220:1::1", None),
            ("127.0.0.1", Some(R::Loopback)),
            ("127.255.255.254", Some(R::Loopback)),
            ("10.1.2.3", Some(R::Private)),
            ("172.15.0.1", None),
            ("172.16.0.1", Some(R::Private)),
            ("172.31.255.255", Some(R::Private)),
            ("172.32.0.1", None),
            ("192.168.0.1", Some(R::Private)),
            ("169.254.169.254", Some(R::LinkLocal)),
            ("100.63.255.255", None),
            ("100.64.0.1", Some(R::SharedSpace)),
            ("100.128.0.1", None),
            ("0.0.0.0", Some(R::Unspecified)),
            ("0.1.2.3", Some(R::Unspecified)),
            ("224.0.0.1", Some(R::Multicast)),
            ("255.255.255.255", Some(R::Reserved)),
            ("192.0.0.170", Some(R::Reserved)),
            ("198.18.0.1", Some(R::Benchmarking)),
            ("198.20.0.1", None),
            ("::", Some(R::Unspecified)),
            ("::1", Some(R::Loopback)),
            ("::ffff:127.0.0.1", Some(R::Loopback)),
            ("::ffff:93.184.216.34", None),
            ("::10.0.0.1", Some(R::Private)),
            ("64:ff9b::10.0.0.1", Some(R::Private)),
            ("64:ff9b::169.254.169.254", Some(R::LinkLocal)),
            ("64:ff9b::93.184.216.34", None),
            ("64:ff9b:1::1", Some(R::Reserved)),
            ("2002:7f00:1::", Some(R::Loopback)),
            ("fd00::1", Some(R::UniqueLocal)),
            ("fec0::1", Some(R::UniqueLocal)),
            ("fe80::1", Some(R::LinkLocal)),
            ("ff02::1", Some(R::Multicast)),
        ] {
            assert_eq!(AddressRange::of(address.parse().unwrap()), expect, "{address}");
        }
    }
}
