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
        let folder = Folder::in_memory()?;
        let path = broadcast.playlist_path(0, 0);
        let done = job(&air, &path).output(folder.file("out.mp4")).start().finish().await?;
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
                "their times are not those of the recording"
            );
            let picture = span(&recorded, 0, &recorded.done.outputs[0])?;
            for (output, file) in recorded.done.outputs.iter().zip(std::iter::once(&"").chain(files)) {
                let track =
                    ["", "audio-en.ts", "subs-en.vtt", "subs-de.vtt"].iter().position(|of| of == file);
                let side = span(&recorded, track.unwrap_or_default(), output)?;
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
