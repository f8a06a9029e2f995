//! Which variant of a stream to take.

use std::fmt;
use std::str::FromStr;

use hls_parse::{Multivariant, Rendition, RenditionType, Variant};

use crate::error::{Error, Kind};

/// A choice among variants: `best`, `worst`, `720p`, a number from `hls info`, or conditions such as
/// `height<=720,bandwidth<=3M`, of which the best match is taken.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Select {
    /// The highest bandwidth.
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
    value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Height,
    Width,
    Bandwidth,
    FrameRate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Test {
    AtMost,
    AtLeast,
    Below,
    Above,
    Equal,
}

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
        let field = match self.field {
            Field::Height => "height",
            Field::Width => "width",
            Field::Bandwidth => "bandwidth",
            Field::FrameRate => "fps",
        };
        let test = match self.test {
            Test::AtMost => "<=",
            Test::AtLeast => ">=",
            Test::Below => "<",
            Test::Above => ">",
            Test::Equal => "=",
        };
        write!(f, "{field}{test}{}", self.value)
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
        let conditions: Result<Vec<_>, _> =
            text.split([',', '&']).filter(|c| !c.is_empty()).map(str::parse).collect();
        match conditions {
            Ok(all) if !all.is_empty() => Ok(Self::Where(all)),
            Ok(_) => Err("an empty choice".to_owned()),
            Err(why) => Err(why),
        }
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let tests = [
            ("<=", Test::AtMost),
            (">=", Test::AtLeast),
            ("<", Test::Below),
            (">", Test::Above),
            ("=", Test::Equal),
        ];
        let found = tests.iter().find_map(|(sign, test)| text.split_once(sign).map(|(f, v)| (f, *test, v)));
        let Some((field, test, value)) = found else {
            return Err(format!(
                "'{text}' is not best, worst, 720p, a number, or a condition such as height<=720"
            ));
        };
        let field = match field.trim() {
            "height" => Field::Height,
            "width" => Field::Width,
            "bandwidth" => Field::Bandwidth,
            "fps" => Field::FrameRate,
            other => return Err(format!("'{other}' is not height, width, bandwidth or fps")),
        };
        Ok(Self { field, test, value: number(value.trim().trim_start_matches('='))? })
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
        let resolution = variant.resolution;
        let value = match self.field {
            Field::Height => resolution.map(|r| f64::from(r.height)),
            Field::Width => resolution.map(|r| f64::from(r.width)),
            Field::Bandwidth => variant.bandwidth.map(|b| b as f64),
            Field::FrameRate => variant.frame_rate,
        };
        value.is_some_and(|value| match self.test {
            Test::AtMost => value <= self.value,
            Test::AtLeast => value >= self.value,
            Test::Below => value < self.value,
            Test::Above => value > self.value,
            Test::Equal => value == self.value,
        })
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
                variants.iter().filter(|v| has_pictures(v) || !seen).min_by_key(|v| rank(v))
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

/// The audio rendition that goes with a variant, where it is one of its own: DEFAULT, else AUTOSELECT, else the first.
pub(crate) fn audio_of<'m>(playlist: &'m Multivariant, variant: &'m Variant) -> Option<&'m Rendition> {
    let mut all: Vec<_> = playlist.renditions_of(variant, RenditionType::Audio).collect();
    all.sort_by_key(|r| (!r.default, !r.autoselect));
    let chosen = all.into_iter().next()?;
    // Without a URI, or with that of the variant, the audio is inside the variant itself.
    chosen.url.as_ref().is_some_and(|url| *url != variant.url).then_some(chosen)
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

fn rank(variant: &Variant) -> (u64, u64) {
    let pixels = variant.resolution.map_or(0, |r| u64::from(r.width) * u64::from(r.height));
    (variant.bandwidth.unwrap_or(0), pixels)
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
            ("7", None),
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
        for bad in ["", "tall", "height<=x", "colour=red", "0", "-1", "height"] {
            assert!(bad.parse::<Select>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn audio_goes_with_the_variant() {
        let playlist = playlist();
        let audio = |n: usize| audio_of(&playlist, &playlist.variants[n]).and_then(|r| r.language.as_deref());
        assert_eq!([audio(0), audio(1), audio(2)], [Some("en"), None, None]);
        assert!(has_pictures(&playlist.variants[0]) && !has_pictures(&playlist.variants[5]));
    }
}
