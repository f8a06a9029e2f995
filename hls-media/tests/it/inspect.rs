//! Whole files: what is right about those that tools write, and what is wrong with those that lack something.

use std::process::Command;

use hls_media::{Inspector, MediaError, Problem};
use hls_testkit::{Media, judge};

fn inspect(bytes: &[u8], chunk: usize) -> Result<Vec<Problem>, MediaError> {
    let mut inspector = Inspector::new();
    for chunk in bytes.chunks(chunk) {
        inspector.push(chunk)?;
    }
    inspector.finish().map(|(_, problems)| problems)
}

/// The segments of a stream in this order, behind its section.
fn joined(media: Media, order: &[usize]) -> Vec<u8> {
    let segments = media.segments();
    let section = media.init().unwrap_or_default().to_vec();
    order.iter().fold(section, |all, n| [&all[..], segments[*n]].concat())
}

#[test]
fn what_is_missing_or_there_twice_is_found() {
    for media in [Media::Ts, Media::Fmp4, Media::AudioTs, Media::AudioFmp4] {
        let check = |order: &[usize], expect: &str| {
            let bytes = joined(media, order);
            for chunk in [1 << 20, 1000, 77] {
                let problems = inspect(&bytes, chunk).expect("whole in its parts");
                let found = problems.first().map(ToString::to_string).unwrap_or_default();
                assert!(
                    found.contains(expect) && found.is_empty() == expect.is_empty(),
                    "{media:?} {order:?}: {found}"
                );
            }
        };
        check(&[0, 1, 2, 3, 4, 5], "");
        check(&[0, 1, 3, 4, 5], "are missing");
        check(&[0, 1, 1, 2, 3], "go back");
        check(&[0, 1, 2, 3, 4, 5, 0, 1, 2, 3], "go back");
        check(&[0, 4, 1, 2], "are missing");
    }
}

#[test]
fn padding_encryption_and_broken_tables_are_found() {
    let check = |what: &str, bytes: &[u8], expect: fn(&Problem) -> bool| {
        let problems = inspect(bytes, 10_000).expect("whole in its parts");
        assert!(problems.iter().any(expect), "{what}: {problems:?}");
    };
    let segments = Media::Ts.segments();
    let padding = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat().repeat(100);
    let padded = [segments[0], segments[1], &padding, segments[2], segments[3]].concat();
    check("padding", &padded, |problem| matches!(problem, Problem::Padding { packets: 100, .. }));
    let mut scrambled = joined(Media::Ts, &[0, 1]);
    for packet in scrambled.chunks_mut(188).filter(|packet| packet[1] & 0x1f == 1) {
        packet[3] |= 0x80;
    }
    check("scrambled", &scrambled, |problem| matches!(problem, Problem::Encrypted { .. }));
    let mut lost = joined(Media::Ts, &[0, 1]);
    lost[188 * 30] = 0;
    check("out of step", &lost, |problem| *problem == Problem::Odd { at: 188 * 30 });
    let mut locked = joined(Media::Fmp4, &[0, 1]);
    let at = locked.windows(4).rposition(|four| four == b"avc1").expect("it is H.264");
    locked[at..at + 4].copy_from_slice(b"encv");
    check("encv", &locked, |problem| matches!(problem, Problem::Encrypted { .. }));
    let section = Media::Fmp4.init().expect("it has one");
    let moof = Media::Fmp4.segments()[0];
    let mut away = [section, moof].concat();
    let run = away.windows(4).rposition(|four| four == b"trun").expect("it has runs");
    away[run + 12..run + 16].copy_from_slice(&0x0700_0000_u32.to_be_bytes());
    check("data elsewhere", &away, |problem| matches!(problem, Problem::Outside { .. }));
}

#[test]
fn files_of_other_tools_are_right() {
    if !judge::has_tool("ffmpeg") {
        judge::skip("ffmpeg is not installed");
        return;
    }
    let folder = std::env::temp_dir().join(format!("hls-media-inspect-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let video = "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p";
    for (made, name) in [
        (format!("-map 0 -map 1 {video} -c:a aac"), "a.ts"),
        (format!("-map 0 -map 1 {video} -c:a mp2 -muxrate 2M"), "b.ts"),
        ("-map 1 -c:a aac".to_owned(), "c.ts"),
        (format!("-map 0 {video} -vf select='not(mod(n\\,30))' -fps_mode vfr"), "d.ts"),
        (format!("-map 0 -map 1 {video} -c:a aac"), "e.mp4"),
        (format!("-map 0 -map 1 {video} -c:a aac -movflags faststart -output_ts_offset 5"), "f.mp4"),
        (
            format!("-map 0 -map 1 {video} -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof"),
            "g.mp4",
        ),
        (format!("-map 0 -map 1 {video} -c:a aac -movflags frag_keyframe"), "h.mp4"),
        (format!("-map 0 -map 1 {video} -c:a aac -movflags cmaf"), "i.mp4"),
        (format!("-map 0 -map 1 {video} -c:a aac -movflags dash+frag_every_frame"), "j.mp4"),
        (format!("-map 0 {video} -vf select='not(between(n\\,60\\,110))' -fps_mode vfr"), "k.mp4"),
        ("-map 1 -c:a aac".to_owned(), "l.m4a"),
        (format!("-map 0 -map 1 {video} -c:a aac"), "m.mov"),
    ] {
        let path = folder.join(name);
        let inputs = "-f lavfi -i testsrc2=s=128x72:r=25:d=6 -f lavfi -i sine=r=44100:d=6";
        let run = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error"])
            .args(inputs.split(' '))
            .args(made.split(' '))
            .arg(&path)
            .output()
            .expect("ffmpeg runs");
        assert!(run.status.success(), "{made}: {}", String::from_utf8_lossy(&run.stderr));
        let bytes = std::fs::read(&path).expect("it is there");
        assert_eq!(inspect(&bytes, 5000), Ok(Vec::new()), "{made} {name}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}
