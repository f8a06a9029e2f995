//! The tags of the draft: where they belong, and what stands in them.

/// Where a tag belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Both,
    Media,
    Multivariant,
}

/// What follows the name of a tag.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Nothing,
    Integer,
    /// Something that is checked elsewhere.
    Text,
    Attributes(&'static [AttributeRule]),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TagRule {
    pub(super) name: &'static str,
    pub(super) section: &'static str,
    pub(super) place: Place,
    pub(super) once: bool,
    pub(super) form: Form,
}

/// What an attribute has to look like (rfc8216bis-22, section 4.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Integer,
    Hex,
    Float,
    SignedFloat,
    Quoted,
    /// A quoted string with a date and time.
    Date,
    /// A quoted `n@o`, or `n` alone.
    Range,
    Resolution,
    /// An unquoted word, one of these.
    OneOf(&'static [&'static str]),
    /// A quoted string, or this unquoted word.
    QuotedOr(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct AttributeRule {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

const fn must(name: &'static str, kind: Kind) -> AttributeRule {
    AttributeRule { name, kind, required: true }
}

const fn may(name: &'static str, kind: Kind) -> AttributeRule {
    AttributeRule { name, kind, required: false }
}

const YES_NO: Kind = Kind::OneOf(&["YES", "NO"]);
const METHODS: Kind = Kind::OneOf(&["NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR", "AES-256-GCM"]);

use Form::{Attributes, Integer, Nothing, Text};
use Kind::{Date, Float, Hex, OneOf, Quoted, QuotedOr, Range, Resolution, SignedFloat};
use Place::{Both, Media, Multivariant};

/// Finds the rule of a tag; `name` is without the `#`.
pub(super) fn of(name: &str) -> Option<&'static TagRule> {
    TAGS.iter().find(|rule| rule.name == name)
}

const fn tag(name: &'static str, section: &'static str, place: Place, once: bool, form: Form) -> TagRule {
    TagRule { name, section, place, once, form }
}

static TAGS: &[TagRule] = &[
    tag("EXTINF", "4.4.4.1", Media, false, Text),
    tag("EXT-X-BYTERANGE", "4.4.4.2", Media, false, Text),
    tag("EXT-X-KEY", "4.4.4.4", Media, false, Attributes(KEY)),
    tag("EXT-X-PROGRAM-DATE-TIME", "4.4.4.6", Media, false, Text),
    tag("EXT-X-PART", "4.4.4.9", Media, false, Attributes(PART)),
    tag("EXT-X-DISCONTINUITY", "4.4.4.3", Media, false, Nothing),
    tag("EXT-X-MAP", "4.4.4.5", Media, false, Attributes(MAP)),
    tag("EXT-X-GAP", "4.4.4.7", Media, false, Nothing),
    tag("EXT-X-BITRATE", "4.4.4.8", Media, false, Integer),
    tag("EXT-X-STREAM-INF", "4.4.6.2", Multivariant, false, Attributes(STREAM_INF)),
    tag("EXT-X-MEDIA", "4.4.6.1", Multivariant, false, Attributes(MEDIA)),
    tag("EXT-X-I-FRAME-STREAM-INF", "4.4.6.3", Multivariant, false, Attributes(I_FRAME_STREAM_INF)),
    tag("EXTM3U", "4.4.1.1", Both, true, Text),
    tag("EXT-X-VERSION", "4.4.1.2", Both, true, Integer),
    tag("EXT-X-INDEPENDENT-SEGMENTS", "4.4.2.1", Both, true, Nothing),
    tag("EXT-X-START", "4.4.2.2", Both, true, Attributes(START)),
    tag("EXT-X-DEFINE", "4.4.2.3", Both, false, Attributes(DEFINE)),
    tag("EXT-X-TARGETDURATION", "4.4.3.1", Media, true, Integer),
    tag("EXT-X-MEDIA-SEQUENCE", "4.4.3.2", Media, true, Integer),
    tag("EXT-X-DISCONTINUITY-SEQUENCE", "4.4.3.3", Media, true, Integer),
    tag("EXT-X-ENDLIST", "4.4.3.4", Media, true, Nothing),
    tag("EXT-X-PLAYLIST-TYPE", "4.4.3.5", Media, true, Text),
    tag("EXT-X-I-FRAMES-ONLY", "4.4.3.6", Media, true, Nothing),
    tag("EXT-X-PART-INF", "4.4.3.7", Media, true, Attributes(PART_INF)),
    tag("EXT-X-SERVER-CONTROL", "4.4.3.8", Media, true, Attributes(SERVER_CONTROL)),
    tag("EXT-X-DATERANGE", "4.4.5.1", Media, false, Attributes(DATERANGE)),
    tag("EXT-X-SKIP", "4.4.5.2", Media, true, Attributes(SKIP)),
    tag("EXT-X-PRELOAD-HINT", "4.4.5.3", Media, false, Attributes(PRELOAD_HINT)),
    tag("EXT-X-RENDITION-REPORT", "4.4.5.4", Media, false, Attributes(RENDITION_REPORT)),
    tag("EXT-X-SESSION-DATA", "4.4.6.4", Multivariant, false, Attributes(SESSION_DATA)),
    tag("EXT-X-SESSION-KEY", "4.4.6.5", Multivariant, false, Attributes(KEY)),
    tag("EXT-X-CONTENT-STEERING", "4.4.6.6", Multivariant, true, Attributes(CONTENT_STEERING)),
];

static START: &[AttributeRule] = &[must("TIME-OFFSET", SignedFloat), may("PRECISE", YES_NO)];
static DEFINE: &[AttributeRule] =
    &[may("NAME", Quoted), may("VALUE", Quoted), may("IMPORT", Quoted), may("QUERYPARAM", Quoted)];
static PART_INF: &[AttributeRule] = &[must("PART-TARGET", Float)];
static SERVER_CONTROL: &[AttributeRule] = &[
    may("CAN-SKIP-UNTIL", Float),
    may("CAN-SKIP-DATERANGES", YES_NO),
    may("HOLD-BACK", Float),
    may("PART-HOLD-BACK", Float),
    may("CAN-BLOCK-RELOAD", YES_NO),
];
static KEY: &[AttributeRule] = &[
    must("METHOD", METHODS),
    may("URI", Quoted),
    may("IV", Hex),
    may("KEYFORMAT", Quoted),
    may("KEYFORMATVERSIONS", Quoted),
];
static MAP: &[AttributeRule] = &[must("URI", Quoted), may("BYTERANGE", Range)];
static PART: &[AttributeRule] = &[
    must("URI", Quoted),
    must("DURATION", Float),
    may("INDEPENDENT", YES_NO),
    may("BYTERANGE", Range),
    may("GAP", YES_NO),
];
static DATERANGE: &[AttributeRule] = &[
    must("ID", Quoted),
    may("CLASS", Quoted),
    may("START-DATE", Date),
    may("CUE", Quoted),
    may("END-DATE", Date),
    may("DURATION", Float),
    may("PLANNED-DURATION", Float),
    may("SCTE35-CMD", Hex),
    may("SCTE35-OUT", Hex),
    may("SCTE35-IN", Hex),
    may("END-ON-NEXT", OneOf(&["YES"])),
];
static SKIP: &[AttributeRule] =
    &[must("SKIPPED-SEGMENTS", Kind::Integer), may("RECENTLY-REMOVED-DATERANGES", Quoted)];
static PRELOAD_HINT: &[AttributeRule] = &[
    must("TYPE", OneOf(&["PART", "MAP"])),
    must("URI", Quoted),
    may("BYTERANGE-START", Kind::Integer),
    may("BYTERANGE-LENGTH", Kind::Integer),
];
static RENDITION_REPORT: &[AttributeRule] =
    &[must("URI", Quoted), may("LAST-MSN", Kind::Integer), may("LAST-PART", Kind::Integer)];
static MEDIA: &[AttributeRule] = &[
    must("TYPE", OneOf(&["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"])),
    may("URI", Quoted),
    must("GROUP-ID", Quoted),
    may("LANGUAGE", Quoted),
    may("ASSOC-LANGUAGE", Quoted),
    must("NAME", Quoted),
    may("STABLE-RENDITION-ID", Quoted),
    may("DEFAULT", YES_NO),
    may("AUTOSELECT", YES_NO),
    may("FORCED", YES_NO),
    may("INSTREAM-ID", Quoted),
    may("BIT-DEPTH", Kind::Integer),
    may("SAMPLE-RATE", Kind::Integer),
    may("CHARACTERISTICS", Quoted),
    may("CHANNELS", Quoted),
];
const HDCP: Kind = OneOf(&["TYPE-0", "TYPE-1", "NONE"]);
const VIDEO_RANGE: Kind = OneOf(&["SDR", "HLG", "PQ"]);
static STREAM_INF: &[AttributeRule] = &[
    must("BANDWIDTH", Kind::Integer),
    may("AVERAGE-BANDWIDTH", Kind::Integer),
    may("SCORE", Float),
    may("CODECS", Quoted),
    may("SUPPLEMENTAL-CODECS", Quoted),
    may("RESOLUTION", Resolution),
    may("FRAME-RATE", Float),
    may("HDCP-LEVEL", HDCP),
    may("ALLOWED-CPC", Quoted),
    may("VIDEO-RANGE", VIDEO_RANGE),
    may("REQ-VIDEO-LAYOUT", Quoted),
    may("STABLE-VARIANT-ID", Quoted),
    may("AUDIO", Quoted),
    may("VIDEO", Quoted),
    may("SUBTITLES", Quoted),
    may("CLOSED-CAPTIONS", QuotedOr("NONE")),
    may("PATHWAY-ID", Quoted),
];
static I_FRAME_STREAM_INF: &[AttributeRule] = &[
    must("BANDWIDTH", Kind::Integer),
    must("URI", Quoted),
    may("AVERAGE-BANDWIDTH", Kind::Integer),
    may("SCORE", Float),
    may("CODECS", Quoted),
    may("SUPPLEMENTAL-CODECS", Quoted),
    may("RESOLUTION", Resolution),
    may("HDCP-LEVEL", HDCP),
    may("ALLOWED-CPC", Quoted),
    may("VIDEO-RANGE", VIDEO_RANGE),
    may("REQ-VIDEO-LAYOUT", Quoted),
    may("STABLE-VARIANT-ID", Quoted),
    may("VIDEO", Quoted),
    may("PATHWAY-ID", Quoted),
];
static SESSION_DATA: &[AttributeRule] = &[
    must("DATA-ID", Quoted),
    may("VALUE", Quoted),
    may("URI", Quoted),
    may("FORMAT", OneOf(&["JSON", "RAW"])),
    may("LANGUAGE", Quoted),
];
static CONTENT_STEERING: &[AttributeRule] = &[must("SERVER-URI", Quoted), may("PATHWAY-ID", Quoted)];
