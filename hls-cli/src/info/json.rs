//! `hls info --json`: one object on one line.

use hls_parse::{Media, Rendition, SessionData, Variant};
use serde_json::{Value, json};

use super::{Found, Note, facts::Facts, method};

/// The object as a line; URIs stand as the playlist has them, tokens included, since programs go on with them.
pub(super) fn line(found: &Found) -> String {
    let playlist = found.multivariant.as_ref();
    let media = found.media.as_ref();
    let variants = playlist.map_or(&[][..], |p| &p.variants);
    let renditions = playlist.map_or(&[][..], |p| &p.renditions);
    let facts = media.map(Facts::of);
    let mut object = json!({
        "schema": 1,
        "kind": if playlist.is_some() { "multivariant" } else { "media" },
        "url": found.url,
        "variants": (1_u64..).zip(variants).map(variant).collect::<Vec<_>>(),
        "renditions": renditions.iter().map(rendition).collect::<Vec<_>>(),
        "n_segments": media.map(|m| m.segments().len()),
        "duration_s": media.map(|m| m.duration().as_secs_f64()),
        "target_duration": media.and_then(|m| m.target_duration).map(|d| d.as_secs_f64()),
        "live": media.map(is_live),
        "encryption": found.encryption().into_iter().map(|e| method(e).as_str().to_owned()).collect::<Vec<_>>(),
        "warnings": found.notes.iter().map(warning).collect::<Vec<_>>(),
    });
    let more = json!({
        "version": playlist.map_or(media.and_then(|m| m.version), |p| p.version),
        "i_frame_variants": playlist.map_or(&[][..], |p| &p.i_frame_variants).iter().map(i_frame_variant).collect::<Vec<_>>(),
        "session_data": playlist.map_or(&[][..], |p| &p.session_data).iter().map(session_data).collect::<Vec<_>>(),
        "content_steering": playlist.and_then(|p| p.content_steering.as_ref()).map(|s| &s.uri),
        "pathways": playlist.map(|p| p.pathways()).unwrap_or_default(),
        "initial_pathway": playlist.and_then(|p| p.initial_pathway()),
        "media_sequence": media.map(|m| m.media_sequence),
        "skipped_segments": media.map(|m| m.skipped_segments),
        "start_time": facts.as_ref().and_then(|f| f.start.clone()),
        "discontinuities": facts.as_ref().map(|f| f.discontinuities),
        "gaps": facts.as_ref().map(|f| f.gaps),
        "keys": facts.as_ref().map(|f| f.keys),
        "maps": media.map(|m| m.maps().len()),
        "date_ranges": media.map(|m| m.date_ranges.len()),
        "hold_back_s": media.filter(|m| is_live(m)).and_then(Media::hold_back).map(|d| d.as_secs_f64()),
        "part_target_s": media.and_then(|m| m.part_target).map(|d| d.as_secs_f64()),
    });
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    crate::report::json_line(&object)
}

fn i_frame_variant(variant: &Variant) -> Value {
    json!({
        "bandwidth": variant.bandwidth,
        "width": variant.resolution.map(|r| r.width),
        "height": variant.resolution.map(|r| r.height),
        "codecs": variant.codecs,
        "uri": variant.uri,
    })
}

fn session_data(data: &SessionData) -> Value {
    json!({ "id": data.id, "value": data.value, "uri": data.uri, "language": data.language })
}

fn is_live(media: &Media) -> bool {
    !media.ended
}

fn variant((index, variant): (u64, &Variant)) -> Value {
    json!({
        "index": index,
        "bandwidth": variant.bandwidth,
        "average_bandwidth": variant.average_bandwidth,
        "width": variant.resolution.map(|r| r.width),
        "height": variant.resolution.map(|r| r.height),
        "frame_rate": variant.frame_rate,
        "codecs": variant.codecs,
        "audio": variant.audio,
        "subtitles": variant.subtitles,
        "uri": variant.uri,
    })
}

fn rendition(rendition: &Rendition) -> Value {
    json!({
        "type": rendition.kind.as_str(),
        "group": rendition.group,
        "name": rendition.name,
        "language": rendition.language,
        "default": rendition.default,
        "channels": rendition.channels,
        "uri": rendition.uri,
    })
}

fn warning(note: &Note) -> Value {
    json!({ "line": note.line, "kind": note.kind, "message": note.message })
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    const MASTER: &str = "#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"en\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"2\",URI=\"en.m3u8?t=1\"
#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360,FRAME-RATE=25,AUDIO=\"a\",SUBTITLES=\"s\"
low.m3u8?t=1
#EXT-X-STREAM-INF:CODECS=\"mp4a.40.2\",AVERAGE-BANDWIDTH=64000
sound.m3u8
";
    const MEDIA: &str = "#EXTM3U
#EXT-X-TARGETDURATION:4
#EXT-X-KEY:METHOD=AES-128,URI=\"k\"
#EXTINF:4,
a.ts
#EXT-X-KEY:METHOD=AES-128,URI=\"l\"
#EXTINF:3.5,
b.ts
#EXT-X-ENDLIST
";

    fn read(text: &str, media: Option<&str>) -> Value {
        let line = line(&found(text, media));
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn every_field_is_there() {
        let expect = json!({
            "schema": 1, "kind": "multivariant", "url": "https://h/m/index.m3u8?token=…",
            "variants": [
                {"index": 1, "bandwidth": 800_000, "average_bandwidth": null, "width": 640, "height": 360,
                 "frame_rate": 25.0, "codecs": null, "audio": "a", "subtitles": "s", "uri": "low.m3u8?t=1"},
                {"index": 2, "bandwidth": null, "average_bandwidth": 64_000, "width": null, "height": null,
                 "frame_rate": null, "codecs": "mp4a.40.2", "audio": null, "subtitles": null, "uri": "sound.m3u8"},
            ],
            "renditions": [
                {"type": "AUDIO", "group": "a", "name": "en", "language": "en", "default": true, "channels": "2",
                 "uri": "en.m3u8?t=1"},
            ],
            "n_segments": 2, "duration_s": 7.5, "target_duration": 4.0, "live": false, "encryption": ["AES-128"],
            "warnings": [{"line": 5, "kind": "missing", "message": "EXT-X-STREAM-INF without BANDWIDTH"}],
            "version": null, "i_frame_variants": [], "session_data": [], "content_steering": null,
            "pathways": ["."], "initial_pathway": null,
            "media_sequence": 0, "skipped_segments": 0, "start_time": null, "discontinuities": 0, "gaps": 0,
            "keys": 2, "maps": 0, "date_ranges": 0, "hold_back_s": null, "part_target_s": null,
        });
        assert_eq!(read(MASTER, Some(MEDIA)), expect);
    }

    #[test]
    fn what_is_not_known_is_null() {
        let value = read(MASTER, None);
        for field in ["n_segments", "duration_s", "target_duration", "live"] {
            assert_eq!(value.get(field), Some(&Value::Null), "{field}");
        }
        let value = read("#EXTM3U\n#EXTINF:4,\na.ts\n", None);
        assert_eq!((&value["kind"], &value["live"]), (&json!("media"), &json!(true)));
        assert_eq!((&value["variants"], &value["target_duration"]), (&json!([]), &Value::Null));
        assert_eq!(value["warnings"][0]["kind"], "no_target_duration");
    }
}
