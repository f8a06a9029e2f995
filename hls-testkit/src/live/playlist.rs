//! The text of a media playlist.

use std::fmt::Write;
use std::time::Duration;

use super::Broadcast;
use super::date::iso;
use super::schedule::{Item, Schedule};

const NO_KEY: &str = "METHOD=NONE";

pub(super) struct Writer<'a> {
    pub(super) broadcast: &'a Broadcast,
    pub(super) track: usize,
    pub(super) schedule: &'a Schedule,
    /// When the playlist is of, in time of production.
    pub(super) now: Duration,
    text: String,
    /// The attributes in effect.
    key: String,
    map: Option<usize>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(broadcast: &'a Broadcast, track: usize, schedule: &'a Schedule, now: Duration) -> Self {
        Self { broadcast, track, schedule, now, text: String::new(), key: NO_KEY.to_owned(), map: None }
    }

    /// Writes the playlist that has these segments.
    pub(super) fn write(mut self, window: &[usize]) -> String {
        let items: Vec<&Item> = window.iter().map(|index| &self.schedule.items()[*index]).collect();
        let Some((first, last)) = items.first().zip(items.last()) else { return self.text };
        self.line("#EXTM3U\n#EXT-X-VERSION:7");
        self.line(&format!("#EXT-X-TARGETDURATION:{}", self.broadcast.target_seconds(self.track)));
        self.line(&format!("#EXT-X-MEDIA-SEQUENCE:{}", first.sequence));
        let number = first.number.saturating_sub(u64::from(first.discontinuity));
        if number > 0 {
            self.line(&format!("#EXT-X-DISCONTINUITY-SEQUENCE:{number}"));
        }
        if self.broadcast.window.is_none() {
            self.line("#EXT-X-PLAYLIST-TYPE:EVENT");
        }
        for item in &items {
            self.segment(item);
        }
        let is_last = self.schedule.is_over() && last.index + 1 == self.schedule.items().len();
        if is_last && self.broadcast.ends {
            self.line("#EXT-X-ENDLIST");
        }
        self.text
    }

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
        let duration = self.broadcast.claimed.unwrap_or(item.duration());
        let renamed = self.broadcast.events.renamed.iter().filter(|at| self.schedule.inner(**at) <= self.now);
        let folder = match renamed.count() {
            0 => String::new(),
            n => format!("r{n}/"),
        };
        self.line(&format!("#EXTINF:{},\n{folder}{}", seconds(duration), item.name));
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
