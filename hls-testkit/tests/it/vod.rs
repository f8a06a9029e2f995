//! Published streams are what they say, and ffmpeg agrees.

use std::error::Error;

use hls_testkit::judge::{self, Verdict, ffmpeg_silent};
use hls_testkit::{Iv, Master, Media, Origin, Published, Vod};

use crate::client::get;

type Outcome = Result<(), Box<dyn Error>>;

const KEY: [u8; 16] = *b"0123456789abcdef";

/// Lets ffmpeg, which knows nothing of this kit, read the stream, and compares the number of packets
/// with that of the expected bytes.
fn check(name: &str, vod: Vod) -> Outcome {
    let origin = Origin::start();
    let published = vod.publish(&origin);
    if !judge::has_tool("ffmpeg") {
        judge::skip("ffmpeg is not installed");
        return Ok(());
    }
    let file = std::env::temp_dir().join(format!("hls-testkit-{}-{name}", std::process::id()));
    std::fs::write(&file, &published.expected)?;
    assert_eq!(ffmpeg_silent(&file), Verdict::Fine, "{name}");
    let from_url = packets(&published.url)?;
    let from_file = packets(&file.to_string_lossy())?;
    assert!(from_file > 300, "{name}: {from_file}");
    assert_eq!(from_url, from_file, "{name}\n{}", published.playlist);
    std::fs::remove_file(&file)?;
    Ok(())
}

/// Counts the packets of all tracks, read without a complaint.
fn packets(input: &str) -> Result<usize, Box<dyn Error>> {
    let run = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-allowed_extensions", "ALL", "-i", input])
        .args(["-map", "0", "-c", "copy", "-f", "framehash", "-"])
        .output();
    let run = match run {
        // A file is no playlist, and ffmpeg refuses the option there.
        Ok(run) if !run.status.success() => std::process::Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i", input, "-map", "0", "-c", "copy", "-f", "framehash", "-"])
            .output()?,
        run => run?,
    };
    assert_eq!(String::from_utf8_lossy(&run.stderr), "", "{input}");
    Ok(String::from_utf8_lossy(&run.stdout).lines().filter(|line| !line.starts_with('#')).count())
}

#[test]
fn transport_streams() -> Outcome {
    let ts = || Vod::from_media(Media::Ts);
    check("clear.ts", ts())?;
    check("looped.ts", Vod::looped(3))?;
    check("implicit.ts", ts().aes128(KEY).media_sequence(77))?;
    check("explicit.ts", ts().aes128(KEY).iv(Iv::Explicit).query("token=a"))?;
    check("rotate.ts", ts().aes128(KEY).iv(Iv::PerSegment).rotate_every(2).absolute())?;
    check("none.ts", ts().aes128(KEY).none_from(3).redirected())?;
    check("range.ts", ts().byterange())
}

#[test]
fn fragmented_mp4() -> Outcome {
    let fmp4 = || Vod::from_media(Media::Fmp4);
    check("clear.mp4", fmp4())?;
    check("range.mp4", fmp4().byterange())?;
    check("aes.mp4", fmp4().aes128(KEY))?;
    check("map.mp4", fmp4().aes128(KEY).iv(Iv::Explicit).encrypted_map())?;
    check("audio.mp4", Vod::from_media(Media::AudioFmp4))
}

#[test]
fn the_second_map_is_in_the_expected_bytes() -> Outcome {
    let origin = Origin::start();
    let published = Vod::from_media(Media::Fmp4).two_maps().publish(&origin);
    let (first, second) =
        (Media::Fmp4.init().unwrap_or_default(), Media::Fmp4.second_init().unwrap_or_default());
    let [a, b, c, d, e, f] = Media::Fmp4.segments();
    assert_eq!(published.expected, [first, a, b, c, second, d, e, f].concat());
    assert_eq!(published.init_paths, ["/vod/init0.mp4", "/vod/init1.mp4"]);
    check("maps.mp4", Vod::from_media(Media::Fmp4).two_maps())
}

#[test]
fn key_tags_in_their_order() {
    let origin = Origin::start();
    let tags = |vod: Vod| -> Vec<String> {
        let Published { playlist, .. } = vod.publish(&origin);
        let short = |line: &str| line.split([':', ',']).take(2).collect::<Vec<_>>().join(":");
        playlist.lines().filter(|l| l.contains("-KEY") || l.contains("-MAP")).map(short).collect()
    };
    let fmp4 = || Vod::from_media(Media::Fmp4).aes128(KEY);
    const AES: &str = "#EXT-X-KEY:METHOD=AES-128";
    const NONE: &str = "#EXT-X-KEY:METHOD=NONE";
    const MAP: &str = "#EXT-X-MAP:URI=\"init0.mp4\"";
    const MAP1: &str = "#EXT-X-MAP:URI=\"init1.mp4\"";
    assert_eq!(tags(fmp4()), [MAP, AES]);
    assert_eq!(tags(fmp4().two_maps()), [MAP, AES, NONE, MAP1, AES]);
    assert_eq!(tags(fmp4().iv(Iv::Explicit).encrypted_map()), [AES, MAP]);
    assert_eq!(tags(fmp4().encrypted_map()), [AES, MAP, AES]);
    assert_eq!(tags(fmp4().own_map_key().none_from(2)), [AES, MAP, AES, NONE]);
}

#[test]
fn implied_offsets() -> Outcome {
    let origin = Origin::start();
    let published = Vod::synthetic(3, 1000).byterange().publish(&origin);
    let ranges: Vec<_> =
        published.playlist.lines().filter_map(|l| l.strip_prefix("#EXT-X-BYTERANGE:")).collect();
    assert_eq!(ranges, ["940@0", "940", "940"]);
    assert_eq!(get(&origin, "/vod/all.ts", &[])?.body, published.expected);
    assert_eq!(published.sha256, judge::sha256(&published.expected));
    Ok(())
}

#[test]
fn a_master_with_audio() -> Outcome {
    let origin = Origin::start();
    let master = Master::new("/m")
        .variant(200_000, 160, 90, Vod::from_media(Media::Ts))
        .variant(800_000, 1280, 720, Vod::from_media(Media::Ts))
        .audio("en", true, Vod::from_media(Media::AudioAdts))
        .publish(&origin);
    assert_eq!((master.variants.len(), master.audio.len()), (2, 1));
    assert_eq!(get(&origin, "/m/master.m3u8", &[])?.body, master.playlist.as_bytes());
    for line in master.playlist.lines().filter(|line| !line.starts_with('#')) {
        assert_eq!(get(&origin, &format!("/m/{line}"), &[])?.status, "HTTP/1.1 200 OK");
    }
    Ok(())
}
