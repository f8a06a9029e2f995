//! Every confirmed field of the public playlists beside the checkout, as far as this crate reads it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use hls_parse::{ByteRange, Media, Multivariant, Options, Playlist, PlaylistType};
use serde_json::{Value, json};
use url::Url;

/// What this crate refuses or reads differently on purpose: playlist, field (`*` is all), reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    // Section 4.1 ends lines with LF or CRLF; reading none of a text without any LF helps nobody.
    ("handmade-edge/e03_cr_only", "*", "a text without line feeds is read by its carriage returns"),
    ("handmade-edge/e15_extinf_huge", "segments.duration", "10^47 seconds are cut"),
    ("handmade-edge/e15_extinf_huge", "total_duration", "10^47 seconds are cut"),
    // Section 4.4.4.4 requires METHOD; a tag with a key URI must not make encrypted bytes pass for clear.
    (
        "kuu-hls-parser-spec/4.3.2.4_EXT-X-KEY__EXT-X-KEY_02__FAIL",
        "segments.key",
        "a key without METHOD is kept",
    ),
];

#[test]
fn corpus() -> Result<(), Box<dyn std::error::Error>> {
    let Some(root) = find() else {
        println!("SKIPPED corpus: set HLS_CORPUS to its folder");
        assert_ne!(env::var("HLS_CI_STRICT").as_deref(), Ok("1"), "the corpus is missing");
        return Ok(());
    };
    let mut playlists = 0;
    let mut fields = 0;
    let mut failures = Vec::new();
    for path in expectations(&root)? {
        let name = path.strip_prefix(&root)?.to_string_lossy().replace(".expected.json", "");
        let expected: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let text = fs::read(path.with_file_name(file_name(&path).replace(".expected.json", ".m3u8")))?;
        let base = Url::parse(expected["base_uri"].as_str().ok_or("no base_uri")?)?;
        let got = read(&text, &base);
        playlists += 1;
        let violations = expected["expected"]["strict_violations"].as_array().map_or(0, Vec::len);
        let found = hls_parse::check(&text, &base, &Options::default());
        if violations > 0 && found.is_empty() {
            failures.push(format!("{name}: strict reading finds nothing wrong"));
        }
        for field in expected["confirmed_fields"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if EXCEPTIONS.iter().any(|(n, f, _)| *n == name && (*f == field || *f == "*")) {
                continue;
            }
            fields += 1;
            let (want, have) = (pick(&expected["expected"], field), pick(&got, field));
            if want != have {
                failures.push(format!(
                    "{name}: {field}\n    expected {want}\n    got      {have} {}",
                    got["error"]
                ));
            }
        }
    }
    println!("{playlists} playlists, {fields} fields checked, {} failures", failures.len());
    assert!(playlists > 600, "the corpus is not whole");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    Ok(())
}

fn find() -> Option<PathBuf> {
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    env::var_os("HLS_CORPUS").map(PathBuf::from).or_else(beside).filter(|path| path.is_dir())
}

fn expectations(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?.path();
        if folder.is_dir() {
            for file in fs::read_dir(folder)? {
                let path = file?.path();
                if file_name(&path).ends_with(".expected.json") {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Picks `field`, or `list.field` from each entry of a list, in a form that can be compared.
fn pick(reading: &Value, field: &str) -> Value {
    match field.split_once('.') {
        None => normal(field, &reading[field]),
        Some((list, field)) => {
            let entries = reading[list].as_array().or_else(|| reading["segments_first_last"].as_array());
            let entries = entries.map(Vec::as_slice).unwrap_or_default();
            entries.iter().map(|entry| normal(field, &entry[field])).collect()
        }
    }
}

fn normal(field: &str, value: &Value) -> Value {
    match (field, value) {
        ("uri", Value::String(uri)) => {
            Url::parse(uri).map_or_else(|_| value.clone(), |url| json!(url.as_str()))
        }
        ("duration" | "total_duration" | "target_duration", Value::Number(n)) => {
            json!(n.as_f64().map(|seconds| (seconds * 1000.0).round()))
        }
        ("key" | "map", Value::Object(object)) => {
            object.iter().map(|(name, value)| (name.clone(), normal(name, value))).collect()
        }
        // Some readers of the reference give "" where others give nothing.
        ("codecs", Value::String(text)) if text.is_empty() => Value::Null,
        _ => value.clone(),
    }
}

fn read(text: &[u8], base: &Url) -> Value {
    let mut options = Options::default();
    options.inspect = true;
    match options.parse(text, base) {
        Ok(parsed) => match parsed.playlist {
            Playlist::Media(media) => media_reading(&media),
            Playlist::Multivariant(multivariant) => multivariant_reading(&multivariant),
        },
        Err(error) => json!({"kind": "error", "error": error.to_string()}),
    }
}

fn media_reading(media: &Media) -> Value {
    let mut segments: Vec<Value> = media.segments().map(segment_reading).collect();
    let count = segments.len();
    let mut reading = json!({
        "kind": "media",
        "target_duration": media.target_duration.map(|d| d.as_secs()),
        "media_sequence": media.media_sequence,
        "discontinuity_sequence": media.discontinuity_sequence,
        "endlist": media.ended,
        "playlist_type": media.playlist_type.map(|kind| if kind == PlaylistType::Vod { "VOD" } else { "EVENT" }),
        "n_segments": count,
        "total_duration": media.duration().as_secs_f64(),
        "skipped": media.skipped_segments,
    });
    // The corpus keeps the first and the last three of long playlists.
    if count > 300 {
        segments.drain(3..count - 3);
    }
    reading["segments"] = segments.into();
    reading
}

fn segment_reading(segment: hls_parse::Segment<'_>) -> Value {
    let key = segment.keys().iter().find(|key| key.format() == "identity").map(|key| {
        json!({"method": key.method.as_str(), "uri": key.url.as_ref().map(|url| url.as_str()), "iv": key.iv.map(hex)})
    });
    let map = segment.map().map(|map| json!({"uri": map.url.as_str(), "byterange": range(map.byte_range)}));
    json!({
        "uri": segment.url().map(String::from).unwrap_or_default(),
        "duration": segment.duration().as_secs_f64(),
        "byterange": range(segment.byte_range()),
        "key": key,
        "map": map,
        "disc": segment.discontinuity_sequence(),
        "gap": segment.is_gap(),
        "msn": segment.media_sequence(),
        "effective_iv": segment.iv().map(hex),
    })
}

fn multivariant_reading(playlist: &Multivariant) -> Value {
    let variants = playlist.variants.iter().map(|variant| {
        json!({
            "uri": variant.url.as_str(),
            "bandwidth": variant.bandwidth,
            "codecs": variant.codecs,
            "resolution": variant.attributes.get("RESOLUTION"),
            "audio": variant.audio,
            "subtitles": variant.subtitles,
        })
    });
    json!({"kind": "master", "variants": variants.collect::<Vec<_>>()})
}

fn range(range: Option<ByteRange>) -> Value {
    range.map_or(Value::Null, |range| json!([range.length, range.offset]))
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
