//! A writer of fragmented MP4 (ISO/IEC 14496-12, 8.8) that knows the odd ways of real ones.

use super::source::{Codec, Source, Unit};

/// What a fragment counts its offsets from (8.8.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Base {
    #[default]
    Moof,
    Explicit,
    /// The first track from the fragment, each further one from where the one before it ends.
    Unsaid,
}

/// How pictures that wait for later ones are timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reordering {
    /// An edit list takes the delay back.
    #[default]
    EditList,
    /// Some composition offsets are negative.
    Negative,
}

/// Where the duration of a sample is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Defaults {
    #[default]
    Run,
    Fragment,
    Section,
}

/// How a producer writes its boxes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Fragments in a segment; 0 is 1.
    pub(super) fragments: usize,
    /// Each track has fragments of its own.
    pub(super) is_apart: bool,
    pub(super) base: Base,
    pub(super) reordering: Reordering,
    pub(super) defaults: Defaults,
    /// Runs in a track fragment; 0 is 1.
    pub(super) runs: usize,
    /// `styp`, `prft`, `emsg` and `free` in front of a fragment.
    pub(super) has_other_boxes: bool,
    /// The size of `mdat` has 64 bits.
    pub(super) is_wide: bool,
    /// Decode times have 32 bits where they fit.
    pub(super) is_short: bool,
    /// A box that nobody knows, inside `moof` and `moov`.
    pub(super) has_unknown: bool,
}

impl Manner {
    /// Says whether fragments count from the begin of their file, so that they can't be moved.
    pub(super) fn is_placed(&self) -> bool {
        self.base == Base::Explicit
    }
}

/// The samples of one track in a segment.
pub(super) struct Samples<'a> {
    pub(super) track: usize,
    pub(super) source: &'a Source,
    /// Each with what its times are moved by, in ticks of the source.
    pub(super) units: Vec<(&'a Unit, i64)>,
}

/// Writes sections and segments.
pub(super) struct Writer {
    manner: Manner,
    sequence: u32,
}

/// Returns a box of these parts.
fn of(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = (length as u32).to_be_bytes().to_vec();
    out.extend(name);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Returns a box with a version and flags.
fn full(name: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    let mut all: Vec<&[u8]> = vec![&head];
    all.extend_from_slice(parts);
    of(name, &all)
}

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|word| word.to_be_bytes()).collect()
}

const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// By how much the first picture is decoded before it is shown, in ticks.
fn delay(source: &Source) -> i64 {
    source.units.iter().map(|unit| unit.dts).min().unwrap_or(0).min(0).saturating_neg()
}

impl Writer {
    pub(super) fn new(manner: Manner) -> Self {
        Self { manner, sequence: 0 }
    }

    /// Writes the initialization section of these tracks.
    pub(super) fn section(&self, sources: &[&Source]) -> Vec<u8> {
        let mut header = words(&[0, 0, 1000, 0, 0x1_0000, 0x0100_0000, 0, 0]);
        header.extend(words(&MATRIX));
        header.extend(words(&[0, 0, 0, 0, 0, 0, sources.len() as u32 + 1]));
        let mut parts = full(b"mvhd", 0, 0, &[&header]);
        let mut extends = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            parts.extend(self.track(number, source));
            let duration = match self.manner.defaults {
                Defaults::Section => source.duration as u32,
                _ => 0,
            };
            extends.extend(full(b"trex", 0, 0, &[&words(&[number as u32 + 1, 1, duration, 0, 0])]));
        }
        parts.extend(of(b"mvex", &[&extends]));
        if self.manner.has_unknown {
            parts.extend(of(b"xyzw", &[b"nobody knows this"]));
        }
        let mut out = of(b"ftyp", &[b"iso6", &words(&[0]), b"iso6mp41"]);
        out.extend(of(b"moov", &[&parts]));
        out
    }

    fn track(&self, number: usize, source: &Source) -> Vec<u8> {
        let is_video = source.codec.is_video();
        let volume = if is_video { 0 } else { 0x0100_0000 };
        let mut header = words(&[0, 0, number as u32 + 1, 0, 0, 0, 0, 0, volume]);
        header.extend(words(&MATRIX));
        header.extend(if is_video { words(&[96 << 16, 64 << 16]) } else { words(&[0, 0]) });
        let mut track = full(b"tkhd", 0, 3, &[&header]);
        if is_video && self.manner.reordering == Reordering::EditList {
            let list = words(&[1, 0, delay(source) as u32, 0x1_0000]);
            track.extend(of(b"edts", &[&full(b"elst", 0, 0, &[&list])]));
        }
        let times = full(b"mdhd", 0, 0, &[&words(&[0, 0, source.rate, 0, 0x55c4_0000])]);
        let kind: &[u8] = if is_video { b"vide" } else { b"soun" };
        let handler = full(b"hdlr", 0, 0, &[&[0; 4], kind, &[0; 12], b"x\0"]);
        let media = match is_video {
            true => full(b"vmhd", 0, 1, &[&[0; 8]]),
            false => full(b"smhd", 0, 0, &[&[0; 4]]),
        };
        let reference = full(b"dref", 0, 0, &[&words(&[1]), &full(b"url ", 0, 1, &[])]);
        let empty = |name| full(name, 0, 0, &[&[0; 4]]);
        let sizes = full(b"stsz", 0, 0, &[&[0; 8]]);
        let table = of(b"stbl", &[&source.stsd, &empty(b"stts"), &empty(b"stsc"), &sizes, &empty(b"stco")]);
        let information = of(b"minf", &[&media, &of(b"dinf", &[&reference]), &table]);
        track.extend(of(b"mdia", &[&times, &handler, &information]));
        of(b"trak", &[&track])
    }

    /// Writes one segment.
    pub(super) fn segment(&mut self, tracks: &[Samples<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let fragments = self.manner.fragments.max(1);
        if self.manner.has_other_boxes {
            out.extend(of(b"styp", &[b"msdh", &words(&[0]), b"msdhmsix"]));
            let event = full(b"emsg", 0, 0, &[b"urn:x\0", b"1\0", &words(&[1000, 0, 1, 7]), b"data"]);
            out.extend(event);
        }
        for nth in 0..fragments {
            let part: Vec<_> = tracks
                .iter()
                .map(|samples| {
                    let (from, to) =
                        (nth * samples.units.len() / fragments, (nth + 1) * samples.units.len() / fragments);
                    (samples, &samples.units[from..to])
                })
                .filter(|(_, units)| !units.is_empty())
                .collect();
            match self.manner.is_apart {
                true => part.iter().for_each(|one| self.fragment(std::slice::from_ref(one), &mut out)),
                false if part.is_empty() => {}
                false => self.fragment(&part, &mut out),
            }
        }
        out
    }

    fn fragment(&mut self, tracks: &[(&Samples<'_>, &[(&Unit, i64)])], out: &mut Vec<u8>) {
        self.sequence += 1;
        if self.manner.has_other_boxes {
            out.extend(full(b"prft", 0, 0, &[&words(&[1, 0, 0, 0])]));
            out.extend(of(b"free", &[&[7; 13]]));
        }
        let data: Vec<Vec<Vec<u8>>> = tracks
            .iter()
            .map(|(samples, units)| units.iter().map(|(unit, _)| sample(samples.source, unit)).collect())
            .collect();
        let all: usize = data.iter().flatten().map(Vec::len).sum();
        let head = if self.manner.is_wide { 16 } else { 8 };
        // Offsets depend on the size of the fragment, which does not depend on them.
        let size = self.movie_fragment(tracks, &data, 0, 0).len();
        let moof = self.movie_fragment(tracks, &data, out.len(), size + head);
        out.extend(moof);
        match self.manner.is_wide {
            true => {
                out.extend(words(&[1]));
                out.extend(b"mdat");
                out.extend((all as u64 + 16).to_be_bytes());
            }
            false => {
                out.extend(words(&[all as u32 + 8]));
                out.extend(b"mdat");
            }
        }
        data.iter().flatten().for_each(|bytes| out.extend_from_slice(bytes));
    }

    fn movie_fragment(
        &self,
        tracks: &[(&Samples<'_>, &[(&Unit, i64)])],
        data: &[Vec<Vec<u8>>],
        at: usize,
        first: usize,
    ) -> Vec<u8> {
        let mut moof = full(b"mfhd", 0, 0, &[&words(&[self.sequence])]);
        let mut offset = first;
        for (turn, ((samples, units), bytes)) in tracks.iter().zip(data).enumerate() {
            // Without a base of its own, a track goes on where the data of the one before it end.
            let is_chained = self.manner.base == Base::Unsaid && turn > 0;
            let base = if is_chained { offset } else { 0 };
            moof.extend(self.track_fragment(samples, units, bytes, at, offset - base));
            offset += bytes.iter().map(Vec::len).sum::<usize>();
        }
        if self.manner.has_unknown {
            moof.extend(of(b"xyzw", &[b"nor this"]));
        }
        of(b"moof", &[&moof])
    }

    fn track_fragment(
        &self,
        samples: &Samples<'_>,
        units: &[(&Unit, i64)],
        bytes: &[Vec<u8>],
        at: usize,
        mut offset: usize,
    ) -> Vec<u8> {
        let source = samples.source;
        let mut flags = 0;
        let mut header = words(&[samples.track as u32 + 1]);
        match self.manner.base {
            Base::Moof => flags |= 0x2_0000,
            Base::Explicit => {
                flags |= 1;
                header.extend((at as u64).to_be_bytes());
            }
            Base::Unsaid => {}
        }
        if self.manner.defaults == Defaults::Fragment {
            flags |= 8;
            header.extend(words(&[source.duration as u32]));
        }
        let mut traf = full(b"tfhd", 0, flags, &[&header]);
        let decode = units.first().map_or(0, |(unit, by)| unit.dts + by + delay(source));
        traf.extend(match u32::try_from(decode) {
            Ok(short) if self.manner.is_short => full(b"tfdt", 0, 0, &[&words(&[short])]),
            _ => full(b"tfdt", 1, 0, &[&decode.to_be_bytes()]),
        });
        let runs = self.manner.runs.max(1);
        for run in 0..runs {
            let (from, to) = (run * units.len() / runs, (run + 1) * units.len() / runs);
            if from < to {
                traf.extend(self.run(source, &units[from..to], &bytes[from..to], offset));
                offset += bytes[from..to].iter().map(Vec::len).sum::<usize>();
            }
        }
        of(b"traf", &[&traf])
    }

    fn run(&self, source: &Source, units: &[(&Unit, i64)], bytes: &[Vec<u8>], offset: usize) -> Vec<u8> {
        let is_timed = self.manner.defaults == Defaults::Run;
        let is_video = source.codec.is_video();
        // Offset of the data, sizes, flags; durations and composition offsets where they are needed.
        let flags = 0x601 | if is_timed { 0x100 } else { 0 } | if is_video { 0x800 } else { 0 };
        let mut body = words(&[units.len() as u32, offset as u32]);
        let back = match self.manner.reordering {
            Reordering::EditList => 0,
            Reordering::Negative => delay(source),
        };
        for ((unit, _), bytes) in units.iter().zip(bytes) {
            if is_timed {
                body.extend(words(&[source.duration as u32]));
            }
            let kind = if unit.is_key { 0x0200_0000 } else { 0x0101_0000 };
            body.extend(words(&[bytes.len() as u32, kind]));
            if is_video {
                body.extend(((unit.pts - unit.dts - back) as i32).to_be_bytes());
            }
        }
        let version = u8::from(self.manner.reordering == Reordering::Negative);
        full(b"trun", version, flags, &[&body])
    }
}

/// A unit as MP4 holds it: each NAL unit behind its length, without parameter sets (ISO/IEC 14496-15, 5.3.2).
fn sample(source: &Source, unit: &Unit) -> Vec<u8> {
    if !source.codec.is_video() {
        return unit.bytes.clone();
    }
    let mut out = Vec::new();
    for nal in nal_units(&unit.bytes) {
        let Some(first) = nal.first() else { continue };
        let is_set = match source.codec {
            Codec::Hevc => matches!(first >> 1 & 0x3f, 32..=35),
            _ => matches!(first & 0x1f, 7..=9),
        };
        if !is_set {
            out.extend((nal.len() as u32).to_be_bytes());
            out.extend_from_slice(nal);
        }
    }
    out
}

/// Returns the NAL units of a byte stream.
pub(super) fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&[0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let unit = &bytes[start + 3..end];
        // The fourth byte of a start code belongs to none; the last unit of a picture ends with a set bit.
        let length = unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        &unit[..length]
    });
    units.collect()
}
