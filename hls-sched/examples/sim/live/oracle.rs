//! What was there to be had: asked of the stream itself, at every instant at which its answer can change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hls_testkit::Transmission;

use super::story::{Kind, LOAD_TIME, Story};

/// A target duration above this is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// Which run of the encoder it is from.
    pub(super) run: usize,
    /// When it could first be read in a playlist, and when it could be had no more.
    pub(super) appeared: Option<Duration>,
    pub(super) expired: Option<Duration>,
}

/// What a stream had to offer.
pub(super) struct Oracle {
    /// Segments by their names, which are given once.
    pub(super) by_name: HashMap<String, usize>,
    pub(super) segments: Vec<Segment>,
    pub(super) told: usize,
    pub(super) owed: Vec<usize>,
}

impl Oracle {
    pub(super) fn of(story: &Story) -> Self {
        let mut air = story.broadcast.start();
        let (mut by_name, mut segments) = (HashMap::new(), Vec::new());
        let mut instants = BTreeSet::from([Duration::ZERO]);
        for offer in air.offered(0, story.lasts) {
            by_name.insert(name(&offer.path).to_owned(), offer.index);
            segments.push(Segment { run: offer.epoch, appeared: offer.appeared, expired: offer.expired });
            instants.extend(offer.appeared);
        }
        for spell in &story.spells {
            instants.extend([spell.from, spell.to, spell.to + LOAD_TIME]);
        }
        let mut oracle = Self { by_name, segments, told: 0, owed: Vec::new() };
        oracle.watch(story, &mut air, &instants);
        oracle
    }

    fn watch(&mut self, story: &Story, air: &mut Transmission, instants: &BTreeSet<Duration>) {
        let path = story.broadcast.playlist_path(0, 0);
        let mut first_told: HashMap<usize, Duration> = HashMap::new();
        let mut since: BTreeMap<usize, Duration> = BTreeMap::new();
        let (mut told, mut owed) = (BTreeSet::new(), BTreeSet::new());
        for at in instants.iter().copied().chain([story.lasts]) {
            let (any, listed) = if at < story.lasts {
                self.listed(story, air, &path, at)
            } else {
                (BTreeSet::new(), BTreeSet::new())
            };
            told.extend(any);
            let gone: Vec<usize> = since.keys().filter(|index| !listed.contains(index)).copied().collect();
            for index in gone {
                let from = since.remove(&index).unwrap_or(at);
                let segment = self.segments[index];
                let known = first_told.get(&segment.run).copied().unwrap_or(from);
                if is_owed(story, (from, at), segment, known) {
                    owed.insert(index);
                }
            }
            for index in listed {
                first_told.entry(self.segments[index].run).or_insert(at);
                since.entry(index).or_insert(at);
            }
        }
        self.told = told.len();
        self.owed = owed.into_iter().collect();
    }

    /// What some edge tells of at that time, and what everyone is told who asks, whichever edge answers.
    fn listed(
        &self,
        story: &Story,
        air: &mut Transmission,
        path: &str,
        at: Duration,
    ) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let mut ask = || {
            let answer = air.answer(path, "", at);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let names = text.lines().filter(|line| answer.status == 200 && !line.starts_with('#'));
            names.filter_map(|line| self.by_name.get(name(line)).copied()).collect::<BTreeSet<_>>()
        };
        let one = ask();
        let other = if story.is(Kind::Stale, at) { ask() } else { one.clone() };
        let all = if story.is_silent(at) || story.wakes(at).is_some() {
            BTreeSet::new()
        } else {
            one.intersection(&other).copied().collect()
        };
        (one.union(&other).copied().collect(), all)
    }

    /// What is owed and not there.
    pub(super) fn missed(&self, had: &[usize]) -> Vec<String> {
        let had: BTreeSet<_> = had.iter().collect();
        let missed: Vec<_> = self.owed.iter().filter(|index| !had.contains(index)).collect();
        let Some(first) = missed.first() else { return Vec::new() };
        let (count, at) = (missed.len(), self.told_at(**first));
        vec![format!("{count} segments could have been had, {first} is the first of them{at}")]
    }

    /// When a segment was first told of, in words.
    pub(super) fn told_at(&self, index: usize) -> String {
        self.segments[index].appeared.map_or(String::new(), |at| format!(", told at {at:?}"))
    }
}

/// Whether whoever looks as often as the draft lets them has seen what was listed all that time, and early enough.
fn is_owed(story: &Story, (from, to): (Duration, Duration), segment: Segment, run_known: Duration) -> bool {
    let target = story.target(from.saturating_sub(LONGEST_WAIT * 2), to);
    // Two looks in a target duration, and one in the duration of a segment once there was something new (section 6.3.4). A
    // window of one or two segments would slide by meanwhile.
    let half = (target / 2).min(LONGEST_WAIT);
    let wait = if story.window < 3 { half } else { half.max(story.longest.min(LONGEST_WAIT)) };
    let latency = story.latency(from.saturating_sub(LOAD_TIME), to);
    let every = wait.max(latency);
    let run = segment.run.checked_sub(1).and_then(|n| story.runs.get(n));
    let late = segment.appeared.unwrap_or_default().saturating_sub(run_known);
    if run.and_then(|run| run.forgiven).is_some_and(|forgiven| late <= forgiven) {
        return false;
    }
    // What has lower numbers and no dates is an older copy until three loads and a target duration have said the same.
    let is_doubtful = run.is_some_and(|run| run.is_doubtful);
    // Where the target duration lies, the window's share of the longest segment counts, as that is what has to come and go.
    let share = story.longest * story.window.min(3) as u32 / 3;
    let doubt = if is_doubtful { run_known + every.max(share) * 4 + target } else { from };
    let by = from.max(doubt) + every;
    // Who falls asleep has to have it by then.
    let until = if story.wakes(to).is_some() { to.saturating_sub(latency * 2) } else { to };
    by < until && segment.expired.is_none_or(|expired| by + latency * 2 < expired)
}

/// The last part of a path.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
