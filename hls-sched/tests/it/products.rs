//! One MP4 made of what was fetched, judged by what ffmpeg decodes of it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hls_sched::{Event, Finished, Format, JobBuilder, Kind};
use hls_testkit::judge::{self, Decoded};
use hls_testkit::{Iv, Master, Media, Origin, Published, Reply, Vod};

use crate::support::{Folder, KEY, Outcome, fetched, job, same};

type Judged = Result<Option<Decoded>, Box<dyn std::error::Error>>;

/// What the bytes of a stream decode to.
fn decoded(folder: &Folder, bytes: &[u8], sounds: usize, has_video: bool) -> Judged {
    let path = folder.file("source");
    std::fs::write(&path, bytes)?;
    let decoded = Decoded::of(&path, has_video, sounds)?;
    std::fs::remove_file(path)?;
    Ok(decoded)
}

/// The file decodes to the pictures and sounds of its sources, without a word.
fn judged(path: &Path, video: Option<&[u8]>, audio: &[&[u8]]) -> Outcome {
    let scratch = Folder::new()?;
    let Some(made) = Decoded::of(path, video.is_some(), audio.len())? else {
        judge::skip("no ffmpeg");
        return Ok(());
    };
    assert_eq!(made.warnings, "", "{}", path.display());
    if let Some(bytes) = video {
        let source = decoded(&scratch, bytes, 0, true)?.ok_or("no ffmpeg")?;
        assert!(!source.pictures.is_empty() && source.pictures == made.pictures, "pictures differ");
    }
    for (n, bytes) in audio.iter().enumerate() {
        let source = decoded(&scratch, bytes, 1, false)?.ok_or("no ffmpeg")?;
        assert_eq!(source.sounds.first(), made.sounds.get(n), "sound {n} differs");
    }
    let bytes = std::fs::read(path)?;
    let place = |name: &[u8]| bytes.windows(4).position(|four| four == name);
    assert!(place(b"moov") < place(b"mdat"), "a player needs what comes first");
    assert!(!bytes.windows(4).any(|four| four == b"moof"), "it is in one piece");
    Ok(())
}

async fn made(job: JobBuilder, folder: &Folder, name: &str) -> Result<Finished, Box<dyn std::error::Error>> {
    let done = job.output(folder.file(name)).start().finish().await?;
    assert_eq!((done.outputs.clone(), folder.names()), (vec![folder.file(name)], vec![name.to_owned()]));
    assert_eq!(done.bytes, std::fs::metadata(folder.file(name))?.len());
    Ok(done)
}

#[tokio::test]
async fn of_transport_streams() -> Outcome {
    let ts = || Vod::from_media(Media::Ts);
    for vod in [ts(), ts().aes128(KEY).iv(Iv::PerSegment), ts().byterange(), ts().discontinuity_at(3)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = vod.publish(&origin);
        made(job(&vod.url), &folder, "movie.mp4").await?;
        judged(&folder.file("movie.mp4"), Some(&vod.expected), &[&vod.expected])?;
        assert_eq!(fetched(&origin, &vod).len(), 6);
    }
    Ok(())
}

#[tokio::test]
async fn of_fragments_with_several_sections() -> Outcome {
    for vod in [Media::Fmp4; 2].map(Vod::from_media).map(Vod::two_maps) {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = vod.publish(&origin);
        made(job(&vod.url), &folder, "movie.mp4").await?;
        judged(&folder.file("movie.mp4"), Some(&vod.expected), &[&vod.expected])?;
    }
    Ok(())
}

#[tokio::test]
async fn of_packed_audio() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::AudioAdts).publish(&origin);
    made(job(&vod.url), &folder, "sound.m4a").await?;
    judged(&folder.file("sound.m4a"), None, &[&vod.expected])
}

/// Pictures without their sound, as ffmpeg would see them, and the sound of its own.
#[tokio::test]
async fn of_separate_audio() -> Outcome {
    for (video, audio) in [
        (Media::Ts, Media::AudioAdts),
        (Media::Ts, Media::AudioFmp4),
        (Media::Fmp4, Media::AudioFmp4),
        (Media::Fmp4, Media::AudioTs),
    ] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let master = Master::new("/m")
            .variant(300_000, 160, 90, Vod::synthetic(2, 1000))
            .variant(900_000, 320, 180, Vod::from_media(video))
            .audio("de", false, Vod::synthetic(2, 1000))
            .audio("en", true, Vod::from_media(audio).aes128(KEY))
            .publish(&origin);
        made(job(&master.url), &folder, "movie.mp4").await?;
        let (video, audio) = (&master.variants[1].expected, &master.audio[1].expected);
        judged(&folder.file("movie.mp4"), Some(video), &[audio])?;
        // A name without extension: the same.
        let template = folder.file("x").display().to_string();
        let done = job(&master.url).output_template(template).start().finish().await?;
        assert_eq!(done.outputs, [folder.file("x.mp4")]);
        same(&folder.file("x.mp4"), &std::fs::read(folder.file("movie.mp4"))?)?;
    }
    Ok(())
}

#[tokio::test]
async fn an_mp4_is_flat_and_a_join_is_the_bytes_as_they_came() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Fmp4).publish(&origin);
    made(job(&vod.url), &folder, "movie.mp4").await?;
    judged(&folder.file("movie.mp4"), Some(&vod.expected), &[&vod.expected])?;
    let bytes = std::fs::read(folder.file("movie.mp4"))?;
    assert!(!bytes.windows(4).any(|name| name == b"moof"), "it has fragments");
    for (name, format) in [("movie.m4s", Format::Auto), ("join.mp4", Format::Join)] {
        job(&vod.url).format(format).output(folder.file(name)).start().finish().await?;
        same(&folder.file(name), &vod.expected)?;
    }
    let vod = Vod::from_media(Media::Ts).prefix("/ts").publish(&origin);
    let done = job(&vod.url).format(Format::Join).output(folder.file("raw.mp4")).start().finish().await?;
    assert_eq!(done.outputs, [folder.file("raw.mp4")]);
    same(&folder.file("raw.mp4"), &vod.expected)?;
    // Asked for under any name.
    let done = job(&vod.url).format(Format::Mp4).output(folder.file("x.bin")).start().finish().await?;
    judged(&done.outputs[0], Some(&vod.expected), &[&vod.expected])
}

/// Without the segments at these places.
fn without(missing: &[usize]) -> Vec<u8> {
    let segments = Media::Ts.segments();
    let kept = segments.iter().enumerate().filter(|(n, _)| !missing.contains(n));
    kept.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
}

fn lose(origin: &Origin, vod: &Published, missing: &[usize]) {
    for path in missing.iter().map(|n| &vod.segment_paths[*n]) {
        origin.script(path, [Reply::status(404).forever()]);
    }
}

#[tokio::test]
async fn gaps_are_chapters_until_they_are_filled() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    let out = folder.file("movie.mp4");
    lose(&origin, &vod, &[2, 3]);
    let done = job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    assert_eq!(done.gaps.len(), 2);
    assert!(folder.file("movie.mp4.gaps.json").exists());
    if judge::has_tool("ffprobe") {
        let run = std::process::Command::new("ffprobe")
            .args(["-v", "error", "-show_chapters", "-of", "compact=p=0"])
            .arg(&out)
            .output()?;
        let said = String::from_utf8(run.stdout)?;
        let chapters = said.lines().collect::<Vec<_>>();
        assert_eq!(chapters.len(), 3, "{said}");
        assert!(chapters[1].contains("title=gap 4 s, 00:00:04"), "{said}");
        assert!(chapters[1].contains("start_time=4.0"), "{said}");
    } else {
        judge::skip("no ffprobe");
    }
    // The pictures of the rest are as they were; sound at a splice depends on what was before.
    judged(&out, Some(&without(&[2, 3])), &[])?;
    // The server has it again: the same command makes the whole file, and fetches only what was missing.
    origin.script(&vod.segment_paths[2], []);
    origin.script(&vod.segment_paths[3], []);
    origin.reset_log();
    let done = job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    assert!(done.gaps.is_empty());
    judged(&out, Some(&vod.expected), &[&vod.expected])?;
    assert_eq!(folder.names(), ["movie.mp4"]);
    assert!(fetched(&origin, &vod).len() <= 3, "{:?}", fetched(&origin, &vod));
    Ok(())
}

/// A segment that comes late and is not whole by itself has no place in a film that has its name: that stays as it is.
#[tokio::test]
async fn a_film_with_gaps_is_not_begun_anew() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    let out = folder.file("movie.mp4");
    lose(&origin, &vod, &[2]);
    job(&vod.url).allow_gaps(true).output(&out).start().finish().await?;
    let film = std::fs::read(&out)?;
    // All of it but the tables in front.
    let tail = Media::Ts.segments()[2][3 * 188..].to_vec();
    origin.script(&vod.segment_paths[2], [Reply::ok(tail).forever()]);
    let error = job(&vod.url).allow_gaps(true).output(&out).start().finish().await.err();
    let error = error.ok_or("a failure was expected")?;
    assert_eq!((error.kind(), error.code()), (Kind::Content, "remux.not_alone"), "{error}");
    same(&out, &film)
}

#[tokio::test]
async fn what_an_end_in_the_middle_leaves_is_joined_later() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    let out = folder.file("movie.mp4");
    lose(&origin, &vod, &[5]);
    let error = job(&vod.url).output(&out).start().finish().await.err().ok_or("a failure was expected")?;
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(folder.names(), ["movie.mp4.hls", "movie.mp4.part"], "nothing that looks like a film");
    // What is there can be played.
    judged(&folder.file("movie.mp4.part"), Some(&without(&[5])), &[])?;
    origin.script(&vod.segment_paths[5], []);
    origin.reset_log();
    made(job(&vod.url), &folder, "movie.mp4").await?;
    judged(&out, Some(&vod.expected), &[&vod.expected])?;
    assert!(fetched(&origin, &vod).len() <= 2, "{:?}", fetched(&origin, &vod));
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_meanwhile_stays_taken() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    let out = folder.file("movie.mp4");
    origin.script(&vod.segment_paths[5], [Reply::resource().delay(500)]);
    let mut running = job(&vod.url).output(&out).start();
    while let Some(event) = running.next().await {
        if matches!(event, Event::Segment(_)) {
            std::fs::write(&out, "mine")?;
            break;
        }
    }
    let error = running.finish().await.err().ok_or("a failure was expected")?;
    assert_eq!(error.kind(), Kind::Exists, "{error}");
    same(&out, b"mine")?;
    std::fs::remove_file(&out)?;
    origin.reset_log();
    made(job(&vod.url), &folder, "movie.mp4").await?;
    assert!(
        fetched(&origin, &vod).len() <= 1,
        "all of it was here but a probe: {:?}",
        fetched(&origin, &vod)
    );
    judged(&out, Some(&vod.expected), &[&vod.expected])
}

#[tokio::test]
async fn damage_to_a_piece_is_found_and_mended() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    let out = folder.file("movie.mp4");
    made(job(&vod.url), &folder, "movie.mp4").await?;
    let whole = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    for place in [0.3, 0.6, 0.9] {
        lose(&origin, &vod, &[5]);
        assert!(job(&vod.url).output(&out).start().finish().await.is_err());
        let part = folder.file("movie.mp4.part");
        let mut bytes = std::fs::read(&part)?;
        let at = (bytes.len() as f64 * place) as usize;
        bytes[at] ^= 1;
        std::fs::write(&part, bytes)?;
        origin.script(&vod.segment_paths[5], []);
        origin.reset_log();
        made(job(&vod.url), &folder, "movie.mp4").await?;
        same(&out, &whole)?;
        std::fs::remove_file(&out)?;
        assert!(fetched(&origin, &vod).len() <= 3, "{:?}", fetched(&origin, &vod));
    }
    judge_all(&folder, &whole, &vod)
}

fn judge_all(folder: &Folder, film: &[u8], vod: &Published) -> Outcome {
    let path = folder.file("film.mp4");
    std::fs::write(&path, film)?;
    judged(&path, Some(&vod.expected), &[&vod.expected])
}

/// What earlier runs left of a film is used, wherever they ended, and nothing of it is to be seen in the end.
#[tokio::test]
async fn the_film_is_the_same_however_often_it_was_begun() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::looped(8).aes128(KEY).publish(&origin);
    let out = folder.file("movie.mp4");
    // The last of these runs leave nearly all that is in front of the film in the end, and more where it is longer.
    for first in [1, 7, 20, 46, 47] {
        let missing = (first..48).collect::<Vec<_>>();
        lose(&origin, &vod, &missing);
        assert!(job(&vod.url).output(&out).start().finish().await.is_err());
        missing.iter().for_each(|n| origin.script(&vod.segment_paths[*n], []));
    }
    origin.reset_log();
    made(job(&vod.url), &folder, "movie.mp4").await?;
    let film = std::fs::read(&out)?;
    std::fs::remove_file(&out)?;
    made(job(&vod.url), &folder, "movie.mp4").await?;
    same(&out, &film)?;
    judge_all(&folder, &film, &vod)
}

/// Segments that end in the middle of a picture, or of a sound, or have no tables of their own.
#[tokio::test]
async fn what_is_not_whole_by_itself_is_made_of_all() -> Outcome {
    for packets in [3, 40] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Ts).cut_later(packets).publish(&origin);
        let out = folder.file("movie.mp4");
        let mut running = job(&vod.url).output(&out).start();
        let mut warnings = Vec::new();
        while let Some(event) = running.next().await {
            if let Event::Warning { kind: "output", message } = event {
                warnings.push(message);
            }
        }
        running.finish().await?;
        assert!(warnings.len() <= 1, "{packets}: {warnings:?}");
        assert_eq!(folder.names(), ["movie.mp4"]);
        judged(&out, Some(&vod.expected), &[&vod.expected])?;
        // What stays of tracks is gone on with as tracks.
        std::fs::remove_file(&out)?;
        // It is heard of when the others have turned out not to be whole.
        origin.script(&vod.segment_paths[5], [Reply::status(404).delay(1500).forever()]);
        assert!(job(&vod.url).output(&out).start().finish().await.is_err());
        origin.script(&vod.segment_paths[5], []);
        origin.reset_log();
        made(job(&vod.url), &folder, "movie.mp4").await?;
        assert!(fetched(&origin, &vod).len() <= 2, "{packets}: {:?}", fetched(&origin, &vod));
        judged(&out, Some(&vod.expected), &[&vod.expected])?;
    }
    Ok(())
}

/// Whether the job begins anew is a matter of which of the two segments comes first.
#[tokio::test]
async fn a_border_in_the_wrong_place_late_in_a_film() -> Outcome {
    for (delayed, begins_anew) in [(3, false), (4, true)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Ts).publish(&origin);
        let segments = Media::Ts.segments();
        let (head, tail) = segments[4].split_at(40 * 188);
        origin.put(&vod.segment_paths[3], [segments[3], head].concat());
        origin.put(&vod.segment_paths[4], tail.to_vec());
        origin.script(&vod.segment_paths[delayed], [Reply::resource().delay(1000).forever()]);
        let out = folder.file("movie.mp4");
        let mut running = job(&vod.url).output(&out).start();
        let mut anew = 0;
        while let Some(event) = running.next().await {
            anew += usize::from(matches!(event, Event::Warning { kind: "output", .. }));
        }
        running.finish().await?;
        assert_eq!(anew > 0, begins_anew, "{delayed} comes last");
        assert_eq!(folder.names(), ["movie.mp4"]);
        judged(&out, Some(&vod.expected), &[&vod.expected])?;
    }
    Ok(())
}

#[tokio::test]
async fn tracks_that_come_and_go_are_pieces_all_the_same() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let film = Vod::from_media(Media::Ts);
    let vod = film.then(&Vod::from_media(Media::AudioTs)).publish(&origin);
    made(job(&vod.url), &folder, "movie.mp4").await?;
    judged(&folder.file("movie.mp4"), Some(&Media::Ts.segments().concat()), &[])?;
    assert_eq!(fetched(&origin, &vod).len(), vod.segment_paths.len(), "nothing is fetched twice");
    Ok(())
}

#[tokio::test]
async fn damage_to_a_track_is_found_and_mended() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Fmp4).two_maps().publish(&origin);
    let out = folder.file("movie.mp4");
    std::fs::write(&out, "in the way")?;
    std::fs::remove_file(&out)?;
    lose(&origin, &vod, &[5]);
    assert!(job(&vod.url).output(&out).start().finish().await.is_err());
    let track = std::fs::read_dir(folder.file("movie.mp4.hls"))?.flatten().map(|entry| entry.path());
    let track =
        track.into_iter().find(|path| path.to_string_lossy().contains("track-0")).ok_or("no track")?;
    let mut bytes = std::fs::read(&track)?;
    bytes[3000] ^= 1;
    std::fs::write(&track, bytes)?;
    origin.script(&vod.segment_paths[5], []);
    made(job(&vod.url), &folder, "movie.mp4").await?;
    judged(&out, Some(&vod.expected), &[&vod.expected])
}

#[tokio::test]
async fn what_can_not_be_in_an_mp4_is_kept() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::synthetic(4, 188 * 200).publish(&origin);
    let error = job(&vod.url).output(folder.file("movie.mp4")).start().finish().await.err();
    let error = error.ok_or("a failure was expected")?;
    assert_eq!(error.kind(), Kind::Content, "{error}");
    assert!(error.kept().is_some_and(|kept| kept.contains("track-0.ts")), "{error:?}");
    same(&folder.file("movie.mp4.hls/track-0.ts"), &vod.expected)?;
    assert_eq!(folder.names(), ["movie.mp4.hls"]);
    Ok(())
}

#[tokio::test]
async fn how_far_it_is_is_told() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::new()?);
    let vod = Vod::from_media(Media::Fmp4).two_maps().publish(&origin);
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut running = job(&vod.url).output(folder.file("movie.mp4")).start();
    while let Some(event) = running.next().await {
        if let Event::Joining(joining) = event {
            told.lock().map_err(|_| "poisoned")?.push((joining.done_bytes, joining.bytes));
        }
    }
    tokio::time::timeout(Duration::from_secs(20), running.finish()).await??;
    let told = told.lock().map_err(|_| "poisoned")?;
    assert!(
        !told.is_empty() && told.iter().all(|(done, all)| done <= all && *all == vod.expected.len() as u64)
    );
    Ok(())
}

#[tokio::test]
async fn pictures_are_turned_as_their_section_says() -> Outcome {
    let section = Media::Fmp4.init().ok_or("no section")?;
    let words = |all: [u32; 9]| all.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    let plain = words([0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    // By 90 degrees, and moved back into the picture (ISO/IEC 14496-12, section 8.3.2).
    let turned = words([0, 0x1_0000, 0, 0xffff_0000, 0, 0, 90 << 16, 0, 0x4000_0000]);
    let track = section.windows(4).position(|name| name == b"tkhd").ok_or("no track")?;
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let at = track + find(&section[track..], &plain).ok_or("no matrix")?;
    let other = [&section[..at], &turned, &section[at + 36..]].concat();
    for (section, expect) in [(section.to_vec(), &plain), (other, &turned)] {
        let (origin, folder) = (Origin::start(), Folder::new()?);
        let vod = Vod::from_media(Media::Fmp4).section(section.into()).publish(&origin);
        job(&vod.url).output(folder.file("movie.mp4")).start().finish().await?;
        let film = std::fs::read(folder.file("movie.mp4"))?;
        let track = find(&film, b"tkhd").ok_or("no track")?;
        // Version 1: so many bytes are in front of it, the name included.
        assert_eq!(film[track..][56..92], expect[..]);
    }
    Ok(())
}
