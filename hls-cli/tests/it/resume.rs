//! Going on after whatever ended the last run, and one process at a time.

use hls_testkit::{Gate, Origin, Reply, Step, Vod};

use crate::support::{Folder, LIMIT, Outcome, gated, media_requests, part_length, until};

const SEGMENT: usize = 50_000;

/// A run that has placed five of ten segments, and waits for the rest.
fn half_way(origin: &Origin, folder: &Folder) -> Result<Half, Box<dyn std::error::Error>> {
    let (stream, gate) = gated(origin, &Vod::synthetic(10, SEGMENT), 5);
    let args = ["get", stream.url.as_str(), "-o", "out.ts", "-j", "3"];
    let first = folder.spawn(&args)?;
    until("five segments", || part_length(folder, "out.ts") >= stream.expected.len() as u64 / 2);
    assert!(origin.wait_until(LIMIT, |o| o.in_flight() == 3));
    // What is recorded of them follows the bytes by a moment.
    std::thread::sleep(std::time::Duration::from_millis(700));
    Ok(Half { stream, gate, first })
}

struct Half {
    stream: hls_testkit::Published,
    gate: hls_testkit::Gate,
    first: crate::support::Running,
}

#[test]
fn after_a_kill_it_goes_on() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let Half { stream, gate, first } = half_way(&origin, &folder)?;
    first.kill()?;
    assert!(!folder.file("out.ts").exists());
    gate.open();
    origin.reset_log();
    let run = folder.run(&["get", &stream.url, "-o", "out.ts"])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    assert!(run.err.contains("going on: 5 segments and 243 KiB are there already"), "{}", run.err);
    // Five that are missing, one to see whether the others are still the same, and a byte of each of those.
    let bytes =
        origin.requests().iter().filter(|request| request.header("range") == Some("bytes=0-0")).count();
    assert_eq!((media_requests(&origin) - bytes, bytes), (6, 4));
    Ok(())
}

#[test]
fn after_a_kill_it_goes_on_where_ranges_are_ignored() -> Outcome {
    for parts in [4, 20, 200] {
        let (origin, folder) = (Origin::builder().send_buffer(128 << 10).start(), Folder::new()?);
        let (stream, gate) =
            (Vod::synthetic(parts, 4_000_000 / parts).byterange().publish(&origin), Gate::new());
        let path = &stream.segment_paths[0];
        let half = Reply::ignore_range().steps([Step::UpTo(50), Step::Wait(gate.clone()), Step::Rest]);
        origin.script(path, [half, Reply::ignore_range().forever()]);
        let first = folder.spawn(&["get", &stream.url, "-o", "out.ts"])?;
        let size = stream.expected.len() as u64;
        until("nearly a half", || part_length(&folder, "out.ts") >= size * 45 / 100);
        // The log is written a moment after the bytes.
        std::thread::sleep(std::time::Duration::from_millis(700));
        first.kill()?;
        gate.open();
        let run = folder.run(&["get", &stream.url, "-o", "out.ts"])?.ok();
        folder.holds_only("out.ts", &stream.expected)?;
        assert!(run.err.contains("going on: "), "{}", run.err);
        // The first one was sent a half, the second one all of it, once.
        let sent: Vec<_> = origin.requests_for(path).iter().map(|request| request.body_bytes_sent).collect();
        assert!(sent.len() == 2 && sent[1] <= size, "{parts} parts: {sent:?} of {size}");
    }
    Ok(())
}

#[test]
fn restart_begins_anew() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let Half { stream, gate, first } = half_way(&origin, &folder)?;
    first.kill()?;
    gate.open();
    origin.reset_log();
    let run = folder.run(&["get", &stream.url, "-o", "out.ts", "--restart"])?.ok();
    folder.holds_only("out.ts", &stream.expected)?;
    assert!(!run.err.contains("going on"), "{}", run.err);
    assert_eq!(media_requests(&origin), 10);
    Ok(())
}

#[test]
fn content_that_changed_is_not_mixed() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let Half { stream, first, .. } = half_way(&origin, &folder)?;
    first.kill()?;
    let other = Vod::synthetic(10, SEGMENT + 188).publish(&origin);
    for path in &other.segment_paths {
        origin.script(path, []);
    }
    let run = folder.run(&["get", &stream.url, "-o", "out.ts"])?;
    assert_eq!(run.status.code(), Some(8), "{}", run.err);
    assert!(run.err.contains("--restart"), "{}", run.err);
    assert!(!folder.file("out.ts").exists());
    folder.run(&["get", &stream.url, "-o", "out.ts", "--restart"])?.ok();
    folder.holds_only("out.ts", &other.expected)
}

#[test]
fn a_second_process_is_sent_away() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let Half { stream, gate, first } = half_way(&origin, &folder)?;
    let requests = origin.requests().len();
    let mut fastest = LIMIT;
    for _ in 0..5 {
        let begun = std::time::Instant::now();
        let second = folder.run(&["get", &stream.url, "-o", "out.ts"])?;
        fastest = fastest.min(begun.elapsed());
        let pid = format!("process {} ", first.pid());
        second.fails(11, "job.in_use").has("why", &[&pid]).has("next", &["wait"]);
    }
    // Of several, the one that nothing else on this machine got in the way of.
    assert!(fastest.as_millis() < 100, "{fastest:?}");
    let restart = folder.run(&["get", &stream.url, "-o", "out.ts", "--restart", "--force"])?;
    restart.fails(11, "job.in_use");
    assert_eq!(origin.requests().len(), requests, "nothing was asked");
    gate.open();
    let (status, said) = first.wait()?;
    assert!(status.success(), "{said}");
    folder.holds_only("out.ts", &stream.expected)
}
