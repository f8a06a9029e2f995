//! A job that ended early goes on where it was, and never joins what does not belong together.

use std::path::Path;
use std::time::Duration;

use hls_sched::{Durability, Error, Event, Job, Kind};
use hls_testkit::{Gate, Master, Media, Origin, Published, Reply, Resource, Step, Vod};

use crate::support::{Folder, KEY, Outcome, exact, fetched, job, same};

const SIZE: u64 = 60_000;

/// Holds segment `n` half way until the gate is opened.
fn hold(origin: &Origin, vod: &Published, n: usize) -> Gate {
    let gate = Gate::new();
    let held = Reply::resource().steps([Step::UpTo(50), Step::Wait(gate.clone()), Step::Rest]);
    origin.script(&vod.segment_paths[n], [held]);
    gate
}

/// Listens until this many segments are whole.
async fn segments(job: &mut Job, n: usize) {
    let mut seen = 0;
    while seen < n {
        match job.next().await {
            Some(Event::Segment(_)) => seen += 1,
            Some(_) => {}
            None => return,
        }
    }
}

/// Cancels a job that can't get past segment 10 of 20, once all others are whole.
async fn interrupted(origin: &Origin, vod: &Published, out: &Path) -> Outcome {
    let gate = hold(origin, vod, 10);
    let mut job = job(&vod.url).output(out).start();
    segments(&mut job, 19).await;
    job.handle().cancel();
    let Err(error) = job.finish().await else { return Err("it can't have ended well".into()) };
    gate.open();
    assert_eq!(error.kind(), Kind::Stopped);
    assert!(!out.exists());
    origin.script(&vod.segment_paths[10], []);
    origin.reset_log();
    Ok(())
}

async fn ends_in(job: hls_sched::JobBuilder, out: &Path) -> Result<Error, Box<dyn std::error::Error>> {
    match job.output(out).start().finish().await {
        Ok(done) => Err(format!("a failure was expected, got {done:?}").into()),
        Err(error) => Ok(error),
    }
}

#[tokio::test]
async fn only_the_rest_is_fetched() -> Outcome {
    for vod in [Vod::synthetic(20, SIZE as usize), Vod::synthetic(20, SIZE as usize).aes128(KEY)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = vod.publish(&origin);
        let out = folder.file("out.ts");
        interrupted(&origin, &vod, &out).await?;
        let done = job(&vod.url).output(&out).start().finish().await?;
        same(&out, &vod.expected)?;
        // One for the probe, one that was missing.
        assert!(fetched(&origin, &vod).len() <= 2, "{:?}", fetched(&origin, &vod));
        assert!(origin.body_bytes_sent() < 3 * SIZE);
        assert_eq!((done.segments, done.resumed_segments, folder.names().len()), (20, 19, 1));
        assert_eq!(done.bytes, vod.expected.len() as u64);
    }
    Ok(())
}

#[tokio::test]
async fn durability_changes_nothing_about_it() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let out = folder.file("out.ts");
    interrupted(&origin, &vod, &out).await?;
    job(&vod.url).durability(Durability::Safe).output(&out).start().finish().await?;
    same(&out, &vod.expected)
}

#[tokio::test]
async fn many_interruptions() -> Outcome {
    let (origin, folder) = (Origin::builder().latency(5).start(), Folder::new()?);
    let vod = Vod::synthetic(40, SIZE as usize).publish(&origin);
    let out = folder.file("out.ts");
    let mut runs = 0;
    while !out.exists() {
        let mut job = job(&vod.url).output(&out).start();
        segments(&mut job, 3 + runs % 3).await;
        job.handle().cancel();
        let _ = job.finish().await;
        runs += 1;
        assert!(runs < 30, "no progress");
    }
    same(&out, &vod.expected)?;
    assert!(runs > 3 && origin.body_bytes_sent() < 2 * 40 * SIZE, "{runs} runs");
    Ok(())
}

#[tokio::test]
async fn a_stop_lets_the_last_ones_end() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let (out, gate) = (folder.file("out.ts"), hold(&origin, &vod, 10));
    let mut stopping = job(&vod.url).output(&out).start();
    segments(&mut stopping, 10).await;
    stopping.handle().stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.open();
    let ended = tokio::time::timeout(Duration::from_secs(4), stopping.finish()).await?;
    assert_eq!(ended.err().map(|e| e.kind()), Some(Kind::Stopped));
    origin.reset_log();
    job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert_eq!(fetched(&origin, &vod).iter().filter(|n| **n == 10).count(), 0);
    Ok(())
}

#[tokio::test]
async fn a_dropped_job_goes_on() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let (out, gate) = (folder.file("out.ts"), hold(&origin, &vod, 10));
    let mut dropped = job(&vod.url).output(&out).start();
    segments(&mut dropped, 15).await;
    drop(dropped);
    gate.open();
    origin.script(&vod.segment_paths[10], []);
    origin.reset_log();
    // The thread that writes lets go of the lock a little later.
    let mut tries = 0;
    loop {
        match job(&vod.url).output(&out).start().finish().await {
            Err(error) if error.kind() == Kind::InUse && tries < 100 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            ended => {
                ended?;
                break;
            }
        }
    }
    same(&out, &vod.expected)?;
    let again = fetched(&origin, &vod);
    assert!(again.iter().filter(|n| **n < 8).count() <= 1, "what was written is kept: {again:?}");
    Ok(())
}

#[tokio::test]
async fn an_audio_track_goes_on_too() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/m")
        .variant(900_000, 320, 180, Vod::synthetic(20, SIZE as usize))
        .audio("en", true, Vod::from_media(Media::AudioAdts))
        .publish(&origin);
    let (out, video) = (folder.file("out.ts"), &master.variants[0]);
    let gate = hold(&origin, video, 10);
    let mut first = job(&master.url).output(&out).start();
    segments(&mut first, 19 + 6).await;
    first.handle().cancel();
    assert!(first.finish().await.is_err());
    gate.open();
    assert!(!folder.names().contains(&"out.audio-en.aac".to_owned()));
    origin.script(&video.segment_paths[10], []);
    origin.reset_log();
    job(&master.url).output(&out).start().finish().await?;
    same(&out, &video.expected)?;
    same(&folder.file("out.audio-en.aac"), &master.audio[0].expected)?;
    assert!(fetched(&origin, video).len() <= 2 && fetched(&origin, &master.audio[0]).len() <= 1);
    Ok(())
}

#[tokio::test]
async fn the_variant_of_the_earlier_run_is_kept() -> Outcome {
    let (film, sound) = (|| Vod::synthetic(20, SIZE as usize), || Vod::from_media(Media::AudioAdts));
    // A better one comes first, in another order, and other sound is what is played unless told.
    let changed = |kept: Option<Vod>| {
        let master = Master::new("/m").variant(5_000_000, 1280, 720, Vod::synthetic(20, 2 * SIZE as usize));
        let master = kept.into_iter().fold(master, |master, vod| master.variant(900_000, 320, 180, vod));
        master.audio("de", true, sound()).audio("en", false, sound())
    };
    for (is_there, then) in [(true, "the same"), (false, "the same"), (true, "restart"), (true, "best")] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let master = Master::new("/m").variant(900_000, 320, 180, film()).variant(500_000, 160, 90, film());
        let before = master.audio("en", true, sound()).publish(&origin);
        let (out, gate) = (folder.file("out.ts"), hold(&origin, &before.variants[0], 10));
        let mut first = job(&before.url).output(&out).start();
        segments(&mut first, 19 + 6).await;
        first.handle().cancel();
        assert!(first.finish().await.is_err());
        gate.open();
        origin.script(&before.variants[0].segment_paths[10], []);
        let after = changed(is_there.then(film)).publish(&origin);
        origin.reset_log();
        let next = job(&after.url);
        match (is_there, then) {
            (true, "the same") => {
                let done = next.output(&out).start().finish().await?;
                same(&out, &after.variants[1].expected)?;
                same(&folder.file("out.audio-en.aac"), &after.audio[1].expected)?;
                assert!(fetched(&origin, &after.variants[0]).is_empty());
                assert_eq!(done.resumed_segments, 25);
            }
            (false, _) => {
                let error = ends_in(next, &out).await?;
                assert_eq!((error.kind(), error.code()), (Kind::Content, "select.gone"), "{error}");
                assert!(error.advice().is_some_and(|advice| advice.contains("--restart")), "{error}");
            }
            (_, "restart") => {
                next.restart(true).output(&out).start().finish().await?;
                same(&out, &after.variants[0].expected)?;
            }
            _ => {
                let error = ends_in(next.select("best".parse()?), &out).await?;
                assert_eq!(error.code(), "playlist.changed");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_has_moved_is_the_same_stream() -> Outcome {
    let (origin, other_host) = (Origin::start(), Origin::start());
    let stream =
        |prefix: &str, query: &str| Vod::synthetic(20, SIZE as usize).aes128(KEY).prefix(prefix).query(query);
    for (moved, at, probes) in [
        (stream("/vod", "token=b"), &origin, 1),
        (stream("/session/2", "token=a"), &origin, 2),
        (stream("/vod", "token=a"), &other_host, 1),
        (stream("/session/3", "token=c"), &other_host, 2),
    ] {
        let folder = Folder::new()?;
        let out = folder.file("out.ts");
        interrupted(&origin, &stream("/vod", "token=a").publish(&origin), &out).await?;
        let vod = moved.publish(at);
        at.reset_log();
        job(&vod.url).output(&out).start().finish().await?;
        same(&out, &vod.expected)?;
        assert!(fetched(at, &vod).len() <= 1 + probes, "{:?}", fetched(at, &vod));
    }
    Ok(())
}

#[tokio::test]
async fn another_stream_is_not_joined_to_it() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let size = vod.expected.len() / 20;
    let turned = (0..20).rev().map(|n| vod.expected.slice(n * size..(n + 1) * size)).collect();
    let first_differs =
        (0..20).map(|n| vod.expected.slice(if n == 0 { size..2 * size } else { n * size..(n + 1) * size }));
    let longer = Vod::synthetic(20, SIZE as usize).segment_seconds(6.5).prefix("/longer");
    for other in [
        Vod::of(turned, "ts").prefix("/other"),
        Vod::of(first_differs.collect(), "ts").prefix("/spliced"),
        longer,
        Vod::synthetic(20, SIZE as usize).media_sequence(1).prefix("/later"),
        Vod::synthetic(18, SIZE as usize).prefix("/fewer"),
    ] {
        let folder = Folder::new()?;
        let out = folder.file("out.ts");
        interrupted(&origin, &vod, &out).await?;
        let other = other.publish(&origin);
        let error = ends_in(job(&other.url), &out).await?;
        assert_eq!((error.kind(), error.code()), (Kind::Content, "playlist.changed"));
        assert!(!out.exists());
        // What was there is there still, and can be thrown away on demand.
        let error = ends_in(job(&other.url), &out).await?;
        assert_eq!(error.code(), "playlist.changed");
        job(&other.url).restart(true).output(&out).start().finish().await?;
        same(&out, &other.expected)?;
    }
    Ok(())
}

#[tokio::test]
async fn other_bytes_under_the_same_names_are_not_joined_to_it() -> Outcome {
    // In the second case nothing has reached the output: all that is here waits beside it.
    for (held, kept) in [(10, 10), (0, 4)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
        let out = folder.file("out.ts");
        let gate = hold(&origin, &vod, held);
        let mut running = job(&vod.url).concurrency(2).output(&out).start();
        segments(&mut running, kept).await;
        running.handle().cancel();
        assert!(running.finish().await.is_err());
        gate.open();
        origin.script(&vod.segment_paths[held], []);
        let size = vod.expected.len() / 20;
        for (n, path) in vod.segment_paths.iter().enumerate() {
            let from = (19 - n) * size;
            origin.put(path, vod.expected.slice(from..from + size));
        }
        let error = ends_in(job(&vod.url), &out).await?;
        assert_eq!((error.kind(), error.code()), (Kind::Content, "playlist.changed"));
        assert!(!out.exists());
    }
    Ok(())
}

#[tokio::test]
async fn what_is_damaged_is_fetched_again_and_nothing_else() -> Outcome {
    // Which of the ten units in the part are hit, by a flipped bit; the last case cuts the file as well.
    for (hit, cut, again) in
        [(&[4][..], 0, 1), (&[0, 3, 8], 0, 3), (&[9], 0, 1), (&[2], 1, 2), (&[8, 9], 0, 2)]
    {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::synthetic(20, SIZE as usize).aes128(KEY).publish(&origin);
        let out = folder.file("out.ts");
        interrupted(&origin, &vod, &out).await?;
        let part = folder.file("out.ts.part");
        let mut bytes = std::fs::read(&part)?;
        let size = vod.expected.len() / 20;
        hit.iter().for_each(|n| bytes[n * size + 100] ^= 1);
        bytes.truncate(bytes.len() - cut);
        std::fs::write(&part, bytes)?;
        let done = job(&vod.url).output(&out).start().finish().await?;
        same(&out, &vod.expected)?;
        // The probe, and the one that was missing before.
        assert!(fetched(&origin, &vod).len() <= again + 2, "{hit:?}: {:?}", fetched(&origin, &vod));
        assert_eq!(
            (done.segments, done.resumed_segments, done.bytes),
            (20, 19 - again as u64, vod.expected.len() as u64)
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_damaged_segment_that_waits_is_fetched_again() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let out = folder.file("out.ts");
    interrupted(&origin, &vod, &out).await?;
    for entry in std::fs::read_dir(folder.file("out.ts.hls"))? {
        let path = entry?.path();
        if path.to_string_lossy().contains("/0-13-") {
            let mut bytes = std::fs::read(&path)?;
            bytes[1000] ^= 1;
            std::fs::write(&path, bytes)?;
        }
    }
    let done = job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert_eq!(done.bytes, vod.expected.len() as u64);
    assert_eq!(fetched(&origin, &vod).iter().filter(|n| **n > 9).copied().collect::<Vec<_>>(), [10, 13]);
    Ok(())
}

#[tokio::test]
async fn codecs_that_change_between_two_runs_are_noticed() -> Outcome {
    // The section that is here has come to the output, or waits beside it behind the one that is missing.
    for missing in [1, 0] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Fmp4).two_maps().publish(&origin);
        let (here, missing) = (&vod.init_paths[1 - missing], &vod.init_paths[missing]);
        let out = folder.file("out.m4s");
        origin.script(missing, [Reply::status(404).delay(300).forever()]);
        // All at once: what waits for a section would keep the others from being asked for.
        let first = job(&vod.url).concurrency(8);
        assert_eq!(ends_in(first, &out).await?.kind(), Kind::Refused);
        // The picture has another width there.
        let mut wider = Media::Fmp4.init().ok_or("a section")?.to_vec();
        let at = wider.windows(4).position(|name| name == b"avc1").ok_or("a description of video")?;
        wider[at + 4 + 24] ^= 1;
        origin.put(missing, wider);
        origin.script(missing, []);
        origin.reset_log();
        let error = ends_in(job(&vod.url), &out).await?;
        assert_eq!((error.kind(), error.code()), (Kind::Playlist, "init.changed"), "{error}");
        assert_eq!(origin.requests_for(here).len(), 1, "it was here, and is compared");
        assert!(!out.exists());
    }
    Ok(())
}

#[tokio::test]
async fn two_jobs_never_share_an_output() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let (out, gate) = (folder.file("out.ts"), hold(&origin, &vod, 10));
    let mut first = job(&vod.url).output(&out).start();
    segments(&mut first, 3).await;
    let error = ends_in(job(&vod.url), &out).await?;
    assert_eq!(error.kind(), Kind::InUse);
    gate.open();
    first.finish().await?;
    same(&out, &vod.expected)
}

#[tokio::test]
async fn after_a_failure_the_rest_is_fetched() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(20, SIZE as usize).publish(&origin);
    let out = folder.file("out.ts");
    origin.script(&vod.segment_paths[15], [Reply::status(404).forever()]);
    let error = ends_in(job(&vod.url), &out).await?;
    assert!(error.kept().is_some(), "{error}");
    origin.script(&vod.segment_paths[15], []);
    origin.reset_log();
    job(&vod.url).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert!(origin.body_bytes_sent() < 10 * SIZE, "{}", origin.body_bytes_sent());
    // And another folder has nothing to do with it.
    exact(&vod, "ts").await?;
    Ok(())
}

/// A stream of few large segments, each of another noise.
fn large(segments: usize) -> Vod {
    Vod::synthetic(segments, 4 << 20)
}

/// The ranges that were asked for, of those requests that had a condition.
fn continued(origin: &Origin, vod: &Published) -> Vec<u64> {
    let requests = vod.segment_paths.iter().flat_map(|path| origin.requests_for(path));
    let conditional = requests.filter(|request| request.header("if-range").is_some());
    let first = |range: &str| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok();
    conditional.filter_map(|request| first(request.header("range")?)).collect()
}

#[tokio::test]
async fn a_lost_connection_costs_no_byte_that_was_there() -> Outcome {
    for vod in [large(2), large(2).aes128(KEY), large(2).byterange(), large(2).byterange().aes128(KEY)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = vod.publish(&origin);
        // More often than attempts may fail in a row: each time half of what is left arrives.
        origin.script(&vod.segment_paths[0], [Reply::truncated().times(4)]);
        let out = folder.file("out.ts");
        let done = job(&vod.url).concurrency(1).output(&out).start().finish().await?;
        same(&out, &vod.expected)?;
        assert!(continued(&origin, &vod).len() >= 4);
        let received = done.downloaded_bytes as f64 / vod.expected.len() as f64;
        assert!(received < 1.001, "{received}");
    }
    Ok(())
}

#[tokio::test]
async fn without_proof_a_segment_starts_over() -> Outcome {
    let bytes = large(2).publish(&Origin::start()).expected;
    let half = bytes.len() / 2;
    let (old, new) = (bytes.slice(..half), bytes.slice(half..));
    let resource = || Resource::new(old.clone());
    // What is sent for the rest, where it isn't what the resource is.
    let all_of_another = Reply::ok(new.clone()).header("etag", "\"new\"");
    let part_of_the_rest = {
        let (from, to) = (half / 2 / 188 * 188, half / 4 * 3 / 188 * 188);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/*\r\netag: \"one\"\r\n\r\n",
            to - from,
            to - 1
        );
        Reply::raw([head.as_bytes(), &old[from..to]].concat())
    };
    let rest_of_another = |etag: &str| {
        let (from, to, rest) = (half / 2, half - 1, &new[half / 2..]);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{to}/{half}\r\n{etag}\r\n",
            rest.len()
        );
        Reply::raw([head.as_bytes(), rest].concat())
    };
    for (resource, then, expect) in [
        (resource().no_etag(), None, &old),
        (resource().etag("W/\"1\""), None, &old),
        (resource().no_ranges(), None, &old),
        (resource(), Some(Reply::status(416)), &old),
        (resource(), Some(Reply::range_mismatch()), &old),
        (resource(), Some(rest_of_another("etag: \"new\"\r\n")), &old),
        (resource(), Some(rest_of_another("")), &old),
        (resource().etag("\"one\""), Some(part_of_the_rest), &old),
        (resource(), Some(all_of_another), &new),
    ] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::of(vec![old.clone()], "ts").publish(&origin);
        let path = &vod.segment_paths[0];
        origin.put(path, resource);
        origin.script(path, [Reply::reset_midway()].into_iter().chain(then));
        let out = folder.file("out.ts");
        job(&vod.url).output(&out).start().finish().await?;
        same(&out, expect)?;
    }
    Ok(())
}

#[tokio::test]
async fn starting_over_and_over_is_no_progress() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = large(1).publish(&origin);
    // It has a tag, and sends all of it from the start whatever is asked for, never to its end.
    origin.put(&vod.segment_paths[0], Resource::new(vod.expected.clone()).no_ranges());
    origin.script(&vod.segment_paths[0], [Reply::truncated().forever()]);
    let ended = job(&vod.url).output(folder.file("out.ts")).start().finish();
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await?;
    assert_eq!(ended.err().map(|e| e.kind()), Some(Kind::Temporary));
    Ok(())
}

#[tokio::test]
async fn the_next_run_goes_on_inside_large_segments() -> Outcome {
    let [clear, encrypted, ranges] = [large(3), large(3).aes128(KEY), large(3).byterange().aes128(KEY)];
    tokio::try_join!(goes_on_inside(clear), goes_on_inside(encrypted), goes_on_inside(ranges))?;
    Ok(())
}

#[tokio::test]
async fn an_entity_tag_of_another_query_proves_nothing() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    // The same tag for each of these orders of the same bytes.
    let publish = |query: &str, order: [usize; 3]| {
        let vod = large(3).query(query).publish(&origin);
        let size = vod.expected.len() / 3;
        let part = |n: usize| vod.expected.slice(n * size..(n + 1) * size);
        for (path, n) in vod.segment_paths.iter().zip(order) {
            origin.put(path, Resource::new(part(n)).etag("\"1\""));
        }
        (order.map(part).concat(), vod)
    };
    let out = folder.file("out.ts");
    killed_inside(&origin, &publish("id=a", [0, 1, 2]).1, &folder).await?;
    let (expected, vod) = publish("id=b", [2, 0, 1]);
    let done = job(&vod.url).concurrency(3).output(&out).start().finish().await?;
    assert_eq!(continued(&origin, &vod), [0; 0], "no unit goes on");
    assert_eq!(done.downloaded_bytes, expected.len() as u64);
    same(&out, &expected)
}

/// All segments stop at three quarters, and the job dies.
async fn killed_inside(origin: &Origin, vod: &Published, folder: &Folder) -> Outcome {
    let (out, gate) = (folder.file("out.ts"), Gate::new());
    let held = Reply::resource().steps([Step::UpTo(75), Step::Wait(gate.clone()), Step::Rest]);
    for path in &vod.segment_paths {
        origin.script(
            path,
            [held.clone().times(if vod.segment_paths[0] == vod.segment_paths[1] { 3 } else { 1 })],
        );
    }
    let running = job(&vod.url).concurrency(3).output(&out).start();
    // What waits in memory is on disk after two seconds; the first one has its mark by then.
    let aside = || std::fs::read_dir(folder.file("out.ts.hls")).into_iter().flatten().flatten();
    let is_growing = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("tmp-0-");
    while aside().filter(is_growing).count() < 2 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // As a kill does it: nobody says that it ends.
    drop(running);
    gate.open();
    tokio::time::sleep(Duration::from_millis(100)).await;
    origin.reset_log();
    Ok(())
}

async fn goes_on_inside(vod: Vod) -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = vod.publish(&origin);
    let out = folder.file("out.ts");
    killed_inside(&origin, &vod, &folder).await?;
    let done = job(&vod.url).concurrency(3).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    assert!(done.downloaded_bytes < vod.expected.len() as u64 / 3, "{}", done.downloaded_bytes);
    Ok(())
}
