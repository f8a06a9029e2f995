//! Room on the disk: whether a job may begin, and whether it may go on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::size::Size;

/// The disk fills by seconds, not by milliseconds, and looking may ask a server.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether what is still to come fits, beside what is to be kept free.
///
/// `keep` is what was asked for: `Some(0)` says that nobody wants to be held back by an estimate.
pub(crate) fn may_begin(need: Option<u64>, free: Option<u64>, keep: Option<u64>) -> Result<(), Error> {
    let (Some(need), Some(free)) = (need, free) else { return Ok(()) };
    let reserve = keep.unwrap_or_default();
    if keep == Some(0) || free >= need.saturating_add(reserve) {
        return Ok(());
    }
    let beside = match reserve {
        0 => String::new(),
        _ => format!(", and {} are to stay free", Size(reserve)),
    };
    Err(Error::new(Kind::Full, "disk.full", "the disk has no room for this download")
        .why(format!("{}{beside}", balance(Some(need), Some(free))))
        .next("free some space; or add --keep-free 0 to begin anyway: a full disk loses nothing"))
}

/// Whether as much is free as was asked for.
pub(crate) fn may_go_on(need: Option<u64>, free: Option<u64>, keep: u64) -> Result<(), Error> {
    match free {
        Some(free) if free < keep => {
            let message = format!("less than {} are free, which --keep-free holds back", Size(keep));
            Err(Error::new(Kind::Full, "disk.full", message)
                .why(balance(need, Some(free)))
                .next("free some space and run the same command again"))
        }
        _ => Ok(()),
    }
}

/// What is needed and what there is, in words.
pub(crate) fn balance(need: Option<u64>, free: Option<u64>) -> String {
    let need = need.map(|need| format!("about {} more are needed", Size(need)));
    let free = free.map(|free| format!("{} are free", Size(free)));
    let known: Vec<_> = need.into_iter().chain(free).collect();
    known.join(", ")
}

/// How far a job is, in segments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Verified, with their bytes.
    pub(crate) verified: (u64, u64),
    /// On the disk under a record or a name of their own.
    pub(crate) saved: u64,
    pub(crate) all: u64,
}

/// About how many bytes are still to be written: by the segments that came, else by what the playlist says.
pub(crate) fn still_needed(estimate: Option<u64>, extent: Extent) -> Option<u64> {
    let (segments, bytes) = extent.verified;
    let left = extent.all.saturating_sub(extent.saved);
    bytes.checked_div(segments).map(|each| each.saturating_mul(left)).or(estimate)
}

/// Free space where an output grows; `None` where the system does not say.
pub(crate) fn free_beside(output: &Path) -> Option<u64> {
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    hls_state::free_space(folder.unwrap_or(Path::new(".")))
}

/// Looks at the free space from time to time.
#[derive(Debug)]
pub(crate) struct Watch {
    output: PathBuf,
    keep: u64,
    next: Option<Instant>,
}

impl Watch {
    /// `None` where nobody asked for it, or where nothing is written to a disk.
    pub(crate) fn new(output: Option<&PathBuf>, keep: Option<u64>) -> Option<Self> {
        let keep = keep.filter(|keep| *keep > 0)?;
        Some(Self { output: output?.clone(), keep, next: None })
    }

    /// Of what is free, `kept` bytes more are for later.
    pub(crate) fn look(&mut self, now: Instant, need: Option<u64>, kept: u64) -> Result<(), Error> {
        if self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        self.next = Some(now + LOOK_EVERY);
        may_go_on(need, free_beside(&self.output), self.keep.saturating_add(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_begins_where_it_fits() {
        for (need, free, keep, expect) in [
            (Some(10), Some(10), None, true),
            (Some(11), Some(10), None, false),
            (Some(11), Some(10), Some(0), true),
            (Some(5), Some(10), Some(5), true),
            (Some(5), Some(10), Some(6), false),
            (Some(u64::MAX), Some(10), Some(u64::MAX), false),
            (None, Some(10), None, true),
            (Some(11), None, None, true),
        ] {
            let got = may_begin(need, free, keep);
            assert_eq!(got.is_ok(), expect, "{need:?} of {free:?}, {keep:?} kept");
            if let Err(error) = got {
                assert_eq!(error.kind(), Kind::Full);
                assert!(error.reason().unwrap().contains("10 B are free"), "{:?}", error.reason());
                assert!(error.advice().unwrap().contains("--keep-free 0"));
            }
        }
    }

    #[test]
    fn a_job_goes_on_while_enough_is_free() {
        for (free, keep, expect) in [(Some(10), 10, true), (Some(9), 10, false), (None, 10, true)] {
            assert_eq!(may_go_on(None, free, keep).is_ok(), expect, "{free:?} of {keep}");
        }
    }

    #[test]
    fn what_is_needed_is_told_by_what_came_or_by_the_playlist() {
        for (estimate, verified, saved, expect) in [
            (None, (0, 0), 0, None),
            (Some(100), (0, 0), 0, Some(100)),
            (None, (4, 40), 4, Some(60)),
            // What came is in memory, and has to be had again.
            (Some(30), (4, 40), 1, Some(90)),
            (Some(30), (10, 100), 10, Some(0)),
        ] {
            let got = still_needed(estimate, Extent { verified, saved, all: 10 });
            assert_eq!(got, expect, "{estimate:?} {verified:?} {saved}");
        }
    }
}
