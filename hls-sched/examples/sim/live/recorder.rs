//! A recorder of playlists: looks when the clock says, and takes what the window says.

use std::time::{Duration, Instant};

use hls_parse::{Playlist, parse};
use hls_sched::{Clock, Reading, Reloaded, Window};
use hls_testkit::Manner;
use url::Url;

use super::oracle::{Oracle, name};
use super::story::{Kind, LOAD_TIME, Story};

/// What stands between the machines and the stream: nothing, or a defect that a test has planted.
#[derive(Clone, Copy)]
pub(crate) struct Hands {
    /// What is made of what the window says of the look of this number.
    pub(crate) reading: fn(usize, Reading) -> Reading,
    /// How long the clock is made to wait, of what it wants to.
    pub(crate) wait: fn(Duration) -> Duration,
}

impl Hands {
    pub(crate) const STEADY: Self = Self { reading: |_, reading| reading, wait: |wait| wait };
}

#[derive(Default)]
pub(super) struct Recorder {
    /// Segments in the order in which they were had.
    pub(super) had: Vec<usize>,
    /// How many were said to be lost, of all.
    pub(super) named: u64,
    /// For each segment but the first, how many were said to be lost in front of it.
    named_before: Vec<u64>,
    /// When it looked, and what target duration it knew of then.
    pub(super) looks: Vec<(Duration, Duration)>,
}

impl Recorder {
    pub(super) fn follow(story: &Story, oracle: &Oracle, hands: Hands) -> Result<Self, String> {
        let mut air = story.broadcast.start();
        let host = Url::parse("http://127.0.0.1/").map_err(|e| e.to_string())?;
        let began = Instant::now();
        let mut clock = Clock::new(began);
        let mut window: Option<Window> = None;
        let mut recorder = Self::default();
        let (mut at, mut lost) = (Duration::ZERO, 0);
        while at < story.lasts {
            at = story.wakes(at).unwrap_or(at);
            clock.begin(began + at);
            recorder.looks.push((at, clock.target()));
            let place = if story.is(Kind::Turns, at) { recorder.looks.len() % 2 } else { 0 };
            let path = story.broadcast.playlist_path(0, place);
            let base = host.join(&path).map_err(|e| e.to_string())?;
            let answer = air.answer(&path, "", at);
            let latency = story.latency(at, at);
            let then = at + if answer.manner == Manner::Silence { LOAD_TIME } else { latency };
            let then = story.wakes(then).unwrap_or(then);
            let now = began + then;
            if answer.manner != Manner::Whole || answer.status != 200 {
                clock.failed(None, now);
                at = then.max(clock.due() - began);
                continue;
            }
            let Playlist::Media(media) = parse(&answer.body, &base).map_err(|e| e.to_string())?.playlist
            else {
                return Err("not a media playlist".to_owned());
            };
            let is_first = window.is_none();
            let window =
                window.get_or_insert_with(|| Window::starting(&media, media.media_sequence, began + at));
            let reading = (hands.reading)(recorder.looks.len(), window.read(&media, began + at));
            if let Reading::News(news) = reading {
                lost += news.lost.map_or(0, |lost| lost.count);
                for segment in media.segments().skip(news.from) {
                    let index =
                        *oracle.by_name.get(name(segment.uri())).ok_or("a segment that nobody offered")?;
                    let is_gone =
                        oracle.segments[index].expired.is_some_and(|expired| expired <= then + latency);
                    if is_gone {
                        lost += 1;
                        continue;
                    }
                    recorder.named += lost;
                    recorder.named_before.push(std::mem::take(&mut lost));
                    recorder.had.push(index);
                }
            }
            clock.loaded(
                Reloaded {
                    changed: is_first || matches!(reading, Reading::News(_)),
                    target: media.target_duration,
                    last_segment: media.segments().next_back().map(|segment| segment.duration()),
                    window: media.duration(),
                },
                now,
            );
            let due = clock.due().saturating_duration_since(began + at);
            at = then.max(at + (hands.wait)(due));
        }
        Ok(recorder)
    }

    /// What a recorder must not do.
    pub(super) fn wrong(&self, story: &Story, oracle: &Oracle) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(pair) = self.had.windows(2).find(|pair| pair[0] >= pair[1]) {
            let at = oracle.told_at(pair[1]);
            wrong.push(format!("segment {} came behind {}{at}", pair[1], pair[0]));
        }
        if let Some(looks) = self.looks.windows(3).find(|looks| {
            let target = looks.iter().map(|(_, target)| *target).min().unwrap_or_default();
            looks[2].0 - looks[0].0 < target.min(Duration::from_secs(60))
        }) {
            wrong.push(format!("three looks in a target duration at {:?}", looks[0].0));
        }
        let is_renumbered = |from: usize, to: usize| {
            story.runs.get(from..to).is_some_and(|runs| runs.iter().any(|run| run.is_renumbered))
        };
        for (pair, named) in self.had.windows(2).zip(self.named_before.iter().skip(1)) {
            let missing = (pair[1] as u64).saturating_sub(pair[0] as u64 + 1);
            let (from, to) = (oracle.segments[pair[0]].run, oracle.segments[pair[1]].run);
            // Where the numbers begin anew, they do not tell how many are missing.
            if missing != *named && !is_renumbered(from, to) {
                let (after, at) = (pair[0], oracle.told_at(pair[0]));
                wrong.push(format!("{missing} segments are missing behind {after}{at}, {named} are named"));
                break;
            }
        }
        wrong
    }
}
