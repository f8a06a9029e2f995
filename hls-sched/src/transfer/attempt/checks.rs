//! What all units of a track have to agree on.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock, PoisonError};

use hls_media::remux::Admission;
use hls_media::{Configuration, Container, Odd, Summary};
use tokio::sync::{Notify, OnceCell};

use super::digests::Digests;
use crate::error::{Error, Kind};
use crate::place::Place;
use crate::policy::plan::{Track, Unit};
use crate::transfer::pipeline::Whole;
use crate::transfer::remuxed::{Agreed, refused};

/// Columns and rows of pictures.
type Size = (u32, u32);

/// Of more timelines no size is remembered.
const MOST_TIMELINES: usize = 4096;

/// What all units of a track have to agree on.
#[derive(Debug)]
pub(crate) struct TrackChecks {
    /// The container that the name of the output promises; `None`: the bytes as they come.
    pub(crate) container: Option<Container>,
    /// The output is the bytes of the track, one behind the other.
    pub(super) is_joined: bool,
    /// That of its first initialisation section.
    pub(crate) configuration: OnceLock<Configuration>,
    /// The first initialization section that came.
    pub(super) section: OnceLock<Vec<u8>>,
    /// It has been asked for again, because of segments that may be odd only by it.
    section_is_asked: OnceLock<()>,
    list_is_loaded: OnceLock<()>,
    /// The brand of the first segment that came, and its version.
    brand: OnceLock<[u8; 8]>,
    /// Timelines with a segment whose pictures are of the size that the multivariant playlist says.
    sized: Mutex<HashSet<Option<u64>>>,
    size_is_asked: OnceLock<()>,
    /// Segments have come that are what the name of the output promises.
    fits: OnceLock<()>,
    /// Told when the configuration is known.
    pub(super) known: Notify,
    /// The configuration that was fetched for a segment that came first, or `None` where it could not be fetched.
    pub(super) foreseen: OnceCell<Option<Configuration>>,
    /// What the digests that the server sends have turned out to be.
    pub(super) digests: Digests,
    pub(crate) pieces: Agreed,
}

impl TrackChecks {
    /// `is_joined`: the output is the bytes of the track, so all of them need the same configuration.
    pub(crate) fn new(container: Option<Container>, is_joined: bool) -> Self {
        Self {
            container,
            is_joined,
            configuration: OnceLock::new(),
            section: OnceLock::new(),
            section_is_asked: OnceLock::new(),
            list_is_loaded: OnceLock::new(),
            brand: OnceLock::new(),
            sized: Mutex::default(),
            size_is_asked: OnceLock::new(),
            fits: OnceLock::new(),
            known: Notify::new(),
            foreseen: OnceCell::new(),
            digests: Digests::default(),
            pieces: Agreed::default(),
        }
    }

    /// Whether the initialization section that came may be asked for again: once.
    pub(super) fn may_ask(&self) -> bool {
        self.section.get().is_some() && self.section_is_asked.set(()).is_ok()
    }

    /// Compares the size of the pictures of a segment of a timeline with the one that the multivariant playlist says. `None`: one of
    /// them is not known, or they are the same. Else tells whether another segment of the timeline is of that size.
    pub(super) fn has_other_size(
        &self,
        timeline: Option<u64>,
        said: Option<Size>,
        found: Option<Size>,
    ) -> Option<bool> {
        let is_same = said? == found?;
        let mut sized = self.sized.lock().unwrap_or_else(PoisonError::into_inner);
        if is_same && sized.len() < MOST_TIMELINES {
            sized.insert(timeline);
        }
        (!is_same).then(|| sized.contains(&timeline))
    }

    /// Tells whether the playlist of the track may be loaded again because of the size of its pictures: once.
    pub(super) fn may_ask_for_size(&self) -> bool {
        self.size_is_asked.set(()).is_ok()
    }

    /// Tells whether the playlist of the track may be loaded again: once.
    pub(super) fn may_load_list(&self) -> bool {
        self.list_is_loaded.set(()).is_ok()
    }

    /// Whether the initialization section is another one than the segments before it were judged by.
    pub(super) fn is_other_than_foreseen(&self) -> bool {
        let foreseen = self.foreseen.get().and_then(Option::as_ref);
        foreseen.zip(self.configuration.get()).is_some_and(|(foreseen, came)| foreseen != came)
    }

    /// Whether several initialization sections have to set up the same.
    pub(super) fn is_one(&self, track: &Track) -> bool {
        self.container.is_some() && self.is_joined && track.has_several_inits()
    }

    /// Whether a segment is in clear, and can stand where it does.
    ///
    /// # Errors
    /// It was deciphered with another vector than it was enciphered with, is scrambled, or does not end where it ends.
    pub(super) fn is_legible(
        &self,
        (place, track): (Place, &Track),
        (name, unit): (&str, &Unit),
        summary: &Summary,
    ) -> Result<(), Error> {
        let damaged = |what: &str| Error::content("content.damaged", format!("{name}: {what}"));
        let has = |wanted| summary.oddities.iter().any(|oddity| oddity.odd == wanted);
        // One packet may be damaged.
        if summary.oddities.iter().any(|oddity| oddity.odd == Odd::Scrambled && oddity.count > 1) {
            return Err(damaged("packets say that they are scrambled"));
        }
        let is_last = unit.live.is_none() && place.index.saturating_add(1) >= track.units();
        if has(Odd::Open) && !is_last {
            return Err(damaged("a box goes on to the end of the file, whatever comes behind it"));
        }
        if unit.cipher.is_none() {
            return Ok(());
        }
        let other_vector =
            |what: &str| damaged(what).why("most likely the initialization vector is another one");
        if has(Odd::Table) {
            return Err(other_vector("a table has a wrong checksum after decryption"));
        }
        if has(Odd::Id3) {
            return Err(other_vector("its ID3 tag does not hold together after decryption"));
        }
        let Some(brand) = summary.brand() else { return Ok(()) };
        let (first, [name @ .., _, _, _, _]) = (self.brand.get_or_init(|| brand), brand);
        let is_name = name.iter().all(|byte| (b' '..=b'~').contains(byte));
        // What differs is the brand, or the version of the same brand.
        match !is_name || first.starts_with(&name) && *first != brand {
            true => Err(other_vector("its brand is another one than that of the others after decryption")),
            false => Ok(()),
        }
    }

    pub(super) fn judge(&self, track: &Track, unit: &Unit, whole: &Whole) -> Result<(), Error> {
        let found = whole.summary.container;
        if !unit.is_init && whole.summary.kind == hls_media::Kind::Init {
            let message = format!("{} is an initialization section and holds no media", track.name(unit));
            return Err(Error::content("content.not_media", message)
                .at(format!("GET {}", hls_fetch::redacted(&unit.url))));
        }
        if unit.is_init && found == Container::Fmp4 && whole.summary.kind == hls_media::Kind::Media {
            let message = format!("{} is none: it has no moov box", track.name(unit));
            return Err(Error::content("content.not_media", message)
                .at(format!("GET {}", hls_fetch::redacted(&unit.url))));
        }
        if let Some(promised) =
            self.container.filter(|promised| *promised != found && whole.summary.bytes > 0)
        {
            let error = match self.fits.get() {
                Some(()) => container_changes(&track.name(unit), promised, found),
                None => other_container(&track.name(unit), promised, found),
            };
            return Err(error.at(format!("GET {}", hls_fetch::redacted(&unit.url))));
        }
        if self.container == Some(found) && !unit.is_init {
            let _ = self.fits.set(());
        }
        if let Some(seen) = whole.seen.as_ref().filter(|_| track.mp4.is_some()) {
            let at = |error: Error| error.at(format!("GET {}", hls_fetch::redacted(&unit.url)));
            self.pieces.agree(&track.name(unit), seen).map_err(at)?;
        }
        // Tables of a transport stream set up nothing that could change.
        if !unit.is_init || found != Container::Fmp4 {
            return Ok(());
        }
        let name = track.name(unit);
        let at = |error: Error| error.at(format!("GET {}", hls_fetch::redacted(&unit.url)));
        let admission = Admission::new(track.mp4);
        let first = self.section.get_or_init(|| whole.copy.clone());
        let agrees = || if track.mp4.is_some() { admission.agree(first, &whole.copy) } else { Ok(()) };
        admission.init(&whole.copy).and_then(|()| agrees()).map_err(|error| at(refused(&name, &error)))?;
        let has_to_agree = self.is_one(track);
        let configuration = match Configuration::from_init(&whole.copy) {
            Ok(configuration) => configuration,
            Err(_) if !has_to_agree => return Ok(()),
            Err(e) => {
                return Err(Error::content("content.damaged", format!("{}: {e}", track.name(unit))));
            }
        };
        let first = self.configuration.get_or_init(|| configuration.clone());
        self.known.notify_waiters();
        if !has_to_agree || *first == configuration {
            return Ok(());
        }
        Err(Error::new(
            Kind::Playlist,
            "init.changed",
            "the codec configuration changes in the middle of the stream",
        )
        .at(format!("GET {}", hls_fetch::redacted(&unit.url)))
        .why("parts with different configurations can't be joined in one file")
        .next("--format join writes the bytes as they come"))
    }
}

/// The code of a unit in another container than those before it.
pub(super) const OTHER_CONTAINER: &str = "content.other";

/// The first unit that came is in another container than the name of the output.
fn other_container(name: &str, promised: Container, found: Container) -> Error {
    let message = format!("{name} is {found}, and the name of the output promises {promised}");
    Error::new(Kind::Usage, "output.container", message)
        .next(format!("use a name that ends in .{}, or --format join", found.extension()))
}

/// A unit is in another container than those that came before it.
fn container_changes(name: &str, before: Container, found: Container) -> Error {
    Error::content(OTHER_CONTAINER, format!("{name} is {found}, and those before it are {before}"))
        .why("no player reads a file that changes its container in the middle")
        .next("--format join keeps the bytes as they come")
}
