//! The attributes of a tag, kept with the playlist.

use crate::attribute::Attributes;

/// The attributes of one tag in order, their quotes removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttributeList(pub(crate) Vec<Pair>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) quoted: bool,
}

impl AttributeList {
    pub(crate) fn new(attributes: &Attributes<'_>) -> Self {
        let pairs = attributes.0.iter().map(|attribute| Pair {
            name: attribute.name.to_owned(),
            value: attribute.value.clone().into_owned(),
            quoted: attribute.quoted,
        });
        Self(pairs.collect())
    }

    /// Returns the value of an attribute; the last one where it stands twice.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.find(name).map(|pair| pair.value.as_str())
    }

    /// Returns all of them as they stand.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()))
    }

    /// Tells whether the attribute that [`get`](Self::get) returns is a quoted string.
    pub fn is_quoted(&self, name: &str) -> bool {
        self.find(name).is_some_and(|pair| pair.quoted)
    }

    fn find(&self, name: &str) -> Option<&Pair> {
        self.0.iter().rev().find(|pair| pair.name == name)
    }
}
