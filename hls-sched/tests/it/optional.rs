//! Subtitles without which a film is complete: those that can't be fetched, or have no playlist of their own.

use hls_sched::{Event, Finished, Wanted};
use hls_testkit::{Media, Origin, Vod};

use crate::support::{Folder, Outcome, job};

const CUES: &str = "00:00:01.000 --> 00:00:02.000\none\n\n00:00:03.000 --> 00:00:04.000\ntwo\n";

/// A film with subtitles at a URL.
fn film(uri: &str) -> (Origin, String) {
    let origin = Origin::start();
    let vod = Vod::from_media(Media::Ts).publish(&origin);
    let master = format!(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{uri}\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=128x72,SUBTITLES=\"s\"\n{}\n",
        vod.playlist_path
    );
    origin.put("/master.m3u8", master.into_bytes());
    let url = origin.url("/master.m3u8");
    (origin, url)
}

/// Downloads it; returns whether its subtitles are there, and the codes of what was warned of.
async fn made(url: &str) -> Result<(Finished, bool, Vec<String>), Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    let mut job = job(url).subtitles(Wanted::All).output(folder.file("out.mp4")).start();
    let mut warnings = Vec::new();
    while let Some(event) = job.next().await {
        if let Event::Warning { kind, .. } = event {
            warnings.push(kind.to_owned());
        }
    }
    let done = job.finish().await?;
    let bytes = std::fs::read(folder.file("out.mp4"))?;
    let has = |what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
    assert!(has(b"avc1"), "the pictures are there");
    Ok((done, has(b"tx3g") && has(b"one") && has(b"two"), warnings))
}

#[tokio::test]
async fn subtitles_in_the_place_of_their_playlist() -> Outcome {
    let srt = format!("1\n{}", CUES.replace(".000", ",000").replace("\n\n", "\n\n2\n"));
    for text in [
        format!("WEBVTT\n\n{CUES}"),
        format!("\u{feff}WEBVTT - by hand\r\n\r\n{}", CUES.replace('\n', "\r\n")),
        srt,
    ] {
        let (origin, url) = film("/subtitles");
        origin.put("/subtitles", text.clone().into_bytes());
        let (done, has_subtitles, _) = made(&url).await?;
        assert!(has_subtitles && done.missing.is_empty() && done.gaps.is_empty(), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_film_is_whole_without_its_subtitles_and_that_is_said() -> Outcome {
    // Gone, a page, and a list of other playlists.
    for page in [None, Some("<html>gone</html>"), Some("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/x.m3u8\n")] {
        let (origin, url) = film("/subtitles");
        if let Some(page) = page {
            origin.put("/subtitles", page.as_bytes().to_vec());
        }
        let (done, has_subtitles, warnings) = made(&url).await?;
        assert_eq!((done.missing.len(), has_subtitles), (1, false), "{page:?}");
        assert!(warnings.iter().any(|kind| kind == "track.missing"), "{warnings:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_segment_of_subtitles_that_is_gone_is_a_gap() -> Outcome {
    let (origin, url) = film("/subtitles.m3u8");
    let playlist =
        "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n/one.vtt\n#EXTINF:6,\n/gone.vtt\n#EXT-X-ENDLIST\n";
    origin.put("/subtitles.m3u8", playlist.as_bytes().to_vec());
    origin.put("/one.vtt", format!("WEBVTT\n\n{CUES}").into_bytes());
    let (done, has_subtitles, _) = made(&url).await?;
    assert!(has_subtitles);
    assert_eq!(done.gaps.iter().map(|gap| (gap.track, gap.index)).collect::<Vec<_>>(), [(1, 1)]);
    Ok(())
}
