//! The first pass over a track: where its samples are, and when.

use hls_media::remux::{Index, Indexed, Input};

use super::source::Source;
use super::{Step, Told, units};
use crate::error::{Error, Kind};

/// Reads all of a track, whose chapters are taken where it `is_first`.
pub(super) fn index(
    step: &Step,
    (number, is_first): (usize, bool),
    source: &mut Source<'_>,
    told: &mut Told<'_>,
) -> Result<Indexed, Error> {
    let (Some(track), Some(about)) = (step.tracks.0.get(number), step.abouts.get(number)) else {
        return Err(Error::new(Kind::Internal, "internal", "a track is missing"));
    };
    let input = Input {
        units: units::units(track, source.placed, is_first),
        language: about.language.clone(),
        name: about.name.clone(),
        is_default: about.is_default,
        codecs: about.codecs.clone(),
        takes: about.takes,
    };
    let refused = |error| step.refused(number, &error);
    let mut index = Index::new(input);
    loop {
        let bytes = source.next()?;
        if bytes.is_empty() {
            return index.finish().map_err(refused);
        }
        told.read(bytes.len())?;
        index.push(bytes).map_err(refused)?;
    }
}
