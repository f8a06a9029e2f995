//! What is odd in every segment: it is asked about a few times, and then believed.

use anyhow::Result;
use hls_testkit::{Bytes, Media};

use super::Verdict;
use crate::hostile::bytes::{self, PACKET};
use crate::hostile::case::{Case, Output};
use crate::hostile::run::Try;
use crate::hostile::show::{Container, Manner};

/// What is asked for again of each kind before it is believed.
const DOUBTS: usize = 3;
/// A few more where several are under way at once.
const SLACK: usize = 3;

type Change = fn(&mut Vec<u8>);
/// A kind of oddity, and whether it is left out of the output.
const KINDS: [(&str, Change, bool); 7] = [
    ("zeros behind the last packet", |bytes| bytes.extend([0; 16]), false),
    ("an odd counter", |bytes| flip(bytes, 3, 8), false),
    ("a packet without a sync byte", |bytes| bytes[PACKET * 20] = 0, false),
    (
        "a picture in front",
        |bytes| drop(bytes.splice(0..0, *b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on")),
        true,
    ),
    ("a wrong checksum of a table", |bytes| bytes[PACKET + 20] ^= 1, false),
    ("half the time that the playlist says", |_| {}, false),
    ("a packet that says it is scrambled", |bytes| flip(bytes, 3, 0x80), false),
];

/// Changes a byte of a packet of pictures.
fn flip(bytes: &mut [u8], byte: usize, by: u8) {
    let mut pictures = bytes.chunks_exact_mut(PACKET).filter(|packet| {
        packet[0] == 0x47 && bytes::pid(packet) == 0x100 && packet[1] & 0x40 == 0 && packet[3] & 0x30 == 0x10
    });
    if let Some(packet) = pictures.next() {
        packet[byte] ^= by;
    }
}

pub(super) fn every_segment(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &[Container::Ts], 10)?;
    let mut show = drawn.show.clone();
    // Ciphertext with such packets is taken for a wrong key, which is another matter.
    show.is_encrypted = false;
    let first = t.dice.below(KINDS.len() as u64) as usize;
    let mut kinds = if t.dice.below(3) == 0 { vec![first, (first + 1) % KINDS.len()] } else { vec![first] };
    // What is put in front moves all places.
    kinds.sort_by_key(|kind| KINDS[*kind].2);
    let mut expected = show.clone();
    for kind in &kinds {
        let (name, change, is_left_out) = KINDS[*kind];
        t.note(name);
        for (segment, right) in show.segments.iter_mut().zip(&mut expected.segments) {
            let mut odd = segment.to_vec();
            change(&mut odd);
            *segment = odd.into();
            if !is_left_out {
                let mut odd = right.to_vec();
                change(&mut odd);
                *right = odd.into();
            }
        }
        if name.starts_with("half") {
            show.seconds *= 2.0;
        }
    }
    // A film is made of what it can be made of; here the bytes count.
    let output = if drawn.output == Output::Film { Output::Join } else { drawn.output };
    let framing = crate::hostile::show::Framing::Length;
    let mut case = Case::of(t, show, output, Manner { framing, ..drawn.manner })?;
    case.most = 1 + case.show.segments.len() + kinds.len() * (DOUBTS + SLACK);
    let end = case.run(t, &[])?;
    case.judge(t, &end, &Vec::new().into(), Some(&expected.joined().into()))
}

/// Unusual and harmless: sections and segments that say more than they have to.
pub(super) fn harmless(t: &mut Try<'_>) -> Result<Verdict> {
    let mut drawn = Case::draw(t, &[Container::Fmp4, Container::Cmaf, Container::Adts], 6)?;
    let mut show = drawn.show.clone();
    let is_mp4 = show.container.is_mp4();
    let what = t.pick("in each segment", &["free", "emsg", "section", "tag"])?;
    let extra: Bytes = match what {
        "free" if is_mp4 => Bytes::from_static(b"\0\0\0\x0cfreefree"),
        "emsg" if is_mp4 => Bytes::from_static(b"\0\0\0\x10emsg\0\0\0\0\0\0\0\0"),
        "section" if is_mp4 => Bytes::from_static(Media::Fmp4.init().unwrap_or_default()),
        _ => Bytes::new(),
    };
    for segment in &mut show.segments {
        *segment = [&extra[..], segment].concat().into();
    }
    drawn.output = if drawn.output == Output::Film { Output::Join } else { drawn.output };
    let mut case = Case::of(t, show, drawn.output, drawn.manner)?;
    case.most = 1 + case.published.files.len() + DOUBTS + SLACK + DOUBTS;
    let right = case.show.joined().into();
    let end = case.run(t, &[])?;
    case.judge(t, &end, &right, None)
}
