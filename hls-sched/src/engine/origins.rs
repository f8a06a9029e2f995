//! The origins of a job, by number, and what is known to be there.

use std::collections::HashMap;

use hls_fetch::Origin;
use url::Url;

use crate::policy::network::OriginId;

/// Numbers the origins that units come from.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    ids: HashMap<Origin, OriginId>,
    /// How each is called, and the last URL of it that brought what was asked for.
    all: Vec<(String, Option<Url>)>,
    /// The playlist that names the units.
    entrance: Option<Url>,
}

impl Hosts {
    /// Begins with what has been had already: the playlists that name the units.
    pub(crate) fn with(playlists: Vec<Url>) -> Self {
        let is_remote = |url: &Url| Origin::of(url).is_some();
        let mut hosts =
            Self { entrance: playlists.first().filter(|url| is_remote(url)).cloned(), ..Self::default() };
        playlists.iter().filter(|url| is_remote(url)).for_each(|url| hosts.serves(url));
        hosts
    }

    /// The number of the origin of a URL. Beyond 65,535 they share one.
    pub(crate) fn id(&mut self, url: &Url) -> OriginId {
        let Some(origin) = Origin::of(url) else { return 0 };
        if let Some(id) = self.ids.get(&origin) {
            return *id;
        }
        let id = OriginId::try_from(self.all.len()).unwrap_or(OriginId::MAX);
        if usize::from(id) == self.all.len() {
            let name = hls_fetch::escaped(&origin.host().to_string(), 100);
            self.all.push((name, None));
        }
        self.ids.insert(origin, id);
        id
    }

    /// Something was had from here.
    pub(crate) fn serves(&mut self, url: &Url) {
        let id = self.id(url);
        if let Some((_, known)) = self.all.get_mut(usize::from(id)) {
            *known = Some(url.clone());
        }
    }

    /// Something is being had from here: it is known to be there, unless something better is known.
    pub(crate) fn answers(&mut self, url: &Url) {
        let id = self.id(url);
        if let Some((_, known)) = self.all.get_mut(usize::from(id)) {
            known.get_or_insert_with(|| url.clone());
        }
    }

    /// Something that an origin is known to have. Of one that never answered nothing is known: the playlist tells then whether
    /// it is the network that is gone.
    pub(crate) fn known(&self, id: OriginId) -> Option<&Url> {
        self.all.get(usize::from(id))?.1.as_ref().or(self.entrance.as_ref())
    }

    /// The origins and their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = (OriginId, &str)> {
        (0..).zip(self.all.iter().map(|(name, _)| name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_an_origin() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let mut hosts = Hosts::with(vec![url("https://a/i.m3u8"), url("https://b/audio.m3u8")]);
        let (a, b, c) = (
            hosts.id(&url("https://a/1.ts")),
            hosts.id(&url("https://b/1.ts")),
            hosts.id(&url("https://c/1")),
        );
        let known = |hosts: &Hosts, id| hosts.known(id).map(Url::to_string);
        assert_eq!(known(&hosts, a).as_deref(), Some("https://a/i.m3u8"));
        assert_eq!(known(&hosts, b).as_deref(), Some("https://b/audio.m3u8"));
        // One that never answered may be gone alone, which nobody can tell from one that never was.
        assert_eq!(known(&hosts, c).as_deref(), Some("https://a/i.m3u8"));
        hosts.answers(&url("https://c/2.ts"));
        hosts.answers(&url("https://c/3.ts"));
        assert_eq!(known(&hosts, c).as_deref(), Some("https://c/2.ts"));
        hosts.serves(&url("https://c/4.ts"));
        assert_eq!(known(&hosts, c).as_deref(), Some("https://c/4.ts"));
        // A playlist on this machine tells nothing of the network.
        let mut local = Hosts::with(vec![url("file:///i.m3u8")]);
        let id = local.id(&url("https://a/1.ts"));
        assert_eq!(local.known(id), None);
    }
}
