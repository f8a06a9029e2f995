//! Subtitles that come in fragmented MP4 (IMSC) stay what they are.

use std::process::{Command, Stdio};

use hls_media::remux::Input;
use hls_testkit::{Media, judge};

use super::made::folder;
use super::remux;

fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, &body].concat()
}

fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// ISO 14496-30: a `subt` track with TTML in its samples, of which each lasts so many milliseconds.
fn imsc(samples: &[(&str, u32)]) -> Vec<u8> {
    let entry = boxed(b"stpp", &[&[0, 0, 0, 0, 0, 0, 0, 1], b"http://www.w3.org/ns/ttml\0\0\0"]);
    let empty = [0; 8];
    let table = boxed(
        b"stbl",
        &[
            &boxed(b"stsd", &[&words([0, 1]), &entry]),
            &boxed(b"stts", &[&empty]),
            &boxed(b"stsc", &[&empty]),
            &boxed(b"stsz", &[&empty, &[0; 4]]),
            &boxed(b"stco", &[&empty]),
        ],
    );
    let url = boxed(b"url ", &[&words([1])]);
    let data = boxed(b"dinf", &[&boxed(b"dref", &[&words([0, 1]), &url])]);
    let media = boxed(
        b"mdia",
        &[
            &boxed(b"mdhd", &[&words([0, 0, 0, 1000, 0, 0x15c7_0000])]),
            &boxed(b"hdlr", &[&words([0, 0]), b"subt", &[0; 13]]),
            &boxed(b"minf", &[&boxed(b"sthd", &[&[0; 4]]), &data, &table]),
        ],
    );
    let header = boxed(b"tkhd", &[&words([7, 0, 0, 1, 0, 0]), &[0; 60]]);
    let movie = boxed(
        b"moov",
        &[
            &boxed(b"mvhd", &[&words([0, 0, 0, 1000, 0]), &[0; 80]]),
            &boxed(b"trak", &[&header, &media]),
            &boxed(b"mvex", &[&boxed(b"trex", &[&words([0, 1, 1, 0, 0, 0])])]),
        ],
    );
    let mut out = [boxed(b"ftyp", &[b"iso6\0\0\0\0iso6"]), movie].concat();
    let mut at = 0;
    for (text, lasts) in samples {
        let fragment = |offset: u32| {
            let run = boxed(b"trun", &[&words([0x301, 1, offset, *lasts, text.len() as u32])]);
            let track = boxed(
                b"traf",
                &[&boxed(b"tfhd", &[&words([0x02_0000, 1])]), &boxed(b"tfdt", &[&words([0, at])]), &run],
            );
            boxed(b"moof", &[&boxed(b"mfhd", &[&words([0, 1])]), &track])
        };
        let len = fragment(0).len() as u32;
        out.extend(fragment(len + 8));
        out.extend(boxed(b"mdat", &[text.as_bytes()]));
        at += lasts;
    }
    out
}

#[test]
fn imsc_is_carried_over() {
    let samples = [("<tt>one</tt>", 4000), ("<tt>two</tt>", 8000)];
    let subtitles = imsc(&samples);
    let video = Media::Fmp4.segments().into_iter().fold(
        Media::Fmp4.init().unwrap_or_default().to_vec(),
        |mut all, one| {
            all.extend_from_slice(one);
            all
        },
    );
    let about = Input { language: Some("de".to_owned()), ..Input::default() };
    let output = remux(&[(Input::default(), &video), (about, &subtitles)], &[]).expect("it can be remuxed");
    for (text, _) in samples {
        let found = output.mp4.windows(text.len()).filter(|part| *part == text.as_bytes()).count();
        assert_eq!(found, 1, "{text}");
    }
    let path = folder().join("imsc.out.mp4");
    std::fs::write(&path, &output.mp4).expect("it can be written");
    if !judge::has_tool("ffprobe") {
        return judge::skip("no ffprobe");
    }
    let said = |what: &[&str]| {
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "2", "-of", "csv=p=0"])
            .args(what)
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .expect("ffprobe runs");
        assert_eq!(String::from_utf8_lossy(&probe.stderr), "");
        String::from_utf8_lossy(&probe.stdout).trim().to_owned()
    };
    assert_eq!(said(&["-show_entries", "stream=codec_tag_string:stream_tags=language"]), "stpp,deu");
    assert_eq!(
        said(&["-show_entries", "packet=pts_time,duration_time"]),
        "0.000000,4.000000\n4.000000,8.000000"
    );
}
