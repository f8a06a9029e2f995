//! Sound of its own, and sections that change.

use super::*;

/// Records all tracks; returns where they are.
async fn both(
    broadcast: &Broadcast,
    with: impl FnOnce(JobBuilder) -> JobBuilder,
) -> Result<Recorded, Box<dyn Error>> {
    let air = OnAir::new(broadcast).latency(Duration::from_millis(40));
    record_from(air, &broadcast.master_path(), with).await
}

/// Which segments of a track are in a file, from where to where on the timeline.
fn span(recorded: &Recorded, track: usize, file: &Path) -> Result<(Duration, Duration), Box<dyn Error>> {
    let offered = recorded.air.transmission().offered(track, Duration::from_secs(1 << 20));
    let bytes = std::fs::read(file)?;
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Some(offer) = offered.iter().find(|offer| rest.starts_with(&offer.bytes())) {
        found.push(offer);
        rest = &rest[offer.bytes().len()..];
    }
    assert!(rest.is_empty(), "{} bytes of no segment behind {}", rest.len(), found.len());
    for pair in found.windows(2) {
        assert_eq!(pair[0].index + 1, pair[1].index, "one after the other");
    }
    let (first, last) = found.first().zip(found.last()).ok_or("nothing")?;
    Ok((first.start, last.start + last.duration))
}

#[tokio::test(start_paused = true)]
async fn sound_begins_and_ends_with_the_picture() -> Outcome {
    let sound = [SECOND * 3, SECOND];
    let broadcasts = || {
        [
            ("dated", noise(60).running(9).audio("en", &sound, 700).dated(1_772_323_190_000)),
            ("undated", noise(60).running(9).audio("en", &sound, 700)),
        ]
    };
    for (name, broadcast) in broadcasts() {
        for from in [None, Some(hls_sched::From::Live), Some(hls_sched::From::Back(SECOND * 5))] {
            let recorded = both(&broadcast, |job| match from {
                Some(from) => job.from(from),
                None => job,
            })
            .await?;
            assert!(recorded.done.gaps.is_empty(), "{name}: {:?}", recorded.done.gaps);
            let [picture, sound] = &recorded.done.outputs[..] else { panic!("{:?}", recorded.done.outputs) };
            let (picture, sound) = (span(&recorded, 0, picture)?, span(&recorded, 1, sound)?);
            let apart = (picture.0.abs_diff(sound.0), picture.1.abs_diff(sound.1));
            assert!(
                apart.0 <= SECOND * 3 && apart.1 <= SECOND * 3,
                "{name}, {from:?}: {picture:?}, {sound:?}"
            );
        }
    }
    for (name, broadcast) in broadcasts() {
        let recorded = both(&broadcast, |job| job.duration(Some(SECOND * 24))).await?;
        let [picture, sound] = &recorded.done.outputs[..] else { panic!("{:?}", recorded.done.outputs) };
        let (picture, sound) = (span(&recorded, 0, picture)?, span(&recorded, 1, sound)?);
        let apart = (picture.0.abs_diff(sound.0), picture.1.abs_diff(sound.1));
        assert!(apart.0 <= SECOND * 3 && apart.1 <= SECOND * 3, "{name}: {picture:?}, {sound:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_section_that_is_the_same_goes_into_the_file_and_another_one_into_the_next() -> Outcome {
    let fragments = || Broadcast::synthetic_fmp4(SECOND * 2, 3000).total(30);
    for (name, broadcast, parts) in [
        ("the same", fragments().map(SECOND * 21), [0..30, 30..30]),
        ("another", fragments().other_map(SECOND * 21), [0..17, 17..30]),
    ] {
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
        let folder = Folder::new()?;
        let path = broadcast.playlist_path(0, 0);
        let done = job(&air, &path).output(folder.file("out.m4s")).start().finish().await?;
        let offered = air.transmission().offered(0, SECOND * 900);
        let filled = parts.iter().filter(|part| !part.is_empty()).count();
        assert_eq!(done.outputs.len(), filled, "{name}: {:?}", done.outputs);
        assert!(done.gaps.is_empty(), "{name}: {:?}", done.gaps);
        for (file, segments) in done.outputs.iter().zip(parts) {
            let mut expected = Vec::new();
            let mut section = None;
            for offer in &offered[segments] {
                let init = offer.init();
                if init != section {
                    expected.extend_from_slice(init.as_deref().unwrap_or_default());
                    section = init;
                }
                expected.extend_from_slice(&offer.bytes());
            }
            same(file, &expected).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn subtitles_are_recorded_beside_the_picture() -> Outcome {
    let broadcast = || {
        let stream = noise(60).running(9).audio("en", &[SECOND * 3, SECOND], 700);
        stream.subtitles("en", &[SECOND * 4], 30).subtitles("de", &[SECOND * 2], 5)
    };
    for (name, broadcast) in [("dated", broadcast().dated(1_772_323_190_000)), ("undated", broadcast())] {
        for (wanted, files) in [
            (hls_sched::Wanted::None, &["audio-en.ts"][..]),
            (hls_sched::Wanted::Languages(vec!["de".to_owned()]), &["audio-en.ts", "subs-de.vtt"]),
            (hls_sched::Wanted::All, &["audio-en.ts", "subs-en.vtt", "subs-de.vtt"]),
        ] {
            let recorded = both(&broadcast, |job| job.subtitles(wanted).from(hls_sched::From::Live)).await?;
            assert!(recorded.done.gaps.is_empty(), "{name}: {:?}", recorded.done.gaps);
            let names = recorded.done.outputs.iter().skip(1).filter_map(|path| path.file_name());
            let names: Vec<_> = names.map(|name| name.to_string_lossy().replace("out.", "")).collect();
            assert_eq!(names, files, "{name}");
            let is_told = |event: &hls_sched::Event| {
                matches!(event, hls_sched::Event::Warning { kind: "subtitles", .. })
            };
            assert_eq!(
                recorded.events.iter().any(is_told),
                files.len() > 1,
                "noise does not tell when it begins"
            );
            let picture = span(&recorded, 0, &recorded.done.outputs[0])?;
            for (output, file) in recorded.done.outputs.iter().zip(std::iter::once(&"").chain(files)) {
                let track =
                    ["", "audio-en.ts", "subs-en.vtt", "subs-de.vtt"].iter().position(|of| of == file);
                let side = match file.ends_with("vtt") {
                    true => {
                        let cues = cues(&std::fs::read_to_string(output)?)?;
                        let (first, last) = cues.first().zip(cues.last()).ok_or("no cue")?;
                        assert!(cues.windows(2).all(|pair| pair[0].1 == pair[1].0), "{cues:?}");
                        (picture.0 + first.0, picture.0 + last.1)
                    }
                    false => span(&recorded, track.unwrap_or_default(), output)?,
                };
                let apart = (picture.0.abs_diff(side.0), picture.1.abs_diff(side.1));
                assert!(
                    apart.0 <= SECOND * 4 && apart.1 <= SECOND * 4,
                    "{name}, {file}: {picture:?}, {side:?}"
                );
            }
        }
    }
    Ok(())
}

/// When a cue comes and goes, and what it says.
#[derive(Debug)]
struct Cue(Duration, Duration, String);

fn cues(text: &str) -> Result<Vec<Cue>, Box<dyn Error>> {
    let time = |text: &str| -> Result<Duration, Box<dyn Error>> {
        let fields = text.split(':').map(str::parse::<f64>).collect::<Result<Vec<_>, _>>()?;
        Ok(Duration::from_secs_f64(fields.iter().fold(0.0, |sum, field| sum * 60.0 + field)))
    };
    assert_eq!(text.matches("WEBVTT").count(), 1, "{text}");
    assert!(!text.contains("X-TIMESTAMP-MAP"), "{text}");
    let mut cues = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some((begin, end)) = line.split_once(" --> ") {
            cues.push(Cue(time(begin)?, time(end)?, lines.next().unwrap_or_default().to_owned()));
        }
    }
    Ok(cues)
}

/// Each cue says which segment it was in, and comes when that one begins in the recording.
fn are_in_time(recorded: &Recorded, output: &Path, from: usize, lost: &[usize]) -> Outcome {
    let offered = recorded.air.transmission().offered(0, SECOND * 900);
    let words = recorded.air.transmission().offered(1, SECOND * 900);
    let mut expected = Vec::new();
    let mut at = Duration::ZERO;
    for picture in &offered[from..] {
        let beside =
            words.iter().min_by_key(|offer| offer.start.abs_diff(picture.start)).ok_or("no words")?;
        if !lost.contains(&picture.index) {
            let text = String::from_utf8_lossy(&beside.bytes()).into_owned();
            expected.push((at, text.trim_end().lines().last().unwrap_or_default().to_owned()));
        }
        at += picture.duration;
    }
    let found = cues(&std::fs::read_to_string(output)?)?;
    let said = |all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(said(found.iter().map(|cue| &cue.2).collect()), said(expected.iter().map(|e| &e.1).collect()));
    for (Cue(at, _, words), (begins, _)) in found.iter().zip(&expected) {
        assert!(at.abs_diff(*begins) < SECOND / 4, "{words}: at {at:?}, not {begins:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn cues_of_a_recording_come_when_they_should() -> Outcome {
    let stream = || Broadcast::from_media(hls_testkit::Media::Ts).total(24).running(6);
    for (name, broadcast) in [
        ("plain", stream()),
        ("from the middle of it", stream().running(20)),
        ("a new clock", stream().discontinuity(SECOND * 26)),
        ("two of them", stream().discontinuity(SECOND * 20).discontinuity(SECOND * 30)),
        ("another encoder", stream().restart(hls_testkit::Restart::to(SECOND * 26, 0))),
        ("one that knows where it was", stream().restart(hls_testkit::Restart::on(SECOND * 26))),
    ] {
        let broadcast = with_words(broadcast);
        let recorded = both(&broadcast, |job| job.subtitles(hls_sched::Wanted::All)).await?;
        let first = broadcast.start().offered(0, SECOND * 900).iter().position(|o| o.appeared.is_some());
        let [_, words] = &recorded.done.outputs[..] else { panic!("{:?}", recorded.done.outputs) };
        let judged = are_in_time(&recorded, words, first.unwrap_or(0), &[]);
        judged.map_err(|error| format!("{name}: {error}"))?;
        assert!(!recorded.warnings().contains(&"subtitles"), "{name}: {:?}", recorded.warnings());
    }
    Ok(())
}

/// A stream with words in step with its pictures.
fn with_words(stream: Broadcast) -> Broadcast {
    let pictures = stream.start().offered(0, SECOND * 900);
    let durations = pictures.iter().take(6).map(|offer| offer.duration).collect::<Vec<_>>();
    stream.subtitles("en", &durations, 5)
}

#[tokio::test(start_paused = true)]
async fn cues_of_a_recording_that_was_killed_come_when_they_should() -> Outcome {
    let stream = Broadcast::from_media(hls_testkit::Media::Ts).total(30).running(6).window(10);
    let broadcast = with_words(stream.discontinuity(SECOND * 26));
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    let begin = |air: &OnAir| job(air, &path).output(folder.file("out.ts")).subtitles(hls_sched::Wanted::All);
    for time in [9, 14, 8] {
        let mut job = begin(&air).start();
        let listening = async { while job.next().await.is_some() {} };
        let _ = tokio::time::timeout(SECOND * time, listening).await;
        drop(job);
        ends::unlocked(&folder).await;
    }
    let mut job = begin(&air).start();
    while job.next().await.is_some() {}
    let done = job.finish().await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    assert_eq!(folder.names(), ["out.subs-en.vtt", "out.ts"]);
    let recorded = Recorded { air, done, events: Vec::new(), folder };
    let words = recorded.folder.file("out.subs-en.vtt");
    are_in_time(&recorded, &words, 0, &[])
}

#[tokio::test(start_paused = true)]
async fn cues_of_each_part_begin_with_it() -> Outcome {
    let broadcast = with_words(Broadcast::from_media(hls_testkit::Media::Ts).total(40).running(6).window(10));
    let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
    let (folder, path) = (Folder::new()?, broadcast.master_path());
    let begin = |air: &OnAir| job(air, &path).output(folder.file("out.ts")).subtitles(hls_sched::Wanted::All);
    // Stopped, gone on with, and cut in two.
    let first = stopped_after(begin(&air), SECOND * 15).await;
    assert_eq!(first?.stopped_by, Some(StoppedBy::Stop));
    let mut others = begin(&air).split(Some(hls_sched::Split::Duration(SECOND * 30))).start();
    while others.next().await.is_some() {}
    others.finish().await?;
    let names =
        ["out.2.subs-en.vtt", "out.2.ts", "out.3.subs-en.vtt", "out.3.ts", "out.subs-en.vtt", "out.ts"];
    assert_eq!(folder.names(), names);
    let mut said = Vec::new();
    for part in ["out", "out.2", "out.3"] {
        let cues = cues(&std::fs::read_to_string(folder.file(&format!("{part}.subs-en.vtt")))?)?;
        assert!(cues.first().is_some_and(|cue| cue.0 < SECOND / 10), "{part}: {cues:?}");
        said.extend(cues.into_iter().map(|cue| cue.2));
    }
    let words = air.transmission().offered(1, SECOND * 900);
    assert_eq!(said.len(), words.len());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn subtitles_alone_are_recorded_without_the_picture() -> Outcome {
    let stream = || with_words(Broadcast::from_media(hls_testkit::Media::Ts).total(20).running(6));
    for (name, broadcast) in [("plain", stream()), ("a new clock", stream().discontinuity(SECOND * 26))] {
        for file in ["out.vtt", "out.srt"] {
            let air = OnAir::new(&broadcast).latency(Duration::from_millis(40));
            let folder = Folder::new()?;
            let done = job(&air, &broadcast.master_path()).output(folder.file(file)).start().finish().await?;
            assert_eq!((done.outputs, folder.names()), (vec![folder.file(file)], vec![file.to_owned()]));
            assert!(done.gaps.is_empty(), "{name}: {:?}", done.gaps);
            let is_picture = |path: &str| path.ends_with(".ts");
            assert!(!air.transmission().asked().iter().any(|asked| is_picture(&asked.path)), "{name}");
            let text = std::fs::read_to_string(folder.file(file))?;
            let words = air.transmission().offered(1, SECOND * 900).len();
            assert_eq!(text.matches("-->").count(), words, "{name}: {text}");
            if file == "out.vtt" {
                let cues = cues(&text)?;
                assert!(cues[0].0 < SECOND / 10, "{name}: {cues:?}");
                assert!(
                    cues.windows(2).all(|two| two[1].0.abs_diff(two[0].1) < SECOND / 2),
                    "{name}: {cues:?}"
                );
            }
        }
    }
    Ok(())
}
