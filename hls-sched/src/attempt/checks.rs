//! What all units of a track have to agree on.

use std::sync::OnceLock;

use hls_media::remux::Admission;
use hls_media::{Configuration, Container};
use tokio::sync::{Notify, OnceCell};

use crate::error::{Error, Kind};
use crate::piece::{Agreed, refused};
use crate::pipeline::Whole;
use crate::plan::{Track, Unit};

/// What all units of a track have to agree on.
#[derive(Debug)]
pub(crate) struct TrackChecks {
    /// The container that the name of the output promises; `None`: the bytes as they come.
    pub(crate) container: Option<Container>,
    /// Set once a unit of that container has come.
    is_as_promised: OnceLock<()>,
    /// The output is the bytes of the track, one behind the other.
    pub(super) is_joined: bool,
    /// That of its first initialisation section.
    pub(crate) configuration: OnceLock<Configuration>,
    /// The first initialization section that came.
    section: OnceLock<Vec<u8>>,
    /// Told when the configuration is known.
    pub(super) known: Notify,
    /// The configuration that was fetched for a segment that came first, or `None` where it could not be fetched.
    pub(super) foreseen: OnceCell<Option<Configuration>>,
    pub(crate) pieces: Agreed,
}

impl TrackChecks {
    /// `is_joined`: the output is the bytes of the track, so all of them need the same configuration.
    pub(crate) fn new(container: Option<Container>, is_joined: bool) -> Self {
        Self {
            container,
            is_as_promised: OnceLock::new(),
            is_joined,
            configuration: OnceLock::new(),
            section: OnceLock::new(),
            known: Notify::new(),
            foreseen: OnceCell::new(),
            pieces: Agreed::default(),
        }
    }

    /// Whether several initialization sections have to set up the same.
    pub(super) fn is_one(&self, track: &Track) -> bool {
        self.container.is_some() && self.is_joined && track.has_several_inits()
    }

    pub(super) fn judge(&self, track: &Track, unit: &Unit, whole: &Whole) -> Result<(), Error> {
        let found = whole.summary.container;
        if !unit.is_init && whole.summary.kind == hls_media::Kind::Init {
            let message = format!("{} is an initialization section and holds no media", track.name(unit));
            return Err(Error::content("content.not_media", message)
                .at(format!("GET {}", hls_fetch::redacted(&unit.url))));
        }
        if let Some(promised) =
            self.container.filter(|promised| *promised != found && whole.summary.bytes > 0)
        {
            let error = match self.is_as_promised.get() {
                Some(()) => container_changes(&track.name(unit), promised, found),
                None => other_container(&track.name(unit), promised, found),
            };
            return Err(error.at(format!("GET {}", hls_fetch::redacted(&unit.url))));
        }
        if whole.summary.bytes > 0 {
            self.is_as_promised.get_or_init(|| ());
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

/// The first unit that came is in another container than the name of the output.
fn other_container(name: &str, promised: Container, found: Container) -> Error {
    let message = format!("{name} is {found}, and the name of the output promises {promised}");
    Error::new(Kind::Usage, "output.container", message)
        .next(format!("use a name that ends in .{}, or --format join", found.extension()))
}

/// A unit is in another container than those that came before it.
fn container_changes(name: &str, before: Container, found: Container) -> Error {
    Error::new(
        Kind::Playlist,
        "output.changes",
        format!("{name} is {found}, and the stream began as {before}"),
    )
    .why("no player reads a file that changes its container in the middle")
    .next("--format join keeps the bytes as they come")
}
