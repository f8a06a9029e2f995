//! What holds for every input.

use hls_parse::{Content, Limits, Options, Playlist};
use proptest::prelude::*;
use url::Url;

fn base() -> Url {
    Url::parse("https://example.com/a/index.m3u8?tok=1").expect("a valid URL")
}

const LINES: &[&str] = &[
    "#EXT-X-TARGETDURATION:6",
    "#EXT-X-MEDIA-SEQUENCE:18446744073709551610",
    "#EXTINF:6,a, b",
    "#EXTINF:-1 tvg-id=\"x\" group-title=\"a,b\",Name",
    "#EXTINF:",
    "#EXT-X-BYTERANGE:100@0",
    "#EXT-X-BYTERANGE:100",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k{$v}\",IV=0x{$v}",
    "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple\"",
    "#EXT-X-KEY:METHOD=NONE",
    "#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"10@0\"",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-DEFINE:NAME=\"v\",VALUE=\"1\"",
    "#EXT-X-DEFINE:QUERYPARAM=\"tok\"",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=3",
    "#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-X=\"1\"",
    "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"",
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n",
    "#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"a\tb\"",
    "#EXT-X-PART:DURATION=1,URI=\"p\",BYTERANGE=\"10@0\",INDEPENDENT=YES",
    "#EXT-X-PART:DURATION=1,URI=\"p\",BYTERANGE=\"10\",GAP=YES",
    "#EXT-X-PART-INF:PART-TARGET=0.33",
    "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=36,HOLD-BACK=18,CAN-BLOCK-RELOAD=YES",
    "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\",BYTERANGE-START=18446744073709551615",
    "#EXT-X-RENDITION-REPORT:URI=\"r\"",
    "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"c\",START-DATE=\"2026-01-01T00:00:00Z\",END-ON-NEXT=YES,X-A=\"{$v}\"",
    "#EXT-X-DATERANGE:ID=\"a\",DURATION=99999999999999999999,SCTE35-OUT=0xF",
    "#EXT-X-DATERANGE:ID=\"b\",CLASS=\"com.apple.hls.interstitial\",START-DATE=\"9999-12-31\",X-ASSET-URI=\"a\"",
    "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00,5+0100",
    "#EXT-X-PROGRAM-DATE-TIME:0000-01-01",
    "#EXT-X-START:TIME-OFFSET=-1e300",
    "#EXT-X-BITRATE:800",
    "#EXT-X-GAP",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-CUE-OUT-CONT:10/30",
    "#EXT-X-TILES:RESOLUTION=1x1,LAYOUT=5x4,DURATION=1",
    "#EXT-X-PREFETCH:p",
    "#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"v\"",
    "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"",
    "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"",
    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"",
    "#EXT-X-ENDLIST",
    "# comment",
    "one.ts",
    "http://[",
    "{$v}.ts",
    "",
    "\u{feff}",
];

const SEGMENT_TAGS: &[&str] = &[
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"",
    "#EXT-X-KEY:METHOD=AES-128,URI=\"k2\",IV=0x1",
    "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k3\",KEYFORMAT=\"f\"",
    "#EXT-X-KEY:METHOD=NONE",
    "#EXT-X-MAP:URI=\"i1\"",
    "#EXT-X-MAP:URI=\"i2\",BYTERANGE=\"10@0\"",
    "#EXT-X-BITRATE:800",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z",
];

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), header: bool) {
        let mut text = if header { b"#EXTM3U\n".to_vec() } else { Vec::new() };
        text.extend(bytes);
        let _ = hls_parse::check(&text, &base(), &Options::default());
        let _ = hls_parse::parse(text, &base());
    }

    #[test]
    fn a_delta_update_is_the_whole_playlist(
        tags in proptest::collection::vec(proptest::collection::vec(0..SEGMENT_TAGS.len(), 0..4), 2..12),
        removed in 0_usize..4,
        skipped in 0_usize..8,
        added in 0_usize..3,
    ) {
        let segments: Vec<String> = (0..).zip(&tags).map(|(n, tags): (u32, _)| {
            tags.iter().map(|tag| format!("{}\n", SEGMENT_TAGS[*tag])).collect::<String>()
                + &format!("#EXTINF:4,\n{n}.ts\n")
        }).collect();
        let known = segments.len().saturating_sub(added).max(1);
        let removed = removed.min(known - 1);
        let skipped = skipped.min(known - removed);
        let discontinuities = |range: std::ops::Range<usize>| {
            segments[range].concat().matches("#EXT-X-DISCONTINUITY\n").count()
        };
        let head = |first: usize| format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
            discontinuities(0..first),
        );
        let read = |text: String| match hls_parse::parse(text, &base()).map(|parsed| parsed.playlist) {
            Ok(Playlist::Media(media)) => Ok(media),
            other => Err(TestCaseError::fail(format!("{other:?}"))),
        };
        let older = read(head(0) + &segments[..known].concat())?;
        let skip = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n");
        let delta = read(head(removed) + &skip + &segments[removed + skipped..].concat())?;
        let merged = delta.merge(&older).map_err(|error| TestCaseError::fail(error.to_string()))?;
        // The whole playlist from its beginning, since an older copy knows more than a window tells.
        let whole = read(head(0) + &segments.concat())?;
        prop_assert_eq!(merged.segments().len(), segments.len() - removed);
        // State that a skipped segment begins is known only where one is skipped.
        for (got, want) in merged.segments().zip(whole.segments().skip(removed)).filter(|_| skipped > 0) {
            prop_assert_eq!(got.media_sequence(), want.media_sequence());
            prop_assert_eq!(got.url().ok(), want.url().ok());
            prop_assert_eq!(got.encryption(), want.encryption());
            prop_assert_eq!(got.keys().len(), want.keys().len());
            prop_assert_eq!((got.map(), got.bitrate()), (want.map(), want.bitrate()));
            prop_assert_eq!(got.discontinuity_sequence(), want.discontinuity_sequence());
        }
        prop_assert_eq!(&merged.compare(&older).contradictions, &[]);
    }

    #[test]
    fn mutated_playlists_never_panic(
        lines in proptest::collection::vec(0..LINES.len(), 0..30),
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        inspect: bool,
    ) {
        let mut text = b"#EXTM3U\n".to_vec();
        for line in lines {
            text.extend(LINES[line].bytes().chain([b'\n']));
        }
        for (at, byte) in flips {
            let at = 8 + at % text.len();
            if let Some(old) = text.get_mut(at) {
                *old = byte;
            }
        }
        let mut options = Options::default();
        for violation in hls_parse::check(&text, &base(), &options) {
            prop_assert!(violation.to_string().bytes().all(|byte| byte >= 0x20));
        }
        options.inspect = inspect;
        if let Ok(parsed) = options.parse(&text, &base()) {
            for warning in &parsed.warnings {
                prop_assert!(warning.to_string().bytes().all(|byte| byte >= 0x20));
            }
            if let Playlist::Media(media) = parsed.playlist {
                for part in media.segments().flat_map(|segment| segment.parts()).chain(media.open_parts()) {
                    prop_assert!(part.url().is_ok());
                    let _ = (part.byte_range(), part.encryption(), part.map());
                }
                let _ = (media.hold_back(), media.start_offset(), media.inferred_maps());
                prop_assert_eq!(media.compare(&media).contradictions, &[]);
                if let Ok(merged) = media.merge(&media) {
                    prop_assert_eq!(merged.skipped_segments, 0);
                }
                let uris = media.lines().filter(|line| matches!(line.content, Content::Uri(_))).count();
                prop_assert_eq!(media.segments().len(), uris);
                for segment in media.segments() {
                    prop_assert!(segment.url().is_ok());
                    let _ = (segment.iv(), segment.map(), segment.byte_range(), segment.title());
                }
            }
        }
    }

    #[test]
    fn limits_hold(segments in 0_usize..20) {
        let text = format!("#EXTM3U\n{}", "#EXTINF:1,\na.ts\n".repeat(segments));
        let mut options = Options::default();
        options.limits = Limits::default();
        options.limits.segments = 10;
        prop_assert_eq!(options.parse(text, &base()).is_ok(), segments <= 10);
    }
}

#[test]
fn fault_21_variables_can_not_blow_up() {
    let define = format!("#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"{}\"\n", "x".repeat(60_000));
    let segments = define.clone() + &"#EXTINF:1,\n{$v}\n".repeat(2_000);
    let variants = define.clone() + &"#EXT-X-STREAM-INF:A=\"{$v}\",B=\"{$v}\"\na\n".repeat(900);
    let line = define + "#EXTINF:1,\n{$v}{$v}\n";
    for text in [segments, variants, line] {
        let error = hls_parse::parse(text, &base()).expect_err("too much text").to_string();
        assert!(error.contains("after"), "{error}");
    }
}

#[test]
fn hostile_keys_and_lists_stay_small() {
    let long = "f".repeat(500_000);
    let formats =
        (0..9).map(|n| format!("#EXT-X-KEY:METHOD=A,URI=\"k\",KEYFORMAT=\"{n}\"\n")).collect::<String>();
    let changes =
        (0..3_000).map(|n| format!("#EXT-X-KEY:METHOD=A,URI=\"{n}\"\n#EXTINF:1,\na\n")).collect::<String>();
    let shared = format!("#EXTM3U\n#EXT-X-KEY:METHOD={long},URI=\"k\",KEYFORMAT=\"{long}\"\n{changes}");
    assert!(hls_parse::parse(shared, &base()).is_ok());
    assert!(hls_parse::parse(format!("#EXTM3U\n{formats}"), &base()).is_err());
    let lists = format!("#EXTM3U\n{}", format!("#EXT-X-SESSION-DATA:{}\n", "A=,".repeat(100_000)).repeat(6));
    assert!(hls_parse::parse(lists, &base()).is_err());
}
