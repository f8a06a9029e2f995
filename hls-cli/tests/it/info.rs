//! `hls info`.

use hls_testkit::{Master, Media, Origin, Vod};
use serde_json::{Value, json};

use crate::support::{Folder, Outcome};

fn master(origin: &Origin) -> hls_testkit::PublishedMaster {
    Master::new("/film")
        .variant(300_000, 320, 180, Vod::from_media(Media::Ts))
        .variant(900_000, 640, 360, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioTs))
        .audio("fr", false, Vod::from_media(Media::AudioTs))
        .publish(origin)
}

#[test]
fn for_people() -> Outcome {
    let origin = Origin::start();
    let master = master(&origin);
    let run = Folder::new()?.run(&["info", &master.url])?.ok();
    let page = run.out();
    assert!(page.starts_with("2 variants, VOD, 12 s, 6 segments, not encrypted\n"), "{page}");
    for n in 1..=2 {
        assert!(page.contains(&format!("hls get '{}' -s {n}\n", master.url)), "{page}");
    }
    assert!(page.contains("640x360") && page.contains("(best)"), "{page}");
    assert!(page.lines().all(|line| line.starts_with("hls get") || line.chars().count() <= 80), "{page}");
    assert_eq!(run.err, "");
    Ok(())
}

#[test]
fn for_programs() -> Outcome {
    let origin = Origin::start();
    let master = master(&origin);
    let run = Folder::new()?.run(&["info", "--json", &master.url])?.ok();
    let found: Value = serde_json::from_str(&run.out())?;
    assert_eq!((&found["schema"], &found["kind"]), (&json!(1), &json!("multivariant")));
    let numbers =
        |field: &str| found["variants"].as_array().map(|v| v.iter().map(|v| v[field].clone()).collect());
    assert_eq!(numbers("height"), Some(vec![json!(180), json!(360)]));
    assert_eq!(numbers("bandwidth"), Some(vec![json!(300_000), json!(900_000)]));
    let languages: Vec<_> =
        found["renditions"].as_array().into_iter().flatten().map(|r| &r["language"]).collect();
    assert_eq!(languages, ["en", "fr"]);
    for field in ["url", "n_segments", "duration_s", "target_duration", "live", "encryption", "warnings"] {
        assert!(found.get(field).is_some(), "{field}");
    }
    assert_eq!((&found["live"], &found["n_segments"]), (&json!(false), &json!(6)));
    Ok(())
}

#[test]
fn the_number_that_is_shown_is_the_one_that_is_taken() -> Outcome {
    let origin = Origin::start();
    let master = Master::new("/film")
        .variant(900_000, 640, 360, Vod::synthetic(2, 30_000))
        .variant(300_000, 320, 180, Vod::synthetic(2, 10_000))
        .publish(&origin);
    let folder = Folder::new()?;
    let found: Value = serde_json::from_str(&folder.run(&["info", "--json", &master.url])?.ok().out())?;
    for (n, variant) in (1..).zip(&master.variants) {
        assert_eq!(found["variants"][n - 1]["index"], json!(n));
        let name = format!("{n}.ts");
        folder.run(&["get", &master.url, "-s", &n.to_string(), "-o", &name])?.ok();
        assert_eq!(folder.read(&name)?.len(), variant.expected.len());
    }
    Ok(())
}

#[test]
fn what_is_no_playlist() -> Outcome {
    let origin = Origin::start();
    origin.put("/page.html", "<!DOCTYPE html><html></html>");
    let run = Folder::new()?.run(&["info", &origin.url("/page.html?token=sesame")])?;
    run.fails(7, "playlist.not_a_playlist");
    Ok(())
}

const BROKEN: &str =
    "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXTINF:-1,\na.ts?token=sesame\n";

#[test]
fn a_check_lists_what_is_wrong() -> Outcome {
    let origin = Origin::start();
    origin.put("/list.m3u8", BROKEN);
    let run = Folder::new()?.run(&["info", "--check", &origin.url("/list.m3u8?token=sesame")])?;
    assert_eq!((run.status.code(), run.err.as_str()), (Some(7), ""));
    let page = run.out();
    assert!(page.starts_with("3:1      4.4.1.2   EXT-X-VERSION stands more than once\n"), "{page}");
    assert!(page.contains("\n5:9      4.4.4.1   "), "{page}");
    assert!(page.ends_with("2 violations of draft-pantos-hls-rfc8216bis-22\n"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    Ok(())
}

#[test]
fn a_check_for_programs() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(folder.file("list.m3u8"), BROKEN)?;
    let run = folder.run(&["info", "--check", "--json", "list.m3u8"])?;
    assert_eq!(run.status.code(), Some(7));
    let found: Value = serde_json::from_str(&run.out())?;
    assert_eq!((&found["schema"], &found["url"]), (&json!(1), &json!("list.m3u8")));
    let first = json!({"line": 3, "column": 1, "section": "4.4.1.2", "message": "EXT-X-VERSION stands more than once"});
    assert_eq!(found["violations"][0], first);
    Ok(())
}

#[test]
fn a_check_of_what_is_right_and_of_what_is_no_playlist() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(
        folder.file("good.m3u8"),
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXT-X-ENDLIST\n",
    )?;
    let run = folder.run(&["info", "--check", "good.m3u8"])?.ok();
    assert_eq!(run.out(), "breaks no rule of draft-pantos-hls-rfc8216bis-22\n");
    let run = folder.run(&["info", "--check", "--json", "good.m3u8"])?.ok();
    assert!(run.out().contains("\"violations\":[]"));
    std::fs::write(folder.file("page.html"), "<!doctype html>")?;
    let run = folder.run(&["info", "--check", "page.html"])?;
    assert_eq!(run.status.code(), Some(7));
    assert!(run.out().contains("HTML"), "{}", run.out());
    let origin = Origin::start();
    folder.run(&["info", "--check", &origin.url("/none.m3u8")])?.fails(3, "playlist.status");
    folder.run(&["info", "--check", "--reading", "good.m3u8"])?.fails(2, "usage");
    Ok(())
}

#[test]
fn a_live_stream() -> Outcome {
    let folder = Folder::new()?;
    std::fs::write(
        folder.file("live.m3u8"),
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:266\n#EXT-X-PART-INF:PART-TARGET=0.33\n\
         #EXT-X-SERVER-CONTROL:HOLD-BACK=12.5\n#EXT-X-PROGRAM-DATE-TIME:2026-11-22T20:00:00Z\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\na.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:4,\nb.ts\n",
    )?;
    let page = folder.run(&["info", "live.m3u8"])?.ok().out();
    let expect = "media playlist, live, 8.0 s in the playlist, 2 segments, AES-128
  segments 266 to 267, target duration 4 s, play 12.5 s behind the end,
  parts of 0.33 s, from 2026-11-22T20:00:00.000Z, 1 discontinuity, 1 gap

hls get 'live.m3u8'
";
    assert_eq!(page, expect);
    let found: Value = serde_json::from_str(&folder.run(&["info", "--json", "live.m3u8"])?.ok().out())?;
    for (field, value) in [("media_sequence", json!(266)), ("gaps", json!(1)), ("hold_back_s", json!(12.5))] {
        assert_eq!(found[field], value, "{field}");
    }
    Ok(())
}
