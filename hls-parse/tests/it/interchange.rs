//! There and back through the types of m3u8-rs.

use std::{env, fs, path::Path};

use hls_parse::{InterchangeError, Media, Multivariant, Options, Playlist, Segment};
use m3u8_rs::{KeyMethod, MasterPlaylist, MediaPlaylist};
use url::Url;

const LATE_DISCONTINUITY_SEQUENCE: &str =
    "4.3.3.3_EXT-X-DISCONTINUITY-SEQUENCE__EXT-X-DISCONTINUITY-SEQUENCE_02__FAIL.m3u8";

fn base() -> Url {
    Url::parse("https://h/m/index.m3u8").expect("a valid URL")
}

fn media(body: &str) -> Media {
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n{body}");
    match hls_parse::parse(text, &base()).expect("a playlist").playlist {
        Playlist::Media(media) => media,
        Playlist::Multivariant(_) => unreachable!("not a media playlist"),
    }
}

fn multivariant(body: &str) -> Multivariant {
    match hls_parse::parse(format!("#EXTM3U\n{body}"), &base()).expect("a playlist").playlist {
        Playlist::Multivariant(playlist) => playlist,
        Playlist::Media(_) => unreachable!("not a multivariant playlist"),
    }
}

/// What has to come back; durations as `f32`, since no more was there on the way.
fn of_segment(segment: Segment<'_>) -> String {
    let keys: Vec<_> = segment
        .keys()
        .iter()
        .map(|key| (key.method.clone(), key.url.clone(), key.iv, key.format().to_owned()))
        .collect();
    let map = segment.map().map(|map| (map.url.clone(), map.byte_range, map.encryption.clone()));
    format!(
        "{:?}",
        (
            segment.url().map(String::from),
            segment.duration().as_secs_f32().to_string().parse::<f32>().ok(),
            segment.title(),
            segment.byte_range(),
            (segment.media_sequence(), segment.discontinuity_sequence()),
            (keys, segment.iv(), map),
        )
    )
}

fn of_multivariant(playlist: &Multivariant) -> String {
    let variants = playlist.variants.iter().chain(&playlist.i_frame_variants);
    let variants: Vec<_> = variants
        .map(|v| {
            (
                (&v.uri, v.bandwidth, v.average_bandwidth, &v.codecs, v.resolution, v.frame_rate, v.score),
                (&v.audio, &v.video, &v.subtitles, &v.closed_captions, &v.hdcp_level, &v.video_range),
            )
        })
        .collect();
    let renditions: Vec<_> = playlist
        .renditions
        .iter()
        .map(|r| {
            (
                (r.kind, &r.group, &r.name, &r.language, &r.assoc_language, &r.uri, &r.instream_id),
                (r.default, r.autoselect, r.forced, &r.channels, &r.characteristics, &r.stable_id),
            )
        })
        .collect();
    format!("{variants:?} {renditions:?}")
}

fn there_and_back(playlist: &Playlist, base: &Url) -> Result<(String, String), InterchangeError> {
    let theirs = m3u8_rs::Playlist::try_from(playlist)?;
    let back = Playlist::try_from((&theirs, base))?;
    let show = |playlist: &Playlist| match playlist {
        Playlist::Media(media) => {
            let segments: Vec<_> = media.segments().map(of_segment).collect();
            format!(
                "{:?} {:?} {} {}",
                media.ended,
                media.playlist_type,
                media.i_frames_only,
                segments.join("\n")
            )
        }
        Playlist::Multivariant(playlist) => of_multivariant(playlist),
    };
    Ok((show(playlist), show(&back)))
}

#[test]
fn every_playlist_that_goes_there_comes_back() -> Result<(), Box<dyn std::error::Error>> {
    let Some(root) = corpus() else {
        println!("SKIPPED corpus: set HLS_CORPUS to its folder");
        assert_ne!(env::var("HLS_CI_STRICT").as_deref(), Ok("1"), "the corpus is missing");
        return Ok(());
    };
    let (mut converted, mut refused) = (0, 0);
    for folder in fs::read_dir(root)?.flatten().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(folder.path())?.flatten() {
            let path = file.path();
            // EXT-X-DISCONTINUITY-SEQUENCE behind a segment, which section 4.4.3.3 forbids, moves to the front.
            let is_late = path.ends_with(LATE_DISCONTINUITY_SEQUENCE);
            if is_late || path.extension().is_none_or(|extension| extension != "m3u8") {
                continue;
            }
            let Ok(parsed) = hls_parse::parse(fs::read(&path)?, &base()) else { continue };
            match there_and_back(&parsed.playlist, &base()) {
                Ok((there, back)) => {
                    assert_eq!(there, back, "{}", path.display());
                    converted += 1;
                }
                Err(InterchangeError::Read(error)) => {
                    return Err(format!("{}: {error}", path.display()).into());
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{converted} playlists there and back, {refused} have no counterpart");
    assert!(converted > 500);
    Ok(())
}

#[test]
fn both_readers_over_the_corpus() -> Result<(), Box<dyn std::error::Error>> {
    let Some(root) = corpus() else {
        println!("SKIPPED corpus: set HLS_CORPUS to its folder");
        return Ok(());
    };
    let (mut compared, mut ours_wrong, mut theirs_wrong) = (0, Vec::new(), 0);
    for folder in fs::read_dir(&root)?.flatten().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(folder.path())?.flatten() {
            let path = file.path();
            let name = path.to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".expected.json") else { continue };
            // A text without line feeds is read by its carriage returns on purpose.
            if stem.ends_with("e03_cr_only") {
                continue;
            }
            let expected: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
            let text = fs::read(format!("{stem}.m3u8"))?;
            let is_confirmed = |field: &str| {
                expected["confirmed_fields"]
                    .as_array()
                    .is_some_and(|fields| fields.iter().any(|f| f == field))
            };
            let reading = &expected["expected"];
            let want = if is_confirmed("n_segments") {
                reading["n_segments"].as_u64()
            } else if is_confirmed("variants.uri") {
                reading["variants"].as_array().map(|variants| variants.len() as u64)
            } else {
                None
            };
            let Some(want) = want else { continue };
            compared += 1;
            let mut options = Options::default();
            options.inspect = true;
            let ours = match options.parse(&text, &base()).map(|parsed| parsed.playlist) {
                Ok(Playlist::Media(media)) => Some(media.segments().len()),
                Ok(Playlist::Multivariant(playlist)) => Some(playlist.variants.len()),
                Err(_) => None,
            };
            let theirs = match m3u8_rs::parse_playlist(&text) {
                Ok((_, m3u8_rs::Playlist::MediaPlaylist(media))) => Some(media.segments.len()),
                Ok((_, m3u8_rs::Playlist::MasterPlaylist(master))) => {
                    Some(master.variants.iter().filter(|variant| !variant.is_i_frame).count())
                }
                Err(_) => None,
            };
            if ours.map(|count| count as u64) != Some(want) {
                ours_wrong.push(format!("{stem}: {ours:?}, not {want}"));
            }
            theirs_wrong += usize::from(theirs.map(|count| count as u64) != Some(want));
        }
    }
    println!("{compared} playlists: segments or variants miscounted by m3u8-rs in {theirs_wrong}");
    assert!(ours_wrong.is_empty(), "{}", ours_wrong.join("\n"));
    assert!(compared > 500 && theirs_wrong > 0);
    Ok(())
}

fn corpus() -> Option<std::path::PathBuf> {
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    env::var_os("HLS_CORPUS").map(Into::into).or_else(beside).filter(|path| path.is_dir())
}

#[test]
fn a_media_playlist() -> Result<(), InterchangeError> {
    let ours = media(
        "#EXT-X-VERSION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-START:TIME-OFFSET=-3.5,PRECISE=YES\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xab\n#EXT-X-CUE-OUT:30\n#EXTINF:5.5,Hello, world\n#EXT-X-BYTERANGE:5@7\na\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05Z\n#EXTINF:6,\n#EXT-X-BYTERANGE:5\na\n\
         #EXT-X-KEY:METHOD=NONE\n#EXT-X-DISCONTINUITY\n#EXTINF:6,\nb\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"\n#EXT-X-ENDLIST\n",
    );
    let theirs = MediaPlaylist::try_from(&ours)?;
    let [a, b, c] = &theirs.segments[..] else { panic!("three segments") };
    assert_eq!((a.title.as_deref(), a.duration), (Some("Hello, world"), 5.5));
    assert_eq!(a.unknown_tags[0].to_string(), "#EXT-X-CUE-OUT:30");
    assert_eq!(b.byte_range.as_ref().and_then(|range| range.offset), Some(12));
    assert!(b.key.is_none() && b.program_date_time.is_some());
    assert_eq!(c.key.as_ref().map(|key| &key.method), Some(&KeyMethod::None));
    assert_eq!(theirs.unknown_tags[0].to_string(), "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"");
    let back = Media::try_from((&theirs, &base()))?;
    assert_eq!(
        back.segments().map(of_segment).collect::<Vec<_>>(),
        ours.segments().map(of_segment).collect::<Vec<_>>()
    );
    assert_eq!(
        (back.version, back.playlist_type, back.start),
        (ours.version, ours.playlist_type, ours.start)
    );
    Ok(())
}

#[test]
fn a_multivariant_playlist() -> Result<(), InterchangeError> {
    let ours = multivariant(
        "#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"v\",LANGUAGE=\"en\"\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n\
         #EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",LANGUAGE=\"en\",DEFAULT=YES,CHANNELS=\"2\",BIT-DEPTH=16,URI=\"a\"\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1x2,FRAME-RATE=29.97,SCORE=2.5,PATHWAY-ID=\"p\",AUDIO=\"g\",CLOSED-CAPTIONS=NONE\nv\n",
    );
    let theirs = MasterPlaylist::try_from(&ours)?;
    assert_eq!(theirs.variants.iter().map(|v| v.uri.as_str()).collect::<Vec<_>>(), ["i", "v"]);
    assert_eq!((theirs.session_data.len(), theirs.session_key.len(), theirs.unknown_tags.len()), (1, 1, 1));
    let others = theirs.variants[1].other_attributes.as_ref();
    assert_eq!(others.and_then(|others| others["PATHWAY-ID"].as_quoted()), Some("p"));
    assert_eq!(others.and_then(|others| others["SCORE"].as_unquoted()), Some("2.5"));
    let back = Multivariant::try_from((&theirs, &base()))?;
    assert_eq!(of_multivariant(&back), of_multivariant(&ours));
    assert_eq!(back.variants[0].pathway_id.as_deref(), Some("p"));
    Ok(())
}

#[test]
fn what_has_no_counterpart() {
    let refused = |body: &str| MediaPlaylist::try_from(&media(body)).expect_err(body);
    let key = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n";
    let formats = format!("{key}#EXT-X-KEY:METHOD=AES-128,URI=\"l\",KEYFORMAT=\"x\"\n#EXTINF:1,\na\n");
    assert_eq!(refused(&formats), InterchangeError::KeyFormats { line: 6 });
    let order = format!("{key}#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\na\n");
    assert_eq!(refused(&order), InterchangeError::MapOrder { index: 0 });
    assert_eq!(refused("#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXTINF:1,\na\n"), InterchangeError::Skipped);
    let vector = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xzz\n#EXTINF:1,\na\n";
    assert_eq!(refused(vector), InterchangeError::Vector { line: 3 });
    let odd = multivariant("#EXT-X-STREAM-INF:CODECS=\"x\"\na\n");
    assert_eq!(MasterPlaylist::try_from(&odd), Err(InterchangeError::Bandwidth { line: 2 }));
}

#[test]
fn what_would_be_read_as_something_else() {
    let with = |change: &dyn Fn(&mut MediaPlaylist)| {
        let mut theirs = MediaPlaylist::try_from(&media("#EXTINF:1,\na\n")).expect("a counterpart");
        change(&mut theirs);
        Media::try_from((&theirs, &base())).map(|_| ())
    };
    let text = |what| Err(InterchangeError::Text { what });
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|list| list.segments[0].title = Some("a\n#EXT-X-ENDLIST".into())), text("a title"));
    assert_eq!(with(&|list| list.segments[0].uri = "#a".into()), text("a URI"));
    assert_eq!(with(&|list| list.segments[0].uri = String::new()), text("a URI"));
    let key = |uri: &str| m3u8_rs::Key { uri: Some(uri.to_owned()), ..m3u8_rs::Key::default() };
    assert_eq!(with(&|list| list.segments[0].key = Some(key("a\",IV=0x1,X=\""))), text("URI"));
    let tag = m3u8_rs::ExtTag { tag: "X-A\n#EXT-X-ENDLIST".into(), rest: None };
    assert_eq!(with(&|list| list.unknown_tags.push(tag.clone())), text("a tag"));
    let map = m3u8_rs::Map { uri: "i".into(), ..m3u8_rs::Map::default() };
    let method = KeyMethod::AES128;
    let ambiguous = with(&|list| {
        list.segments[0].map = Some(map.clone());
        list.segments[0].key = Some(m3u8_rs::Key { method: method.clone(), ..key("k") });
    });
    assert_eq!(ambiguous, Err(InterchangeError::MapOrder { index: 0 }));
}
