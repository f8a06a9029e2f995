//! Digests that servers send beside a body: `Content-Digest` and `Repr-Digest` (RFC 9530), and the older `Digest` (RFC 3230),
//! `Content-MD5` (RFC 2616 section 14.15) and `X-Goog-Hash`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};
use md5::Md5;
use sha2::{Digest as _, Sha256, Sha512};

/// A header field longer than this is not read: that of all three algorithms has 200 bytes.
const LONGEST: usize = 1024;
/// Fields that tell the digest of the bytes that the answer has.
static OF_CONTENT: [HeaderName; 1] = [HeaderName::from_static("content-digest")];
/// Fields that tell the digest of the whole resource, of which an answer of status 206 has a part.
static OF_RESOURCE: [HeaderName; 4] = [
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("x-goog-hash"),
    HeaderName::from_static(MD5),
];
const MD5: &str = "content-md5";

/// The algorithm of a [`Digest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    Md5,
    Sha256,
    Sha512,
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "sha-512" => Some(Self::Sha512),
            "sha-256" => Some(Self::Sha256),
            "md5" => Some(Self::Md5),
            _ => None,
        }
    }

    /// The length of its digests, in bytes.
    fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The digest that a server says the body has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    algorithm: Algorithm,
    value: Vec<u8>,
}

impl Digest {
    /// Reads the digest of a body that is sent without a coding. `is_whole`: the body is all of the resource, else a part of it. Of several
    /// digests, the one of the strongest algorithm is taken, that of the content where it is there; what can't be understood is left out.
    #[must_use]
    pub fn of(fields: &HeaderMap, is_whole: bool) -> Option<Self> {
        // Of equals, the last one is taken.
        let of_resource = if is_whole { &OF_RESOURCE[..] } else { &[] };
        let fields = of_resource.iter().chain(&OF_CONTENT).flat_map(|name| {
            let texts = fields.get_all(name).iter().filter_map(|value| value.to_str().ok());
            texts.map(move |text| (name.as_str(), text)).filter(|(_, text)| text.len() <= LONGEST)
        });
        let all = fields.flat_map(|(name, text)| match name {
            MD5 => vec![Self::read(Algorithm::Md5, text)],
            _ => text.split(',').map(Self::member).collect(),
        });
        all.flatten().max_by_key(|digest| digest.algorithm)
    }

    /// Reads `sha-256=:BASE64:`, or the older form without colons.
    fn member(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        Self::read(Algorithm::named(name)?, value)
    }

    fn read(algorithm: Algorithm, base64: &str) -> Option<Self> {
        let value = STANDARD.decode(base64.trim().trim_matches(':')).ok()?;
        (value.len() == algorithm.length()).then_some(Self { algorithm, value })
    }

    /// Returns what compares the bytes of a body with this digest.
    #[must_use]
    pub fn check(self) -> DigestCheck {
        let hasher = match self.algorithm {
            Algorithm::Md5 => Hasher::Md5(Md5::new()),
            Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
            Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
        };
        DigestCheck { hasher, expected: self.value }
    }
}

#[derive(Clone, Debug)]
enum Hasher {
    Md5(Md5),
    Sha256(Sha256),
    Sha512(Sha512),
}

/// Compares the bytes of a body with the digest that its server sent.
#[derive(Clone, Debug)]
pub struct DigestCheck {
    hasher: Hasher,
    expected: Vec<u8>,
}

impl DigestCheck {
    /// Takes more bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Md5(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
            Hasher::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Tells whether all bytes that came have the digest that the server sent.
    #[must_use]
    pub fn matches(self) -> bool {
        let Self { hasher, expected } = self;
        match hasher {
            Hasher::Md5(hasher) => hasher.finalize()[..] == expected[..],
            Hasher::Sha256(hasher) => hasher.finalize()[..] == expected[..],
            Hasher::Sha512(hasher) => hasher.finalize()[..] == expected[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `{"hello": "world"}` and a line feed, as in RFC 9530 appendix B.1, and its MD5.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const SHA_256: &str = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=";
    const SHA_512: &str =
        "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==";
    const MD5: &str = "UFIauregE76D7gDe0/n0JA==";

    fn fields(all: &[(&'static str, String)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_servers_send() {
        for (field, value, is_whole, expect) in [
            ("content-digest", format!("sha-256=:{SHA_256}:"), true, Some(Algorithm::Sha256)),
            ("content-digest", format!("sha-256=:{SHA_256}:"), false, Some(Algorithm::Sha256)),
            ("content-digest", format!("md5=:{MD5}:, sha-512=:{SHA_512}:"), true, Some(Algorithm::Sha512)),
            ("repr-digest", format!("unixsum=:30637:, sha-256=:{SHA_256}:"), true, Some(Algorithm::Sha256)),
            ("repr-digest", format!("sha-256=:{SHA_256}:"), false, None),
            ("digest", format!("SHA-256={SHA_256},id-md5=xxx"), true, Some(Algorithm::Sha256)),
            ("digest", format!("SHA-256={SHA_256}"), false, None),
            ("content-md5", MD5.to_owned(), true, Some(Algorithm::Md5)),
            ("content-md5", MD5.to_owned(), false, None),
            ("x-goog-hash", format!("crc32c=n03x6A==, md5={MD5}"), true, Some(Algorithm::Md5)),
            ("x-goog-hash", "crc32c=n03x6A==".to_owned(), true, None),
            // What can't be understood says nothing.
            ("content-digest", String::new(), true, None),
            ("content-digest", "sha-256".to_owned(), true, None),
            ("content-digest", "sha-256=:AAAA:".to_owned(), true, None),
            ("content-digest", format!("sha-256=:{SHA_256}"), true, Some(Algorithm::Sha256)),
            ("content-md5", "d41d8cd98f00b204e9800998ecf8427e".to_owned(), true, None),
            ("content-md5", "=".repeat(2000), true, None),
        ] {
            let found = Digest::of(&fields(&[(field, value.clone())]), is_whole);
            assert_eq!(found.as_ref().map(|found| found.algorithm), expect, "{field}: {value}");
            let Some(found) = found else { continue };
            for (body, expect) in [(BODY, true), (&BODY[1..], false), (&[], false)] {
                let mut check = found.clone().check();
                body.chunks(7).for_each(|part| check.update(part));
                assert_eq!(check.matches(), expect, "{field}: {value}");
            }
        }
    }

    #[test]
    fn the_strongest_of_several_fields_counts() {
        let all = [("content-md5", MD5.to_owned()), ("repr-digest", format!("sha-256=:{SHA_256}:"))];
        assert_eq!(Digest::of(&fields(&all), true).unwrap().algorithm, Algorithm::Sha256);
    }
}
