//! From our types to those of `m3u8-rs`.

use std::collections::HashMap;

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ClosedCaptionGroupId, DateRange, ExtTag, InstreamId, KeyMethod,
    MasterPlaylist, MediaPlaylist, MediaPlaylistType, MediaSegment, QuotedOrUnquoted, SessionData,
    SessionDataField, SessionKey, VariantStream,
};

use super::InterchangeError;
use crate::{
    AttributeList, Content, Encryption, Key, Map, Media, Method, Multivariant, Playlist, PlaylistType,
    Rendition, RenditionType, Segment, Start, Variant, attribute::Attributes, warning::Warnings,
};

impl TryFrom<&Playlist> for m3u8_rs::Playlist {
    type Error = InterchangeError;

    fn try_from(playlist: &Playlist) -> Result<Self, Self::Error> {
        match playlist {
            Playlist::Media(media) => media.try_into().map(Self::MediaPlaylist),
            Playlist::Multivariant(playlist) => playlist.try_into().map(Self::MasterPlaylist),
        }
    }
}

impl TryFrom<&Media> for MediaPlaylist {
    type Error = InterchangeError;

    fn try_from(media: &Media) -> Result<Self, Self::Error> {
        if media.skipped_segments > 0 {
            return Err(InterchangeError::Skipped);
        }
        let mut rest = Rest::of(media);
        let mut last: Option<Segment<'_>> = None;
        let mut segments = Vec::with_capacity(media.segments().len());
        for segment in media.segments() {
            segments.push(of_segment(segment, last, std::mem::take(&mut rest.segments[segment.index()]))?);
            last = Some(segment);
        }
        Ok(Self {
            version: media.version.and_then(|version| usize::try_from(version).ok()),
            target_duration: media.target_duration.map_or(0, |duration| duration.as_secs()),
            media_sequence: media.media_sequence,
            segments,
            discontinuity_sequence: media.discontinuity_sequence,
            end_list: media.ended,
            playlist_type: media.playlist_type.map(|kind| match kind {
                PlaylistType::Vod => MediaPlaylistType::Vod,
                PlaylistType::Event => MediaPlaylistType::Event,
            }),
            i_frames_only: media.i_frames_only,
            start: media.start.as_ref().map(of_start),
            independent_segments: media.independent_segments,
            unknown_tags: rest.behind,
        })
    }
}

fn of_segment(
    segment: Segment<'_>,
    last: Option<Segment<'_>>,
    rest: RestOfSegment,
) -> Result<MediaSegment, InterchangeError> {
    let before = last.map_or(&[][..], |last| last.keys());
    let has_new_keys = before != segment.keys();
    let map = segment.map().filter(|map| last.and_then(|last| last.map()) != Some(*map));
    if map.is_some() && has_new_keys && (is_whole(last) || is_whole(Some(segment))) {
        return Err(InterchangeError::MapOrder { index: segment.index() });
    }
    let key = match segment.keys() {
        _ if !has_new_keys => None,
        [] => Some(m3u8_rs::Key::default()),
        [key] if key.iv_is_bad => return Err(InterchangeError::Vector { line: key.line }),
        [key] => Some(of_key(key)),
        _ => return Err(InterchangeError::KeyFormats { line: segment.line() }),
    };
    Ok(MediaSegment {
        uri: segment.uri().to_owned(),
        duration: segment.duration().as_secs_f32(),
        title: Some(segment.title()).filter(|title| !title.is_empty()).map(str::to_owned),
        byte_range: segment.byte_range().map(of_range),
        discontinuity: segment.is_discontinuity(),
        key,
        map: map.map(|map| of_map(map)),
        program_date_time: segment.program_date_time().and_then(|date| date.parse().ok()),
        daterange: rest.date_range,
        unknown_tags: rest.tags,
    })
}

/// Whether whole segments are encrypted, and then an initialisation section too.
fn is_whole(segment: Option<Segment<'_>>) -> bool {
    segment.is_some_and(|segment| match segment.encryption() {
        Encryption::Clear => false,
        Encryption::Unsupported { method, .. } => !matches!(method, Method::SampleAes | Method::SampleAesCtr),
        _ => true,
    })
}

fn of_key(key: &Key) -> m3u8_rs::Key {
    m3u8_rs::Key {
        method: of_method(key.method.as_str()),
        uri: key.url.as_ref().map(|url| url.to_string()),
        iv: key.iv.map(|iv| format!("0x{:032x}", u128::from_be_bytes(iv))),
        keyformat: key.keyformat.as_deref().map(str::to_owned),
        keyformatversions: key.keyformat_versions.as_deref().map(str::to_owned),
    }
}

fn of_method(method: &str) -> KeyMethod {
    method.parse().unwrap_or_else(|_| KeyMethod::Other(method.to_owned()))
}

fn of_map(map: &Map) -> m3u8_rs::Map {
    m3u8_rs::Map {
        uri: map.url.to_string(),
        byte_range: map.byte_range.map(of_range),
        other_attributes: HashMap::new(),
    }
}

fn of_range(range: crate::ByteRange) -> m3u8_rs::ByteRange {
    m3u8_rs::ByteRange { length: range.length, offset: Some(range.offset) }
}

fn of_start(start: &Start) -> m3u8_rs::Start {
    m3u8_rs::Start {
        time_offset: start.time_offset,
        precise: Some(start.precise),
        other_attributes: HashMap::new(),
    }
}

/// The tags that `m3u8-rs` keeps as they are, and where.
struct Rest {
    segments: Vec<RestOfSegment>,
    behind: Vec<ExtTag>,
}

#[derive(Default)]
struct RestOfSegment {
    date_range: Option<DateRange>,
    tags: Vec<ExtTag>,
}

impl Rest {
    fn of(media: &Media) -> Self {
        let mut segments = Vec::with_capacity(media.segments().len());
        let mut next = RestOfSegment::default();
        for line in media.lines() {
            match line.content {
                Content::Uri(_) => segments.push(std::mem::take(&mut next)),
                Content::Tag { name: "EXT-X-DATERANGE", value } if next.date_range.is_none() => {
                    match DateRange::from_hashmap(quoted(value)) {
                        Ok(range) => next.date_range = Some(range),
                        Err(_) => next.tags.push(ext_tag("EXT-X-DATERANGE", value)),
                    }
                }
                Content::Tag { name: "EXT-X-PROGRAM-DATE-TIME", value } if is_date(value) => {}
                Content::Tag { name, value } if !IN_MEDIA.contains(&name) => {
                    next.tags.push(ext_tag(name, value));
                }
                _ => {}
            }
        }
        // A line that reading took for no segment would have no place.
        segments.resize_with(media.segments().len(), RestOfSegment::default);
        Self { segments, behind: next.tags }
    }
}

fn is_date(text: &str) -> bool {
    let segment = MediaSegment { program_date_time: text.parse().ok(), ..MediaSegment::empty() };
    segment.program_date_time.is_some()
}

const IN_MEDIA: [&str; 16] = [
    "EXTM3U",
    "EXTINF",
    "EXT-X-VERSION",
    "EXT-X-DEFINE",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-START",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-BYTERANGE",
];

const IN_MULTIVARIANT: [&str; 10] = [
    "EXTM3U",
    "EXT-X-VERSION",
    "EXT-X-DEFINE",
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-START",
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
];

fn ext_tag(name: &str, value: &str) -> ExtTag {
    ExtTag {
        tag: name.strip_prefix("EXT-").unwrap_or(name).to_owned(),
        rest: Some(value).filter(|value| !value.is_empty()).map(str::to_owned),
    }
}

fn quoted(value: &str) -> HashMap<String, QuotedOrUnquoted> {
    let attributes = Attributes::read(value, 0, &mut Warnings::new(0));
    let pairs = attributes.0.into_iter();
    pairs.map(|a| (a.name.to_owned(), text(a.value.into_owned(), a.quoted))).collect()
}

fn text(value: String, quoted: bool) -> QuotedOrUnquoted {
    if quoted { QuotedOrUnquoted::Quoted(value) } else { QuotedOrUnquoted::Unquoted(value) }
}

impl TryFrom<&Multivariant> for MasterPlaylist {
    type Error = InterchangeError;

    fn try_from(playlist: &Multivariant) -> Result<Self, Self::Error> {
        let variants = playlist.variants.iter().map(|variant| (variant, false));
        let i_frames = playlist.i_frame_variants.iter().map(|variant| (variant, true));
        let mut variants: Vec<_> = variants.chain(i_frames).collect();
        variants.sort_by_key(|(variant, _)| variant.line);
        let variants = variants.into_iter().map(|(variant, is_i_frame)| of_variant(variant, is_i_frame));
        let known = |name: &str| IN_MULTIVARIANT.contains(&name);
        let of_name = |wanted: &'static str| {
            tags(playlist).filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
        };
        Ok(Self {
            version: playlist.version.and_then(|version| usize::try_from(version).ok()),
            variants: variants.collect::<Result<_, _>>()?,
            session_data: of_name("EXT-X-SESSION-DATA").filter_map(session_data).collect(),
            session_key: of_name("EXT-X-SESSION-KEY").filter_map(session_key).collect(),
            start: playlist.start.as_ref().map(of_start),
            independent_segments: playlist.independent_segments,
            alternatives: playlist.renditions.iter().map(of_rendition).collect(),
            unknown_tags: tags(playlist)
                .filter(|(name, _)| !known(name))
                .map(|(name, value)| ext_tag(name, value))
                .collect(),
        })
    }
}

fn tags(playlist: &Multivariant) -> impl Iterator<Item = (&str, &str)> {
    playlist.lines().filter_map(|line| match line.content {
        Content::Tag { name, value } => Some((name, value)),
        _ => None,
    })
}

/// What is left of the attributes, their variables replaced.
fn others(attributes: &AttributeList, known: &[&str]) -> Option<HashMap<String, QuotedOrUnquoted>> {
    let rest = attributes.iter().filter(|(name, _)| !known.contains(name));
    let rest: HashMap<_, _> = rest
        .map(|(name, value)| (name.to_owned(), text(value.to_owned(), attributes.is_quoted(name))))
        .collect();
    (!rest.is_empty()).then_some(rest)
}

fn of_variant(variant: &Variant, is_i_frame: bool) -> Result<VariantStream, InterchangeError> {
    const KNOWN: [&str; 11] = [
        "URI",
        "BANDWIDTH",
        "AVERAGE-BANDWIDTH",
        "CODECS",
        "RESOLUTION",
        "FRAME-RATE",
        "HDCP-LEVEL",
        "AUDIO",
        "VIDEO",
        "SUBTITLES",
        "CLOSED-CAPTIONS",
    ];
    let bandwidth = variant.bandwidth.ok_or(InterchangeError::Bandwidth { line: variant.line })?;
    let closed_captions = variant.closed_captions.clone().map(|group| {
        if variant.attributes.is_quoted("CLOSED-CAPTIONS") {
            ClosedCaptionGroupId::GroupId(group)
        } else if group == "NONE" {
            ClosedCaptionGroupId::None
        } else {
            ClosedCaptionGroupId::Other(group)
        }
    });
    Ok(VariantStream {
        is_i_frame,
        uri: variant.uri.clone(),
        bandwidth,
        average_bandwidth: variant.average_bandwidth,
        codecs: variant.codecs.clone(),
        resolution: variant
            .resolution
            .map(|size| m3u8_rs::Resolution { width: u64::from(size.width), height: u64::from(size.height) }),
        frame_rate: variant.frame_rate,
        hdcp_level: variant.hdcp_level.as_deref().and_then(|level| level.parse().ok()),
        audio: variant.audio.clone(),
        video: variant.video.clone(),
        subtitles: variant.subtitles.clone(),
        closed_captions,
        other_attributes: others(&variant.attributes, &KNOWN),
    })
}

fn of_rendition(rendition: &Rendition) -> AlternativeMedia {
    const KNOWN: [&str; 12] = [
        "TYPE",
        "URI",
        "GROUP-ID",
        "LANGUAGE",
        "ASSOC-LANGUAGE",
        "NAME",
        "DEFAULT",
        "AUTOSELECT",
        "FORCED",
        "INSTREAM-ID",
        "CHARACTERISTICS",
        "CHANNELS",
    ];
    AlternativeMedia {
        media_type: match rendition.kind {
            RenditionType::Audio => AlternativeMediaType::Audio,
            RenditionType::Video => AlternativeMediaType::Video,
            RenditionType::Subtitles => AlternativeMediaType::Subtitles,
            RenditionType::ClosedCaptions => AlternativeMediaType::ClosedCaptions,
        },
        uri: rendition.uri.clone(),
        group_id: rendition.group.clone(),
        language: rendition.language.clone(),
        assoc_language: rendition.assoc_language.clone(),
        name: rendition.name.clone(),
        default: rendition.default,
        autoselect: rendition.autoselect,
        forced: rendition.forced,
        instream_id: rendition
            .instream_id
            .as_deref()
            .map(|id| id.parse().unwrap_or_else(|_| InstreamId::Other(id.to_owned()))),
        characteristics: rendition.characteristics.clone(),
        channels: rendition.channels.clone(),
        other_attributes: others(&rendition.attributes, &KNOWN),
    }
}

fn session_data(value: &str) -> Option<SessionData> {
    let mut attributes = quoted(value);
    let mut take = |name: &str| attributes.remove(name).map(|value| value.as_str().to_owned());
    let data_id = take("DATA-ID")?;
    let field =
        take("VALUE").map(SessionDataField::Value).or_else(|| take("URI").map(SessionDataField::Uri))?;
    let language = take("LANGUAGE");
    let other_attributes = (!attributes.is_empty()).then_some(attributes);
    Some(SessionData { data_id, field, language, other_attributes })
}

fn session_key(value: &str) -> Option<SessionKey> {
    let attributes = quoted(value);
    let get = |name: &str| attributes.get(name).map(|value| value.as_str().to_owned());
    Some(SessionKey(m3u8_rs::Key {
        method: of_method(&get("METHOD")?),
        uri: get("URI"),
        iv: get("IV"),
        keyformat: get("KEYFORMAT"),
        keyformatversions: get("KEYFORMATVERSIONS"),
    }))
}
