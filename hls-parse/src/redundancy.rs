//! Variants that stand for each other, and the pathways they are on.

use std::collections::HashMap;

use crate::{Multivariant, Variant};

/// Names that may differ between pathways for the same content: each pathway has groups of its own.
const GROUPS: [&str; 4] = ["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"];

type Key<'a> = Vec<(&'a str, &'a str)>;

impl Multivariant {
    /// Returns the variants in sets that hold the same content in the same encoding: if one can't be loaded,
    /// another of its set may be (rfc8216bis-22, sections 6.2.4 and 7).
    ///
    /// Within a set all attributes are the same but for PATHWAY-ID. Between pathways groups may have other names;
    /// where several variants of a pathway differ in nothing else, they are matched in their order.
    pub fn redundant_variants(&self) -> Vec<Vec<&Variant>> {
        let mut sets: Vec<Vec<&Variant>> = Vec::new();
        let mut places: HashMap<(Key<'_>, usize), usize> = HashMap::new();
        let mut ranks: HashMap<(&str, Key<'_>), HashMap<Key<'_>, usize>> = HashMap::new();
        for variant in &self.variants {
            let mut all: Key<'_> =
                variant.attributes.iter().filter(|(name, _)| *name != "PATHWAY-ID").collect();
            all.sort_unstable();
            let rest: Key<'_> = all.iter().copied().filter(|(name, _)| !GROUPS.contains(name)).collect();
            let of_pathway = ranks.entry((variant.pathway(), rest.clone())).or_default();
            let next = of_pathway.len();
            let rank = *of_pathway.entry(all).or_insert(next);
            let place = *places.entry((rest, rank)).or_insert_with(|| {
                sets.push(Vec::new());
                sets.len() - 1
            });
            if let Some(set) = sets.get_mut(place) {
                set.push(variant);
            }
        }
        sets
    }

    /// Returns the pathways in the order of their first variants; one without a name is `.` (section 4.4.6.2).
    pub fn pathways(&self) -> Vec<&str> {
        let mut pathways: Vec<&str> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        pathways.extend(self.variants.iter().map(Variant::pathway).filter(|pathway| seen.insert(*pathway)));
        pathways
    }

    /// Returns the variants on one pathway.
    pub fn variants_on<'a>(&'a self, pathway: &'a str) -> impl Iterator<Item = &'a Variant> {
        self.variants.iter().filter(move |variant| variant.pathway() == pathway)
    }

    /// Returns the pathway to begin with, where `EXT-X-CONTENT-STEERING` names one (section 4.4.6.6).
    pub fn initial_pathway(&self) -> Option<&str> {
        self.content_steering.as_ref()?.pathway_id.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use crate::{Multivariant, Playlist};

    fn read(body: &str) -> Multivariant {
        let base = Url::parse("https://example.com/a/index.m3u8").expect("a valid URL");
        match crate::parse(format!("#EXTM3U\n{body}"), &base).expect("a playlist").playlist {
            Playlist::Multivariant(playlist) => playlist,
            Playlist::Media(_) => unreachable!("not a multivariant playlist"),
        }
    }

    fn check(variants: &[(&str, &str)], expect: &[&[&str]]) {
        let tag = |(attributes, uri): &(&str, &str)| format!("#EXT-X-STREAM-INF:{attributes}\n{uri}\n");
        let playlist = read(&variants.iter().map(tag).collect::<String>());
        let sets = playlist.redundant_variants();
        let uris: Vec<Vec<_>> = sets.iter().map(|set| set.iter().map(|v| v.uri.as_str()).collect()).collect();
        assert_eq!(uris, expect);
    }

    #[test]
    fn rule_36_variants_stand_for_each_other() {
        check(&[("BANDWIDTH=1", "a"), ("BANDWIDTH=2", "b"), ("BANDWIDTH=1", "c")], &[&["a", "c"], &["b"]]);
        check(
            &[
                ("BANDWIDTH=1,AUDIO=\"x1\",PATHWAY-ID=\"1\"", "a"),
                ("BANDWIDTH=1,AUDIO=\"y1\",PATHWAY-ID=\"1\"", "b"),
                ("PATHWAY-ID=\"2\",AUDIO=\"x2\",BANDWIDTH=1", "c"),
                ("PATHWAY-ID=\"2\",AUDIO=\"y2\",BANDWIDTH=1", "d"),
                ("PATHWAY-ID=\"2\",AUDIO=\"y2\",BANDWIDTH=1", "e"),
            ],
            &[&["a", "c"], &["b", "d", "e"]],
        );
        check(&[("BANDWIDTH=1,AUDIO=\"x\"", "a"), ("BANDWIDTH=1,AUDIO=\"y\"", "b")], &[&["a"], &["b"]]);
    }

    #[test]
    fn rule_36_pathways() {
        let playlist = read(
            "#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer?a=1\",PATHWAY-ID=\"q\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"q\"\nb\n",
        );
        assert_eq!(playlist.pathways(), [".", "q"]);
        assert_eq!(playlist.variants_on(".").map(|variant| variant.uri.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(playlist.initial_pathway(), Some("q"));
        let steering = playlist.content_steering.expect("a tag");
        assert_eq!(steering.url.as_str(), "https://example.com/steer?a=1");
    }
}
