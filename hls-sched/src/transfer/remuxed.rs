//! Pieces of an MP4: whether what was made of a unit goes with the others, and where they begin.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use hls_media::remux::{FilmFront, RemuxError, UnitTracks};

use crate::error::{Error, Kind};
use crate::place::Place;
use crate::policy::plan::Track;
use crate::transfer::pipeline::{Piece, Whole};

/// The code of an error: units can't be put into the output one by one.
pub(crate) const NOT_ALONE: &str = "remux.not_alone";
/// Where no unit has become a piece and so many have not, none will.
const MOST_UNFIT: usize = 2;

/// What all pieces of a track have to agree on.
#[derive(Debug, Default)]
pub(crate) struct Agreed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Their tracks; `None`: there is no piece yet.
    tracks: Option<UnitTracks>,
    /// The tracks that units begin with, whatever becomes of them.
    seen: Option<UnitTracks>,
    /// Units that no piece can be made of: they are kept as they come.
    unfit: HashSet<u64>,
    /// Units that are being had, of which nothing is known yet.
    open: HashSet<u64>,
}

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// It is in the output as it was handed on.
    #[default]
    Handed,
    /// It has to be kept as it came, beside the pieces.
    AsItCame,
}

impl Agreed {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An earlier run has made pieces with these tracks.
    pub(crate) fn known(&self, tracks: UnitTracks) {
        self.state().tracks.get_or_insert(tracks);
    }

    /// A unit is being had.
    pub(crate) fn begins(&self, index: u64) {
        self.state().open.insert(index);
    }

    /// Whether what a unit has goes on with what others have.
    ///
    /// # Errors
    /// A track would have another codec.
    pub(crate) fn agree(&self, name: &str, seen: &UnitTracks) -> Result<(), Error> {
        let mut state = self.state();
        match &mut state.seen {
            Some(tracks) => tracks.join(seen).map_err(|error| refused(name, &error)),
            none => {
                *none = Some(seen.clone());
                Ok(())
            }
        }
    }

    /// What was judged of a unit is void: it is fetched again.
    pub(crate) fn forget(&self, place: Place) {
        self.state().unfit.remove(&place.index);
    }

    /// Whether a unit of the track may have to be kept as it comes.
    pub(crate) fn has_unfit(&self) -> bool {
        !self.state().unfit.is_empty()
    }

    /// Whether the piece that was made of a unit goes with the others.
    ///
    /// # Errors
    /// What the unit shows can't be in the output, or no unit can be put into it one by one.
    pub(crate) fn judge(
        &self,
        place: Place,
        name: &str,
        piece: Option<&Result<Piece, RemuxError>>,
    ) -> Result<Becomes, Error> {
        let mut state = self.state();
        state.open.remove(&place.index);
        let error = match piece {
            None => return Ok(Becomes::Handed),
            Some(Ok(piece)) => {
                let joined = match &mut state.tracks {
                    Some(tracks) => tracks.join(&piece.tracks),
                    none => {
                        *none = Some(piece.tracks.clone());
                        Ok(())
                    }
                };
                joined.map_err(|error| refused(name, &error))?;
                // What the next one begins with may belong to it.
                if state.unfit.contains(&(place.index + 1)) {
                    state.unfit.insert(place.index);
                    return Ok(Becomes::AsItCame);
                }
                return Ok(Becomes::Handed);
            }
            Some(Err(error)) if is_refusal(error) => return Err(refused(name, error)),
            Some(Err(error)) => error,
        };
        state.unfit.insert(place.index);
        let is_none_fit = state.tracks.is_none() && (place.index == 0 || state.unfit.len() >= MOST_UNFIT);
        // What it begins with may belong to the unit before. That is a piece already, of this run or an earlier one, unless it is
        // still to come.
        let is_to_come = |before: u64| state.open.contains(&before) || state.unfit.contains(&before);
        let is_late = place.index.checked_sub(1).is_some_and(|before| !is_to_come(before));
        if is_none_fit || is_late {
            return Err(Error::new(Kind::Internal, NOT_ALONE, format!("{name}: {error}")).finally());
        }
        Ok(Becomes::AsItCame)
    }
}

/// Whether nothing that comes later can make it right.
pub(crate) fn is_refusal(error: &RemuxError) -> bool {
    matches!(
        error,
        RemuxError::Encrypted { .. } | RemuxError::Unsupported { .. } | RemuxError::Changes { .. }
    )
}

/// What a unit shows that can't be in the output.
pub(crate) fn refused(name: &str, error: &RemuxError) -> Error {
    let message = format!("{name}: {error}");
    let made = match error {
        RemuxError::Encrypted { .. } => Error::new(Kind::Playlist, "media.encrypted", message)
            .why("the media are encrypted, and the playlist names no key for them")
            .next("take another variant, or a link that says how they are encrypted"),
        RemuxError::Changes { .. } => Error::new(Kind::Playlist, error.code(), message)
            .why("players expect a track of an MP4 to keep its codec")
            .next("--format join keeps the bytes as they come"),
        _ => Error::new(Kind::Playlist, error.code(), message)
            .why("no place for it in an MP4 is known here")
            .next("--format join keeps the bytes as they come; --allow-missing-tracks leaves out what an MP4 can't hold"),
    };
    made.finally()
}

/// Where the pieces of a track begin, by the first of them.
pub(crate) fn begin_of(place: Place, track: &Track, whole: &Whole) -> Option<u64> {
    let pieces = track.pieces.as_ref().filter(|_| place.index == 0)?;
    let Some(Ok(piece)) = &whole.piece else { return Some(pieces.room) };
    let first = (piece.tables, track.unit(0)?.duration.as_secs_f64());
    Some(FilmFront::room(track.duration().as_secs_f64(), Some(first)))
}
