//! Several clocks and several inputs: one timeline, and all of it is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hls_media::remux::{Input, Irregularity, Takes, TextCue, TextTrack, Unit};

use super::decoded::Decoded;
use super::made::{AVC, folder, has_ffmpeg, made, source};
use super::{Output, remux, unit};

const AAC: &str = "-c:a aac -b:a 64k";

fn part(size: &str, offset: u32) -> PathBuf {
    let source = source(size, "25", 48_000);
    made("ts", &format!("{source} {AVC} {AAC} -output_ts_offset {offset} -f mpegts"))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("the file is there")
}

fn written(name: &str, output: &Output) -> PathBuf {
    let path = folder().join(format!("{name}.out.mp4"));
    fs::write(&path, &output.mp4).expect("it can be written");
    path
}

/// Joins two parts, and compares the pictures with those of both, one after the other.
fn joined(name: &str, first: &Path, second: &Path, timeline: u64) -> (Output, Decoded) {
    let (a, b) = (read(first), read(second));
    let input = Input { units: vec![unit(0, 0), unit(a.len(), timeline)], ..Input::default() };
    let output = remux(&[(input, &[a, b].concat())], &[]).expect("it can be remuxed");
    let after = Decoded::of(&written(name, &output), true, 1);
    let (mut before, second) = (Decoded::of(first, true, 1), Decoded::of(second, true, 1));
    assert_eq!(after.complaints, "", "{name}");
    before.pictures.extend(second.pictures.clone());
    assert_eq!(after.pictures.len(), 200, "{name}");
    assert!(before.pictures == after.pictures, "{name}: pictures differ");
    // Both parts as they were, the second one as a whole behind the first.
    let (from, to) = (second.begin(), after.video_times[100] - (second.video_times[0] - second.begin()));
    for (before, after) in second.video_times.iter().zip(&after.video_times[100..]) {
        assert!((after - to - (before - from)).abs() < 0.000_013, "{name}");
    }
    let frames = before.audio_times[0].len();
    for (before, after) in second.audio_times[0].iter().zip(&after.audio_times[0][frames..]) {
        let off = after - to - (before - from);
        assert!(off.abs() < 0.000_035, "{name}: audio is {off} s off at {after}");
    }
    let seam = after.video_times[100] - after.video_times[99];
    assert!((0.0399..0.09).contains(&seam), "{name}: {seam} s between the parts");
    (output, after)
}

#[test]
fn a_discontinuity() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let (output, _) = joined("discontinuity", &part("160x90", 0), &part("160x90", 70_000), 1);
    assert_eq!(output.report.findings, []);
    let (output, _) = joined("back", &part("160x90", 70_000), &part("160x90", 0), 1);
    assert_eq!(output.report.findings, []);
}

#[test]
fn a_jump_that_nobody_told_of() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let (output, _) = joined("jump", &part("160x90", 500), &part("160x90", 0), 0);
    let jumps = output.report.findings.iter().filter(|f| matches!(f.what, Irregularity::Jump { .. })).count();
    assert_eq!((jumps, output.report.findings.len()), (1, 1), "{:?}", output.report);
}

/// The first unit of sound begins where that of the pictures in front of it did, which is no jump.
#[test]
fn a_unit_of_its_own_for_each_track() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let flags = "+frag_keyframe+delay_moov+default_base_moof+separate_moof";
    let source = source("160x90", "25", 48_000);
    let path = made("mp4", &format!("{source} {AVC} {AAC} -f mp4 -movflags {flags}"));
    let (bytes, mut offsets, mut at) = (read(&path), Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + 8) {
        if &head[4..] == b"moof" {
            offsets.push(at);
        }
        at += u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    }
    assert!(offsets.len() >= 6, "{offsets:?}");
    let units = offsets.iter().enumerate().map(|(n, at)| Unit {
        duration: Duration::from_secs(4) / offsets.len() as u32,
        ..unit(if n == 0 { 0 } else { *at }, 0)
    });
    let input = Input { units: units.collect(), ..Input::default() };
    let output = remux(&[(input, &bytes)], &[]).expect("it can be remuxed");
    // That the last units are shorter than the others is told.
    let is_jump = |what: &Irregularity| matches!(what, Irregularity::Jump { .. });
    assert!(!output.report.findings.iter().any(|found| is_jump(&found.what)), "{:?}", output.report);
    let (before, after) = (Decoded::of(&path, true, 1), Decoded::of(&written("separate", &output), true, 1));
    assert!(before.pictures == after.pictures && after.complaints.is_empty(), "{}", after.complaints);
    let (sounds, placed) = (&before.audio_times[0], &after.audio_times[0]);
    assert_eq!(sounds.len(), placed.len());
    for (before, after) in before.video_times.iter().zip(&after.video_times).chain(sounds.iter().zip(placed))
    {
        assert!((after - before).abs() < 0.000_05, "{before} became {after}");
    }
}

/// An advertisement without sound, where the sound of a stream is all that is taken.
#[test]
fn sound_alone_over_a_part_without_sound() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let silent = made("ts", &format!("{} {AVC} -an -f mpegts", source("160x90", "25", 48_000)));
    // Where the timestamps go on behind it as if it were not there, the playlist still has it.
    for offset in [0, 4, 70_000] {
        let (first, second) = (part("160x90", 0), part("160x90", offset));
        let (a, b, c) = (read(&first), read(&silent), read(&second));
        let units = vec![unit(0, 0), unit(a.len(), 1), unit(a.len() + b.len(), 2)];
        let input = Input { units, takes: Takes::Sound, ..Input::default() };
        let output = remux(&[(input, &[a, b, c].concat())], &[]).expect("it can be remuxed");
        let after = Decoded::of(&written("silent", &output), false, 1);
        let times = &after.audio_times[0];
        let frames = Decoded::of(&first, true, 1).audio_times[0].len();
        let (before, behind) = (times[frames - 1], times[frames]);
        // The unit of pictures has four seconds by its playlist, and a frame of sound 21 ms.
        assert!((behind - before - 4.02).abs() < 0.03, "{offset}: {before} to {behind}");
    }
}

#[test]
fn other_parameter_sets() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let (first, second) = (part("160x90", 0), part("128x96", 0));
    let (a, b) = (read(&first), read(&second));
    let input = Input { units: vec![unit(0, 0), unit(a.len(), 1)], ..Input::default() };
    let output = remux(&[(input, &[a, b].concat())], &[]).expect("it can be remuxed");
    let path = written("sps", &output);
    // Decoded without anything that would scale the second part to the size of the first.
    let run = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-v", "warning", "-i"])
        .arg(&path)
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-autoscale", "0", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg runs");
    let found = String::from_utf8_lossy(&run.stdout);
    let found =
        found.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(',').next());
    let found = found.map(|hash| hash.trim().to_owned()).collect::<Vec<_>>();
    let mut expect = Decoded::of(&first, true, 1).pictures;
    expect.extend(Decoded::of(&second, true, 1).pictures);
    assert_eq!(found.len(), 200);
    assert_eq!(found, expect);
    assert_eq!(output.mp4.windows(4).filter(|four| four == b"avcC").count(), 2, "two sample entries");
}

/// MP3 encoders put a frame in front that says how long all is, and has no sound.
#[test]
fn the_index_of_mp3_is_no_sound() {
    if !has_ffmpeg(&["libmp3lame"]) {
        return;
    }
    for (hertz, channels) in [(44_100, 2), (44_100, 1), (22_050, 2), (22_050, 1)] {
        let of = |index: u8| {
            let sound =
                format!("-f lavfi -i sine=f=440:r={hertz}:d=4 -ac {channels} -c:a libmp3lame -b:a 64k");
            let bytes = read(&made("mp3", &format!("{sound} -id3v2_version 0 -write_xing {index} -f mp3")));
            let output = remux(&[(Input::default(), &bytes)], &[]).expect("it can be remuxed");
            (bytes.len(), Decoded::of(&written("index", &output), false, 1).sounds)
        };
        let (with, without) = (of(1), of(0));
        assert!(with.0 > without.0 && with.1 == without.1, "{hertz} Hz, {channels} channels");
    }
}

#[test]
fn another_program_is_missed() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let source = source("160x90", "25", 48_000);
    let programs = "-program program_num=1:st=0 -program program_num=2:st=1";
    let bytes = read(&made("ts", &format!("{source} {AVC} {AAC} -map 0:v -map 1:a {programs} -f mpegts")));
    let output = remux(&[(Input::default(), &bytes)], &[]).expect("it can be remuxed");
    let left_out: Vec<_> =
        output.report.left_out.iter().map(|one| (one.what.as_str(), one.is_missed)).collect();
    assert_eq!(left_out, [("another program", true)]);
    assert_eq!(output.mp4.windows(4).filter(|four| four == b"trak").count(), 1);
}

/// Players read none of a second type of sample entry: parts that keep their parameter sets elsewhere (`avc1`, `avc3`) become one type.
#[test]
fn sample_entries_of_two_types() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let flags = "-f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof";
    let source = source("160x90", "25", 48_000);
    let first = read(&made("mp4", &format!("{source} {AVC} -an {flags}")));
    let mut second = first.clone();
    let entry = second.windows(4).position(|four| four == b"avcC").expect("an entry") - 86;
    assert_eq!(&second[entry..entry + 4], b"avc1");
    second[entry + 3] = b'3';
    for (a, b) in [(&first, &second), (&second, &first)] {
        let input = Input { units: vec![unit(0, 0), unit(a.len(), 1)], ..Input::default() };
        let output = remux(&[(input, &[&a[..], b].concat())], &[]).expect("it can be remuxed");
        let after = Decoded::of(&written("types", &output), true, 0);
        assert_eq!((after.complaints.as_str(), after.pictures.len()), ("", 200));
        let count = |name: &[u8]| output.mp4.windows(4).filter(|four| *four == name).count();
        assert_eq!((count(b"avc3"), count(b"avcC")), (2, 2));
    }
}

#[test]
fn audio_of_its_own() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    // The sound begins later than the picture, and is in three containers.
    let whole =
        made("ts", &format!("{} {AVC} {AAC} -af adelay=0 -f mpegts", source("160x90", "30000/1001", 44_100)));
    let shown = whole.display();
    let video =
        made("ts", &format!("-copyts -i {shown} -map 0:v -c copy -muxdelay 0 -muxpreload 0 -f mpegts"));
    let audio =
        made("ts", &format!("-copyts -i {shown} -map 0:a -c copy -muxdelay 0 -muxpreload 0 -f mpegts"));
    let adts = made("aac", &format!("-i {shown} -map 0:a -c copy -f adts"));
    let before = Decoded::of(&whole, true, 1);
    let time = (before.audio_times[0][0] * 90_000.0).round() as u64;
    let id3 = [
        &b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0"[..],
        &time.to_be_bytes(),
    ];
    let packed = [&id3.concat()[..], &read(&adts)].concat();
    let video = read(&video);
    for (name, audio) in [("audio-ts", read(&audio)), ("audio-packed", packed)] {
        let of = |language: &str| Input { language: Some(language.to_owned()), ..Input::default() };
        let output = remux(&[(of("en"), &video), (of("de-AT"), &audio)], &[]).expect("it can be remuxed");
        assert_eq!(output.report.findings, [], "{name}");
        before.check(&Decoded::of(&written(name, &output), true, 1), name);
    }
}

/// By how much the sound of its own playlist begins later than the pictures by its timestamps, and in the film.
#[test]
fn sound_of_its_own_that_begins_late() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let input = || Input {
        units: vec![Unit { duration: Duration::from_secs(2), ..Unit::default() }],
        ..Input::default()
    };
    for (begins, late, expect) in [
        (100, 3, 3.0),
        (100, 5, 5.0),
        (100, -5, -5.0),
        // The clock of 33 bits begins anew between the two.
        (95_440, 5, 5.0),
        // Most of it would lie behind the last picture.
        (100, 9, 0.0),
        (100, 900, 0.0),
        (100, -60, 0.0),
    ] {
        let picture = "-f lavfi -i testsrc2=s=64x36:r=25:d=12 -pix_fmt yuv420p -threads 1";
        let video = made("ts", &format!("{picture} {AVC} -output_ts_offset {begins} -f mpegts"));
        let sound = "-f lavfi -i sine=f=440:r=48000:d=12";
        let audio = made("ts", &format!("{sound} {AAC} -output_ts_offset {} -f mpegts", begins + late));
        let (video, audio) = (read(&video), read(&audio));
        let output = remux(&[(input(), &video), (input(), &audio)], &[]).expect("it can be remuxed");
        let after = Decoded::of(&written("late", &output), true, 1);
        let is = after.audio_times[0][0] - after.video_times[0];
        assert!((is - expect).abs() < 0.1, "{begins} and {late}: {is}");
        let is_told = |what: &Irregularity| matches!(what, Irregularity::Baseline { .. });
        let is_told = output.report.findings.iter().any(|found| is_told(&found.what));
        assert_eq!(is_told, expect == 0.0, "{begins} and {late}: {:?}", output.report);
    }
}

#[test]
fn several_languages_in_one_stream() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let tones = "-f lavfi -i sine=f=880:r=44100:d=4";
    let maps = "-map 0 -map 1 -map 2 -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu";
    let source = source("160x90", "25", 48_000).replace(" -pix_fmt", &format!(" {tones} {maps} -pix_fmt"));
    let path = made("ts", &format!("{source} {AVC} -c:a:0 aac -b:a 64k -c:a:1 ac3 -b:a:1 96k -f mpegts"));
    let output = remux(&[(Input::default(), &read(&path))], &[]).expect("it can be remuxed");
    assert_eq!(output.report.findings, []);
    let to = written("languages", &output);
    Decoded::of(&path, true, 2).check(&Decoded::of(&to, true, 2), "languages");
    let run = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=codec_name:stream_tags=language:stream_disposition=default"])
        .arg(&to)
        .output()
        .expect("ffprobe runs");
    // Where a stream has side data, its line ends with an empty field.
    let said = String::from_utf8_lossy(&run.stdout);
    let lines: Vec<_> = said.lines().map(|line| line.trim_end_matches(',')).collect();
    assert_eq!(lines, ["aac,1,eng", "ac3,0,deu"]);
}

#[test]
fn gaps_are_kept_and_are_chapters() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    // The second of three parts is missing; the third has the timestamps that it had in the whole.
    let (a, c) = (read(&part("160x90", 10)), read(&part("160x90", 18)));
    let gap = Unit { is_gap: true, chapter: Some("gap 4 s, 21:14:08".to_owned()), ..unit(a.len(), 0) };
    let units = vec![Unit { chapter: Some("begin".to_owned()), ..unit(0, 0) }, gap, unit(a.len(), 0)];
    let input = Input { units, ..Input::default() };
    let cue = |begin, end, text: &str| TextCue {
        begin: Duration::from_millis(begin),
        end: Duration::from_millis(end),
        text: text.to_owned(),
    };
    let texts = [TextTrack {
        language: Some("fr".to_owned()),
        cues: vec![cue(500, 1500, "un"), cue(9000, 10_000, "deux")],
        ..TextTrack::default()
    }];
    let output = remux(&[(input, &[a, c].concat())], &texts).expect("it can be remuxed");
    let path = written("gap", &output);
    let after = Decoded::of(&path, true, 1);
    assert_eq!(after.complaints, "");
    assert!(
        (after.video_times[100] - after.video_times[99] - 4.04).abs() < 0.0001,
        "{:?}",
        &after.video_times[98..102]
    );
    let holes = output.report.findings.iter().filter(|f| matches!(f.what, Irregularity::Hole { .. })).count();
    assert_eq!(holes, output.report.findings.len(), "{:?}", output.report);
    assert_eq!(holes, 2, "one for each track: {:?}", output.report);
    let run = std::process::Command::new("ffprobe")
        // At a higher level it complains of any text track of chapters, its own ones too.
        .args(["-v", "error", "-show_chapters", "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .expect("ffprobe runs");
    let (chapters, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert_eq!(complaints, "");
    let rows = chapters.lines().map(|line| line.split(',').collect::<Vec<_>>()).collect::<Vec<_>>();
    assert_eq!(rows.len(), 2, "{chapters}");
    let at: f64 = rows[1][3].parse().expect("a time");
    assert!((at - after.video_times[99] - 0.04).abs() < 0.03, "{chapters}");
    assert!(chapters.contains("begin") && chapters.contains("gap 4 s, 21:14:08"), "{chapters}");
    let run = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-i"])
        .arg(&path)
        .args(["-map", "0:s:0", "-f", "srt", "-"])
        .output()
        .expect("ffmpeg runs");
    let srt = String::from_utf8_lossy(&run.stdout).replace("\r\n", "\n");
    assert_eq!(srt, "1\n00:00:00,500 --> 00:00:01,500\nun\n\n2\n00:00:09,000 --> 00:00:10,000\ndeux\n\n");
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
}

#[test]
fn timestamps_of_subtitles_find_their_place() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let first = part("160x90", 500);
    let (a, b) = (read(&first), read(&part("160x90", 70_000)));
    let begin = Decoded::of(&first, true, 1).begin();
    let input = Input { units: vec![unit(0, 3), unit(a.len(), 4)], ..Input::default() };
    let output = remux(&[(input, &[a, b].concat())], &[]).expect("it can be remuxed");
    let millis = |timeline, seconds: f64| {
        let timestamp = ((begin + seconds) * 90_000.0).round() as u64;
        (output.timeline.micros(timeline, timestamp) as f64 / 1000.0).round()
    };
    assert_eq!(millis(3, 1.0), 1000.0);
    assert_eq!(millis(3, -1.0), -1000.0);
    // Timestamps come around.
    assert_eq!(millis(3, 8_589_934_592.0 / 90_000.0 + 1.0), 1000.0);
    // The last frame of audio in the first part ends a little behind its last picture.
    let second = millis(4, 69_501.0);
    assert!((5000.0..5100.0).contains(&second), "{second}");
    // Nothing but the subtitles has the next one.
    assert_eq!(millis(5, 69_501.0), second);
}

#[test]
fn sound_that_is_not_wanted() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    let path = part("160x90", 0);
    let bytes = read(&path);
    for (takes, has_video, sounds) in [(Takes::Pictures, true, 0), (Takes::Sound, false, 1)] {
        let output = remux(&[(Input { takes, ..Input::default() }, &bytes)], &[]).expect("it can be remuxed");
        let written = written("taken", &output);
        let (before, after) =
            (Decoded::of(&path, has_video, sounds), Decoded::of(&written, has_video, sounds));
        before.check(&after, "taken");
        let tracks = output.mp4.windows(4).filter(|four| four == b"trak").count();
        assert_eq!(tracks, 1, "{takes:?}");
    }
}
