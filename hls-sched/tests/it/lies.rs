//! Answers that HTTP can't tell from good ones: as long as they say, and still not what the segment is.

use std::process::Command;
use std::time::Duration;

use hls_fetch::{Class, Rule};
use hls_sched::{Event, Finished, Format, Kind};
use hls_testkit::{Media, Origin, Published, Reply, Vod, judge};

use crate::support::{Folder, Outcome, exact, fails, job, quick, same};

const VICTIM: usize = 3;

fn stream() -> (Origin, Published) {
    let origin = Origin::start();
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    (origin, vod)
}

/// A segment in which some packets are noise behind a sync byte.
fn noisy() -> Vec<u8> {
    let mut bytes = Media::Ts.segments()[VICTIM].to_vec();
    let mut state = 1_u32;
    for packet in bytes[188 * 20..].chunks_mut(188).take(22) {
        packet[1..].fill_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
    }
    bytes
}

/// The segment with one packet of pictures left out.
fn gapped() -> Vec<u8> {
    let segment = Media::Ts.segments()[VICTIM];
    let is_picture = |packet: &[u8]| packet[1] == 1 && packet[2] == 0 && packet[3] & 0xf0 == 0x10;
    let at = segment.chunks(188).position(is_picture).expect("a packet of nothing but pictures");
    let next = segment.chunks(188).skip(at + 1).position(is_picture).expect("another") + at + 1;
    [&segment[..next * 188], &segment[(next + 1) * 188..]].concat()
}

fn half() -> &'static [u8] {
    let segment = Media::Ts.segments()[VICTIM];
    &segment[..segment.len() / 2 / 188 * 188]
}

/// Downloads it, and returns what was warned of.
async fn warned(url: &str, expected: &[u8]) -> Result<(Finished, Vec<String>), Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    let mut job = job(url).output(folder.file("out")).format(Format::Join).start();
    let mut warnings = Vec::new();
    while let Some(event) = job.next().await {
        if let Event::Warning { kind, message } = event {
            warnings.push(format!("{kind}: {message}"));
        }
    }
    let done = job.finish().await?;
    same(&folder.file("out"), expected)?;
    Ok((done, warnings))
}

/// The bytes of the stream with another segment in the place of one.
fn with(segment: &[u8]) -> Vec<u8> {
    let mut segments = Media::Ts.segments();
    segments[VICTIM] = segment;
    segments.concat()
}

#[tokio::test]
async fn half_a_segment_once() -> Outcome {
    for victim in 0..6 {
        let (origin, vod) = stream();
        origin.script(&vod.segment_paths[victim], [Reply::short_consistent()]);
        assert_eq!(exact(&vod, "ts").await?.retries, 1, "segment {victim}");
    }
    Ok(())
}

#[tokio::test]
async fn half_a_segment_is_all_that_the_server_has() -> Outcome {
    let (origin, vod) = stream();
    origin.script(&vod.segment_paths[VICTIM], [Reply::short_consistent().forever()]);
    let (done, warnings) = warned(&vod.url, &with(half())).await?;
    let [warning] = &warnings[..] else { return Err(format!("{warnings:?}").into()) };
    assert!(warning.starts_with("segment.short: segment 3 (sequence 3) lasts 1."), "{warning}");
    assert_eq!((done.retries, origin.requests_for(&vod.segment_paths[VICTIM]).len()), (1, 2));
    let [first, second] = &origin.requests_for(&vod.segment_paths[VICTIM])[..] else { return Ok(()) };
    assert_ne!(first.connection, second.connection, "the second attempt has a connection of its own");
    Ok(())
}

#[tokio::test]
async fn another_part_of_a_segment_each_time_is_an_error() -> Outcome {
    let (origin, vod) = stream();
    let part = |n: usize| Reply::ok(&half()[..half().len() / 188 / n * 188]);
    origin.script(&vod.segment_paths[VICTIM], [part(1), part(2), part(3).forever()]);
    let error = fails(job(&vod.url), Kind::Content, "segment.short").await?;
    assert!(error.to_string().starts_with("segment 3 (sequence 3) lasts "), "{error}");
    Ok(())
}

#[tokio::test]
async fn packets_of_noise_once() -> Outcome {
    for bad in [noisy(), gapped()] {
        let (origin, vod) = stream();
        origin.script(&vod.segment_paths[VICTIM], [Reply::ok(bad)]);
        assert_eq!(exact(&vod, "ts").await?.retries, 1);
    }
    Ok(())
}

#[tokio::test]
async fn broken_counters_are_what_the_server_has() -> Outcome {
    for bad in [noisy(), gapped()] {
        let (origin, vod) = stream();
        origin.script(&vod.segment_paths[VICTIM], [Reply::ok(bad.clone()).forever()]);
        let (done, warnings) = warned(&vod.url, &with(&bad)).await?;
        let [warning] = &warnings[..] else { return Err(format!("{warnings:?}").into()) };
        let begin =
            "segment.discontinuous: packets of segment 3 (sequence 3) are missing or damaged at byte ";
        assert!(warning.starts_with(begin), "{warning}");
        assert_eq!(done.retries, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_playlist_that_promises_twice_the_time() -> Outcome {
    for media in [Media::Ts, Media::Fmp4, Media::AudioTs, Media::AudioFmp4, Media::AudioAdts] {
        let origin = Origin::start();
        let vod = Vod::from_media(media).segment_seconds(4.0).publish(&origin);
        let (done, warnings) = warned(&vod.url, &vod.expected).await?;
        assert_eq!((done.retries, warnings.len()), (6, 6), "{media:?}: {warnings:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_section_that_comes_late_still_tells_how_long_segments_are() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::from_media(Media::Fmp4).segment_seconds(4.0).publish(&origin);
    origin.script(&vod.init_paths[0], [Reply::resource().delay(2000)]);
    let (_, warnings) = warned(&vod.url, &vod.expected).await?;
    assert_eq!(warnings.len(), 6, "{warnings:?}");
    // The attempt that is slow, one beside it, and one for the segments that are there.
    assert!(origin.requests_for(&vod.init_paths[0]).len() <= 3);
    Ok(())
}

#[tokio::test]
async fn a_job_that_goes_on_has_the_section_of_the_earlier_run() -> Outcome {
    // All segments are asked for twice. What of them is whole when the first run ends is a matter of time: some, or none.
    for base in [Duration::ZERO, Duration::from_secs(30)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Fmp4).segment_seconds(4.0).publish(&origin);
        let out = folder.file("out.mp4");
        // For as long as the first run takes: one that is not counted, as it finds its connection closed, would use one up.
        origin.script(&vod.segment_paths[VICTIM], [Reply::status(403).forever()]);
        let mut policy = quick();
        policy.set(Class::Content, Rule { base, cap: base, ..policy.rule(Class::Content) });
        let first = job(&vod.url).retry_policy(policy).concurrency(1).output(&out).start().finish().await;
        assert!(first.is_err(), "{first:?}");
        origin.script(&vod.segment_paths[VICTIM], []);
        origin.reset_log();
        let mut job = job(&vod.url).output(&out).start();
        let (mut shorts, mut resumed) = (0, 0);
        while let Some(event) = job.next().await {
            shorts += usize::from(matches!(event, Event::Warning { kind: "segment.short", .. }));
            if let Event::Plan(plan) = event {
                resumed = plan.resumed_segments;
            }
        }
        tokio::time::timeout(Duration::from_secs(20), job.finish()).await??;
        same(&out, &vod.expected)?;
        assert!(shorts as u64 + resumed >= 6, "{shorts}, {resumed}");
        assert!(origin.requests_for(&vod.init_paths[0]).is_empty(), "{base:?}: {resumed} resumed");
    }
    Ok(())
}

#[tokio::test]
async fn what_ffmpeg_makes_is_not_doubted() -> Outcome {
    if !judge::has_tool("ffmpeg") {
        judge::skip("ffmpeg is not installed");
        return Ok(());
    }
    let video = "-c:v libx264 -preset ultrafast -bf 3 -b_strategy 0 -g 48 -pix_fmt yuv420p";
    for (made, init) in [
        (format!("-map 0 -map 1 {video} -c:a aac -f hls"), None),
        (format!("-map 0 -map 1 {video} -c:a ac3 -f hls -hls_segment_type fmp4"), Some("init.mp4")),
        (format!("-map 0 {video} -f hls"), None),
        ("-map 1 -c:a aac -f hls".to_owned(), None),
        ("-map 1 -c:a libmp3lame -f hls".to_owned(), None),
        ("-map 1 -c:a aac -f hls -hls_segment_type fmp4".to_owned(), Some("init.mp4")),
    ] {
        let folder = Folder::new()?;
        let playlist = folder.file("index.m3u8");
        let inputs = "-f lavfi -i testsrc2=s=128x72:r=24000/1001:d=9 -f lavfi -i sine=r=44100:d=9";
        let run = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error"])
            .args(inputs.split(' '))
            .args(made.split(' '))
            .args(["-hls_time", "2", "-hls_playlist_type", "vod"])
            .arg(&playlist)
            .output()?;
        assert!(run.status.success(), "{made}: {}", String::from_utf8_lossy(&run.stderr));
        let (origin, text) = (Origin::start(), std::fs::read_to_string(&playlist)?);
        origin.put("/index.m3u8", text.clone().into_bytes());
        let mut expected = Vec::new();
        for name in init.into_iter().chain(text.lines().filter(|line| !line.starts_with('#'))) {
            let bytes = std::fs::read(folder.file(name))?;
            expected.extend_from_slice(&bytes);
            origin.put(&format!("/{name}"), bytes);
        }
        let (done, warnings) = warned(&origin.url("/index.m3u8"), &expected).await?;
        assert!(done.segments >= 4 && done.retries == 0 && warnings.is_empty(), "{made}: {warnings:?}");
    }
    Ok(())
}
