//! Which audio and which subtitles to take.

use std::fmt;
use std::str::FromStr;

use hls_parse::Rendition;

use crate::error::{Error, Kind};

/// Which renditions of one kind to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// Of sound what the stream says is to be played: DEFAULT, else AUTOSELECT, else the first. Of subtitles none.
    #[default]
    Usual,
    /// None.
    None,
    /// All of them.
    All,
    /// For each of these languages the one that is to be played: BCP 47, where `en` takes `en-US` too, or a NAME.
    Languages(Vec<String>),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            text => {
                let all = text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned);
                match all.collect::<Vec<_>>() {
                    all if all.is_empty() => Err("no language".to_owned()),
                    all => Ok(Self::Languages(all)),
                }
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual => Ok(()),
            Self::None => f.write_str("none"),
            Self::All => f.write_str("all"),
            Self::Languages(all) => f.write_str(&all.join(",")),
        }
    }
}

impl Wanted {
    /// Those of `all` that are wanted, in the order of the wish.
    ///
    /// # Errors
    /// There is none in one of the languages; the message lists what there is.
    pub(crate) fn of<'m>(&self, all: &[&'m Rendition], what: &str) -> Result<Vec<&'m Rendition>, Error> {
        let first = |fits: &dyn Fn(&Rendition) -> bool| {
            let fitting = all.iter().copied().filter(|rendition| fits(rendition));
            fitting.min_by_key(|r| (!r.default, !r.autoselect))
        };
        let languages = match self {
            Self::None => return Ok(Vec::new()),
            Self::All => return Ok(all.to_vec()),
            Self::Usual => return Ok(first(&|_| true).into_iter().collect()),
            Self::Languages(languages) => languages,
        };
        let mut chosen: Vec<&Rendition> = Vec::new();
        for language in languages {
            let Some(found) = first(&|rendition| is_in(rendition, language)) else {
                let list: Vec<_> = all.iter().map(|r| hls_fetch::escaped(called(r), 40)).collect();
                let why = match list.is_empty() {
                    true => {
                        format!("the playlist lists no {what}; what its segments hold is taken as a whole")
                    }
                    false => format!("there is {}", list.join(", ")),
                };
                let message = format!("there is no {what} in '{}'", hls_fetch::escaped(language, 40));
                let none = Error::new(Kind::Usage, "select.no_match", message);
                return Err(none.why(why).next("look with hls info"));
            };
            if !chosen.iter().any(|known| std::ptr::eq(*known, found)) {
                chosen.push(found);
            }
        }
        Ok(chosen)
    }
}

/// What a rendition is called for short.
pub(crate) fn called(rendition: &Rendition) -> &str {
    rendition.language.as_deref().unwrap_or(&rendition.name)
}

/// Whether a rendition is in a language, or has this name.
fn is_in(rendition: &Rendition, language: &str) -> bool {
    let is_language = rendition.language.as_deref().is_some_and(|own| {
        let (own, wanted) = (own.to_ascii_lowercase(), language.to_ascii_lowercase());
        own == wanted || own.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('-'))
    });
    is_language || rendition.name.eq_ignore_ascii_case(language)
}

#[cfg(test)]
mod tests {
    use hls_parse::{Multivariant, RenditionType};

    use super::*;

    const PLAYLIST: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",LANGUAGE=\"de\",AUTOSELECT=YES,URI=\"de.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"en\",DEFAULT=YES
#EXT-X-STREAM-INF:BANDWIDTH=800000,AUDIO=\"a\"
low
#EXT-X-STREAM-INF:BANDWIDTH=3000000,AUDIO=\"b\"
mid
#EXT-X-STREAM-INF:BANDWIDTH=5000000
high
";

    fn playlist() -> Multivariant {
        match hls_parse::parse(PLAYLIST, &"https://h/".parse().unwrap()).unwrap().playlist {
            hls_parse::Playlist::Multivariant(playlist) => playlist,
            _ => panic!("a multivariant playlist"),
        }
    }

    #[test]
    fn renditions_by_language() {
        let playlist = playlist();
        let of = |n: usize| {
            playlist.renditions_of(&playlist.variants[n], RenditionType::Audio).collect::<Vec<_>>()
        };
        let names = |wish: &str, n: usize| {
            let wanted = if wish.is_empty() { Wanted::Usual } else { wish.parse().unwrap() };
            let found = wanted.of(&of(n), "audio").ok()?;
            Some(
                found.into_iter().map(|r| r.uri.as_deref().unwrap_or("inside")).collect::<Vec<_>>().join(" "),
            )
        };
        for (wish, n, expect) in [
            ("", 0, Some("en.m3u8")),
            ("", 1, Some("inside")),
            ("", 2, Some("")),
            ("all", 0, Some("de.m3u8 en.m3u8")),
            ("none", 0, Some("")),
            ("de", 0, Some("de.m3u8")),
            ("DE", 0, Some("de.m3u8")),
            ("en,de,en", 0, Some("en.m3u8 de.m3u8")),
            ("fr", 0, None),
            ("d", 0, None),
            ("en", 2, None),
        ] {
            assert_eq!(names(wish, n).as_deref(), expect, "{wish:?} of {n}");
        }
        assert!(Wanted::from_str(" , ").is_err());
    }
}
