//! Samples of whole MP4 files: those of other tools and of our own are right, and those that are damaged or elsewhere are found.

use std::path::PathBuf;
use std::process::Command;

use hls_media::remux::Input;
use hls_media::{Inspector, Lookahead, Problem};
use hls_testkit::{Media, judge};
use proptest::prelude::*;

use crate::remux::remux;

/// Judges a file as `hls verify` does, some bytes at a time.
fn inspect(file: &[u8], step: usize) -> Vec<Problem> {
    let mut ahead = Lookahead::new(file.len() as u64);
    while let Some(range) = ahead.wants() {
        ahead.take(&file[range.start as usize..range.end as usize]);
    }
    let mut inspector = Inspector::with_lookahead(ahead);
    let pushed = file.chunks(step.max(1)).try_for_each(|chunk| inspector.push(chunk));
    let finished = pushed.and_then(|()| inspector.finish());
    finished.map(|(_, problems)| problems).unwrap_or_default()
}

fn is_right(what: &str, file: &[u8]) {
    for step in [1 << 20, 4093] {
        assert_eq!(inspect(file, step), [], "{what}");
    }
}

/// `expect` is part of what is told.
fn is_wrong(what: &str, file: &[u8], expect: &str) {
    let told = |step| inspect(file, step).iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = told(1 << 20);
    assert!(found.iter().any(|found| found.contains(expect)), "{what}: {found:?}");
    assert_eq!(found, told(4093), "{what}: it does not depend on how the bytes come");
}

fn word(file: &[u8], at: usize) -> u32 {
    file[at..].first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}

fn put(file: &mut [u8], at: usize, word: u32) {
    file[at..at + 4].copy_from_slice(&word.to_be_bytes());
}

/// Where the bodies of boxes with a name begin.
fn bodies(file: &[u8], name: &[u8; 4]) -> Vec<usize> {
    file.windows(4).enumerate().filter(|(_, four)| four == name).map(|(at, _)| at + 4).collect()
}

/// A flat file with what is in its tables moved by some bytes.
fn moved(file: &[u8], table: usize, by: i32) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = bodies(&file, b"stco")[table];
    for entry in 0..word(&file, at + 4) as usize {
        let at = at + 8 + entry * 4;
        let to = word(&file, at).wrapping_add_signed(by);
        put(&mut file, at, to);
    }
    file
}

/// Where the first sample of a flat file is, and how long.
fn first(file: &[u8], table: usize) -> (usize, usize) {
    let (offsets, sizes) = (bodies(file, b"stco")[table], bodies(file, b"stsz")[table]);
    (word(file, offsets + 8) as usize, word(file, sizes + 12) as usize)
}

const AVC: &str = "samples that are not H.264 NAL units";
const AAC: &str = "samples that are not AAC frames";

/// Damages a flat file with H.264 and AAC in every way.
fn damage(what: &str, file: &[u8]) {
    is_right(what, file);
    for by in [1, 4, 188, -1] {
        is_wrong(&format!("{what}, pictures moved by {by}"), &moved(file, 0, by), AVC);
        is_wrong(&format!("{what}, sound moved by {by}"), &moved(file, 1, by), AAC);
    }
    let (video, audio) = (first(file, 0), first(file, 1));
    for (at, len, expect) in [(video.0, video.1, AVC), (audio.0, audio.1, AAC)] {
        let mut zeros = file.to_vec();
        zeros[at..at + len].fill(0);
        is_wrong(&format!("{what}, zeros"), &zeros, expect);
        let place = format!("one sample, at byte {at}");
        is_wrong(&format!("{what}, zeros"), &zeros, &place);
        let mut noise = file.to_vec();
        noise[at..at + len]
            .iter_mut()
            .zip(1_u32..)
            .for_each(|(byte, n)| *byte = ((n * n * 31) >> 3) as u8 | 1);
        is_wrong(&format!("{what}, noise"), &noise, expect);
    }
    for by in [1, -1] {
        let mut sizes = file.to_vec();
        let at = bodies(&sizes, b"stsz")[0] + 12;
        put(&mut sizes, at, (video.1 as u32).wrapping_add_signed(by));
        is_wrong(&format!("{what}, a size that differs by {by}"), &sizes, AVC);
    }
    // Start codes in place of lengths.
    let mut codes = file.to_vec();
    let mut at = video.0;
    while at < video.0 + video.1 {
        let len = word(&codes, at) as usize;
        put(&mut codes, at, 1);
        at += 4 + len;
    }
    is_wrong(what, &codes, "start codes (ISO/IEC 14496-10, annex B) where lengths of NAL units belong");
    // A header of ADTS that is as long as the sample.
    let mut adts = file.to_vec();
    let len = audio.1 as u32;
    let header =
        [0xff, 0xf1, 0x50, 0x80 | (len >> 11) as u8, (len >> 3) as u8, (len << 5) as u8 | 0x1f, 0xfc];
    adts[audio.0..audio.0 + 7].copy_from_slice(&header);
    is_wrong(what, &adts, "track 2 has ADTS headers in front of AAC frames: one sample");
}

#[test]
fn fragments_with_samples_elsewhere() {
    let segments = Media::Fmp4.segments();
    let file = [Media::Fmp4.init().expect("a section"), segments[0], segments[1]].concat();
    is_right("fragments", &file);
    for by in [1, 4, 188, -1] {
        let mut moved = file.clone();
        for at in bodies(&file, b"trun").into_iter().filter(|at| file[at + 3] & 1 == 1) {
            let to = word(&file, at + 8).wrapping_add_signed(by);
            put(&mut moved, at + 8, to);
        }
        is_wrong(&format!("moved by {by}"), &moved, AVC);
    }
    let mut zeros = file.clone();
    let data = bodies(&file, b"mdat")[1];
    zeros[data..data + 40].fill(0);
    is_wrong("zeros", &zeros, &format!("one sample, at byte {data}"));
}

#[test]
fn exchanged_tracks() {
    // Fragments that name the other track of two.
    let segments = Media::Fmp4.segments();
    let file = [Media::Fmp4.init().expect("a section"), segments[0], segments[1]].concat();
    let mut exchanged = file.clone();
    let heads = bodies(&file, b"tfhd");
    assert_eq!(heads.len(), 4, "two tracks in each fragment");
    heads.iter().for_each(|at| put(&mut exchanged, at + 4, 3 - word(&file, at + 4)));
    is_wrong("exchanged", &exchanged, AVC);
    is_wrong("exchanged", &exchanged, AAC);
    // The same pictures, in a track that says it has sound.
    let output = remux(&[(Input::default(), &joined(Media::Ts))], &[]).expect("it can be remuxed").mp4;
    let (video, audio) = (bodies(&output, b"stco")[0], bodies(&output, b"stco")[1]);
    let mut exchanged = output.clone();
    let count = word(&output, video + 4).min(word(&output, audio + 4)) as usize;
    for at in (0..count).map(|entry| 8 + entry * 4) {
        put(&mut exchanged, video + at, word(&output, audio + at));
        put(&mut exchanged, audio + at, word(&output, video + at));
    }
    is_wrong("exchanged", &exchanged, AVC);
    is_wrong("exchanged", &exchanged, AAC);
}

fn joined(media: Media) -> Vec<u8> {
    let section = media.init().unwrap_or_default().to_vec();
    media.segments().iter().take(2).fold(section, |all, segment| [&all[..], segment].concat())
}

#[test]
fn our_own_files() {
    for media in [Media::Ts, Media::Fmp4, Media::AudioTs, Media::AudioFmp4, Media::AudioAdts] {
        let output = remux(&[(Input::default(), &joined(media))], &[]).expect("it can be remuxed");
        is_right(&format!("{media:?}"), &output.mp4);
        if media == Media::Ts {
            damage("ours", &output.mp4);
        }
    }
}

/// Makes files with ffmpeg. Each is made of its options, or of another file.
fn made(files: &[(&str, &str)], mut each: impl FnMut(&str, Vec<u8>)) {
    if !judge::has_tool("ffmpeg") {
        judge::skip("ffmpeg is not installed");
        return;
    }
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("hls-media-samples-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, options) in files {
        let path: PathBuf = folder.join(name);
        let options = options
            .replace("PICTURES", "-f lavfi -i testsrc2=s=128x72:r=25:d=3")
            .replace("NOISE", "-f lavfi -i anoisesrc=r=48000:d=3:a=0.3")
            .replace("X264", "-c:v libx264 -preset ultrafast -bf 2 -g 25 -pix_fmt yuv420p")
            .replace("X265", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p");
        let run = Command::new("ffmpeg")
            .current_dir(&folder)
            .args(["-nostdin", "-v", "error"])
            .args(options.split(' '))
            .args(["-strict", "-2"])
            .arg(&path)
            .output()
            .expect("ffmpeg runs");
        let told = String::from_utf8_lossy(&run.stderr);
        if told.contains("Unknown encoder") {
            judge::skip(&format!("{name}: {told}"));
            continue;
        }
        assert!(run.status.success(), "{name}: {told}");
        each(name, std::fs::read(&path).expect("it is there"));
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn files_of_other_tools_are_right() {
    let files = [
        ("a.mp4", "PICTURES NOISE X264 -c:a aac"),
        ("fast.mp4", "-i a.mp4 -c copy -movflags faststart"),
        ("fragments.mp4", "-i a.mp4 -c copy -movflags frag_keyframe+empty_moov"),
        ("behind.mp4", "-i a.mp4 -c copy -movflags frag_keyframe"),
        ("cmaf.mp4", "-i a.mp4 -c copy -movflags cmaf"),
        ("dash.mp4", "-i a.mp4 -c copy -movflags dash+frag_every_frame"),
        ("cut.mp4", "-ss 1.3 -i a.mp4 -c copy"),
        ("later.mp4", "-itsoffset 0.7 -i a.mp4 -c copy"),
        ("aud.mp4", "-i a.mp4 -c copy -bsf:v h264_metadata=aud=insert"),
        ("smooth.ismv", "-i a.mp4 -c copy"),
        ("a.mov", "PICTURES NOISE X264 -c:a pcm_s16le -timecode 01:00:00:00"),
        ("hevc.mp4", "PICTURES NOISE X265 -c:a ac3"),
        ("hevc.mov", "-i hevc.mp4 -c copy -tag:v hvc1"),
        (
            "refresh.mp4",
            "PICTURES -c:v libx264 -x264-params intra-refresh=1:keyint=20 -slices 3 -pix_fmt yuv420p",
        ),
        ("fields.mp4", "PICTURES -c:v libx264 -flags +ildct+ilme -x264-params tff=1 -pix_fmt yuv420p"),
        ("ac3.mov", "NOISE -c:a ac3 -ar 44100"),
        ("eac3.mp4", "NOISE -c:a eac3 -ac 6"),
        ("mp3.mp4", "NOISE -c:a libmp3lame -q:a 3"),
        ("mp2.mp4", "NOISE -c:a mp2"),
        ("opus.mp4", "NOISE -c:a libopus"),
        ("opus6.mp4", "NOISE -c:a libopus -ac 6"),
        ("opus60.mp4", "NOISE -c:a libopus -application voip -b:a 12k -frame_duration 60"),
        ("dts.mp4", "NOISE -c:a dca"),
        ("flac.mp4", "NOISE -c:a flac"),
        ("alac.m4a", "NOISE -c:a alac"),
        ("mono.m4a", "NOISE -c:a aac -ac 1"),
        ("six.m4a", "NOISE -c:a aac -ac 6"),
        ("silence.m4a", "-f lavfi -i anullsrc=cl=stereo -t 2 -c:a aac"),
        ("vp9.mp4", "PICTURES -c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
        ("av1.mp4", "-f lavfi -i testsrc2=s=64x64:r=10:d=1 -c:v libaom-av1 -cpu-used 8"),
        ("mpeg4.mp4", "PICTURES -c:v mpeg4 -bf 2"),
        ("mjpeg.mp4", "PICTURES -c:v mjpeg -pix_fmt yuvj420p"),
    ];
    made(&files, |name, file| is_right(name, &file));
}

#[test]
fn files_of_other_tools_that_are_damaged() {
    made(
        &[("a.mp4", "PICTURES NOISE X264 -c:a aac"), ("b.mp4", "-i a.mp4 -c copy -movflags faststart")],
        |name, file| {
            damage(name, &file);
        },
    );
    let of = |codec: &str| format!("samples that are not {codec}");
    for (options, expect) in [
        ("PICTURES X265", of("HEVC NAL units")),
        ("NOISE -c:a ac3", of("AC-3 or E-AC-3 frames")),
        ("NOISE -c:a eac3", of("AC-3 or E-AC-3 frames")),
        ("NOISE -c:a libmp3lame", of("MPEG audio frames")),
        ("NOISE -c:a dca", of("DTS frames")),
        ("NOISE -c:a libopus", of("Opus packets")),
        ("NOISE -c:a flac", of("FLAC frames")),
        ("PICTURES -c:v libvpx-vp9 -deadline realtime -cpu-used 8", of("VP9 frames")),
    ] {
        made(&[("a.mp4", options)], |_, file| {
            for by in [1, 4, 188, -1] {
                is_wrong(&format!("{options}, moved by {by}"), &moved(&file, 0, by), &expect);
            }
            let (at, len) = first(&file, 0);
            let mut zeros = file.clone();
            zeros[at..at + len].fill(0);
            is_wrong(&format!("{options}, zeros"), &zeros, &expect);
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_files_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), near in any::<bool>(), step in 1..5000_usize) {
        let mut file = joined(Media::Fmp4);
        let most = if near { 2000 } else { file.len() };
        for (at, byte) in flips {
            file[at.index(most)] = byte;
        }
        inspect(&file, step);
    }
}
