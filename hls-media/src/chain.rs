//! Samples that are chains of units, each with its length in front of it in four bytes, as those of H.264 and H.265 are (ISO/IEC
//! 14496-15, section 4.3.3). The lengths add up to the size of the sample, so they tell whether the data are those of the
//! samples.

/// The bytes of a length.
const LENGTH: u64 = 4;
/// More tracks than any real segment has.
const MANY: usize = 64;

/// Samples of one track that follow on one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) track: u32,
    /// Where the first one begins, counted from the begin of the `moof` box.
    pub(crate) begin: i64,
    pub(crate) sizes: Vec<u32>,
}

/// The sample that is being passed.
#[derive(Debug, Clone, Copy)]
struct Sample {
    track: u32,
    /// Where the next length begins, counted from the begin of the unit.
    next: u64,
    end: u64,
}

/// Follows the lengths in the samples of a segment, whatever the chunking.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chains {
    /// The runs of the last `moof` box that are still to come, the last one first.
    runs: Vec<(u64, Run)>,
    /// The run that is being passed: its track, where its next sample begins, and the sizes that are still to come.
    run: Option<(u32, u64, std::vec::IntoIter<u32>)>,
    sample: Option<Sample>,
    length: u32,
    /// How many bytes of a length have come.
    have: u64,
    /// Whether all samples of a track are chains so far.
    tracks: Vec<(u32, bool)>,
}

impl Chains {
    /// Goes on with the samples of the next `moof` box, which begins at `moof`.
    pub(crate) fn expect(&mut self, moof: u64, mut runs: Vec<Run>) {
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.begin));
        let placed = |run: Run| Some((moof.checked_add_signed(run.begin)?, run));
        self.runs = runs.into_iter().filter_map(placed).collect();
        (self.run, self.sample, self.have) = (None, None, 0);
    }

    /// Takes bytes of an `mdat` box that begin at `offset` of the unit.
    pub(crate) fn push(&mut self, offset: u64, part: &[u8]) {
        let end = offset.saturating_add(part.len() as u64);
        while let Some(mut sample) = self.sample.take().or_else(|| self.next_sample()) {
            let at = sample.next.saturating_add(self.have);
            if at >= end {
                self.sample = Some(sample);
                return;
            }
            let is_broken = sample.end - sample.next < LENGTH || at < offset;
            let byte = at.checked_sub(offset).and_then(|at| part.get(usize::try_from(at).ok()?));
            let Some(byte) = byte.filter(|_| !is_broken) else {
                self.ends(sample.track, false);
                continue;
            };
            self.length = self.length << 8 | u32::from(*byte);
            self.have += 1;
            if self.have < LENGTH {
                self.sample = Some(sample);
                continue;
            }
            sample.next = sample.next.saturating_add(LENGTH + u64::from(self.length));
            let is_empty = self.length == 0;
            (self.length, self.have) = (0, 0);
            match sample.next.cmp(&sample.end) {
                _ if is_empty => self.ends(sample.track, false),
                std::cmp::Ordering::Less => self.sample = Some(sample),
                std::cmp::Ordering::Equal => self.ends(sample.track, true),
                std::cmp::Ordering::Greater => self.ends(sample.track, false),
            }
        }
    }

    /// Returns the tracks that had samples, and whether all of them were chains.
    pub(crate) fn tracks(&self) -> &[(u32, bool)] {
        &self.tracks
    }

    fn next_sample(&mut self) -> Option<Sample> {
        loop {
            let Some((track, at, sizes)) = &mut self.run else {
                let (begin, run) = self.runs.pop()?;
                self.run = Some((run.track, begin, run.sizes.into_iter()));
                continue;
            };
            let Some(size) = sizes.next() else {
                self.run = None;
                continue;
            };
            let (begin, track) = (*at, *track);
            *at = at.saturating_add(u64::from(size));
            if size > 0 {
                return Some(Sample { track, next: begin, end: *at });
            }
        }
    }

    fn ends(&mut self, track: u32, is_chain: bool) {
        (self.length, self.have) = (0, 0);
        let has_room = self.tracks.len() < MANY;
        match self.tracks.iter_mut().find(|(known, _)| *known == track) {
            Some((_, all)) => *all &= is_chain,
            None if has_room => self.tracks.push((track, is_chain)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(lengths: &[usize]) -> Vec<u8> {
        lengths.iter().flat_map(|n| [&(*n as u32).to_be_bytes()[..], &vec![9; *n]].concat()).collect()
    }

    #[test]
    fn lengths_that_add_up() {
        let run = |track, begin, sizes: &[u32]| Run { track, begin, sizes: sizes.to_vec() };
        let whole = units(&[3, 5, 300, 1]);
        let sizes = [16, 304, 5];
        let broken = [&whole[..20], &[0], &whole[20..]].concat();
        for (what, data, runs, expect) in [
            ("chains", whole.clone(), vec![run(1, 108, &sizes)], vec![(1, true)]),
            (
                "two runs",
                whole.clone(),
                vec![run(1, 124, &sizes[1..]), run(1, 108, &sizes[..1])],
                vec![(1, true)],
            ),
            ("a byte too many", broken, vec![run(1, 108, &sizes)], vec![(1, false)]),
            ("shifted", whole.clone(), vec![run(1, 109, &sizes)], vec![(1, false)]),
            ("one unit of two", whole.clone(), vec![run(1, 108, &[7, 313])], vec![(1, true)]),
            ("sound", vec![0x21; 40], vec![run(2, 108, &[20, 20])], vec![(2, false)]),
            ("too small", whole.clone(), vec![run(1, 108, &[3])], vec![(1, false)]),
            ("nothing", whole.clone(), vec![run(1, 108, &[0])], vec![]),
            ("not sent", whole.clone(), vec![run(1, 10_000, &[3])], vec![]),
            ("before it", whole.clone(), vec![run(1, 4, &[8])], vec![(1, false)]),
            ("before all", whole.clone(), vec![run(1, -4000, &[8])], vec![]),
            ("without lengths", vec![0; 16], vec![run(1, 108, &[16])], vec![(1, false)]),
            (
                "pictures and sound",
                [units(&[4]), vec![0x21; 8], units(&[2])].concat(),
                vec![run(1, 108, &[8]), run(2, 116, &[8]), run(1, 124, &[6])],
                vec![(1, true), (2, false)],
            ),
        ] {
            for chunk in [1, 3, 1000] {
                let mut chains = Chains::default();
                chains.expect(1000, runs.clone());
                for (n, part) in data.chunks(chunk).enumerate() {
                    chains.push(1108 + (n * chunk) as u64, part);
                }
                assert_eq!(chains.tracks(), expect, "{what} in chunks of {chunk}");
            }
        }
    }
}
