//! The text of a media playlist.

use std::fmt::Write;
use std::time::Duration;

use super::Broadcast;
use super::date::iso;
use super::schedule::{Item, Schedule};

const NO_KEY: &str = "METHOD=NONE";

pub(super) struct Writer<'a> {
    broadcast: &'a Broadcast,
    track: usize,
    schedule: &'a Schedule,
    /// When the playlist is of, in time of production.
    now: Duration,
    text: String,
    /// The attributes in effect.
    key: String,
    map: Option<usize>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(broadcast: &'a Broadcast, track: usize, schedule: &'a Schedule, now: Duration) -> Self {
        Self { broadcast, track, schedule, now, text: String::new(), key: NO_KEY.to_owned(), map: None }
    }

    /// Writes the playlist that ends with this segment; as a delta update where that is asked for and offered.
    /// Reports are attributes.
    pub(super) fn write(mut self, newest: usize, is_delta: bool, reports: &[String]) -> String {
        let schedule = self.schedule;
        let window = schedule.window(newest);
        let items: Vec<&Item> = window.iter().map(|index| &schedule.items()[*index]).collect();
        let Some((first, last)) = items.first().zip(items.last()) else { return self.text };
        let is_last = schedule.is_over() && last.index + 1 == schedule.items().len();
        let open = schedule.open(newest, self.now).filter(|_| self.broadcast.low_latency.is_some());
        self.header(first);
        let in_parts = open
            .map_or(Duration::ZERO, |(open, parts)| open.duration() * parts as u32 / open.cut.pieces as u32);
        let skipped = if is_delta { self.skipped(&items, in_parts) } else { 0 };
        let head = self.text.len();
        for (place, item) in items.iter().enumerate() {
            if place == skipped && skipped > 0 {
                // Only what those segments brought into effect remains of them.
                self.text.truncate(head);
                self.line(&format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}"));
            }
            self.segment(item);
            let left = items[place + 1..].iter().map(|item| item.duration()).sum::<Duration>() + in_parts;
            if left <= Duration::from_secs(3 * self.broadcast.target_seconds(self.track)) {
                self.parts(item, item.cut.pieces);
            }
            let duration = self.broadcast.claimed.unwrap_or(item.duration());
            let uri = self.uri(&item.name);
            self.line(&format!("#EXTINF:{},\n{uri}", seconds(duration)));
        }
        if is_last && self.broadcast.ends {
            self.line("#EXT-X-ENDLIST");
        } else if let Some((open, parts)) = open {
            self.segment(open);
            self.parts(open, parts);
            if parts < open.cut.pieces {
                let hint = self.uri(&part_name(&open.name, parts));
                self.line(&format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\""));
            }
        }
        for report in reports {
            self.line(&format!("#EXT-X-RENDITION-REPORT:{report}"));
        }
        self.text
    }

    fn header(&mut self, first: &Item) {
        let target = self.target_seconds();
        let low = self.broadcast.low_latency.as_ref();
        let version = if low.is_some_and(|low| low.skip_until.is_some()) { 9 } else { 7 };
        self.line(&format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}"));
        if let Some((low, part)) = low.zip(self.broadcast.part_target(self.track)) {
            let blocks = if low.says_blocks { "CAN-BLOCK-RELOAD=YES," } else { "" };
            let skips =
                low.skip_until.map_or(String::new(), |until| format!("CAN-SKIP-UNTIL={},", seconds(until)));
            let hold = seconds(part * 3);
            self.line(&format!("#EXT-X-SERVER-CONTROL:{blocks}{skips}PART-HOLD-BACK={hold}"));
            self.line(&format!("#EXT-X-PART-INF:PART-TARGET={}", seconds(part)));
        }
        self.line(&format!("#EXT-X-MEDIA-SEQUENCE:{}", first.sequence));
        let number = first.number.saturating_sub(u64::from(first.discontinuity));
        if number > 0 {
            self.line(&format!("#EXT-X-DISCONTINUITY-SEQUENCE:{number}"));
        }
        if self.broadcast.window.is_none() {
            self.line("#EXT-X-PLAYLIST-TYPE:EVENT");
        }
    }

    /// How many of the oldest segments end further from the edge than the skip boundary.
    fn skipped(&self, items: &[&Item], in_parts: Duration) -> usize {
        let Some(until) = self.broadcast.low_latency.as_ref().and_then(|low| low.skip_until) else {
            return 0;
        };
        let newer = items.iter().rev().scan(in_parts, |behind, item| {
            let end = *behind;
            *behind += item.duration();
            Some(end)
        });
        items.len() - newer.take_while(|end| *end <= until).count()
    }

    fn parts(&mut self, item: &Item, parts: usize) {
        let Some(_) = self.broadcast.low_latency else { return };
        let duration = seconds(item.duration() / item.cut.pieces as u32);
        for part in 0..parts {
            let uri = self.uri(&part_name(&item.name, part));
            self.line(&format!("#EXT-X-PART:DURATION={duration},URI=\"{uri}\",INDEPENDENT=YES"));
        }
    }

    /// What stands before the parts of a segment.
    fn segment(&mut self, item: &Item) {
        if item.discontinuity {
            self.line("#EXT-X-DISCONTINUITY");
        }
        if self.broadcast.tracks[self.track].content.init(0, false).is_some() && self.map != Some(item.map) {
            // Initialization sections are clear.
            self.key(NO_KEY);
            self.line(&format!("#EXT-X-MAP:URI=\"init{}.mp4\"", item.map));
            self.map = Some(item.map);
        }
        if self.broadcast.key.is_some() {
            let iv = match self.broadcast.iv_of(item) {
                Some(iv) => format!(",IV=0x{:032x}", u128::from_be_bytes(iv)),
                None => String::new(),
            };
            self.key(&format!("METHOD=AES-128,URI=\"k{}.key\"{iv}", item.key));
        }
        if let Some(date) = self.broadcast.date_of(item) {
            self.line(&format!("#EXT-X-PROGRAM-DATE-TIME:{date}"));
        }
        if item.is_gap {
            self.line("#EXT-X-GAP");
        }
    }

    /// The URI of what has this name, under which it may be known anew.
    fn uri(&self, name: &str) -> String {
        let renamed = self.broadcast.events.renamed.iter().filter(|at| self.schedule.inner(**at) <= self.now);
        match renamed.count() {
            0 => name.to_owned(),
            n => format!("r{n}/{name}"),
        }
    }

    /// What the playlist says at that time.
    fn target_seconds(&self) -> u64 {
        let passed = |(at, _): &&(Duration, u64)| self.schedule.inner(*at) <= self.now;
        let said = self.broadcast.events.targets.iter().rev().find(passed);
        said.map_or_else(|| self.broadcast.target_seconds(self.track), |(_, seconds)| *seconds)
    }

    /// Brings a key into effect.
    fn key(&mut self, attributes: &str) {
        if self.key != attributes {
            attributes.clone_into(&mut self.key);
            self.line(&format!("#EXT-X-KEY:{attributes}"));
        }
    }

    fn line(&mut self, line: &str) {
        // Writing to a string can't fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// The name of a part of the segment with this name.
fn part_name(segment: &str, part: usize) -> String {
    match segment.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.p{part}.{extension}"),
        None => segment.to_owned(),
    }
}

/// The name of a segment, and the part of it that a name is of.
pub(super) fn part_of(name: &str) -> Option<(String, usize)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (stem, part) = stem.rsplit_once(".p")?;
    Some((format!("{stem}.{extension}"), part.parse().ok()?))
}

/// Seconds with as many decimals as a millisecond needs, or a microsecond.
pub(super) fn seconds(duration: Duration) -> String {
    let decimals = if duration.subsec_micros().is_multiple_of(1000) { 3 } else { 6 };
    format!("{:.decimals$}", duration.as_secs_f64())
}

impl Broadcast {
    /// The least whole number that no duration is above, once rounded (rfc8216bis-22, section 4.4.3.1).
    pub(super) fn target_seconds(&self, track: usize) -> u64 {
        let longest = self.tracks[track].durations.iter().max().copied().unwrap_or_default();
        self.target_seconds.unwrap_or_else(|| (longest.as_secs_f64().round() as u64).max(1))
    }

    pub(super) fn key_of(&self, turn: usize) -> Option<[u8; 16]> {
        let mut key = self.key?;
        for (byte, of_turn) in key[8..].iter_mut().zip((turn as u64).to_be_bytes()) {
            *byte ^= of_turn;
        }
        Some(key)
    }

    /// The vector of an `IV` attribute.
    pub(super) fn iv_of(&self, item: &Item) -> Option<[u8; 16]> {
        self.explicit_iv.then(|| (0xe0e1_e2e3_e4e5 + item.key as u128).to_be_bytes())
    }

    pub(super) fn date_of(&self, item: &Item) -> Option<String> {
        let began = self.began_ms?;
        let inner = |at: &Duration| at.saturating_add(self.head());
        let steps = self.events.clock_steps.iter().filter(|(at, _)| inner(at) <= item.start);
        let off: i64 = steps.map(|(_, ms)| ms).sum();
        // The transmission begins when production has gone on for a while.
        let at = began.saturating_sub(self.head().as_millis() as u64) + item.start.as_millis() as u64;
        Some(iso(at.saturating_add_signed(off)))
    }
}
