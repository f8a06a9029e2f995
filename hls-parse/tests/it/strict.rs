//! What the draft forbids.

use hls_parse::{Options, check};
use url::Url;

fn base() -> Url {
    Url::parse("https://example.com/a/index.m3u8?tok=1").expect("a valid URL")
}

fn found(text: &str) -> Vec<String> {
    let violations = check(text, &base(), &Options::default());
    violations.iter().map(ToString::to_string).collect()
}

/// The violations of a media playlist whose first lines are in order.
fn media(body: &str, expect: &[&str]) {
    let head = "#EXTM3U\n#EXT-X-VERSION:13\n#EXT-X-TARGETDURATION:6\n";
    assert_eq!(found(&format!("{head}{body}")), expect, "{body}");
}

fn multivariant(body: &str, expect: &[&str]) {
    let text = format!("#EXTM3U\n#EXT-X-VERSION:13\n{body}#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n");
    assert_eq!(found(&text), expect, "{body}");
}

const SEGMENT: &str = "#EXTINF:6,\na.ts\n";

#[test]
fn what_is_right_has_no_violations() {
    media(SEGMENT, &[]);
    multivariant("", &[]);
    media(
        "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-PART-INF:PART-TARGET=1\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0,CAN-SKIP-UNTIL=36.0\n\
         #EXT-X-DEFINE:QUERYPARAM=\"tok\"\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k{$tok}\",IV=0x000000000000000000000000000000{$tok}{$tok}\n\
         #EXT-X-MAP:URI=\"i\",BYTERANGE=\"10@0\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n\
         #EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:00Z\",X-A=\"b\",SCTE35-OUT=0xFC,CUE=\"PRE,ONCE\"\n\
         #EXT-X-DATERANGE:ID=\"a\",DURATION=3\n\
         #EXT-X-PART:URI=\"p\",DURATION=1,BYTERANGE=\"10@0\"\n#EXT-X-PART:URI=\"p\",DURATION=1,BYTERANGE=\"10\"\n\
         #EXTINF:6.4,title, with a comma\n#EXT-X-BYTERANGE:20@0\np\n#EXTINF:2,\n#EXT-X-BYTERANGE:20\np\n\
         #EXT-X-UNKNOWN:a=b\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"q\"\n# a comment\n\n\
         #EXT-X-RENDITION-REPORT:URI=\"r\"\n",
        &[],
    );
    multivariant(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"a\",DEFAULT=YES,INSTREAM-ID=\"1\"\n\
         #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"n\",INSTREAM-ID=\"CC1\"\n\
         #EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"v\",LANGUAGE=\"en\"\n\
         #EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"v\",LANGUAGE=\"de\"\n\
         #EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"f\"\n\
         #EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"p\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1x1,FRAME-RATE=25.000,AUDIO=\"a\",CLOSED-CAPTIONS=\"c\",\
         REQ-VIDEO-LAYOUT=\"CH-STEREO\"\nu\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"\n",
        &[],
    );
}

#[test]
fn rule_12_what_must_fail() {
    media(
        "#EXT-X-VERSION:13\n#EXTINF:6,\na.ts\n",
        &["line 4, column 1: EXT-X-VERSION stands more than once (section 4.4.1.2)"],
    );
    media(
        &format!("#EXT-X-START:TIME-OFFSET=-1\n#EXT-X-START:TIME-OFFSET=1\n{SEGMENT}"),
        &["line 5, column 1: EXT-X-START stands more than once (section 4.4.2.2)"],
    );
    media(
        &format!("#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-INDEPENDENT-SEGMENTS\n{SEGMENT}"),
        &["line 5, column 1: EXT-X-INDEPENDENT-SEGMENTS stands more than once (section 4.4.2.1)"],
    );
    media(
        &format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{SEGMENT}"),
        &["line 4, column 1: EXT-X-STREAM-INF does not belong in a media playlist (section 4.1)"],
    );
    assert_eq!(
        found("#EXTM3U\n#EXTINF:1,\na\n"),
        ["line 3, column 1: EXT-X-TARGETDURATION is missing (section 4.4.3.1)"]
    );
    assert_eq!(
        found("\u{feff}#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na\n"),
        ["line 1, column 1: there is a byte order mark (section 4.1)"]
    );
    let latin = check(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\xe9\na\n", &base(), &Options::default());
    assert_eq!(latin[0].to_string(), "line 3, column 1: there are bytes that are not UTF-8 (section 4.1)");
}

#[test]
fn rule_08_durations_are_rounded() {
    fn check(duration: &str, is_right: bool) {
        let text = format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n#EXTINF:{duration},\na\n");
        assert_eq!(found(&text).is_empty(), is_right, "{duration}");
    }
    check("4.4", true);
    check("4.499", true);
    check("4.5", false);
}

#[test]
fn segments() {
    media("a.ts\n", &["line 4, column 1: a segment has no EXTINF (section 4.4.4.1)"]);
    let long = "the duration is longer than the target of 6 s (section 4.4.3.1)";
    media("#EXTINF:6.5,\na\n", &[&format!("line 4, column 9: {long}")]);
    media("#EXTINF:6.499,\na\n", &[]);
    media(
        "#EXTINF:6\na\n",
        &["line 4, column 9: the comma behind the duration is missing (section 4.4.4.1)"],
    );
    media(
        "#EXTINF:-1,\na\n",
        &["line 4, column 9: the duration is no decimal number: \"-1\" (section 4.4.4.1)"],
    );
    let offset = "a byte range has no offset, and the segment before is no range of the same resource";
    let place = |line: u32| format!("line {line}, column 18: {offset} (section 4.4.4.2)");
    media("#EXTINF:6,\n#EXT-X-BYTERANGE:5\na\n", &[&place(5)]);
    media("#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXTINF:6,\n#EXT-X-BYTERANGE:5\na\n", &[]);
    media("#EXTINF:6,\n#EXT-X-BYTERANGE:5@0\na\n#EXTINF:6,\n#EXT-X-BYTERANGE:5\nb\n", &[&place(8)]);
    media(
        "#EXTINF:6,\n#EXT-X-BYTERANGE:0@5\na\n",
        &["line 5, column 18: not a byte range: \"0@5\" (section 4.4.4.2)"],
    );
    media(
        &format!("{SEGMENT}#EXT-X-MEDIA-SEQUENCE:1\n"),
        &["line 6, column 1: EXT-X-MEDIA-SEQUENCE stands behind a segment (section 4.4.3.2)"],
    );
    media(
        &format!("#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n{SEGMENT}"),
        &[
            "line 5, column 1: EXT-X-DISCONTINUITY-SEQUENCE stands behind a segment or a discontinuity (section 4.4.3.3)",
        ],
    );
    media(
        &format!(
            "#EXT-X-PROGRAM-DATE-TIME:now\n#EXT-X-PLAYLIST-TYPE:LIVE\n#EXT-X-BITRATE:x\n#EXT-X-GAP:1\n{SEGMENT}"
        ),
        &[
            "line 4, column 26: not a date and time: \"now\" (section 4.4.4.6)",
            "line 5, column 22: neither EVENT nor VOD: \"LIVE\" (section 4.4.3.5)",
            "line 6, column 16: the value of EXT-X-BITRATE is no decimal integer: \"x\" (section 4.4.4.8)",
            "line 7, column 12: EXT-X-GAP has a value (section 4.4.4.7)",
        ],
    );
}

#[test]
fn keys_and_maps() {
    let check = |tags: &str, expect: &[&str]| media(&format!("{tags}\n{SEGMENT}"), expect);
    check("#EXT-X-KEY:METHOD=AES-128", &["line 4, column 12: the key has no URI (section 4.4.4.4)"]);
    check(
        "#EXT-X-KEY:METHOD=NONE,URI=\"k\"",
        &["line 4, column 12: METHOD=NONE has other attributes (section 4.4.4.4)"],
    );
    for method in ["SAMPLE-AES-CTR", "AES-256-GCM"] {
        let expect =
            format!("line 4, column {}: IV stands with METHOD={method} (section 4.4.4.4)", method.len() + 32);
        check(&format!("#EXT-X-KEY:METHOD={method},URI=\"kk\",IV=0x1"), &[&expect]);
    }
    check(
        "#EXT-X-KEY:METHOD=ROT13,URI=\"k\"",
        &["line 4, column 19: METHOD of EXT-X-KEY is not a word it may be: \"ROT13\" (section 4.4.4.4)"],
    );
    check(
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-MAP:URI=\"i\"",
        &["line 5, column 1: EXT-X-MAP is encrypted with AES-128, and the key has no IV (section 4.4.4.5)"],
    );
    check(
        "#EXT-X-MAP:URI=\"i\",BYTERANGE=\"10\"",
        &["line 4, column 31: the byte range of EXT-X-MAP has no offset (section 4.4.4.5)"],
    );
    check("#EXT-X-MAP:BYTERANGE=\"10@0\"", &["line 4, column 12: EXT-X-MAP has no URI (section 4.4.4.5)"]);
}

#[test]
fn attribute_lists() {
    let check = |list: &str, expect: &[&str]| media(&format!("#EXT-X-START:{list}\n{SEGMENT}"), expect);
    check(
        "TIME-OFFSET=1,TIME-OFFSET=1",
        &["line 4, column 28: the attribute \"TIME-OFFSET\" stands more than once (section 4.2)"],
    );
    check(
        "TIME-OFFSET=\"1\"",
        &["line 4, column 27: TIME-OFFSET of EXT-X-START is not a decimal number: \"1\" (section 4.4.2.2)"],
    );
    check(
        "TIME-OFFSET=1,PRECISE=MAYBE",
        &["line 4, column 36: PRECISE of EXT-X-START is not a word it may be: \"MAYBE\" (section 4.4.2.2)"],
    );
    check("TIME-OFFSET=1,X", &["line 4, column 28: \"X\" is no attribute with a value (section 4.2)"]);
    check("TIME-OFFSET=1,x=1", &["line 4, column 28: \"x\" is no name of an attribute (section 4.2)"]);
    check("TIME-OFFSET=1,X=\"a", &["line 4, column 30: a quoted string is not closed: \"a\" (section 4.2)"]);
    check(
        "TIME-OFFSET=1,X=\"a\"b",
        &["line 4, column 33: there is text after a quoted string: \"b\" (section 4.2)"],
    );
    check(
        "TIME-OFFSET=1,X=",
        &["line 4, column 30: the value \"\" is empty, or has quotes or blanks (section 4.2)"],
    );
    check("PRECISE=YES", &["line 4, column 14: EXT-X-START has no TIME-OFFSET (section 4.4.2.2)"]);
}

#[test]
fn rule_10_variables() {
    media(
        "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"2\"\n#EXT-X-DEFINE:NAME=\"b\"\n\
         #EXT-X-DEFINE:IMPORT=\"c\"\n#EXT-X-DEFINE:QUERYPARAM=\"d\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"{$e}\"\n\
         #EXTINF:6,{$f}\n{$g}\n",
        &[
            "line 5, column 15: variable definition stands twice: \"a\" (section 4.4.2.3)",
            "line 6, column 15: variable definition has no value: \"b\" (section 4.4.2.3)",
            "line 7, column 15: variable definition imports what no multivariant playlist defines: \"c\" (section 4.4.2.3)",
            "line 8, column 15: variable definition wants a query parameter that the URL of the playlist has not: \"d\" (section 4.4.2.3)",
            "line 9, column 32: variable is not defined: \"e\" (section 4.3)",
            "line 11, column 1: variable is not defined: \"g\" (section 4.3)",
        ],
    );
}

#[test]
fn versions() {
    fn check(version: &str, tags: &str, expect: &[&str]) {
        let text = format!("#EXTM3U\n{version}#EXT-X-TARGETDURATION:6\n{tags}{SEGMENT}");
        assert_eq!(found(&text), expect, "{tags}");
    }
    fn needs(tags: &str, column: &str, least: u64) {
        let line = if least > 2 { 4 } else { 3 };
        let expect =
            format!("line {line}, column 1: {column} needs EXT-X-VERSION {least}, and it is {}", least - 1);
        let version = if least > 2 { format!("#EXT-X-VERSION:{}\n", least - 1) } else { String::new() };
        check(&version, tags, &[&format!("{expect} (section 8)")]);
        check(&format!("#EXT-X-VERSION:{least}\n"), tags, &[]);
    }
    check(
        "#EXT-X-VERSION:14\n",
        "",
        &["line 2, column 1: EXT-X-VERSION is 14, which is newer than 13 (section 8)"],
    );
    needs("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n", "IV", 2);
    needs("#EXTINF:1.5,\nb\n", "an EXTINF that is no whole number", 3);
    needs("#EXT-X-I-FRAMES-ONLY\n", "EXT-X-I-FRAMES-ONLY", 4);
    needs("#EXT-X-BYTERANGE:1@0\n", "EXT-X-BYTERANGE", 4);
    needs("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n", "METHOD=SAMPLE-AES", 5);
    needs(
        "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"identity\"\n",
        "KEYFORMAT or KEYFORMATVERSIONS",
        5,
    );
    needs("#EXT-X-MAP:URI=\"i\"\n", "EXT-X-MAP outside of I-frame playlists", 6);
    needs("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"1\"\n", "EXT-X-DEFINE", 8);
    needs("#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n", "EXT-X-SKIP", 9);
    needs(
        "#EXT-X-SKIP:SKIPPED-SEGMENTS=1,RECENTLY-REMOVED-DATERANGES=\"a\tb\"\n",
        "EXT-X-SKIP of date ranges",
        10,
    );
    needs("#EXT-X-DEFINE:QUERYPARAM=\"tok\"\n", "QUERYPARAM", 11);
    let variants = |version: u32, tags: &str| {
        found(&format!("#EXTM3U\n#EXT-X-VERSION:{version}\n{tags}#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n"))
    };
    for (least, what, tags) in [
        (
            7,
            "SERVICE captions",
            "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"n\",INSTREAM-ID=\"SERVICE1\"\n",
        ),
        (
            12,
            "an attribute that begins with REQ-",
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\",REQ-VIDEO-LAYOUT=\"CH-MONO\"\n",
        ),
        (
            13,
            "INSTREAM-ID outside of captions",
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"c\",NAME=\"n\",INSTREAM-ID=\"1\"\n",
        ),
    ] {
        let below = least - 1;
        let expect =
            format!("line 3, column 1: {what} needs EXT-X-VERSION {least}, and it is {below} (section 8)");
        assert_eq!(variants(below, tags), [expect]);
        assert_eq!(variants(least, tags), [""; 0]);
    }
}

#[test]
fn low_latency() {
    media(
        &format!("{SEGMENT}#EXT-X-RENDITION-REPORT:URI=\"https://example.com/b\"\n"),
        &["line 6, column 30: the URI of EXT-X-RENDITION-REPORT is not relative (section 4.4.5.4)"],
    );
    media(
        &format!("#EXT-X-PART:URI=\"p\",DURATION=1,BYTERANGE=\"5\"\n{SEGMENT}"),
        &[
            "line 4, column 1: there are parts, and no EXT-X-PART-INF (section 4.4.3.7)",
            "line 4, column 43: a byte range has no offset, and no part of the same segment and resource before it \
             (section 4.4.4.9)",
        ],
    );
    media(
        &format!(
            "#EXT-X-PART-INF:PART-TARGET=1\n\
             #EXT-X-SERVER-CONTROL:HOLD-BACK=17,CAN-SKIP-DATERANGES=YES\n#EXT-X-PART:URI=\"p\",DURATION=1.1\n{SEGMENT}"
        ),
        &[
            "line 5, column 1: CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL (section 4.4.3.8)",
            "line 5, column 1: there is EXT-X-PART-INF, and no PART-HOLD-BACK (section 4.4.3.8)",
            "line 5, column 33: HOLD-BACK is less than 3 target durations (section 4.4.3.8)",
            "line 6, column 30: the part is longer than PART-TARGET (section 4.4.3.7)",
        ],
    );
}

#[test]
fn rule_30_date_ranges() {
    let date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n";
    let start = "START-DATE=\"2026-01-01T00:00:00Z\"";
    let check = |tags: &str, expect: &[&str]| media(&format!("{date}{tags}\n{SEGMENT}"), expect);
    check(
        "#EXT-X-DATERANGE:ID=\"a\"",
        &["line 5, column 1: EXT-X-DATERANGE has no START-DATE (section 4.4.5.1)"],
    );
    check(
        &format!("#EXT-X-DATERANGE:ID=\"a\",{start},END-ON-NEXT=YES"),
        &["line 5, column 1: END-ON-NEXT without CLASS (section 4.4.5.1)"],
    );
    check(
        &format!("#EXT-X-DATERANGE:ID=\"a\",{start},CUE=\"PRE,POST\""),
        &["line 5, column 64: CUE is none that may be: \"PRE,POST\" (section 4.4.5.1)"],
    );
    check(
        &format!("#EXT-X-DATERANGE:ID=\"a\",{start},X-A=1\n#EXT-X-DATERANGE:ID=\"a\",X-A=2"),
        &["line 6, column 25: \"X-A\" of the date range \"a\" is not as before (section 4.4.5.1)"],
    );
    check(
        &format!("#EXT-X-DATERANGE:ID=\"a\",{start},DURATION=2,END-DATE=\"2026-01-01T00:00:03Z\""),
        &["line 5, column 1: END-DATE is not START-DATE and DURATION together (section 4.4.5.1)"],
    );
    media(
        &format!("#EXT-X-DATERANGE:ID=\"a\",{start}\n{SEGMENT}"),
        &["line 4, column 1: there are date ranges, and no EXT-X-PROGRAM-DATE-TIME (section 4.4.5.1)"],
    );
}

#[test]
fn multivariant_playlists() {
    multivariant(
        "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\nu\n",
        &[
            "line 3, column 38: there is no EXT-X-MEDIA of TYPE=AUDIO with the GROUP-ID \"a\" (section 4.4.6.2)",
        ],
    );
    multivariant(
        "#EXT-X-STREAM-INF:BANDWIDTH=1.5\n#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=1\nu\nw\n",
        &[
            "line 3, column 1: EXT-X-STREAM-INF is not followed by a URI (section 4.4.6.2)",
            "line 3, column 29: BANDWIDTH of EXT-X-STREAM-INF is not a decimal integer: \"1.5\" (section 4.4.6.2)",
            "line 4, column 19: EXT-X-STREAM-INF has no BANDWIDTH (section 4.4.6.2)",
            "line 6, column 1: a URI has no EXT-X-STREAM-INF before it (section 4.4.6.2)",
        ],
    );
    multivariant(
        "#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-X=\"1\"\nu\n",
        &["line 3, column 31: the requirement \"REQ-X\" is not known (section 6.3.1)"],
    );
    multivariant(
        "#EXT-X-STREAM-INF:BANDWIDTH=1,CLOSED-CAPTIONS=NONE\nu\n",
        &["line 5, column 1: CLOSED-CAPTIONS is NONE on some variants and not on all (section 4.4.6.2)"],
    );
    multivariant(
        "#EXT-X-STREAM-INF:BANDWIDTH=1,ALLOWED-CPC=\"com.a:L1,b\"\nu\n",
        &["line 3, column 53: an entry of ALLOWED-CPC has no colon: \"b\" (section 4.4.6.2)"],
    );
    multivariant(
        "#EXT-X-SESSION-KEY:METHOD=NONE\n",
        &["line 3, column 20: EXT-X-SESSION-KEY has METHOD=NONE (section 4.4.6.5)"],
    );
    let both = "not exactly one of VALUE and URI (section 4.4.6.4)";
    multivariant(
        "#EXT-X-SESSION-DATA:DATA-ID=\"d\"\n#EXT-X-SESSION-DATA:DATA-ID=\"e\",VALUE=\"v\",URI=\"u\"\n",
        &[&format!("line 3, column 21: {both}"), &format!("line 4, column 21: {both}")],
    );
    multivariant(
        "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"n\"\n\
         #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"n\",URI=\"u\",INSTREAM-ID=\"CC1\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=a,NAME=\"n\",FORCED=NO\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",DEFAULT=YES,AUTOSELECT=NO\n",
        &[
            "line 3, column 1: subtitles have no URI (section 4.4.6.1)",
            "line 4, column 1: closed captions have a URI (section 4.4.6.1)",
            "line 5, column 1: FORCED stands on TYPE=\"AUDIO\" (section 4.4.6.1)",
            "line 5, column 34: GROUP-ID of EXT-X-MEDIA is not a quoted string: \"a\" (section 4.4.6.1)",
            "line 6, column 1: DEFAULT is YES, and AUTOSELECT is NO (section 4.4.6.1)",
            "line 6, column 1: another rendition of the group has the same NAME (section 4.4.6.1.1)",
        ],
    );
}

#[test]
fn strict_reading_fails_at_the_first() {
    let mut options = Options::default();
    options.strict = true;
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:6\na.ts\n#EXTINF:9\nb.ts\n";
    let error = options.parse(text, &base()).expect_err("is strict").to_string();
    assert_eq!(error, "line 3, column 1: a segment has no EXTINF (section 4.4.4.1)");
    assert!(options.parse("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nb.ts\n", &base()).is_ok());
}

#[test]
fn hostile_playlists_take_linear_time() {
    // Quadratic work on any of these would take minutes.
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n";
    let date = "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01\",B=1\n";
    for text in [
        format!("{head}{}", "#EXT-X-KEY:X\n".repeat(80_000)),
        format!("{head}#EXT-X-KEY:{}\n", "X,".repeat(400_000)),
        format!("{head}#EXT-X-KEY:{}=1\n", "X,".repeat(400_000)),
        format!("{head}#EXT-X-KEY:{}\n", "A=1,".repeat(200_000)),
        format!("{head}#EXT-X-KEY:{}\n", "\"".repeat(400_000)),
        format!("{head}{}", date.repeat(80_000)),
        format!("#EXTM3U\n{}", "#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\na\n".repeat(80_000)),
    ] {
        assert!(!check(text, &base(), &Options::default()).is_empty());
    }
}
