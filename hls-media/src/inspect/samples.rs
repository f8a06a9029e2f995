//! The samples of a track, looked at while they pass, in the order of the file.

use std::collections::VecDeque;
use std::fmt;

use super::Problem;
use super::codec::Codec;
use super::frames::{self, Is};
use super::units::Units;
use crate::fmp4::children;

/// Fragments may name so many samples before their bytes come. Of more the first are not looked at.
const MOST_AHEAD: usize = 4 << 20;

/// What is wrong with samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// Start codes (ISO/IEC 14496-10, annex B) are where lengths of NAL units belong (ISO/IEC 14496-15).
    StartCodes,
    /// Headers of ADTS are in front of AAC frames.
    Adts,
    /// No sequence parameter set is there, in the sample entry or in front of a picture.
    NoParameterSets,
    /// NAL units are there, and no picture in any.
    NoPicture,
    /// They are not what the sample entry says, which is this.
    Not(&'static str),
}

impl Flaw {
    /// A short name, for scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::StartCodes => "start_codes",
            Self::Adts => "adts",
            Self::NoParameterSets => "no_parameter_sets",
            Self::NoPicture => "no_picture",
            Self::Not(_) => "other_than_entry",
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartCodes => f.write_str(
                "start codes (ISO/IEC 14496-10, annex B) where lengths of NAL units belong (ISO/IEC 14496-15)",
            ),
            Self::Adts => f.write_str("ADTS headers in front of AAC frames"),
            Self::NoParameterSets => f.write_str("pictures without a sequence parameter set"),
            Self::NoPicture => f.write_str("NAL units and no picture in them"),
            Self::Not(what) => write!(f, "samples that are not {what}"),
        }
    }
}

/// Where the samples of a track are, and what was found in those that have passed.
#[derive(Debug, Default)]
pub(super) struct Samples {
    codecs: Vec<Option<Codec>>,
    sizes: Vec<u32>,
    runs: VecDeque<Run>,
    current: Option<Current>,
    units: Units,
    /// What is there of a sample that comes in pieces.
    bytes: Vec<u8>,
    found: Vec<Found>,
    /// A sample that is cut is no damage where it is the last one: recordings end so.
    cut: Option<(Flaw, u64)>,
    has_sets: bool,
    has_picture: bool,
    /// The first sample that is a right chain of NAL units, and how many there are.
    chains: Option<(u64, u64)>,
}

/// Samples one behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) begin: u64,
    pub(super) count: u32,
    /// The size of each, or the place of the first one among the sizes.
    pub(super) sizes: Sizes,
    /// The number of the sample entry, from 1 on.
    pub(super) entry: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Sizes {
    Each(u32),
    From(usize),
}

#[derive(Debug, Clone, Copy)]
struct Current {
    codec: Codec,
    begin: u64,
    /// Where the next byte of it is, and how many are left.
    at: u64,
    len: u64,
    left: u64,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    flaw: Flaw,
    at: u64,
    count: u64,
}

impl Samples {
    /// Reads the sample entries of a track.
    pub(super) fn of(stsd: &[u8]) -> Self {
        let entries = children(stsd.get(8..).unwrap_or(&[])).map_while(Result::ok);
        Self { codecs: entries.map(|(format, body)| Codec::of(format, body)).collect(), ..Self::default() }
    }

    /// Goes on where an earlier section of the same track ended.
    pub(super) fn follow(&mut self, earlier: Self) {
        let codecs = std::mem::take(&mut self.codecs);
        *self = Self { codecs, ..earlier };
    }

    /// Whether any of its samples can be judged.
    pub(super) fn is_known(&self) -> bool {
        self.codecs.iter().any(Option::is_some)
    }

    /// Keeps the sizes of samples. Returns where those of the next ones stand.
    pub(super) fn keep(&mut self, sizes: impl Iterator<Item = u32>) -> usize {
        let from = self.sizes.len();
        self.sizes.extend(sizes);
        from
    }

    /// Makes room for so many runs, and no more: they are what needs most memory of a long film.
    pub(super) fn reserve(&mut self, runs: usize) {
        self.runs.reserve_exact(runs);
    }

    /// Takes more samples.
    pub(super) fn expect(&mut self, run: Run) {
        if self.codec(run.entry).is_some() && run.count > 0 && !matches!(run.sizes, Sizes::Each(0)) {
            self.runs.push_back(run);
        }
    }

    /// Puts the samples of a table into the order of the file.
    pub(super) fn sort(&mut self) {
        self.runs.make_contiguous().sort_by_key(|run| run.begin);
    }

    /// Forgets the sizes of what has passed.
    pub(super) fn forget(&mut self) {
        if self.sizes.len() > MOST_AHEAD || self.runs.len() > MOST_AHEAD {
            self.runs.clear();
        }
        if self.runs.is_empty() {
            self.sizes.clear();
        }
    }

    fn codec(&self, entry: u32) -> Option<Codec> {
        let at = usize::try_from(entry).ok()?.checked_sub(1)?;
        self.codecs.get(at).copied().flatten()
    }

    /// Takes bytes of the file that are no header of a box, and where they are.
    pub(super) fn push(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        loop {
            let Some(mut current) = self.current.take().or_else(|| self.next(offset, end)) else { return };
            // What is between was passed over, and that is told elsewhere.
            let Some(from) = current.at.checked_sub(offset) else { continue };
            let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or(&[]);
            let (part, _) =
                rest.split_at(usize::try_from(current.left).unwrap_or(usize::MAX).min(rest.len()));
            current.left -= part.len() as u64;
            current.at += part.len() as u64;
            self.look(&current, part);
            if current.left > 0 {
                self.current = Some(current);
                return;
            }
        }
    }

    /// The next sample, if it begins before `end`. Those that begin before `offset` have passed.
    fn next(&mut self, offset: u64, end: u64) -> Option<Current> {
        while let Some(run) = self.runs.front_mut() {
            if run.begin >= end {
                return None;
            }
            let len = match &mut run.sizes {
                Sizes::Each(len) => {
                    let passed = offset.saturating_sub(run.begin).div_ceil(u64::from(*len).max(1));
                    let passed = u32::try_from(passed).unwrap_or(u32::MAX).min(run.count);
                    run.begin = run.begin.saturating_add(u64::from(passed) * u64::from(*len));
                    run.count -= passed;
                    u64::from(*len)
                }
                Sizes::From(at) => {
                    let len = self.sizes.get(*at).copied().unwrap_or(0);
                    *at += 1;
                    u64::from(len)
                }
            };
            let (begin, entry, count) = (run.begin, run.entry, run.count);
            if count <= 1 {
                self.runs.pop_front();
            } else {
                (run.begin, run.count) = (begin.saturating_add(len), count - 1);
            }
            let is_to_come = count > 0 && begin >= offset && len > 0;
            if let Some(codec) = self.codec(entry).filter(|_| is_to_come) {
                self.units = Units::begin(len);
                self.bytes.clear();
                if let Some((flaw, at)) = self.cut.take() {
                    self.tell(flaw, at);
                }
                return Some(Current { codec, begin, at: begin, len, left: len });
            }
        }
        None
    }

    /// Looks at the next bytes of a sample, and judges it where they are the last ones.
    fn look(&mut self, current: &Current, part: &[u8]) {
        let Current { codec, begin, len, left, .. } = *current;
        match codec {
            Codec::Nal { .. } | Codec::Av1 | Codec::WebVtt => {
                self.units.push(codec, part);
                if left == 0 {
                    self.end_units(codec, begin);
                }
            }
            _ if left == 0 && part.len() as u64 == len => {
                let is = frames::judge(codec, part.get(..frames::MOST).unwrap_or(part), len);
                self.end_frames(codec, begin, is);
            }
            _ => {
                let more = frames::MOST.saturating_sub(self.bytes.len()).min(part.len());
                self.bytes.extend_from_slice(part.get(..more).unwrap_or(&[]));
                if left == 0 {
                    let is = frames::judge(codec, &self.bytes, len);
                    self.end_frames(codec, begin, is);
                }
            }
        }
    }

    fn end_units(&mut self, codec: Codec, at: u64) {
        let Codec::Nal { has_sets, .. } = codec else {
            if self.units.finish().is_none() {
                self.tell(Flaw::Not(codec.name()), at);
            }
            return;
        };
        let Some(holds) = self.units.finish() else {
            let has_codes = self.units.begins_with_a_start_code();
            return self.tell(if has_codes { Flaw::StartCodes } else { Flaw::Not(codec.name()) }, at);
        };
        let (_, count) = self.chains.get_or_insert((at, 0));
        *count += 1;
        self.has_sets |= has_sets || holds.sequence;
        self.has_picture |= holds.picture;
        if holds.picture && !self.has_sets {
            self.tell(Flaw::NoParameterSets, at);
        }
    }

    fn end_frames(&mut self, codec: Codec, at: u64, is: Is) {
        match is {
            Is::Right => {}
            Is::Cut => self.cut = Some((Flaw::Not(codec.name()), at)),
            Is::Adts => self.tell(Flaw::Adts, at),
            Is::Wrong => self.tell(Flaw::Not(codec.name()), at),
        }
    }

    fn tell(&mut self, flaw: Flaw, at: u64) {
        match self.found.iter_mut().find(|found| found.flaw == flaw) {
            Some(found) => found.count += 1,
            None => self.found.push(Found { flaw, at, count: 1 }),
        }
    }

    /// What was found in the samples of a track.
    pub(super) fn problems(&self, track: u32) -> impl Iterator<Item = Problem> {
        let chains = self.chains.filter(|_| !self.has_picture);
        let blind = chains.map(|(at, count)| Found { flaw: Flaw::NoPicture, at, count });
        let found = self.found.iter().copied().chain(blind);
        found.map(move |Found { flaw, at, count }| Problem::Samples { track, flaw, at, count })
    }
}
