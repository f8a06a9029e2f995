//! Digests that servers send beside segments, against the bytes that came.
//!
//! Where a segment comes twice with the same bytes and a digest of other ones, either it is damaged where the server has it, or the
//! server sends digests of something else, such as of the file before it was packaged. Another segment of the track tells.

use super::judge::is_another;
use super::sink::Nowhere;
use super::{Shared, TrackChecks, Way};
use crate::assemble::Place;
use crate::doubt::{STARTS_OVER, WAS_ANOTHER};
use crate::error::Error;
use crate::pipeline::Whole;
use crate::plan::{Track, Unit};

/// What the digests of a track have turned out to be.
#[derive(Debug)]
pub(super) enum Digests {
    /// One was that of what came.
    Right,
    /// That of this segment was not, nor that of another one.
    Wrong(String),
}

impl Shared {
    /// Takes note of a segment whose digest is that of its bytes.
    ///
    /// # Errors
    /// One that was kept before had another digest, because it looked as if none was right.
    pub(super) fn has_right_digest(checks: &TrackChecks, unit: &Unit) -> Result<(), Error> {
        let _ = checks.digests.set(Digests::Right);
        match checks.digests.get() {
            Some(Digests::Wrong(name)) if unit.live.is_none() => {
                Err(Error::content(WAS_ANOTHER, message(name))
                    .why("other segments have their digests, and it is in the output")
                    .next(STARTS_OVER)
                    .finally())
            }
            _ => Ok(()),
        }
    }

    /// Refuses a unit that does not have its digest, where others have theirs.
    ///
    /// # Errors
    /// Its bytes are damaged. Another attempt may bring the right ones.
    pub(super) fn refuses_wrong_digest(checks: &TrackChecks, name: &str) -> Result<(), Error> {
        match checks.digests.get() {
            Some(Digests::Right) => Err(contradicts(name)),
            Some(Digests::Wrong(_)) | None => Ok(()),
        }
    }

    /// Fetches an initialization section again that does not have its digest.
    ///
    /// # Errors
    /// It is another one the second time, or damaged where the server has it.
    pub(super) async fn section_comes_again(
        &self,
        (place, track): (Place, &Track),
        unit: &Unit,
        whole: &Whole,
        (way, checks): (&Way, &TrackChecks),
    ) -> Result<(), Error> {
        let name = track.name(unit);
        let now = self.again_for(track, unit, message(&name), way, &Nowhere).await?;
        match now.hash == whole.hash {
            true => self.has_wrong_digest((place, track), &name, checks).await,
            false => Err(is_another(track, unit)),
        }
    }

    /// Judges a unit that came twice with the same bytes, and with a digest that they do not have. Asks for another one where it is not
    /// known whether digests tell anything.
    ///
    /// # Errors
    /// Digests of others are right, so it is damaged where the server has it.
    pub(super) async fn has_wrong_digest(
        &self,
        (place, track): (Place, &Track),
        name: &str,
        checks: &TrackChecks,
    ) -> Result<(), Error> {
        let look = async {
            let near = [place.index.checked_add(1), place.index.checked_sub(1)];
            let near = near.into_iter().flatten().filter(|index| *index < track.units());
            let other =
                near.filter_map(|index| Some((index, track.unit(index)?))).find(|(_, unit)| !unit.is_gap);
            let Some((index, unit)) = other else { return Digests::Wrong(name.to_owned()) };
            // It is no try of the unit that is judged.
            match self.again_for(track, &unit, message(name), &Way::default(), &Nowhere).await {
                Ok(came) if came.has_digest == Some(true) => Digests::Right,
                Ok(came) => {
                    // When it comes in its turn, it is the second time.
                    self.doubts.note(Place { index, ..place }, came.hash);
                    Digests::Wrong(name.to_owned())
                }
                Err(_) => Digests::Wrong(name.to_owned()),
            }
        };
        checks.digests.get_or_init(|| look).await;
        Self::refuses_wrong_digest(checks, name)
    }
}

fn message(name: &str) -> String {
    format!("{name} does not have the digest that the server sends with it")
}

fn contradicts(name: &str) -> Error {
    Error::content("content.digest", message(name)).why("other segments have theirs, so it is damaged")
}
