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
    "#EXT-X-ENDLIST",
    "# comment",
    "one.ts",
    "http://[",
    "{$v}.ts",
    "",
    "\u{feff}",
];

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), header: bool) {
        let mut text = if header { b"#EXTM3U\n".to_vec() } else { Vec::new() };
        text.extend(bytes);
        let _ = hls_parse::parse(text, &base());
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
        options.inspect = inspect;
        if let Ok(parsed) = options.parse(&text, &base()) {
            for warning in &parsed.warnings {
                prop_assert!(warning.to_string().bytes().all(|byte| byte >= 0x20));
            }
            if let Playlist::Media(media) = parsed.playlist {
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
