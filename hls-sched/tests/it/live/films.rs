//! Recordings that become an MP4 where they end.

use hls_sched::Wanted;
use hls_testkit::judge::{self, Decoded};
use hls_testkit::{Bytes, Media, Of, Offer, Outage};

use super::*;

const PICTURE: usize = 0;

/// The film decodes to what was offered of these segments, picture by picture, and has as many streams of sound.
fn is_film_of(recorded: &Recorded, file: &Path, segments: &[usize], sounds: usize) -> Outcome {
    let offered = recorded.air.transmission().offered(PICTURE, SECOND * 900);
    let find = |index: &usize| offered.iter().find(|offer| offer.index == *index).map(Offer::bytes);
    let bytes = segments.iter().filter_map(find).collect::<Vec<_>>().concat();
    let scratch = Folder::new()?;
    std::fs::write(scratch.file("source.ts"), bytes)?;
    let Some(made) = Decoded::of(file, true, sounds)? else {
        judge::skip("no ffmpeg");
        return Ok(());
    };
    let source = Decoded::of(scratch.file("source.ts"), true, 0)?.ok_or("no ffmpeg")?;
    assert_eq!(made.warnings, "", "{}", file.display());
    assert!(!source.pictures.is_empty() && source.pictures == made.pictures, "{}", file.display());
    assert!(made.sounds.len() == sounds && made.sounds.iter().all(|sound| !sound.is_empty()));
    Ok(())
}

fn stream(total: usize) -> Broadcast {
    Broadcast::from_media(Media::Ts).total(total).running(6).window(10)
}

fn begin(air: &OnAir, folder: &Folder, path: &str) -> JobBuilder {
    job(air, path).output(folder.file("out.mp4")).subtitles(Wanted::All)
}

async fn finished(job: JobBuilder) -> Result<(Finished, Vec<Event>), Box<dyn Error>> {
    let (mut job, mut events) = (job.start(), Vec::new());
    while let Some(event) = job.next().await {
        events.push(event);
    }
    Ok((job.finish().await?, events))
}

/// Runs it until such an event comes, and then drops it.
async fn killed(job: JobBuilder, folder: &Folder, at: impl Fn(&Event) -> bool) {
    let mut job = job.start();
    while let Some(event) = job.next().await {
        if at(&event) {
            break;
        }
    }
    drop(job);
    ends::unlocked(folder).await;
}

#[tokio::test(start_paused = true)]
async fn all_tracks_of_a_recording_are_in_one_film() -> Outcome {
    for (name, broadcast, sounds) in [
        ("alone", stream(20), 1),
        (
            "with sound and words",
            stream(20).real_audio("en", SECOND * 2, 700).subtitles("en", &[SECOND * 2], 5),
            1,
        ),
        ("a new clock", stream(20).discontinuity(SECOND * 26), 1),
        ("sealed", stream(20).aes128([9; 16]).rotate_every(4), 1),
    ] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let folder = Folder::new()?;
        let (done, events) = finished(begin(&air, &folder, &broadcast.master_path())).await?;
        assert_eq!(
            (done.outputs.clone(), folder.names()),
            (vec![folder.file("out.mp4")], vec!["out.mp4".to_owned()])
        );
        assert!(done.gaps.is_empty() && done.stopped_by == Some(StoppedBy::End), "{name}: {done:?}");
        assert_eq!(done.bytes, std::fs::metadata(&done.outputs[0])?.len(), "{name}");
        let watchable = events.iter().find_map(|event| match event {
            Event::Watchable(path) => Some(path.clone()),
            _ => None,
        });
        assert_eq!(watchable, Some(folder.file("out.mp4.hls").join("track-0.ts.part")), "{name}");
        let recorded = Recorded { air, folder, done, events };
        is_film_of(&recorded, &recorded.done.outputs[0], &(0..20).collect::<Vec<_>>(), sounds)
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_recording_are_made_while_the_next_ones_are_recorded() -> Outcome {
    let broadcast = stream(30);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    let split = Some(hls_sched::Split::Duration(SECOND * 20));
    let (done, events) = finished(begin(&air, &folder, &path).split(split)).await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert_eq!(folder.names(), ["out.2.mp4", "out.3.mp4", "out.mp4"]);
    let sizes = done.outputs.iter().map(|path| Ok(std::fs::metadata(path)?.len()));
    assert_eq!(done.bytes, sizes.collect::<std::io::Result<Vec<_>>>()?.iter().sum::<u64>());
    let offered = air.transmission().offered(PICTURE, SECOND * 900);
    let recorded = Recorded { air, folder, done, events };
    let (mut next, mut at) = (0, Duration::ZERO);
    for output in &recorded.done.outputs {
        let from = next;
        let begin = at;
        while next < offered.len() && at - begin < SECOND * 20 {
            at += offered[next].duration;
            next += 1;
        }
        is_film_of(&recorded, output, &(from..next).collect::<Vec<_>>(), 1)?;
    }
    assert_eq!(next, 30);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_stage_loses_nothing_of_the_film() -> Outcome {
    let broadcast = stream(24);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    let is_reload = |event: &Event| matches!(event, Event::Watchable(_));
    killed(begin(&air, &folder, &path), &folder, is_reload).await;
    assert_eq!(folder.names(), ["out.mp4.hls"]);
    tokio::time::sleep(SECOND * 4).await;
    // All is there, and the film can't be made.
    std::fs::create_dir(folder.file("out.mp4.part"))?;
    for _ in 0..2 {
        let error = begin(&air, &folder, &path).start().finish().await.err().ok_or("it was made")?;
        assert_eq!(error.kind(), hls_sched::Kind::Local, "{error}");
    }
    std::fs::remove_dir(folder.file("out.mp4.part"))?;
    let (done, events) = finished(begin(&air, &folder, &path)).await?;
    assert_eq!(folder.names(), ["out.mp4"]);
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    let recorded = Recorded { air, folder, done, events };
    is_film_of(&recorded, &recorded.folder.file("out.mp4"), &(0..24).collect::<Vec<_>>(), 1)
}

#[tokio::test(start_paused = true)]
async fn one_that_was_killed_while_its_film_was_made_goes_on_in_another() -> Outcome {
    let broadcast = stream(40).window(20);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    // Nothing can be made in its place, as if it were killed there.
    std::fs::create_dir(folder.file("out.mp4.part"))?;
    let first = stopped_after(begin(&air, &folder, &path), SECOND * 15).await;
    assert!(first.is_err());
    std::fs::remove_dir(folder.file("out.mp4.part"))?;
    assert_eq!(folder.names(), ["out.mp4.hls"]);
    let (done, events) = finished(begin(&air, &folder, &path)).await?;
    assert!(done.gaps.is_empty() && done.stopped_by == Some(StoppedBy::End), "{done:?}");
    assert_eq!(done.outputs, [folder.file("out.mp4"), folder.file("out.2.mp4")]);
    assert_eq!(folder.names(), ["out.2.mp4", "out.mp4"]);
    let recorded = Recorded { air, folder, done, events };
    let pictures = |name: &str| -> Result<usize, Box<dyn Error>> {
        let decoded = Decoded::of(recorded.folder.file(name), true, 1)?;
        Ok(decoded.map_or(0, |decoded| decoded.pictures.len()))
    };
    let scratch = Folder::new()?;
    std::fs::write(scratch.file("all.ts"), recorded.air.transmission().bytes(PICTURE, 0, 40))?;
    let all = Decoded::of(scratch.file("all.ts"), true, 0)?.map_or(0, |decoded| decoded.pictures.len());
    assert_eq!(pictures("out.mp4")? + pictures("out.2.mp4")?, all);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stopped_becomes_a_film_and_goes_on_in_another() -> Outcome {
    let broadcast = stream(40).window(20);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    let first = stopped_after(begin(&air, &folder, &path), SECOND * 15).await?;
    assert_eq!((first.stopped_by, folder.names().len()), (Some(StoppedBy::Stop), 2), "{:?}", folder.names());
    let n = first.segments as usize;
    let (done, events) = finished(begin(&air, &folder, &path)).await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert_eq!(folder.names(), ["out.2.mp4", "out.mp4"]);
    let recorded = Recorded { air, folder, done, events };
    is_film_of(&recorded, &recorded.folder.file("out.mp4"), &(0..n).collect::<Vec<_>>(), 1)?;
    is_film_of(&recorded, &recorded.folder.file("out.2.mp4"), &(n..40).collect::<Vec<_>>(), 1)?;
    // All of it has been had.
    let again = begin(&recorded.air, &recorded.folder, &path).start().finish().await;
    assert_eq!(again.map(|_| ()).map_err(|error| error.code().to_owned()), Err("output.exists".to_owned()));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_film_with_gaps_is_finished_too() -> Outcome {
    let outage = Outage::new(Of::Playlists, SECOND * 12, SECOND * 40);
    let broadcast = stream(40).window(6).subtitles("en", &[SECOND * 2], 5).outage(outage);
    for name in ["out.mp4", "out.ts"] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let folder = Folder::new()?;
        let job = job(&air, &broadcast.master_path()).output(folder.file(name)).subtitles(Wanted::All);
        let (done, events) = finished(job).await?;
        let [gap, ..] = &done.gaps[..] else { panic!("{name}: no gap") };
        let lost = gap.sequence as usize..(gap.sequence + gap.count) as usize;
        let expected: &[&str] = match name {
            "out.mp4" => &["out.mp4", "out.mp4.gaps.json"],
            _ => &["out.subs-en.vtt", "out.ts", "out.ts.gaps.json"],
        };
        assert_eq!(folder.names(), expected);
        let recorded = Recorded { air, folder, done, events };
        let there = (0..40).filter(|n| !lost.contains(n)).collect::<Vec<_>>();
        if name == "out.mp4" {
            is_film_of(&recorded, &recorded.folder.file(name), &there, 1)?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_next_part_needs_nothing_that_is_gone_by_then() -> Outcome {
    // Of playlists, for twenty seconds; and of the multivariant one, whose link has expired, for good.
    let outage = Outage::new(Of::Playlists, SECOND * 31, SECOND * 20);
    for (kind, broadcast) in [("outage", stream(40).window(30).outage(outage)), ("expired", stream(40))] {
        for name in ["out.ts", "out.mp4"] {
            let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
            let (folder, path) = (Folder::new()?, broadcast.master_path());
            let split = Some(hls_sched::Split::Duration(SECOND * 40));
            let (done, _) = finished(job(&air, &path).output(folder.file(name)).split(split)).await?;
            assert!(done.gaps.is_empty(), "{kind}, {name}: {:?}", done.gaps);
            assert_eq!((done.outputs.len(), done.segments), (2, 40), "{kind}, {name}");
            let asked = air.transmission().asked().iter().filter(|asked| asked.path == path).count();
            assert!(kind == "outage" || asked == 1, "{kind}, {name}: {asked}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn one_that_is_stopped_between_two_parts_goes_on_in_the_next() -> Outcome {
    // Nothing comes when the first part has ended, and so the second one has nothing when it is stopped.
    let outage = Outage::new(Of::Playlists, SECOND * 31, SECOND * 20);
    let broadcast = stream(40).window(30).outage(outage);
    for name in ["out.ts", "out.mp4"] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.master_path());
        let begin = || job(&air, &path).output(folder.file(name));
        let first =
            stopped_after(begin().split(Some(hls_sched::Split::Duration(SECOND * 38))), SECOND * 40).await?;
        assert!(first.gaps.is_empty() && first.outputs[0] == folder.file(name), "{first:?}");
        assert_eq!(first.stopped_by, Some(StoppedBy::Stop));
        tokio::time::sleep(SECOND * 15).await;
        let (done, _) = finished(begin()).await?;
        assert!(done.gaps.is_empty(), "{name}: {:?}", done.gaps);
        assert_eq!(done.segments + first.segments, 40, "{name}");
        assert!(folder.names().iter().all(|name| !name.ends_with(".hls")), "{:?}", folder.names());
    }
    Ok(())
}

/// Nothing can be made under this name, as if the run were killed over it.
struct Obstacle(std::path::PathBuf);

impl Obstacle {
    fn new(folder: &Folder, name: &str) -> Result<Self, Box<dyn Error>> {
        let path = folder.file(&format!("{name}.part"));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_made_of_any_part_is_made_by_the_next_run() -> Outcome {
    let broadcast = stream(60).window(40).subtitles("en", &[SECOND * 2], 5);
    let split = Some(hls_sched::Split::Duration(SECOND * 20));
    for (main, hindered) in [
        ("out.ts", &["out.subs-en.vtt"][..]),
        ("out.ts", &["out.subs-en.vtt", "out.2.subs-en.vtt"]),
        ("out.mp4", &["out.mp4"]),
        ("out.mp4", &["out.2.mp4"]),
        ("out.mp4", &["out.mp4", "out.2.mp4", "out.3.mp4"]),
    ] {
        let name = format!("{main} {hindered:?}");
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.master_path());
        let begin = || job(&air, &path).output(folder.file(main)).subtitles(Wanted::All).split(split);
        let obstacles = hindered.iter().map(|name| Obstacle::new(&folder, name));
        let obstacles = obstacles.collect::<Result<Vec<_>, _>>()?;
        // Twice, as what can't be made is no reason not to record.
        for time in [50, 20] {
            let first = stopped_after(begin(), SECOND * time).await;
            assert!(first.is_err(), "{name}");
        }
        drop(obstacles);
        let (done, _) = finished(begin()).await.map_err(|error| format!("{name}: {error}"))?;
        assert!(done.gaps.is_empty(), "{name}: {:?}", done.gaps);
        let names = folder.names();
        assert!(
            names.iter().all(|left| !left.ends_with(".hls") && !left.ends_with(".part")),
            "{name}: {names:?}"
        );
        let scratch = Folder::new()?;
        let mut pictures = 0;
        for part in names.iter().filter(|name| !name.ends_with("vtt")) {
            pictures += Decoded::of(folder.file(part), true, 0)?.map_or(0, |decoded| decoded.pictures.len());
        }
        std::fs::write(scratch.file("all.ts"), air.transmission().bytes(PICTURE, 0, 60))?;
        let all = Decoded::of(scratch.file("all.ts"), true, 0)?.map_or(0, |decoded| decoded.pictures.len());
        assert_eq!(pictures, all, "{name}: {names:?}");
        if main == "out.ts" {
            let texts = names.iter().filter(|name| name.ends_with("vtt")).count();
            assert_eq!(2 * texts, names.len(), "{name}: {names:?}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn gaps_of_a_film_that_is_made_later_are_not_forgotten() -> Outcome {
    let outage = Outage::new(Of::Playlists, SECOND * 12, SECOND * 40);
    let broadcast = stream(40).window(6).outage(outage);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    let obstacle = Obstacle::new(&folder, "out.mp4")?;
    assert!(begin(&air, &folder, &path).start().finish().await.is_err());
    drop(obstacle);
    let (done, _) = finished(begin(&air, &folder, &path)).await?;
    let lost: u64 = done.gaps.iter().map(|gap| gap.count).sum();
    assert!(lost > 5, "{:?}", done.gaps);
    assert_eq!(folder.names(), ["out.mp4", "out.mp4.gaps.json"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_kill_just_behind_a_part_doubles_nothing() -> Outcome {
    let broadcast = stream(40).window(30);
    for later in [0, 1, 100, 700, 3000] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
        let begin = || job(&air, &path).output(folder.file("out.ts"));
        let mut first = begin().split(Some(hls_sched::Split::Size(60_000))).start();
        while !folder.file("out.ts").exists() {
            let _ = tokio::time::timeout(Duration::from_millis(5), first.next()).await;
        }
        let until = tokio::time::Instant::now() + Duration::from_millis(later);
        while let Ok(Some(_)) = tokio::time::timeout_at(until, first.next()).await {}
        drop(first);
        tokio::time::sleep(Duration::from_millis(10)).await;
        std::thread::sleep(Duration::from_millis(50));
        let (done, _) = finished(begin()).await.map_err(|error| format!("{later} ms: {error}"))?;
        assert!(done.gaps.is_empty(), "{later} ms: {:?}", done.gaps);
        let mut parts = folder.names();
        parts.sort_by_key(|name| name.len() > "out.ts".len());
        assert!(parts.iter().all(|name| name.ends_with(".ts")), "{later} ms: {parts:?}");
        let bytes =
            parts.iter().map(|name| std::fs::read(folder.file(name))).collect::<Result<Vec<_>, _>>()?;
        assert!(bytes.concat() == air.transmission().bytes(PICTURE, 0, 40), "{later} ms: {parts:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_part_of_which_nothing_is_left_is_none() -> Outcome {
    // What is lost is longer than a part, and lies behind one.
    let outage = Outage::new(Of::Playlists, SECOND * 9, SECOND * 60);
    for seconds in [10, 16, 18, 20, 24] {
        let broadcast = noise(80).running(6).outage(outage.clone());
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
        let split = Some(hls_sched::Split::Duration(SECOND * seconds));
        let (done, _) = finished(job(&air, &path).output(folder.file("out.ts")).split(split)).await?;
        let lost: u64 = done.gaps.iter().map(|gap| gap.count).sum();
        assert!(lost > 20, "{seconds} s: {:?}", done.gaps);
        let bytes = done.outputs.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
        assert!(bytes.iter().all(|part| !part.is_empty()), "{seconds} s: {:?}", done.outputs);
        let first = done.gaps[0].sequence as usize;
        let mut transmission = air.transmission();
        let expected = [transmission.bytes(0, 0, first), transmission.bytes(0, first + lost as usize, 80)];
        assert!(bytes.concat() == expected.concat(), "{seconds} s: {:?}", done.gaps);
    }
    Ok(())
}

/// From the eleventh segment on, the sound is MPEG audio.
fn with_other_sound(path: &str, segment: Bytes) -> Bytes {
    let name = path.rsplit('/').next().unwrap_or_default();
    let number: String = name.chars().filter(char::is_ascii_digit).collect();
    if number.parse::<usize>().unwrap_or(0) < 10 {
        return segment;
    }
    let folder = Folder::new().expect("a folder");
    let (from, to) = (folder.file("from.ts"), folder.file("to.ts"));
    std::fs::write(&from, &segment).expect("a file");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-copyts", "-i"])
        .arg(&from)
        .args(["-c:v", "copy", "-c:a", "mp2", "-muxdelay", "0", "-muxpreload", "0"])
        .arg(&to)
        .status();
    assert!(made.is_ok_and(|made| made.success()), "ffmpeg");
    std::fs::read(to).expect("a file").into()
}

#[tokio::test(start_paused = true)]
async fn another_codec_begins_another_film() -> Outcome {
    if !judge::has_tool("ffmpeg") {
        judge::skip("no ffmpeg");
        return Ok(());
    }
    let broadcast = stream(20);
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40)).remade(with_other_sound);
    let (folder, path) = (Folder::new()?, broadcast.playlist_path(0, 0));
    let (done, events) = finished(job(&air, &path).output(folder.file("out.mp4"))).await?;
    assert_eq!(done.outputs, [folder.file("out.mp4"), folder.file("out.2.mp4")]);
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert!(events.iter().any(|event| matches!(event, Event::Warning { kind: "live.part", .. })));
    let mut found = Vec::new();
    for file in &done.outputs {
        let listed = std::process::Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"])
            .arg(file)
            .output()?;
        let codecs: Vec<_> =
            String::from_utf8(listed.stdout)?.split_whitespace().map(str::to_owned).collect();
        let made = Decoded::of(file, true, 1)?.ok_or("no ffmpeg")?;
        found.push((codecs, made.pictures.len(), made.warnings));
    }
    // MPEG audio of layer II has the same name in an MP4 as that of layer III. Each segment has 50 pictures.
    let film = |sound: &str| (vec!["h264".to_owned(), sound.to_owned()], 500, String::new());
    assert_eq!(found, [film("aac"), film("mp3")]);
    Ok(())
}
