//! What the boxes say.

use hls_media::Configuration;
use hls_media::remux::{Index, Input, Remuxer, Step};
use hls_testkit::Media;

use super::{remux, remux_one};

fn joined(media: Media) -> Vec<u8> {
    let init = media.init().map(<[u8]>::to_vec).unwrap_or_default();
    [vec![init], media.segments().map(<[u8]>::to_vec).to_vec()].concat().concat()
}

/// The bodies of all boxes of a type, wherever they are.
pub(super) fn bodies<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Vec<&'a [u8]> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while let [a, b, c, d, n0, n1, n2, n3, ..] = *rest {
        let len = match u32::from_be_bytes([a, b, c, d]) {
            1 => u64::from_be_bytes(rest[8..16].try_into().expect("eight bytes")) as usize,
            len => len as usize,
        };
        if len < 8 || len > rest.len() {
            break;
        }
        let (this, after) = rest.split_at(len);
        rest = after;
        let kind = [n0, n1, n2, n3];
        if kind == *name {
            found.push(&this[8..]);
        } else if matches!(&kind, b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"udta") {
            found.extend(bodies(&this[8..], name));
        }
    }
    found
}

#[test]
fn the_front_comes_first_and_the_default_is_enabled() {
    let (video, audio) = (joined(Media::Ts), joined(Media::AudioAdts));
    let of = |language: &str, is_default| Input {
        language: Some(language.to_owned()),
        name: Some(format!("in {language}")),
        is_default,
        ..Input::default()
    };
    let output =
        remux(&[(of("en", false), &video), (of("de-AT", true), &audio)], &[]).expect("it can be remuxed");
    let mp4 = &output.mp4;
    assert_eq!(&mp4[4..8], b"ftyp");
    assert_eq!(&mp4[4 + mp4[3] as usize..][..4], b"moov");
    let flags = bodies(mp4, b"tkhd").iter().map(|tkhd| tkhd[3]).collect::<Vec<_>>();
    assert_eq!(flags, [3, 2, 3], "video, English, German");
    let languages = bodies(mp4, b"mdhd").iter().map(|mdhd| [mdhd[32], mdhd[33]]).collect::<Vec<_>>();
    assert_eq!(languages, [[0x55, 0xc4], [0x15, 0xc7], [0x10, 0xb5]], "und, eng, deu");
    assert!(bodies(mp4, b"elng").iter().any(|elng| elng.ends_with(b"de-AT\0")));
    assert!(bodies(mp4, b"stco").len() == 3 && bodies(mp4, b"co64").is_empty());
}

#[test]
fn sample_entries_of_fragments_are_carried_over() {
    let source = Configuration::from_init(Media::Fmp4.init().expect("it has one")).expect("an init");
    let output = remux_one(&joined(Media::Fmp4));
    let after = Configuration::from_init(&output.mp4).expect("an MP4");
    let entries = |c: &Configuration| {
        c.tracks.iter().map(|t| (t.handler, t.timescale, t.entries.clone())).collect::<Vec<_>>()
    };
    assert_eq!(entries(&source), entries(&after));
}

#[test]
fn another_initialization_section_of_the_same_configuration_is_passed() {
    let plain = joined(Media::Fmp4);
    let init = Media::Fmp4.init().expect("it has one").len();
    let second = Media::Fmp4.second_init().expect("it has a second one");
    let middle = init + Media::Fmp4.segments()[..3].iter().map(|segment| segment.len()).sum::<usize>();
    let spliced = [&plain[..middle], second, &plain[middle..]].concat();
    assert!(remux_one(&plain).mp4 == remux_one(&spliced).mp4);
}

#[test]
fn chunking_changes_nothing() {
    for media in [Media::Ts, Media::Fmp4, Media::AudioTs, Media::AudioFmp4, Media::AudioAdts] {
        let bytes = joined(media);
        let expect = remux_one(&bytes).mp4;
        for piece in [1, 187, 1000, bytes.len()] {
            let mut index = Index::new(Input::default());
            bytes.chunks(piece).for_each(|chunk| index.push(chunk).expect("it is fine"));
            let mut remuxer = Remuxer::new(vec![index.finish().expect("it is whole")], &[]).expect("a plan");
            let (mut chunks, mut mp4) = (bytes.chunks(piece), Vec::new());
            loop {
                match remuxer.step().expect("the same bytes") {
                    Step::Write(bytes) => mp4.extend_from_slice(bytes),
                    Step::Read(input) => match chunks.next() {
                        Some(chunk) => remuxer.push(input, chunk).expect("the same bytes"),
                        None => remuxer.end(input).expect("the same bytes"),
                    },
                    Step::Done => break,
                }
            }
            assert!(mp4 == expect, "{media:?} in pieces of {piece}");
        }
    }
}

#[test]
fn the_same_packets_in_other_containers_are_the_same_samples() {
    let sizes = |media| bodies(&remux_one(&joined(media)).mp4, b"stsz").last().expect("audio").to_vec();
    assert_eq!(sizes(Media::AudioTs), sizes(Media::AudioAdts));
    assert_eq!(sizes(Media::AudioTs), sizes(Media::AudioFmp4));
}
