//! Which variant of a stream to take.

use std::fmt;
use std::str::FromStr;

use hls_parse::{Multivariant, Variant, VideoRange};
use regex_lite::Regex;

use crate::error::{Error, Kind};

/// A choice among variants: `best`, `worst`, `720p`, a number from `hls info`, or conditions, of which the best match is
/// taken.
///
/// Conditions stand between commas: `height<=720,bandwidth<=3M,codec=hevc`. The fields are `height`, `width`, `bandwidth`
/// (bits per second; `K`, `M`, `G`) and `fps` with `<=`, `>=`, `<`, `>`, `=`, `!=`; `codec` (the begin of one of the codecs, or
/// `h264`, `hevc`, `av1`, `vp9`, `aac`, `ac3`, `eac3`), `range` (`sdr`, `hlg`, `pq`, or `hdr` for the last two) and `name` with
/// `=`, `!=`; and `codec`, `name`, `uri` with `~` and a regular expression, which takes all that stands behind it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Select {
    /// The highest bandwidth among those with pictures, if any has them.
    #[default]
    Best,
    /// The lowest bandwidth among those with pictures, if any has them.
    Worst,
    /// The best one of exactly this height.
    Height(u32),
    /// The one with this number, from 1.
    Number(usize),
    /// The best one that meets all conditions.
    Where(Vec<Condition>),
}

/// One condition, for example `height<=720`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    field: Field,
    test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Height,
    Width,
    Bandwidth,
    FrameRate,
    Codec,
    Range,
    Name,
    Uri,
}

const FIELDS: [(&str, Field); 8] = [
    ("height", Field::Height),
    ("width", Field::Width),
    ("bandwidth", Field::Bandwidth),
    ("fps", Field::FrameRate),
    ("codec", Field::Codec),
    ("range", Field::Range),
    ("name", Field::Name),
    ("uri", Field::Uri),
];

impl Field {
    fn is_number(self) -> bool {
        matches!(self, Self::Height | Self::Width | Self::Bandwidth | Self::FrameRate)
    }
}

#[derive(Clone, Debug)]
enum Test {
    Number(Sign, f64),
    Word { is_not: bool, word: String },
    Pattern(Regex),
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a, b), Self::Number(c, d)) => (a, b) == (c, d),
            (Self::Word { is_not: a, word: b }, Self::Word { is_not: c, word: d }) => (a, b) == (c, d),
            (Self::Pattern(one), Self::Pattern(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    AtMost,
    AtLeast,
    Below,
    Above,
    Equal,
    Other,
}

/// Longer ones first.
const SIGNS: [(&str, Sign); 6] = [
    ("<=", Sign::AtMost),
    (">=", Sign::AtLeast),
    ("!=", Sign::Other),
    ("<", Sign::Below),
    (">", Sign::Above),
    ("=", Sign::Equal),
];

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("best"),
            Self::Worst => f.write_str("worst"),
            Self::Height(height) => write!(f, "{height}p"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Where(conditions) => {
                for (n, condition) in conditions.iter().enumerate() {
                    let separator = if n == 0 { "" } else { "," };
                    write!(f, "{separator}{condition}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = FIELDS.iter().find(|(_, field)| *field == self.field).map_or("", |(name, _)| name);
        match &self.test {
            Test::Number(sign, value) => {
                let sign = SIGNS.iter().find(|(_, known)| known == sign).map_or("", |(text, _)| text);
                write!(f, "{field}{sign}{value}")
            }
            Test::Word { is_not, word } => write!(f, "{field}{}={word}", if *is_not { "!" } else { "" }),
            Test::Pattern(pattern) => write!(f, "{field}~{pattern}"),
        }
    }
}

impl FromStr for Select {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text {
            "best" => return Ok(Self::Best),
            "worst" => return Ok(Self::Worst),
            _ => {}
        }
        if let Some(height) = text.strip_suffix('p').and_then(|h| h.parse().ok()) {
            return Ok(Self::Height(height));
        }
        if let Ok(number @ 1..) = text.parse() {
            return Ok(Self::Number(number));
        }
        let mut conditions = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find([',', '&']).unwrap_or(rest.len());
            let (one, behind) = rest.split_at(end);
            if one.contains('~') {
                conditions.push(rest.parse()?);
                break;
            }
            if !one.is_empty() {
                conditions.push(one.parse()?);
            }
            rest = behind.get(1..).unwrap_or_default();
        }
        match conditions.is_empty() {
            false => Ok(Self::Where(conditions)),
            true => Err("an empty choice".to_owned()),
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(at) = text.find(['<', '>', '=', '!', '~']) else {
            return Err(format!(
                "'{text}' is not best, worst, 720p, a number, or a condition such as height<=720"
            ));
        };
        let (name, rest) = text.split_at(at);
        let name = name.trim();
        let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == name) else {
            let known = FIELDS.map(|(name, _)| name).join(", ");
            return Err(format!("'{name}' is none of {known}"));
        };
        let field = *field;
        if let Some(pattern) = rest.strip_prefix('~') {
            if field.is_number() || field == Field::Range {
                return Err(format!("{name} has no regular expression"));
            }
            let pattern = Regex::new(pattern).map_err(|error| format!("'{pattern}': {error}"))?;
            return Ok(Self { field, test: Test::Pattern(pattern) });
        }
        let sign = SIGNS.iter().find_map(|(text, sign)| Some((*sign, rest.strip_prefix(text)?.trim())));
        let Some((sign, value)) = sign else { return Err(format!("'{text}' has no comparison")) };
        let test = match (field.is_number(), sign) {
            (true, _) => Test::Number(sign, number(value.trim_start_matches('='))?),
            (false, Sign::Equal | Sign::Other) if field != Field::Uri => {
                Test::Word { is_not: sign == Sign::Other, word: word(field, value)? }
            }
            _ => return Err(format!("{name} can't be compared like that")),
        };
        Ok(Self { field, test })
    }
}

fn word(field: Field, value: &str) -> Result<String, String> {
    let lower = value.to_ascii_lowercase();
    if field == Field::Range && !matches!(lower.as_str(), "sdr" | "hlg" | "pq" | "hdr") {
        return Err(format!("'{value}' is not sdr, hlg, pq or hdr"));
    }
    match value.is_empty() {
        true => Err("nothing to compare with".to_owned()),
        false => Ok(lower),
    }
}

/// What the codecs of this common name begin with (RFC 6381 names).
fn codec_names(word: &str) -> &[&str] {
    match word {
        "h264" | "avc" => &["avc1", "avc3"],
        "h265" | "hevc" => &["hvc1", "hev1", "dvh1", "dvhe"],
        "av1" => &["av01"],
        "vp9" => &["vp09"],
        "aac" => &["mp4a.40", "mp4a.66", "mp4a.67", "mp4a.68"],
        "mp3" => &["mp4a.69", "mp4a.6b", "mp4a.40.34", "mp3"],
        "ac3" => &["ac-3"],
        "eac3" => &["ec-3"],
        _ => &[],
    }
}

/// A number, with K, M or G for decimal thousands, millions, billions: bandwidths are counted so (RFC 8216bis 4.4.6.2).
fn number(text: &str) -> Result<f64, String> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 1e3),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 1e6),
        Some(b'g' | b'G') => (text.get(..text.len() - 1), 1e9),
        Some(b'p') => (text.get(..text.len() - 1), 1.0),
        _ => (Some(text), 1.0),
    };
    let value = digits.and_then(|d| d.parse::<f64>().ok()).filter(|v| v.is_finite());
    value.map(|v| v * factor).ok_or_else(|| format!("'{text}' is not a number"))
}

impl Condition {
    fn is_met_by(&self, variant: &Variant) -> bool {
        match &self.test {
            Test::Number(sign, wanted) => {
                let value = match self.field {
                    Field::Height => variant.resolution.map(|r| f64::from(r.height)),
                    Field::Width => variant.resolution.map(|r| f64::from(r.width)),
                    Field::Bandwidth => variant.bandwidth.map(|b| b as f64),
                    _ => variant.frame_rate,
                };
                value.is_some_and(|value| match sign {
                    Sign::AtMost => value <= *wanted,
                    Sign::AtLeast => value >= *wanted,
                    Sign::Below => value < *wanted,
                    Sign::Above => value > *wanted,
                    Sign::Equal => value == *wanted,
                    Sign::Other => value != *wanted,
                })
            }
            Test::Word { is_not, word } => self.has(variant, word) != *is_not,
            Test::Pattern(pattern) => {
                let text = match self.field {
                    Field::Codec => variant.codecs.as_deref(),
                    Field::Name => variant.name.as_deref(),
                    _ => Some(variant.uri.as_str()),
                };
                text.is_some_and(|text| pattern.is_match(text))
            }
        }
    }

    /// Whether one of the words of a variant is this one, in lower case.
    fn has(&self, variant: &Variant, word: &str) -> bool {
        match self.field {
            Field::Codec => {
                let codecs = variant.codecs.as_deref().unwrap_or_default().to_ascii_lowercase();
                let begins = |codec: &str| match codec_names(word) {
                    [] => codec.starts_with(word),
                    names => names.iter().any(|name| codec.starts_with(name)),
                };
                codecs.split(',').any(|codec| begins(codec.trim()))
            }
            Field::Range => match variant.dynamic_range() {
                VideoRange::Sdr => word == "sdr",
                VideoRange::Hlg => matches!(word, "hlg" | "hdr"),
                VideoRange::Pq => matches!(word, "pq" | "hdr"),
                _ => false,
            },
            _ => variant.name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(word)),
        }
    }
}

impl Select {
    /// The variant that is chosen.
    ///
    /// # Errors
    /// Nothing matches; the message lists what there is.
    pub fn choose<'m>(&self, playlist: &'m Multivariant) -> Result<&'m Variant, Error> {
        let variants = &playlist.variants;
        let best = |matching: &dyn Fn(&Variant) -> bool| {
            let ranked = variants.iter().filter(|v| matching(v)).map(|v| (rank(v), v));
            // Of equals the first one: the author's preference.
            ranked.fold(None, |best: Option<(_, &Variant)>, next| match best {
                Some(best) if best.0 >= next.0 => Some(best),
                _ => Some(next),
            })
        };
        let chosen = match self {
            Self::Best => best(&|_| true).map(|(_, v)| v),
            Self::Worst => {
                let seen = variants.iter().any(has_pictures);
                let ranked = |v: &&Variant| (!is_known(v), rank(v));
                variants.iter().filter(|v| has_pictures(v) || !seen).min_by_key(ranked)
            }
            Self::Height(height) => {
                best(&|v| v.resolution.is_some_and(|r| r.height == *height)).map(|(_, v)| v)
            }
            Self::Number(number) => variants.get(number - 1),
            Self::Where(all) => best(&|v| all.iter().all(|c| c.is_met_by(v))).map(|(_, v)| v),
        };
        chosen.ok_or_else(|| {
            let list: Vec<_> =
                variants.iter().enumerate().map(|(n, v)| format!("{}: {}", n + 1, label(v))).collect();
            let none = Error::new(Kind::Usage, "select.no_match", "no variant matches the choice");
            none.why(format!("there are {}", list.join("; ")))
                .next("choose one with -s, or look with hls info")
        })
    }
}

/// Whether a variant has pictures, as far as the playlist says.
pub(crate) fn has_pictures(variant: &Variant) -> bool {
    let video = |codec: &str| {
        let name = codec.trim().split('.').next().unwrap_or_default();
        !matches!(
            name,
            "mp4a" | "ac-3" | "ec-3" | "ac-4" | "mp3" | "opus" | "Opus" | "fLaC" | "alac" | "stpp" | "wvtt"
        )
    };
    variant.resolution.is_some() || variant.codecs.as_deref().is_none_or(|all| all.split(',').any(video))
}

/// The better one is the greater one. Lossless sound alone may have a higher bandwidth than a film.
fn rank(variant: &Variant) -> (bool, bool, u64, u64) {
    let pixels = variant.resolution.map_or(0, |r| u64::from(r.width) * u64::from(r.height));
    (has_pictures(variant), is_known(variant), variant.bandwidth.unwrap_or(0), pixels)
}

/// One whose VIDEO-RANGE is not known should not be taken (RFC 8216bis, 4.4.6.2).
fn is_known(variant: &Variant) -> bool {
    variant.dynamic_range() != VideoRange::Unknown
}

/// A variant in a few words.
pub(crate) fn label(variant: &Variant) -> String {
    let mut words = Vec::new();
    if let Some(resolution) = variant.resolution {
        words.push(format!("{}p", resolution.height));
    }
    if let Some(codecs) = &variant.codecs {
        words.push(hls_fetch::escaped(codecs, 60));
    }
    if words.is_empty() || variant.resolution.is_none() {
        words.extend(variant.bandwidth.map(|b| format!("{} kbit/s", b / 1000)));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYLIST: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",LANGUAGE=\"de\",AUTOSELECT=YES,URI=\"de.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"en\",DEFAULT=YES
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,FRAME-RATE=25,AUDIO=\"a\"
low
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,FRAME-RATE=25,AUDIO=\"b\"
mid
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1280x720,FRAME-RATE=50
mid50
#EXT-X-STREAM-INF:BANDWIDTH=8000000,RESOLUTION=1920x1080,FRAME-RATE=50
high
#EXT-X-STREAM-INF:BANDWIDTH=8000000,RESOLUTION=1920x1080,FRAME-RATE=50
copy
#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"
sound
#EXT-X-STREAM-INF:BANDWIDTH=9950000,CODECS=\"alac\"
lossless
#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=1920x1080,CODECS=\"hvc1.2.4.L120,ec-3\",VIDEO-RANGE=PQ,NAME=\"Kino, gross\"
hdr
#EXT-X-STREAM-INF:BANDWIDTH=9900000,RESOLUTION=1920x1080,VIDEO-RANGE=X
unknown
";

    fn playlist() -> Multivariant {
        let base = "https://h/".parse().unwrap();
        match hls_parse::parse(PLAYLIST, &base).unwrap().playlist {
            hls_parse::Playlist::Multivariant(m) => m,
            _ => panic!("a multivariant playlist"),
        }
    }

    #[test]
    fn choices() {
        for (choice, expect) in [
            ("best", Some("high")),
            ("worst", Some("low")),
            ("720p", Some("mid50")),
            ("2", Some("mid")),
            ("6", Some("sound")),
            ("codec=alac", Some("lossless")),
            ("bandwidth>3M,codec!=hevc", Some("high")),
            ("10", None),
            ("codec=hevc", Some("hdr")),
            ("codec=hvc1", Some("hdr")),
            ("codec=ec-3", Some("hdr")),
            ("codec=eac3,height=1080", Some("hdr")),
            ("codec=av1", None),
            ("range=hdr", Some("hdr")),
            ("range=HLG", None),
            ("range=sdr,codec!=h264", Some("high")),
            ("name=kino", None),
            ("name~^Kino, g", Some("hdr")),
            ("height>=1080,codec~av01,x|hvc1", Some("hdr")),
            ("height>=1080,codec~^(hvc1|hev1)", Some("hdr")),
            ("uri~^mid", Some("mid50")),
            ("height!=1080", Some("mid50")),
            ("480p", None),
            ("height<=720", Some("mid50")),
            ("height<720", Some("low")),
            ("bandwidth<=3M", Some("mid")),
            ("height<=720,fps<30", Some("mid")),
            ("width=1920", Some("high")),
            ("fps>60", None),
        ] {
            let select: Select = choice.parse().unwrap();
            assert_eq!(select.to_string().parse(), Ok(select.clone()), "{choice}");
            let playlist = playlist();
            assert_eq!(select.choose(&playlist).ok().map(|v| v.uri.as_str()), expect, "{choice}");
        }
        for bad in [
            "",
            "tall",
            "height<=x",
            "colour=red",
            "0",
            "-1",
            "height",
            "range=x",
            "height~1",
            "uri=x",
            "codec<1",
            "name~(",
            "codec=",
        ] {
            assert!(bad.parse::<Select>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pictures_are_told_by_size_or_codec() {
        let playlist = playlist();
        assert!(has_pictures(&playlist.variants[0]) && !has_pictures(&playlist.variants[5]));
    }
}
