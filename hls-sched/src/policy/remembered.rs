//! The variant of an earlier run: known again however the playlist has changed around it.

use std::collections::BTreeMap;

use hls_parse::{Multivariant, Rendition, RenditionType, Variant};
use hls_state::Fingerprint;
use url::Url;

use crate::error::{Error, Kind};
use crate::policy::variant::label;

/// What tells a variant, and the audio that goes with it, from the others of their playlist. Of URLs there is a hash of the
/// path alone: hosts and tokens change, and a path may hold a secret too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice(BTreeMap<String, String>);

/// What a variant is, whatever it costs.
const STRUCTURE: [&str; 3] = ["resolution", "frame_rate", "codecs"];
const BANDWIDTH: &str = "bandwidth";
const PATH: &str = "path";
/// Which of those that are alike, from 0: a redundant stream is as good.
const RANK: &str = "rank";
/// The pathway that is in use now; never kept.
const PATHWAY: &str = "pathway";
const AUDIO: [&str; 3] = ["audio_name", "audio_language", "audio_channels"];
const AUDIO_PATH: &str = "audio_path";

impl Choice {
    /// Takes up what an earlier run has kept; `None` where that was nothing.
    pub(crate) fn kept(fields: BTreeMap<String, String>) -> Option<Self> {
        (!fields.is_empty()).then_some(Self(fields))
    }

    /// What to keep of a choice.
    pub(crate) fn of(playlist: &Multivariant, variant: &Variant, audio: Option<&Rendition>) -> Self {
        let mut choice = Self(variant_fields(variant));
        let alike = playlist.variants.iter().filter(|v| choice.fits(&variant_fields(v), &all_of(true)));
        let rank = alike.take_while(|v| !std::ptr::eq(*v, variant)).count();
        choice.0.insert(RANK.to_owned(), rank.to_string());
        choice.0.extend(audio.map(audio_fields).unwrap_or_default());
        choice
    }

    /// Variants of the same content: those that are described alike, and those of other pathways that have the same stable
    /// identity (rfc8216bis-22, section 7.1).
    pub(crate) fn elsewhere<'m>(&self, playlist: &'m Multivariant, variant: &Variant) -> Vec<&'m Variant> {
        let is_same = |other: &Variant| match (&other.stable_id, &variant.stable_id) {
            (Some(one), Some(other)) if one != other => false,
            (Some(_), Some(_)) if other.pathway() != variant.pathway() => true,
            _ => self.fits(&variant_fields(other), &all_of(true)),
        };
        playlist.variants.iter().filter(|v| v.url != variant.url && is_same(v)).collect()
    }

    /// The same choice, of a variant on this pathway if there is one.
    pub(crate) fn on(&self, pathway: &str) -> Self {
        let mut choice = self.clone();
        choice.0.insert(PATHWAY.to_owned(), pathway.to_owned());
        choice
    }

    pub(crate) fn into_fields(self) -> BTreeMap<String, String> {
        self.0
    }

    /// The variant that was chosen: by what it is, and by where it lies among those that are alike.
    ///
    /// # Errors
    /// It is not there any more.
    pub(crate) fn variant<'m>(&self, playlist: &'m Multivariant) -> Result<&'m Variant, Error> {
        let rank = self.0.get(RANK).and_then(|rank| rank.parse().ok()).unwrap_or(0);
        let alike = |keys: &[&str]| {
            let alike = playlist.variants.iter().filter(|v| self.fits(&variant_fields(v), keys));
            alike.collect::<Vec<_>>()
        };
        let ranked = |keys: &[&str]| {
            let all = alike(keys);
            all.get(rank % all.len().max(1)).copied()
        };
        let on_pathway = || {
            let pathway = self.0.get(PATHWAY)?;
            let found = ranked(&[&all_of(true)[..], &[PATH]].concat()).or_else(|| ranked(&all_of(true)))?;
            if found.pathway() == pathway {
                return Some(found);
            }
            self.elsewhere(playlist, found).into_iter().find(|v| v.pathway() == pathway)
        };
        let only = |keys: &[&str]| Some(alike(keys)).filter(|all| all.len() == 1)?.first().copied();
        let found = on_pathway()
            .or_else(|| ranked(&[&all_of(true)[..], &[PATH]].concat()))
            // Paths may be mere numbers in the order of a list, so a path alone says nothing.
            .or_else(|| ranked(&all_of(true)))
            // A stream that was measured or described anew.
            .or_else(|| only(&[STRUCTURE[0], PATH]))
            .or_else(|| only(&all_of(false)).filter(|v| v.resolution.is_some()));
        found.ok_or_else(|| {
            let kept: Vec<_> = all_of(true).iter().filter_map(|key| self.0.get(*key)).cloned().collect();
            let list: Vec<_> = playlist.variants.iter().map(label).collect();
            let (kept, list) = (hls_fetch::escaped(&kept.join(" "), 120), list.join("; "));
            gone("the variant of the earlier run is no longer in the playlist")
                .why(format!("it was {kept}; there are {list}"))
        })
    }

    /// The audio of its own that was chosen with it; `None` where there was none.
    ///
    /// # Errors
    /// It is not there any more.
    pub(crate) fn audio<'m>(
        &self,
        playlist: &'m Multivariant,
        variant: &'m Variant,
    ) -> Result<Option<&'m Rendition>, Error> {
        if !self.0.contains_key(AUDIO_PATH) {
            return Ok(None);
        }
        let all = || playlist.renditions_of(variant, RenditionType::Audio).filter(|r| r.url.is_some());
        let first = |keys: &[&str]| all().find(|r| self.fits(&audio_fields(r), keys));
        let found = first(&[&AUDIO[..], &[AUDIO_PATH]].concat())
            .or_else(|| first(&AUDIO))
            .or_else(|| Some(first(&[AUDIO_PATH])?).filter(|_| self.is_only_audio(all())));
        let name = || hls_fetch::escaped(self.0.get(AUDIO[0]).map_or("", String::as_str), 60);
        let missing = || {
            gone("the audio of the earlier run is no longer in the playlist")
                .why(format!("it was {}", name()))
        };
        found.map(Some).ok_or_else(missing)
    }

    fn is_only_audio<'m>(&self, all: impl Iterator<Item = &'m Rendition>) -> bool {
        all.filter(|r| self.fits(&audio_fields(r), &[AUDIO_PATH])).count() == 1
    }

    fn fits(&self, other: &BTreeMap<String, String>, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.0.get(*key) == other.get(*key))
    }
}

fn all_of(with_bandwidth: bool) -> Vec<&'static str> {
    STRUCTURE.into_iter().chain(with_bandwidth.then_some(BANDWIDTH)).collect()
}

fn variant_fields(variant: &Variant) -> BTreeMap<String, String> {
    let fields = [
        (STRUCTURE[0], variant.resolution.map(|r| format!("{}x{}", r.width, r.height))),
        (STRUCTURE[1], variant.frame_rate.map(|rate| rate.to_string())),
        (STRUCTURE[2], variant.codecs.clone()),
        (BANDWIDTH, variant.bandwidth.map(|b| b.to_string())),
        (PATH, Some(path(&variant.url))),
    ];
    known(fields)
}

fn audio_fields(rendition: &Rendition) -> BTreeMap<String, String> {
    let fields = [
        (AUDIO[0], Some(rendition.name.clone())),
        (AUDIO[1], rendition.language.clone()),
        (AUDIO[2], rendition.channels.clone()),
        (AUDIO_PATH, rendition.url.as_ref().map(path)),
    ];
    known(fields)
}

fn known<const N: usize>(fields: [(&str, Option<String>); N]) -> BTreeMap<String, String> {
    fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn path(url: &Url) -> String {
    Fingerprint::of(url.path().as_bytes()).to_string()
}

fn gone(message: &str) -> Error {
    Error::new(Kind::Content, "select.gone", message)
        .next("--restart takes the best one, or with -s another one, and starts over; -o gives another name")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO_TAGS: &str =
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",LANGUAGE=\"de\",URI=\"de.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",URI=\"en.m3u8\"
";

    fn variant(bandwidth: u32, height: u32, uri: &str) -> String {
        let width = height * 16 / 9;
        format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION={width}x{height},AUDIO=\"a\"\n{uri}\n")
    }

    fn playlist(variants: &[String]) -> Multivariant {
        let text = format!("#EXTM3U\n{AUDIO_TAGS}{}", variants.concat());
        match hls_parse::parse(&text, &"https://h/".parse().unwrap()).unwrap().playlist {
            hls_parse::Playlist::Multivariant(playlist) => playlist,
            _ => panic!("a multivariant playlist"),
        }
    }

    #[test]
    fn a_variant_is_known_again() {
        let (low, high) = (variant(1, 360, "low?t=1"), variant(9, 720, "high?t=1"));
        let copy = variant(9, 720, "https://backup/copy");
        let before = playlist(&[low.clone(), high.clone(), copy.clone()]);
        let best = variant(20, 1080, "best");
        for (chosen, after, expect) in [
            (1, vec![best.clone(), high.clone(), low.clone(), copy.clone()], Some(1)),
            // Other tokens, another host, another path, another measure.
            (1, vec![best.clone(), variant(9, 720, "https://other/high?t=2")], Some(1)),
            (1, vec![best.clone(), variant(9, 720, "session/2/high"), low.clone()], Some(1)),
            (1, vec![best.clone(), variant(8, 720, "high?t=2"), low.clone()], Some(1)),
            (1, vec![best.clone(), variant(8, 720, "session/2/high"), low.clone()], Some(1)),
            // Of redundant ones the same, and where it has gone, the other.
            (2, vec![high.clone(), copy.clone(), best.clone()], Some(1)),
            (2, vec![high.clone(), best.clone()], Some(0)),
            (1, vec![variant(9, 720, "x/1"), variant(9, 720, "x/2")], Some(0)),
            (2, vec![variant(9, 720, "x/1"), variant(9, 720, "x/2")], Some(1)),
            // One path with many queries.
            (0, vec![variant(9, 720, "low?q=2"), variant(1, 360, "low?q=1")], Some(1)),
            // The path of the one that was chosen is that of a better one now.
            (0, vec![variant(20, 1080, "low"), variant(1, 360, "high")], Some(1)),
            (0, vec![variant(20, 1080, "low"), high.clone()], None),
            (1, vec![best.clone(), low.clone()], None),
            (1, vec![variant(7, 720, "x/1"), variant(8, 720, "x/2")], None),
        ] {
            let choice = Choice::of(&before, &before.variants[chosen], None);
            let after = playlist(&after);
            let found = choice.variant(&after).map(|found| after.variants.iter().position(|v| v == found));
            assert_eq!(found.ok().flatten(), expect, "{chosen} in {:?}", after.variants);
        }
    }

    #[test]
    fn audio_is_known_again_and_nothing_secret_is_kept() {
        let before = playlist(&[variant(1, 360, "v/secret?token=secret")]);
        let audio = before.renditions_of(&before.variants[0], RenditionType::Audio).nth(1);
        let choice = Choice::of(&before, &before.variants[0], audio);
        let found = choice.audio(&before, &before.variants[0]).unwrap();
        assert_eq!(found.map(|r| r.name.as_str()), Some("en"));
        assert!(!format!("{:?}", choice.clone().into_fields()).contains("secret"));
        let mut other = before.clone();
        other.renditions.retain(|r| r.name != "en");
        let error = choice.audio(&other, &other.variants[0]).unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::Content, "select.gone"));
        let without = Choice::of(&before, &before.variants[0], None);
        assert!(without.audio(&before, &before.variants[0]).unwrap().is_none());
        assert_eq!(Choice::kept(BTreeMap::new()), None);
    }
}
