//! Which addresses may be reached: what somebody else's playlist names never leads into the user's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use url::{Host, Url};

use crate::{AddressRange, Error, Kind, escaped};

/// An address that may not be reached, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is a {range} address")]
pub(super) struct Blocked {
    pub(super) address: String,
    pub(super) range: AddressRange,
}

/// Decides where a job may connect to.
///
/// What the user has typed is allowed by itself: the address in the input's URL, or what its name is first resolved to where
/// that is private altogether. Of everything else only what is on the internet. A name that is public at first and private
/// later (DNS rebinding) stays a public name.
#[derive(Debug)]
pub(super) struct Guard {
    lifted: bool,
    home: Option<String>,
    /// What the input allows; `None` until its name has been looked up.
    own: Mutex<Option<Vec<IpAddr>>>,
}

impl Guard {
    /// For a job whose input is at `home`; an input without a host allows nothing of its own.
    pub(super) fn new(home: Option<&Host<String>>, lifted: bool) -> Self {
        let (name, own) = match home {
            None => (None, Some(Vec::new())),
            Some(Host::Ipv4(v4)) => (None, Some(vec![IpAddr::V4(*v4)])),
            Some(Host::Ipv6(v6)) => (None, Some(vec![IpAddr::V6(*v6).to_canonical()])),
            Some(Host::Domain(name)) if is_localhost(name) => {
                (Some(plain(name)), Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]))
            }
            Some(Host::Domain(name)) => (Some(plain(name)), None),
        };
        Self { lifted, home: name, own: Mutex::new(own) }
    }

    /// Judges what can be told from a URL alone: literal addresses, and names that mean this host. Behind a proxy there is no
    /// more to be judged.
    pub(super) fn judge(&self, url: &Url) -> Result<(), Blocked> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            Some(Host::Domain(name)) if is_localhost(name) && !self.owns_loopback() => {
                let blocked = Blocked { address: plain(name), range: AddressRange::Loopback };
                return if self.lifted { Ok(()) } else { Err(blocked) };
            }
            _ => return Ok(()),
        };
        match AddressRange::of(address) {
            Some(range) if !self.lifted && !self.owns(address) => {
                Err(Blocked { address: address.to_string(), range })
            }
            _ => Ok(()),
        }
    }

    /// Of what `name` was resolved to, the addresses that may be connected to.
    pub(super) fn admit(&self, name: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Blocked> {
        if self.lifted {
            return Ok(found);
        }
        let range = |address: &IpAddr| {
            AddressRange::of(*address).filter(|range| *range != AddressRange::Benchmarking)
        };
        if self.home.as_ref() == Some(&plain(name)) && !found.is_empty() {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let is_private = found.iter().all(|address| range(address).is_some());
            own.get_or_insert_with(|| {
                if is_private { found.iter().map(IpAddr::to_canonical).collect() } else { Vec::new() }
            });
        }
        let blocked = found.iter().find_map(|address| {
            Some(Blocked { address: format!("{name} ({address})"), range: range(address)? })
        });
        let admitted: Vec<_> =
            found.into_iter().filter(|address| range(address).is_none() || self.owns(*address)).collect();
        match blocked {
            Some(blocked) if admitted.is_empty() => Err(blocked),
            _ => Ok(admitted),
        }
    }

    fn owns(&self, address: IpAddr) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_ref().is_some_and(|own| own.contains(&address.to_canonical()))
    }

    fn owns_loopback(&self) -> bool {
        self.owns(Ipv4Addr::LOCALHOST.into()) || self.owns(Ipv6Addr::LOCALHOST.into())
    }
}

/// A name that means this host whoever resolves it (RFC 6761 section 6.3).
fn is_localhost(name: &str) -> bool {
    let name = plain(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// A name in the one form in which names are compared: the dot at the end says only that it is complete.
pub(super) fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl From<Blocked> for Error {
    fn from(Blocked { address, range }: Blocked) -> Self {
        Self::new(Kind::PrivateAddress { address: escaped(&address, 300), range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn guard(input: &str) -> Guard {
        Guard::new(url(input).host().map(|host| host.to_owned()).as_ref(), false)
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn literals_in_any_spelling() {
        let public = guard("https://example.com/");
        let private = guard("http://127.0.0.1:8080/");
        for (target, from_public, from_private) in [
            ("http://93.184.216.34/", true, true),
            ("http://127.0.0.1:1/", false, true),
            ("http://2130706433/", false, true),
            ("http://0x7f.1/", false, true),
            ("http://0177.0.0.1/", false, true),
            ("http://127.1/", false, true),
            ("http://127.0.0.1./", false, true),
            ("http://[::ffff:127.0.0.1]/", false, true),
            ("http://[::1]/", false, false),
            ("http://127.0.0.2/", false, false),
            ("http://0/", false, false),
            ("http://169.254.169.254/latest", false, false),
            ("http://[64:ff9b::a9fe:a9fe]/", false, false),
            ("http://198.18.0.1/", false, false),
            ("http://localhost/", false, true),
            ("http://LOCALHOST./", false, true),
            ("http://a.localhost/", false, true),
            ("http://localhost.example.com/", true, true),
        ] {
            assert_eq!(public.judge(&url(target)).is_ok(), from_public, "{target} from a public input");
            assert_eq!(private.judge(&url(target)).is_ok(), from_private, "{target} from a private input");
            assert!(Guard::new(None, true).judge(&url(target)).is_ok(), "{target} where all is allowed");
        }
    }

    #[test]
    fn answers_of_a_resolver() {
        let public = ["93.184.216.34"];
        for (input, lookups) in [
            // Somebody else's name.
            (
                "https://example.com/",
                vec![
                    ("cdn.example", &public[..], Ok(&public[..])),
                    ("cdn.example", &["10.0.0.1"], Err(())),
                    ("cdn.example", &["10.0.0.1", "93.184.216.34"], Ok(&public)),
                    ("fake.example", &["198.18.0.7"], Ok(&["198.18.0.7"])),
                    ("localhost", &["127.0.0.1"], Err(())),
                    ("empty.example", &[], Ok(&[])),
                ],
            ),
            // The input's own: what it was at first.
            (
                "http://nas.local/",
                vec![
                    ("nas.local", &["192.168.1.5"], Ok(&["192.168.1.5"])),
                    ("other.local", &["192.168.1.5"], Ok(&["192.168.1.5"])),
                    ("other.local", &["192.168.1.6"], Err(())),
                    ("NAS.local.", &["192.168.1.6"], Err(())),
                ],
            ),
            // It flips.
            (
                "http://evil.example/",
                vec![
                    ("evil.example", &public, Ok(&public)),
                    ("evil.example", &["127.0.0.1"], Err(())),
                    ("evil.example", &["::ffff:127.0.0.1", "93.184.216.34"], Ok(&public)),
                ],
            ),
            ("http://both.example/", vec![("both.example", &["93.184.216.34", "127.0.0.1"], Ok(&public))]),
            ("http://localhost/", vec![("localhost", &["::1", "127.0.0.1"], Ok(&["::1", "127.0.0.1"]))]),
        ] {
            let guard = guard(input);
            for (name, found, expect) in lookups {
                let got = guard.admit(name, ips(found)).map_err(|_| ());
                assert_eq!(got, expect.map(ips), "{input}: {name} is {found:?}");
            }
        }
    }

    #[test]
    fn a_name_that_was_looked_up_allows_its_address() {
        let guard = guard("http://nas.local/");
        assert!(guard.judge(&url("http://192.168.1.5:81/")).is_err());
        guard.admit("nas.local", ips(&["192.168.1.5"])).unwrap();
        assert!(guard.judge(&url("http://192.168.1.5:81/")).is_ok());
    }
}
