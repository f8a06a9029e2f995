//! Codecs, rates and containers: all that comes out decodes to what went in, at the same times.

use std::fs;

use super::decoded::Decoded;
use super::made::{AVC, folder, has_ffmpeg, made, source};
use super::remux_one;

const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=30:bframes=2";
const AAC: &str = "-c:a aac -b:a 64k";
const TS: &str = "-f mpegts";
const FMP4: &str = "-f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof+delay_moov";

/// Remuxes a file of this encoding, and compares.
fn check(name: &str, encoders: &[&str], rate: &str, hertz: u32, encoding: &str, container: &str) {
    if !has_ffmpeg(encoders) {
        return;
    }
    let extension = if container == TS { "ts" } else { "mp4" };
    let path = made(extension, &format!("{} {encoding} {container}", source("160x90", rate, hertz)));
    let output = remux_one(&fs::read(&path).expect("the file is there"));
    let to = folder().join(format!("{name}.out.mp4"));
    fs::write(&to, &output.mp4).expect("it can be written");
    assert_eq!(output.report.findings, [], "{name}");
    let priming = match (container, encoding.contains("ac3")) {
        (TS, _) => 0,
        (_, true) => 256,
        (_, false) => 1024,
    };
    Decoded::without(&path, true, 1, priming).check(&Decoded::of(&to, true, 1), name);
}

#[test]
fn h264_with_aac() {
    let encoding = format!("{AVC} {AAC}");
    check("25-48000", &["libx264"], "25", 48_000, &encoding, TS);
    check("23.976-44100", &["libx264"], "24000/1001", 44_100, &encoding, TS);
    check("29.97-44100", &["libx264"], "30000/1001", 44_100, &encoding, FMP4);
    check("59.94-48000", &["libx264"], "60000/1001", 48_000, &encoding, FMP4);
}

#[test]
fn h264_with_other_audio() {
    check("ac3", &["libx264"], "60000/1001", 48_000, &format!("{AVC} -c:a ac3 -b:a 96k"), TS);
    check("ac3-44100", &["libx264"], "25", 44_100, &format!("{AVC} -c:a ac3 -b:a 96k"), TS);
    check("eac3", &["libx264"], "30000/1001", 48_000, &format!("{AVC} -c:a eac3 -b:a 96k"), TS);
    check("mp3", &["libx264", "libmp3lame"], "30", 44_100, &format!("{AVC} -c:a libmp3lame -b:a 64k"), TS);
    check(
        "mp3-24000",
        &["libx264", "libmp3lame"],
        "50",
        24_000,
        &format!("{AVC} -c:a libmp3lame -b:a 32k"),
        TS,
    );
    check("ac3-fmp4", &["libx264"], "25", 48_000, &format!("{AVC} -c:a ac3 -b:a 96k"), FMP4);
}

#[test]
fn h264_of_other_shapes() {
    let with = |video: &str| format!("-c:v libx264 -preset veryfast {video} {AAC}");
    check(
        "open-gop",
        &["libx264"],
        "25",
        48_000,
        &with("-g 25 -bf 3 -x264-params open_gop=1:scenecut=0"),
        TS,
    );
    check("interlaced", &["libx264"], "25", 48_000, &with("-g 25 -vf scale=160:96 -flags +ildct+ilme"), TS);
    check("no-b-frames", &["libx264"], "25", 48_000, &with("-g 25 -bf 0"), TS);
    check(
        "slices",
        &["libx264"],
        "25",
        48_000,
        &with("-g 25 -x264-params slices=4:nal-hrd=cbr:scenecut=0 -b:v 300k -maxrate 300k -bufsize 300k"),
        TS,
    );
    check("pixels", &["libx264"], "25", 48_000, &with("-g 25 -vf setsar=4/3"), TS);
    check("10-bit", &["libx264"], "25", 48_000, &with("-g 25 -pix_fmt yuv422p10le"), TS);
}

#[test]
fn hevc() {
    check("hevc", &["libx265"], "25", 48_000, &format!("{HEVC} {AAC}"), TS);
    check("hevc-59.94", &["libx265"], "60000/1001", 44_100, &format!("{HEVC} {AAC}"), TS);
    check("hevc-fmp4", &["libx265"], "24000/1001", 48_000, &format!("{HEVC} {AAC} -tag:v hvc1"), FMP4);
    check("hevc-10-bit", &["libx265"], "25", 48_000, &format!("{HEVC} -pix_fmt yuv420p10le {AAC}"), TS);
}

#[test]
fn pictures_that_last_for_a_second() {
    if !has_ffmpeg(&["libx264"]) {
        return;
    }
    for rate in ["1", "2", "3", "10"] {
        check(&format!("slow-{rate}"), &["libx264"], rate, 48_000, &format!("{AVC} {AAC}"), TS);
        let path = made("ts", &format!("{} {AVC} -an {TS}", source("160x90", rate, 48_000)));
        let lasts = remux_one(&fs::read(&path).expect("the file is there")).timeline.lasts();
        assert_eq!(lasts.as_millis() / 10, 400, "{rate} a second");
    }
}

#[test]
fn timestamps_that_wrap() {
    // 2^33 ticks are 95443.7 s, and the multiplexer begins at 1.4 s.
    let offset = "-output_ts_offset 95441";
    check("wrap", &["libx264"], "25", 48_000, &format!("{AVC} {AAC} {offset}"), TS);
    check("wrap-ac3", &["libx264"], "30000/1001", 48_000, &format!("{AVC} -c:a ac3 -b:a 96k {offset}"), TS);
}

#[test]
fn aac_in_latm_and_with_a_layout_of_its_own() {
    let check = |name: &str, encoding: &str| {
        check(name, &["libx264"], "25", 48_000, &format!("{AVC} {encoding}"), TS);
    };
    // The multiplexer calls it ADTS all the same.
    check("latm", &format!("{AAC} -mpegts_flags latm"));
    check("pce", "-af aformat=channel_layouts=2.1 -c:a aac -aac_pce 1 -b:a 96k");
}

#[test]
fn opus_and_dts() {
    let check = |name: &str, encoder: &str, encoding: &str| {
        check(name, &["libx264", encoder], "25", 48_000, &format!("{AVC} {encoding}"), TS);
    };
    check("dts", "dca", "-c:a dca -strict -2 -b:a 384k -af aformat=channel_layouts=stereo");
    check("opus", "libopus", "-c:a libopus -b:a 64k");
}
