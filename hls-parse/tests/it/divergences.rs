//! Where m3u8-rs 6.0.1 reads something else than this crate, and who is right by rfc8216bis-22.
//!
//! Each test is one difference. Where a later version of m3u8-rs mends one, its test fails, and the decision of
//! ADR 0001 is to be looked at again. Keys and maps of m3u8-rs are carried forward here, as its users have to.

use std::fmt::Write as _;

use hls_parse::{Content, Media, Multivariant, Options, Playlist};
use url::Url;

/// What is compared.
#[derive(Debug, Clone, Copy)]
enum Field {
    Kind,
    Uris,
    Durations,
    Titles,
    Ranges,
    Keys,
    Vectors,
    Maps,
    Target,
    Sequence,
    FirstSequence,
    Dates,
    Discontinuities,
    Variants,
    Resolutions,
    Groups,
    Renditions,
    Ended,
    /// Tags of these playlists that can be reached in any form.
    Reachable,
}

#[track_caller]
fn check(field: Field, text: impl AsRef<[u8]>, ours: &str, theirs: &str) {
    let text = text.as_ref();
    assert_eq!(of_ours(field, text), ours, "ours");
    assert_eq!(of_theirs(field, text), theirs, "theirs");
    assert_ne!(ours, theirs, "no difference any more");
}

fn media(body: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n{body}")
}

fn of_ours(field: Field, text: &[u8]) -> String {
    let base = Url::parse("https://h/index.m3u8").expect("a valid URL");
    let mut options = Options::default();
    options.inspect = true;
    match options.parse(text, &base).map(|parsed| parsed.playlist) {
        Ok(Playlist::Media(media)) => of_our_media(field, &media),
        Ok(Playlist::Multivariant(playlist)) => of_our_multivariant(field, &playlist),
        Err(_) => "error".to_owned(),
    }
}

fn of_our_media(field: Field, media: &Media) -> String {
    let each = |show: &dyn Fn(hls_parse::Segment<'_>) -> String| join(media.segments().map(show));
    match field {
        Field::Kind => "media".to_owned(),
        Field::Uris => each(&|segment| segment.uri().to_owned()),
        Field::Durations => each(&|segment| segment.duration().as_secs_f64().to_string()),
        Field::Titles => each(&|segment| segment.title().to_owned()),
        Field::Ranges => {
            each(&|segment| or_none(segment.byte_range().map(|r| format!("{}@{}", r.length, r.offset))))
        }
        Field::Keys => each(&|segment| {
            let keys = segment.keys().iter().map(|key| format!("{} {}", key.method, key.format()));
            or_none(keys.reduce(|all, key| format!("{all} + {key}")))
        }),
        Field::Vectors => {
            each(&|segment| or_none(segment.iv().map(|iv| format!("{:x}", u128::from_be_bytes(iv)))))
        }
        Field::Maps => each(&|segment| {
            or_none(segment.map().map(|map| format!("{} {}", &map.url.path()[1..], map.encryption)))
        }),
        Field::Target => or_none(media.target_duration.map(|duration| duration.as_secs().to_string())),
        Field::Sequence => media.media_sequence.to_string(),
        Field::FirstSequence => or_none(media.segment(0).map(|segment| segment.media_sequence().to_string())),
        Field::Dates => each(&|segment| or_none(segment.program_date_time().map(str::to_owned))),
        Field::Discontinuities => each(&|segment| segment.discontinuity_sequence().to_string()),
        Field::Ended => media.ended.to_string(),
        Field::Reachable => reachable(media.lines()),
        _ => "media".to_owned(),
    }
}

fn of_our_multivariant(field: Field, playlist: &Multivariant) -> String {
    let variants = playlist.variants.iter();
    match field {
        Field::Variants => {
            join(variants.map(|v| format!("{} {}", v.uri, or_none(v.bandwidth.map(|n| n.to_string())))))
        }
        Field::Resolutions => join(
            variants.map(|v| or_none(v.resolution.map(|size| format!("{}x{}", size.width, size.height)))),
        ),
        Field::Groups => join(variants.map(|v| or_none(v.audio.clone()))),
        Field::Renditions => join(playlist.renditions.iter().map(|r| r.name.clone())),
        Field::Reachable => reachable(playlist.lines()),
        _ => "multivariant".to_owned(),
    }
}

fn reachable(lines: hls_parse::Lines<'_>) -> String {
    let known = ["EXTM3U", "EXTINF", "EXT-X-TARGETDURATION", "EXT-X-STREAM-INF", "EXT-X-ENDLIST"];
    join(lines.filter_map(|line| match line.content {
        Content::Tag { name, .. } if !known.contains(&name) => Some(name.to_owned()),
        _ => None,
    }))
}

fn of_theirs(field: Field, text: &[u8]) -> String {
    match m3u8_rs::parse_playlist(text) {
        Ok((_, m3u8_rs::Playlist::MediaPlaylist(media))) => of_their_media(field, &media),
        Ok((_, m3u8_rs::Playlist::MasterPlaylist(playlist))) => of_their_multivariant(field, &playlist),
        Err(_) => "error".to_owned(),
    }
}

fn of_their_media(field: Field, media: &m3u8_rs::MediaPlaylist) -> String {
    let each = |show: &mut dyn FnMut(&m3u8_rs::MediaSegment) -> String| join(media.segments.iter().map(show));
    let (mut key, mut map) = (None, None);
    match field {
        Field::Kind => "media".to_owned(),
        Field::Uris => each(&mut |segment| segment.uri.clone()),
        Field::Durations => each(&mut |segment| segment.duration.to_string()),
        Field::Titles => each(&mut |segment| segment.title.clone().unwrap_or_default()),
        Field::Ranges => each(&mut |segment| {
            let range = segment.byte_range.as_ref();
            or_none(range.map(|r| format!("{}@{}", r.length, or_none(r.offset.map(|o| o.to_string())))))
        }),
        Field::Keys => each(&mut |segment| {
            key = segment.key.clone().or(key.take());
            let shown = key
                .as_ref()
                .map(|key| format!("{} {}", key.method, key.keyformat.as_deref().unwrap_or("identity")));
            or_none(shown)
        }),
        Field::Vectors => each(&mut |segment| {
            key = segment.key.clone().or(key.take());
            or_none(key.as_ref().and_then(|key| key.iv.clone()))
        }),
        Field::Maps => each(&mut |segment| {
            key = segment.key.clone().or(key.take());
            map = segment.map.clone().or(map.take());
            let method = key.as_ref().map_or("not encrypted".to_owned(), |key| key.method.to_string());
            or_none(map.as_ref().map(|map| format!("{} {method}", map.uri)))
        }),
        Field::Target => media.target_duration.to_string(),
        Field::Sequence => media.media_sequence.to_string(),
        Field::FirstSequence => or_none(media.segments.first().map(|_| media.media_sequence.to_string())),
        Field::Dates => each(&mut |segment| or_none(segment.program_date_time.map(|date| date.to_rfc3339()))),
        Field::Discontinuities => {
            let mut number = media.discontinuity_sequence;
            each(&mut |segment| {
                number += u64::from(segment.discontinuity);
                number.to_string()
            })
        }
        Field::Ended => media.end_list.to_string(),
        Field::Reachable => {
            let mut tags = String::new();
            for segment in &media.segments {
                let typed = segment.daterange.iter().map(|_| "EXT-X-DATERANGE".to_owned());
                for tag in segment.unknown_tags.iter().map(|tag| format!("EXT-{}", tag.tag)).chain(typed) {
                    let _ = write!(tags, "{}{tag}", if tags.is_empty() { "" } else { ", " });
                }
            }
            tags
        }
        _ => "media".to_owned(),
    }
}

fn of_their_multivariant(field: Field, playlist: &m3u8_rs::MasterPlaylist) -> String {
    let variants = playlist.variants.iter().filter(|variant| !variant.is_i_frame);
    match field {
        Field::Variants => join(variants.map(|v| format!("{} {}", v.uri, v.bandwidth))),
        Field::Resolutions => join(variants.map(|v| or_none(v.resolution.as_ref().map(ToString::to_string)))),
        Field::Groups => join(variants.map(|v| or_none(v.audio.clone()))),
        Field::Renditions => join(playlist.alternatives.iter().map(|r| r.name.clone())),
        Field::Reachable => join(playlist.unknown_tags.iter().map(|tag| format!("EXT-{}", tag.tag))),
        _ => "multivariant".to_owned(),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".to_owned())
}

macro_rules! divergences {
    ($($(#[$why:meta])* $name:ident: $field:ident of $text:expr => $ours:literal, not $theirs:literal;)*) => {
        $($(#[$why])* #[test] fn $name() { check(Field::$field, $text, $ours, $theirs); })*
    };
}

divergences! {
    /// Section 4.1: a client should fail on a byte order mark; a playlist is behind it all the same.
    a_byte_order_mark: Kind of "\u{feff}#EXTM3U\n#EXTINF:1,\na\n" => "media", not "error";
    /// Section 4.4.1.1 wants the header first; blank lines before it hide no content.
    a_blank_line_before_the_header: Kind of "\n#EXTM3U\n#EXTINF:1,\na\n" => "media", not "error";
    /// Section 4.4.1.1: what stands behind the header is not a segment.
    text_after_the_header: Uris of "#EXTM3U url-tvg=\"x\"\n#EXTINF:1,\na\n" => "a", not "url-tvg=\"x\", a";
    /// Section 4.1 ends lines with LF or CRLF; reading none of a text without any LF helps nobody.
    carriage_returns_alone: Uris of "#EXTM3U\r#EXTINF:1,\ra\r" => "a", not "";
    /// Section 4.1: a line that is not UTF-8 does not end the playlist.
    a_title_that_is_not_utf8: Uris of b"#EXTM3U\n#EXTINF:1,\na\n#EXTINF:1,caf\xe9\nb\n#EXTINF:1,\nc\n" => "a, b, c", not "a";
    /// Section 4.1: blanks around a URI are not a part of it.
    blanks_behind_a_uri: Uris of media("#EXTINF:1,\na  \n") => "a", not "a  ";
    /// Section 4.4.1.2: the version is an integer; what follows it is no segment.
    a_version_with_a_point: Uris of "#EXTM3U\n#EXT-X-VERSION:3.0\n#EXTINF:1,\na\n" => "a", not ".0, a";
    /// Section 4.4.3.1: the target duration is an integer; what follows it is no segment.
    a_target_duration_with_a_point: Uris of "#EXTM3U\n#EXT-X-TARGETDURATION:10.5\n#EXTINF:1,\na\n" => "a", not ".5, a";
    /// Section 4.4.3.1: absent is not 0.
    no_target_duration: Target of "#EXTM3U\n#EXTINF:1,\na\n" => "none", not "0";
    /// Section 4.4.3.2: a sequence number with blanks before it is that number.
    blanks_before_a_sequence_number: Sequence of media("#EXT-X-MEDIA-SEQUENCE: 5\n#EXTINF:1,\na\n") => "5", not "0";
    /// Section 4.4.3.3: a bad value is no segment.
    a_bad_discontinuity_sequence: Uris of media("#EXT-X-DISCONTINUITY-SEQUENCE:x\n#EXTINF:1,\na\n") => "a", not "-SEQUENCE:x, a";
    /// Section 4.4.3.4: another tag that begins like ENDLIST does not end the playlist.
    a_tag_that_begins_like_endlist: Ended of media("#EXT-X-ENDLISTX\n#EXTINF:1,\na\n") => "false", not "true";
    /// Sections 4.4.3.7 and 4.4.3.8: a live playlist may have no whole segment yet.
    low_latency_tags_without_a_segment: Reachable of media("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-PART-INF:PART-TARGET=1\n") =>
        "EXT-X-SERVER-CONTROL, EXT-X-PART-INF", not "";
    /// Section 4.4.4.1: the title is the rest of the line, commas included.
    a_comma_in_a_title: Uris of media("#EXTINF:10,Hello, world\na\n") => "a", not "world, a";
    /// Section 4.4.4.1: and the duration stays with its segment.
    the_duration_before_a_comma_in_a_title: Durations of media("#EXTINF:10,Hello, world\na\n") => "10", not "10, 0";
    /// Section 4.4.4.1: durations are decimal numbers, of which a float has seven digits.
    durations_of_many_digits: Durations of media("#EXTINF:16777217,\na\n#EXTINF:3600.123456,\nb\n") =>
        "16777217, 3600.123456", not "16777216, 3600.1235";
    /// Section 4.4.4.1: a blank before the number hides nothing.
    a_blank_before_a_duration: Durations of media("#EXTINF: 7.5,\na\n") => "7.5", not "0";
    /// Section 4.4.4.1: a number may begin with its point.
    a_duration_that_begins_with_its_point: Durations of media("#EXTINF:.5,\na\n") => "0.5", not "0";
    /// Section 4.4.4.1: attributes of IPTV lists, with commas in quotes, are not the title.
    attributes_of_iptv_lists: Titles of media("#EXTINF:5 tvg-id=\"x\" group-title=\"a,b\",Name\na\n") => "Name", not " tvg-id=\"x\" group-title=\"a, ";
    /// Section 4.4.4.2: without an offset, a range begins where the one before ended.
    a_range_without_an_offset: Ranges of media("#EXTINF:1,\n#EXT-X-BYTERANGE:100@50\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:7\na\n") =>
        "100@50, 7@150", not "100@50, 7@none";
    /// Section 4.4.4.2: a range that can't be read is no segment.
    a_range_that_ends_in_an_at: Uris of media("#EXTINF:1,\n#EXT-X-BYTERANGE:100@\na\n") => "a", not "@, a";
    /// Section 4.4.4.3: a tag that only begins like DISCONTINUITY is none, and no segment either.
    a_tag_that_begins_like_discontinuity: Discontinuities of media("#EXT-X-DISCONTINUITYX\n#EXTINF:1,\na\n") => "0", not "1, 1";
    /// Section 4.4.4.4: METHOD=NONE has no other attribute, and ends the encryption.
    a_key_of_method_none: Keys of media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nb\n") =>
        "AES-128 identity, none", not "AES-128 identity, AES-128 identity";
    /// Section 4.4.4.4: keys of different formats apply at once.
    keys_of_two_formats: Keys of media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"l\",KEYFORMAT=\"com.x\"\n#EXTINF:1,\na\n") =>
        "AES-128 identity + AES-128 com.x", not "AES-128 com.x";
    /// Section 4.4.4.4: an unquoted URI still says that the segment is encrypted.
    a_key_with_an_unquoted_uri: Keys of media("#EXT-X-KEY:METHOD=AES-128,URI=k\n#EXTINF:1,\na\n") => "AES-128 identity", not "none";
    /// Section 4.4.4.4: so does a quoted METHOD.
    a_key_with_a_quoted_method: Keys of media("#EXT-X-KEY:METHOD=\"AES-128\",URI=\"k\"\n#EXTINF:1,\na\n") => "AES-128 identity", not "none";
    /// Section 4.4.4.4: so does a quoted IV.
    a_key_with_a_quoted_vector: Keys of media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=\"0x1\"\n#EXTINF:1,\na\n") => "AES-128 identity", not "none";
    /// Section 5.2: without IV, it is the media sequence number of each segment.
    a_vector_from_the_sequence_number: Vectors of media("#EXT-X-MEDIA-SEQUENCE:258\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n#EXTINF:1,\nb\n") =>
        "102, 103", not "none, none";
    /// Section 4.4.4.5: a map is encrypted with the key in effect at its tag, not at the segment.
    a_map_before_its_key: Maps of media("#EXT-X-MAP:URI=\"i\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXTINF:1,\na\n") =>
        "i not encrypted", not "i AES-128";
    /// Section 4.4.4.6: a date without a time zone is a date.
    a_date_without_a_zone: Dates of media("#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.006\n#EXTINF:1,\na\n") =>
        "2026-01-02T03:04:05.006", not "none";
    /// Section 4.4.4.9: parts behind the last segment are the live edge.
    parts_at_the_live_edge: Reachable of media("#EXTINF:1,\na\n#EXT-X-PART:DURATION=0.3,URI=\"p\"\n") => "EXT-X-PART", not "";
    /// Section 4.4.5.1: several date ranges may stand before a segment.
    several_date_ranges: Reachable of media(
        "#EXT-X-DATERANGE:ID=\"1\",START-DATE=\"2026-01-02T03:04:05Z\"\n#EXT-X-DATERANGE:ID=\"2\",START-DATE=\"2026-01-02T03:04:05Z\"\n#EXTINF:1,\na\n") =>
        "EXT-X-DATERANGE, EXT-X-DATERANGE", not "EXT-X-DATERANGE";
    /// Section 4.4.5.2: skipped segments count in the sequence numbers of those that follow.
    segments_that_a_delta_update_skips: FirstSequence of media("#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-SKIP:SKIPPED-SEGMENTS=5\n#EXTINF:1,\na\n") => "15", not "10";
    /// Section 4.4.5.3: the hint stands behind the last segment.
    a_preload_hint: Reachable of media("#EXTINF:1,\na\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"\n") => "EXT-X-PRELOAD-HINT", not "";
    /// Section 4.4.5.4: a tag without a line end is still a tag.
    a_tag_that_ends_the_text: Uris of media("#EXTINF:1,\na\n#EXT-X-RENDITION-REPORT:URI=\"r\"") => "a", not "a, #EXT-X-RENDITION-REPORT:URI=\"r\"";
    /// Section 4.1: and a comment is still a comment.
    a_comment_that_ends_the_text: Uris of media("#EXTINF:1,\na\n# the end") => "a", not "a, # the end";
    /// Section 4.2: an attribute list ends with its line.
    an_attribute_without_a_value: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,FOO\na\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb\n" =>
        "a 1, b 2", not "b 1";
    /// Section 4.2: so does a string whose quote is missing.
    a_quote_that_is_not_closed: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"x\na\n#EXT-X-STREAM-INF:BANDWIDTH=2,CODECS=\"y\"\nb\n" =>
        "a 1, b 2", not "b 1";
    /// Section 4.2: text behind a string does not take the attributes behind it along.
    text_behind_a_quoted_string: Resolutions of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,NAME=\"a\"b\"c\",RESOLUTION=1x2\na\n" => "1x2", not "none";
    /// Section 4.2 has no blanks in lists; servers do, and mean the attribute.
    blanks_in_an_attribute_list: Variants of "#EXTM3U\n#EXT-X-STREAM-INF: BANDWIDTH=1 , CODECS=\"x\"\na\n" => "a 1", not "";
    /// Section 4.4.6.1: FORCED=NO on audio says what is so anyway.
    forced_on_audio: Renditions of "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",FORCED=NO\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n" => "n", not "";
    /// Section 4.4.6.1: INSTREAM-ID may stand on any type since version 13.
    an_instream_id_on_audio: Renditions of "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",INSTREAM-ID=\"1\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n" => "n", not "";
    /// Section 4.4.6.2: a variant without BANDWIDTH must not shift the URI of another.
    a_variant_without_bandwidth: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXT-X-STREAM-INF:CODECS=\"x\"\nb\n" =>
        "a 1, b none", not "b 1";
    /// Section 4.4.6.2: nor does one with a size in quotes.
    a_quoted_resolution: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=\"1x1\"\nb\n" =>
        "a 1, b 2", not "b 1";
    /// Section 4.4.6.2: a size with a large X is a size.
    a_resolution_with_a_large_x: Resolutions of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=1920X1080\na\n" => "1920x1080", not "";
    /// Section 4.4.6.2: CODECS may say nothing.
    empty_codecs: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"\"\na\n" => "a 1", not "";
    /// Section 4.4.6.2: a group is a group without its quotes too.
    an_unquoted_group: Groups of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=g\na\n" => "g", not "";
    /// Section 6.3.1: an unknown requirement takes the variant and its URI along.
    an_unknown_requirement: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,REQ-NEW=\"1\"\na\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb\n" => "b 2", not "a 1, b 2";
    /// Section 4.4.6.3: a URI line belongs to no I-frame variant, nor to the variant before it.
    a_uri_behind_an_i_frame_variant: Variants of "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i\"\nstray\n" =>
        "a 1", not "stray 1";
    /// Section 4.1: tags of both kinds make no playlist.
    mixed_tags: Kind of media("#EXT-X-STREAM-INF:BANDWIDTH=1\na\n") => "error", not "media";
    /// Section 4.4.2.3: variables are replaced in URIs.
    a_variable_in_a_uri: Uris of media("#EXT-X-DEFINE:NAME=\"v\",VALUE=\"x\"\n#EXTINF:1,\n{$v}.ts\n") => "x.ts", not "{$v}.ts";
    /// Section 4.3: a variable that nothing defines is an error.
    an_undefined_variable: Kind of media("#EXTINF:1,\n{$v}.ts\n") => "error", not "media";
}
