//! What the live clock and the window make of broadcasts in which all kinds of things go wrong, in virtual time: against what
//! was on offer.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use hls_parse::{Playlist, parse};
use hls_sched::{Clock, Reading, Reloaded, Window};
use hls_testkit::judge::sha256;
use hls_testkit::{Broadcast, Of, Offer, Outage, Restart, Then};
use url::Url;

const SECOND: Duration = Duration::from_secs(1);

/// Chance that a seed repeats (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }

    fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// A broadcast in which something goes wrong four times, what that is, and how long it goes on.
struct Story {
    broadcast: Broadcast,
    segment: Duration,
    what: String,
    lasts: Duration,
    /// The encoder forgets its numbers.
    forgets: bool,
}

impl Story {
    fn of(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let segment = SECOND * (1 + dice.below(6) as u32);
        let window = 3 + dice.below(8) as usize;
        let running = 60 + dice.below(60) as usize;
        let broadcast = Broadcast::synthetic(segment, 1200).window(window).running(running);
        let dated = dice.below(2) == 0;
        let what = format!(
            "seed {seed}: {window} segments of {segment:?}, {}",
            if dated { "dated" } else { "undated" }
        );
        let broadcast = if dated { broadcast.dated(1_772_323_200_000) } else { broadcast };
        let mut story = Self { broadcast, segment, what, lasts: SECOND * 5, forgets: false };
        for _ in 0..4 {
            story.lasts += dice.ms(1000, 60_000);
            story.strike(&mut dice);
        }
        story.lasts += SECOND * 60;
        story
    }

    fn strike(&mut self, dice: &mut Dice) {
        let (at, lasts) = (self.lasts, dice.ms(1000, 40_000));
        let broadcast = self.broadcast.clone();
        let (broadcast, name) = match dice.below(9) {
            0 => (broadcast.freeze(at, lasts, Then::Jump), "freeze"),
            1 => (broadcast.freeze(at, lasts, Then::GoOn), "stand-still"),
            2 => (broadcast.late(at, self.segment), "late"),
            3 => (broadcast.outage(Outage::new(Of::Playlists, at, lasts)), "outage"),
            4 => (broadcast.outage(Outage::new(Of::Playlists, at, lasts / 4)), "short outage"),
            5 => {
                self.forgets = true;
                // Without dates, numbers near to those that were could be those.
                (broadcast.restart(Restart::to(at, dice.below(10))), "restart")
            }
            6 => (broadcast.restart(Restart::on(at)), "restart with its numbers"),
            7 => (broadcast.stale(at, lasts, 1 + dice.below(3) as usize), "stale"),
            _ => (broadcast.discontinuity(at), "discontinuity"),
        };
        self.broadcast = broadcast;
        self.what += &format!(", {name} at {at:?} for {lasts:?}");
        self.lasts += lasts;
    }

    /// Segments of which playlists told all the while, to someone who asks at least so often, whatever comes.
    fn owed(&self, every: Duration) -> Vec<usize> {
        let mut air = self.broadcast.start();
        let path = self.broadcast.playlist_path(0, 0);
        let mut told: HashMap<String, Vec<Duration>> = HashMap::new();
        let step = SECOND / 4;
        for n in 0..(self.lasts - SECOND * 30).as_millis() / step.as_millis() {
            let at = step * n as u32;
            let answer = air.answer(&path, "", at);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for name in text.lines().filter(|line| answer.status == 200 && !line.starts_with('#')) {
                told.entry(name.to_owned()).or_default().push(at);
            }
        }
        let is_owed = |offer: &&Offer| {
            let times =
                offer.path.rsplit('/').next().and_then(|name| told.get(name)).map_or(&[][..], Vec::as_slice);
            let runs = times.chunk_by(|a, b| *b - *a <= step);
            runs.into_iter().any(|run| run.len() as u32 * step > every + step)
        };
        air.offered(0, self.lasts).iter().filter(is_owed).map(|offer| offer.index).collect()
    }

    /// Follows the playlist as the clock says, and takes what the window says.
    fn follow(&self) -> Result<Followed, Box<dyn Error>> {
        let mut air = self.broadcast.start();
        let path = self.broadcast.playlist_path(0, 0);
        let base = Url::parse("http://127.0.0.1/")?.join(&path)?;
        let began = Instant::now();
        let mut clock = Clock::new(began);
        let mut window: Option<Window> = None;
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut followed = Followed::default();
        while clock.due() < began + self.lasts {
            let now = clock.due();
            clock.begin(now);
            let at = now - began;
            let answer = air.answer(&path, "", at);
            if answer.status != 200 {
                clock.failed(None, now);
                continue;
            }
            let Playlist::Media(media) = parse(&answer.body, &base)?.playlist else {
                return Err("not a media playlist".into());
            };
            let is_first = window.is_none();
            let window = window.get_or_insert_with(|| Window::starting(&media, media.media_sequence, now));
            let reading = window.read(&media, now);
            if let Reading::News(news) = reading {
                followed.lost += news.lost.map_or(0, |lost| lost.count);
                for offer in &air.offered(0, at)[known.len()..] {
                    known.insert(offer.sha256(), offer.index);
                }
                for segment in media.segments().skip(news.from) {
                    let body = air.answer(segment.url()?.path(), "", at).body;
                    followed.planned.push(*known.get(&sha256(&body)).ok_or("a segment that nobody offered")?);
                }
            }
            let load = Reloaded {
                changed: is_first || matches!(reading, Reading::News(_)),
                target: media.target_duration,
                last_segment: media.segments().next_back().map(|segment| segment.duration()),
                window: media.duration(),
            };
            clock.loaded(load, now);
        }
        followed.most_polls = air.most_polls(0, self.segment.max(SECOND));
        Ok(followed)
    }
}

#[derive(Default)]
struct Followed {
    /// Which segments were planned, in order, by their place in the order of production.
    planned: Vec<usize>,
    /// How many were said to be lost.
    lost: u64,
    most_polls: usize,
}

#[test]
fn whatever_happens_nothing_is_doubled_and_what_playlists_hold_is_taken() -> Result<(), Box<dyn Error>> {
    // The last two restart close to the numbers that were, without dates.
    for seed in (0..120).chain([377, 739]) {
        let story = Story::of(seed);
        let Followed { planned, lost, most_polls } =
            story.follow().map_err(|why| format!("{}: {why}", story.what))?;
        let what = &story.what;
        assert!(planned.is_sorted_by(|a, b| a < b), "{what}: {planned:?}");
        assert!(most_polls <= 2, "{what}: {most_polls}");
        let owed = story.owed(story.segment);
        let missing: Vec<_> = owed.iter().filter(|index| planned.binary_search(index).is_err()).collect();
        assert!(missing.is_empty(), "{what}: {missing:?}");
        if !story.forgets
            && let (Some(first), Some(last)) = (planned.first(), planned.last())
        {
            // What is not there is told, each segment of it.
            assert_eq!(lost, (last - first + 1 - planned.len()) as u64, "{what}");
        }
    }
    Ok(())
}
