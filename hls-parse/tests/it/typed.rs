//! Tags that are read into types of their own.

use std::time::Duration;

use hls_parse::{
    ByteRange, DataFormat, HintType, Interstitial, MarkerKind, Media, Method, Multivariant, Options,
    Playlist, RenditionType, TimelineOccupies, TimelineStyle, VideoRange,
};
use url::Url;

fn read(body: &str) -> (Playlist, Vec<String>) {
    let base = Url::parse("https://example.com/a/index.m3u8").expect("a valid URL");
    let parsed = hls_parse::parse(format!("#EXTM3U\n{body}"), &base).expect("a playlist");
    (parsed.playlist, parsed.warnings.iter().map(ToString::to_string).collect())
}

fn media_with_warnings(body: &str) -> (Media, Vec<String>) {
    match read(&format!("#EXT-X-TARGETDURATION:4\n{body}")) {
        (Playlist::Media(media), warnings) => (media, warnings),
        _ => unreachable!("not a media playlist"),
    }
}

fn media(body: &str) -> Media {
    media_with_warnings(body).0
}

fn multivariant(body: &str) -> Multivariant {
    match read(body).0 {
        Playlist::Multivariant(playlist) => playlist,
        Playlist::Media(_) => unreachable!("not a multivariant playlist"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn rule_06_renditions_are_aligned_by_discontinuities_and_dates() {
    let date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z";
    let video = media(&format!(
        "#EXT-X-MEDIA-SEQUENCE:90\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n{date}\n#EXTINF:4,\nv1\n\
         #EXT-X-DISCONTINUITY\n#EXTINF:4,\nv2\n"
    ));
    let audio = media(&format!(
        "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:5\n#EXTINF:2,\na2\n#EXTINF:2,\na3\n{}\n#EXTINF:4,\na4\n",
        date.replace("00:00Z", "00:08Z"),
    ));
    let place = |media: &Media, uri: &str| {
        let segment = media.segments().find(|segment| segment.uri() == uri)?;
        Some((segment.discontinuity_sequence(), segment.date_time()))
    };
    assert_eq!(place(&video, "v2"), place(&audio, "a2"));
    assert!(place(&video, "v1") < place(&audio, "a2"));
}

#[test]
fn rule_07_where_playback_begins() {
    fn check(tags: &str, expect: Option<u64>) {
        let media = media(&format!("{tags}\n#EXTINF:4,\na\n#EXTINF:4,\nb\n"));
        assert_eq!(media.start_offset().map(|offset| offset.as_secs()), expect, "{tags}");
    }
    check("", None);
    check("#EXT-X-START:TIME-OFFSET=3", Some(3));
    check("#EXT-X-START:TIME-OFFSET=-3,PRECISE=YES", Some(5));
    check("#EXT-X-START:TIME-OFFSET=30", Some(8));
    check("#EXT-X-START:TIME-OFFSET=-1e300", Some(0));
    assert_eq!(media("").hold_back(), Some(12 * SECOND));
    assert_eq!(media("#EXT-X-SERVER-CONTROL:HOLD-BACK=13\n").hold_back(), Some(13 * SECOND));
}

#[test]
fn rule_11_unknown_things_are_passed_by() {
    let playlist = multivariant(
        "#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-NEW=\"x\"\nignored\n#EXT-X-STREAM-INF:BANDWIDTH=2,NEW=\"x\",VIDEO-RANGE=NEW\nv\n\
         #EXT-X-MEDIA:TYPE=NEW,GROUP-ID=\"g\",NAME=\"n\"\n#ext-x-media:TYPE=AUDIO\n#EXT-X-NEW:a\n",
    );
    assert_eq!(playlist.variants.iter().map(|v| v.uri.as_str()).collect::<Vec<_>>(), ["v"]);
    assert_eq!(playlist.variants[0].dynamic_range(), VideoRange::Unknown);
    assert!(playlist.renditions.is_empty());
    assert_eq!(
        playlist.unknown_tags().map(|line| (line.number, line.raw)).collect::<Vec<_>>(),
        [(8, "#EXT-X-NEW:a")]
    );
    let media = media("#EXT-X-FOO\n#EXTINF:4,\na\n#EXT-X-BAR:b c\n# comment\n");
    assert_eq!(
        media.unknown_tags().map(|line| line.raw).collect::<Vec<_>>(),
        ["#EXT-X-FOO", "#EXT-X-BAR:b c"]
    );
}

#[test]
fn rule_13_parts_inherit_within_their_segment() {
    let (media, warnings) = media_with_warnings(
        "#EXT-X-PART-INF:PART-TARGET=1.5\n#EXT-X-MEDIA-SEQUENCE:7\n\
         #EXT-X-PART:DURATION=1,URI=\"a\",BYTERANGE=\"10@5\",INDEPENDENT=YES\n\
         #EXT-X-PART:DURATION=1.5,URI=\"a\",BYTERANGE=20\n#EXT-X-PART:DURATION=1,URI=\"b\",GAP=YES\n#EXTINF:4,\na\n\
         #EXTINF:4,\nno-parts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-PART:DURATION=1,URI=\"c\",BYTERANGE=\"10\"\n\
         #EXT-X-PART:DURATION=1,URI=\"d\"\n",
    );
    let parts: Vec<_> = media.segments().map(|segment| segment.parts().collect::<Vec<_>>()).collect();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [3, 0]);
    let range = |offset, length| ByteRange::new(offset, length);
    assert_eq!(
        parts[0].iter().map(|p| p.byte_range()).collect::<Vec<_>>(),
        [range(5, 10), range(15, 20), None]
    );
    assert!(parts[0][0].is_independent() && !parts[0][1].is_independent() && parts[0][2].is_gap());
    assert_eq!((parts[0][2].media_sequence(), parts[0][2].index()), (7, 2));
    assert_eq!(parts[0][1].duration(), Duration::from_millis(1500));
    // A range is never inherited from another segment; what can't be told is left out.
    let open: Vec<_> = media.open_parts().collect();
    assert_eq!(open.iter().map(|part| part.uri()).collect::<Vec<_>>(), ["d"]);
    assert_eq!((open[0].media_sequence(), open[0].encryption().to_string()), (9, "AES-128".to_owned()));
    assert_eq!(open[0].url().map(String::from).as_deref(), Ok("https://example.com/a/d"));
    assert_eq!(warnings, ["line 13: part with a byte range that can't be told ignored: \"10\""]);
    assert_eq!(media.part_target, Some(Duration::from_millis(1500)));
}

#[test]
fn rule_14_hints_without_a_length_are_open() {
    let media = media(
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\",BYTERANGE-START=100\n\
         #EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"m\",BYTERANGE-START=10,BYTERANGE-LENGTH=5\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"q\"\n#EXT-X-PRELOAD-HINT:TYPE=NEW,URI=\"r\"\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"s\",BYTERANGE-LENGTH=0\n",
    );
    let hints: Vec<_> = media
        .preload_hints
        .iter()
        .map(|h| (h.kind, h.uri.as_str(), h.start, h.last_byte(), h.is_range))
        .collect();
    let open = (1 << 53) - 1;
    assert_eq!(
        hints,
        [
            (HintType::Part, "p", 100, open, true),
            (HintType::Map, "m", 10, 14, true),
            (HintType::Part, "q", 0, open, false),
        ]
    );
}

#[test]
fn rule_15_bit_rates_carry_to_segments_without_a_range() {
    let media = media(
        "#EXTINF:4,\na\n#EXT-X-BITRATE:800\n#EXTINF:4,\nb\n#EXTINF:4,\n#EXT-X-BYTERANGE:9@0\nc\n#EXTINF:4,\nd\n\
         #EXT-X-BITRATE:900\n#EXTINF:4,\ne\n",
    );
    let rates: Vec<_> = media.segments().map(|segment| segment.bitrate()).collect();
    assert_eq!(rates, [None, Some(800_000), None, Some(800_000), Some(900_000)]);
}

#[test]
fn rule_20_every_range_is_a_segment_of_its_own() {
    let media = media(
        "#EXT-X-MEDIA-SEQUENCE:5\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:16@0\na\n\
         #EXTINF:4,\n#EXT-X-BYTERANGE:32\na\n",
    );
    let vectors: Vec<_> = media.segments().map(|s| s.iv().map(u128::from_be_bytes)).collect();
    assert_eq!(vectors, [Some(5), Some(6)]);
}

#[test]
fn rule_24_session_keys_apply_to_nothing() {
    let playlist = multivariant(
        "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"f\",KEYFORMATVERSIONS=\"1/2\"\n\
         #EXT-X-SESSION-KEY:METHOD=NONE\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv\n",
    );
    let keys: Vec<_> =
        playlist.session_keys.iter().map(|k| (k.method.clone(), k.format().to_owned())).collect();
    assert_eq!(keys, [(Method::SampleAes, "f".to_owned())]);
    assert_eq!(playlist.session_keys[0].keyformat_versions.as_deref(), Some("1/2"));
    let media = media("#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\na\n");
    assert!(media.segment(0).is_some_and(|segment| segment.keys().is_empty()));
}

#[test]
fn rule_25_gaps_keep_their_duration() {
    let media = media("#EXT-X-GAP\n#EXTINF:4,\na\n#EXTINF:3,\nb\n");
    let gaps: Vec<_> = media.segments().map(|segment| (segment.is_gap(), segment.media_sequence())).collect();
    assert_eq!(gaps, [(true, 0), (false, 1)]);
    assert_eq!(media.duration(), 7 * SECOND);
}

#[test]
fn rule_26_discontinuities_are_counted() {
    let media = media(
        "#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP:URI=\"i\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n\
         #EXT-X-DISCONTINUITY\n#EXTINF:4,\na\n#EXTINF:4,\nb\n#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY\n\
         #EXTINF:4,\nc\n",
    );
    let got: Vec<_> = media.segments().map(|s| (s.discontinuity_sequence(), s.is_discontinuity())).collect();
    assert_eq!(got, [(4, true), (4, false), (6, true)]);
    // Keys and initialisation sections go on behind them.
    assert!(media.segments().all(|segment| segment.map().is_some() && segment.keys().len() == 1));
}

#[test]
fn rule_28_dates_reach_both_ways() {
    let media = media(
        "#EXTINF:4,\na\n#EXTINF:3.5,\nb\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:10\n#EXTINF:4,\nc\n#EXTINF:4,\nd\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-01-01T01:00:00+01:00\n#EXTINF:4,\ne\n#EXT-X-PROGRAM-DATE-TIME:soon\n\
         #EXTINF:4,\nf\n",
    );
    let dates: Vec<_> = media.segments().filter_map(|s| s.date_time()).map(|date| date.to_string()).collect();
    let seconds = ["02.500", "06.500", "10.000", "14.000", "00.000", "04.000"];
    assert_eq!(dates, seconds.map(|second| format!("2026-01-01T00:00:{second}Z")));
    assert_eq!(media.segment(2).and_then(|s| s.program_date_time()), Some("2026-01-01T00:00:10"));
    assert_eq!(media.segment(3).and_then(|s| s.program_date_time()), None);
}

#[test]
fn rule_30_date_ranges_are_put_together() {
    let (media, warnings) = media_with_warnings(
        "#EXT-X-DATERANGE:ID=\"a\",CLASS=\"c\",START-DATE=\"2026-01-01T00:00:00Z\",END-ON-NEXT=YES,CUE=\"PRE,ONCE\"\n\
         #EXT-X-DATERANGE:ID=\"b\",CLASS=\"d\",START-DATE=\"2026-01-01T00:00:03Z\",PLANNED-DURATION=9\n\
         #EXT-X-DATERANGE:ID=\"c\",CLASS=\"c\",START-DATE=\"2026-01-01T00:00:09Z\",SCTE35-OUT=0xFC30\n\
         #EXT-X-DATERANGE:ID=\"b\",DURATION=2.5,X-B=0xAB\n#EXT-X-DATERANGE:ID=\"b\",CLASS=\"e\"\n\
         #EXT-X-DATERANGE:ID=\"late\",DURATION=1\n#EXT-X-DATERANGE:CLASS=\"c\"\n\
         #EXT-X-DATERANGE:ID=\"bad\",START-DATE=\"noon\"\n",
    );
    let text = |date: Option<hls_parse::DateTime>| date.map(|date| date.to_string()).unwrap_or_default();
    let got: Vec<_> = media.date_ranges.iter().map(|r| (r.id.as_str(), text(r.start), text(r.end))).collect();
    let at = |second: &str| format!("2026-01-01T00:00:{second}Z");
    assert_eq!(
        got,
        [
            ("a", at("00.000"), at("09.000")),
            ("b", at("03.000"), at("05.500")),
            ("c", at("09.000"), String::new()),
        ]
    );
    let [a, b, c] = &media.date_ranges[..] else { unreachable!("three ranges") };
    assert!(a.cue.pre && a.cue.once && !a.cue.post && a.end_on_next);
    assert_eq!(
        (b.class.as_deref(), b.attributes.get("X-B"), b.planned_duration),
        (Some("e"), Some("0xAB"), Some(9 * SECOND))
    );
    assert_eq!(c.scte35_out.as_deref(), Some(&[0xfc, 0x30][..]));
    assert!(!c.attributes.is_quoted("SCTE35-OUT") && c.attributes.is_quoted("ID"));
    assert_eq!(
        warnings,
        [
            "line 7: date range \"b\" has another \"CLASS\" than before, the last one counts",
            "line 8: EXT-X-DATERANGE without START-DATE",
            "line 9: EXT-X-DATERANGE without ID",
            "line 10: START-DATE has a value that is ignored: \"noon\"",
            "line 10: EXT-X-DATERANGE without START-DATE",
        ]
    );
}

#[test]
fn rule_32_tracks_inside_shared_segments() {
    let playlist = multivariant(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",INSTREAM-ID=\"2\",CHANNELS=\"16/JOC/BED-4\",BIT-DEPTH=24,\
         SAMPLE-RATE=96000,URI=\"a\"\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"m\"\n\
         #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"c\",NAME=\"m\",INSTREAM-ID=\"CC1\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\",CLOSED-CAPTIONS=\"c\"\nv\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,CLOSED-CAPTIONS=NONE\nw\n",
    );
    let first = &playlist.renditions[0];
    assert_eq!((first.instream_id.as_deref(), first.channel_count()), (Some("2"), Some(16)));
    assert_eq!((first.bit_depth, first.sample_rate), (Some(24), Some(96_000)));
    let inside: Vec<_> = playlist.renditions.iter().map(|rendition| rendition.is_in_variant()).collect();
    assert_eq!(inside, [false, true, true]);
    let captions = |index: usize| {
        playlist.renditions_of(&playlist.variants[index], RenditionType::ClosedCaptions).count()
    };
    assert_eq!((captions(0), captions(1)), (1, 0));
}

#[test]
fn rule_34_what_the_server_offers() {
    let control = media(
        "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24.5,CAN-SKIP-DATERANGES=YES,PART-HOLD-BACK=1\n",
    )
    .server_control
    .expect("a tag");
    assert!(control.can_block_reload && control.can_skip_date_ranges);
    assert_eq!(
        (control.can_skip_until, control.part_hold_back, control.hold_back),
        (Some(Duration::from_millis(24_500)), Some(SECOND), None,)
    );
    assert_eq!(media("").server_control, None);
}

#[test]
fn rule_35_reports_leave_out_what_is_the_same() {
    fn check(body: &str, report: &str, expect: (Option<u64>, Option<u64>)) {
        let text = format!("#EXT-X-MEDIA-SEQUENCE:10\n{body}#EXT-X-RENDITION-REPORT:URI=\"r\"{report}\n");
        let report = &media(&text).rendition_reports[0];
        assert_eq!((report.last_media_sequence, report.last_part), expect, "{body}{report:?}");
    }
    let segment = "#EXTINF:4,\na\n";
    let part = "#EXT-X-PART:DURATION=1,URI=\"p\"\n";
    check(segment, "", (Some(10), None));
    check(&format!("{part}{part}{segment}"), "", (Some(10), Some(1)));
    check(&format!("{segment}{part}"), "", (Some(11), Some(0)));
    check(&format!("{segment}{part}"), ",LAST-MSN=11", (Some(11), Some(0)));
    check(&format!("{segment}{part}"), ",LAST-MSN=9,LAST-PART=3", (Some(9), Some(3)));
    check(&format!("{segment}{part}"), ",LAST-MSN=9", (Some(9), None));
    check("", "", (None, None));
}

#[test]
fn rule_37_interstitials_are_date_ranges() {
    let interstitial = |more: &str| -> Option<Interstitial> {
        let tag =
            format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01T00:00:00Z\",{more}\n#EXTINF:4,\na\n");
        let media = media(&tag);
        assert_eq!(media.segments().len(), 1);
        media.date_ranges[0].interstitial.as_deref().cloned()
    };
    assert_eq!(interstitial("CLASS=\"other\",X-ASSET-URI=\"b\""), None);
    let class = "CLASS=\"com.apple.hls.interstitial\"";
    let least = interstitial(&format!("{class},X-ASSET-LIST=\"list.json\"")).expect("an interstitial");
    assert_eq!(least.asset_list_url.map(String::from).as_deref(), Some("https://example.com/a/list.json"));
    assert!(least.content_may_vary && !least.snap_in && least.resume_offset.is_none());
    let most = interstitial(&format!(
        "{class},X-ASSET-URI=\"b.m3u8\",X-RESUME-OFFSET=-1.5,X-PLAYOUT-LIMIT=30,X-SNAP=\"OUT,IN\",X-RESTRICT=\"SKIP\",\
         X-CONTENT-MAY-VARY=\"NO\",X-TIMELINE-OCCUPIES=\"RANGE\",X-TIMELINE-STYLE=\"PRIMARY\",\
         X-SKIP-CONTROL-OFFSET=5,X-SKIP-CONTROL-DURATION=10,X-SKIP-CONTROL-LABEL-ID=\"skip\""
    ))
    .expect("an interstitial");
    assert_eq!((most.resume_offset, most.playout_limit), (Some(-1.5), Some(30 * SECOND)));
    assert!(
        most.snap_out && most.snap_in && most.restrict_skip && !most.restrict_jump && !most.content_may_vary
    );
    assert_eq!(
        (most.timeline_occupies, most.timeline_style),
        (TimelineOccupies::Range, TimelineStyle::Primary)
    );
    assert_eq!((most.skip_control_offset, most.skip_control_duration), (Some(5 * SECOND), Some(10 * SECOND)));
    assert_eq!(most.skip_control_label_id.as_deref(), Some("skip"));
}

#[test]
fn session_data_and_variants() {
    let playlist = multivariant(
        "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"v\",LANGUAGE=\"en\"\n\
         #EXT-X-SESSION-DATA:DATA-ID=\"b\",URI=\"d\",FORMAT=RAW\n#EXT-X-SESSION-DATA:VALUE=\"x\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,SCORE=2.5,SUPPLEMENTAL-CODECS=\"dvh1.08.07/db4h\",VIDEO-RANGE=PQ,PROGRAM-ID=1,\
         ALLOWED-CPC=\"com.a:L1/L2,urn:uuid:x:,com.b:H\",REQ-VIDEO-LAYOUT=\"CH-STEREO\",STABLE-VARIANT-ID=\"s\"\nv\n\
         #EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,RESOLUTION=320x180,URI=\"i\"\n",
    );
    let data: Vec<_> = playlist.session_data.iter().map(|d| (d.id.as_str(), d.format)).collect();
    assert_eq!(data, [("a", DataFormat::Json), ("b", DataFormat::Raw)]);
    let variant = &playlist.variants[0];
    assert_eq!(
        (variant.score, variant.dynamic_range(), variant.program_id),
        (Some(2.5), VideoRange::Pq, Some(1))
    );
    assert_eq!(
        variant.allowed_protection().collect::<Vec<_>>(),
        [("com.a", vec!["L1", "L2"]), ("urn:uuid:x", vec![]), ("com.b", vec!["H"]),]
    );
    assert_eq!((variant.req_video_layout.as_deref(), variant.pathway()), (Some("CH-STEREO"), "."));
    assert_eq!(playlist.image_variants.len(), 1);
}

#[test]
fn tags_of_the_wild() {
    let media = media(
        "#EXT-X-ALLOW-CACHE:NO\n#EXT-X-IMAGES-ONLY\n#EXT-X-CUE-OUT:30.5\n#EXT-OATCLS-SCTE35:/DAl==\n#EXTINF:4,\na\n\
         #EXT-X-CUE-OUT-CONT:4/30.5\n#EXTINF:4,\nb\n#EXT-X-CUE-OUT-CONT:ElapsedTime=8,Duration=30.5,SCTE35=/DAl\n\
         #EXT-X-TILES:RESOLUTION=320x180,LAYOUT=5x4,DURATION=3.5\n#EXTINF:4,\nc\n#EXT-X-CUE-IN\n#EXT-X-PREFETCH:d?e=f\n",
    );
    assert_eq!((media.allow_cache, media.images_only), (Some(false), true));
    let places: Vec<_> = media.markers.iter().map(|marker| marker.segment).collect();
    assert_eq!(places, [0, 0, 1, 2, 3]);
    let half = Some(Duration::from_millis(30_500));
    assert!(matches!(&media.markers[0].kind, MarkerKind::Out { duration, .. } if *duration == half));
    assert!(matches!(&media.markers[1].kind, MarkerKind::Scte35(text) if text == "/DAl=="));
    for (index, seconds) in [(2, 4), (3, 8)] {
        assert!(matches!(&media.markers[index].kind, MarkerKind::Continued { elapsed, duration, .. }
            if *elapsed == Some(seconds * SECOND) && *duration == half));
    }
    assert_eq!(media.markers[4].kind, MarkerKind::In);
    assert_eq!(media.prefetch[0].url.as_str(), "https://example.com/a/d?e=f");
    assert_eq!(media.tiles[0].layout.map(|layout| (layout.width, layout.height)), Some((5, 4)));
    assert_eq!((media.tiles[0].segment, media.tiles[0].duration), (2, Some(Duration::from_millis(3_500))));
}

#[test]
fn limits_of_the_tags() {
    let base = Url::parse("https://example.com/").expect("a valid URL");
    let check = |body: &str, set: fn(&mut Options), expect: &str| {
        let mut options = Options::default();
        set(&mut options);
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{}", body.repeat(3));
        let error = options.parse(text, &base).expect_err(body).to_string();
        assert!(error.ends_with(expect), "{error}");
    };
    check("#EXT-X-PART:URI=\"a\",DURATION=1\n", |o| o.limits.parts = 2, "more than 2 parts");
    let range = "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-01-01\",A=1\n";
    check(range, |o| o.limits.date_range_attributes = 2, "more than 2 attributes of one date range");
    check(range, |o| o.limits.date_ranges = 0, "more than 0 date ranges");
    check("#EXT-X-CUE-IN\n", |o| o.limits.markers = 2, "more than 2 markers");
    check("#EXT-X-TILES:A=1\n", |o| o.limits.markers = 2, "more than 2 layouts of tiles");
    let hints = "more than 2 hints, reports or prefetched segments";
    check("#EXT-X-PREFETCH:a\n", |o| o.limits.hints = 2, hints);
    check("#EXT-X-RENDITION-REPORT:URI=\"a\"\n", |o| o.limits.hints = 2, hints);
    check("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a\"\n", |o| o.limits.hints = 2, hints);
}
