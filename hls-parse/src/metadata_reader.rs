//! Reading the tags of a media playlist that say something about it, and not about a segment.

use crate::{
    Error, HintType, Line, Marker, MarkerKind, Media, Prefetch, PreloadHint, RenditionReport, ServerControl,
    Tiles, WarningKind,
    attribute::Attributes,
    reader::{Reader, bad_value},
    scalar,
    warning::Warnings,
};

/// Reads such a tag, or says that it is none.
pub(crate) fn tag<'t>(
    reader: &mut Reader<'t>,
    media: &mut Media,
    line: Line<'t>,
    name: &'t str,
    value: &'t str,
) -> Result<bool, Error> {
    match name {
        "EXT-X-PART-INF" => {
            let attributes = reader.attributes(line, value)?;
            media.part_target = attributes.get("PART-TARGET").and_then(scalar::duration);
            if media.part_target.is_none() {
                reader.warn(line, || bad_value("EXT-X-PART-INF", value));
            }
        }
        "EXT-X-SERVER-CONTROL" => media.server_control = Some(server_control(reader, line, value)?),
        "EXT-X-PRELOAD-HINT" => {
            room(reader, line, media.preload_hints.len())?;
            media.preload_hints.extend(preload_hint(reader, line, value)?);
        }
        "EXT-X-RENDITION-REPORT" => {
            room(reader, line, media.rendition_reports.len())?;
            media.rendition_reports.extend(rendition_report(reader, line, value)?);
        }
        "EXT-X-PREFETCH" => {
            room(reader, line, media.prefetch.len())?;
            let uri = reader.expand(line, value)?.into_owned();
            if let Some(url) = reader.resolve_or_warn(line, &uri) {
                media.prefetch.push(Prefetch { uri, url, line: line.number });
            }
        }
        "EXT-X-CUE-OUT" | "EXT-X-CUE-OUT-CONT" | "EXT-X-CUE-IN" | "EXT-OATCLS-SCTE35" => {
            let limit = reader.options.limits.markers;
            if media.markers.len() >= limit {
                return Err(reader.limit(line, "markers", limit));
            }
            // What is no attribute list here is not odd: no draft says that it has to be one.
            let attributes = Attributes::read(value, line.number, &mut Warnings::new(0));
            let segment = media.records.len();
            let kind = MarkerKind::read(name, value, &attributes);
            media.markers.extend(kind.map(|kind| Marker { kind, segment, line: line.number }));
        }
        "EXT-X-TILES" => {
            let limit = reader.options.limits.markers;
            if media.tiles.len() >= limit {
                return Err(reader.limit(line, "layouts of tiles", limit));
            }
            media.tiles.push(tiles(reader, media.records.len(), line, value)?);
        }
        "EXT-X-IMAGES-ONLY" => media.images_only = true,
        "EXT-X-ALLOW-CACHE" => match value {
            "YES" => media.allow_cache = Some(true),
            "NO" => media.allow_cache = Some(false),
            _ => reader.warn(line, || bad_value("EXT-X-ALLOW-CACHE", value)),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// Fills in what rendition reports leave out: it is as in this playlist (rfc8216bis-22, section 4.4.5.4).
pub(crate) fn finish(media: &mut Media) {
    let open = media.open_parts().len() as u64;
    let is_open = open > 0;
    let end = media.end_sequence();
    let last_sequence = if is_open { Some(end) } else { end.checked_sub(1) };
    let last_part = if is_open {
        open.checked_sub(1)
    } else {
        let parts = media.segments().next_back().map_or(0, |segment| segment.parts().len());
        (parts as u64).checked_sub(1)
    };
    let is_empty = media.records.is_empty() && !is_open;
    for report in media.rendition_reports.iter_mut().filter(|_| !is_empty) {
        // A part counts within its own segment: without a number, there is none to count in.
        if report.last_media_sequence.is_none() || report.last_media_sequence == last_sequence {
            report.last_part = report.last_part.or(last_part);
        }
        report.last_media_sequence = report.last_media_sequence.or(last_sequence);
    }
}

fn room(reader: &Reader<'_>, line: Line<'_>, count: usize) -> Result<(), Error> {
    let limit = reader.options.limits.hints;
    if count >= limit {
        Err(reader.limit(line, "hints, reports or prefetched segments", limit))
    } else {
        Ok(())
    }
}

fn server_control<'t>(
    reader: &mut Reader<'t>,
    line: Line<'t>,
    value: &'t str,
) -> Result<ServerControl, Error> {
    let attributes = reader.attributes(line, value)?;
    let mut seconds = |name: &'static str| {
        let text = attributes.get(name)?;
        let duration = scalar::duration(text);
        if duration.is_none() {
            reader.warn(line, || bad_value(name, text));
        }
        duration
    };
    Ok(ServerControl {
        can_skip_until: seconds("CAN-SKIP-UNTIL"),
        hold_back: seconds("HOLD-BACK"),
        part_hold_back: seconds("PART-HOLD-BACK"),
        can_skip_date_ranges: attributes.is_yes("CAN-SKIP-DATERANGES"),
        can_block_reload: attributes.is_yes("CAN-BLOCK-RELOAD"),
    })
}

fn preload_hint<'t>(
    reader: &mut Reader<'t>,
    line: Line<'t>,
    value: &'t str,
) -> Result<Option<PreloadHint>, Error> {
    let tag = "EXT-X-PRELOAD-HINT";
    let attributes = reader.attributes(line, value)?;
    let kind = match attributes.get("TYPE") {
        Some("PART") => HintType::Part,
        Some("MAP") => HintType::Map,
        other => {
            reader.warn(line, || bad_value(tag, other.unwrap_or("")));
            return Ok(None);
        }
    };
    let Some(uri) = attributes.owned("URI") else {
        reader.warn(line, || WarningKind::Missing { tag, attribute: "URI" });
        return Ok(None);
    };
    let Some(url) = reader.resolve_or_warn(line, &uri) else { return Ok(None) };
    let (start, length) = (attributes.get("BYTERANGE-START"), attributes.get("BYTERANGE-LENGTH"));
    let is_range = start.is_some() || length.is_some();
    let numbers = (start.map_or(Some(0), scalar::integer), length.map(scalar::integer));
    let (Some(start), length @ (None | Some(Some(1..)))) = numbers else {
        reader.warn(line, || bad_value(tag, value));
        return Ok(None);
    };
    Ok(Some(PreloadHint { kind, uri, url, start, length: length.flatten(), is_range, line: line.number }))
}

fn rendition_report<'t>(
    reader: &mut Reader<'t>,
    line: Line<'t>,
    value: &'t str,
) -> Result<Option<RenditionReport>, Error> {
    let tag = "EXT-X-RENDITION-REPORT";
    let attributes = reader.attributes(line, value)?;
    let Some(uri) = attributes.owned("URI") else {
        reader.warn(line, || WarningKind::Missing { tag, attribute: "URI" });
        return Ok(None);
    };
    let Some(url) = reader.resolve_or_warn(line, &uri) else { return Ok(None) };
    let mut number = |name: &'static str| {
        let text = attributes.get(name)?;
        let number = scalar::integer(text);
        if number.is_none() {
            reader.warn(line, || bad_value(name, text));
        }
        number
    };
    let (last_media_sequence, last_part) = (number("LAST-MSN"), number("LAST-PART"));
    Ok(Some(RenditionReport { uri, url, last_media_sequence, last_part, line: line.number }))
}

fn tiles<'t>(
    reader: &mut Reader<'t>,
    segment: usize,
    line: Line<'t>,
    value: &'t str,
) -> Result<Tiles, Error> {
    let attributes = reader.attributes(line, value)?;
    Ok(Tiles {
        resolution: attributes.get("RESOLUTION").and_then(scalar::resolution),
        layout: attributes.get("LAYOUT").and_then(scalar::resolution),
        duration: attributes.get("DURATION").and_then(scalar::duration),
        segment,
        attributes: reader.keep(line, &attributes)?,
        line: line.number,
    })
}
