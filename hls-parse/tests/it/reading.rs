//! The rules that downloaders get wrong, and the playlists that must not be guessed.

use hls_parse::{ByteRange, Encryption, Media, Multivariant, Options, Playlist, Reason, RenditionType};
use url::Url;

fn base() -> Url {
    Url::parse("https://example.com/a/index.m3u8?tok=t%201").expect("a valid URL")
}

fn media(body: &str) -> Media {
    let parsed = hls_parse::parse(format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{body}"), &base());
    match parsed.expect("a playlist").playlist {
        Playlist::Media(media) => media,
        Playlist::Multivariant(_) => unreachable!("not a media playlist"),
    }
}

fn multivariant(body: &str) -> Multivariant {
    match hls_parse::parse(format!("#EXTM3U\n{body}"), &base()).expect("a playlist").playlist {
        Playlist::Multivariant(multivariant) => multivariant,
        Playlist::Media(_) => unreachable!("not a multivariant playlist"),
    }
}

fn error(body: &str, expect: &str) {
    let error = hls_parse::parse(format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{body}"), &base());
    assert_eq!(error.expect_err(body).to_string(), expect);
}

fn uris(media: &Media) -> Vec<&str> {
    media.segments().map(|segment| segment.uri()).collect()
}

#[test]
fn rule_02_endlist_may_stand_anywhere() {
    assert!(media("#EXT-X-ENDLIST\n#EXTINF:1,\na.ts\n").ended);
    assert!(!media("#EXT-X-ENDLISTX\n#EXTINF:1,\na.ts\n").ended);
}

#[test]
fn rule_09_uris_resolve_against_the_final_url() {
    fn check(uri: &str, expect: &str) {
        let media = media(&format!("#EXTINF:1,\n{uri}\n"));
        let url = media.segment(0).expect("a segment").url().expect("resolved");
        assert_eq!(url.as_str(), expect);
    }
    check("b.ts", "https://example.com/a/b.ts");
    check("../b.ts?x=1", "https://example.com/b.ts?x=1");
    check("/b.ts", "https://example.com/b.ts");
    check("//cdn.example/b.ts", "https://cdn.example/b.ts");
    check("http://cdn.example/b.ts", "http://cdn.example/b.ts");
    check("?part=2", "https://example.com/a/index.m3u8?part=2");
}

#[test]
fn rule_10_variables() {
    let body = "#EXT-X-DEFINE:NAME=\"p\",VALUE=\"x/{$no}\"\n#EXT-X-DEFINE:QUERYPARAM=\"tok\"\n\
        #EXT-X-KEY:METHOD=AES-128,URI=\"k?{$tok}\",IV=0x1\n#EXTINF:1,{$p}\n{$p}/1.ts?t={$tok}\n";
    let media = media(body);
    let segment = media.segment(0).expect("a segment");
    assert_eq!((segment.uri(), segment.title()), ("x/{$no}/1.ts?t=t 1", "{$p}"));
    assert!(matches!(segment.encryption(), Encryption::Aes128 { url, .. } if url.query() == Some("t%201")));

    error("#EXTINF:1,\n{$p}.ts\n", "line 4, column 1: variable is not defined: \"p\"");
    error(
        "#EXT-X-DEFINE:IMPORT=\"b\"\n",
        "line 3, column 15: variable definition imports what no multivariant playlist defines: \"b\"",
    );
    let mut options = Options::default();
    options.import = vec![("b".into(), "v".into())];
    let text = "#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"b\"\n#EXTINF:1,\n{$b}.ts\n";
    assert!(options.parse(text, &base()).is_ok());
}

#[test]
fn rule_11_unknown_requirements_take_their_uri_along() {
    let body =
        "#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-NEW=\"1\"\nno.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nok.m3u8\n";
    let variants = multivariant(body).variants;
    assert_eq!(variants.iter().map(|v| v.uri.as_str()).collect::<Vec<_>>(), ["ok.m3u8"]);
}

#[test]
fn rule_12_mixed_playlists_fail() {
    let expect = "line 3, column 1: tags of a multivariant playlist and of a media playlist are mixed";
    error("#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", expect);
}

#[test]
fn rule_13_byte_ranges() {
    let media = media(
        "#EXTINF:1,\n#EXT-X-BYTERANGE:100@50\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:200\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:7\nb\n",
    );
    let ranges: Vec<_> = media.segments().map(|s| s.byte_range().map(|r| (r.offset, r.length))).collect();
    assert_eq!(ranges, [Some((50, 100)), Some((150, 200)), Some((350, 7))]);
}

#[test]
fn fault_33_sequence_numbers_out_of_range() {
    let huge = "#EXT-X-MEDIA-SEQUENCE:99999999999999999999\n#EXTINF:1,\na\n";
    error(huge, "line 3, column 23: media sequence number out of range: \"99999999999999999999\"");
    let last = "#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:1,\na\n";
    error(last, "line 3, column 1: media sequence number out of range: \"18446744073709551615\"");
    let skip = "#EXT-X-SKIP:SKIPPED-SEGMENTS=x\n#EXTINF:1,\na\n";
    error(skip, "line 3, column 13: media sequence number out of range: \"SKIPPED-SEGMENTS=x\"");
    let negative = "#EXT-X-MEDIA-SEQUENCE:-1\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n";
    let expect = "encryption depends on the media sequence number, which can't be read: \"-1\"";
    error(negative, &format!("line 3, column 23: {expect}"));
}

#[test]
fn fault_34_byte_ranges_are_never_guessed() {
    fn check(range: &str) {
        error(
            &format!("#EXTINF:1,\n#EXT-X-BYTERANGE:{range}\na\n"),
            &format!("line 4, column 18: not a byte range: {range:?}"),
        );
    }
    for range in ["0@", "18446744073709551616", "18446744073709551615@1", "-1@5", "100@", "abc"] {
        check(range);
    }
    error("#EXTINF:1,\n#EXT-X-BYTERANGE:5\na\n", NO_OFFSET);
}

#[test]
fn a_byte_range_may_have_no_bytes() {
    let ranges = "#EXTINF:1,\n#EXT-X-BYTERANGE:5@2\na\n#EXTINF:0,\n#EXT-X-BYTERANGE:0\na\n#EXTINF:0,\n#EXT-X-BYTERANGE:0@3\na\n\
         #EXTINF:1,\n#EXT-X-BYTERANGE:4\na\n#EXTINF:1,\na\n";
    let media = media(ranges);
    let of = |n: usize| media.segment(n).map(|segment| (segment.byte_range(), segment.empty_range()));
    let expect = [
        (ByteRange::new(2, 5), None),
        (None, Some(7)),
        (None, Some(3)),
        (ByteRange::new(3, 4), None),
        (None, None),
    ];
    assert_eq!([0, 1, 2, 3, 4].map(of), expect.map(Some));
}

const NO_OFFSET: &str =
    "line 4, column 18: byte range without an offset and without a range before it: \"5\"";

#[test]
fn rule_16_keys_apply_by_format_until_none() {
    let media = media(
        "#EXTINF:1,\nclear\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",\
         KEYFORMAT=\"com.apple.streamingkeydelivery\"\n#EXTINF:1,\nboth\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nnone\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.widevine\"\n#EXTINF:1,\ndrm\n",
    );
    let segments: Vec<_> = media.segments().collect();
    assert_eq!(segments[0].encryption(), &Encryption::Clear);
    assert!(matches!(segments[1].encryption(), Encryption::Aes128 { .. }));
    assert_eq!(segments[1].keys().len(), 2);
    assert_eq!(segments[2].encryption(), &Encryption::Clear);
    assert!(matches!(segments[3].encryption(), Encryption::Unsupported { reason: Reason::KeyFormat, .. }));
    assert_eq!(media.encryptions().count(), 3);
}

#[test]
fn rule_17_keys_stay_over_discontinuities_and_maps() {
    let media = media(
        "#EXTINF:1,\nclear\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXTINF:1,\na\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\nb\n\
         #EXT-X-MAP:URI=\"m\"\n#EXTINF:1,\nc\n",
    );
    let encrypted = media.segments().map(|segment| matches!(segment.encryption(), Encryption::Aes128 { .. }));
    assert_eq!(encrypted.collect::<Vec<_>>(), [false, true, true, true]);
}

#[test]
fn rule_18_maps_use_the_key_at_their_tag() {
    let media = media(
        "#EXT-X-MAP:URI=\"clear.mp4\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXTINF:1,\na\n\
         #EXT-X-MAP:URI=\"clear.mp4\"\n#EXTINF:1,\nb\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n\
         #EXT-X-MAP:URI=\"clear.mp4\"\n#EXTINF:1,\nc\n",
    );
    let maps: Vec<_> =
        media.segments().map(|segment| segment.map().expect("a map").encryption.clone()).collect();
    assert_eq!(maps[0], Encryption::Clear);
    assert!(matches!(maps[1], Encryption::Aes128 { iv: Some(_), .. }));
    assert!(matches!(maps[2], Encryption::Unsupported { reason: Reason::MapWithoutIv, .. }));
}

#[test]
fn rule_19_vectors() {
    let media = media(
        "#EXT-X-MEDIA-SEQUENCE:258\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n#EXTINF:1,\nb\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0Xab\n#EXTINF:1,\nc\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=zz\n\
         #EXTINF:1,\nd\n",
    );
    let vectors: Vec<_> = media.segments().map(|segment| segment.iv().map(u128::from_be_bytes)).collect();
    assert_eq!(vectors, [Some(258), Some(259), Some(0xab), None]);
}

#[test]
fn rule_27_equal_maps_are_one() {
    let media = media("#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\na\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\nb\n");
    assert_eq!(media.maps().len(), 1);
}

#[test]
fn rule_31_groups_match_on_type_and_id() {
    let playlist = multivariant(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"a\",URI=\"a.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"g\",NAME=\"s\",URI=\"s.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"g\"\nv.m3u8\n",
    );
    let names = |kind| {
        playlist.renditions_of(&playlist.variants[0], kind).map(|r| r.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(RenditionType::Audio), ["a"]);
    assert!(names(RenditionType::Subtitles).is_empty());
}

#[test]
fn a_variant_without_bandwidth_shifts_nothing() {
    let playlist = multivariant(
        "#EXT-X-STREAM-INF:RESOLUTION=1x1\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2.5\nb.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\nstray.m3u8\n",
    );
    let pairs: Vec<_> = playlist.variants.iter().map(|v| (v.uri.as_str(), v.bandwidth)).collect();
    assert_eq!(pairs, [("a.m3u8", None), ("b.m3u8", None)]);
}

#[test]
fn titles_and_tags_never_become_segments() {
    let media = media(
        "#EXTINF:1,Hello, world\na.ts\n#EXTINF:-1 tvg-id=\"x\" group-title=\"a,b\",Name\nb.ts\n\
         #EXT-X-RENDITION-REPORT:URI=\"c\"\n#EXT-X-PREFETCH:d.ts\n#EXTINF:1,",
    );
    assert_eq!(uris(&media), ["a.ts", "b.ts"]);
    assert_eq!(media.segments().map(|s| s.title()).collect::<Vec<_>>(), ["Hello, world", "Name"]);
}

#[test]
fn bad_utf8_cuts_nothing() {
    let text = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,caf\xe9\na.ts\n#EXTINF:1,\nb.ts\n";
    let parsed = hls_parse::parse(text, &base()).expect("a playlist");
    assert_eq!(parsed.warnings[0].to_string(), "line 3: bytes that are not UTF-8 replaced");
    assert!(matches!(parsed.playlist, Playlist::Media(media) if media.segments().len() == 2));
}

#[test]
fn pages_are_not_playlists() {
    fn check(text: &str, expect: &str) {
        let error = hls_parse::parse(text, &base()).expect_err(text).to_string();
        assert_eq!(error, format!("line 1, column 1: not an HLS playlist: {expect}"));
    }
    check("<!doctype html>", "it looks like an HTML page");
    check("<?xml version=\"1.0\"?><MPD/>", "it looks like an XML document");
    check("{\"error\": 1}", "it looks like a JSON document");
    check("", "it is empty");
    check("G\u{0}\u{11}", "it looks like binary data");
    check("1.ts\n", "it does not begin with #EXTM3U");
}

#[test]
fn hostile_playlists_take_linear_time() {
    // Quadratic work on any of these would take minutes.
    let keys = format!("#EXTM3U\n{}", "#EXT-X-KEY:X\n".repeat(80_000));
    assert!(hls_parse::parse(keys, &base()).is_ok());
    let attributes = format!("#EXTM3U\n#EXT-X-KEY:{}\n", "A=\"1\",".repeat(100_000));
    assert!(hls_parse::parse(attributes, &base()).is_ok());
    let quotes = format!("#EXTM3U\n#EXTINF:{}\na.ts\n", "\",".repeat(400_000));
    assert!(hls_parse::parse(quotes, &base()).is_ok());
    let one = "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"b\",START-DATE=\"2026-01-01\",END-ON-NEXT=YES\n";
    let same = one.repeat(80_000);
    assert!(hls_parse::parse(format!("#EXTM3U\n{same}"), &base()).is_ok());
    let other = (0..80_000).map(|n| one.replace("ID=\"a\"", &format!("ID=\"{n}\"")));
    assert!(hls_parse::parse(format!("#EXTM3U\n{}", other.collect::<String>()), &base()).is_ok());
    let wide = format!("#EXTM3U\n#EXT-X-DATERANGE:ID=\"a\",{}\n", "A=1,".repeat(100_000));
    assert!(hls_parse::parse(wide, &base()).is_ok());
    let parts = "#EXT-X-PART:DURATION=1,URI=\"p\",BYTERANGE=\"9\"\n".repeat(80_000);
    assert!(hls_parse::parse(format!("#EXTM3U\n{parts}"), &base()).is_ok());
}

#[test]
fn rule_33_skipped_segments_keep_their_numbers() {
    let media = media("#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n#EXTINF:1,\na\n");
    assert_eq!(media.skipped_segments, 5);
    assert_eq!(media.segment(0).map(|segment| segment.media_sequence()), Some(15));
}

#[test]
fn rule_22_a_key_of_any_kind_is_never_taken_for_clear() {
    fn check(tag: &str, expect: Reason) {
        let media = media(&format!("#EXT-X-KEY:{tag}\n#EXTINF:1,\na\n"));
        let encryption = media.segment(0).map(|segment| segment.encryption().clone());
        assert!(
            matches!(encryption, Some(Encryption::Unsupported { reason, .. }) if reason == expect),
            "{tag}"
        );
    }
    check("METHOD=SAMPLE-AES,URI=\"k\"", Reason::Method);
    check("METHOD=AES-256-GCM,URI=\"k\"", Reason::Method);
    check("METHOD=FUTURE,URI=\"k\"", Reason::Method);
    check("METHOD=AES-128", Reason::NoUri);
    check("URI=\"k\"", Reason::Method);
    check("METHOD=AES-128,URI=\"k\",IV=0xzz", Reason::BadIv);
    check("METHOD=AES-128,URI=\"k\",KEYFORMAT=\"com.example\"", Reason::KeyFormat);
}

#[test]
fn fault_31_odd_bytes_are_read_or_refused() {
    let read = |text: &[u8]| {
        hls_parse::parse(text, &base()).map(|parsed| match parsed.playlist {
            Playlist::Media(media) => media.segments().len(),
            Playlist::Multivariant(_) => 0,
        })
    };
    let body = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\na.ts\n#EXTINF:6,\nb.ts\n#EXT-X-ENDLIST\n";
    assert_eq!(read(format!("\u{feff}{body}").as_bytes()).ok(), Some(2));
    assert_eq!(read(body.replace('\n', "\r\n").as_bytes()).ok(), Some(2));
    assert_eq!(read(body.replace("6,", "6,a\0b").as_bytes()).ok(), Some(2));
    let long = "x".repeat(2 << 20);
    assert!(read(body.replace("6,", &format!("6,{long}")).as_bytes()).is_err());
    assert!(read(b"\0#EXTM3U\n").is_err());
}

#[test]
fn fault_32_times_are_never_out_of_range() {
    for time in ["-1", "NaN", "1e308", "inf", "99999999999999999999999999", "", "0"] {
        for target in ["0", "18446744073709551615", "18446744073709551616", "-5", "x"] {
            let text = format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:{target}\n{}",
                format!("#EXTINF:{time},\na.ts\n").repeat(3)
            );
            let parsed = hls_parse::parse(text, &base()).expect(time);
            let Playlist::Media(media) = parsed.playlist else { unreachable!("segments") };
            assert_eq!(media.segments().len(), 3, "{time} {target}");
            // Sums of them neither panic nor wrap.
            assert!(media.duration() >= media.segment(0).expect("a segment").duration());
        }
    }
}
