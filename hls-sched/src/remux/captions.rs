//! Segments of subtitles merged into one file, or into the text of an MP4, on the timeline of the film.

use std::cell::Cell;
use std::time::Duration;

use hls_media::captions::Captions;
use hls_media::remux::Timeline;
use hls_state::Placed;

use super::source::Source;
use super::{Step, Told, clock, placed, units};
use crate::error::Error;
use crate::policy::extension::Made;
use crate::prepare::form::Product;

/// A segment of subtitles that is longer is none: those of a whole film have some 200 KiB.
const LONGEST: u64 = 8 << 20;

/// Text is written in pieces of about this size.
const PIECE: usize = 256 << 10;

/// Writes a file of subtitles.
pub(super) fn make(
    step: &Step,
    product: &Product,
    all: &[Vec<Placed>],
    write: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    told: &mut Told<'_>,
) -> Result<(), Error> {
    let Some((number, clocks)) = product.tracks.split_first() else { return Ok(()) };
    let mut inputs = Vec::new();
    for clock in clocks.iter().copied() {
        inputs.extend(clock::index(step, clock, placed(all, clock), told)?);
    }
    let timeline = (!inputs.is_empty()).then(|| Timeline::new(&inputs));
    let captions = merged(step, *number, all, (timeline.as_ref(), false), told)?;
    let mut pending = String::new();
    let mut append = |piece: &str| {
        pending.push_str(piece);
        match pending.len() < PIECE {
            true => Ok(()),
            false => write(std::mem::take(&mut pending).as_bytes()),
        }
    };
    match product.made == Made::Srt {
        true => captions.write_srt(&mut append)?,
        false => captions.write_vtt(&mut append)?,
    }
    write(pending.as_bytes())
}

/// Returns all cues of a track. `is_film`: they go into a film, and those far behind its end are left out. Without a timeline, the
/// first timestamp of each discontinuity sequence is where the playlist has it.
pub(super) fn merged(
    step: &Step,
    number: usize,
    all: &[Vec<Placed>],
    (timeline, is_film): (Option<&Timeline>, bool),
    told: &mut Told<'_>,
) -> Result<Captions, Error> {
    let mut captions = Captions::new();
    let (Some(path), Some(track)) = (step.making.tracks().get(number), step.tracks.0.get(number)) else {
        return Ok(captions);
    };
    if let Some(timeline) = timeline {
        // Where no film is made, the first segment of its pictures or sound is all that is here of them.
        let lasts = if is_film { Duration::ZERO } else { track.duration() };
        captions = captions.of_film(timeline.lasts().max(lasts));
    }
    let (media, placed) = (track.media(), placed(all, number));
    let mut source = Source::open(path, placed)?;
    let (mut ahead, mut header): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    let (first, mut start) = (Cell::new(None::<(u64, u64, Duration)>), Duration::ZERO);
    for unit in placed {
        let Some(planned) = track.unit(unit.index) else { continue };
        let len = usize::try_from(unit.len.min(LONGEST)).unwrap_or(usize::MAX);
        while ahead.len() < len {
            let bytes = source.next()?;
            if bytes.is_empty() {
                break;
            }
            told.read(bytes.len())?;
            ahead.extend_from_slice(bytes);
        }
        if unit.len > LONGEST {
            return Err(step.unfit(number, "subtitles.long", "a segment of subtitles has more than 8 MiB"));
        }
        let rest = ahead.split_off(len.min(ahead.len()));
        let bytes = std::mem::replace(&mut ahead, rest);
        if planned.is_init {
            header = bytes;
            continue;
        }
        let at = start;
        start += planned.duration;
        if unit.len == 0 {
            continue;
        }
        let line = units::timeline(&media, &planned);
        let place = |timestamp: u64| match timeline {
            Some(timeline) => timeline.micros(line, timestamp),
            None => {
                let known = first.get().filter(|(of, ..)| *of == line);
                let (_, first, begins) = known.unwrap_or_else(|| {
                    first.set(Some((line, timestamp, at)));
                    (line, timestamp, at)
                });
                let ticks = i128::from(timestamp) - i128::from(first);
                i64::try_from(ticks * 100 / 9 + begins.as_micros() as i128).unwrap_or_default()
            }
        };
        // Text needs a blank line between the two; boxes, which begin with their size, need nothing.
        let between = if header.is_empty() || header.starts_with(b"\0") { "" } else { "\n\n" };
        let segment = [&header[..], between.as_bytes(), &bytes[..]].concat();
        captions.push(&segment, at, place).map_err(|error| {
            let message = format!("segment {} (sequence {}): {error}", planned.number, planned.sequence);
            step.unfit(number, "subtitles.unreadable", &message)
        })?;
    }
    // What stands behind the last unit, if anything, is found here.
    while !source.next()?.is_empty() {}
    if captions.aligned() > 0 {
        let label = step.label(number);
        let message = format!(
            "{label}: nothing says when its cues are (X-TIMESTAMP-MAP): they count from the begin of the film"
        );
        told.warn("subtitles", message);
    }
    let label = step.label(number);
    if let Some(by) = captions.move_by_hours() {
        let hours = by.as_secs() / 3600;
        let message =
            format!("{label}: all cues are behind the end of the film, and count {hours} h less now");
        told.warn("subtitles", message);
    }
    let count = |n: u64| if n == 1 { "1 cue".to_owned() } else { format!("{n} cues") };
    if captions.unreadable() > 0 {
        let cues = count(captions.unreadable());
        told.misses(&step.missing, format!("{cues} of {label}"), "not readable");
    }
    let left_out = if is_film { captions.cut_to_film() } else { 0 };
    if left_out > 0 {
        let cues = count(left_out as u64);
        told.misses(
            &step.missing,
            format!("{cues} of {label}"),
            "more than a minute behind the end of the film",
        );
    }
    if captions.behind_film() > 0 {
        let cues = count(captions.behind_film() as u64);
        told.warn("subtitles", format!("{label}: {cues} behind the end of the film"));
    }
    Ok(captions)
}
