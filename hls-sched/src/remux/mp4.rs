//! One MP4 of tracks: each is read twice, in order.

use hls_media::remux::{RemuxError, Remuxer, Step as Next, TextTrack, Timeline};
use hls_state::Placed;

use super::conveyor::{Reading, Writing};
use super::first_pass::index;
use super::source::Source;
use super::{Step, Told, captions, placed};
use crate::error::Error;
use crate::prepare::form::Product;

/// Writes an MP4.
pub(super) fn make(
    step: &Step,
    product: &Product,
    all: &[Vec<Placed>],
    write: &mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    told: &mut Told<'_>,
) -> Result<(), Error> {
    let is_text = |number: &usize| step.texts.get(*number).copied().unwrap_or(false);
    let (texts, numbers): (Vec<_>, Vec<_>) = product.tracks.iter().copied().partition(is_text);
    // Of a recording, all that was planned of a track may be missing.
    let has_any = |number: &usize| placed(all, *number).iter().any(|placed| !placed.is_gap());
    let some = numbers.iter().copied().filter(has_any).collect::<Vec<_>>();
    let numbers = if some.is_empty() { numbers } else { some };
    let mut sources = Vec::new();
    let mut inputs = Vec::new();
    for number in numbers.iter().copied() {
        let Some(path) = step.making.tracks().get(number) else { continue };
        let mut source = Source::open(path, placed(all, number))?;
        inputs.push(index(step, (number, numbers.first() == Some(&number)), &mut source, told)?);
        source.rewind()?;
        sources.push(source);
    }
    let timeline = Timeline::new(&inputs);
    let mut subtitles = Vec::new();
    for number in texts {
        let cues = captions::merged(step, number, all, (Some(&timeline), true), told)?.to_text();
        let about = step.abouts.get(number).cloned().unwrap_or_default();
        let (language, name, is_default) = (about.language, about.name, about.is_default);
        subtitles.push(TextTrack { language, name, is_default, cues });
    }
    let refused = |error: RemuxError| {
        let input = match error {
            RemuxError::Differs { input } => input,
            _ => 0,
        };
        step.refused(numbers.get(input).copied().unwrap_or_default(), &error)
    };
    let mut remuxer = Remuxer::new(inputs, &subtitles).map_err(refused)?;
    told.left_out(&step.missing, &remuxer.report().left_out);
    told.findings(step, &numbers, &remuxer.report().findings, remuxer.report().more);
    std::thread::scope(|scope| {
        let mut readings =
            sources.into_iter().map(|source| Reading::start(scope, source)).collect::<Vec<_>>();
        let mut writing = Writing::start(scope, write);
        loop {
            match remuxer.step().map_err(refused)? {
                Next::Write(bytes) => {
                    if !writing.take(bytes) {
                        return writing.end();
                    }
                }
                Next::Read(input) => {
                    let Some(reading) = readings.get_mut(input) else {
                        return Err(refused(RemuxError::Differs { input }));
                    };
                    match reading.next()? {
                        [] => remuxer.end(input).map_err(refused)?,
                        bytes => {
                            told.read(bytes.len())?;
                            remuxer.push(input, bytes).map_err(refused)?;
                        }
                    }
                }
                Next::Done => return writing.end(),
            }
        }
    })
}
