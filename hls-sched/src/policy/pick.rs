//! What to take of a multivariant playlist: decided before any other playlist is loaded.

use hls_media::remux::Takes;
use hls_parse::{Multivariant, Rendition, RenditionType, Variant};

use crate::error::{Error, Kind};
use crate::policy::remembered::Choice;
use crate::policy::rendition::Wanted;
use crate::policy::variant::{self, Select};

/// What the user wishes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// Several: one film of each.
    pub(crate) selects: Vec<Select>,
    pub(crate) audio: Wanted,
    pub(crate) subtitles: Wanted,
    pub(crate) audio_only: bool,
    pub(crate) video_only: bool,
    /// Nothing but subtitles, as the name of the output says.
    pub(crate) subtitles_only: bool,
}

/// One film: a variant and what goes with it.
#[derive(Debug)]
pub(crate) struct Pick<'m> {
    pub(crate) variant: &'m Variant,
    /// What is taken of the segments of the variant itself; `None`: nothing.
    pub(crate) takes: Option<Takes>,
    /// By the playlist, all sound is in playlists of its own.
    pub(crate) has_no_sound: bool,
    /// Those that have playlists of their own.
    pub(crate) audio: Vec<&'m Rendition>,
    pub(crate) subtitles: Vec<&'m Rendition>,
}

/// Picks the films, each variant once. `prior`: what was chosen before, which is to be taken again.
///
/// # Errors
/// Nothing fits the wishes; the message lists what there is. Or what was chosen before is not there any more.
pub(crate) fn pick<'m>(
    wishes: &Wishes,
    prior: &[Choice],
    playlist: &'m Multivariant,
) -> Result<Vec<Pick<'m>>, Error> {
    let mut picks: Vec<Pick<'m>> = Vec::new();
    if !prior.is_empty() {
        for choice in prior {
            picks.push(film(wishes, Some(choice), playlist, choice.variant(playlist)?)?);
        }
        return Ok(picks);
    }
    let usual = [Select::default()];
    let selects = if wishes.selects.is_empty() { &usual[..] } else { &wishes.selects[..] };
    for select in selects {
        let variant = begun_with(playlist, variant(wishes, select, playlist)?, select);
        if !picks.iter().any(|pick| std::ptr::eq(pick.variant, variant)) {
            picks.push(film(wishes, None, playlist, variant)?);
        }
    }
    Ok(picks)
}

/// A variant, from the pathway that the playlist wants to be begun with (section 4.4.6.6) if that has it; who says which one by
/// its number gets that.
fn begun_with<'m>(playlist: &'m Multivariant, variant: &'m Variant, select: &Select) -> &'m Variant {
    let wanted = playlist.initial_pathway().filter(|pathway| *pathway != variant.pathway());
    let Some(pathway) = wanted.filter(|_| !matches!(select, Select::Number(_))) else { return variant };
    let alike = Choice::of(playlist, variant, None).elsewhere(playlist, variant);
    alike.into_iter().find(|other| other.pathway() == pathway).unwrap_or(variant)
}

/// The variant; where sound alone is wanted and the one that is chosen has none of its own, one without pictures if there is
/// one.
fn variant<'m>(wishes: &Wishes, select: &Select, playlist: &'m Multivariant) -> Result<&'m Variant, Error> {
    let variant = select.choose(playlist)?;
    if !wishes.audio_only || !variant::has_pictures(variant) || !own_audio(playlist, variant).is_empty() {
        return Ok(variant);
    }
    let mut sound = playlist.clone();
    sound.variants.retain(|variant| !variant::has_pictures(variant));
    let Ok(found) = select.choose(&sound) else { return Ok(variant) };
    Ok(playlist.variants.iter().find(|variant| variant.line == found.line).unwrap_or(variant))
}

fn own_audio<'m>(playlist: &'m Multivariant, variant: &'m Variant) -> Vec<&'m Rendition> {
    let all = playlist.renditions_of(variant, RenditionType::Audio);
    all.filter(|rendition| is_apart(rendition, variant)).collect()
}

/// Without a URI, or with that of the variant, the media is inside the variant itself.
fn is_apart(rendition: &Rendition, variant: &Variant) -> bool {
    rendition.url.as_ref().is_some_and(|url| *url != variant.url)
}

fn film<'m>(
    wishes: &Wishes,
    prior: Option<&Choice>,
    playlist: &'m Multivariant,
    variant: &'m Variant,
) -> Result<Pick<'m>, Error> {
    let subtitles = playlist.renditions_of(variant, RenditionType::Subtitles);
    let subtitles = subtitles.filter(|rendition| rendition.url.is_some()).collect::<Vec<_>>();
    let wanted = match &wishes.subtitles {
        Wanted::Usual if !wishes.subtitles_only => &Wanted::None,
        wanted => wanted,
    };
    let subtitles = wanted.of(&subtitles, "subtitle")?;
    if wishes.subtitles_only {
        if subtitles.is_empty() {
            let none = Error::new(Kind::Usage, "select.no_match", "the stream names no subtitles");
            return Err(none
                .why("the name of the output asks for subtitles alone")
                .next("look with hls info"));
        }
        return Ok(Pick { variant, takes: None, has_no_sound: false, audio: Vec::new(), subtitles });
    }
    let all = playlist.renditions_of(variant, RenditionType::Audio).collect::<Vec<_>>();
    let has_no_sound = !all.is_empty() && all.iter().all(|rendition| is_apart(rendition, variant));
    if wishes.video_only {
        return Ok(Pick {
            variant,
            takes: Some(Takes::Pictures),
            has_no_sound,
            audio: Vec::new(),
            subtitles,
        });
    }
    let chosen = match (prior, &wishes.audio) {
        (Some(prior), Wanted::Usual) => match prior.audio(playlist, variant)? {
            Some(audio) => vec![audio],
            None => all.into_iter().filter(|rendition| !is_apart(rendition, variant)).take(1).collect(),
        },
        (_, wanted) => wanted.of(&all, "audio")?,
    };
    // What names no rendition is inside.
    let is_inside = chosen.iter().any(|rendition| !is_apart(rendition, variant)) || chosen.is_empty();
    let audio = chosen.into_iter().filter(|rendition| is_apart(rendition, variant)).collect::<Vec<_>>();
    let takes = match (wishes.audio_only, is_inside && wishes.audio != Wanted::None) {
        (true, true) => Some(if variant::has_pictures(variant) { Takes::Sound } else { Takes::All }),
        (true, false) => None,
        (false, true) => Some(Takes::All),
        (false, false) => Some(Takes::Pictures),
    };
    if takes.is_none() && audio.is_empty() {
        return Err(Error::new(Kind::Usage, "select.no_match", "no audio was asked for, and nothing else"));
    }
    Ok(Pick { variant, takes, has_no_sound, audio, subtitles })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAYLIST: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",LANGUAGE=\"de\",URI=\"de\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"de\",LANGUAGE=\"de\",URI=\"de\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"en\",LANGUAGE=\"en\",URI=\"sub-en\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"de\",LANGUAGE=\"de\",DEFAULT=YES,URI=\"sub-de\"
#EXT-X-STREAM-INF:BANDWIDTH=5000000,RESOLUTION=1280x720,AUDIO=\"a\",SUBTITLES=\"s\"
apart
#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=960x540,AUDIO=\"b\"
inside
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=640x360
plain
#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"
sound
";

    fn playlist(text: &str) -> Multivariant {
        match hls_parse::parse(text, &"https://h/".parse().unwrap()).unwrap().playlist {
            hls_parse::Playlist::Multivariant(playlist) => playlist,
            _ => panic!("a multivariant playlist"),
        }
    }

    fn shown(pick: &Pick<'_>) -> String {
        let takes = match pick.takes {
            None => "-",
            Some(Takes::All) => "all",
            Some(Takes::Pictures) => "pictures",
            Some(Takes::Sound) => "sound",
        };
        let names =
            |all: &[&Rendition]| all.iter().filter_map(|r| r.uri.clone()).collect::<Vec<_>>().join("+");
        format!("{} {takes} {} {}", pick.variant.uri, names(&pick.audio), names(&pick.subtitles))
    }

    #[test]
    fn picks() {
        let wishes = |select: &[&str]| Wishes {
            selects: select.iter().map(|s| s.parse().unwrap()).collect(),
            ..Wishes::default()
        };
        let audio = |wish: &str| wish.parse::<Wanted>().unwrap();
        let usual = Wishes::default;
        for (wishes, expect) in [
            (usual(), &["apart pictures en "][..]),
            (wishes(&["540p"]), &["inside all  "]),
            (wishes(&["360p"]), &["plain all  "]),
            (wishes(&["720p", "best", "360p"]), &["apart pictures en ", "plain all  "]),
            (Wishes { audio: audio("all"), ..usual() }, &["apart pictures de+en "]),
            (Wishes { audio: audio("all"), ..wishes(&["540p"]) }, &["inside all de "]),
            (Wishes { audio: audio("de"), ..wishes(&["540p"]) }, &["inside pictures de "]),
            (Wishes { audio: audio("de,en"), ..usual() }, &["apart pictures de+en "]),
            (Wishes { audio: audio("none"), ..wishes(&["360p"]) }, &["plain pictures  "]),
            (Wishes { video_only: true, ..usual() }, &["apart pictures  "]),
            (Wishes { audio_only: true, ..usual() }, &["apart - en "]),
            (Wishes { audio_only: true, ..wishes(&["4"]) }, &["sound all  "]),
            // Nothing but sound and of no other variant: what is inside.
            (Wishes { audio_only: true, ..wishes(&["540p"]) }, &["inside sound  "]),
            (Wishes { subtitles: audio("all"), ..usual() }, &["apart pictures en sub-en+sub-de"]),
            (Wishes { subtitles: audio("en"), ..usual() }, &["apart pictures en sub-en"]),
            (Wishes { subtitles_only: true, ..usual() }, &["apart -  sub-de"]),
            (Wishes { subtitles_only: true, ..wishes(&["360p"]) }, &[]),
            (Wishes { audio: audio("fr"), ..usual() }, &[]),
            (Wishes { subtitles: audio("fr"), ..usual() }, &[]),
            (Wishes { audio: audio("en"), ..wishes(&["360p"]) }, &[]),
            (Wishes { audio: audio("none"), audio_only: true, ..usual() }, &[]),
        ] {
            let playlist = playlist(PLAYLIST);
            let picks = pick(&wishes, &[], &playlist).unwrap_or_default();
            assert_eq!(picks.iter().map(shown).collect::<Vec<_>>(), expect, "{wishes:?}");
        }
    }

    #[test]
    fn sound_alone_comes_from_a_variant_without_pictures_if_there_is_one() {
        let text = PLAYLIST.replace("BANDWIDTH=3000000", "BANDWIDTH=9000000");
        let playlist = playlist(&text);
        let wishes = Wishes { audio_only: true, ..Wishes::default() };
        assert_eq!(
            pick(&wishes, &[], &playlist).unwrap().iter().map(shown).collect::<Vec<_>>(),
            ["sound all  "]
        );
    }

    #[test]
    fn what_was_chosen_before_is_taken_again() {
        let playlist = playlist(PLAYLIST);
        for wishes in [
            Wishes::default(),
            Wishes { selects: vec![Select::Height(540)], ..Wishes::default() },
            Wishes { selects: vec![Select::Height(360), Select::Height(720)], ..Wishes::default() },
            Wishes { audio: Wanted::All, ..Wishes::default() },
        ] {
            let first = pick(&wishes, &[], &playlist).unwrap();
            let choices: Vec<_> =
                first.iter().map(|p| Choice::of(&playlist, p.variant, p.audio.first().copied())).collect();
            let again = pick(&wishes, &choices, &playlist).unwrap();
            let all = |picks: &[Pick<'_>]| picks.iter().map(shown).collect::<Vec<_>>();
            assert_eq!(all(&first), all(&again), "{wishes:?}");
        }
    }
}
