//! The segments of a shape.

use super::film::{Cue, Film, cues, shifts};
use super::fragment_mux::{Samples, Writer, nal_units};
use super::shape::{Container, Layout, Packets, Period, Shape, scaled};
use super::source::{Codec, GROUP, Source, Unit};
use super::transport_mux::{self, CLOCK, Multiplexer, Pes, WRAP, adts, opus};
use super::{Listed, Track, extension, holds, is_marked};
use crate::transport::PACKET;

/// A unit and its times on the clock of its period, in ticks of 90 kHz; `by` is what its own times are moved by.
#[derive(Clone, Copy)]
struct Timed<'a> {
    source: &'a Source,
    unit: &'a Unit,
    by: i64,
    loas: Option<&'a [u8]>,
}

impl Timed<'_> {
    fn at(&self, ticks: i64) -> i64 {
        scaled(ticks + self.by, i64::from(self.source.rate), CLOCK)
    }

    fn pts(&self) -> i64 {
        self.at(self.unit.pts)
    }

    fn dts(&self) -> i64 {
        self.at(self.unit.dts)
    }
}

/// What one segment of a period holds.
#[derive(Default)]
struct Cut<'a> {
    pictures: Vec<Timed<'a>>,
    sounds: Vec<Timed<'a>>,
    seconds: f64,
}

/// Returns the first playlist and the others; adds the cues of subtitles to the film.
pub(super) fn tracks(shape: &Shape<'_>, seed: u64, film: &mut Film) -> (Track, Vec<Track>) {
    let cuts: Vec<Vec<Cut<'_>>> = shape.periods.iter().map(|period| cuts(shape, period)).collect();
    let mut first = track(shape, "first", shape.container, holds(shape.layout), &cuts, seed);
    if let Some((period, number, is_told)) = shape.gap {
        leave_out(shape, &cuts, (period, number), film);
        let before: usize = cuts[..period].iter().map(Vec::len).sum();
        first.listed[before + number].missing = Some(is_told);
    }
    let mut others = Vec::new();
    if let Layout::Apart(container) = shape.layout {
        let mut sound = track(shape, "sound", container, (false, true), &cuts, seed);
        if shape.sound_lacks_tags {
            sound.listed.iter_mut().for_each(|one| one.is_marked = false);
        }
        others.push(sound);
    }
    if let Some(is_absolute) = shape.subtitles {
        others.push(words(shape, is_absolute, &cuts, film));
    }
    (first, others)
}

/// Takes what a segment of the first playlist holds out of the film.
fn leave_out(shape: &Shape<'_>, cuts: &[Vec<Cut<'_>>], (period, number): (usize, usize), film: &mut Film) {
    let (has_pictures, has_sound) = holds(shape.layout);
    let before = || cuts[..period].iter().flatten().chain(&cuts[period][..number]);
    let cut = &cuts[period][number];
    if has_pictures {
        let first: usize = before().map(|cut| cut.pictures.len()).sum();
        film.pictures.drain(first..first + cut.pictures.len());
    }
    if has_sound {
        let first: usize = before().map(|cut| cut.sounds.len()).sum();
        film.sounds.drain(first..first + cut.sounds.len());
    }
}

fn cuts<'a>(shape: &Shape<'_>, period: &Period<'a>) -> Vec<Cut<'a>> {
    let mut cuts = Vec::new();
    let (mut group, mut frame) = (0, 0);
    let frames = period.frames();
    for (nth, groups) in period.segments.iter().enumerate() {
        let mut cut = Cut::default();
        let is_last = nth + 1 == period.segments.len();
        if let Some(source) = period.pictures {
            let first = period.first_group * GROUP;
            let rate = i64::from(source.rate);
            let by = scaled(period.base, CLOCK, rate) - first as i64 * source.duration;
            let units = source.units.iter().skip(first + group * GROUP).take(groups * GROUP);
            cut.pictures = units.map(|unit| Timed { source, unit, by, loas: None }).collect();
        }
        let begin = period.at_group(group);
        group += groups;
        let end = period.at_group(group);
        cut.seconds = (end - begin) as f64 / CLOCK as f64;
        if let Some(source) = period.sound {
            let by = scaled(period.base + period.lag, CLOCK, i64::from(source.rate));
            let ahead = if shape.layout == Layout::Muxed { shape.ahead } else { 0 };
            for (nth, unit) in source.units.iter().enumerate().take(frames).skip(frame) {
                let loas = source.loas.get(nth).map(Vec::as_slice).filter(|_| shape.is_loas);
                let timed = Timed { source, unit, by, loas };
                if !is_last && timed.pts() >= period.base + end + ahead {
                    break;
                }
                cut.sounds.push(timed);
                frame += 1;
            }
        }
        cuts.push(cut);
    }
    cuts
}

fn track(
    shape: &Shape<'_>,
    name: &'static str,
    container: Container,
    (has_pictures, has_sound): (bool, bool),
    cuts: &[Vec<Cut<'_>>],
    seed: u64,
) -> Track {
    let of = |period: &Period<'_>| {
        let names = [period.pictures.filter(|_| has_pictures), period.sound.filter(|_| has_sound)]
            .map(|source| source.map(|source| source.name));
        (names, period.sound_first)
    };
    let mut sections: Vec<Vec<u8>> = Vec::new();
    let mut listed: Vec<Listed> = Vec::new();
    let mut writer = Writer::new(shape.fragments);
    let mut multiplexer = Multiplexer::new(shape.transport, Vec::new(), seed);
    let mut before = None;
    for (period, cuts) in shape.periods.iter().zip(cuts) {
        let now = of(period);
        if before != Some(now) {
            before = Some(now);
            let mut sources: Vec<_> =
                [period.pictures.filter(|_| has_pictures), period.sound.filter(|_| has_sound)]
                    .into_iter()
                    .flatten()
                    .collect();
            if period.sound_first {
                sources.reverse();
            }
            if container == Container::Fragments {
                sections.push(writer.section(&sources));
            }
            let is_loas = shape.is_loas;
            let track = |source: &&Source| transport_mux::Track { codec: source.codec, is_loas };
            multiplexer.change(sources.iter().map(track).collect());
            if container == Container::Transport && shape.has_tables_apart {
                let mut tables = Vec::new();
                multiplexer.tables(&mut tables);
                sections.push(tables);
            }
        }
        for (nth, cut) in cuts.iter().enumerate() {
            let pictures: &[Timed<'_>] = if has_pictures { &cut.pictures } else { &[] };
            let sounds: &[Timed<'_>] = if has_sound { &cut.sounds } else { &[] };
            let bytes = match container {
                Container::Transport => {
                    multiplexer.segment(&packets(shape, period.sound_first, pictures, sounds))
                }
                Container::Fragments => writer.segment(&samples(period.sound_first, pictures, sounds)),
                Container::Packed => packed(sounds),
            };
            let is_marked = nth == 0 && is_marked(period.border);
            let section = sections.len().checked_sub(1);
            listed.push(Listed { bytes, seconds: cut.seconds, is_marked, section, missing: None });
        }
    }
    if container == Container::Transport && shape.late_cut > 0 {
        cut_later(&mut listed, shape.late_cut * PACKET);
    }
    let codec = shape.periods.iter().find_map(|period| period.sound).map(|source| source.codec);
    Track { name, extension: extension(container, codec), listed, sections }
}

/// Moves the first bytes of each segment to the end of the one before it.
fn cut_later(listed: &mut [Listed], bytes: usize) {
    for nth in 1..listed.len() {
        let length = listed[nth].bytes.len();
        let rest = listed[nth].bytes.split_off(bytes.min(length));
        let front = std::mem::replace(&mut listed[nth].bytes, rest);
        listed[nth - 1].bytes.extend(front);
    }
}

/// The numbers of the tracks of pictures and of sound.
fn numbers(sound_first: bool, pictures: &[Timed<'_>], sounds: &[Timed<'_>]) -> (usize, usize) {
    match sound_first {
        true => (usize::from(!sounds.is_empty()), 0),
        false => (0, usize::from(!pictures.is_empty())),
    }
}

fn samples<'a>(sound_first: bool, pictures: &[Timed<'a>], sounds: &[Timed<'a>]) -> Vec<Samples<'a>> {
    let of = |track: usize, all: &[Timed<'a>]| {
        let source = all.first()?.source;
        Some(Samples { track, source, units: all.iter().map(|timed| (timed.unit, timed.by)).collect() })
    };
    let (first, second) = numbers(sound_first, pictures, sounds);
    let mut all: Vec<_> = [of(first, pictures), of(second, sounds)].into_iter().flatten().collect();
    all.sort_by_key(|samples| samples.track);
    all
}

/// The PES packets of a segment in the order of their decoding times.
fn packets(shape: &Shape<'_>, sound_first: bool, pictures: &[Timed<'_>], sounds: &[Timed<'_>]) -> Vec<Pes> {
    let (first, number) = numbers(sound_first, pictures, sounds);
    let mut all: Vec<(i64, Pes)> = picture_packets(shape, pictures);
    all.iter_mut().for_each(|(_, pes)| pes.track = first);
    let frames: Vec<_> = sounds.iter().map(|timed| (timed, carried(timed))).collect();
    match shape.cuts_frames {
        true => all.extend(cut_anywhere(number, &frames)),
        false => all.extend(frames.chunks(shape.frames_per_packet).filter_map(|chunk| {
            let first = chunk.first()?.0;
            let payload = chunk.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
            let pts = Some(first.pts());
            // A decoder has the sound a little before it is heard.
            Some((first.pts() - CLOCK / 10, Pes { track: number, payload, pts, dts: None, is_key: true }))
        })),
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, pes)| pes).collect()
}

fn picture_packets(shape: &Shape<'_>, pictures: &[Timed<'_>]) -> Vec<(i64, Pes)> {
    let mut all: Vec<(i64, Pes)> = Vec::new();
    for (nth, timed) in pictures.iter().enumerate() {
        let (pts, dts) = (Some(timed.pts()), Some(timed.dts()));
        let is_key = timed.unit.is_key;
        let whole = delimited(shape, timed);
        let at = timed.dts();
        let one = |payload, pts, dts, is_key| (at, Pes { track: 0, payload, pts, dts, is_key });
        match shape.packets {
            Packets::Slice => {
                for (turn, slice) in slices(&whole).into_iter().enumerate() {
                    let first = turn == 0;
                    all.push(one(slice, pts.filter(|_| first), dts.filter(|_| first), is_key && first));
                }
            }
            Packets::TwoPictures if nth % 2 == 1 => {
                if let Some((_, last)) = all.last_mut() {
                    last.payload.extend(whole);
                }
            }
            Packets::Sparse if !is_key => all.push(one(whole, None, None, false)),
            _ => all.push(one(whole, pts, dts, is_key)),
        }
    }
    all
}

/// A picture with the delimiter that belongs in front of it (ISO/IEC 13818-1, 2.14).
fn delimited(shape: &Shape<'_>, timed: &Timed<'_>) -> Vec<u8> {
    let delimiter: &[u8] = match timed.source.codec {
        _ if !shape.has_delimiters => &[],
        Codec::Hevc => &[0, 0, 0, 1, 0x46, 1, 0x50],
        _ => &[0, 0, 0, 1, 9, 0xf0],
    };
    [delimiter, &timed.unit.bytes].concat()
}

/// Cuts a picture of H.264 in front of each slice but the first.
fn slices(picture: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut has_slice = false;
    for nal in nal_units(picture) {
        let is_slice = nal.first().is_some_and(|first| matches!(first & 0x1f, 1 | 5));
        if all.is_empty() || (is_slice && has_slice) {
            all.push(Vec::new());
        }
        has_slice |= is_slice;
        if let Some(last) = all.last_mut() {
            last.extend([0, 0, 0, 1]);
            last.extend_from_slice(nal);
        }
    }
    all
}

/// A frame of sound as a transport stream holds it.
fn carried(timed: &Timed<'_>) -> Vec<u8> {
    let source = timed.source;
    match (source.codec, timed.loas) {
        (Codec::Aac, Some(loas)) => loas.to_vec(),
        (Codec::Aac, None) => {
            adts(&timed.unit.bytes, source.rate, if source.name == "aac-mono" { 1 } else { 2 })
        }
        (Codec::Opus, _) => opus(&timed.unit.bytes),
        _ => timed.unit.bytes.clone(),
    }
}

/// PES packets of 700 bytes; each has the time of the first frame that begins in it (ISO/IEC 13818-1, 2.4.3.7).
fn cut_anywhere(track: usize, frames: &[(&Timed<'_>, Vec<u8>)]) -> Vec<(i64, Pes)> {
    const LENGTH: usize = 700;
    let mut begins = Vec::new();
    let mut bytes = Vec::new();
    for (timed, frame) in frames {
        begins.push((bytes.len(), timed.pts()));
        bytes.extend_from_slice(frame);
    }
    let chunks = bytes.chunks(LENGTH).enumerate();
    let mut at = begins.first().map_or(0, |(_, pts)| *pts);
    let packets = chunks.map(|(nth, chunk)| {
        let room = nth * LENGTH..nth * LENGTH + chunk.len();
        let pts = begins.iter().find(|(begin, _)| room.contains(begin)).map(|(_, pts)| *pts);
        at = pts.unwrap_or(at);
        (at - CLOCK / 10, Pes { track, payload: chunk.to_vec(), pts, dts: None, is_key: true })
    });
    packets.collect()
}

/// Frames behind the tag that says when the first is heard.
fn packed(sounds: &[Timed<'_>]) -> Vec<u8> {
    let Some(first) = sounds.first() else { return Vec::new() };
    let mut out = crate::live::tag(first.pts().rem_euclid(WRAP) as u64);
    let frames = sounds.iter().map(|timed| carried(&Timed { loas: None, ..*timed }));
    frames.for_each(|frame| out.extend(frame));
    out
}

/// The playlist of subtitles: a cue that is shown across a border is in both segments.
fn words(shape: &Shape<'_>, is_absolute: bool, cuts: &[Vec<Cut<'_>>], film: &mut Film) -> Track {
    let mut listed = Vec::new();
    let shifts = shifts(&shape.periods);
    for (number, (period, cuts)) in shape.periods.iter().zip(cuts).enumerate() {
        let all = cues(number, period);
        let begin = (period.base + shifts.get(number).copied().unwrap_or(0)) as f64 / CLOCK as f64;
        film.cues.extend(all.iter().map(|(words, from, to)| Cue {
            words: words.clone(),
            from: begin + *from as f64 / 1000.0,
            to: begin + *to as f64 / 1000.0,
        }));
        let mut at = 0.0;
        for (nth, cut) in cuts.iter().enumerate() {
            let room = (at * 1000.0, (at + cut.seconds) * 1000.0);
            // Local times count from the begin of the period, or from an hour before it.
            let local = if is_absolute { 3_600_000 } else { 0 };
            let mut text = format!(
                "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{},LOCAL:{}\n\n",
                period.base.rem_euclid(WRAP),
                clock(local)
            );
            for (words, from, to) in &all {
                if (*from as f64) < room.1 && (*to as f64) > room.0 {
                    text.push_str(&format!("{} --> {}\n{words}\n\n", clock(from + local), clock(to + local)));
                }
            }
            at += cut.seconds;
            let is_marked = nth == 0 && is_marked(period.border);
            let bytes = text.into_bytes();
            listed.push(Listed { bytes, seconds: cut.seconds, is_marked, section: None, missing: None });
        }
    }
    Track { name: "words", extension: "vtt", listed, sections: Vec::new() }
}

fn clock(millis: i64) -> String {
    let (hours, rest) = (millis / 3_600_000, millis % 3_600_000);
    format!("{hours:02}:{:02}:{:02}.{:03}", rest / 60_000, rest / 1000 % 60, rest % 1000)
}
