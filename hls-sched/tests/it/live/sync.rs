//! Picture and sound of their own: once joined by their timestamps they are as far apart as they were in the stream. The judge
//! is ffprobe.

use std::process::Command;

use hls_media::remux::{Index, Input, Remuxer, Step};
use hls_sched::From;
use hls_testkit::{Media, Of, Offer, Outage, judge};

use super::*;

/// How far picture and sound may be apart from where they were.
const MOST_APART: f64 = 0.05;
/// Seconds in a frame of sound, and what all timestamps of a transport stream of the test kit begin with.
const FRAME: f64 = 1024.0 / 48_000.0;
const BASE: f64 = 1.4;

/// When the packets of the first stream of this kind are shown, in seconds, in order.
fn shown(file: &Path, kind: &str) -> Result<Vec<f64>, Box<dyn Error>> {
    let run = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0"])
        .arg(file)
        .output()?;
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let times = text.split([',', '\n']).filter(|time| !time.is_empty()).map(str::parse);
    let mut times = times.collect::<Result<Vec<f64>, _>>()?;
    times.sort_by(f64::total_cmp);
    if times.is_empty() {
        Err(format!("no packets: {}", String::from_utf8_lossy(&run.stderr)).into())
    } else {
        Ok(times)
    }
}

/// Makes one MP4 of two recordings.
fn join(picture: &Path, sound: &Path, to: &Path) -> Outcome {
    let files = [std::fs::read(picture)?, std::fs::read(sound)?];
    let mut inputs = Vec::new();
    for bytes in &files {
        let mut index = Index::new(Input::default());
        index.push(bytes)?;
        inputs.push(index.finish()?);
    }
    let mut remuxer = Remuxer::new(inputs, &[])?;
    let (mut out, mut is_read) = (Vec::new(), [false; 2]);
    loop {
        match remuxer.step()? {
            Step::Write(bytes) => out.extend_from_slice(bytes),
            Step::Read(input) if std::mem::replace(&mut is_read[input], true) => remuxer.end(input)?,
            Step::Read(input) => remuxer.push(input, &files[input])?,
            Step::Done => break,
        }
    }
    Ok(std::fs::write(to, out)?)
}

/// The first and the last segment of a track that a file has.
fn ends(recorded: &Recorded, track: usize, file: &Path) -> Result<(Offer, Offer), Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let offered = recorded.air.transmission().offered(track, Duration::from_secs(1 << 20));
    let first = offered.iter().find(|offer| bytes.starts_with(&offer.bytes()));
    let last = offered.iter().rev().find(|offer| bytes.ends_with(&offer.bytes()));
    let (first, last) = first.zip(last).ok_or("it begins or ends with no segment")?;
    Ok((first.clone(), last.clone()))
}

/// Records both tracks, and holds them against the stream.
async fn in_step(
    name: &str,
    broadcast: &Broadcast,
    longest: Duration,
    with: impl Fn(JobBuilder) -> JobBuilder,
) -> Result<Recorded, Box<dyn Error>> {
    let air = OnAir::new(broadcast).latency(Duration::from_millis(40));
    let recorded = record_from(air, &broadcast.master_path(), &with).await?;
    let [picture, sound] = &recorded.done.outputs[..] else {
        return Err(format!("{name}: {:?}", recorded.done.outputs).into());
    };
    let (pictures, sounds) = (ends(&recorded, 0, picture)?, ends(&recorded, 1, sound)?);
    let apart = pictures.0.start.abs_diff(sounds.0.start);
    assert!(apart < longest, "{name}: they begin {apart:?} apart");
    let end = |offer: &Offer| offer.start + offer.duration;
    let apart = end(&pictures.1).abs_diff(end(&sounds.1));
    assert!(apart < longest, "{name}: they end {apart:?} apart");

    // What the timestamps of the first and the last picture are in the stream.
    let alone = recorded.folder.file("alone.ts");
    std::fs::write(&alone, pictures.0.bytes())?;
    let first_picture = shown(&alone, "v:0")?[0];
    std::fs::write(&alone, pictures.1.bytes())?;
    let last_picture = *shown(&alone, "v:0")?.last().ok_or("no picture")?;
    // Sound is cut where a frame begins.
    let frame = |time: Duration| (time.as_secs_f64() / FRAME).ceil();
    let first_sound = BASE + frame(sounds.0.start) * FRAME;
    let last_sound = BASE + (frame(end(&sounds.1)) - 1.0) * FRAME;

    let joined = recorded.folder.file("joined.mp4");
    join(picture, sound, &joined)?;
    judge::ffmpeg_silent(&joined).check();
    // The same, made by the recording itself.
    let film = recorded.folder.file("film.mp4");
    let air = OnAir::new(broadcast).latency(Duration::from_millis(40));
    let made = with(job(&air, &broadcast.master_path())).output(&film).start().finish().await?;
    assert_eq!(made.outputs, std::slice::from_ref(&film));
    judge::ffmpeg_silent(&film).check();
    // The picture brings sound of its own along, which is the first, and which a film leaves out.
    for (file, sound) in [(joined, "a:1"), (film, "a:0")] {
        let (v, a) = (shown(&file, "v:0")?, shown(&file, sound)?);
        let last = |times: &[f64]| times.last().copied().unwrap_or_default();
        let off = [
            (v[0] - a[0]) - (first_picture - first_sound),
            (last(&v) - last(&a)) - (last_picture - last_sound),
        ];
        let file = file.display();
        assert!(off.iter().all(|off| off.abs() <= MOST_APART), "{name}: {off:?} s apart in {file}");
    }
    Ok(recorded)
}

#[tokio::test(start_paused = true)]
async fn picture_and_sound_are_in_step_with_and_without_dates() -> Outcome {
    if !judge::has_tool("ffprobe") {
        judge::skip("ffprobe is not installed");
        return Ok(());
    }
    let ms = Duration::from_millis;
    for segment in [ms(1500), ms(3200)] {
        let stream = || {
            Broadcast::from_media(Media::Ts).real_audio("en", segment, 700).running(13).window(6).total(30)
        };
        for (kind, broadcast) in [("dated", stream().dated(1_772_323_190_000)), ("undated", stream())] {
            for (begin, from) in
                [("start", None), ("live", Some(From::Live)), ("back", Some(From::Back(SECOND * 5)))]
            {
                let name = format!("sound of {segment:?}, {kind}, from {begin}");
                in_step(&name, &broadcast, segment.max(SECOND * 2), |job| match from {
                    Some(from) => job.from(from),
                    None => job,
                })
                .await?;
            }
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gap_of_one_track_moves_neither() -> Outcome {
    if !judge::has_tool("ffprobe") {
        judge::skip("ffprobe is not installed");
        return Ok(());
    }
    let stream =
        || Broadcast::from_media(Media::Ts).real_audio("en", SECOND * 2, 700).running(13).window(4).total(40);
    for (name, broadcast) in [("dated", stream().dated(1_772_323_190_000)), ("undated", stream())] {
        for track in [0, 1] {
            let outage = Outage::new(Of::Playlists, SECOND * 10, SECOND * 16).on_track(track);
            let name = format!("{name}, no playlists of track {track}");
            let recorded = in_step(&name, &broadcast.clone().outage(outage), SECOND * 3, |job| job).await?;
            let of: Vec<_> = recorded.done.gaps.iter().map(|gap| gap.track).collect();
            assert_eq!(of, [track as u8], "{name}");
        }
    }
    Ok(())
}
