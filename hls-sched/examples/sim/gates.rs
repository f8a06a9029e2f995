//! What the planner has to make of each network.

use std::ops::Range;
use std::time::{Duration, Instant};

use hls_fetch::{Class, RetryPolicy};
use hls_sched::{Action, Failure, Planner, Verdict};

use super::model::{Dice, Outcome, Setting, run};
use super::profiles::plain;

/// A network, how long the download took, and how long with each number of attempts at once.
pub(crate) struct Compared {
    pub(crate) ours: Outcome,
    pub(crate) fixed: Vec<(usize, Outcome)>,
}

impl Compared {
    pub(crate) fn new(setting: &Setting, numbers: &[usize], seed: u64) -> Self {
        let of = |fixed| run(&Setting { fixed, ..setting.clone() }, seed);
        Self { ours: of(None), fixed: numbers.iter().map(|n| (*n, of(Some(*n)))).collect() }
    }

    /// The number that serves best. One at which units are given up is none that could have been chosen.
    pub(crate) fn best(&self) -> Option<&(usize, Outcome)> {
        let whole = self.fixed.iter().filter(|(_, outcome)| !outcome.failed);
        whole.min_by(|(_, a), (_, b)| a.seconds.total_cmp(&b.seconds))
    }

    /// How much longer than with the best number it took: 1 is as long.
    pub(crate) fn ratio(&self) -> f64 {
        let best = self.best().map_or(f64::INFINITY, |(_, outcome)| outcome.seconds);
        if self.ours.failed { f64::INFINITY } else { self.ours.seconds / best }
    }
}

/// Returns the requests for each unit where one request in five fails, over the downloads that end whole (1.25 can't be
/// helped), and the share of downloads that don't: six attempts in a row can fail for one unit of 400 by chance.
pub(crate) fn requests_with_errors(seeds: Range<u64>) -> (f64, f64) {
    let setting = Setting { errors: 20, units: 400, ..plain(20.0, 50.0, None) };
    let (lost, whole): (Vec<_>, Vec<_>) = seeds.map(|seed| run(&setting, seed)).partition(|o| o.failed);
    let requests: f64 = whole.iter().map(|o| o.requests as f64 / setting.units as f64).sum();
    (requests / whole.len() as f64, lost.len() as f64 / (lost.len() + whole.len()) as f64)
}

/// A minute in which nothing answers: requests for each unit, canaries among them; attempts that counted against one;
/// seconds from the end of the outage to where it would have been without.
pub(crate) fn outage(seed: u64) -> (f64, u32, f64) {
    let calm = Setting { units: 200, ..plain(10.0, 50.0, None) };
    let setting = Setting { outage: Some((10.0, 70.0)), ..calm.clone() };
    let outcome = run(&setting, seed);
    let requests = (outcome.requests + outcome.canaries) as f64 / setting.units as f64;
    let lost = outcome.seconds - 60.0 - run(&calm, seed).seconds;
    (if outcome.failed { f64::INFINITY } else { requests }, outcome.most_attempts, lost)
}

/// The share of requests that a server answers with 429 after ten seconds, where it bears so many at once.
pub(crate) fn throttled(above: usize, seed: u64) -> f64 {
    let setting = Setting { throttle_above: Some(above), ..plain(100.0, 50.0, Some(600_000.0)) };
    let (throttled, all) = run(&setting, seed).throttled;
    throttled as f64 / all.max(1) as f64
}

/// How many times as long a download takes for what its server refuses, without the waits that it asks for; 1.3 is to be the
/// most where it takes ten seconds or more, and a second longer elsewhere. Returns that in parts of what it may be.
pub(crate) fn refused(setting: &Setting, seed: u64) -> f64 {
    let clean = run(&Setting { refusals: None, ..setting.clone() }, seed).seconds;
    let outcome = run(setting, seed);
    // The first wait can't be made up for by anything, whatever was had meanwhile.
    let told = setting.refusals.and_then(|refusals| refusals.retry_after).unwrap_or_default();
    let seconds = outcome.seconds - outcome.waited.max(told);
    // On a fast link what is asked for once more takes its part of the time.
    let more = outcome.requests as f64 / setting.units as f64;
    let most = if clean >= 10.0 { 1.3 * clean } else { more * clean + 1.0 };
    if outcome.failed { f64::INFINITY } else { seconds / most }
}

/// What another flow gets, in parts of what is its due beside ours.
pub(crate) fn part_of_others(mbit: f64, round_trip_ms: f64, seed: u64) -> f64 {
    let outcome = run(&Setting { others: 1, ..plain(mbit, round_trip_ms, None) }, seed);
    outcome.other_share * (outcome.our_flows + 1.0)
}

/// How far the repetitions of many programs lie apart that failed at the same instant, as a share of the time within which
/// they come: after an error, and of their canaries, when the origin is gone. From the 5th to the 95th of a hundred.
pub(crate) fn spread(programs: u64) -> (f64, f64) {
    let (mut repeated, mut canaries) = (Vec::new(), Vec::new());
    for seed in 0..programs {
        let mut dice = Dice(seed);
        let now = Instant::now();
        let mut planner = Planner::new(&[(0, 100)], Some(8), RetryPolicy::default());
        let mut attempts = Vec::new();
        while let Some(Action::Fetch(fetch)) = planner.poll(now, |_| 0) {
            attempts.push(fetch.attempt);
        }
        let failure = Failure::new(Class::Server);
        for (order, attempt) in attempts.into_iter().enumerate() {
            let verdict = planner.failed(attempt, failure, now, |bound| dice.delay(bound));
            if let (0, Verdict::Retry(after)) = (order, verdict) {
                repeated.push(after.as_secs_f64());
            }
        }
        while planner.poll(now, |_| 0).is_some() {}
        planner.canary(0, false, now, |bound| dice.delay(bound));
        let again = (0..2000)
            .map(|n| Duration::from_millis(10) * n)
            .find(|after| matches!(planner.poll(now + *after, |_| 0), Some(Action::Canary(_))));
        canaries.extend(again.map(|after| after.as_secs_f64()));
    }
    (apart(&mut repeated, Duration::from_millis(500)), apart(&mut canaries, Duration::from_secs(5)))
}

fn apart(times: &mut [f64], window: Duration) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(f64::NAN);
    (at(95) - at(5)) / window.as_secs_f64()
}

/// Any network at all, by a seed.
pub(crate) fn any(seed: u64) -> Setting {
    let dice = |n: u64| (seed * 7919 + n * 104_729) % 97;
    Setting {
        throttle_above: (dice(1) < 30).then_some(1 + (dice(2) % 9) as usize),
        errors: (dice(3) % 13) as u32,
        stalls: (dice(4) % 5) as u32,
        outage: (dice(5) < 30).then_some((3.0, 3.0 + (dice(6) % 60) as f64)),
        others: (dice(7) % 3) as usize,
        units: 60,
        fixed: (dice(8) < 30).then_some(1 + (dice(9) % 16) as usize),
        ..plain([1.0, 10.0, 100.0][(dice(10) % 3) as usize], 20.0 + dice(11) as f64, None)
    }
}

/// Whether a download over any network came to its end.
pub(crate) fn comes_whole(seed: u64) -> Result<(), String> {
    let setting = any(seed);
    let outcome = run(&setting, seed);
    // A number that is too high for the server is the user's own.
    let too_many = setting.throttle_above.zip(setting.fixed).is_some_and(|(above, fixed)| fixed > above);
    if outcome.failed && !too_many { Err(format!("seed {seed}: {setting:?}\n{outcome:?}")) } else { Ok(()) }
}
