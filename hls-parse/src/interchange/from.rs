//! From the types of `m3u8-rs` to ours: written out, and read as any other playlist.

use std::collections::HashMap;
use std::fmt::Write as _;

use m3u8_rs::{
    AlternativeMedia, ClosedCaptionGroupId, ExtTag, KeyMethod, MasterPlaylist, MediaPlaylist, MediaSegment,
    QuotedOrUnquoted, SessionDataField, VariantStream,
};
use url::Url;

use super::InterchangeError;
use crate::{Media, Multivariant, Playlist};

impl TryFrom<(&m3u8_rs::Playlist, &Url)> for Playlist {
    type Error = InterchangeError;

    fn try_from((playlist, base): (&m3u8_rs::Playlist, &Url)) -> Result<Self, Self::Error> {
        match playlist {
            m3u8_rs::Playlist::MediaPlaylist(media) => (media, base).try_into().map(Self::Media),
            m3u8_rs::Playlist::MasterPlaylist(master) => (master, base).try_into().map(Self::Multivariant),
        }
    }
}

impl TryFrom<(&MediaPlaylist, &Url)> for Media {
    type Error = InterchangeError;

    fn try_from((media, base): (&MediaPlaylist, &Url)) -> Result<Self, Self::Error> {
        match crate::parse(of_media(media)?, base)?.playlist {
            Playlist::Media(media) => Ok(media),
            Playlist::Multivariant(_) => Err(InterchangeError::OtherKind),
        }
    }
}

impl TryFrom<(&MasterPlaylist, &Url)> for Multivariant {
    type Error = InterchangeError;

    fn try_from((master, base): (&MasterPlaylist, &Url)) -> Result<Self, Self::Error> {
        match crate::parse(of_master(master)?, base)?.playlist {
            Playlist::Multivariant(playlist) => Ok(playlist),
            Playlist::Media(_) => Err(InterchangeError::OtherKind),
        }
    }
}

/// Lines of a playlist; a text that would end one, or its own quotes, is refused.
struct Text(String);

impl Text {
    fn new(version: Option<usize>, independent: bool, start: Option<&m3u8_rs::Start>) -> Self {
        let mut text = Self("#EXTM3U\n".to_owned());
        if let Some(version) = version {
            text.line(format_args!("#EXT-X-VERSION:{version}"));
        }
        if independent {
            text.line(format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
        }
        if let Some(start) = start {
            let precise = if start.precise == Some(true) { ",PRECISE=YES" } else { "" };
            text.line(format_args!("#EXT-X-START:TIME-OFFSET={}{precise}", start.time_offset));
        }
        text
    }

    // Writing to a string never fails.
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.0, "{line}");
    }

    fn tags(&mut self, tags: &[ExtTag]) -> Result<(), InterchangeError> {
        for tag in tags {
            let line = tag.to_string();
            self.line(format_args!("{}", one_line("a tag", &line)?));
        }
        Ok(())
    }
}

/// An attribute list in the making.
#[derive(Default)]
struct List(String);

impl List {
    fn bare(&mut self, name: &'static str, value: Option<impl ToString>) -> Result<(), InterchangeError> {
        let Some(value) = value.map(|value| value.to_string()) else { return Ok(()) };
        if value.contains([',', '"']) {
            return Err(InterchangeError::Text { what: name });
        }
        let value = one_line(name, &value)?;
        self.push(name, value, "");
        Ok(())
    }

    fn quoted(&mut self, name: &'static str, value: Option<&str>) -> Result<(), InterchangeError> {
        let Some(value) = value else { return Ok(()) };
        if value.contains('"') {
            return Err(InterchangeError::Text { what: name });
        }
        let value = one_line(name, value)?;
        self.push(name, value, "\"");
        Ok(())
    }

    fn yes(&mut self, name: &'static str, is: bool) {
        if is {
            self.push(name, "YES", "");
        }
    }

    fn others(&mut self, others: Option<&HashMap<String, QuotedOrUnquoted>>) -> Result<(), InterchangeError> {
        const WHAT: &str = "an attribute";
        let mut others: Vec<_> = others.into_iter().flatten().collect();
        others.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in others {
            if name.contains([',', '"', '=']) || value.as_str().contains('"') {
                return Err(InterchangeError::Text { what: WHAT });
            }
            let quote = if value.as_quoted().is_some() { "\"" } else { "" };
            self.push(one_line(WHAT, name)?, one_line(WHAT, value.as_str())?, quote);
        }
        Ok(())
    }

    fn push(&mut self, name: &str, value: &str, quote: &str) {
        let comma = if self.0.is_empty() { "" } else { "," };
        let _ = write!(self.0, "{comma}{name}={quote}{value}{quote}");
    }
}

fn one_line<'t>(what: &'static str, text: &'t str) -> Result<&'t str, InterchangeError> {
    if text.contains(['\n', '\r']) { Err(InterchangeError::Text { what }) } else { Ok(text) }
}

fn of_media(media: &MediaPlaylist) -> Result<String, InterchangeError> {
    let mut text = Text::new(media.version, media.independent_segments, media.start.as_ref());
    text.line(format_args!("#EXT-X-TARGETDURATION:{}", media.target_duration));
    text.line(format_args!("#EXT-X-MEDIA-SEQUENCE:{}", media.media_sequence));
    if media.discontinuity_sequence > 0 {
        text.line(format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{}", media.discontinuity_sequence));
    }
    if let Some(kind) = &media.playlist_type {
        let kind = kind.to_string();
        text.line(format_args!("#EXT-X-PLAYLIST-TYPE:{}", one_line("EXT-X-PLAYLIST-TYPE", &kind)?));
    }
    if media.i_frames_only {
        text.line(format_args!("#EXT-X-I-FRAMES-ONLY"));
    }
    let mut method = &KeyMethod::None;
    for (index, segment) in media.segments.iter().enumerate() {
        let next = segment.key.as_ref().map(|key| &key.method);
        let is_whole = |method: &KeyMethod| !matches!(method, KeyMethod::None | KeyMethod::SampleAES);
        if segment.map.is_some() && next.is_some_and(|next| is_whole(next) || is_whole(method)) {
            return Err(InterchangeError::MapOrder { index });
        }
        method = next.unwrap_or(method);
        of_segment(&mut text, segment)?;
    }
    text.tags(&media.unknown_tags)?;
    if media.end_list {
        text.line(format_args!("#EXT-X-ENDLIST"));
    }
    Ok(text.0)
}

fn of_segment(text: &mut Text, segment: &MediaSegment) -> Result<(), InterchangeError> {
    text.tags(&segment.unknown_tags)?;
    if segment.discontinuity {
        text.line(format_args!("#EXT-X-DISCONTINUITY"));
    }
    if let Some(key) = &segment.key {
        text.line(format_args!("#EXT-X-KEY:{}", of_key(key)?));
    }
    if let Some(map) = &segment.map {
        let mut list = List::default();
        list.quoted("URI", Some(&map.uri))?;
        list.quoted("BYTERANGE", map.byte_range.as_ref().map(of_range).as_deref())?;
        list.others(Some(&map.other_attributes))?;
        text.line(format_args!("#EXT-X-MAP:{}", list.0));
    }
    if let Some(date) = &segment.program_date_time {
        text.line(format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date.to_rfc3339()));
    }
    if let Some(range) = &segment.daterange {
        let mut bytes = Vec::new();
        // Writing to a vector never fails.
        let _ = range.write_attributes_to(&mut bytes);
        let list = String::from_utf8_lossy(&bytes);
        text.line(format_args!("#EXT-X-DATERANGE:{}", one_line("EXT-X-DATERANGE", &list)?));
    }
    if let Some(range) = &segment.byte_range {
        text.line(format_args!("#EXT-X-BYTERANGE:{}", of_range(range)));
    }
    let title = one_line("a title", segment.title.as_deref().unwrap_or(""))?;
    text.line(format_args!("#EXTINF:{},{title}", segment.duration));
    uri_line(text, &segment.uri)
}

fn uri_line(text: &mut Text, uri: &str) -> Result<(), InterchangeError> {
    // A line that is blank or begins with # is no URI.
    if uri.trim_ascii().is_empty() || uri.trim_ascii().starts_with('#') {
        return Err(InterchangeError::Text { what: "a URI" });
    }
    text.line(format_args!("{}", one_line("a URI", uri)?));
    Ok(())
}

fn of_key(key: &m3u8_rs::Key) -> Result<String, InterchangeError> {
    let mut list = List::default();
    list.bare("METHOD", Some(&key.method))?;
    list.quoted("URI", key.uri.as_deref())?;
    list.bare("IV", key.iv.as_ref())?;
    list.quoted("KEYFORMAT", key.keyformat.as_deref())?;
    list.quoted("KEYFORMATVERSIONS", key.keyformatversions.as_deref())?;
    Ok(list.0)
}

fn of_range(range: &m3u8_rs::ByteRange) -> String {
    match range.offset {
        Some(offset) => format!("{}@{offset}", range.length),
        None => range.length.to_string(),
    }
}

fn of_master(master: &MasterPlaylist) -> Result<String, InterchangeError> {
    let mut text = Text::new(master.version, master.independent_segments, master.start.as_ref());
    text.tags(&master.unknown_tags)?;
    for data in &master.session_data {
        let mut list = List::default();
        list.quoted("DATA-ID", Some(&data.data_id))?;
        match &data.field {
            SessionDataField::Value(value) => list.quoted("VALUE", Some(value))?,
            SessionDataField::Uri(uri) => list.quoted("URI", Some(uri))?,
        }
        list.quoted("LANGUAGE", data.language.as_deref())?;
        list.others(data.other_attributes.as_ref())?;
        text.line(format_args!("#EXT-X-SESSION-DATA:{}", list.0));
    }
    for key in &master.session_key {
        text.line(format_args!("#EXT-X-SESSION-KEY:{}", of_key(&key.0)?));
    }
    for rendition in &master.alternatives {
        text.line(format_args!("#EXT-X-MEDIA:{}", of_rendition(rendition)?));
    }
    for variant in &master.variants {
        let list = of_variant(variant)?;
        if variant.is_i_frame {
            text.line(format_args!("#EXT-X-I-FRAME-STREAM-INF:{list}"));
        } else {
            text.line(format_args!("#EXT-X-STREAM-INF:{list}"));
            uri_line(&mut text, &variant.uri)?;
        }
    }
    Ok(text.0)
}

fn of_rendition(rendition: &AlternativeMedia) -> Result<String, InterchangeError> {
    let mut list = List::default();
    list.bare("TYPE", Some(&rendition.media_type))?;
    list.quoted("GROUP-ID", Some(&rendition.group_id))?;
    list.quoted("NAME", Some(&rendition.name))?;
    list.quoted("LANGUAGE", rendition.language.as_deref())?;
    list.quoted("ASSOC-LANGUAGE", rendition.assoc_language.as_deref())?;
    list.yes("DEFAULT", rendition.default);
    list.yes("AUTOSELECT", rendition.autoselect);
    list.yes("FORCED", rendition.forced);
    list.quoted("INSTREAM-ID", rendition.instream_id.as_ref().map(ToString::to_string).as_deref())?;
    list.quoted("CHARACTERISTICS", rendition.characteristics.as_deref())?;
    list.quoted("CHANNELS", rendition.channels.as_deref())?;
    list.quoted("URI", rendition.uri.as_deref())?;
    list.others(rendition.other_attributes.as_ref())?;
    Ok(list.0)
}

fn of_variant(variant: &VariantStream) -> Result<String, InterchangeError> {
    let mut list = List::default();
    list.bare("BANDWIDTH", Some(variant.bandwidth))?;
    list.bare("AVERAGE-BANDWIDTH", variant.average_bandwidth)?;
    list.quoted("CODECS", variant.codecs.as_deref())?;
    list.bare("RESOLUTION", variant.resolution.as_ref())?;
    list.bare("FRAME-RATE", variant.frame_rate)?;
    list.bare("HDCP-LEVEL", variant.hdcp_level.as_ref())?;
    list.quoted("AUDIO", variant.audio.as_deref())?;
    list.quoted("VIDEO", variant.video.as_deref())?;
    list.quoted("SUBTITLES", variant.subtitles.as_deref())?;
    match &variant.closed_captions {
        None => {}
        Some(ClosedCaptionGroupId::None) => list.bare("CLOSED-CAPTIONS", Some("NONE"))?,
        Some(ClosedCaptionGroupId::Other(group)) => list.bare("CLOSED-CAPTIONS", Some(group))?,
        Some(ClosedCaptionGroupId::GroupId(group)) => list.quoted("CLOSED-CAPTIONS", Some(group))?,
    }
    if variant.is_i_frame {
        list.quoted("URI", Some(&variant.uri))?;
    }
    list.others(variant.other_attributes.as_ref())?;
    Ok(list.0)
}
