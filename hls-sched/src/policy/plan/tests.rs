//! Which units a playlist has, and what they are called.

use super::*;

fn track(text: &str) -> Result<Track, Error> {
    let base: Url = "https://h/v/index.m3u8?token=1".parse().unwrap();
    let hls_parse::Playlist::Media(media) = hls_parse::parse(text, &base).unwrap().playlist else {
        panic!("a media playlist")
    };
    Track::new("t".into(), media, None, false)
}

const MAPS: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"a.mp4\"\n#EXTINF:4,\n1.m4s\n\
    #EXTINF:4,\n2.m4s\n#EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:4,\n3.m4s\n#EXT-X-MAP:URI=\"a.mp4\"\n#EXTINF:4,\n4.m4s\n#EXT-X-ENDLIST\n";

#[test]
fn a_clock_is_some_segments_and_what_they_need() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"i0\"\n#EXTINF:4,\na\n#EXTINF:4,\nb\n#EXTINF:4,\nc\n\
        #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"i1\"\n#EXTINF:3,\nd\n#EXTINF:3,\ne\n#EXT-X-ENDLIST\n";
    let hls_parse::Playlist::Media(media) =
        hls_parse::parse(text, &"https://h/".parse().unwrap()).unwrap().playlist
    else {
        panic!("a media playlist")
    };
    let clock = Track::new(String::new(), media, None, false).unwrap().into_clock();
    let units: Vec<_> = (0..clock.units()).filter_map(|n| clock.unit(n)).collect();
    let names: Vec<_> = units.iter().map(|unit| unit.url.path()).collect();
    assert_eq!(names, ["/i0", "/a", "/c", "/i1", "/d"]);
    assert_eq!((clock.segments(), clock.init_places()), (3, vec![0, 3]));
    assert_eq!([1, 2, 3, 4, 5].map(|n| clock.segments_before(n)), [0, 1, 2, 2, 3]);
    assert_eq!(clock.duration(), Duration::from_secs(11));
    assert_eq!(clock.start_of(&units[4]), Duration::from_secs(12));
}

#[test]
fn each_segment_after_the_section_it_needs() {
    let track = track(MAPS).unwrap();
    let paths: Vec<_> = (0..track.units()).map(|n| track.unit(n).unwrap().url.path().to_owned()).collect();
    assert_eq!(paths, ["/v/a.mp4", "/v/1.m4s", "/v/2.m4s", "/v/b.mp4", "/v/3.m4s", "/v/a.mp4", "/v/4.m4s"]);
    assert_eq!((0..=7).map(|n| track.segments_before(n)).collect::<Vec<_>>(), [0, 0, 1, 2, 2, 3, 3, 4]);
    assert_eq!(track.init_places(), [0, 3, 5]);
    assert!(track.has_several_inits());
    assert!(track.unit(7).is_none());
}

#[test]
fn identity_is_what_the_unit_is_and_not_where_it_lies() {
    let same = MAPS.replace("1.m4s", "https://other/v/1.m4s?token=2");
    let moved = MAPS.replace("1.m4s", "/w/1.m4s");
    let keyed = MAPS.replace("#EXTINF:4,\n1", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXTINF:4,\n1");
    let later = MAPS.replace("SEQUENCE:7", "SEQUENCE:8");
    let longer = MAPS.replacen("#EXTINF:4,", "#EXTINF:4.5,", 1);
    let vector = keyed.replace("IV=0x1", "IV=0x2");
    let identity = |text: &str| track(text).unwrap().unit(1).unwrap().identity;
    for (one, other, same, alike) in [
        (MAPS, &same, true, true),
        (MAPS, &moved, false, true),
        (MAPS, &keyed, false, false),
        (&keyed, &vector, false, true),
        (MAPS, &later, false, false),
        (MAPS, &longer, false, false),
    ] {
        let (one, other) = (identity(one), identity(other));
        assert_eq!((one == other, is_alike(one, other)), (same, alike));
    }
}

#[test]
fn a_fresh_link_takes_the_place_of_an_expired_one() {
    let track = |text: &str| track(text).unwrap();
    let token = MAPS.replace("1.m4s", "1.m4s?token=2");
    let old = track(MAPS);
    assert_eq!(old.renew(&track(&token)), Ok(()));
    assert_eq!(old.unit(1).unwrap().url.query(), Some("token=2"));
    // Another stream, a shorter and a longer one.
    let other = MAPS.replace("#EXTINF:4,\n3", "#EXTINF:3,\n3");
    let shorter = MAPS.replace("#EXTINF:4,\n4.m4s\n", "");
    let longer = MAPS.replace("#EXT-X-ENDLIST", "#EXTINF:4,\n5.m4s\n#EXT-X-ENDLIST");
    for (fresh, number) in [(other, 2), (shorter, 3), (longer, 4)] {
        assert_eq!(old.renew(&track(&fresh)), Err(number));
        assert_eq!(old.unit(1).unwrap().url.query(), Some("token=2"));
    }
}

#[test]
fn what_can_not_be_right_is_refused_before_the_first_byte() {
    let drm = MAPS.replace("#EXTINF:4,\n1", "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:4,\n1");
    let gap = MAPS.replace("#EXTINF:4,\n3", "#EXT-X-GAP\n#EXTINF:4,\n3");
    for (text, code) in [(drm, "playlist.encryption"), (gap, "segment.gap")] {
        assert_eq!(track(&text).unwrap_err().code(), code);
    }
    let empty = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n";
    assert_eq!(track(empty).unwrap_err().code(), "playlist.empty");
}
