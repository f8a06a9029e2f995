//! What shows only beside others: several segments that are one another's at first, a stream that one lacks, a list or a section
//! that the segments do not fit.

use hls_sched::{Event, Format, Kind};
use hls_testkit::{Gate, Master, Media, Origin, Published, Reply, Resource, Step, Vod};

use crate::support::{Folder, Outcome, job, same};

/// Downloads a stream in which something was wrong once: right, or refused for good because it is written already.
async fn right_or_replaced(vod: &Published, what: &str, concurrency: usize) -> Outcome {
    let folder = Folder::new()?;
    let out = folder.file("out");
    let job = job(&vod.url).concurrency(concurrency).format(Format::Join).output(&out);
    match job.start().finish().await {
        Ok(_) => same(&out, &vod.expected),
        Err(error) => {
            let found = (error.kind(), error.code());
            assert_eq!(found, (Kind::Content, "segment.replaced"), "{what}, {concurrency} at once: {error}");
            assert!(!out.exists(), "{what}");
            Ok(())
        }
    }
}

#[tokio::test]
async fn several_in_the_place_of_others_once() -> Outcome {
    let lies: [(&str, &[(usize, usize)]); 7] = [
        ("the first two", &[(0, 1), (1, 0)]),
        ("two inside", &[(2, 3), (3, 2)]),
        ("the last two", &[(4, 5), (5, 4)]),
        ("a circle", &[(1, 2), (2, 3), (3, 1)]),
        ("a block", &[(1, 3), (2, 4)]),
        ("one back", &[(2, 1), (3, 2), (4, 3), (5, 4)]),
        ("one ahead", &[(1, 2), (2, 3), (3, 4), (4, 5)]),
    ];
    for media in [Media::Ts, Media::Fmp4] {
        for (what, places) in lies {
            for concurrency in [1, 4] {
                let origin = Origin::start();
                let vod = Vod::from_media(media).publish(&origin);
                for (place, by) in places {
                    origin.script(&vod.segment_paths[*place], [Reply::ok(media.segments()[*by])]);
                }
                right_or_replaced(&vod, what, concurrency).await?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_waited_beside_one_that_failed_is_fetched_again() -> Outcome {
    for media in [Media::Ts, Media::Fmp4] {
        for format in [Format::Join, Format::Auto] {
            let (origin, folder) = (Origin::start(), Folder::new()?);
            let vod = Vod::from_media(media).publish(&origin);
            let segments = media.segments();
            // It is another one each time, so nothing is ever compared with it. Those behind it fit one another.
            let others = [0, 4, 5, 1, 3].into_iter().cycle().take(40).map(|by| Reply::ok(segments[by]));
            origin.script(&vod.segment_paths[2], others);
            for (place, by) in [(3, 0), (4, 1), (5, 2)] {
                origin.script(&vod.segment_paths[place], [Reply::ok(segments[by])]);
            }
            let name = if format == Format::Join { "out" } else { "out.mp4" };
            let job = |out: &str| job(&vod.url).concurrency(6).format(format).output(folder.file(out));
            let ended = job(name).start().finish().await;
            let error = ended.err().ok_or("segment 2 never came")?;
            assert_eq!(error.kind(), Kind::Content, "{error}");
            origin.script(&vod.segment_paths[2], []);
            job(name).start().finish().await?;
            let right = folder.file("right.mp4");
            match format {
                Format::Join => same(&folder.file(name), &vod.expected)?,
                _ => {
                    job("right.mp4").start().finish().await?;
                    same(&folder.file(name), &std::fs::read(&right)?)?;
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_waited_is_compared_with_what_comes_in_a_later_run() -> Outcome {
    for media in [Media::Ts, Media::Fmp4] {
        let (origin, folder, gate) = (Origin::start(), Folder::new()?, Gate::new());
        let vod = Vod::from_media(media).publish(&origin);
        let segments = media.segments();
        for (path, bytes) in vod.segment_paths.iter().zip(&segments) {
            origin.put(path, Resource::new(*bytes).no_etag());
        }
        for place in [2, 4] {
            origin.script(
                &vod.segment_paths[place],
                [Reply::ok(segments[place]).steps([Step::Wait(gate.clone())])],
            );
        }
        // The smallest of what waits is fetched again to prove that the stream is the same: that shall be another one.
        let by = [0, 1, 2, 4].into_iter().max_by_key(|by| segments[*by].len()).ok_or("no segments")?;
        assert!(segments[by].len() > segments[5].len());
        origin.script(&vod.segment_paths[3], [Reply::ok(segments[by]).chunked()]);
        let out = folder.file("out");
        let job = || job(&vod.url).concurrency(6).format(Format::Join).output(&out);
        let (mut running, mut seen) = (job().start(), 0);
        while seen < 4 {
            seen += usize::from(matches!(running.next().await.ok_or("it ended")?, Event::Segment(_)));
        }
        running.handle().cancel();
        gate.open();
        assert!(running.finish().await.is_err());
        match job().start().finish().await {
            Ok(_) => same(&out, &vod.expected)?,
            // It is placed as soon as the one before it is, and the one behind it may come later.
            Err(error) => assert_eq!((error.code(), out.exists()), ("segment.replaced", false), "{error}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_segment_without_its_sound_or_pictures_once() -> Outcome {
    for (victim, gone) in [(2, 1), (4, 0), (5, 1), (3, 0)] {
        for concurrency in [1, 4] {
            let origin = Origin::start();
            let vod = Vod::from_media(Media::Ts).publish(&origin);
            let segment = Media::Ts.segments()[victim];
            let kept = segment.chunks(188).filter(|packet| (packet[1] & 0x1f, packet[2]) != (1, gone));
            let kept = kept.flatten().copied().collect::<Vec<u8>>();
            assert!(kept.len() < segment.len());
            origin.script(&vod.segment_paths[victim], [Reply::ok(kept)]);
            right_or_replaced(&vod, "a stream is missing", concurrency).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn subtitles_that_end_or_count_otherwise_once() -> Outcome {
    let text = |n: usize, map: u32| {
        let (begin, end) = (n * 2, n * 2 + 1);
        format!(
            "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{map},LOCAL:00:00:00.000\n\n00:{begin:02}.000 --> 00:{end:02}.000\nword {n}\n\n"
        )
    };
    for victim in [3, 5, 7] {
        let whole = text(victim, 126_000);
        for wrong in [text(victim, 900_000), whole[..whole.len() - 4].to_owned()] {
            let origin = Origin::start();
            let segments = (0..8).map(|n| text(n, 126_000).into_bytes().into()).collect();
            let vod = Vod::of(segments, "vtt").segment_seconds(2.0).publish(&origin);
            origin.script(&vod.segment_paths[victim], [Reply::ok(wrong.clone())]);
            let folder = Folder::new()?;
            let out = folder.file("out");
            job(&vod.url).concurrency(1).format(Format::Join).output(&out).start().finish().await?;
            same(&out, &vod.expected)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_list_that_lost_a_line_is_loaded_again() -> Outcome {
    for (what, forever) in [("once", false), ("for ever", true)] {
        let origin = Origin::start();
        let vod = Vod::from_media(Media::Ts).publish(&origin);
        let uri = vod.playlist.lines().filter(|line| !line.starts_with('#')).nth(3).ok_or("no line")?;
        let torn = Reply::ok(vod.playlist.replacen(&format!("{uri}\n"), "", 1));
        origin.script(&vod.playlist_path, [if forever { torn.forever() } else { torn }]);
        let segments = if forever { 5 } else { 6 };
        let folder = Folder::new()?;
        let done = job(&vod.url).output(folder.file("out.ts")).start().finish().await?;
        assert_eq!(done.segments, segments, "{what}");
        // Where the segment is missing for ever, those beside it do not fit, and the list is asked once more.
        let loads = if forever { 3 } else { 2 };
        assert_eq!(origin.requests_for(&vod.playlist_path).len(), loads, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn a_section_of_another_stream_is_found_by_how_long_segments_are() -> Outcome {
    let section = Media::Fmp4.init().ok_or("no section")?;
    let name = section.windows(4).position(|name| name == b"mdhd").ok_or("no mdhd")?;
    for (by, of) in [(1, 2), (2, 1), (147, 160), (160, 147)] {
        let origin = Origin::start();
        let vod = Vod::from_media(Media::Fmp4).publish(&origin);
        // Version 0: two times, then the scale (ISO/IEC 14496-12, section 8.4.2.2).
        let mut other = section.to_vec();
        let scale = u32::from_be_bytes(*other[name + 16..].first_chunk().ok_or("short")?);
        other[name + 16..name + 20].copy_from_slice(&(scale * by / of).to_be_bytes());
        origin.script(&vod.init_paths[0], [Reply::ok(other)]);
        right_or_replaced(&vod, "another time scale", 4).await?;
        assert!(origin.requests_for(&vod.init_paths[0]).len() > 1, "{by} of {of}");
    }
    Ok(())
}

#[tokio::test]
async fn a_list_of_sound_that_is_far_shorter_is_loaded_again() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/m")
        .variant(900_000, 320, 180, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioTs))
        .publish(&origin);
    let sound = &master.audio[0];
    let uri = sound.playlist.lines().filter(|line| !line.starts_with('#')).nth(1).ok_or("no line")?;
    let (front, _) = sound.playlist.split_once(uri).ok_or("no such line")?;
    origin.script(&sound.playlist_path, [Reply::ok(format!("{front}{uri}\n#EXT-X-ENDLIST\n"))]);
    let done = job(&master.url).output(folder.file("movie.mp4")).start().finish().await?;
    assert_eq!(done.segments, 12);
    assert_eq!(origin.requests_for(&sound.playlist_path).len(), 2);
    Ok(())
}

#[tokio::test]
async fn target_durations_that_no_clock_holds() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/m")
        .variant(900_000, 320, 180, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioTs))
        .publish(&origin);
    for track in [&master.variants[0], &master.audio[0]] {
        let (front, rest) =
            track.playlist.split_once("#EXT-X-TARGETDURATION:").ok_or("no target duration")?;
        let (_, rest) = rest.split_once('\n').ok_or("no end of the line")?;
        let target = u64::MAX;
        origin
            .put(&track.playlist_path, format!("{front}#EXT-X-TARGETDURATION:{target}\n{rest}").into_bytes());
    }
    let done = job(&master.url).output(folder.file("movie.mp4")).start().finish().await?;
    assert_eq!(done.segments, 12);
    Ok(())
}

#[tokio::test]
async fn a_master_that_lost_its_renditions_is_loaded_again() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master = Master::new("/m")
        .variant(900_000, 320, 180, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioTs))
        .publish(&origin);
    let is_there = |line: &&str| !line.starts_with("#EXT-X-MEDIA:");
    let torn = master.playlist.lines().filter(is_there).collect::<Vec<_>>().join("\n");
    origin.script(&master.playlist_path, [Reply::ok(torn)]);
    let done = job(&master.url).output(folder.file("movie.mp4")).start().finish().await?;
    assert_eq!((done.segments, origin.requests_for(&master.playlist_path).len()), (12, 2));
    Ok(())
}

#[tokio::test]
async fn a_list_whose_pictures_are_of_another_size_is_loaded_again() -> Outcome {
    let (width, height) = Media::SIZE;
    // What each load brings: the right playlist, the right one with other paths, that of another variant, or nothing.
    for (what, said, brings, loads, code) in [
        ("as it is said", (width, height), &[][..], 1, None),
        ("never as it is said", (1920, 1080), &[], 2, None),
        ("that of another variant, once", (width, height), &["other"], 3, Some("playlist.changed")),
        ("another one each time", (width, height), &["other", "right", "other"], 3, None),
        ("paths for one load", (width, height), &["other", "right", "moved"], 3, Some("playlist.changed")),
        ("no third load", (width, height), &["other", "right", "nothing"], 3, Some("playlist.changed")),
    ] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Ts);
        let master = Master::new("/m").variant(900_000, said.0, said.1, vod.clone()).publish(&origin);
        let list = &master.variants[0];
        let text = |prefix: &str, segments: Vec<bytes::Bytes>| {
            let moved = Vod::of(segments, "ts").segment_seconds(Media::SEGMENT_SECONDS).prefix(prefix);
            let paths = moved.publish(&origin).segment_paths;
            list.segment_paths.iter().zip(&paths).fold(list.playlist.clone(), |text, (from, to)| {
                text.replace(from.rsplit('/').next().expect("a name"), to)
            })
        };
        let segments = Media::Ts.segments();
        let other = text("/other", segments.map(|segment| with_other_size(segment).into()).to_vec());
        let moved = text("/moved", segments.map(bytes::Bytes::from_static).to_vec());
        let replies = brings.iter().map(|load| match *load {
            "other" => Reply::ok(other.clone()),
            "moved" => Reply::ok(moved.clone()),
            "right" => Reply::ok(list.playlist.clone()),
            _ => Reply::status(404),
        });
        origin.script(&list.playlist_path, replies);
        let result = job(&master.url).output(folder.file("movie.ts")).start().finish().await;
        assert_eq!(result.as_ref().err().map(hls_sched::Error::code), code, "{what}: {result:?}");
        assert_eq!(origin.requests_for(&list.playlist_path).len(), loads, "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn a_segment_whose_pictures_are_of_another_size_than_all_others_is_fetched_again() -> Outcome {
    let (width, height) = Media::SIZE;
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let master =
        Master::new("/m").variant(900_000, width, height, Vod::from_media(Media::Ts)).publish(&origin);
    let list = &master.variants[0];
    // Half of them, so that no habit tells.
    for victim in [1, 3, 5] {
        let other = with_other_size(Media::Ts.segments()[victim]);
        origin.script(&list.segment_paths[victim], [Reply::ok(other)]);
    }
    let out = folder.file("movie.ts");
    job(&master.url).concurrency(1).output(&out).start().finish().await?;
    same(&out, &list.expected)
}

/// The same segment with pictures that say to have 224 columns.
fn with_other_size(segment: &[u8]) -> Vec<u8> {
    let mut segment = segment.to_vec();
    let at = segment.windows(4).position(|four| four == [0, 0, 1, 0x67]).expect("a parameter set");
    segment[at + 10] ^= 0x08;
    segment
}
