//! Units of every container, whole, cut and chunked.

use std::time::Duration;

use hls_media::{Container, Kind, MediaError, Odd, Summary, Verifier};
use proptest::prelude::*;

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
}

/// A transport stream of one picture in each 40 ms, four packets each.
fn pictures(count: u64) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut counter = 0_u8;
    for picture in 0..count {
        let time = 900_000 + picture * 3600;
        let part = |shift: u32, mask: u64| (time >> shift & mask) as u8;
        let stamp = [
            0x21 | part(30, 7) << 1,
            part(22, 255),
            1 | part(15, 127) << 1,
            part(7, 255),
            1 | part(0, 127) << 1,
        ];
        let start = [&[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5][..], &stamp].concat();
        for (begins, payload) in [(0x41, &start[..]), (1, &[]), (1, &[]), (1, &[])] {
            let mut packet = [&[0x47, begins, 0, 0x10 | counter][..], payload].concat();
            packet.resize(188, 0x55);
            stream.extend(packet);
            counter = (counter + 1) & 15;
        }
    }
    stream
}

/// A fragment of 50 samples of 40 ticks each.
fn moof() -> Vec<u8> {
    let numbers = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
    let traf = [
        boxed(b"tfhd", &numbers(&[8, 1, 40])),
        boxed(b"tfdt", &numbers(&[0, 5000])),
        boxed(b"trun", &numbers(&[0, 50])),
    ];
    boxed(b"moof", &boxed(b"traf", &traf.concat()))
}

fn samples() -> Vec<(Container, Vec<u8>)> {
    let packet = [&[0x47, 0x40, 0x00, 0x10][..], &[0xff; 184]].concat();
    let adts = [&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc][..], &[1; 9]].concat();
    let mp3 = [&[0xff, 0xfb, 0x90, 0x00][..], &[1; 413]].concat();
    let ac3 = [&[0x0b, 0x77, 0, 0, 0x14, 0x40][..], &[1; 762]].concat();
    let eac3 = [&[0x0b, 0x77, 0x01, 0xff, 0x34, 0x87][..], &[1; 1018]].concat();
    let id3 = [&b"ID3\x04\0\0\0\0\x05\x00"[..], &[0; 640]].concat();
    vec![
        (Container::MpegTs, packet.repeat(7)),
        (
            Container::Fmp4,
            [boxed(b"styp", b"msdh"), boxed(b"moof", &[1; 90]), boxed(b"mdat", &[2; 900])].concat(),
        ),
        (Container::Adts, [&id3[..], &adts.repeat(60)].concat()),
        (Container::Adts, adts.repeat(3)),
        (Container::Mp3, [&mp3.repeat(4)[..], b"TAG", &[0; 125]].concat()),
        (Container::Ac3, ac3.repeat(3)),
        (Container::Eac3, [&id3[..], &eac3.repeat(3)].concat()),
        (Container::MpegTs, (0..8).flat_map(timed).collect()),
        (Container::Fmp4, [boxed(b"styp", b"msdh"), fragment(7), fragment(8)].concat()),
        (Container::MpegTs, pictures(3)),
        (Container::Fmp4, [moof(), boxed(b"mdat", &[2; 400])].concat()),
    ]
}

/// One packet of an elementary stream with a running counter, ten to a second.
fn timed(number: u64) -> Vec<u8> {
    let time = number * 9000;
    let part = |shift: u32, bits: u32| ((time >> shift) & ((1 << bits) - 1)) as u8;
    let stamp = [0x21 | part(30, 3) << 1, part(22, 8), part(15, 7) << 1 | 1, part(7, 8), part(0, 7) << 1 | 1];
    let start = [0x47, 0x41, 0x00, 0x10 | (number % 16) as u8, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
    [&start[..], &stamp, &[0xff; 170]].concat()
}

/// A fragment of `samples` that last a tenth of a second each, and their default from nowhere but itself.
fn fragment(samples: u32) -> Vec<u8> {
    let tfhd = [8, 1, 100].map(u32::to_be_bytes).concat();
    let trun = [0, samples].map(u32::to_be_bytes).concat();
    let traf = [boxed(b"tfhd", &tfhd), boxed(b"trun", &trun)].concat();
    [boxed(b"moof", &boxed(b"traf", &traf)), boxed(b"mdat", &[3; 500])].concat()
}

fn verify<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Summary, MediaError> {
    let mut verifier = Verifier::new();
    for chunk in chunks {
        verifier.push(chunk)?;
    }
    verifier.finish()
}

#[test]
fn whole_units_pass() {
    for (container, bytes) in samples() {
        let summary = verify([&bytes[..]]).expect("a whole unit");
        assert_eq!((summary.container, summary.kind), (container, Kind::Media));
        assert_eq!(summary.bytes, bytes.len() as u64);
    }
    let vtt = verify([&b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"[..]]).expect("subtitles");
    assert_eq!(vtt.container.extension(), "vtt");
}

#[test]
fn fault_08_cut_units_are_truncated() {
    for (container, bytes) in samples() {
        for cut in [1, 2, bytes.len() / 5] {
            // Where it is seen that it ends too early, it may be that it goes on in the next unit.
            match verify([&bytes[..bytes.len() - cut]]) {
                Ok(summary) => {
                    let is_cut = |odd| matches!(odd, Odd::CutTail | Odd::Frame);
                    assert!(summary.oddities.iter().any(|o| is_cut(o.odd)), "{container} cut by {cut}");
                }
                Err(error) => assert!(error.is_truncated(), "{container} cut by {cut}: {error}"),
            }
        }
    }
}

#[test]
fn fault_18_pages_are_not_media() {
    for page in ["<html>", "{\"error\":\"expired\"}", "#EXTM3U\n", "<?xml version=\"1.0\"?>", "Forbidden", ""]
    {
        let long = page.repeat(200);
        for text in [page, &long] {
            let error = verify([text.as_bytes()]).expect_err("a page");
            assert!(matches!(error, MediaError::NotMedia { .. }), "{error}");
        }
    }
}

#[test]
fn fault_36_noise_is_not_media() {
    // What a wrong key leaves: bytes without any structure.
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(4096)
    .collect();
    assert!(matches!(verify([&noise[..]]), Err(MediaError::Unrecognised { .. })));
}

#[test]
fn durations_by_container() {
    let micros = [None, None, Some(60 * 23_219), Some(69_659), Some(104_489), Some(96_000), Some(96_000)];
    for ((container, bytes), expect) in samples().iter().zip(micros) {
        let duration = verify([&bytes[..]]).expect("a whole unit").duration(None);
        let expect = expect.map(Duration::from_micros);
        let near = |a: Duration, b: Duration| a.abs_diff(b).as_micros() < 60;
        assert!(duration.zip(expect).is_none_or(|(a, b)| near(a, b)), "{container}: {duration:?}");
        assert_eq!(duration.is_some(), expect.is_some(), "{container}");
    }
    let (_, timed) = samples().remove(7);
    assert_eq!(verify([&timed[..]]).expect("a whole unit").duration(None).map(|d| d.as_millis()), Some(800));
}

#[test]
fn a_picture_in_front_of_packets_is_odd_and_without_them_it_is_not_media() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let summary = verify([&[png, &pictures(3)[..]].concat()[..]]).expect("media behind a picture");
    let odd = summary.oddities.iter().map(|o| (o.odd, o.at)).collect::<Vec<_>>();
    assert_eq!((summary.lead, odd), (png.len() as u64, vec![(Odd::Picture, 0)]));
    let bytes = [png, &[0; 3000][..]].concat();
    assert!(matches!(verify([&bytes[..]]), Err(MediaError::Unrecognised { .. })));
}

#[test]
fn damage_is_found_where_it_is() {
    let (_, mut bytes) = samples().remove(0);
    bytes[188 * 4] = 0;
    let odd = verify(bytes.chunks(100)).expect("packets").oddities;
    assert_eq!(odd.iter().map(|o| (o.odd, o.at)).collect::<Vec<_>>()[0], (Odd::Sync, 752));
    let (_, mut bytes) = samples().remove(2);
    bytes[650 + 32] = 0;
    assert_eq!(verify(bytes.chunks(3)), Err(MediaError::FrameLost { offset: 682 }));
}

#[test]
fn durations() {
    let check = |bytes: &[u8], expect: Option<u64>| {
        let summary = verify([bytes]).expect("a whole unit");
        assert_eq!(summary.duration(None), expect.map(Duration::from_millis), "{}", summary.container);
    };
    check(&pictures(50), Some(2000));
    check(&pictures(50)[..25 * 752], Some(1000));
    check(&pictures(1), None);
    let samples = samples();
    check(&samples[0].1, None);
    check(&samples[1].1, None);
    // Ticks alone are no time.
    check(&samples[10].1, None);
}

#[test]
fn noise_in_the_place_of_packets_breaks_the_counters() {
    let whole = pictures(50);
    let broken_at = |bytes: &[u8]| {
        let oddities = verify([bytes]).expect("packets").oddities;
        oddities.into_iter().find(|o| o.odd == Odd::Continuity).map(|o| o.at)
    };
    assert_eq!(broken_at(&whole), None);
    for packets in 1..40 {
        let mut bytes = whole.clone();
        let mut state = packets as u32;
        for packet in bytes[20 * 188..].chunks_mut(188).take(packets) {
            for byte in &mut packet[1..] {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (state >> 24) as u8;
            }
        }
        let at = broken_at(&bytes);
        assert!(at.is_some_and(|at| at >= 20 * 188), "{packets} packets of noise: {at:?}");
        let cut = [&whole[..20 * 188], &whole[(20 + packets) * 188..]].concat();
        // The counters have four bits, and a packet may be repeated once.
        let hidden = matches!(packets % 16, 0 | 15);
        assert_eq!(broken_at(&cut).is_none(), hidden, "{packets} packets are missing");
    }
}

proptest! {
    #[test]
    fn chunking_changes_nothing(
        which in 0_usize..11,
        cut in 0_usize..1500,
        damage in proptest::option::of((0_usize..1500, any::<u8>())),
        sizes in proptest::collection::vec(1_usize..300, 1..40),
    ) {
        let (_, mut bytes) = samples().swap_remove(which);
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Some((at, byte)) = damage {
            bytes.iter_mut().skip(at).take(1).for_each(|slot| *slot = byte);
        }
        let mut chunks = Vec::new();
        let mut rest = &bytes[..];
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(verify(chunks), verify([&bytes[..]]));
    }

    #[test]
    fn bytes_never_panic(start in 0_usize..12, bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let starts: [&[u8]; 12] = [
            b"", b"\x47", b"\0\0\0\x10ftyp", b"\0\0\0\x01moov", b"ID3\x04\0\0\0\0\0\x03", b"\xff\xf1\x50\x80",
            b"\xff\xfb\x90", b"\x0b\x77", b"WEBVTT", b"TAG", b"\0\0\0\0mdat", b"\xff\xf3\x04",
        ];
        let input = [starts[start], &bytes].concat();
        let whole = verify([&input[..]]);
        prop_assert_eq!(verify(input.chunks(1)), whole);
    }
}
