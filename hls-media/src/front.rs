//! What a unit begins with, where that is not its container at once.

use crate::{
    Container, MediaError,
    audio::{self, Frame},
    container::{SNIFF, Sniffed, sniff},
    error::first_bytes,
    oddity::Odd,
    ts::{self, PACKET},
};

/// As many packets of 192 bytes prove that there are no others.
const LONG_PACKETS: usize = 4;
/// What begins like nothing that is known is looked at for so long.
const LONGEST_LOOK: usize = 16 << 10;
/// A tag or a picture in front is not larger.
const LARGEST_FRONT: usize = 256 << 10;
/// As many bytes tell where packets begin.
const PACKETS: usize = 3 * PACKET + 1;

/// How a unit begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Front {
    /// Its container; any packed audio is [`Container::Adts`] here.
    pub(crate) kind: Container,
    /// Bytes in front that belong to no container.
    pub(crate) lead: usize,
    /// Bytes of the ID3 tags in front of AC-3 or Enhanced AC-3, which players of these expect nowhere in a file.
    pub(crate) tags: usize,
    /// Bytes of a frame that began before.
    pub(crate) inside: usize,
    pub(crate) odd: Option<Odd>,
}

impl Front {
    fn plain(sniffed: Sniffed) -> Self {
        let kind = match sniffed {
            Sniffed::MpegTs => Container::MpegTs,
            Sniffed::Fmp4 => Container::Fmp4,
            Sniffed::WebVtt => Container::WebVtt,
            Sniffed::PackedAudio => Container::Adts,
        };
        Self { kind, lead: 0, tags: 0, inside: 0, odd: None }
    }
}

/// What can be told of the first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Is(Front),
    /// It takes more of them.
    More,
}

/// Recognises how a unit begins. `is_end`: `head` is all of it. However much more than needed `head` is, the answer is the same.
pub(crate) fn look(head: &[u8], is_end: bool) -> Result<Look, MediaError> {
    if head.len() < SNIFF && !is_end {
        return Ok(Look::More);
    }
    match sniff(head.get(..SNIFF).unwrap_or(head)) {
        Ok(Sniffed::PackedAudio) if head.starts_with(b"ID3") => Ok(behind_tags(head, is_end)),
        Ok(sniffed) => Ok(Look::Is(Front::plain(sniffed))),
        Err(error @ MediaError::NotMedia { .. }) => Err(error),
        Err(_) if is_picture(head) => behind_picture(head, is_end),
        Err(_) => inside(head, is_end),
    }
}

/// Tags are part of packed audio, and of nothing else.
fn behind_tags(head: &[u8], is_end: bool) -> Look {
    let audio = Look::Is(Front::plain(Sniffed::PackedAudio));
    let mut lead = 0;
    while let Frame::Tag { len } = audio::frame(head.get(lead..).unwrap_or(&[])) {
        lead = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(lead);
        if lead > LARGEST_FRONT {
            return audio;
        }
    }
    let Some(behind) = head.get(lead..lead + SNIFF).or_else(|| head.get(lead..).filter(|_| is_end)) else {
        return if is_end { audio } else { Look::More };
    };
    // Two bytes that are the same are no proof, as they are where a container begins a unit.
    let is_proved = ts::is_packets(behind) && behind.len() > 2 * PACKET;
    match sniff(behind) {
        Ok(Sniffed::PackedAudio) if behind.starts_with(&[0x0b, 0x77]) => {
            Look::Is(Front { tags: lead, ..Front::plain(Sniffed::PackedAudio) })
        }
        Ok(Sniffed::MpegTs) if !is_proved => audio,
        Ok(Sniffed::PackedAudio) | Err(_) => audio,
        Ok(sniffed) => Look::Is(Front { lead, odd: Some(Odd::Tag), ..Front::plain(sniffed) }),
    }
}

/// PNG, BMP, GIF, JPEG, WebP and ICO.
fn is_picture(head: &[u8]) -> bool {
    let begins: [&[u8]; 5] = [b"\x89PNG\r\n", b"BM", b"GIF8", b"\xff\xd8\xff", b"\0\0\x01\0"];
    begins.iter().any(|magic| head.starts_with(magic))
        || head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP")
}

fn behind_picture(head: &[u8], is_end: bool) -> Result<Look, MediaError> {
    let head = head.get(..LARGEST_FRONT).unwrap_or(head);
    let is_all = is_end || head.len() == LARGEST_FRONT;
    match ts::find_packets(head, is_end && is_all) {
        Some(lead) if head.len() - lead >= PACKETS || is_end => {
            let front = Front::plain(Sniffed::MpegTs);
            Ok(Look::Is(Front { lead, odd: Some(Odd::Picture), ..front }))
        }
        _ if !is_all => Ok(Look::More),
        _ => Err(MediaError::Unrecognised { first: first_bytes(head) }),
    }
}

/// Tells whether these are packets with four bytes in front of each, as Blu-ray discs and camcorders have them.
fn has_long_packets(head: &[u8]) -> bool {
    let mut sync = head.chunks_exact(PACKET + 4).map(|packet| packet.get(4) == Some(&0x47));
    sync.len() >= LONG_PACKETS && sync.all(|is_sync| is_sync)
}

/// It may begin inside a packet, or a frame of sound.
fn inside(head: &[u8], is_end: bool) -> Result<Look, MediaError> {
    if head.len() < LONGEST_LOOK && !is_end {
        return Ok(Look::More);
    }
    let is_end = is_end && head.len() <= LONGEST_LOOK;
    let head = head.get(..LONGEST_LOOK).unwrap_or(head);
    if has_long_packets(head) {
        return Err(MediaError::LongPackets);
    }
    let near = head.get(..PACKET + PACKETS).unwrap_or(head);
    if ts::find_packets(near, is_end && near.len() == head.len()).is_some_and(|at| at < PACKET) {
        return Ok(Look::Is(Front { odd: Some(Odd::CutHead), ..Front::plain(Sniffed::MpegTs) }));
    }
    if let Some(inside) = audio::find_frames(head, is_end) {
        return Ok(Look::Is(Front { inside, odd: Some(Odd::Frame), ..Front::plain(Sniffed::PackedAudio) }));
    }
    Err(MediaError::Unrecognised { first: first_bytes(head) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(n: usize) -> Vec<u8> {
        std::iter::once(0x47).chain([1; 187]).collect::<Vec<_>>().repeat(n)
    }

    fn adts(n: usize) -> Vec<u8> {
        [&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc][..], &[1; 9]].concat().repeat(n)
    }

    #[test]
    fn packets_of_192_bytes_are_named() {
        let long = |n: usize| [&[0, 0, 7, 9, 0x47][..], &[1; 187]].concat().repeat(n);
        for n in [4, 5, 80, 100] {
            assert_eq!(look(&long(n), true), Err(MediaError::LongPackets), "{n}");
        }
        assert!(look(&long(3), true) != Err(MediaError::LongPackets), "too few");
        assert_eq!(look(&long(100)[..LONGEST_LOOK], false), Err(MediaError::LongPackets));
    }

    #[test]
    fn what_is_in_front() {
        let check = |what: &str, head: Vec<u8>, expect: Option<(Container, usize, usize, Option<Odd>)>| {
            let mut first = None;
            for len in 0..=head.len() {
                match look(&head[..len], len == head.len()) {
                    Ok(Look::More) => assert!(first.is_none(), "{what}: more at {len}"),
                    Ok(Look::Is(front)) => {
                        assert_eq!(*first.get_or_insert(front), front, "{what} at {len}");
                    }
                    Err(_) => assert!(first.is_none(), "{what}: no at {len}"),
                }
            }
            let got = first.map(|front| (front.kind, front.lead, front.inside, front.odd));
            assert_eq!(got, expect, "{what}");
        };
        let png = [b"\x89PNG\r\n\x1a\n".to_vec(), vec![0; 62]].concat();
        let id3 = [&b"ID3\x04\0\0\0\0\0\x3f"[..], &[0; 63]].concat();
        use Container::{Adts, MpegTs};
        check("packets", packets(9), Some((MpegTs, 0, 0, None)));
        check("a picture", [&png[..], &packets(9)].concat(), Some((MpegTs, 70, 0, Some(Odd::Picture))));
        check("a picture alone", [&png[..], &[5; 900]].concat(), None);
        check("two packets behind it", [&png[..], &packets(2), &[5; 900]].concat(), None);
        check(
            "a bitmap",
            [b"BM", &[0; 52][..], &packets(9)].concat(),
            Some((MpegTs, 54, 0, Some(Odd::Picture))),
        );
        check("a tag", [&id3[..], &packets(9)].concat(), Some((MpegTs, 73, 0, Some(Odd::Tag))));
        check("a tag and frames", [&id3[..], &adts(50)].concat(), Some((Adts, 0, 0, None)));
        let tags = |head: &[u8]| match look(head, true) {
            Ok(Look::Is(front)) => (front.kind, front.lead, front.tags),
            other => panic!("{other:?}"),
        };
        let dolby = [&[0x0b, 0x77, 0, 0, 0x14, 0x40, 0x40][..], &[0; 761]].concat().repeat(3);
        assert_eq!(tags(&[&id3[..], &dolby].concat()), (Adts, 0, 73));
        assert_eq!(tags(&dolby), (Adts, 0, 0));
        assert_eq!(tags(&[&id3[..], &adts(50)].concat()), (Adts, 0, 0));
        check("inside a packet", packets(99)[88..].to_vec(), Some((MpegTs, 0, 0, Some(Odd::CutHead))));
        check("inside a frame", adts(2000)[9..].to_vec(), Some((Adts, 0, 7, Some(Odd::Frame))));
        check("inside a frame of few", adts(50)[9..].to_vec(), Some((Adts, 0, 7, Some(Odd::Frame))));
        let frames = |head: &[u8], len: usize| [head, &vec![0xaa; len - head.len()]].concat().repeat(6);
        let mp3 = frames(&[0xff, 0xfb, 0x90, 0], 417);
        check("inside a frame of MP3", mp3[9..].to_vec(), Some((Adts, 0, 408, Some(Odd::Frame))));
        let ac3 = frames(&[0x0b, 0x77, 0, 0, 8, 0x40], 256);
        check("inside a frame of AC-3", ac3[9..].to_vec(), Some((Adts, 0, 247, Some(Odd::Frame))));
        check("frames of two kinds", [&[0xaa; 9], &mp3[..834], &ac3[..512], &[0xaa; 9]].concat(), None);
        check("noise", (0..2000_u32).map(|n| ((n * n) >> 3 | 128) as u8).collect(), None);
    }
}
