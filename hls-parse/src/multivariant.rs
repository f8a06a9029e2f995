//! Multivariant playlists: variants and renditions.

use url::Url;

use crate::{AttributeList, ContentSteering, Key, SessionData, Start, scalar};

/// A multivariant playlist: the same content in several encodings, and what goes with them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Multivariant {
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// `EXT-X-INDEPENDENT-SEGMENTS`.
    pub independent_segments: bool,
    /// `EXT-X-START`.
    pub start: Option<Start>,
    /// The variant streams in order (rfc8216bis-22, section 4.4.6.2).
    pub variants: Vec<Variant>,
    /// The I-frame variants in order; they have no groups but VIDEO (section 4.4.6.3).
    pub i_frame_variants: Vec<Variant>,
    /// The renditions in order (section 4.4.6.1).
    pub renditions: Vec<Rendition>,
    /// The variants of thumbnails, by `EXT-X-IMAGE-STREAM-INF`, which no draft has.
    pub image_variants: Vec<Variant>,
    /// The keys to load ahead; they apply to nothing by themselves (section 4.4.6.5).
    pub session_keys: Vec<Key>,
    /// The data of the session (section 4.4.6.4).
    pub session_data: Vec<SessionData>,
    /// Where to ask which pathway to take (section 4.4.6.6).
    pub content_steering: Option<ContentSteering>,
    /// The variables, for media playlists that import them: see [`Options::import`](crate::Options::import).
    pub variables: Vec<(String, String)>,
    pub(crate) base: Url,
    pub(crate) text: Box<str>,
}

impl Multivariant {
    /// Returns the renditions of one kind that belong to a variant, by TYPE and GROUP-ID (section 4.4.6.2.1).
    pub fn renditions_of<'a>(
        &'a self,
        variant: &'a Variant,
        kind: RenditionType,
    ) -> impl Iterator<Item = &'a Rendition> {
        let group = variant.group(kind);
        self.renditions
            .iter()
            .filter(move |rendition| rendition.kind == kind && group == Some(&rendition.group))
    }

    /// Returns where the playlist came from, which relative URIs were resolved against.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Returns every line as it stands in the playlist, unknown tags included.
    pub fn lines(&self) -> crate::Lines<'_> {
        crate::Lines::new(&self.text)
    }

    /// Returns the lines with tags that this crate does not know, in order.
    pub fn unknown_tags(&self) -> impl Iterator<Item = crate::Line<'_>> {
        self.lines().filter(crate::Line::is_unknown_tag)
    }
}

/// One encoding of the content (section 4.4.6.2).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Variant {
    /// The URI as the playlist has it, its variables replaced.
    pub uri: String,
    /// The URI resolved.
    pub url: Url,
    /// Peak bits per second; `None` where the required attribute is missing or no number.
    pub bandwidth: Option<u64>,
    /// Average bits per second.
    pub average_bandwidth: Option<u64>,
    /// The codecs, separated by commas.
    pub codecs: Option<String>,
    /// The size of the picture.
    pub resolution: Option<Resolution>,
    /// The largest frame rate.
    pub frame_rate: Option<f64>,
    /// The group of audio renditions.
    pub audio: Option<String>,
    /// The group of video renditions.
    pub video: Option<String>,
    /// The group of subtitle renditions.
    pub subtitles: Option<String>,
    /// The group of closed captions, or `NONE`.
    pub closed_captions: Option<String>,
    /// The level of copy protection that the output has to have.
    pub hdcp_level: Option<String>,
    /// `SDR`, `HLG`, `PQ`, or a word that is not known.
    pub video_range: Option<String>,
    /// The NAME attribute, which the draft does not have but servers send.
    pub name: Option<String>,
    /// STABLE-VARIANT-ID.
    pub stable_id: Option<String>,
    /// PATHWAY-ID; absent means `.` (section 7).
    pub pathway_id: Option<String>,
    /// The order of preference; higher is better.
    pub score: Option<f64>,
    /// SUPPLEMENTAL-CODECS: what else can decode it, each codec with its brands after slashes.
    pub supplemental_codecs: Option<String>,
    /// ALLOWED-CPC: which protection will do, for each key format named; see
    /// [`allowed_protection`](Self::allowed_protection).
    pub allowed_cpc: Option<String>,
    /// REQ-VIDEO-LAYOUT: what the player has to be able to show, such as `CH-STEREO`.
    pub req_video_layout: Option<String>,
    /// PROGRAM-ID, which protocol version 6 removed.
    pub program_id: Option<u64>,
    /// Every attribute of the tag as it stands there, its variables replaced.
    pub attributes: AttributeList,
    /// The line of the tag, counted from 1.
    pub line: u32,
}

impl Variant {
    /// Returns the group of one kind of rendition.
    pub fn group(&self, kind: RenditionType) -> Option<&String> {
        match kind {
            RenditionType::Audio => self.audio.as_ref(),
            RenditionType::Video => self.video.as_ref(),
            RenditionType::Subtitles => self.subtitles.as_ref(),
            // Unquoted NONE says that there are none; a group of that name can't be told from it.
            RenditionType::ClosedCaptions => self.closed_captions.as_ref().filter(|group| *group != "NONE"),
        }
    }

    /// Returns the pathway, `.` where the tag names none (section 4.4.6.2).
    pub fn pathway(&self) -> &str {
        self.pathway_id.as_deref().unwrap_or(".")
    }

    /// Returns the dynamic range of the video; one that is unknown should not be selected (section 4.4.6.2).
    pub fn dynamic_range(&self) -> VideoRange {
        match self.video_range.as_deref() {
            None | Some("SDR") => VideoRange::Sdr,
            Some("HLG") => VideoRange::Hlg,
            Some("PQ") => VideoRange::Pq,
            Some(_) => VideoRange::Unknown,
        }
    }

    /// Returns the key formats of ALLOWED-CPC, each with the labels that will do (section 4.4.6.2).
    ///
    /// A format that is not named is not restricted; one without labels allows nothing.
    pub fn allowed_protection(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        let entries = self.allowed_cpc.as_deref().map(scalar::words);
        entries.into_iter().flatten().filter_map(|entry| {
            // Key formats have colons of their own, as in `urn:uuid:...`; labels have none.
            let (format, labels) = entry.rsplit_once(':')?;
            Some((format, labels.split('/').filter(|label| !label.is_empty()).collect()))
        })
    }

    pub(crate) fn new(uri: String, url: Url, attributes: AttributeList, line: u32) -> Self {
        let text = |name| attributes.get(name).map(str::to_owned);
        Self {
            uri,
            url,
            bandwidth: attributes.get("BANDWIDTH").and_then(scalar::integer),
            average_bandwidth: attributes.get("AVERAGE-BANDWIDTH").and_then(scalar::integer),
            codecs: text("CODECS"),
            resolution: attributes.get("RESOLUTION").and_then(scalar::resolution),
            frame_rate: attributes.get("FRAME-RATE").and_then(scalar::float),
            audio: text("AUDIO"),
            video: text("VIDEO"),
            subtitles: text("SUBTITLES"),
            closed_captions: text("CLOSED-CAPTIONS"),
            hdcp_level: text("HDCP-LEVEL"),
            video_range: text("VIDEO-RANGE"),
            name: text("NAME"),
            stable_id: text("STABLE-VARIANT-ID"),
            pathway_id: text("PATHWAY-ID"),
            score: attributes.get("SCORE").and_then(scalar::float),
            supplemental_codecs: text("SUPPLEMENTAL-CODECS"),
            allowed_cpc: text("ALLOWED-CPC"),
            req_video_layout: text("REQ-VIDEO-LAYOUT"),
            program_id: attributes.get("PROGRAM-ID").and_then(scalar::integer),
            attributes,
            line,
        }
    }
}

/// The dynamic range of video (section 4.4.6.2, VIDEO-RANGE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoRange {
    /// Standard; also what an absent attribute means.
    Sdr,
    /// Hybrid log-gamma.
    Hlg,
    /// Perceptual quantizer.
    Pq,
    /// A word that this crate does not know.
    Unknown,
}

/// The size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Resolution {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// An alternative of one kind: a language, a camera angle, subtitles (section 4.4.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendition {
    /// TYPE.
    pub kind: RenditionType,
    /// GROUP-ID.
    pub group: String,
    /// NAME.
    pub name: String,
    /// The language.
    pub language: Option<String>,
    /// A language in another role, such as that written where `language` is spoken.
    pub assoc_language: Option<String>,
    /// Whether to play it where the user has no preference.
    pub default: bool,
    /// Whether to play it where it matches the user's language.
    pub autoselect: bool,
    /// Whether subtitles are to be shown always.
    pub forced: bool,
    /// The channels: a count, and more after slashes.
    pub channels: Option<String>,
    /// What makes it special, separated by commas.
    pub characteristics: Option<String>,
    /// BIT-DEPTH: bits of a sample of sound.
    pub bit_depth: Option<u64>,
    /// SAMPLE-RATE: samples of sound in a second.
    pub sample_rate: Option<u64>,
    /// INSTREAM-ID: the captions, or since version 13 the track, inside shared segments.
    pub instream_id: Option<String>,
    /// STABLE-RENDITION-ID.
    pub stable_id: Option<String>,
    /// The URI as the playlist has it; without one, the media is inside the variant.
    pub uri: Option<String>,
    /// The URI resolved.
    pub url: Option<Url>,
    /// Every attribute of the tag as it stands there, its variables replaced.
    pub attributes: AttributeList,
    /// The line, counted from 1.
    pub line: u32,
}

impl Rendition {
    /// Returns the number of channels of sound: the first part of CHANNELS (section 4.4.6.1).
    pub fn channel_count(&self) -> Option<u64> {
        scalar::integer(self.channels.as_deref()?.split('/').next()?)
    }

    /// Tells whether the media is inside the segments of the variant, which must not be downloaded twice
    /// (section 4.4.6.2.1).
    pub fn is_in_variant(&self) -> bool {
        self.uri.is_none()
    }
}

/// The kind of a rendition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RenditionType {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Text in playlists of its own.
    Subtitles,
    /// Text inside the video.
    ClosedCaptions,
}

impl RenditionType {
    pub(crate) fn read(text: &str) -> Option<Self> {
        match text {
            "AUDIO" => Some(Self::Audio),
            "VIDEO" => Some(Self::Video),
            "SUBTITLES" => Some(Self::Subtitles),
            "CLOSED-CAPTIONS" => Some(Self::ClosedCaptions),
            _ => None,
        }
    }

    /// Returns the name that stands in playlists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "AUDIO",
            Self::Video => "VIDEO",
            Self::Subtitles => "SUBTITLES",
            Self::ClosedCaptions => "CLOSED-CAPTIONS",
        }
    }
}
