//! Which keys are in effect at each place of a media playlist.

use std::sync::Arc;

use url::Url;

use crate::{
    Encryption, Error, Key, Line, Method, WarningKind,
    attribute::Attributes,
    key::{IDENTITY, KeySet},
    media_reader::count,
    reader::{Reader, bad_value},
    scalar,
};

/// The keys in effect: one for each key format, until METHOD=NONE ends all (rfc8216bis-22, section 4.4.4.4).
#[derive(Debug, Default)]
pub(crate) struct KeyScope<'t> {
    in_effect: Vec<Arc<Key>>,
    /// The place in `Media::key_sets` once something uses the keys in effect, counted from 1.
    set: Option<u32>,
    /// The last tag, since many packagers repeat it before each segment.
    last: Option<&'t str>,
    last_url: Option<(String, Arc<Url>)>,
    urls: usize,
}

impl<'t> KeyScope<'t> {
    /// Begins with the keys in effect at the end of an older copy; `set` is counted from 1.
    pub(crate) fn resume(set: u32, sets: &[KeySet]) -> Self {
        let keys = (set as usize).checked_sub(1).and_then(|index| sets.get(index));
        let in_effect = keys.map(|set| set.keys.clone()).unwrap_or_default();
        Self { set: keys.map(|_| set), in_effect, ..Self::default() }
    }

    pub(crate) fn in_effect(&self) -> &[Arc<Key>] {
        &self.in_effect
    }

    pub(crate) fn tag(
        &mut self,
        reader: &mut Reader<'t>,
        line: Line<'t>,
        value: &'t str,
    ) -> Result<(), Error> {
        if self.last == Some(value) {
            return Ok(());
        }
        let attributes = reader.attributes(line, value)?;
        let method = match attributes.get("METHOD") {
            Some(method) => Method::read(method),
            None => {
                reader.warn(line, || WarningKind::Missing { tag: "EXT-X-KEY", attribute: "METHOD" });
                if attributes.get("URI").is_none() {
                    return Ok(());
                }
                // A key without a method still says that something is encrypted: never take it for clear.
                Method::Other("".into())
            }
        };
        if method == Method::None {
            self.in_effect.clear();
        } else {
            self.put(reader, line, method, &attributes)?;
        }
        self.set = None;
        self.last = Some(value);
        Ok(())
    }

    /// Returns the place of the keys in effect among the sets, counted from 1; 0 where there are none.
    pub(crate) fn use_set(
        &mut self,
        reader: &Reader<'_>,
        line: Line<'_>,
        sets: &mut Vec<KeySet>,
    ) -> Result<u32, Error> {
        if self.in_effect.is_empty() {
            return Ok(0);
        }
        if let Some(set) = self.set {
            return Ok(set);
        }
        let limit = reader.options.limits.key_changes;
        if sets.len() >= limit {
            return Err(reader.limit(line, "changes of keys", limit));
        }
        let keys = self.in_effect.clone();
        let encryption = Encryption::of(&keys);
        sets.push(KeySet { keys, encryption });
        Ok(*self.set.insert(count(sets.len())))
    }

    fn put(
        &mut self,
        reader: &mut Reader<'t>,
        line: Line<'t>,
        method: Method,
        attributes: &Attributes<'t>,
    ) -> Result<(), Error> {
        let url = match attributes.get("URI") {
            Some(uri) => Some(self.url(reader, line, uri)?),
            None => {
                reader.warn(line, || WarningKind::Missing { tag: "EXT-X-KEY", attribute: "URI" });
                None
            }
        };
        let key = read_key(reader, line, method, url, attributes);
        match self.in_effect.iter_mut().find(|other| other.format() == key.format()) {
            Some(other) => *other = Arc::new(key),
            None => self.in_effect.push(Arc::new(key)),
        }
        let limit = reader.options.limits.key_formats;
        if self.in_effect.len() > limit {
            return Err(reader.limit(line, "key formats at once", limit));
        }
        Ok(())
    }

    fn url(&mut self, reader: &Reader<'_>, line: Line<'_>, uri: &str) -> Result<Arc<Url>, Error> {
        if let Some((_, url)) = self.last_url.as_ref().filter(|(last, _)| last == uri) {
            return Ok(Arc::clone(url));
        }
        let url = Arc::new(reader.resolve(line, uri)?);
        let limit = reader.options.limits.keys;
        if self.urls >= limit {
            return Err(reader.limit(line, "keys", limit));
        }
        self.urls += 1;
        self.last_url = Some((uri.to_owned(), Arc::clone(&url)));
        Ok(url)
    }
}

/// Reads what is left of a key once its method and URL are known.
pub(crate) fn read_key(
    reader: &mut Reader<'_>,
    line: Line<'_>,
    method: Method,
    url: Option<Arc<Url>>,
    attributes: &Attributes<'_>,
) -> Key {
    let iv_text = attributes.get("IV");
    let iv = iv_text.and_then(scalar::hex128);
    let iv_is_bad = iv_text.is_some() && iv.is_none();
    if iv_is_bad {
        reader.warn(line, || bad_value("IV", iv_text.unwrap_or("")));
    }
    let keyformat = attributes.get("KEYFORMAT").filter(|format| *format != IDENTITY).map(Arc::from);
    let keyformat_versions = attributes.get("KEYFORMATVERSIONS").map(Box::from);
    Key { method, url, iv, iv_is_bad, keyformat, keyformat_versions, line: line.number }
}
