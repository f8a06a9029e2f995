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
    let part = |n: usize| Reply::ok(&half()[..half().len() - n * 188]);
    let path = &vod.segment_paths[VICTIM];
    origin.script(path, [1, 2, 3, 4, 5, 6, 7, 8].map(part));
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
        // The section could be that of another stream.
        let sections = u64::from(media.init().is_some());
        assert_eq!((done.retries, warnings.len()), (3 + sections, 3), "{media:?}: {warnings:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_section_that_comes_late_still_tells_how_long_segments_are() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::from_media(Media::Fmp4).segment_seconds(4.0).publish(&origin);
    origin.script(&vod.init_paths[0], [Reply::resource().delay(2000)]);
    let (_, warnings) = warned(&vod.url, &vod.expected).await?;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
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
        let out = folder.file("out.m4s");
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
        assert!(shorts as u64 + resumed >= 3, "{shorts}, {resumed}");
        // It is here; once it is compared with what the server has.
        assert!(origin.requests_for(&vod.init_paths[0]).len() <= 1, "{base:?}: {resumed} resumed");
    }
    Ok(())
}

/// Every segment of the stream, changed.
fn changed(change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    Media::Ts.segments().into_iter().map(change).collect()
}

fn with_zeros(segment: &[u8]) -> Vec<u8> {
    [segment, &[0; 16]].concat()
}

/// The packet of pictures in the middle says another number.
fn with_odd_counter(segment: &[u8]) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    let is_picture = |packet: &[u8]| packet[1] == 1 && packet[2] == 0 && packet[3] & 0xf0 == 0x10;
    let at = bytes.chunks(188).position(is_picture).expect("a packet of nothing but pictures");
    bytes[at * 188 + 3] ^= 8;
    bytes
}

fn without_a_sync_byte(segment: &[u8]) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    bytes[188 * 20] = 0;
    bytes
}

fn behind_a_picture(segment: &[u8]) -> Vec<u8> {
    [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on"[..], segment].concat()
}

#[tokio::test]
async fn what_is_odd_in_every_segment_is_asked_for_three_times() -> Outcome {
    let all = Media::Ts.segments().len();
    type Change = fn(&[u8]) -> Vec<u8>;
    let changes: [(Change, &str, bool, usize); 4] = [
        (with_zeros, "segment.padded", true, 3),
        (with_odd_counter, "segment.discontinuous", true, 3),
        // In one of them a picture is lost with the packet, which is another kind.
        (without_a_sync_byte, "segment.unsynced", true, 4),
        (behind_a_picture, "segment.front", false, 3),
    ];
    for (change, code, is_kept, more) in changes {
        let (origin, vod) = stream();
        let odd = changed(change);
        for (path, bytes) in vod.segment_paths.iter().zip(&odd) {
            origin.put(path, bytes.clone());
        }
        let expected = if is_kept { odd.concat() } else { vod.expected.to_vec() };
        let (done, warnings) = warned(&vod.url, &expected).await?;
        assert!(warnings.iter().any(|warning| warning.starts_with(code)), "{code}: {warnings:?}");
        assert!(warnings.iter().any(|warning| warning.contains("unasked")), "{code}: {warnings:?}");
        let asked = vod.segment_paths.iter().map(|path| origin.requests_for(path).len()).sum::<usize>();
        assert_eq!((asked, done.retries), (all + more, more as u64), "{code}");
        let strict = job(&vod.url).strict(true);
        let error = fails(strict, Kind::Content, code).await;
        assert!(error.is_ok() || code == "segment.unsynced", "{code}: {error:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_asked_for_again_until_its_server_is_trusted() -> Outcome {
    let (origin, vod) = stream();
    for path in &vod.segment_paths {
        origin.script(path, [Reply::resource().http10_close().forever()]);
    }
    // This one is cut at a packet, once.
    let segment = Media::Ts.segments()[5];
    let cut = Reply::ok(&segment[..segment.len() * 9 / 10 / 188 * 188]).http10_close();
    origin.script(&vod.segment_paths[5], [cut, Reply::resource().http10_close().forever()]);
    let folder = Folder::new()?;
    let out = folder.file("out.ts");
    job(&vod.url).concurrency(1).output(&out).start().finish().await?;
    same(&out, &vod.expected)?;
    let asked = vod.segment_paths.iter().map(|path| origin.requests_for(path).len()).collect::<Vec<_>>();
    assert_eq!(asked, [2, 2, 2, 1, 1, 2]);
    Ok(())
}

#[tokio::test]
async fn another_segment_in_its_place_once() -> Outcome {
    for (media, extension) in [(Media::Ts, "ts"), (Media::Fmp4, "m4s")] {
        for (victim, other) in [(3, 5), (3, 2), (0, 4), (5, 0), (1, 2)] {
            for concurrency in [1, 4] {
                let (origin, folder) = (Origin::start(), Folder::new()?);
                let vod = Vod::from_media(media).publish(&origin);
                origin.script(&vod.segment_paths[victim], [Reply::ok(media.segments()[other])]);
                let out = folder.file(&format!("out.{extension}"));
                let job = job(&vod.url).concurrency(concurrency).format(Format::Join).output(&out);
                match job.start().finish().await {
                    Ok(_) => same(&out, &vod.expected)?,
                    // What is in the output already can't be taken back, and no later run takes it for right.
                    Err(error) => {
                        assert_eq!((error.kind(), error.code()), (Kind::Content, "segment.replaced"));
                        assert_eq!(victim, 0, "{media:?}: {error}");
                        let again = || crate::support::job(&vod.url).format(Format::Join).output(&out);
                        let left = folder.names();
                        match again().start().finish().await {
                            // The output was cut back to where it begins, and nothing was beside it.
                            Ok(_) => assert!(left.is_empty(), "{left:?}"),
                            Err(error) => assert_eq!(error.code(), "segment.replaced"),
                        }
                        if !out.exists() {
                            again().restart(true).start().finish().await?;
                        }
                        same(&out, &vod.expected)?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn segments_without_bytes() -> Outcome {
    let (origin, vod) = stream();
    let odd = "#EXTINF:0.01,\n/nothing.ts\n#EXTINF:0.01,\n#EXT-X-BYTERANGE:0@7\n/all.ts\n";
    let playlist = |odd: &str| vod.playlist.replacen("#EXT-X-ENDLIST", &format!("{odd}#EXT-X-ENDLIST"), 1);
    origin.put("/nothing.ts", Vec::new());
    origin.put(&vod.playlist_path, playlist(odd).into_bytes());
    let (done, warnings) = warned(&vod.url, &vod.expected).await?;
    assert_eq!((done.segments, done.gaps.len()), (vod.segment_paths.len() as u64 + 2, 0));
    assert!(warnings.iter().all(|warning| warning.starts_with("segment.empty: ")), "{warnings:?}");
    // What should last for seconds and has no bytes is missing.
    origin.put(&vod.playlist_path, playlist("#EXTINF:2,\n/nothing.ts\n").into_bytes());
    fails(job(&vod.url), Kind::Content, "content.not_media").await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_vector_shows_in_the_first_table() -> Outcome {
    let origin = Origin::start();
    let vod = Vod::from_media(Media::Ts).aes128(crate::support::KEY).publish(&origin);
    let sequence = "#EXT-X-MEDIA-SEQUENCE:";
    let wrong = match vod.playlist.contains(sequence) {
        true => vod.playlist.replace(&format!("{sequence}0"), &format!("{sequence}7")),
        false => vod.playlist.replacen("#EXTINF", &format!("{sequence}7\n#EXTINF"), 1),
    };
    origin.put(&vod.playlist_path, wrong.into_bytes());
    fails(job(&vod.url), Kind::Content, "content.damaged").await?;
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

/// Changes one segment of a kind of media.
type Change = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// Where the packets are that bring something of the sound of a segment.
fn sound(segment: &[u8]) -> Vec<usize> {
    let is_sound = |packet: &[u8]| packet[1] & 0x1f == 1 && packet[2] == 1;
    segment.chunks(188).enumerate().filter(|(_, packet)| is_sound(packet)).map(|(at, _)| at).collect()
}

/// The segment without the last packets that bring something of its sound.
fn without_last_of_sound(segment: &[u8], packets: usize) -> Vec<u8> {
    let from = sound(segment).len() - packets;
    without_sound(segment, from, packets)
}

/// The segment without some packets of its sound.
fn without_sound(segment: &[u8], from: usize, packets: usize) -> Vec<u8> {
    let left_out = &sound(segment)[from..from + packets];
    let kept = segment.chunks(188).enumerate().filter(|(at, _)| !left_out.contains(at));
    kept.flat_map(|(_, packet)| packet.to_vec()).collect()
}

/// The segment with another byte at a place behind the first one of such bytes.
fn changed_behind(segment: &[u8], bytes: &[u8], at: usize) -> Vec<u8> {
    let found = segment.windows(bytes.len()).position(|window| window == bytes).expect("these bytes");
    let mut changed = segment.to_vec();
    changed[found + bytes.len() + at] ^= 1;
    changed
}

/// Where each frame of sound begins, and where the last one ends.
fn frames(segment: &[u8]) -> Vec<usize> {
    let mut places = vec![segment.windows(2).position(|two| two == [0xff, 0xf1]).expect("a frame")];
    while let Some([b, c, d]) = places.last().and_then(|at| segment.get(at + 3..at + 6)?.first_chunk()) {
        let len = usize::from(b & 3) << 11 | usize::from(*c) << 3 | usize::from(d >> 5);
        places.extend(places.last().map(|at| at + len));
    }
    places
}

/// The segment without one frame of sound.
fn without_frame(segment: &[u8], nth: usize) -> Vec<u8> {
    let frames = frames(segment);
    [&segment[..frames[nth]], &segment[frames[nth + 1]..]].concat()
}

/// Segments of sound that say in a tag when they begin (rfc8216bis-22, section 3.1.3), to the next tick.
fn tagged_sound() -> Vec<Vec<u8>> {
    let mut passed = 0_u64;
    let tagged = Media::AudioAdts.segments().map(|segment| {
        let time = 126_000 + passed * 1024 * 90_000 / 48_000;
        let owner = &b"com.apple.streaming.transportStreamTimestamp\0"[..];
        let content = [owner, &time.to_be_bytes()].concat();
        passed += frames(segment).len() as u64 - 1;
        let len = content.len() as u8;
        [b"ID3\x04\0\0\0\0\0", &[len + 10][..], b"PRIV\0\0\0", &[len], b"\0\0", &content, segment].concat()
    });
    tagged.to_vec()
}

/// A segment whose data are where they belong but for so many bytes.
fn shifted_data(segment: &[u8], by: usize) -> Vec<u8> {
    let mut segment = segment.to_vec();
    let at = segment.windows(4).position(|name| name == b"mdat").expect("a box") + 4;
    segment[at..].rotate_left(by);
    segment
}

#[tokio::test]
async fn what_is_wrong_once_shows_beside_the_others() -> Outcome {
    let mut lies: Vec<(&str, Media, usize, Change)> = Vec::new();
    for packets in [1, 2, 3] {
        lies.push((
            "the end of the last sound",
            Media::Ts,
            5,
            Box::new(move |s| without_last_of_sound(s, packets)),
        ));
    }
    for (victim, at) in [(0, 0), (2, 2), (5, 3)] {
        let change = move |s: &[u8]| changed_behind(s, &[0, 0, 0, 1, 0x67], at);
        lies.push(("another rendition", Media::Ts, victim, Box::new(change)));
    }
    for (victim, nth) in [(1, 0), (2, 7), (3, 40), (4, 1)] {
        lies.push(("without a frame", Media::AudioAdts, victim, Box::new(move |s| without_frame(s, nth))));
    }
    let section = Media::Fmp4.init().expect("a section");
    for victim in [1, 3, 5] {
        let moov = section.windows(4).position(|name| name == b"moov").expect("a box") - 4;
        let other = move |s: &[u8]| [&changed_behind(&section[moov..], b"mvhd", 20), s].concat();
        lies.push(("another section inside", Media::Fmp4, victim, Box::new(other)));
    }
    for (victim, at) in [(0, 8), (2, 10), (4, 11)] {
        let change = move |s: &[u8]| changed_behind(s, b"trun", at);
        lies.push(("samples elsewhere", Media::Fmp4, victim, Box::new(change)));
    }
    for (victim, at) in [(0, 7), (0, 6), (5, 5)] {
        let change = move |s: &[u8]| changed_behind(s, b"mfhd", at);
        lies.push(("another number of a fragment", Media::Fmp4, victim, Box::new(change)));
    }
    for (victim, by) in [(1, 1), (3, 4), (5, 1000)] {
        let change = move |s: &[u8]| shifted_data(s, by);
        lies.push(("data of other samples", Media::Fmp4, victim, Box::new(change)));
    }
    // Sixteen packets of sound, whose counter begins again then.
    for (victim, from) in [(1, 0), (3, 5), (5, 2)] {
        let change = move |s: &[u8]| without_sound(s, from, 16);
        lies.push(("sixteen packets of sound", Media::Ts, victim, Box::new(change)));
    }
    for (what, media, victim, change) in lies {
        for concurrency in [1, 4] {
            let (origin, folder) = (Origin::start(), Folder::new()?);
            let vod = match media {
                Media::AudioAdts => Vod::of(tagged_sound().into_iter().map(Into::into).collect(), "aac"),
                _ => Vod::from_media(media),
            };
            let vod = vod.segment_seconds(Media::SEGMENT_SECONDS).publish(&origin);
            let path = &vod.segment_paths[victim];
            let right = match media {
                Media::AudioAdts => tagged_sound()[victim].clone(),
                _ => media.segments()[victim].to_vec(),
            };
            let wrong = change(&right);
            assert_ne!(wrong, right, "{what}");
            origin.script(path, [Reply::ok(wrong)]);
            let out = folder.file("out");
            let done = job(&vod.url)
                .concurrency(concurrency)
                .format(Format::Join)
                .output(&out)
                .start()
                .finish()
                .await;
            match done {
                Ok(_) => assert!(
                    std::fs::read(&out)? == vod.expected,
                    "{what}, segment {victim}, {concurrency} at once"
                ),
                // What is written already when those behind it show that it is another one ends the job.
                Err(error) => assert!(
                    error.kind() == Kind::Content && victim < 5 && what != "samples elsewhere",
                    "{what}, segment {victim}, {concurrency} at once: {error}"
                ),
            }
            assert!(origin.requests_for(path).len() <= 3, "{what}, segment {victim}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_success_that_is_no_segment() -> Outcome {
    for status in [207, 208, 226] {
        let (origin, vod) = stream();
        let other = Media::Ts.segments()[1];
        let head = format!(
            "HTTP/1.1 {status} Other\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            other.len()
        );
        origin.script(&vod.segment_paths[VICTIM], [Reply::raw([head.as_bytes(), other].concat())]);
        let path = &vod.segment_paths[VICTIM];
        exact(&vod, "ts").await?;
        assert_eq!(origin.requests_for(path).len(), 2, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn subtitles_in_the_place_of_others_once() -> Outcome {
    let text = |n: usize| {
        let at = |second: usize| format!("00:{:02}.000", n * 2 + second);
        format!(
            "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:126000\n\n{} --> {}\nword {n}\n",
            at(0),
            at(1)
        )
    };
    for (victim, other) in [(0, 3), (2, 1), (3, 7), (7, 6), (5, 0)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let segments = (0..8).map(|n| text(n).into_bytes().into()).collect();
        let vod = Vod::of(segments, "vtt").segment_seconds(2.0).publish(&origin);
        origin.script(&vod.segment_paths[victim], [Reply::ok(text(other))]);
        let out = folder.file("out");
        match job(&vod.url).format(Format::Join).output(&out).start().finish().await {
            Ok(_) => same(&out, &vod.expected)?,
            Err(error) => assert_eq!(error.kind(), Kind::Content, "{victim}, {other}: {error}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_section_that_is_a_segment_or_has_other_tracks_once() -> Outcome {
    let sound = Media::AudioFmp4.init().expect("a section");
    for (what, wrong) in [("a segment", Media::Fmp4.segments()[1]), ("of sound alone", sound)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Fmp4).publish(&origin);
        let section = vod.init_paths.first().ok_or("no section")?;
        origin.script(section, [Reply::ok(wrong)]);
        let out = folder.file("out.m4s");
        match job(&vod.url).format(Format::Join).output(&out).start().finish().await {
            Ok(_) => same(&out, &vod.expected)?,
            Err(error) => {
                assert!(error.kind() == Kind::Content && what == "of sound alone", "{what}: {error}")
            }
        }
    }
    Ok(())
}
