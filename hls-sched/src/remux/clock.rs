//! When each timeline of a track begins and ends: its first and its last segment tell.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Seek as _, SeekFrom};

use hls_media::remux::{Index, Indexed};
use hls_state::{Hasher, Placed};

use super::ahead::input;
use super::source::{PIECE, damaged, failed};
use super::{Step, Told, units};
use crate::error::Error;
use crate::policy::plan::Track;

/// The times of a track. `None`, and a warning: they can't be told.
pub(super) fn index(
    step: &Step,
    number: usize,
    placed: &[Placed],
    told: &mut Told<'_>,
) -> Result<Option<Indexed>, Error> {
    let parts = (step.tracks.0.get(number), step.abouts.get(number), step.making.tracks().get(number));
    let (Some(track), Some(about), Some(path)) = parts else { return Ok(None) };
    let telling = telling(track, placed);
    told.spared(placed.last().map_or(0, |last| last.offset + last.len));
    let mut end = 0;
    let one_behind_the_other = telling.iter().map(|placed| {
        let offset = end;
        end += placed.len;
        Placed { offset, ..*placed }
    });
    let units = units::units(track, &one_behind_the_other.collect::<Vec<_>>(), false);
    let mut index = Index::new(input(about, units));
    let mut file = hls_state::open_to_read(path).map_err(|e| failed(path, e))?;
    let mut buffer = vec![0; PIECE];
    let mut wrong = None;
    for unit in &telling {
        file.seek(SeekFrom::Start(unit.offset)).map_err(|e| failed(path, e))?;
        let (mut hasher, mut left) = (Hasher::default(), unit.len);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = buffer.get_mut(..most).unwrap_or_default();
            file.read_exact(piece).map_err(|e| failed(path, e))?;
            hasher.update(piece);
            left -= most as u64;
            wrong = wrong.or_else(|| index.push(piece).err());
        }
        if hasher.finish() != unit.hash {
            return Err(damaged(path));
        }
    }
    let indexed = match wrong {
        None => index.finish(),
        Some(wrong) => Err(wrong),
    };
    if let Err(error) = &indexed {
        let message = format!(
            "when pictures and sound begin can't be told ({error}): the times of subtitles are those of their playlist"
        );
        told.warn("subtitles", message);
    }
    Ok(indexed.ok())
}

/// The first and the last segment of each timeline, with the sections they need.
fn telling(track: &Track, placed: &[Placed]) -> Vec<Placed> {
    let media = track.media();
    let mut ends = BTreeMap::new();
    for placed in placed.iter().filter(|placed| placed.len > 0) {
        if let Some(unit) = track.unit(placed.index).filter(|unit| !unit.is_init) {
            let (_, last) =
                ends.entry(units::timeline(&media, &unit)).or_insert((placed.index, placed.index));
            *last = placed.index;
        }
    }
    let ends = ends.into_values().flat_map(|(first, last)| [first, last]).collect::<BTreeSet<_>>();
    let (mut init, mut telling) = (None, Vec::new());
    for placed in placed.iter().filter(|placed| placed.len > 0) {
        match track.unit(placed.index) {
            Some(unit) if unit.is_init => init = Some(*placed),
            Some(_) if ends.contains(&placed.index) => {
                telling.extend(init.take().into_iter().chain([*placed]))
            }
            _ => {}
        }
    }
    telling
}
