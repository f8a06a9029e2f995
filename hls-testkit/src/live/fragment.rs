//! Fragmented MP4: fragments of noise, real ones moved in time, initialization sections that differ.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Media;
use crate::noise::Noise;

/// Ticks in a second of the pictures in [`Media::Fmp4`], whose initialization section the noise goes with.
const TIMESCALE: u64 = 12_800;
const SAMPLES: u32 = 5;

/// Makes fragments of noise, one for each piece, that take up this time on the first track of [`Media::Fmp4`].
pub(super) fn synthetic(
    seed: u64,
    nth: usize,
    bytes: usize,
    start: Duration,
    duration: Duration,
    pieces: usize,
) -> Vec<Bytes> {
    let mut noise = Noise::new(seed ^ ((nth as u64 + 1) << 32));
    let tick = |piece: usize| ticks(start + duration * piece as u32 / pieces as u32, TIMESCALE);
    let size = (bytes / pieces).max(256);
    (0..pieces)
        .map(|piece| {
            let mut mdat = vec![0; size];
            noise.fill(&mut mdat);
            let sequence = (nth * pieces + piece + 1) as u32;
            fragment(sequence, tick(piece), tick(piece + 1) - tick(piece), &mdat)
        })
        .collect()
}

fn fragment(sequence: u32, start: u64, ticks: u64, mdat: &[u8]) -> Bytes {
    let mut samples = BytesMut::new();
    for n in 0..SAMPLES {
        let share = |whole: u64| {
            (whole * (u64::from(n) + 1) / u64::from(SAMPLES)) - whole * u64::from(n) / u64::from(SAMPLES)
        };
        samples.put_u32(share(ticks) as u32);
        samples.put_u32(share(mdat.len() as u64) as u32);
    }
    // Data offset, duration and size of each sample; the offset is from the beginning of `moof`.
    let trun =
        |offset: u32| full(*b"trun", 0, 0x301, &[&SAMPLES.to_be_bytes(), &offset.to_be_bytes(), &samples]);
    let tfhd = full(*b"tfhd", 0, 0x02_0000, &[&1_u32.to_be_bytes()]);
    let tfdt = full(*b"tfdt", 1, 0, &[&start.to_be_bytes()]);
    let mfhd = full(*b"mfhd", 0, 0, &[&sequence.to_be_bytes()]);
    let moof = |offset| plain(*b"moof", &[&mfhd, &plain(*b"traf", &[&tfhd, &tfdt, &trun(offset)])]);
    let offset = moof(0).len() as u32 + 8;
    [moof(offset), plain(*b"mdat", &[mdat])].concat().into()
}

fn full(name: [u8; 4], version: u8, flags: u32, body: &[&[u8]]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    plain(name, &[&head, &body.concat()])
}

fn plain(name: [u8; 4], body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], &name, &body].concat()
}

fn ticks(time: Duration, timescale: u64) -> u64 {
    (time.as_micros() * u128::from(timescale) / 1_000_000) as u64
}

/// Moves the fragments of a real segment in time; `timescales` are those of its tracks.
pub(super) fn delayed(segment: &[u8], by: Duration, timescales: &[u64]) -> Bytes {
    let mut moved = segment.to_vec();
    let end = moved.len();
    walk(&mut moved, 0, end, by, timescales, &mut 0);
    moved.into()
}

fn walk(bytes: &mut [u8], mut at: usize, end: usize, by: Duration, timescales: &[u64], track: &mut usize) {
    while at + 8 <= end {
        let size = be32(bytes, at) as usize;
        let next = (at + size.max(8)).min(end);
        let shift = |track: usize| ticks(by, timescales.get(track.wrapping_sub(1)).copied().unwrap_or(1));
        match &bytes[at + 4..at + 8] {
            b"moof" | b"traf" => walk(bytes, at + 8, next, by, timescales, track),
            b"tfhd" => *track = be32(bytes, at + 12) as usize,
            // Both are of version 1 in this crate's media, with 64 bits.
            b"tfdt" => add64(bytes, at + 12, shift(*track)),
            b"sidx" => {
                let track = be32(bytes, at + 12) as usize;
                add64(bytes, at + 20, shift(track));
            }
            _ => {}
        }
        at = next;
    }
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn add64(bytes: &mut [u8], at: usize, shift: u64) {
    let old = bytes[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    bytes[at..at + 8].copy_from_slice(&(old + shift).to_be_bytes());
}

/// The initialization section with this number: each has other bytes, and `is_other` another codec configuration too.
pub(super) fn init(media: Media, number: usize, is_other: bool) -> Option<Bytes> {
    let mut init = media.init()?.to_vec();
    if number > 0 {
        init.extend_from_slice(&plain(*b"free", &[format!("number {number:08}").as_bytes()]));
    }
    if is_other {
        // The width of pictures, and the number of channels: fields behind the name of a sample entry.
        for (name, field) in [(b"avc1", 4 + 24), (b"mp4a", 4 + 16)] {
            if let Some(at) = init.windows(4).position(|four| four == name) {
                init[at + field + 1] ^= 2;
            }
        }
    }
    Some(init.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_follow_each_other() {
        let pieces = synthetic(1, 3, 4000, Duration::from_secs(6), Duration::from_secs(2), 4);
        assert_eq!(pieces.len(), 4);
        let first = &pieces[0];
        let moof = be32(first, 0) as usize;
        assert_eq!((&first[4..8], &first[moof + 4..moof + 8]), (&b"moof"[..], &b"mdat"[..]));
        assert_eq!(moof + be32(first, moof) as usize, first.len());
        let tfdt = first.windows(4).position(|four| four == b"tfdt").unwrap_or_default();
        assert_eq!(be32(first, tfdt + 12), 6 * 12_800);
        let trun = first.windows(4).position(|four| four == b"trun").unwrap_or_default();
        let lengths: u32 = (0..SAMPLES as usize).map(|n| be32(first, trun + 16 + n * 8)).sum();
        assert_eq!((be32(first, trun + 12) as usize, lengths), (moof + 8, 6400));
    }

    #[test]
    fn real_fragments_move() {
        let segment = Media::Fmp4.segments()[1];
        let moved = delayed(segment, Duration::from_millis(12_080), &[12_800, 48_000]);
        let times = |bytes: &[u8]| -> Vec<u32> {
            let at = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"tfdt");
            at.map(|at| be32(bytes, at + 12)).collect()
        };
        assert_eq!(times(segment), [25_600, 97_256]);
        assert_eq!(times(&moved), [25_600 + 154_624, 97_256 + 579_840]);
    }
}
