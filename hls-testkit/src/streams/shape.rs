//! What is drawn of a stream before any byte of it is made.

use super::fragment_mux::{self, Base, Defaults, Reordering};
use super::source::{GROUPS, Source, Sources};
use super::transport_mux::{self, CLOCK, WRAP};
use crate::noise::Noise;

/// A time of day, in ticks of 90 kHz.
pub(super) const WALL_CLOCK: i64 = 1_700_000_000 * CLOCK;

/// What the segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Transport,
    Fragments,
    /// Frames of sound behind an ID3 tag (rfc8216bis-22, section 3.1.3).
    Packed,
}

/// Which playlists there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Pictures and sound in the same segments.
    Muxed,
    PicturesAlone,
    SoundAlone(Container),
    /// A rendition of sound beside the pictures.
    Apart(Container),
}

/// How clocks go on from one period to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Border {
    /// Timestamps go on, and nothing says anything.
    Continues,
    /// Timestamps go on behind a tag.
    Tagged,
    /// Timestamps begin elsewhere, behind a tag.
    Jump,
    /// Timestamps begin again, and nothing says so.
    Silent,
}

/// A run of an encoder.
#[derive(Clone, Debug)]
pub(super) struct Period<'a> {
    pub(super) border: Border,
    pub(super) pictures: Option<&'a Source>,
    pub(super) sound: Option<&'a Source>,
    /// Groups of pictures in each segment.
    pub(super) segments: Vec<usize>,
    pub(super) first_group: usize,
    /// Where its clock begins, unwrapped, in ticks of 90 kHz.
    pub(super) base: i64,
    /// By how much the sound begins later than the pictures, in ticks of 90 kHz.
    pub(super) lag: i64,
    /// The sound is the first track.
    pub(super) sound_first: bool,
}

/// How pictures are put into PES packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packets {
    Picture,
    Slice,
    TwoPictures,
    /// Only the first picture of a group has a timestamp.
    Sparse,
}

/// How segments are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    Clear,
    /// The vector is the number of the segment.
    Implicit,
    Explicit,
    /// Each second segment has another key.
    Rotating,
}

/// What stands in front of the packets of each segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    Nothing,
    /// An ID3 tag, which is kept.
    Tag,
    /// A picture, which is left out.
    Picture,
}

/// All that is drawn.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    pub(super) layout: Layout,
    pub(super) container: Container,
    pub(super) periods: Vec<Period<'a>>,
    pub(super) transport: transport_mux::Manner,
    pub(super) fragments: fragment_mux::Manner,
    pub(super) packets: Packets,
    pub(super) has_delimiters: bool,
    pub(super) frames_per_packet: usize,
    /// PES packets of sound end anywhere in a frame.
    pub(super) cuts_frames: bool,
    pub(super) is_loas: bool,
    /// Transport packets by which each segment ends later than its last picture.
    pub(super) late_cut: usize,
    /// By how much the sound in a segment is ahead of its pictures, in ticks of 90 kHz.
    pub(super) ahead: i64,
    pub(super) encryption: Encryption,
    pub(super) media_sequence: u64,
    pub(super) discontinuity_sequence: u64,
    /// All segments are ranges of one file.
    pub(super) has_ranges: bool,
    /// Durations in the playlist are whole seconds.
    pub(super) has_round_durations: bool,
    /// The playlist of the sound has no discontinuity tags.
    pub(super) sound_lacks_tags: bool,
    /// There are subtitles; `true`: their local times begin at one hour instead of 0.
    pub(super) subtitles: Option<bool>,
    pub(super) front: Front,
    /// The tables of a transport stream are in an initialization section, and in no segment (rfc8216bis-22, section 3.1.1).
    pub(super) has_tables_apart: bool,
    /// A segment that is not there, by its period and its number in it; `true`: the playlist says so.
    pub(super) gap: Option<(usize, usize, bool)>,
}

impl Shape<'_> {
    /// Draws what few streams have.
    fn draw_rare(&mut self, dice: &mut Noise) {
        let is_transport = self.container == Container::Transport;
        let is_plain = is_transport && self.encryption == Encryption::Clear && self.late_cut == 0;
        if is_plain && dice.below(12) == 0 {
            self.front = dice.pick(&[Front::Tag, Front::Picture]);
        }
        if self.layout == Layout::Muxed && dice.below(6) == 0 {
            let period = dice.below(self.periods.len() as u64) as usize;
            self.periods[period].sound_first = true;
        }
        // A part without sound, or with nothing else.
        if self.layout == Layout::Muxed && self.periods.len() > 1 && dice.below(8) == 0 {
            let number = dice.below(self.periods.len() as u64) as usize;
            let is_jump = |period: &Period<'_>| period.border == Border::Jump;
            let is_apart = (number == 0 || is_jump(&self.periods[number]))
                && self.periods.get(number + 1).is_none_or(is_jump);
            match dice.below(2) {
                _ if !is_apart => {}
                0 => self.periods[number].sound = None,
                _ => self.periods[number].pictures = None,
            }
        }
        let name = |period: &Period<'_>| {
            (period.sound_first, period.pictures.map(|one| one.name), period.sound.map(|one| one.name))
        };
        let are_alike = self.periods.windows(2).all(|pair| name(&pair[0]) == name(&pair[1]));
        let has_tables = self.transport.tables_every > 0 || self.transport.has_own_counters;
        if is_transport && are_alike && !has_tables && self.late_cut == 0 && dice.below(10) == 0 {
            self.has_tables_apart = true;
            self.transport.has_no_tables = true;
        }
        let is_whole = self.late_cut == 0 && !self.has_ranges && self.subtitles.is_none();
        if is_whole && dice.below(10) == 0 {
            let period = dice.below(self.periods.len() as u64) as usize;
            let inside = self.periods[period].segments.len().saturating_sub(2) as u64;
            if inside > 0 {
                self.gap = Some((period, 1 + dice.below(inside) as usize, dice.below(2) == 0));
            }
        }
    }

    /// Says in one line what was drawn.
    pub(super) fn about(&self) -> String {
        let period = |period: &Period<'_>| {
            let name = |source: Option<&Source>| source.map_or("none", |source| source.name);
            format!(
                "{:?} {}{}+{} at {:.3} s, sound {} later, groups {:?}",
                period.border,
                if period.sound_first { "sound first, " } else { "" },
                name(period.pictures),
                name(period.sound),
                period.base as f64 / CLOCK as f64,
                period.lag,
                period.segments
            )
        };
        let mut all = vec![format!("{:?} {:?}", self.layout, self.container)];
        all.extend(self.periods.iter().map(period));
        if self.container == Container::Transport {
            all.push(format!("{:?}, {:?}", self.packets, self.transport));
        }
        if self.container == Container::Fragments {
            all.push(format!("{:?}", self.fragments));
        }
        all.push(format!(
            "frames/packet {}, cut {}, loas {}, delimiters {}, late cut {}, ahead {}",
            self.frames_per_packet,
            self.cuts_frames,
            self.is_loas,
            self.has_delimiters,
            self.late_cut,
            self.ahead
        ));
        all.push(format!(
            "{:?}, sequence {}, discontinuities from {}, ranges {}, round {}, no tags in sound {}, subtitles {:?}, front {:?}, \
             tables apart {}, gap {:?}",
            self.encryption,
            self.media_sequence,
            self.discontinuity_sequence,
            self.has_ranges,
            self.has_round_durations,
            self.sound_lacks_tags,
            self.subtitles,
            self.front,
            self.has_tables_apart,
            self.gap,
        ));
        all.join("; ")
    }
}

/// Draws a shape.
pub(super) fn draw<'a>(sources: &'a Sources, dice: &mut Noise) -> Shape<'a> {
    let container = dice.pick(&[Container::Transport, Container::Transport, Container::Fragments]);
    let other = dice.pick(&[container, container, Container::Packed]);
    let layout = match dice.below(10) {
        0 => Layout::PicturesAlone,
        1 => Layout::SoundAlone(other),
        2..=4 => Layout::Apart(other),
        _ => Layout::Muxed,
    };
    let container = if let Layout::SoundAlone(other) = layout { other } else { container };
    let packets = match dice.below(8) {
        0 => Packets::Slice,
        1 => Packets::TwoPictures,
        2 => Packets::Sparse,
        _ => Packets::Picture,
    };
    let pictures = match (container, packets) {
        (Container::Transport, Packets::Slice | Packets::TwoPictures | Packets::Sparse) => "avc-slices",
        _ => dice.pick(&["avc", "avc", "avc-slices", "avc-ntsc", "avc-30", "hevc"]),
    };
    let sound = dice.pick(&["aac", "aac", "aac-mono", "aac", "mp3", "mp2", "ac3", "eac3", "opus"]);
    let is_packed =
        matches!(layout, Layout::SoundAlone(Container::Packed) | Layout::Apart(Container::Packed));
    let sound = match sound {
        // There are no packed segments of it (rfc8216bis-22, section 3.1.3).
        "opus" | "mp2" if is_packed => "aac",
        // MPEG audio is rare in fragments, and players differ over it.
        "mp2" if container == Container::Fragments => "mp3",
        other => other,
    };
    let takes_others = matches!(packets, Packets::Picture | Packets::Slice);
    let periods = periods(sources, dice, (&layout, container, takes_others), (pictures, sound));
    let jumps = periods.iter().any(|period| matches!(period.border, Border::Jump | Border::Silent));
    let is_silent = periods.iter().any(|period| period.border == Border::Silent);
    let few = |dice: &mut Noise| dice.below(4) == 0;
    let transport = transport_mux::Manner {
        tables_every: dice.pick(&[0, 0, 7, 40]),
        has_absent_programme: dice.below(12) == 0,
        has_nulls: few(dice),
        has_data: few(dice),
        is_unbounded: few(dice),
        has_own_counters: few(dice),
        zeros: if dice.below(16) == 0 { 188 * 3 } else { 0 },
        has_no_clock: dice.below(12) == 0,
        has_no_tables: false,
    };
    let fragments = fragment_mux::Manner {
        fragments: dice.pick(&[1, 1, 2, 5]),
        is_apart: few(dice),
        base: dice.pick(&[Base::Moof, Base::Moof, Base::Explicit, Base::Unsaid]),
        reordering: dice.pick(&[Reordering::EditList, Reordering::Negative]),
        defaults: dice.pick(&[Defaults::Run, Defaults::Fragment, Defaults::Section]),
        runs: dice.pick(&[1, 1, 3]),
        has_other_boxes: few(dice),
        is_wide: few(dice),
        is_short: few(dice),
        has_unknown: few(dice),
    };
    let is_aac = sound.starts_with("aac");
    let is_even = periods.iter().all(|period| period.border == Border::Continues);
    let is_simple = transport.zeros == 0 && !transport.has_own_counters && is_even;
    let mut shape = Shape {
        layout,
        container,
        packets,
        has_delimiters: dice.below(4) > 0,
        frames_per_packet: dice.pick(&[1, 1, 3, 7]),
        cuts_frames: is_aac && dice.below(6) == 0,
        is_loas: is_aac && dice.below(6) == 0,
        late_cut: if is_simple && dice.below(12) == 0 { 1 + dice.below(6) as usize } else { 0 },
        ahead: dice.pick(&[0, 0, 0, 9000, -9000]),
        encryption: dice.pick(&[
            Encryption::Clear,
            Encryption::Clear,
            Encryption::Clear,
            Encryption::Implicit,
            Encryption::Explicit,
            Encryption::Rotating,
        ]),
        media_sequence: dice.pick(&[0, 0, 1, 7, 4_294_967_290, 1_700_000_000_000]),
        discontinuity_sequence: dice.pick(&[0, 0, 3]),
        has_ranges: dice.below(8) == 0,
        has_round_durations: dice.below(8) == 0,
        sound_lacks_tags: !jumps && dice.below(4) == 0,
        // Where timestamps begin again without a word, the map of a subtitle has two meanings.
        subtitles: (dice.below(4) == 0 && !matches!(layout, Layout::SoundAlone(_)) && !is_silent)
            .then(|| few(dice)),
        front: Front::Nothing,
        has_tables_apart: false,
        gap: None,
        periods,
        transport,
        fragments,
    };
    shape.draw_rare(dice);
    shape
}

fn periods<'a>(
    sources: &'a Sources,
    dice: &mut Noise,
    // The sources without pictures that wait for later ones are few.
    (layout, container, takes_others): (&Layout, Container, bool),
    (pictures, sound): (&str, &str),
) -> Vec<Period<'a>> {
    let has_pictures = !matches!(layout, Layout::SoundAlone(_));
    let has_sound = !matches!(layout, Layout::PicturesAlone);
    let base = match container {
        Container::Fragments => dice.pick(&[0, 0, 10 * CLOCK, 36_000 * CLOCK, WALL_CLOCK]),
        _ => dice.pick(&[0, 126_000, 126_000, 900_000, 36_000 * CLOCK, WRAP - 2 * CLOCK, WRAP - CLOCK / 2]),
    };
    let count = dice.pick(&[1, 1, 2, 3]);
    let mut all: Vec<Period<'a>> = Vec::new();
    for nth in 0..count {
        let border = match (nth, dice.below(6)) {
            (0, _) | (_, 0) => Border::Continues,
            (_, 1) => Border::Tagged,
            (_, 2) => Border::Silent,
            _ => Border::Jump,
        };
        // Without a tag, only a jump back by a second or more is told from a hole or a little disorder.
        let goes_back =
            |before: &Period<'a>| all.first().is_some_and(|first| first.base + CLOCK <= before.ends().0);
        let border = match border {
            Border::Silent if !all.last().is_some_and(goes_back) => Border::Jump,
            other => other,
        };
        // An advertisement: other pictures, other sound, or none.
        let is_other = nth == 1 && matches!(border, Border::Jump) && dice.below(3) == 0;
        let other_pictures = dice.pick(&["avc-30", "avc-ntsc", "avc"]);
        let pictures =
            if is_other && takes_others && pictures.starts_with("avc") { other_pictures } else { pictures };
        let other_sound = dice.pick(&["aac", "aac-mono", "aac-mono", "mp3"]);
        let sound = if is_other && sound.starts_with("aac") { other_sound } else { sound };
        let pictures = has_pictures.then(|| sources.picture(pictures));
        let mut segments: Vec<_> = (0..2 + dice.below(4)).map(|_| 1 + dice.below(3) as usize).collect();
        while segments.iter().sum::<usize>() > GROUPS {
            segments.pop();
        }
        let groups: usize = segments.iter().sum();
        let first_group = dice.below((GROUPS - groups) as u64 + 1) as usize;
        let sound = has_sound.then(|| sources.sound(sound));
        let mut period =
            Period { border, pictures, sound, segments, first_group, base, lag: 0, sound_first: false };
        period.lag = dice.pick(&[0, 0, 900, 1800, 4500]);
        if let Some(before) = all.last() {
            let (end, sound_end) = before.ends();
            match border {
                Border::Continues | Border::Tagged => {
                    period.base = end;
                    period.lag = sound_end - end;
                }
                Border::Silent => period.base = all.first().map_or(base, |first| first.base),
                Border::Jump => {
                    period.base = dice.pick(&[base, base, 0, end + 1000 * CLOCK, base + 36_000 * CLOCK]);
                    // A jump of less than a second is none for players.
                    let ahead = (period.base - end).rem_euclid(WRAP);
                    if ahead.min(WRAP - ahead) < CLOCK {
                        period.base = end + 1000 * CLOCK;
                    }
                }
            }
        }
        all.push(period);
    }
    all
}

impl Period<'_> {
    /// The length of its pictures, in ticks of 90 kHz.
    pub(super) fn length(&self) -> i64 {
        let groups = self.segments.iter().sum::<usize>();
        self.at_group(groups)
    }

    /// When this group begins, in ticks of 90 kHz from the begin of the period.
    pub(super) fn at_group(&self, group: usize) -> i64 {
        let (duration, rate) =
            self.pictures.map_or((1, 25), |source| (source.duration, i64::from(source.rate)));
        scaled((group * super::source::GROUP) as i64 * duration, rate, CLOCK)
    }

    /// Says whether its timestamps do not go on from those before it.
    pub(super) fn has_own_clock(&self) -> bool {
        matches!(self.border, Border::Jump | Border::Silent)
    }

    /// Frames of sound in it: all that begin before its pictures end.
    pub(super) fn frames(&self) -> usize {
        let Some(sound) = self.sound else { return 0 };
        let rate = i64::from(sound.rate);
        let room = scaled(self.length() - self.lag, CLOCK, rate).max(0);
        (room as u64).div_ceil(sound.duration as u64) as usize
    }

    /// Where its pictures and its sound end on its clock, in ticks of 90 kHz.
    pub(super) fn ends(&self) -> (i64, i64) {
        let end = self.base + self.length();
        let Some(sound) = self.sound else { return (end, end) };
        let length = scaled(self.frames() as i64 * sound.duration, i64::from(sound.rate), CLOCK);
        (end, self.base + self.lag + length)
    }
}

/// Returns a time in ticks of another rate, rounded.
pub(super) fn scaled(ticks: i64, from: i64, to: i64) -> i64 {
    let (ticks, from, to) = (i128::from(ticks), i128::from(from), i128::from(to));
    ((ticks * to * 2 + from).div_euclid(from * 2)) as i64
}
