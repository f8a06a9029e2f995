//! What a multivariant playlist says about the session as a whole.

use url::Url;

use crate::AttributeList;

/// Data of the session, such as a title (rfc8216bis-22, section 4.4.6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionData {
    /// DATA-ID.
    pub id: String,
    /// VALUE: the data, where the playlist has it.
    pub value: Option<String>,
    /// URI as the playlist has it: where the data is, otherwise.
    pub uri: Option<String>,
    /// The URI resolved.
    pub url: Option<Url>,
    /// FORMAT: whether the resource is JSON or anything.
    pub format: DataFormat,
    /// LANGUAGE of the value.
    pub language: Option<String>,
    /// Every attribute of the tag as it stands there, its variables replaced.
    pub attributes: AttributeList,
    /// The line, counted from 1.
    pub line: u32,
}

/// The format of session data that is a resource of its own (section 4.4.6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DataFormat {
    /// JSON, which is what an absent attribute means.
    #[default]
    Json,
    /// Binary data.
    Raw,
}

/// Where to ask which pathway to take (section 4.4.6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContentSteering {
    /// SERVER-URI as the playlist has it: the steering manifest.
    pub uri: String,
    /// The URI resolved.
    pub url: Url,
    /// PATHWAY-ID: the pathway to begin with; `None` leaves the choice to the client.
    pub pathway_id: Option<String>,
    /// Every attribute of the tag as it stands there, its variables replaced.
    pub attributes: AttributeList,
    /// The line, counted from 1.
    pub line: u32,
}
