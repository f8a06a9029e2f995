//! The origins of a job, by number, and what is known to be there.

use std::collections::HashMap;

use hls_fetch::Origin;
use url::Url;

use crate::network::OriginId;

/// Numbers the origins that units come from.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    ids: HashMap<Origin, OriginId>,
    /// How each is called, and the last URL of it that brought what was asked for.
    all: Vec<(String, Option<Url>)>,
}

impl Hosts {
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

    /// Something that an origin is known to have.
    pub(crate) fn known(&self, id: OriginId) -> Option<&Url> {
        self.all.get(usize::from(id))?.1.as_ref()
    }

    /// The origins and their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = (OriginId, &str)> {
        (0..).zip(self.all.iter().map(|(name, _)| name.as_str()))
    }
}
