//! Live streams: recorded from the command line, in real time.

use std::time::Duration;

use hls_testkit::{Broadcast, Of, Origin, Outage, PublishedBroadcast};

use crate::support::{Folder, Outcome, part_length, same, until};

const SEGMENT: Duration = Duration::from_millis(200);

fn noise() -> Broadcast {
    Broadcast::synthetic(SEGMENT, 4000).window(30)
}

/// A file has the first segments of a stream, whole ones, one after the other.
fn has_the_first(stream: &PublishedBroadcast, bytes: &[u8]) -> usize {
    let n = (0..).take_while(|n| stream.bytes(0, 0, n + 1).len() <= bytes.len()).take(10_000).count();
    same(bytes, &stream.bytes(0, 0, n));
    n
}

#[test]
fn a_stream_that_ends_is_recorded_to_its_end() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = noise().total(20).publish(&origin);
    let run = folder.run(&["get", &stream.playlist_url, "-o", "out.ts", "--json"])?.ok();
    folder.holds_only("out.ts", &stream.bytes(0, 0, 20))?;
    let events = run.events()?;
    let named = |name: &str| events.iter().find(|e| e["event"] == name).cloned().unwrap_or_default();
    assert_eq!(named("plan")["kind"], "live");
    assert_eq!(named("finished")["stopped_by"], "end");
    assert!(named("reload")["behind_ms"].is_u64());
    // It has ended, so there is nothing to go on with.
    folder.run(&["get", &stream.playlist_url, "-o", "out.ts"])?.fails(13, "output.exists");
    Ok(())
}

#[test]
fn a_server_that_steers_is_told_of() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let broadcast =
        noise().total(20).pathway("b", "").steer(Duration::ZERO, &["a"]).steer(SEGMENT * 4, &["b"]);
    let stream = broadcast.publish(&origin);
    let info = folder.run(&["info", &stream.master_url])?.ok();
    assert!(info.out().contains("content steering by 127.0.0.1, begins with pathway a"), "{}", info.out());
    let info = folder.run(&["info", "--json", &stream.master_url])?.ok();
    assert!(
        info.out().contains(r#""initial_pathway":"a""#) && info.out().contains(r#""pathways":["a","b"]"#)
    );
    let run = folder.run(&["get", &stream.master_url, "-o", "out.ts", "--json"])?.ok();
    let events = run.events()?;
    let change = events.iter().find(|event| event["event"] == "pathway").ok_or("it did not turn")?;
    assert_eq!(
        (&change["from"], &change["to"], &change["steered"]),
        (&"a".into(), &"b".into(), &true.into())
    );
    folder.holds_only("out.ts", &stream.bytes(0, 0, 20))
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_recording_well_and_the_next_run_goes_on_in_another_file() -> Outcome {
    for name in ["INT", "TERM", "HUP"] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let stream = noise().publish(&origin);
        let args = ["get", stream.playlist_url.as_str(), "-o", "out.ts", "--progress", "none"];
        let run = folder.spawn(&args)?;
        until("some segments", || part_length(&folder, "out.ts") > 40_000);
        run.signal(name)?;
        let (status, said) = run.wait()?;
        assert!(status.success(), "{name}: {status}: {said}");
        assert!(
            said.contains("recorded: ") && said.contains("stopped; the same command again goes on"),
            "{said}"
        );
        let n = has_the_first(&stream, &folder.read("out.ts")?);
        let again = folder.run(&[&args[..], &["--duration", "2s"]].concat())?.ok();
        assert!(again.err.contains("out.2.ts"), "{}", again.err);
        let both = [folder.read("out.ts")?, folder.read("out.2.ts")?].concat();
        assert!(has_the_first(&stream, &both) >= n + 10);
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn one_that_is_killed_goes_on_where_it_was() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = noise().total(45).publish(&origin);
    let args = ["get", stream.playlist_url.as_str(), "-o", "out.ts", "--progress", "none"];
    for wait in [300, 450, 700, 150, 900] {
        let run = folder.spawn(&args)?;
        std::thread::sleep(Duration::from_millis(wait));
        run.kill()?;
    }
    folder.run(&args)?.ok();
    folder.holds_only("out.ts", &stream.bytes(0, 0, 45))
}

#[test]
fn a_pipe_begins_near_the_edge() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = noise().running(30).publish(&origin);
    let run = folder.run(&["get", &stream.playlist_url, "-o", "-", "--duration", "4s", "-q"])?.ok();
    // Three target durations of a second, which are fifteen segments.
    let first = (10..22).find(|n| run.out.starts_with(&stream.bytes(0, *n, n + 1)));
    let first = first.ok_or("it begins with no segment")?;
    assert!((14..=18).contains(&first), "{first}");
    same(&run.out, &stream.bytes(0, first, first + 20));
    Ok(())
}

#[test]
fn a_stream_without_news_ends_well_and_with_a_code_of_its_own() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let outage = Outage::new(Of::Playlists, SEGMENT * 5, Duration::from_secs(1000));
    let stream = noise().outage(outage).publish(&origin);
    let run = folder.run(&["get", &stream.playlist_url, "-o", "out.ts", "--give-up-after", "3s"])?;
    assert_eq!(run.status.code(), Some(14), "{}", run.err);
    assert!(has_the_first(&stream, &folder.read("out.ts")?) >= 6);
    Ok(())
}

#[test]
fn what_is_lost_is_named_at_the_end() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = noise().total(30).gap(12).publish(&origin);
    let run = folder.run(&["get", &stream.playlist_url, "-o", "out.ts"])?;
    assert_eq!(run.status.code(), Some(4), "{}", run.err);
    assert!(run.err.contains("recorded with gaps: 29 segments"), "{}", run.err);
    assert!(run.err.contains("missing: 1 segment, 0.2 s; which ones is in out.ts.gaps.json"), "{}", run.err);
    let report: serde_json::Value = serde_json::from_slice(&folder.read("out.ts.gaps.json")?)?;
    assert_eq!((&report["missing"][0]["sequence"], &report["missing"][0]["count"]), (&12.into(), &1.into()));
    let rest = [stream.bytes(0, 0, 12), stream.bytes(0, 13, 30)].concat();
    same(&folder.read("out.ts")?, &rest);
    Ok(())
}

#[test]
fn a_stream_that_has_not_begun_is_waited_for() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let missing = origin.url(&noise().playlist_path(0, 0));
    folder.run(&["get", &missing, "-o", "out.ts"])?.fails(3, "playlist.status");
    let run = folder.spawn(&["get", &missing, "-o", "out.ts", "--wait", "--duration", "2s"])?;
    until("it waits", || run.said().contains("waiting for the stream to begin"));
    let stream = noise().publish(&origin);
    let (status, said) = run.wait()?;
    assert!(status.success(), "{said}");
    assert!(!folder.read("out.ts")?.is_empty() && stream.elapsed() > Duration::from_secs(1));
    Ok(())
}

#[test]
fn a_file_and_a_reader_beside_it_get_the_same() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = noise().total(20).publish(&origin);
    let run = folder.run(&["get", &stream.playlist_url, "-o", "-", "-o", "out.ts", "--json"])?.ok();
    let bytes = stream.bytes(0, 0, 20);
    same(&run.out, &bytes);
    folder.holds_only("out.ts", &bytes)?;
    assert!(run.err.contains("\"event\":\"finished\""), "{}", run.err);
    folder.run(&["get", &stream.playlist_url, "-o", "a.ts", "-o", "b.ts"])?.fails(2, "usage");
    folder.run(&["get", &stream.playlist_url, "-o", "a.mp4", "-o", "-"])?.fails(2, "output.tracks");
    Ok(())
}
