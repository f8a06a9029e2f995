//! Keys, and what they ask of who wants the bytes.

use std::{fmt, sync::Arc};

use url::Url;

/// How a key is used (rfc8216bis-22, section 4.4.4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Nothing is encrypted.
    None,
    /// Whole segments with AES-128 in CBC mode and PKCS#7 padding.
    Aes128,
    /// Samples with AES-128 in CBC mode.
    SampleAes,
    /// Samples with AES-128 in counter mode.
    SampleAesCtr,
    /// Whole segments with AES-256 in Galois counter mode.
    Aes256Gcm,
    /// A method that this crate does not know, in its own words.
    Other(Arc<str>),
}

impl Method {
    pub(crate) fn read(text: &str) -> Self {
        match text {
            "NONE" => Self::None,
            "AES-128" => Self::Aes128,
            "SAMPLE-AES" => Self::SampleAes,
            "SAMPLE-AES-CTR" => Self::SampleAesCtr,
            "AES-256-GCM" => Self::Aes256Gcm,
            other => Self::Other(other.into()),
        }
    }

    /// Returns the name that stands in playlists.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "NONE",
            Self::Aes128 => "AES-128",
            Self::SampleAes => "SAMPLE-AES",
            Self::SampleAesCtr => "SAMPLE-AES-CTR",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_str().escape_debug())
    }
}

/// An `EXT-X-KEY` tag other than `METHOD=NONE`, resolved; it never holds the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Key {
    /// How the key is used.
    pub method: Method,
    /// Where the key is.
    pub url: Option<Arc<Url>>,
    /// The explicit initialisation vector.
    pub iv: Option<[u8; 16]>,
    /// Whether there is an IV attribute that can't be read, so that nothing can be decrypted.
    pub iv_is_bad: bool,
    /// The format of the key; `None` is `identity`, sixteen bytes as they are.
    pub keyformat: Option<Arc<str>>,
    /// The versions of the format.
    pub keyformat_versions: Option<Box<str>>,
    /// The line, counted from 1.
    pub line: u32,
}

impl Key {
    /// Returns the key format, `identity` where the tag names none.
    pub fn format(&self) -> &str {
        self.keyformat.as_deref().unwrap_or(IDENTITY)
    }
}

pub(crate) const IDENTITY: &str = "identity";

/// Names are shared: a long one must not be copied for each change of keys.
fn formats(keys: &[Arc<Key>]) -> Vec<Arc<str>> {
    keys.iter().map(|key| key.keyformat.clone().unwrap_or_else(|| IDENTITY.into())).collect()
}

/// What has to be done to get at the bytes of a segment or an initialisation section.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encryption {
    /// Nothing.
    Clear,
    /// Decrypt the whole with AES-128-CBC.
    #[non_exhaustive]
    Aes128 {
        /// Where the sixteen bytes of the key are.
        url: Arc<Url>,
        /// The explicit vector; without one, it is [`Segment::iv`](crate::Segment::iv).
        iv: Option<[u8; 16]>,
    },
    /// Refuse: the bytes can't be decrypted here, and must not be written as they are (section 6.3.6).
    #[non_exhaustive]
    Unsupported {
        /// The method.
        method: Method,
        /// The key formats in effect.
        keyformats: Vec<Arc<str>>,
        /// Why it is refused.
        reason: Reason,
    },
}

/// Why encrypted media can't be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The method is not AES-128.
    Method,
    /// No key is in the format `identity`: digital rights management.
    KeyFormat,
    /// The tag names no key.
    NoUri,
    /// The initialisation vector can't be read.
    BadIv,
    /// An initialisation section has no sequence number to derive a vector from (section 4.4.4.5).
    MapWithoutIv,
}

impl Encryption {
    /// Chooses among the keys in effect: any format that is supported will do (section 4.4.4.4).
    pub(crate) fn of(keys: &[Arc<Key>]) -> Self {
        let Some(first) = keys.first() else { return Self::Clear };
        let refuse = |key: &Key, reason| Self::Unsupported {
            method: key.method.clone(),
            keyformats: formats(keys),
            reason,
        };
        let Some(key) = keys.iter().find(|key| key.format() == IDENTITY) else {
            return refuse(first, Reason::KeyFormat);
        };
        match (&key.method, &key.url) {
            (Method::Aes128, _) if key.iv_is_bad => refuse(key, Reason::BadIv),
            (Method::Aes128, Some(url)) => Self::Aes128 { url: Arc::clone(url), iv: key.iv },
            (Method::Aes128, None) => refuse(key, Reason::NoUri),
            _ => refuse(key, Reason::Method),
        }
    }

    /// The same for an initialisation section, whose key must have a vector.
    pub(crate) fn of_map(keys: &[Arc<Key>]) -> Self {
        match Self::of(keys) {
            Self::Aes128 { iv: None, .. } => Self::Unsupported {
                method: Method::Aes128,
                keyformats: formats(keys),
                reason: Reason::MapWithoutIv,
            },
            other => other,
        }
    }
}

impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("not encrypted"),
            Self::Aes128 { .. } => f.write_str("AES-128"),
            Self::Unsupported { method, keyformats, reason } => match reason {
                Reason::Method => write!(f, "{method} is not supported"),
                Reason::KeyFormat => {
                    write!(f, "{method} with keys only for {}", keyformats.join(", ").escape_debug())
                }
                Reason::NoUri => write!(f, "{method} without a key URI"),
                Reason::BadIv => write!(f, "{method} with an initialisation vector that can't be read"),
                Reason::MapWithoutIv => write!(f, "{method} on an initialisation section, without a vector"),
            },
        }
    }
}

/// The keys in effect at one place of a playlist, shared by all segments there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySet {
    pub(crate) keys: Vec<Arc<Key>>,
    pub(crate) encryption: Encryption,
}
