//! The first pass over a track: where its samples are, and when.

use hls_media::remux::{Index, Indexed};

use super::ahead::input;
use super::source::Source;
use super::{Step, Told, units};
use crate::error::{Error, Kind};

/// Reads all of a track, whose chapters are taken where it `is_first`; but where that was done while it grew.
pub(super) fn index(
    step: &Step,
    (number, is_first): (usize, bool),
    source: &mut Source<'_>,
    told: &mut Told<'_>,
) -> Result<Indexed, Error> {
    let (Some(track), Some(about)) = (step.tracks.0.get(number), step.abouts.get(number)) else {
        return Err(Error::new(Kind::Internal, "internal", "a track is missing"));
    };
    let refused = |error| step.refused(number, &error);
    let units = units::units(track, source.placed, is_first);
    if let Some(index) = told.take_index(number)
        && let Some(indexed) = index.finish_with(units.clone()).map_err(refused)?
    {
        told.spared(source.len());
        return Ok(indexed);
    }
    let mut index = Index::new(input(about, units));
    loop {
        let bytes = source.next()?;
        if bytes.is_empty() {
            return index.finish().map_err(refused);
        }
        told.read(bytes.len())?;
        index.push(bytes).map_err(refused)?;
    }
}
