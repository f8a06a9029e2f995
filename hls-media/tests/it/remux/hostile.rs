//! Bytes that are no media, or were: an error or an MP4, and never a panic.

use std::time::Duration;

use hls_media::remux::{Index, Input, RemuxError, Remuxer, Step, Unit};
use hls_testkit::Media;
use proptest::prelude::*;

use super::remux;

fn joined(media: Media, segments: usize) -> Vec<u8> {
    let init = media.init().map(<[u8]>::to_vec).unwrap_or_default();
    let mut all = vec![init];
    all.extend(media.segments().iter().take(segments).map(|segment| segment.to_vec()));
    all.concat()
}

fn media() -> impl Strategy<Value = Media> {
    prop::sample::select(vec![Media::Ts, Media::Fmp4, Media::AudioTs, Media::AudioFmp4, Media::AudioAdts])
}

fn units() -> impl Strategy<Value = Vec<Unit>> {
    let unit = (0..60_000_u64, 0..1_000_000_u32, 0..3_u64, any::<bool>(), any::<bool>());
    prop::collection::vec(unit, 0..6).prop_map(|mut units| {
        units.sort_by_key(|unit| unit.0);
        let unit = |(offset, millis, timeline, is_gap, has_chapter)| Unit {
            offset,
            duration: Duration::from_millis(u64::from(millis)),
            timeline,
            is_gap,
            chapter: bool::then(has_chapter, || "chapter".to_owned()),
        };
        units.into_iter().map(unit).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_bytes(head in prop::sample::select(vec![&b"G"[..], b"\0\0\0\x20ftypisom", b"ID3\x04\0\0", b"\xff\xf1\x50\x80"]),
                    bytes in prop::collection::vec(any::<u8>(), 0..4000), packets in any::<bool>()) {
        let mut bytes = [head, &bytes].concat();
        if packets {
            bytes.chunks_mut(188).for_each(|packet| packet[0] = 0x47);
        }
        let _ = remux(&[(Input::default(), &bytes)], &[]);
    }

    #[test]
    fn media_with_bits_flipped(media in media(), flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..40), units in units(), keeps_sync in any::<bool>()) {
        let mut bytes = joined(media, 2);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            if !(keeps_sync && at % 188 == 0) {
                bytes[at] ^= 1 << bit;
            }
        }
        let _ = remux(&[(Input { units, ..Input::default() }, &bytes)], &[]);
    }

    /// Headers are where a flipped bit does most.
    #[test]
    fn boxes_with_bits_flipped(flips in prop::collection::vec((0..3000_usize, 0..8_u8), 1..6)) {
        let mut bytes = joined(Media::Fmp4, 2);
        for (at, bit) in flips {
            bytes[at] ^= 1 << bit;
        }
        let _ = remux(&[(Input::default(), &bytes)], &[]);
    }

    #[test]
    fn media_that_is_cut(media in media(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), units in units()) {
        let bytes = joined(media, 2);
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let _ = remux(&[(Input { units, ..Input::default() }, &bytes[from.min(to)..from.max(to)])], &[]);
        let _ = remux(&[(Input::default(), &bytes[..to])], &[]);
    }

    #[test]
    fn media_in_any_units(media in media(), units in units()) {
        let bytes = joined(media, 3);
        remux(&[(Input { units, ..Input::default() }, &bytes)], &[]).expect("the bytes are fine");
    }
}

#[test]
fn other_bytes_in_the_second_pass_are_found_out() {
    for media in [Media::Ts, Media::Fmp4, Media::AudioAdts] {
        let (first, other) = (joined(media, 2), joined(media, 3));
        for second in [&first[..first.len() / 2], &other[..], &[]] {
            let mut index = Index::new(Input::default());
            index.push(&first).expect("it is fine");
            let mut remuxer = Remuxer::new(vec![index.finish().expect("it is whole")], &[]).expect("a plan");
            let mut chunks = second.chunks(10_000);
            let error = loop {
                let step = match remuxer.step() {
                    Ok(Step::Write(_)) => Ok(()),
                    Ok(Step::Read(_)) => match chunks.next() {
                        Some(chunk) => remuxer.push(0, chunk),
                        None => remuxer.end(0),
                    },
                    // What comes behind the end is not asked for; whoever joined it knows its length.
                    Ok(Step::Done) => break None,
                    Err(error) => Err(error),
                };
                if let Err(error) = step {
                    break Some(error);
                }
            };
            let is_longer = second.len() > first.len();
            if !is_longer {
                assert_eq!(error, Some(RemuxError::Differs { input: 0 }), "{media:?} of {}", second.len());
            }
        }
    }
}

#[test]
fn what_cant_be_done_has_a_name() {
    let check = |bytes: &[u8], code: &str| {
        let error = remux(&[(Input::default(), bytes)], &[]).err().map(|error| error.code());
        assert_eq!(error, Some(code));
    };
    let boxed =
        |name: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat();
    check(b"WEBVTT\n\n", "remux.subtitles");
    check(b"", "remux.damaged");
    check(b"<html>", "remux.damaged");
    let init = Media::Fmp4.init().expect("it has one");
    check(init, "remux.empty");
    let mut scrambled = init.to_vec();
    let at = scrambled.windows(4).position(|four| four == b"avc1").expect("it is H.264");
    // The second one is the sample entry; the first one stands in `ftyp`.
    let at = scrambled[at + 4..].windows(4).position(|four| four == b"avc1").map_or(at, |next| at + 4 + next);
    scrambled[at..at + 4].copy_from_slice(b"encv");
    check(&scrambled, "remux.encrypted");
    let segment = Media::Fmp4.segments()[0];
    check(&[init, &segment[..segment.len() - 100]].concat(), "remux.damaged");
    check(segment, "remux.damaged");
    let moof = segment.windows(4).position(|four| four == b"mdat").expect("it has data") - 4;
    check(&[init, &segment[..moof], &boxed(b"mdat", b"too short")].concat(), "remux.missing_data");
    check(&super::remux_one(&joined(Media::Fmp4, 1)).mp4, "remux.not_fragmented");
    let mut ts = Media::Ts.segments()[0].to_vec();
    for packet in ts.chunks_mut(188).filter(|packet| packet[1] & 0x1f == 1) {
        packet[3] |= 0x80;
    }
    check(&ts, "remux.encrypted");
    check(&Media::Ts.segments()[0][..1000], "remux.empty");
}
