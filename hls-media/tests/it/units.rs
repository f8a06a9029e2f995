//! Units of every container, whole, cut and chunked.

use hls_media::{Container, Kind, MediaError, Summary, Verifier};
use proptest::prelude::*;

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
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
    ]
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
            let error = verify([&bytes[..bytes.len() - cut]]).expect_err("a cut unit");
            assert!(error.is_truncated(), "{container} cut by {cut}: {error}");
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
fn damage_is_found_where_it_is() {
    let (_, mut bytes) = samples().remove(0);
    bytes[188 * 4] = 0;
    assert_eq!(verify(bytes.chunks(100)), Err(MediaError::SyncLost { offset: 752 }));
    let (_, mut bytes) = samples().remove(2);
    bytes[650 + 32] = 0;
    assert_eq!(verify(bytes.chunks(3)), Err(MediaError::FrameLost { offset: 682 }));
}

proptest! {
    #[test]
    fn chunking_changes_nothing(
        which in 0_usize..7,
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
