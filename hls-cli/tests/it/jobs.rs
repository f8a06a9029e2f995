//! What is unfinished: listed, gone on with, forgotten.

use hls_testkit::{Gate, Origin, Published, Reply, Vod};
use serde_json::{Value, json};

use crate::support::{Folder, Outcome, Running, SECRET, gated, part_length, same, until};

type Failure = Box<dyn std::error::Error>;

/// A stream under this path whose second half waits, and a run that has come to it and has its memo.
fn half_way(
    origin: &Origin,
    folder: &Folder,
    prefix: &str,
    args: &[&str],
) -> Result<(Published, Gate, Running), Failure> {
    let vod = Vod::synthetic(10, 20_000).prefix(prefix).query(&format!("token={SECRET}"));
    let (stream, gate) = gated(origin, &vod, 5);
    let output = format!("{}.ts", prefix.trim_start_matches('/'));
    let log = folder.file(&format!("{output}.log"));
    let mut command = folder.hls(&[&["get", &stream.url, "-o", &output, "-j", "2"], args].concat());
    let run = Running::of(&mut command, &log)?;
    until("five segments", || part_length(folder, &output) >= stream.expected.len() as u64 / 2);
    until("a memo", || folder.file(&format!("{output}.hls/job")).exists());
    Ok((stream, gate, run))
}

fn jobs(folder: &Folder) -> Result<Vec<Value>, Failure> {
    let listed: Value = serde_json::from_str(&folder.run(&["jobs", "--json"])?.ok().out())?;
    assert_eq!(listed["schema"], 1);
    Ok(listed["jobs"].as_array().cloned().unwrap_or_default())
}

#[test]
fn what_is_unfinished_is_listed_with_a_command_to_go_on() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let empty = folder.run(&["jobs"])?.ok();
    assert_eq!((empty.out().as_str(), empty.err.as_str()), ("", "nothing is unfinished in .\n"));
    let (stream, gate, run) = half_way(&origin, &folder, "/film", &["-H", "X-Pass: sesame"])?;
    let listed = folder.run(&["jobs"])?.ok().out();
    assert!(listed.contains(&format!("  running: process {}\n", run.pid())), "{listed}");
    let found = jobs(&folder)?;
    assert_eq!((&found[0]["state"], &found[0]["pid"]), (&json!("running"), &json!(run.pid())));
    run.kill()?;

    let listed = folder.run(&["jobs"])?.ok().out();
    assert!(
        listed.starts_with("film.ts\n  there:   5 of 10 segments, 97 KiB; 5 to come, about 97 KiB\n"),
        "{listed}"
    );
    assert!(listed.contains("\n  stopped: killed: "), "{listed}");
    assert!(listed.contains("\n  next:    hls get '<fresh URL>' -H 'X-Pass: …' -o film.ts\n"), "{listed}");
    let from = stream.url.split('?').next().unwrap_or_default();
    assert!(listed.contains(&format!("\n  from:    {from}\n")), "{listed}");
    let found = jobs(&folder)?.remove(0);
    for (field, value) in [
        ("output", json!("film.ts")),
        ("state", json!("waiting")),
        ("segments_done", json!(5)),
        ("segments", json!(10)),
        ("segments_left", json!(5)),
        ("url", json!(from)),
        ("remembered", json!(false)),
        ("next", json!("hls get '<fresh URL>' -H 'X-Pass: …' -o film.ts")),
    ] {
        assert_eq!(found[field], value, "{field}");
    }
    assert_eq!(found["stopped"]["kind"], "killed");
    // From elsewhere the command names the path.
    let parent = Folder::new()?;
    let listed = parent.run(&["jobs", &folder.path().display().to_string()])?.ok().out();
    assert!(listed.contains(&format!(" -o {}\n", folder.file("film.ts").display())), "{listed}");

    gate.open();
    folder.run(&["get", &stream.url, "-o", "film.ts"])?.ok();
    assert!(jobs(&folder)?.is_empty());
    Ok(())
}

#[test]
fn the_last_error_is_why_it_stopped() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(4, 20_000).publish(&origin);
    origin.remove(&stream.segment_paths[2]);
    folder
        .run(&["get", &stream.url, "-o", "out.ts", "--retries", "0", "-j", "1"])?
        .fails(3, "segment.status");
    let found = jobs(&folder)?.remove(0);
    assert_eq!(found["stopped"]["kind"], "segment.status");
    assert!(found["stopped"]["message"].as_str().is_some_and(|m| m.contains("segment 2")), "{found}");
    assert_eq!((&found["segments_done"], &found["segments"]), (&json!(2), &json!(4)));
    // Nothing had to be left out of this one.
    assert_eq!(found["next"], format!("hls get {} -o out.ts", stream.url));
    Ok(())
}

#[test]
fn what_finished_with_gaps_can_be_completed() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(4, 20_000).publish(&origin);
    origin.script(&stream.segment_paths[2], [Reply::status(404).forever()]);
    let args = ["get", &stream.url, "-o", "out.ts", "--allow-gaps", "--manifest", "--remember"];
    assert_eq!(folder.run(&args)?.status.code(), Some(4));
    let found = jobs(&folder)?.remove(0);
    assert_eq!(
        (&found["segments_done"], &found["segments"], &found["gaps"]),
        (&json!(3), &json!(4), &json!(1))
    );
    let listed = folder.run(&["jobs"])?.ok().out();
    assert!(listed.contains("\n  stopped: finished without 1 segment; "), "{listed}");
    assert!(
        listed.contains(&format!("hls get {} --allow-gaps --manifest --remember -o out.ts", stream.url)),
        "{listed}"
    );
    assert_eq!(folder.run(&["verify", "out.ts"])?.status.code(), Some(4));
    origin.script(&stream.segment_paths[2], []);
    let run = folder.run(&["jobs", "--resume"])?.ok();
    same(&folder.read("out.ts")?, &stream.expected);
    assert!(jobs(&folder)?.is_empty(), "{}", run.err);
    folder.run(&["verify", "out.ts"])?.ok();
    Ok(())
}

#[test]
fn nothing_secret_is_kept_unasked() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(4, 20_000).query("token=sesame").publish(&origin);
    origin.remove(&stream.segment_paths[2]);
    let url = stream.url.replace("http://", "http://me:sesame@");
    let secrets =
        ["-b", "a=sesame", "-H", "x-pass: sesame", "-e", "http://h/?sesame", "--retries", "0", "-j", "1"];
    for (extra, kept) in [(&[][..], false), (&["--remember"], true)] {
        let run = folder.run(&[&["get", &url, "-o", "out.ts"], &secrets[..], extra].concat())?;
        run.fails(3, "segment.status");
        let memo = String::from_utf8(folder.read("out.ts.hls/job")?)?;
        assert_eq!((memo.contains(SECRET), memo.contains("me:")), (kept, kept), "{memo}");
        let next = jobs(&folder)?.remove(0)["next"].clone();
        let words: String = extra.iter().map(|word| format!(" {word}")).collect();
        assert_eq!(next, format!("hls get '<fresh URL>' -H 'x-pass: …' -e '…' -b '…'{words} -o out.ts"));
    }
    Ok(())
}

#[test]
fn a_job_without_a_memo_is_told_by_its_log() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (_stream, _gate, run) = half_way(&origin, &folder, "/film", &[])?;
    run.kill()?;
    for damage in [None, Some("{\"format\""), Some("\0\0")] {
        match damage {
            None => std::fs::remove_file(folder.file("film.ts.hls/job"))?,
            Some(text) => std::fs::write(folder.file("film.ts.hls/job"), text)?,
        }
        let listed = folder.run(&["jobs"])?.ok().out();
        assert!(listed.contains("there:   5 segments, 97 KiB; of how many is not known"), "{listed}");
        assert!(
            listed.contains("stopped: killed") && listed.contains("'<fresh URL>' -o film.ts"),
            "{listed}"
        );
    }
    Ok(())
}

#[test]
fn a_newer_one_is_named_and_nothing_of_it_is_touched() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (_stream, _gate, run) = half_way(&origin, &folder, "/film", &["--remember"])?;
    run.kill()?;
    std::fs::write(folder.file("film.ts.hls/job"), "{\"format\": 3}")?;
    let listed = folder.run(&["jobs"])?.ok().out();
    assert!(listed.contains("state.newer"), "{listed}");
    folder.run(&["jobs", "--remove", "film.ts"])?.fails(12, "state.newer");
    assert_eq!(folder.run(&["jobs", "--resume"])?.status.code(), Some(12));
    assert_eq!(folder.read("film.ts.hls/job")?, b"{\"format\": 3}");
    assert!(folder.file("film.ts.part").exists());
    Ok(())
}

#[test]
fn all_that_was_remembered_goes_on() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let mut streams = Vec::new();
    for (prefix, args) in
        [("/one", &["--remember", "-H", "X-Pass: sesame"][..]), ("/two", &["--remember"]), ("/three", &[])]
    {
        let (stream, gate, run) = half_way(&origin, &folder, prefix, args)?;
        run.kill()?;
        gate.open();
        streams.push(stream);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.file("one.ts.hls/job"))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let secret = |name: &str| folder.read(name).map(|text| String::from_utf8_lossy(&text).contains(SECRET));
    assert_eq!((secret("one.ts.hls/job")?, secret("three.ts.hls/job")?), (true, false));
    origin.reset_log();
    let parent = Folder::new()?;
    let run = parent.run(&["jobs", &folder.path().display().to_string(), "--resume"])?;
    assert_eq!(run.status.code(), Some(2), "{}", run.err);
    assert!(run.err.contains("three.ts: can't go on: it was not started with --remember"), "{}", run.err);
    for (name, stream) in ["one.ts", "two.ts"].into_iter().zip(&streams) {
        same(&folder.read(name)?, &stream.expected);
    }
    let mut with_header = origin.requests();
    with_header.retain(|r| r.path.starts_with("/one") != r.header("x-pass").is_some());
    assert!(with_header.is_empty(), "{with_header:?}");
    assert_eq!(jobs(&folder)?.len(), 1);
    folder.run(&["get", &streams[2].url, "-o", "three.ts"])?.ok();
    folder.run(&["jobs", "--resume"])?.ok();
    Ok(())
}

#[test]
#[cfg(unix)]
fn what_others_could_have_written_is_not_followed() -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (_stream, _gate, run) = half_way(&origin, &folder, "/film", &["--remember"])?;
    run.kill()?;
    std::fs::set_permissions(folder.file("film.ts.hls/job"), std::fs::Permissions::from_mode(0o644))?;
    origin.reset_log();
    let run = folder.run(&["jobs", "--resume"])?;
    assert_eq!((run.status.code(), origin.requests().len()), (Some(10), 0), "{}", run.err);
    assert!(run.err.contains("could have been written by others"), "{}", run.err);
    Ok(())
}

#[test]
fn jobs_are_forgotten_but_never_one_that_runs() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let (stream, gate, running) = half_way(&origin, &folder, "/running", &[])?;
    for prefix in ["/one", "/two"] {
        half_way(&origin, &folder, prefix, &[])?.2.kill()?;
    }
    std::fs::write(folder.file("mine.ts.part"), "mine")?;
    folder.run(&["jobs", "--remove", "one.ts"])?.ok();
    assert!(!folder.file("one.ts.part").exists() && !folder.file("one.ts.hls").exists());
    folder.run(&["jobs", "--remove", "one.ts"])?.fails(10, "job.missing");
    let all = folder.run(&["jobs", "--remove"])?;
    all.fails(11, "job.in_use").has("why", &[&running.pid().to_string()]);
    assert!(all.err.starts_with("to be forgotten: running.ts, two.ts\n"), "{}", all.err);
    let mut names = folder.names();
    names.retain(|name| !name.ends_with(".log"));
    assert_eq!(names, ["mine.ts.part", "running.ts.hls", "running.ts.part"]);
    gate.open();
    let (status, said) = running.wait()?;
    assert!(status.success(), "{said}");
    same(&folder.read("running.ts")?, &stream.expected);
    Ok(())
}

#[test]
fn a_short_job_leaves_no_memo_and_pipes_have_none() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let stream = Vod::synthetic(4, 20_000).publish(&origin);
    folder.run(&["get", &stream.url, "-o", "out.ts"])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    folder.run(&["get", &stream.url, "-o", "-", "--remember"])?.fails(2, "usage");
    folder.run(&["jobs", "no-such-folder"])?.fails(10, "disk.io");
    Ok(())
}
