//! Pieces of an MP4: whether what was made of a unit goes with the others, and where they begin.

use std::sync::OnceLock;

use hls_media::remux::{FilmFront, UnitTracks};
use hls_state::Fingerprint;

use crate::assemble::Place;
use crate::doubt::{Arrival, Doubts};
use crate::error::{Error, Kind};
use crate::pipeline::Whole;
use crate::plan::Track;

/// The code of an error: units can't be put into the output one by one.
pub(crate) const NOT_ALONE: &str = "remux.not_alone";

/// What all pieces of a track have to agree on.
#[derive(Debug, Default)]
pub(crate) struct Agreed {
    /// Their tracks.
    pub(crate) tracks: OnceLock<UnitTracks>,
    /// Units that no piece could be made of.
    unfit: Doubts,
}

impl Agreed {
    /// Whether the piece that was made of a unit goes with the others. Where a unit is none by itself, it may not be all of
    /// it; when the same comes again, it is.
    pub(crate) fn judge(&self, place: Place, name: &str, whole: &Whole) -> Result<(), Error> {
        let why = match &whole.piece {
            None => return Ok(()),
            Some(Ok(piece)) if *self.tracks.get_or_init(|| piece.tracks.clone()) == piece.tracks => {
                return Ok(());
            }
            Some(Ok(_)) => "its tracks are others than those before".to_owned(),
            Some(Err(error)) if self.unfit.note(place, Fingerprint(0)) == Arrival::First => {
                return Err(Error::content("content.damaged", format!("{name}: {error}")));
            }
            Some(Err(error)) => error.to_string(),
        };
        Err(Error::new(Kind::Internal, NOT_ALONE, format!("{name}: {why}")).finally())
    }
}

/// Where the pieces of a track begin, by the first of them.
pub(crate) fn begin_of(place: Place, track: &Track, whole: &Whole) -> Option<u64> {
    let (0, Some(Ok(piece))) = (place.index, &whole.piece) else { return None };
    let first = (piece.tables, track.unit(0)?.duration.as_secs_f64());
    Some(FilmFront::room(track.duration().as_secs_f64(), Some(first)))
}
