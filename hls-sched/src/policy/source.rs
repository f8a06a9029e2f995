//! Where media playlists are loaded from, and where else the same is to be had.

use hls_parse::{Multivariant, PathwayClone, Rendition, Variant};
use url::Url;

/// Where a media playlist is loaded from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) here: Address,
    pub(crate) parent: Option<Url>,
    /// Variables of the playlist that names it.
    pub(crate) import: Vec<(String, String)>,
    /// Where else the same is to be had.
    pub(crate) elsewhere: Vec<Address>,
}

/// One place where a media playlist is to be had.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) url: Url,
    /// The pathway it is on (rfc8216bis-22, section 7).
    pub(crate) pathway: String,
    named: Named,
    is_clone: bool,
}

/// What names a media playlist.
#[derive(Clone, Debug)]
enum Named {
    Nothing,
    Variant(Box<Variant>),
    Rendition(Box<Rendition>),
}

impl Address {
    /// The place of a playlist that no other one names.
    pub(crate) fn plain(url: Url) -> Self {
        Self { url, pathway: ".".to_owned(), named: Named::Nothing, is_clone: false }
    }

    fn of_variant(variant: &Variant) -> Self {
        let named = Named::Variant(Box::new(variant.clone()));
        let (url, pathway) = (variant.url.clone(), variant.pathway().to_owned());
        Self { url, pathway, named, is_clone: false }
    }

    /// `None`: it is inside the variants that it belongs to.
    fn of_rendition(rendition: &Rendition, variant: &Variant) -> Option<Self> {
        let (url, pathway) = (rendition.url.clone()?, variant.pathway().to_owned());
        Some(Self { url, pathway, named: Named::Rendition(Box::new(rendition.clone())), is_clone: false })
    }

    /// Where the same is on a pathway that is made of this one.
    fn on(&self, clone: &PathwayClone) -> Option<Self> {
        let (url, named) = match &self.named {
            Named::Nothing => return None,
            Named::Variant(variant) => {
                let url = clone.variant_url(variant)?;
                let mut variant = variant.clone();
                variant.url = url.clone();
                (url, Named::Variant(variant))
            }
            Named::Rendition(rendition) => {
                let url = clone.rendition_url(rendition)?;
                let mut rendition = rendition.clone();
                rendition.url = Some(url.clone());
                (url, Named::Rendition(rendition))
            }
        };
        Some(Self { url, pathway: clone.id.clone(), named, is_clone: true })
    }
}

impl Source {
    pub(crate) fn plain(url: Url) -> Self {
        Self { here: Address::plain(url), parent: None, import: Vec::new(), elsewhere: Vec::new() }
    }

    /// Of a variant, or of a rendition that goes with it; `alike` are the variants that have the same content.
    pub(crate) fn named(
        playlist: &Multivariant,
        (variant, rendition): (&Variant, Option<&Rendition>),
        alike: &[&Variant],
    ) -> Self {
        let address = |variant: &Variant| match rendition {
            None => Some(Address::of_variant(variant)),
            Some(wanted) => {
                let mut group = playlist.renditions_of(variant, wanted.kind);
                Address::of_rendition(group.find(|other| is_alike(other, wanted))?, variant)
            }
        };
        let own = || rendition.and_then(|rendition| Address::of_rendition(rendition, variant));
        let here = own().unwrap_or_else(|| Address::of_variant(variant));
        let mut elsewhere: Vec<Address> = Vec::new();
        for found in alike.iter().filter_map(|variant| address(variant)) {
            if found.url != here.url && !elsewhere.iter().any(|known| known.url == found.url) {
                elsewhere.push(found);
            }
        }
        let (parent, import) = (Some(playlist.base().clone()), playlist.variables.clone());
        Self { here, parent, import, elsewhere }
    }

    /// Turns to the next place, where there is one.
    pub(crate) fn turn(&mut self) -> bool {
        if self.elsewhere.is_empty() {
            return false;
        }
        let next = self.elsewhere.remove(0);
        self.elsewhere.push(std::mem::replace(&mut self.here, next));
        true
    }

    /// Turns to the first place on a pathway; `false`: it has none there, or is there.
    pub(crate) fn turn_to(&mut self, pathway: &str) -> bool {
        let found = self.elsewhere.iter().position(|address| address.pathway == pathway);
        let Some(found) = found.filter(|_| self.here.pathway != pathway) else { return false };
        if let Some(there) = self.elsewhere.get_mut(found) {
            std::mem::swap(&mut self.here, there);
        }
        true
    }

    /// All pathways on which it is to be had.
    pub(crate) fn pathways(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.here).chain(&self.elsewhere).map(|address| address.pathway.as_str())
    }

    /// Takes up the pathways that are made of others, in place of those that were. One in use stays. Returns whether the place
    /// in use has moved.
    pub(crate) fn take_clones(&mut self, clones: &[PathwayClone]) -> bool {
        self.elsewhere.retain(|address| !address.is_clone);
        let before = self.here.url.clone();
        for clone in clones {
            // A later one may be made of an earlier one.
            let base = std::iter::once(&self.here).chain(&self.elsewhere);
            let made =
                base.filter(|address| address.pathway == clone.base_id).find_map(|base| base.on(clone));
            let Some(made) = made else { continue };
            if self.here.is_clone && self.here.pathway == clone.id {
                self.here = made;
            } else if !self.pathways().any(|known| known == clone.id) {
                self.elsewhere.push(made);
            }
        }
        self.here.url != before
    }
}

/// Whether two renditions of different groups have the same content (section 4.4.6.2.1).
fn is_alike(one: &Rendition, other: &Rendition) -> bool {
    let told = |r: &Rendition| (r.name.clone(), r.language.clone(), r.channels.clone(), r.forced);
    one.url.is_some() && told(one) == told(other)
}

#[cfg(test)]
mod tests {
    use hls_parse::{Limits, RenditionType, SteeringManifest};

    use super::*;

    const PLAYLIST: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"de\",URI=\"/a/de\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",URI=\"/a/en\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"en\",URI=\"/b/en\"
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\",PATHWAY-ID=\"a\"
/a/v
#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"b\",PATHWAY-ID=\"b\"
/b/v
";

    fn playlist() -> Multivariant {
        match hls_parse::parse(PLAYLIST, &"https://h/".parse().unwrap()).unwrap().playlist {
            hls_parse::Playlist::Multivariant(playlist) => playlist,
            _ => panic!("a multivariant playlist"),
        }
    }

    fn clones(json: &str) -> Vec<PathwayClone> {
        let text = format!("{{\"VERSION\":1,\"PATHWAY-PRIORITY\":[\"a\"],\"PATHWAY-CLONES\":{json}}}");
        let base = "https://s/".parse().unwrap();
        SteeringManifest::parse(text, &base, &Limits::default()).unwrap().clones
    }

    fn shown(source: &Source) -> Vec<String> {
        let all = std::iter::once(&source.here).chain(&source.elsewhere);
        all.map(|address| format!("{} {}", address.pathway, address.url)).collect()
    }

    fn source(rendition: Option<&str>) -> Source {
        let playlist = playlist();
        let [variant, other] = [&playlist.variants[0], &playlist.variants[1]];
        let mut audio = playlist.renditions_of(variant, RenditionType::Audio);
        let rendition = rendition.map(|name| audio.find(|r| r.name == name).unwrap());
        Source::named(&playlist, (variant, rendition), &[other])
    }

    #[test]
    fn the_same_is_where_alike_variants_have_it() {
        for (rendition, all) in [
            (None, &["a https://h/a/v", "b https://h/b/v"][..]),
            (Some("en"), &["a https://h/a/en", "b https://h/b/en"]),
            // The other pathway has none in this language.
            (Some("de"), &["a https://h/a/de"]),
        ] {
            assert_eq!(shown(&source(rendition)), all, "{rendition:?}");
        }
    }

    #[test]
    fn it_turns_to_pathways() {
        let mut source = source(None);
        assert_eq!([source.turn_to("a"), source.turn_to("x"), source.turn_to("b")], [false, false, true]);
        assert_eq!(shown(&source), ["b https://h/b/v", "a https://h/a/v"]);
        assert!(source.turn());
        assert_eq!(shown(&source), ["a https://h/a/v", "b https://h/b/v"]);
    }

    #[test]
    fn pathways_are_made_of_others() {
        let two = clones(
            r#"[{"BASE-ID":"b","ID":"c","URI-REPLACEMENT":{"HOST":"c"}},
                {"BASE-ID":"c","ID":"d","URI-REPLACEMENT":{"PARAMS":{"t":"1"}}},
                {"BASE-ID":"x","ID":"e","URI-REPLACEMENT":{"HOST":"e"}},
                {"BASE-ID":"b","ID":"a","URI-REPLACEMENT":{"HOST":"e"}}]"#,
        );
        for (rendition, name) in [(None, "v"), (Some("en"), "en")] {
            let mut source = source(rendition);
            let made = ["a https://h/a/", "b https://h/b/", "c https://c/b/", "d https://c/b/"];
            let mut all = made.map(|address| format!("{address}{name}"));
            all[3].push_str("?t=1");
            for _ in 0..2 {
                assert!(!source.take_clones(&two));
                assert_eq!(shown(&source), all);
            }
            // One in use moves, and stays where it was when there is nothing of it any more.
            assert!(source.turn_to("d"));
            let moved = clones(r#"[{"BASE-ID":"b","ID":"d","URI-REPLACEMENT":{"HOST":"d"}}]"#);
            assert_eq!([source.take_clones(&moved), source.take_clones(&[])], [true, false]);
            assert_eq!(shown(&source)[0], format!("d https://d/b/{name}"));
            assert_eq!(source.elsewhere.len(), 2);
        }
        let mut plain = Source::plain("https://h/i".parse().unwrap());
        plain.take_clones(&clones(r#"[{"BASE-ID":".","ID":"c","URI-REPLACEMENT":{"HOST":"c"}}]"#));
        assert!(plain.elsewhere.is_empty());
    }
}
