//! Digests that servers send beside segments, against the bytes that came.
//!
//! Where a segment comes twice with the same bytes and a digest of other ones, either it is damaged where the server has it, or the
//! server sends digests of something else, such as of the file before it was packaged. Another segment of the same server tells.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use url::Position;

use super::judge::is_another;
use super::sink::Nowhere;
use super::{Shared, TrackChecks, Way};
use crate::error::Error;
use crate::place::Place;
use crate::policy::doubt::{STARTS_OVER, WAS_ANOTHER};
use crate::policy::plan::{Track, Unit};
use crate::transfer::pipeline::Whole;

/// Of more servers nothing is known.
const MOST_SERVERS: usize = 64;

/// What the digests of a track have turned out to be, by the server that sends them.
#[derive(Debug, Default)]
pub(super) struct Digests {
    known: Mutex<HashMap<String, Known>>,
    /// Held while another segment is fetched, for whoever else would need one.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
enum Known {
    /// One was that of what came.
    Right,
    /// That of this segment was not, and nothing else is known.
    Doubtful(String),
    /// Those of two segments were not.
    Wrong,
}

impl Digests {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, unit: &Unit) -> Option<Known> {
        self.all().get(server(unit)).cloned()
    }

    fn set(&self, unit: &Unit, known: Known) {
        let mut all = self.all();
        if all.len() < MOST_SERVERS || all.contains_key(server(unit)) {
            all.insert(server(unit).to_owned(), known);
        }
    }

    /// Tells whether digests from the server of a unit have been right, so that a wrong one shows damage.
    pub(super) fn are_right(&self, unit: &Unit) -> bool {
        matches!(self.of(unit), Some(Known::Right))
    }

    /// Takes note of a unit whose digest is that of its bytes.
    ///
    /// # Errors
    /// One that was kept before had another digest, and nothing was known of any other.
    pub(super) fn was_right(&self, unit: &Unit) -> Result<(), Error> {
        match self.of(unit) {
            Some(Known::Right | Known::Wrong) => Ok(()),
            None => {
                self.set(unit, Known::Right);
                Ok(())
            }
            Some(Known::Doubtful(name)) => {
                self.set(unit, Known::Right);
                // A recording keeps what it has.
                match unit.live {
                    Some(_) => Ok(()),
                    None => Err(Error::content(WAS_ANOTHER, message(&name))
                        .why("other segments have their digests, and it is in the output")
                        .next(STARTS_OVER)
                        .finally()),
                }
            }
        }
    }

    /// Refuses a unit that does not have its digest, where others have theirs.
    ///
    /// # Errors
    /// Its bytes are damaged. Another attempt may bring the right ones.
    pub(super) fn refuse(&self, unit: &Unit, name: &str) -> Result<(), Error> {
        match self.are_right(unit) {
            true => Err(Error::content("content.digest", message(name))
                .at(format!("GET {}", hls_fetch::redacted(&unit.url)))
                .why("other segments have theirs, so it is damaged")),
            false => Ok(()),
        }
    }
}

/// The scheme, host and port that a unit is fetched from.
fn server(unit: &Unit) -> &str {
    &unit.url[..Position::BeforePath]
}

impl Shared {
    /// Fetches a unit again that does not have its digest, and of which nothing else can be judged: an initialization section, or a
    /// segment of an I-frame playlist.
    ///
    /// # Errors
    /// It is another one the second time, or damaged where the server has it.
    pub(super) async fn comes_again(
        &self,
        (place, track): (Place, &Track),
        unit: &Unit,
        whole: &Whole,
        (way, checks): (&Way, &TrackChecks),
    ) -> Result<(), Error> {
        if matches!(checks.digests.of(unit), Some(Known::Wrong)) {
            return Ok(());
        }
        let now = self.again_for(track, unit, message(&track.name(unit)), way, &Nowhere).await?;
        match now.hash == whole.hash {
            true => self.has_wrong_digest((place, track), unit, checks).await,
            false => Err(is_another(track, unit)),
        }
    }

    /// Judges a unit that came twice with the same bytes, and with a digest that they do not have. Fetches another one where it is not
    /// known whether digests of its server tell anything.
    ///
    /// # Errors
    /// Digests of others are right, so it is damaged where the server has it.
    pub(super) async fn has_wrong_digest(
        &self,
        (place, track): (Place, &Track),
        unit: &Unit,
        checks: &TrackChecks,
    ) -> Result<(), Error> {
        let name = track.name(unit);
        let _turn = checks.digests.asking.lock().await;
        match checks.digests.of(unit) {
            Some(Known::Right | Known::Wrong) => {}
            Some(Known::Doubtful(other)) if other == name => {}
            Some(Known::Doubtful(_)) => checks.digests.set(unit, Known::Wrong),
            None => {
                let found = self.look_beside((place, track), unit).await;
                // A right one may have come meanwhile.
                if !checks.digests.are_right(unit) {
                    checks.digests.set(unit, found.unwrap_or(Known::Doubtful(name.clone())));
                }
            }
        }
        checks.digests.refuse(unit, &name)
    }

    /// Fetches the unit behind or before another one, whichever is of the same server and has a digest. `None`: neither is.
    async fn look_beside(&self, (place, track): (Place, &Track), unit: &Unit) -> Option<Known> {
        let near = [place.index.checked_add(1), place.index.checked_sub(1)];
        for index in near.into_iter().flatten().filter(|index| *index < track.units()) {
            let other = track.unit(index).filter(|other| !other.is_gap && server(other) == server(unit));
            let Some(other) = other else { continue };
            // It is no try of the unit that is judged.
            let message = message(&track.name(unit));
            let came = self.again_for(track, &other, message, &Way::default(), &Nowhere).await;
            match came.ok().and_then(|came| Some((came.has_digest?, came.hash))) {
                Some((true, _)) => return Some(Known::Right),
                Some((false, hash)) => {
                    // When it comes in its turn, it is the second time.
                    self.doubts.note(Place { index, ..place }, hash);
                    return Some(Known::Wrong);
                }
                None => {}
            }
        }
        None
    }

    /// Tells whether a unit that was fetched once more is damaged itself, by its digest.
    pub(super) fn is_damaged_by_digest(&self, place: Place, unit: &Unit, whole: &Whole) -> bool {
        let checks = self.checks.get(usize::from(place.track));
        whole.has_digest == Some(false) && checks.is_some_and(|checks| checks.digests.are_right(unit))
    }
}

fn message(name: &str) -> String {
    format!("{name} does not have the digest that the server sends with it")
}
