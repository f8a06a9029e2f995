//! The first pass over tracks while they grow: what is in its output by now is read again and indexed, beside the download.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use hls_media::remux::{Index, Input, Unit};
use hls_state::{Fingerprint, Hasher, Placed};

use super::units;
use crate::policy::plan::{Track, Tracks};
use crate::prepare::About;
use crate::store::observer::Watch;

/// Reads in pieces of this size.
const PIECE: usize = 256 << 10;

/// Hears which units are in their outputs.
pub(crate) struct Told(Sender<Placed>);

/// A thread that indexes tracks.
pub(crate) struct Ahead {
    thread: JoinHandle<Vec<Option<Index>>>,
}

impl Ahead {
    /// Begins with what is there already. Tracks that are of no use to it have no path.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn start(
        tracks: &Arc<Tracks>,
        abouts: &[About],
        parts: Vec<Option<PathBuf>>,
        placed: &[Vec<Placed>],
    ) -> std::io::Result<(Told, Self)> {
        let lane = |((track, about), part): ((&Track, &About), Option<PathBuf>)| {
            part.map(|part| Lane::new(track, about, part))
        };
        let lanes = tracks.0.iter().zip(abouts).zip(parts).map(lane).collect::<Vec<_>>();
        let (to, told) = channel();
        for placed in placed.iter().flatten() {
            let _ = to.send(*placed);
        }
        let tracks = Arc::clone(tracks);
        let thread = std::thread::Builder::new()
            .name("hls-ahead".to_owned())
            .spawn(move || work(lanes, &tracks, &told))?;
        Ok((Told(to), Self { thread }))
    }

    /// Waits until all is indexed that was told of. Where something was not as it should be, the track has no index.
    pub(crate) fn finish(self) -> Vec<Option<Index>> {
        self.thread.join().unwrap_or_default()
    }
}

impl Watch for Told {
    fn placed(&mut self, placed: Placed) {
        let _ = self.0.send(placed);
    }
}

/// What the playlist knows of a track before its bytes come, as an input.
pub(super) fn input(about: &About, units: Vec<Unit>) -> Input {
    Input {
        units,
        language: about.language.clone(),
        name: about.name.clone(),
        is_default: about.is_default,
        codecs: about.codecs.clone(),
        takes: about.takes,
        may_lack: about.may_lack,
    }
}

fn work(mut lanes: Vec<Option<Lane>>, tracks: &Tracks, told: &Receiver<Placed>) -> Vec<Option<Index>> {
    for placed in told {
        let number = usize::from(placed.output);
        let (Some(slot), Some(track)) = (lanes.get_mut(number), tracks.0.get(number)) else { continue };
        if slot.as_mut().is_some_and(|lane| lane.take(track, &placed).is_none()) {
            *slot = None;
        }
    }
    lanes.into_iter().map(|lane| lane.map(|lane| lane.index)).collect()
}

/// A track.
struct Lane {
    index: Index,
    part: PathBuf,
    file: Option<File>,
    /// The unit that is next.
    next: u64,
    /// An initialization section has begun its unit.
    has_begun: bool,
    buffer: Vec<u8>,
}

impl Lane {
    fn new(track: &Track, about: &About, part: PathBuf) -> Self {
        let somewhere = |index| Placed {
            output: 0,
            index,
            identity: 0,
            offset: Unit::SOMEWHERE,
            len: 1,
            hash: Fingerprint(0),
        };
        let all = (0..track.units()).map(somewhere).collect::<Vec<_>>();
        let index = Index::new(input(about, units::units(track, &all, false)));
        Self { index, part, file: None, next: 0, has_begun: false, buffer: vec![0; PIECE] }
    }

    /// Indexes a unit. `None`: it is missing, or not what it was, or was there before.
    fn take(&mut self, track: &Track, placed: &Placed) -> Option<()> {
        if placed.index != self.next || placed.is_gap() {
            return None;
        }
        self.next += 1;
        let is_init = track.unit(placed.index)?.is_init;
        if !std::mem::replace(&mut self.has_begun, is_init) {
            self.index.begin_unit().ok()?;
        }
        if self.file.is_none() {
            self.file = Some(hls_state::open_to_read(&self.part).ok()?);
        }
        let file = self.file.as_mut()?;
        file.seek(SeekFrom::Start(placed.offset)).ok()?;
        let (mut hasher, mut left) = (Hasher::default(), placed.len);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let piece = self.buffer.get_mut(..most)?;
            file.read_exact(piece).ok()?;
            hasher.update(piece);
            self.index.push(piece).ok()?;
            left -= most as u64;
        }
        (hasher.finish() == placed.hash).then_some(())
    }
}
