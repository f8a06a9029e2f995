//! The times in a `moof` box: how long each track of a fragment is (ISO/IEC 14496-12, section 8.8).

use std::time::Duration;

use crate::chain::Run;
use crate::configuration::{Configuration, Track};
use crate::fmp4::children;

/// More tracks than any real segment has.
const MANY: usize = 64;
/// More samples without a duration of their own than a fragment of real media has.
const MOST_SAMPLES: u64 = 1 << 32;

/// How long the media of one track is, in ticks that its initialisation section defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticks {
    track: u32,
    /// Where the first fragment begins, if it says so.
    start: Option<u64>,
    /// The durations of the samples, where they are told.
    told: u64,
    /// Samples that last as long as the initialisation section says.
    defaulted: u64,
    /// Where the last fragment begins; both counts are relative to it.
    last: Option<u64>,
    told_last: u64,
    defaulted_last: u64,
    /// How much later than the one before ends a fragment begins that does not go on from it, where that is most.
    astray: i64,
    /// Fragments that begin exactly where the one before ends, and those that do not.
    exact: u32,
    inexact: u32,
}

/// What the samples of one fragment need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// How many bytes they have. `None`: that can't be told without the initialisation section.
    pub(crate) bytes: Option<u64>,
    /// Where the first one begins and the last one ends, counted from the begin of the `moof` box. `None`: that can't be told.
    pub(crate) span: Option<(i64, i64)>,
    /// Two runs have bytes in common.
    pub(crate) overlap: bool,
    /// The runs whose place and sizes are known.
    pub(crate) runs: Vec<Run>,
}

/// What is wrong with a fragment, where its boxes contradict each other.
type Wrong = &'static str;

/// Where one unit ends and the next one begins are as near where the one goes on from the other.
const NEAR: f64 = 0.25;
/// As many fragments that begin exactly where the one before ends make those that do not odd.
const EXACT: u32 = 3;
/// Rounding moves times by no more than this, in seconds.
const ROUNDING: f64 = 0.01;

/// The tracks of all fragments in a unit; `None` once a fragment could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragments(Option<Vec<Ticks>>);

impl Default for Fragments {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

impl Fragments {
    /// Takes the body of a `moof` box; `None` where it is too large to be looked at. Returns what its samples need.
    pub(crate) fn take(&mut self, moof: Option<&[u8]>) -> Result<Needs, Wrong> {
        let needs = moof.map_or(Ok(Needs::default()), needs);
        let Some(tracks) = &mut self.0 else { return needs };
        if moof.and_then(|moof| read(tracks, moof)).is_none() {
            self.0 = None;
        }
        needs
    }

    /// How much later `next` begins than this ends, in seconds, in the track where it differs most from nothing. `None`: it
    /// goes on as it should, or no track tells.
    pub(crate) fn jump(&self, next: &Self, init: &Configuration) -> Option<f64> {
        let jumps = self.ahead(next, init).into_iter().map(|(_, ahead)| ahead);
        jumps.filter(|ahead| ahead.abs() > NEAR).max_by(|a, b| a.abs().total_cmp(&b.abs()))
    }

    /// How much later each track begins in `next` than it ends here, in seconds.
    pub(crate) fn ahead(&self, next: &Self, init: &Configuration) -> Vec<(u32, f64)> {
        let (Some(before), Some(after)) = (&self.0, &next.0) else { return Vec::new() };
        let ahead = before.iter().filter(|ticks| !ticks.is_sparse(init)).filter_map(|ticks| {
            let next = after.iter().find(|next| next.track == ticks.track)?;
            let (end, timescale) = ticks.end(init)?;
            Some((ticks.track, (next.start? as f64 - end as f64) / f64::from(timescale)))
        });
        ahead.collect()
    }

    /// How much later than the one before ends a fragment begins inside the unit, in seconds, where that is most and more than
    /// it should be.
    pub(crate) fn jump_inside(&self, init: &Configuration) -> Option<f64> {
        let jumps = self.0.as_ref()?.iter().filter(|ticks| !ticks.is_sparse(init)).filter_map(|ticks| {
            let timescale = init.tracks.iter().find(|track| track.id == ticks.track)?.timescale;
            let ahead = ticks.astray as f64 / f64::from(timescale.max(1));
            let is_exact = ticks.exact >= EXACT && ticks.exact / EXACT >= ticks.inexact;
            (ahead.abs() > if is_exact { ROUNDING } else { NEAR }).then_some(ahead)
        });
        jumps.max_by(|a, b| a.abs().total_cmp(&b.abs()))
    }

    /// How much later than the one before ends a fragment of each track begins that has several, in seconds, where that is most.
    pub(crate) fn inside(&self, init: &Configuration) -> Vec<(u32, f64)> {
        let Some(tracks) = &self.0 else { return Vec::new() };
        let several = tracks.iter().filter(|ticks| ticks.exact + ticks.inexact > 0 && !ticks.is_sparse(init));
        let inside = several.filter_map(|ticks| {
            let timescale = init.tracks.iter().find(|track| track.id == ticks.track)?.timescale;
            Some((ticks.track, ticks.astray as f64 / f64::from(timescale.max(1))))
        });
        inside.collect()
    }

    /// Returns the tracks of pictures and sound that have samples. `None`: that can't be told.
    pub(crate) fn streams(&self, init: &Configuration) -> Option<Vec<u32>> {
        let tracks = self.0.as_ref()?.iter().filter(|ticks| !ticks.is_sparse(init));
        Some(tracks.map(|ticks| ticks.track).collect())
    }

    /// Whether samples are of a track that the initialisation section does not have.
    pub(crate) fn has_strangers(&self, init: &Configuration) -> bool {
        let is_known = |ticks: &Ticks| init.tracks.iter().any(|track| track.id == ticks.track);
        self.0.as_ref().is_some_and(|tracks| !tracks.iter().all(is_known))
    }

    /// How long the first track with that handler is. `None`: that can't be told.
    pub(crate) fn length(&self, init: &Configuration, handler: [u8; 4]) -> Option<Duration> {
        let is_it = |ticks: &&Ticks| {
            init.tracks.iter().any(|track| track.id == ticks.track && track.handler == handler)
        };
        self.0.as_ref()?.iter().find(is_it)?.duration(init).filter(|lasts| !lasts.is_zero())
    }

    /// How long the longest track of pictures or sound is. `None`: that can't be told.
    pub(crate) fn duration(&self, init: &Configuration) -> Option<Duration> {
        let tracks = self.0.as_ref()?;
        let each = tracks
            .iter()
            .filter(|ticks| !ticks.is_sparse(init))
            .map(|ticks| ticks.duration(init))
            .collect::<Option<Vec<_>>>()?;
        each.into_iter().max().filter(|longest| !longest.is_zero())
    }
}

/// How long samples are, some of which last as long as the initialisation section says.
fn length(track: &Track, told: u64, defaulted: u64) -> Option<u64> {
    let default =
        || track.fragment_defaults.get(12..)?.first_chunk::<4>().map(|four| u32::from_be_bytes(*four));
    match defaulted {
        0 => Some(told),
        samples => told.checked_add(samples.checked_mul(u64::from(default()?))?),
    }
}

impl Ticks {
    /// How much later than the last fragment ends the next one begins; `None` where that can't be told.
    fn ahead(&self, next: Option<u64>) -> Option<i64> {
        let next = next?;
        let end = self.last?.saturating_add(self.told_last);
        match (self.defaulted_last, next.checked_sub(end)) {
            (0, Some(later)) => Some(i64::try_from(later).unwrap_or(i64::MAX)),
            (_, None) => Some(i64::try_from(end - next).map_or(i64::MIN, |earlier| -earlier)),
            (_, Some(_)) => None,
        }
    }

    /// Whether it says something now and then only, as subtitles do.
    fn is_sparse(&self, init: &Configuration) -> bool {
        let handler = init.tracks.iter().find(|track| track.id == self.track).map(|track| track.handler);
        handler.is_some_and(|handler| !matches!(&handler, b"vide" | b"soun"))
    }

    /// When the last fragment ends, and how many ticks a second has.
    fn end(&self, init: &Configuration) -> Option<(u64, u32)> {
        let track = init.tracks.iter().find(|track| track.id == self.track)?;
        let lasts = length(track, self.told_last, self.defaulted_last)?;
        Some((self.last?.checked_add(lasts)?, track.timescale)).filter(|(_, timescale)| *timescale > 0)
    }

    fn duration(&self, init: &Configuration) -> Option<Duration> {
        let track = init.tracks.iter().find(|track| track.id == self.track)?;
        let length = |told, defaulted| length(track, told, defaulted);
        // A track that pauses between two fragments lasts on.
        let sum = length(self.told, self.defaulted)?;
        let span = match (self.start, self.last) {
            (Some(start), Some(last)) => {
                last.saturating_sub(start).saturating_add(length(self.told_last, self.defaulted_last)?)
            }
            _ => 0,
        };
        let ticks = u128::from(sum.max(span));
        let millis = (ticks * 1000).checked_div(u128::from(track.timescale))?;
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// What the samples of all tracks need, by their runs (ISO/IEC 14496-12, section 8.8.8).
fn needs(moof: &[u8]) -> Result<Needs, Wrong> {
    const FEW: &str = "has more samples than its run tells of";
    let (mut sum, mut is_known) = (0_u64, true);
    let (mut spans, mut runs) = (Vec::<(i64, i64)>::new(), Vec::new());
    if children(moof).any(|child| child.is_err()) {
        return Ok(Needs::default());
    }
    for (number, traf) in boxes(moof, *b"traf").enumerate() {
        if children(traf).any(|child| child.is_err()) {
            return Ok(Needs::default());
        }
        if boxes(traf, *b"tfhd").next().is_none() {
            return Err("has samples that belong to no track");
        }
        let (mut default, mut track) = (None, None);
        // Where the next run begins, if it says so or follows one that does. Data count from the begin of the `moof` box where
        // nothing else is said of the first track, and of any other that says so (sections 8.8.7 and 8.8.8).
        let (mut counts_from_moof, mut at) = (false, None);
        for tfhd in boxes(traf, *b"tfhd") {
            let (flags, rest) = tfhd.split_first_chunk::<4>().ok_or(FEW)?;
            let flags = u32::from_be_bytes(*flags);
            track = rest.first_chunk().map(|four| u32::from_be_bytes(*four));
            counts_from_moof = flags & 1 == 0 && (number == 0 || flags & 0x2_0000 != 0);
            let before = [(1, 8), (2, 4), (8, 4)].into_iter().filter(|(flag, _)| flags & flag != 0);
            let before = 4 + before.map(|(_, len)| len).sum::<usize>();
            let size = rest.get(before..).and_then(<[u8]>::first_chunk).map(|four| u32::from_be_bytes(*four));
            default = size.filter(|_| flags & 0x10 != 0);
        }
        for trun in boxes(traf, *b"trun") {
            let (flags, rest) = trun.split_first_chunk::<4>().ok_or(FEW)?;
            let flags = u32::from_be_bytes(*flags);
            let mut fields = Fields(rest);
            let samples = fields.next().ok_or(FEW)?;
            let of_each = (flags & 0xf00).count_ones() as usize * 4;
            let in_front = 4 + (flags & 5).count_ones() as usize * 4;
            let told = usize::try_from(samples).ok().and_then(|samples| samples.checked_mul(of_each));
            if told.and_then(|told| told.checked_add(in_front)).is_none_or(|needed| needed > rest.len()) {
                return Err(FEW);
            }
            if samples == 0 {
                continue;
            }
            if flags & 1 != 0 {
                let offset = i64::from(i32::from_be_bytes(fields.next().ok_or(FEW)?.to_be_bytes()));
                at = counts_from_moof.then_some(offset);
            }
            fields.skip(if flags & 4 == 0 { 0 } else { 4 }).ok_or(FEW)?;
            let mut sizes = Vec::new();
            let bytes = match (flags & 0x200 == 0, default) {
                // As many samples of one size are no pictures.
                (true, Some(each)) => u64::from(samples) * u64::from(each),
                (true, None) => {
                    (is_known, at) = (false, None);
                    continue;
                }
                (false, _) => {
                    let before = (flags & 0x100).count_ones() as usize * 4;
                    let after = (flags & 0xc00).count_ones() as usize * 4;
                    let mut bytes = 0_u64;
                    for _ in 0..samples {
                        fields.skip(before).ok_or(FEW)?;
                        let size = fields.next().ok_or(FEW)?;
                        bytes = bytes.saturating_add(u64::from(size));
                        sizes.push(size);
                        fields.skip(after).ok_or(FEW)?;
                    }
                    bytes
                }
            };
            sum = sum.saturating_add(bytes);
            let end = at.and_then(|at| at.checked_add_unsigned(bytes));
            if let (Some(at), Some(end), true) = (at, end, bytes > 0) {
                spans.push((at, end));
                runs.extend(track.map(|track| Run { track, begin: at, sizes }));
            }
            at = end;
        }
    }
    spans.sort_unstable();
    let overlap = spans.windows(2).any(|two| matches!(two, [(_, end), (next, _)] if next < end));
    let span =
        spans.first().zip(spans.iter().map(|(_, end)| *end).max()).map(|((first, _), last)| (*first, last));
    Ok(Needs { bytes: is_known.then_some(sum), span, overlap, runs })
}

fn boxes(body: &[u8], name: [u8; 4]) -> impl Iterator<Item = &[u8]> {
    children(body).filter_map(Result::ok).filter(move |(found, _)| *found == name).map(|(_, body)| body)
}

fn read(tracks: &mut Vec<Ticks>, moof: &[u8]) -> Option<()> {
    for child in children(moof) {
        let (name, traf) = child.ok()?;
        if &name == b"traf" {
            fragment(tracks, traf)?;
        }
    }
    Some(())
}

fn fragment(tracks: &mut Vec<Ticks>, traf: &[u8]) -> Option<()> {
    let (mut track, mut default, mut start, mut told, mut defaulted) = (None, None, None, 0_u64, 0_u64);
    for child in children(traf) {
        let (name, body) = child.ok()?;
        let (flags, rest) = body.split_first_chunk::<4>()?;
        let flags = u32::from_be_bytes(*flags);
        match &name {
            b"tfhd" => {
                let mut fields = Fields(rest);
                track = Some(fields.next()?);
                fields.skip(if flags & 1 != 0 { 8 } else { 0 })?;
                fields.skip(if flags & 2 != 0 { 4 } else { 0 })?;
                default = if flags & 8 != 0 { Some(fields.next()?) } else { None };
            }
            b"tfdt" => {
                let mut fields = Fields(rest);
                let first = u64::from(fields.next()?);
                start = Some(if flags >> 24 == 1 { first << 32 | u64::from(fields.next()?) } else { first });
            }
            b"trun" => {
                let mut fields = Fields(rest);
                let samples = fields.next()?;
                fields.skip(if flags & 1 != 0 { 4 } else { 0 })?;
                fields.skip(if flags & 4 != 0 { 4 } else { 0 })?;
                if flags & 0x100 == 0 {
                    match default {
                        Some(each) => told = told.checked_add(u64::from(samples) * u64::from(each))?,
                        None => defaulted = defaulted.checked_add(u64::from(samples))?,
                    }
                    continue;
                }
                let others = (flags & 0xe00).count_ones() as usize * 4;
                for _ in 0..samples {
                    told = told.checked_add(u64::from(fields.next()?))?;
                    fields.skip(others)?;
                }
            }
            _ => {}
        }
    }
    let track = track?;
    let fresh = Ticks {
        track,
        start,
        told,
        defaulted,
        last: start,
        told_last: told,
        defaulted_last: defaulted,
        astray: 0,
        exact: 0,
        inexact: 0,
    };
    if let Some(known) = tracks.iter_mut().find(|known| known.track == track) {
        if let Some(ahead) = known.ahead(start) {
            let count = if ahead == 0 { &mut known.exact } else { &mut known.inexact };
            *count = count.saturating_add(1);
            known.astray =
                if ahead.unsigned_abs() > known.astray.unsigned_abs() { ahead } else { known.astray };
        }
        known.told = known.told.checked_add(told)?;
        known.defaulted = known.defaulted.checked_add(defaulted).filter(|samples| *samples < MOST_SAMPLES)?;
        (known.last, known.told_last, known.defaulted_last) = (start, told, defaulted);
    } else if tracks.len() < MANY {
        tracks.push(fresh);
    } else {
        return None;
    }
    Some(())
}

/// Numbers one after another.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next(&mut self) -> Option<u32> {
        let (four, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*four))
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.get(bytes..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Track;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn traf(tfhd: &[u32], tfdt: &[u32], trun: &[u32]) -> Vec<u8> {
        let boxes = [(b"tfhd", tfhd), (b"tfdt", tfdt), (b"trun", trun)];
        let inner = boxes.into_iter().filter(|(_, body)| !body.is_empty());
        boxed(b"traf", &inner.flat_map(|(name, body)| boxed(name, &numbers(body))).collect::<Vec<_>>())
    }

    fn init() -> Configuration {
        let track = |id, timescale, handler: &[u8; 4]| Track {
            id,
            handler: *handler,
            timescale,
            entries: Vec::new(),
            fragment_defaults: numbers(&[0, id, 1, 100, 0, 0]),
        };
        Configuration { tracks: vec![track(1, 1000, b"vide"), track(2, 10, b"soun"), track(3, 10, b"text")] }
    }

    fn check(what: &str, moofs: &[Vec<u8>], millis: Option<u64>) {
        let mut fragments = Fragments::default();
        for moof in moofs {
            let _ = fragments.take(Some(moof));
        }
        assert_eq!(fragments.duration(&init()), millis.map(Duration::from_millis), "{what}");
    }

    #[test]
    fn times_inside_a_unit_go_on() {
        let check = |what: &str, moofs: &[Vec<u8>], expect: Option<f64>| {
            let mut fragments = Fragments::default();
            for moof in moofs {
                let _ = fragments.take(Some(moof));
            }
            assert_eq!(fragments.jump_inside(&init()), expect, "{what}");
            assert!(!fragments.has_strangers(&init()), "{what}");
        };
        let at = |start: u32| traf(&[8, 1, 40], &[0, start], &[0, 50]);
        check("one", &[at(9000)], None);
        check("one after the other", &[at(0), at(2000), at(4100)], None);
        check("the same again", &[at(0), at(2000), at(2000)], Some(-2.0));
        check("a hole", &[at(0), at(2000), at(5000), at(7000)], Some(1.0));
        let five = |third: u32| [at(0), at(2000), at(third), at(third + 2000), at(third + 4000)];
        check("a small hole between those that go on exactly", &five(4040), Some(0.04));
        check("by rounding", &five(4001), None);
        check("never exactly", &[at(0), at(2001), at(4003), at(6043), at(8044)], None);
        check("as long as its section says", &[traf(&[0, 1], &[0, 0], &[0, 20]), at(0)], None);
        check("subtitles", &[traf(&[8, 3, 1], &[0, 0], &[0, 1]), traf(&[8, 3, 1], &[0, 900], &[0, 1])], None);
        let mut strange = Fragments::default();
        assert_eq!(strange.take(Some(&traf(&[8, 9, 40], &[0, 0], &[0, 50]))), Ok(Needs::default()));
        assert!(strange.has_strangers(&init()), "track 9");
    }

    #[test]
    fn durations() {
        check("nothing", &[], None);
        check("the default of the section", &[traf(&[0, 1], &[], &[0, 20])], Some(2000));
        check("the default of the fragment", &[traf(&[8, 1, 40], &[], &[0, 50])], Some(2000));
        check("all fields before it", &[traf(&[11, 1, 0, 0, 1, 40], &[], &[5, 50, 0, 0])], Some(2000));
        check("durations of samples", &[traf(&[0, 1], &[], &[0x300, 2, 30, 9, 50, 9])], Some(80));
        check("another timescale", &[traf(&[0, 2], &[], &[0x100, 2, 5, 6])], Some(1100));
        check(
            "the longest",
            &[[traf(&[0, 1], &[], &[0, 5]), traf(&[8, 2, 1], &[], &[0, 9])].concat()],
            Some(900),
        );
        check("text alone", &[traf(&[8, 3, 40], &[], &[0, 50])], None);
        check(
            "text and pictures",
            &[[traf(&[8, 3, 40], &[], &[0, 50]), traf(&[8, 1, 1], &[], &[0, 9])].concat()],
            Some(9),
        );
        let at = |time| traf(&[8, 1, 10], &[1 << 24, 0, time], &[0, 10]);
        check("several", &[at(5000), at(5100), at(5200)], Some(300));
        check("a pause", &[at(5000), at(5900)], Some(1000));
        check("backwards", &[at(5000), at(0)], Some(200));
    }

    #[test]
    fn what_samples_need() {
        let check = |tfhd: &[u32], trun: &[u32], expect| {
            let needs = needs(&traf(tfhd, &[], trun));
            assert_eq!(needs.map(|needs| needs.bytes), expect, "{tfhd:?} {trun:?}");
        };
        check(&[0, 1], &[0x200, 3, 10, 20, 30], Ok(Some(60)));
        check(&[0, 1], &[0xf05, 2, 7, 7, 1, 10, 3, 4, 1, 20, 3, 4], Ok(Some(30)));
        check(&[0x10, 1, 50], &[0, 4], Ok(Some(200)));
        check(&[0x1b, 1, 0, 0, 2, 3, 50], &[1, 4, 9], Ok(Some(200)));
        check(&[0, 1], &[0, 0], Ok(Some(0)));
        check(&[0, 1], &[0, 4], Ok(None));
        check(&[0, 1], &[0x200, 3, 10], Err("has more samples than its run tells of"));
        check(&[0, 1], &[], Ok(Some(0)));
    }

    #[test]
    fn where_samples_are() {
        let check = |trafs: &[Vec<u8>], expect| {
            assert_eq!(needs(&trafs.concat()).map(|needs| needs.span), Ok(expect), "{trafs:?}");
        };
        let of_moof = [0x2_0000, 1];
        check(&[traf(&of_moof, &[], &[0x201, 2, 100, 3, 4])], Some((100, 107)));
        check(&[traf(&[0, 1], &[], &[0x201, 2, 100, 3, 4])], Some((100, 107)));
        check(&[traf(&of_moof, &[], &[0x201, 1, u32::MAX, 3])], Some((-1, 2)));
        check(
            &[traf(&of_moof, &[], &[0x201, 1, 100, 7]), traf(&[0x2_0000, 2], &[], &[0x201, 1, 90, 10])],
            Some((90, 107)),
        );
        check(&[traf(&of_moof, &[], &[0x200, 2, 3, 4])], None);
        check(&[traf(&[1, 1, 0, 0], &[], &[0x201, 2, 100, 3, 4])], None);
        check(
            &[traf(&of_moof, &[], &[0x201, 1, 100, 7]), traf(&[0, 2], &[], &[0x201, 1, 9, 10])],
            Some((100, 107)),
        );
        check(&[traf(&of_moof, &[], &[1, 4, 100])], None);
        for (second, overlap) in [(99, true), (98, false), (100, true), (107, false), (106, true)] {
            let second = traf(&[0x2_0000, 2], &[], &[0x201, 1, second, 2]);
            let needs = needs(&[traf(&of_moof, &[], &[0x201, 1, 100, 7]), second.clone()].concat());
            assert_eq!(needs.map(|needs| needs.overlap), Ok(overlap), "{second:?}");
        }
    }

    #[test]
    fn what_goes_on_and_what_does_not() {
        let check = |first: u32, next: u32, expect: Option<f64>| {
            let [mut before, mut after] = [Fragments::default(), Fragments::default()];
            let _ = before.take(Some(&traf(&[8, 1, 10], &[1 << 24, 0, first], &[0, 200])));
            let _ = after.take(Some(&traf(&[8, 1, 10], &[1 << 24, 0, next], &[0, 200])));
            assert_eq!(before.jump(&after, &init()), expect, "{first} then {next}");
        };
        check(0, 2000, None);
        check(0, 2200, None);
        check(0, 4000, Some(2.0));
        check(4000, 2000, Some(-4.0));
        check(0, 0, Some(-2.0));
    }

    #[test]
    fn what_cannot_be_read_has_no_duration() {
        check("samples that are not there", &[traf(&[0, 1], &[], &[0x100, 9, 1])], None);
        check("a track without number", &[traf(&[0], &[], &[0, 20])], None);
        check("a track that is not known", &[traf(&[0, 7], &[], &[0, 20])], None);
        check("one that is too large", &[traf(&[8, 1, 40], &[], &[0, 50]), vec![1; 90]], None);
        let mut fragments = Fragments::default();
        let _ = fragments.take(None);
        let _ = fragments.take(Some(&traf(&[8, 1, 40], &[], &[0, 50])));
        assert_eq!(fragments.duration(&init()), None);
    }
}
