//! `--json`: events for programs.

use hls_testkit::{Origin, Reply, Vod};
use serde_json::Value;

use crate::support::{Folder, Outcome, events, same};

/// Every event has the fields that all have; returns their names.
fn kinds(events: &[Value]) -> Vec<&str> {
    let mut last = 0.0;
    for event in events {
        assert_eq!((&event["schema"], &event["job"]), (&Value::from(1), &Value::from(1)), "{event}");
        let time = event["time"].as_str().unwrap_or_default();
        assert!(time.len() == 24 && time.contains('T') && time.ends_with('Z'), "{event}");
        let t = event["t"].as_f64().unwrap_or(-1.0);
        assert!(t >= last, "{event} is after {last}");
        last = t;
    }
    events.iter().filter_map(|event| event["event"].as_str()).collect()
}

#[track_caller]
fn has(event: &Value, fields: &[&str]) {
    for field in fields {
        assert!(event.get(field).is_some(), "no {field} in {event}");
    }
}

#[test]
fn events_of_a_download() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(5, 20_000).query("token=sesame").publish(&origin);
    origin.script(&stream.segment_paths[1], [Reply::status(503)]);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "--json"])?.ok();
    same(&folder.read("out.ts")?, &stream.expected);
    let all = run.events()?;
    let kinds = kinds(&all);
    assert_eq!((kinds.len(), &kinds[..2]), (all.len(), &["started", "plan"][..]));
    assert_eq!(kinds.last(), Some(&"finished"));
    let of = |kind: &str| all.iter().filter(|e| e["event"] == kind).collect::<Vec<_>>();
    has(&all[0], &["url", "output", "resumed_segments"]);
    assert_eq!(all[0]["output"], "out.ts");
    has(&all[1], &["kind", "tracks", "segments", "duration_s"]);
    assert_eq!((&all[1]["kind"], &all[1]["segments"]), (&"vod".into(), &5.into()));
    let segments = of("segment");
    let mut indexes: Vec<_> = segments.iter().filter_map(|s| s["index"].as_u64()).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    segments.iter().for_each(|s| has(s, &["track", "index", "sequence", "bytes", "ms", "attempts"]));
    let tried: Vec<_> = segments.iter().filter(|s| s["index"] == 1).map(|s| s["attempts"].as_u64()).collect();
    assert_eq!(tried, [Some(2)]);
    of("progress").iter().for_each(|p| {
        has(p, &["segments_done", "segments", "bytes", "bytes_per_second", "concurrency", "eta_ms"]);
    });
    assert_eq!(of("retry").len(), 1);
    has(of("retry")[0], &["where", "class", "attempt", "wait_ms"]);
    let done = of("finished")[0];
    has(done, &["downloaded_bytes", "elapsed_ms", "stopped_by", "resumed_segments"]);
    assert_eq!(done["outputs"], Value::from(vec!["out.ts"]));
    assert_eq!((&done["segments"], &done["gaps"]), (&5.into(), &0.into()));
    assert_eq!(done["bytes"], stream.expected.len());
    assert_eq!(run.err, "", "all is in the events");
    Ok(())
}

#[test]
fn a_failure_is_an_event() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(5, 20_000).query("token=sesame").publish(&origin);
    origin.remove(&stream.segment_paths[3]);
    let folder = Folder::new()?;
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "--json", "--retries", "0"])?;
    run.fails(3, "segment.status");
    let all = run.events()?;
    assert_eq!(kinds(&all).last(), Some(&"failed"));
    let failed = &all[all.len() - 1];
    has(failed, &["code", "kind", "message", "where", "why", "kept", "next", "retryable"]);
    assert_eq!((&failed["code"], &failed["kind"]), (&3.into(), &"segment.status".into()));
    assert_eq!(failed["retryable"], false);
    Ok(())
}

#[test]
fn a_failure_before_the_plan_is_an_event() -> Outcome {
    let origin = Origin::start();
    let run = Folder::new()?.run(&["get", &origin.url("/none.m3u8"), "--json", "--retries", "0"])?;
    run.fails(3, "playlist.status");
    let all = run.events()?;
    assert_eq!(kinds(&all).last(), Some(&"failed"));
    Ok(())
}

#[test]
fn the_media_on_standard_output_moves_the_events() -> Outcome {
    let origin = Origin::start();
    let stream = Vod::synthetic(5, 20_000).publish(&origin);
    let run = Folder::new()?.run(&["get", &stream.url, "-o", "-", "--json"])?.ok();
    same(&run.out, &stream.expected);
    let all = events(&run.err)?;
    assert_eq!(kinds(&all).first(), Some(&"started"));
    assert_eq!(all[0]["output"], Value::Null);
    assert_eq!(kinds(&all).last(), Some(&"finished"));
    Ok(())
}
