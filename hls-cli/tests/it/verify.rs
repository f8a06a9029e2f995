//! Manifests, and whether a file is whole.

use hls_testkit::{Media, Origin, Vod, judge};
use serde_json::{Value, json};

use crate::support::{Folder, KEY, Outcome, SECRET, gated, part_length, until};

fn manifest(folder: &Folder, name: &str) -> Result<Value, Box<dyn std::error::Error>> {
    Ok(serde_json::from_slice(&folder.read(name)?)?)
}

/// Holds a manifest to the stream it has to be of.
fn is_right(manifest: &Value, stream: &hls_testkit::Published, bytes: &[u8]) {
    assert_eq!(manifest["hls_manifest"], 0);
    assert_eq!(manifest["files"][0]["length"], bytes.len());
    assert_eq!(manifest["files"][0]["sha256"], judge::sha256(bytes));
    let segments = manifest["segments"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut end = 0;
    for segment in segments {
        let number = |field: &str| segment[field].as_u64().unwrap_or(u64::MAX) as usize;
        assert_eq!((number("track"), number("offset")), (0, end), "{segment}");
        end += number("length");
        assert_eq!(segment["sha256"], judge::sha256(&bytes[number("offset")..end]), "{segment}");
    }
    assert_eq!(end, bytes.len());
    let media: Vec<_> = segments.iter().filter(|s| s["kind"] == "segment").collect();
    let paths: Vec<_> = media.iter().map(|s| s["path"].as_str().unwrap_or_default()).collect();
    assert_eq!(paths, stream.segment_paths, "without queries");
    assert!((0..).zip(&media).all(|(n, s)| s["index"] == json!(n)));
}

#[test]
fn what_is_noted_as_missing_beside_a_file_is_missing() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::from_media(Media::Ts).publish(&origin);
    origin.remove(&stream.segment_paths[2]);
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "--allow-gaps"])?;
    assert_eq!(run.status.code(), Some(4));
    let run = folder.run(&["verify", "out.ts", "--json"])?;
    assert_eq!(run.status.code(), Some(4), "{}", run.err);
    let told: Value = serde_json::from_str(&run.out())?;
    assert_eq!((&told["whole"], &told["gaps"]), (&json!(false), &json!(1)));
    // Without the note its timestamps tell.
    std::fs::remove_file(folder.path().join("out.ts.gaps.json"))?;
    let run = folder.run(&["verify", "out.ts"])?;
    assert_eq!(run.status.code(), Some(8));
    assert!(run.err.contains("s are missing at byte "), "{}", run.err);
    Ok(())
}

#[test]
fn a_manifest_says_what_every_byte_has_to_be() -> Outcome {
    let origin = Origin::start();
    for (n, vod) in [
        Vod::from_media(Media::Ts).query("token=sesame"),
        Vod::from_media(Media::Fmp4).aes128(KEY),
        Vod::from_media(Media::AudioAdts),
    ]
    .into_iter()
    .enumerate()
    {
        let stream = vod.prefix(&format!("/s{n}")).publish(&origin);
        let folder = Folder::new()?;
        folder.run(&["get", &stream.url, "-o", "out", "--format", "join", "--manifest"])?.ok();
        assert_eq!(folder.names(), ["out", "out.json"]);
        is_right(&manifest(&folder, "out.json")?, &stream, &stream.expected);
        assert!(!String::from_utf8(folder.read("out.json")?)?.contains(SECRET));
        let run = folder.run(&["verify", "out"])?.ok();
        assert!(run.out().starts_with("out: whole, every byte as it was downloaded: "), "{}", run.out());
        let told: Value = serde_json::from_str(&folder.run(&["verify", "out", "--json"])?.ok().out())?;
        assert_eq!((&told["whole"], &told["by"]), (&json!(true), &json!("manifest")));
        assert_eq!(told["sha256"], judge::sha256(&stream.expected));
        // A judge that shares no code with us.
        if judge::has_tool("sha256sum") {
            let summed = folder.command("sha256sum").arg("out").output()?.stdout;
            assert!(String::from_utf8(summed)?.starts_with(told["sha256"].as_str().unwrap_or("none")));
        } else {
            judge::skip("no sha256sum");
        }
    }
    Ok(())
}

#[test]
fn it_is_right_after_a_kill_too() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (stream, gate) = gated(&origin, &Vod::synthetic(10, 50_000), 5);
    let first = folder.spawn(&["get", &stream.url, "-o", "out.ts", "-j", "3"])?;
    until("five segments", || part_length(&folder, "out.ts") >= stream.expected.len() as u64 / 2);
    until("a record of them", || {
        std::fs::metadata(folder.file("out.ts.hls/written")).is_ok_and(|m| m.len() > 300)
    });
    first.kill()?;
    gate.open();
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "--manifest"])?.ok();
    assert!(run.err.contains("going on: "), "{}", run.err);
    is_right(&manifest(&folder, "out.ts.json")?, &stream, &stream.expected);
    folder.run(&["verify", "out.ts"])?.ok();
    Ok(())
}

#[test]
fn the_first_segment_that_differs_is_named() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(10, 18_800).publish(&origin);
    folder.run(&["get", &stream.url, "-o", "out.ts", "--manifest"])?.ok();
    let good = folder.read("out.ts")?;
    let path = folder.file("out.ts");
    let differ = |bytes: &[u8], index: u64, words: &[&str]| -> Outcome {
        std::fs::write(&path, bytes)?;
        let run = folder.run(&["verify", "out.ts", "--json"])?;
        run.fails(8, "file.differs").has("why", words);
        let told: Value = serde_json::from_str(&run.out())?;
        assert_eq!((&told["whole"], &told["code"]), (&json!(false), &json!(8)));
        let first = &told["first_difference"];
        assert_eq!((&first["index"], &first["offset"]), (&json!(index), &json!(index * 18_800)), "{told}");
        assert!(told["message"].as_str().is_some_and(|m| m.contains(&format!("segment {index} "))), "{told}");
        Ok(())
    };
    for (at, index) in [(0, 0), (18_799, 0), (18_800, 1), (100_000, 5), (good.len() - 1, 9)] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        // What differs further on is not the first.
        let last = bytes.len() - 1;
        bytes[last] ^= 2;
        differ(&bytes, index, &["its bytes are not those"])?;
    }
    differ(&good[..good.len() - 1], 9, &["the file ends at byte 187999 of 188000"])?;
    differ(&good[..18_800], 1, &["the file ends at byte 18800"])?;
    differ(&[], 0, &["the file ends at byte 0"])?;
    std::fs::write(&path, [&good[..], b"x"].concat())?;
    folder.run(&["verify", "out.ts"])?.fails(8, "file.differs");
    std::fs::write(&path, &good)?;
    folder.run(&["verify", "out.ts"])?.ok();
    let events = folder.run(&["get", &stream.url, "-o", "b.ts", "--manifest", "--json"])?.ok().events()?;
    assert_eq!(events.last().map(|event| &event["manifest"]), Some(&json!("b.ts.json")));
    // One that was downloaded with a gap.
    let text = String::from_utf8(folder.read("out.ts.json")?)?;
    let gap = "{\"track\":0,\"kind\":\"gap\",\"index\":10,\"sequence\":10,\"offset\":188000,\"length\":0,\"sha256\":\"E\"}\n],";
    let gap = gap.replace('E', &judge::sha256(&[]));
    std::fs::write(folder.file("gap.json"), text.replacen("\n],", &format!(",\n{gap}"), 1))?;
    let run = folder.run(&["verify", "out.ts", "--manifest", "gap.json"])?;
    assert_eq!(run.status.code(), Some(4), "{}{}", run.out(), run.err);
    assert!(run.out().contains("1 segment missing since then: 10 pieces"), "{}", run.out());
    // Moved and renamed, with its manifest named.
    std::fs::rename(&path, folder.file("moved.ts"))?;
    folder.run(&["verify", "moved.ts", "--manifest", "out.ts.json"])?.ok();
    Ok(())
}

#[test]
fn what_cannot_be_judged_is_told_apart() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(3, 18_800).publish(&origin);
    folder.run(&["verify", "out.ts"])?.fails(10, "file.missing");
    folder.run(&["get", &stream.url, "-o", "out.ts", "--manifest"])?.ok();
    folder.run(&["verify", "none.ts", "--manifest", "out.ts.json"])?.fails(10, "file.missing");
    folder.run(&["verify", "out.ts", "--manifest", "none.json"])?.fails(10, "manifest.missing");
    folder.run(&["verify", "."])?.fails(10, "disk.io");
    folder.run(&["verify"])?.fails(2, "usage");
    let good = String::from_utf8(folder.read("out.ts.json")?)?;
    for (text, code, symbol) in [
        (good[..good.len() / 2].to_owned(), 10, "manifest.broken"),
        ("{\"title\": \"a film\"}".to_owned(), 10, "manifest.broken"),
        (String::new(), 10, "manifest.broken"),
        (good.replacen("\"hls_manifest\":0", "\"hls_manifest\":5", 1), 12, "manifest.newer"),
    ] {
        std::fs::write(folder.file("out.ts.json"), text)?;
        let run = folder.run(&["verify", "out.ts", "--json"])?;
        run.fails(code, symbol);
        assert_eq!(serde_json::from_str::<Value>(&run.out())?["whole"], Value::Null);
    }
    Ok(())
}

#[test]
fn without_a_manifest_the_container_is_checked() -> Outcome {
    let origin = Origin::start();
    let folder = Folder::new()?;
    for (media, container) in [(Media::Ts, "MPEG-TS"), (Media::Fmp4, "fMP4"), (Media::AudioAdts, "ADTS")] {
        let stream = Vod::from_media(media).prefix(&format!("/{container}")).publish(&origin);
        folder.run(&["get", &stream.url, "-o", "out", "--format", "join", "--force"])?.ok();
        let run = folder.run(&["verify", "out"])?.ok();
        assert!(
            run.out().starts_with(&format!("out: whole as far as {container} can tell, ")),
            "{}",
            run.out()
        );
        assert!(run.out().contains("without a manifest") && run.out().lines().count() == 1, "{}", run.out());
        std::fs::write(folder.file("out"), &stream.expected[..stream.expected.len() - 3])?;
        folder.run(&["verify", "out"])?.fails(8, "content.damaged");
    }
    for text in ["<html>no</html>", "", "\u{1}\u{2}\u{3}"] {
        std::fs::write(folder.file("out"), text)?;
        folder.run(&["verify", "out"])?.fails(8, "content.not_media");
    }
    std::fs::write(folder.file("a.vtt"), "WEBVTT\n\n00:00.000 --> 00:01.000\nhi\n")?;
    folder.run(&["verify", "a.vtt"])?.ok();
    Ok(())
}

#[test]
fn a_file_with_the_name_of_the_manifest_stays() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(3, 18_800).publish(&origin);
    std::fs::write(folder.file("out.ts.json"), "mine")?;
    for args in [&["--manifest"][..], &["--manifest", "--skip-existing"]] {
        let run = folder.run(&[&["get", stream.url.as_str(), "-o", "out.ts"], args].concat())?;
        run.fails(13, "manifest.exists");
    }
    folder.run(&["get", &stream.url, "-o", "{name}-{height}x", "--manifest"])?.ok();
    assert_eq!((folder.read("out.ts.json")?, origin.requests().len()), (b"mine".to_vec(), 4));
    folder.run(&["get", &stream.url, "-o", "out.ts", "--manifest", "--force"])?.ok();
    is_right(&manifest(&folder, "out.ts.json")?, &stream, &stream.expected);
    // The manifest of a run that was killed before the last rename.
    std::fs::remove_file(folder.file("out.ts"))?;
    folder.run(&["get", &stream.url, "-o", "out.ts", "--manifest"])?.ok();
    folder.run(&["get", &stream.url, "-o", "-", "--manifest"])?.fails(2, "usage");
    Ok(())
}

#[test]
fn samples_have_to_be_what_their_sample_entry_says() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::from_media(Media::Ts).publish(&origin);
    folder.run(&["get", &stream.url, "-o", "out.mp4"])?.ok();
    folder.run(&["verify", "out.mp4"])?.ok();
    let mut bytes = folder.read("out.mp4")?;
    // The tables of the first track say that its samples are a byte further on.
    let table = bytes.windows(4).position(|name| name == b"stco").ok_or("it has chunks")? + 8;
    let word = |at: usize| bytes[at..].first_chunk().map_or(0, |four| u32::from_be_bytes(*four));
    let later = (0..word(table) as usize).flat_map(|n| (word(table + 4 + n * 4) + 1).to_be_bytes());
    let later = later.collect::<Vec<_>>();
    bytes[table + 4..table + 4 + later.len()].copy_from_slice(&later);
    std::fs::write(folder.file("out.mp4"), &bytes)?;
    let run = folder.run(&["verify", "out.mp4", "--json"])?;
    run.fails(8, "content.wrong")
        .has("why", &["track 1 has samples that are not H.264 NAL units", "the first at byte"]);
    let told: Value = serde_json::from_str(&run.out())?;
    let problem = &told["problems"][0];
    assert_eq!((&problem["problem"], &problem["track"]), (&json!("other_than_entry"), &json!(1)), "{told}");
    assert!(problem["samples"].as_u64() > Some(1) && problem["at"].as_u64().is_some(), "{told}");
    Ok(())
}
