//! Writing multivariant playlists.

use super::text::{Text, relative};
use super::{Reference, Replace, WriteError};
use crate::{Content, Multivariant, Variant};

pub(super) fn write(playlist: &Multivariant, replace: Replace<'_>) -> Result<String, WriteError> {
    let mut text = Text::new();
    text.number("EXT-X-VERSION", playlist.version);
    for (name, value) in &playlist.variables {
        text.variable(name, value)?;
    }
    text.flag(playlist.independent_segments, "EXT-X-INDEPENDENT-SEGMENTS");
    text.start(playlist.start);
    for data in &playlist.session_data {
        let tag = "EXT-X-SESSION-DATA";
        let uri = data.url.as_ref().and_then(|url| replace(Reference::Other { tag, url }));
        let list =
            text.attributes(&data.attributes, uri.as_ref().map(|other| ("URI", other.uri.as_str())))?;
        text.list(tag, &list);
    }
    for key in &playlist.session_keys {
        let uri = key.url.as_deref().map(|url| {
            let replacement = replace(Reference::Key(key, url));
            replacement.map_or_else(|| relative(&playlist.base, url), |other| other.uri)
        });
        let list = text.key(key, uri.as_deref())?;
        text.list("EXT-X-SESSION-KEY", &list);
    }
    if let Some(steering) = &playlist.content_steering {
        let tag = "EXT-X-CONTENT-STEERING";
        let uri = replace(Reference::Other { tag, url: &steering.url });
        let uri = uri.as_ref().map(|other| ("SERVER-URI", other.uri.as_str()));
        let list = text.attributes(&steering.attributes, uri)?;
        text.list(tag, &list);
    }
    for rendition in &playlist.renditions {
        let uri = rendition.url.as_ref().and_then(|_| replace(Reference::Rendition(rendition)));
        let uri = uri.as_ref().map(|other| ("URI", other.uri.as_str()));
        let list = text.attributes(&rendition.attributes, uri)?;
        text.list("EXT-X-MEDIA", &list);
    }
    let unknown = unknown_tags(playlist);
    let before = |text: &mut Text, line: u32, written: &mut usize| {
        while let Some((_, tag)) = unknown.get(*written).filter(|(at, _)| *at < line) {
            text.line(format_args!("{tag}"));
            *written += 1;
        }
    };
    let mut written = 0;
    for variant in &playlist.variants {
        before(&mut text, variant.line, &mut written);
        let list = text.attributes(&variant.attributes, None)?;
        let replacement = replace(Reference::Variant(variant));
        let uri = replacement.as_ref().map_or(variant.uri.as_str(), |other| &other.uri);
        // A variable that the URI needs has to be defined before both lines.
        let uri = text.uri_text(uri)?;
        text.list("EXT-X-STREAM-INF", &list);
        text.line(format_args!("{uri}"));
    }
    before(&mut text, u32::MAX, &mut written);
    tagged(&mut text, "EXT-X-I-FRAME-STREAM-INF", &playlist.i_frame_variants, replace)?;
    tagged(&mut text, "EXT-X-IMAGE-STREAM-INF", &playlist.image_variants, replace)?;
    let is_known = playlist.variants.len()
        + playlist.i_frame_variants.len()
        + playlist.renditions.len()
        + playlist.session_data.len()
        + playlist.session_keys.len()
        > 0
        || playlist.content_steering.is_some();
    // One that has nothing in it has to be known for what it is.
    text.flag(!is_known, "EXT-X-STREAM-INF:BANDWIDTH=0");
    Ok(text.into_string())
}

fn tagged(text: &mut Text, tag: &str, variants: &[Variant], replace: Replace<'_>) -> Result<(), WriteError> {
    for variant in variants {
        let replacement = replace(Reference::Variant(variant));
        let uri = replacement.as_ref().map(|other| ("URI", other.uri.as_str()));
        let list = text.attributes(&variant.attributes, uri)?;
        text.list(tag, &list);
    }
    Ok(())
}

/// Tags that are written as they stood, with their lines.
fn unknown_tags(playlist: &Multivariant) -> Vec<(u32, &str)> {
    let is_tag = |content: Content<'_>| matches!(content, Content::Tag { .. });
    let lines = playlist.lines().filter(|line| is_tag(line.content) && line.is_unknown_tag());
    lines.map(|line| (line.number, line.raw.trim_ascii())).collect()
}
