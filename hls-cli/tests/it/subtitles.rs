//! Subtitles in fragmented MP4 (ISO/IEC 14496-30): the cues of `wvtt` are read, and `stpp` is left out.

use hls_testkit::{Media, Origin, Vod, judge};

use crate::support::{Folder, Outcome};

fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, &body].concat()
}

/// A box that begins with numbers: version and flags first.
fn full(name: &[u8; 4], words: &[u32], parts: &[&[u8]]) -> Vec<u8> {
    let words = words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>();
    boxed(name, &[&[&words[..]], parts].concat())
}

/// The initialization section of a track of text, in milliseconds.
fn section(format: &[u8; 4]) -> Vec<u8> {
    let entry = boxed(format, &[&[0, 0, 0, 0, 0, 0, 0, 1], &boxed(b"vttC", &[b"WEBVTT"])]);
    let stbl = boxed(b"stbl", &[&full(b"stsd", &[0, 1], &[&entry])]);
    let hdlr = full(b"hdlr", &[0, 0, u32::from_be_bytes(*b"text"), 0, 0, 0], &[&[0]]);
    let mdia =
        boxed(b"mdia", &[&full(b"mdhd", &[0, 0, 0, 1000, 0, 0], &[]), &hdlr, &boxed(b"minf", &[&stbl])]);
    let trak = boxed(b"trak", &[&full(b"tkhd", &[3, 0, 0, 1, 0, 0], &[]), &mdia]);
    let mvex = boxed(b"mvex", &[&full(b"trex", &[0, 1, 1, 0, 0, 0], &[])]);
    let moov = boxed(b"moov", &[&full(b"mvhd", &[0, 0, 0, 1000, 0], &[]), &trak, &mvex]);
    [boxed(b"ftyp", &[b"iso6\0\0\0\0cmfc"]), moov].concat()
}

/// A segment of samples: how long each is, and its boxes.
fn segment(time: u32, samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let moof = |at: u32| {
        let sizes = samples.iter().flat_map(|(lasts, data)| [*lasts, data.len() as u32]);
        let trun = [0x301, samples.len() as u32, at].into_iter().chain(sizes).collect::<Vec<_>>();
        let (tfhd, tfdt) = (full(b"tfhd", &[0x2_0000, 1], &[]), full(b"tfdt", &[0, time], &[]));
        let traf = boxed(b"traf", &[&tfhd, &tfdt, &full(b"trun", &trun, &[])]);
        boxed(b"moof", &[&full(b"mfhd", &[0, 1], &[]), &traf])
    };
    let data = samples.iter().map(|(_, data)| &data[..]).collect::<Vec<_>>();
    [moof(moof(0).len() as u32 + 8), boxed(b"mdat", &data)].concat()
}

fn cue(text: &str) -> Vec<u8> {
    boxed(b"vttc", &[&boxed(b"payl", &[text.as_bytes()])])
}

/// Twelve seconds in segments of two. The cue of each begins half a second behind it and lasts half a second into the next one.
fn segments(begin: u32) -> Vec<Vec<u8>> {
    let of = |n: u32| {
        let before =
            n.checked_sub(1).map_or_else(|| boxed(b"vtte", &[]), |n| cue(&format!("one <i>{n}</i>")));
        let own = cue(&format!("one <i>{n}</i>"));
        let shown = if n == 0 { [own, cue("both &amp; all")].concat() } else { own };
        segment(begin + 2000 * n, &[(500, before), (1500, shown)])
    };
    (0..6).map(of).collect()
}

/// A film with subtitles in two languages, one of which can be read.
fn film(media: Media, begin: u32) -> (Origin, String) {
    let origin = Origin::start();
    let vod = Vod::from_media(media).publish(&origin);
    let mut master = "#EXTM3U\n".to_owned();
    for (language, format, default) in [("en", b"wvtt", "YES"), ("de", b"stpp", "NO")] {
        let mut list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"/{language}.mp4\"\n");
        for (n, segment) in segments(begin).into_iter().enumerate() {
            list.push_str(&format!("#EXTINF:2,\n/{language}-{n}.m4s\n"));
            origin.put(&format!("/{language}-{n}.m4s"), segment);
        }
        origin.put(&format!("/{language}.mp4"), section(format));
        origin.put(&format!("/{language}.m3u8"), (list + "#EXT-X-ENDLIST\n").into_bytes());
        master.push_str(&format!(
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"{language}\",LANGUAGE=\"{language}\",DEFAULT={default},\
             AUTOSELECT=YES,URI=\"/{language}.m3u8\"\n"
        ));
    }
    master.push_str("#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=128x72,SUBTITLES=\"s\"\n");
    origin.put("/master.m3u8", (master + &vod.playlist_path + "\n").into_bytes());
    let url = origin.url("/master.m3u8");
    (origin, url)
}

#[test]
fn cues_in_fragmented_mp4_alone_inside_and_beside() -> Outcome {
    for (media, begin, main) in [(Media::Ts, 1400, "movie.ts"), (Media::Fmp4, 0, "movie.m4s")] {
        let ((origin, url), folder) = (film(media, begin), Folder::new()?);
        let get = ["get", url.as_str(), "--subs", "en", "-o"];
        folder.run(&[&get[..], &["alone.srt"]].concat())?.ok();
        let srt = String::from_utf8(folder.read("alone.srt")?)?;
        let first = "1\n00:00:00,500 --> 00:00:02,000\nboth & all\n\n2\n00:00:00,500 --> 00:00:02,500\none <i>0</i>\n\n\
                     3\n00:00:02,500 --> 00:00:04,500\none <i>1</i>\n\n";
        assert!(srt.starts_with(first), "{srt}");
        assert_eq!(srt.matches("-->").count(), 7, "{srt}");
        folder.run(&[&get[..], &["alone.vtt"]].concat())?.ok();
        let vtt = String::from_utf8(folder.read("alone.vtt")?)?;
        let first = "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nboth &amp; all\n\n00:00:00.500 --> 00:00:02.500\none <i>0</i>\n\n";
        assert!(
            vtt.starts_with(first) && vtt.ends_with("00:00:10.500 --> 00:00:12.000\none <i>5</i>\n\n"),
            "{vtt}"
        );
        let run = folder.run(&[&get[..], &[main]].concat())?.ok();
        assert_eq!(run.out(), format!("{main}\nmovie.subs-en.vtt\n"));
        assert_eq!(String::from_utf8(folder.read("movie.subs-en.vtt")?)?, vtt);
        folder.run(&["get", &origin.url("/en.m3u8"), "-o", "itself.srt"])?.ok();
        assert_eq!(String::from_utf8(folder.read("itself.srt")?)?, srt);
        folder.run(&[&get[..], &["movie.mp4"]].concat())?.ok();
        judge::ffmpeg_silent(folder.file("movie.mp4")).check();
        if !judge::has_tool("ffmpeg") {
            judge::skip("no ffmpeg");
            continue;
        }
        let run = folder
            .command("ffmpeg")
            .args(["-v", "error", "-i", "movie.mp4", "-map", "0:s", "-f", "srt", "-"])
            .output()?;
        let inside = String::from_utf8(run.stdout)?.replace("\r\n", "\n");
        let first = "1\n00:00:00,500 --> 00:00:02,000\nboth & all\none 0\n\n2\n00:00:02,000 --> 00:00:02,500\none 0\n\n\
                     3\n00:00:02,500 --> 00:00:04,500\none 1\n\n";
        assert!(inside.starts_with(first), "{inside}");
        assert_eq!(inside.matches("-->").count(), 7, "{inside}");
    }
    Ok(())
}

#[test]
fn a_film_is_whole_without_subtitles_that_cannot_be_read() -> Outcome {
    let ((origin, url), folder) = (film(Media::Ts, 1400), Folder::new()?);
    for main in ["movie.mp4", "movie.ts"] {
        let run = folder.run(&["get", &url, "--subs", "all", "-o", main])?;
        assert_eq!(run.status.code(), Some(4), "{}", run.err);
        let missing = "missing: subtitles de; --subs none leaves subtitles out";
        assert!(
            run.err.contains("subtitles as stpp in MP4 can't be read") && run.err.contains(missing),
            "{}",
            run.err
        );
        let bytes = folder.read(main)?;
        let has = |what: &[u8]| bytes.windows(4).any(|part| part == what);
        assert_eq!((has(b"tx3g"), has(b"stpp")), (main == "movie.mp4", false));
    }
    assert_eq!(folder.names(), ["movie.mp4", "movie.subs-en.vtt", "movie.ts"]);
    let fetched = origin.requests().iter().filter(|request| request.path.starts_with("/de-")).count();
    assert_eq!(fetched, 0, "nothing is fetched that can't be read");
    folder.run(&["get", &url, "--subs", "none", "-o", "none.mp4"])?.ok();
    origin.remove("/en.mp4");
    let run = folder.run(&["get", &url, "--subs", "en", "-o", "gone.mp4"])?;
    assert!(run.status.code() == Some(4) && run.err.contains("missing: subtitles en;"), "{}", run.err);
    folder.run(&["get", &url, "--subs", "de", "-o", "de.srt"])?.fails(7, "subtitles.unsupported");
    Ok(())
}
