//! What is written is read back equal.

use std::{env, fs, path::Path};

use hls_parse::{Media, Multivariant, Options, Playlist, Reference, Replacement, Segment, WriteError};
use proptest::prelude::*;
use url::Url;

fn base() -> Url {
    Url::parse("https://h/m/index.m3u8?tok=a%20b").expect("a valid URL")
}

fn read(text: impl AsRef<[u8]>) -> Option<Playlist> {
    let mut options = Options::default();
    options.import = vec![("imported".to_owned(), "im/ported".to_owned())];
    options.parse(text, &base()).ok().map(|parsed| parsed.playlist)
}

fn media(body: &str) -> Media {
    match read(format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{body}")) {
        Some(Playlist::Media(media)) => media,
        other => unreachable!("a media playlist, not {other:?}"),
    }
}

fn multivariant(body: &str) -> Multivariant {
    match read(format!("#EXTM3U\n{body}")) {
        Some(Playlist::Multivariant(playlist)) => playlist,
        other => unreachable!("a multivariant playlist, not {other:?}"),
    }
}

/// All that a playlist says, but for the numbers of lines.
fn shape(playlist: &Playlist) -> String {
    let shape = match playlist {
        Playlist::Media(media) => of_media(media),
        Playlist::Multivariant(playlist) => of_multivariant(playlist),
    };
    let mut parts = shape.split("line: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

fn of_media(media: &Media) -> String {
    // A key that is given again without a segment in between is written once.
    let mut encryptions: Vec<_> = media.encryptions().collect();
    encryptions.dedup();
    let unknown: Vec<_> = media.unknown_tags().map(|line| line.raw.trim()).collect();
    let open: Vec<_> = media.open_parts().map(of_part).collect();
    let segments: Vec<_> = media.segments().map(of_segment).collect();
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{unknown:?}\n{open:?}\n{segments:#?}",
        (media.version, media.target_duration, media.media_sequence, media.discontinuity_sequence),
        (media.playlist_type, media.ended, media.i_frames_only, media.independent_segments, media.start),
        (media.skipped_segments, &media.skip, media.part_target, media.server_control, &media.preload_hints),
        (
            (&media.rendition_reports, &media.date_ranges, &media.markers, &media.prefetch, &media.tiles),
            (media.images_only, media.allow_cache, media.maps(), encryptions),
        ),
    )
}

fn of_segment(segment: Segment<'_>) -> String {
    let parts: Vec<_> = segment.parts().map(of_part).collect();
    format!(
        "{:?}",
        (
            (segment.uri(), segment.title(), segment.duration(), segment.byte_range(), segment.bitrate()),
            (segment.media_sequence(), segment.discontinuity_sequence(), segment.is_discontinuity()),
            (segment.is_gap(), segment.iv(), segment.keys(), segment.map(), parts),
            (segment.program_date_time(), segment.date_time()),
        )
    )
}

fn of_part(part: hls_parse::Part<'_>) -> String {
    let flags = (part.is_independent(), part.is_gap());
    format!("{:?}", (part.uri(), part.duration(), part.byte_range(), flags, part.encryption(), part.map()))
}

fn of_multivariant(playlist: &Multivariant) -> String {
    // What a text needs to be written adds variables of its own.
    let variables: Vec<_> =
        playlist.variables.iter().filter(|(name, _)| !name.starts_with("text-")).collect();
    format!(
        "{:?}\n{:#?}\n{:?}",
        (playlist.version, playlist.independent_segments, playlist.start, variables),
        (&playlist.variants, &playlist.i_frame_variants, &playlist.renditions, &playlist.image_variants),
        (&playlist.session_keys, &playlist.session_data, &playlist.content_steering),
    )
}

/// Writes, reads back, compares.
fn round(playlist: &Playlist) -> Result<String, WriteError> {
    let text = hls_parse::write(playlist)?;
    assert_eq!(read(&text).as_ref().map(shape), Some(shape(playlist)), "\n{text}");
    Ok(text)
}

const LINES: &[&str] = &[
    "#EXT-X-VERSION:9",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-START:TIME-OFFSET=-3.25,PRECISE=YES",
    "#EXT-X-MEDIA-SEQUENCE:7",
    "#EXT-X-DISCONTINUITY-SEQUENCE:9",
    "#EXT-X-PLAYLIST-TYPE:EVENT",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-IMAGES-ONLY",
    "#EXT-X-ALLOW-CACHE:NO",
    "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=24.5,CAN-SKIP-DATERANGES=YES,HOLD-BACK=12,CAN-BLOCK-RELOAD=YES",
    "#EXT-X-PART-INF:PART-TARGET=0.33",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=3,RECENTLY-REMOVED-DATERANGES=\"a\tb\"",
    "#EXTINF:6,a, b",
    "#EXTINF:5.005005,{$v}",
    "#EXTINF:-1 tvg-id=\"x\" group-title=\"a,b\",Name",
    "#EXT-X-BYTERANGE:100@7",
    "#EXT-X-BYTERANGE:100",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k/k?a=1\",IV=0xAB",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=nonsense",
    "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple\",KEYFORMATVERSIONS=\"1/2\"",
    "#EXT-X-KEY:METHOD=\"FU,TURE\",URI=\"{$v}\",KEYFORMAT=\"f\"",
    "#EXT-X-KEY:URI=\"k\"",
    "#EXT-X-KEY:METHOD=AES-128",
    "#EXT-X-KEY:METHOD=",
    "#EXT-X-KEY:METHOD=NONE",
    "#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"10@5\"",
    "#EXT-X-MAP:URI=\"j.mp4?{$v}\"",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-GAP",
    "#EXT-X-BITRATE:800",
    "#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678+01:00",
    "#EXT-X-PROGRAM-DATE-TIME:nonsense",
    "#EXT-X-PART:DURATION=0.33,URI=\"p{$v}\",BYTERANGE=\"9@1\",INDEPENDENT=YES",
    "#EXT-X-PART:DURATION=0.33,URI=\"p\",GAP=YES",
    "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\",BYTERANGE-START=9",
    "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"p\",BYTERANGE-LENGTH=9",
    "#EXT-X-RENDITION-REPORT:URI=\"r\"",
    "#EXT-X-RENDITION-REPORT:URI=\"r\",LAST-MSN=12,LAST-PART=3",
    "#EXT-X-DATERANGE:ID=\"1\",START-DATE=\"2026-01-02T03:04:05Z\",DURATION=3,X-A=\"{$v}\",SCTE35-OUT=0xFC,X-B=a\"b",
    "#EXT-X-DATERANGE:ID=\"1\",END-ON-NEXT=YES,CLASS=\"c\"",
    "#EXT-X-CUE-OUT:30",
    "#EXT-X-CUE-OUT-CONT:ElapsedTime=1,Duration=30,SCTE35=/DA=",
    "#EXT-X-CUE-IN",
    "#EXT-OATCLS-SCTE35:/DAlAAAAAAAAAP/wFAUAAAABf+//wpiQkv4ARKogAAEBAQAAQ6sodg==",
    "#EXT-X-PREFETCH:n{$v}.ts",
    "#EXT-X-TILES:RESOLUTION=1x1,LAYOUT=2x2,DURATION=1,X=\"{$w}\"",
    "#EXT-X-UNKNOWN:{$v}",
    "#EXTVLCOPT:x",
    "#EXT-X-DEFINE:NAME=\"v\",VALUE=\"a b#{$x}\"",
    "#EXT-X-DEFINE:NAME=\"w\",VALUE=\"#\"",
    "#EXT-X-DEFINE:NAME=\"text-0\",VALUE=\" \"",
    "#EXT-X-DEFINE:QUERYPARAM=\"tok\"",
    "#EXT-X-DEFINE:IMPORT=\"imported\"",
    "#EXT-X-ENDLIST",
    "# comment",
    "one.ts",
    "{$v}.ts",
    "{$w}",
    "{$tok}{$imported}/{$}{$text-0}",
    "https://x/é ü.ts?a=\"b\"",
    "",
];

const MULTIVARIANT_LINES: &[&str] = &[
    "#EXT-X-VERSION:12",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXT-X-START:TIME-OFFSET=3",
    "#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"{$v}\",LANGUAGE=\"en\"",
    "#EXT-X-SESSION-DATA:DATA-ID=\"e\",URI=\"d.json\",FORMAT=RAW",
    "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\",IV=0x5",
    "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple\"",
    "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"p\"",
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n{$v}\",DEFAULT=YES,CHANNELS=\"2/JOC/-\",BIT-DEPTH=16,URI=\"a\"",
    "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"c\",INSTREAM-ID=\"SERVICE1\"",
    "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=g,NAME=\"open,FORCED=YES",
    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"",
    "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1,URI=\"t\"",
    "#EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=1,CODECS=\"a,b\",RESOLUTION=1920X1080,FRAME-RATE=29.97,SCORE=2.5",
    "#EXT-X-STREAM-INF:BANDWIDTH=x,ALLOWED-CPC=\"urn:x:SW/HW\",AUDIO=\"{$v}\",AUDIO=\"g\",CLOSED-CAPTIONS=NONE,X=",
    "#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-NEW=\"1\"",
    "#EXT-X-STREAM-INF:A=b\"c,IV=5,=,NAME=\"a\"b\"c\"",
    "#EXT-X-UNKNOWN:{$v}",
    "#EXT-X-DEFINE:NAME=\"v\",VALUE=\"a b#{$x}\"",
    "#EXT-X-DEFINE:NAME=\"w\",VALUE=\"#\"",
    "#EXT-X-DEFINE:QUERYPARAM=\"tok\"",
    "one.m3u8",
    "{$v}.m3u8",
    "{$w}",
    "https://x/é.m3u8?a=\"b\"",
    "# comment",
];

fn lines(all: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    // Variables come first mostly, or nearly all playlists would only be errors.
    let defined = proptest::collection::vec(proptest::sample::select(all), 0..most);
    (defined, any::<bool>()).prop_map(move |(lines, define)| {
        let mut text = "#EXTM3U\n".to_owned();
        let is_definition = |line: &&str| line.starts_with("#EXT-X-DEFINE");
        for line in all.iter().filter(|line| define && is_definition(line)) {
            text = text + line + "\n";
        }
        for line in lines.iter().filter(|line| !(define && is_definition(line))) {
            text = text + line + "\n";
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn media_playlists_come_back(text in lines(LINES, 40)) {
        if let Some(playlist) = read(text) {
            round(&playlist).expect("no text with quotes");
        }
    }

    #[test]
    fn multivariant_playlists_come_back(text in lines(MULTIVARIANT_LINES, 20)) {
        if let Some(playlist) = read(text) {
            round(&playlist).expect("no text with quotes");
        }
    }

    #[test]
    fn odd_texts_come_back_or_are_refused(title in "\\PC{0,12}", uri in "\\PC{1,12}", value in "[^\"\n]{0,12}", tag in "[A-Z-]{0,5}") {
        let text = format!(
            "#EXTM3U\n#EXT-X-DATERANGE:ID=\"i\",START-DATE=\"2026-01-01\",X-A=\"{value}\"\n#EXT{tag}:{value}\n#EXTINF:1,{title}\n{uri}\n\
             #EXT-X-KEY:METHOD=AES-128,URI=\"{value}\"\n#EXTINF:1,\n{uri}\n"
        );
        if let Some(playlist) = read(text) {
            let _ = round(&playlist);
        }
    }

    #[test]
    fn any_replacement_is_what_is_read_or_refused(uri in any::<String>()) {
        let playlist = media("#EXT-X-MAP:URI=\"i\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-PART:URI=\"p\",DURATION=1\n#EXTINF:1,\na\n");
        if let Ok(text) = playlist.write_with(|_| Some(Replacement::new(uri.clone())))
            && let Some(Playlist::Media(back)) = read(&text)
        {
            prop_assert_eq!(back.segments().len(), 1);
            prop_assert_eq!(back.segment(0).map(|segment| segment.uri()), Some(uri.as_str()));
        }
    }
}

#[test]
fn the_corpus_comes_back() -> Result<(), Box<dyn std::error::Error>> {
    let beside = || Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"));
    let root = env::var_os("HLS_CORPUS").map(Into::into).or_else(beside).filter(|path| path.is_dir());
    let Some(root) = root else {
        println!("SKIPPED corpus: set HLS_CORPUS to its folder");
        assert_ne!(env::var("HLS_CI_STRICT").as_deref(), Ok("1"), "the corpus is missing");
        return Ok(());
    };
    let mut count = 0;
    for folder in fs::read_dir(root)?.flatten().filter(|entry| entry.path().is_dir()) {
        for file in fs::read_dir(folder.path())?.flatten() {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "m3u8")
                && let Some(playlist) = read(fs::read(&path)?)
            {
                round(&playlist).map_err(|error| format!("{}: {error}", path.display()))?;
                count += 1;
            }
        }
    }
    println!("{count} playlists written and read back");
    assert!(count > 600);
    Ok(())
}

#[test]
fn a_playlist_for_use_without_a_network() -> Result<(), WriteError> {
    let playlist = media(
        "#EXT-X-MAP:URI=\"i\",BYTERANGE=\"9@1\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://k/k?token=1\"\n#EXT-X-CUE-OUT:3\n\
         #EXT-X-BYTERANGE:5@7\n#EXTINF:5.5,t\nhttps://cdn/a.ts?token=1\n#EXT-X-BYTERANGE:5\n#EXTINF:5.5,\nb.ts\n#EXT-X-ENDLIST\n",
    );
    let text = playlist.write_with(|reference| match reference {
        Reference::Segment(segment) => Some(Replacement::whole(format!("{}.ts", segment.index()))),
        Reference::Map(_) => Some(Replacement::whole("init.mp4")),
        Reference::Key(..) => Some(Replacement::new("key")),
        _ => None,
    })?;
    let expect = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-CUE-OUT:3\n#EXT-X-MAP:URI=\"init.mp4\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n#EXTINF:5.5,t\n0.ts\n#EXTINF:5.5,\n1.ts\n#EXT-X-ENDLIST\n";
    assert_eq!(text, expect);

    let playlist = multivariant(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",URI=\"a?token=1\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\nv?token=1\n",
    );
    let text = playlist.write_with(|reference| match reference {
        Reference::Variant(variant) => Some(Replacement::new(format!("{}.m3u8", variant.line))),
        Reference::Rendition(rendition) => Some(Replacement::new(format!("{}.m3u8", rendition.group))),
        _ => None,
    })?;
    let expect = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",URI=\"g.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\n3.m3u8\n";
    assert_eq!(text, expect);
    Ok(())
}

#[test]
fn a_map_keeps_the_key_of_its_own_tag() {
    let check = |body: &str| {
        let text = round(&Playlist::Media(media(body))).expect("can be written");
        assert_eq!(text, format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{body}"));
    };
    let (key, map) = (
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x00000000000000000000000000000001\n",
        "#EXT-X-MAP:URI=\"i\"\n",
    );
    let segment = "#EXTINF:1,\na\n";
    check(&format!("{key}{map}{segment}"));
    check(&format!("{map}{key}{segment}"));
    check(&format!("{key}{segment}{map}#EXT-X-KEY:METHOD=NONE\n{segment}"));
    check(&format!("{key}{segment}#EXT-X-KEY:METHOD=NONE\n{map}{segment}"));
}

#[test]
fn what_can_not_be_written() {
    let playlist = media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n");
    let with = |uri: &str| {
        playlist.write_with(|reference| match reference {
            Reference::Key(..) => Some(Replacement::new(uri)),
            _ => None,
        })
    };
    let error = with("a\",IV=0x1,X=\"").expect_err("a quote").to_string();
    assert_eq!(error, "URI can't be written: it has a quote or a line end in it");
    assert!(with("a\n#EXT-X-ENDLIST").is_err());
    assert!(with("a{$b}").is_ok_and(|text| text.contains("#EXT-X-DEFINE:NAME=\"text-0\",VALUE=\"a{$b}\"\n")));
}

#[test]
fn a_merged_playlist_is_whole() {
    let older =
        media("#EXT-X-CUE-OUT:3\n#EXTINF:1,\na\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\nb\n");
    let delta = media("#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-UNKNOWN\n#EXTINF:1,\nc\n");
    let merged = delta.merge(&older).expect("merges");
    let text = merged.write().expect("can be written");
    let expect = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-CUE-OUT:3\n#EXTINF:1,\na\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n\
        #EXTINF:1,\nb\n#EXT-X-UNKNOWN\n#EXTINF:1,\nc\n";
    assert_eq!(text, expect);
}
