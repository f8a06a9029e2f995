//! What a right download shows, and when.

use super::shape::{Period, scaled};
use super::source::{Codec, GROUP};
use super::transport_mux::{CLOCK, adts};
use crate::judge::sha256;

/// A picture or a frame of sound, and when it is shown or heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The SHA-256 of the decoded picture, or of the frame of sound.
    pub hash: String,
    /// The SHA-256 of the frame with its ADTS header, where it is AAC.
    pub with_header: Option<String>,
    /// Seconds from the begin of the film.
    pub at: f64,
}

/// A line of subtitles.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// What is read.
    pub words: String,
    /// Seconds from the begin of the film.
    pub from: f64,
    /// Seconds from the begin of the film.
    pub to: f64,
}

/// What a right download shows: each track in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Film {
    /// The pictures.
    pub pictures: Vec<Shown>,
    /// The frames of sound.
    pub sounds: Vec<Shown>,
    /// The subtitles.
    pub cues: Vec<Cue>,
}

/// When each period begins in the film: what has to be added to its own clock, in ticks of 90 kHz.
///
/// The earliest picture or sound of the film is at 0. A period with a clock of its own begins where the first of its tracks can go
/// on without an overlap in any.
pub(super) fn shifts(periods: &[Period<'_>]) -> Vec<i64> {
    let mut ends: [Option<i64>; 2] = [None, None];
    let mut shift = 0;
    let mut all = Vec::new();
    for (nth, period) in periods.iter().enumerate() {
        let sound = period.sound.filter(|_| period.frames() > 0);
        let firsts = [period.pictures.map(|_| period.base), sound.map(|_| period.base + period.lag)];
        if nth == 0 {
            shift = -firsts.iter().flatten().min().copied().unwrap_or(0);
        } else if period.has_own_clock() {
            let moves = ends.iter().zip(firsts).filter_map(|(end, first)| Some((*end)? - first?));
            let behind = || ends.iter().flatten().max().copied().unwrap_or(0) - period.base;
            shift = moves.max().unwrap_or_else(behind);
        }
        all.push(shift);
        let (pictures, sounds) = period.ends();
        for (slot, (first, end)) in ends.iter_mut().zip(firsts.iter().zip([pictures, sounds])) {
            if first.is_some() {
                *slot = Some(end + shift);
            }
        }
    }
    all
}

impl Film {
    pub(super) fn of(periods: &[Period<'_>]) -> Self {
        let mut film = Self::default();
        let seconds = |ticks: i64| ticks as f64 / CLOCK as f64;
        for (period, shift) in periods.iter().zip(shifts(periods)) {
            if let Some(source) = period.pictures {
                let groups = period.segments.iter().sum::<usize>();
                let first = period.first_group * GROUP;
                let zero = first as i64 * source.duration;
                let units = source.units.iter().skip(first).take(groups * GROUP);
                let mut shown: Vec<_> = units.map(|unit| (unit.pts - zero, unit.hash.clone())).collect();
                shown.sort_by_key(|(pts, _)| *pts);
                let begin = seconds(period.base + shift);
                film.pictures.extend(shown.into_iter().map(|(pts, hash)| Shown {
                    hash,
                    with_header: None,
                    at: begin + pts as f64 / f64::from(source.rate),
                }));
            }
            if let Some(source) = period.sound {
                let begin = seconds(period.base + period.lag + shift);
                let channels = if source.name == "aac-mono" { 1 } else { 2 };
                let units = source.units.iter().take(period.frames()).enumerate();
                film.sounds.extend(units.map(|(nth, unit)| {
                    Shown {
                        hash: unit.hash.clone(),
                        with_header: (source.codec == Codec::Aac)
                            .then(|| sha256(&adts(&unit.bytes, source.rate, channels))),
                        at: begin + (nth as i64 * source.duration) as f64 / f64::from(source.rate),
                    }
                }));
            }
        }
        film
    }
}

/// The cues of a period, timed from its begin in milliseconds.
pub(super) fn cues(nth: usize, period: &Period<'_>) -> Vec<(String, i64, i64)> {
    let length = scaled(period.length(), CLOCK, 1000);
    let starts = (0..).map(|n| 130 + n * 700).take_while(|from| from + 500 <= length);
    starts.enumerate().map(|(line, from)| (format!("period {nth} line {line}"), from, from + 500)).collect()
}
