//! Which jobs of a folder are not finished, and how far they are: read without changing anything.

use std::path::{Path, PathBuf};

use crate::error::Context as _;
use crate::lock::Lock;
use crate::log::Log;
use crate::memo::{Expected, Memo};
use crate::record::Record;
use crate::segment::parse_name;
use crate::{Error, Kind, Layout, recover};

/// A job that is not finished.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unfinished {
    /// The main output.
    pub output: PathBuf,
    /// What can be done with it.
    pub condition: Condition,
    /// Segments that are there; units where nothing tells the two apart.
    pub segments: u64,
    /// Bytes of whole units that are there.
    pub bytes: u64,
    /// Segments that an earlier run could not have, and left out.
    pub gaps: u64,
    /// What the runs so far have kept for whoever lists jobs.
    pub memo: Option<Memo>,
}

/// What can be done with an unfinished job.
#[derive(Debug)]
#[non_exhaustive]
pub enum Condition {
    /// It can go on.
    Waiting,
    /// A process works on it.
    Running {
        /// Its process id, where it could be read.
        pid: Option<u32>,
    },
    /// All its bytes are there: what is left is giving the outputs their names, and cleaning up.
    Complete {
        /// The main output has its name, and so has every other.
        is_named: bool,
    },
    /// It is of a newer version, or can't be read.
    Unreadable(Error),
}

impl Unfinished {
    /// Segments in all, where it is known.
    #[must_use]
    pub fn segments_in_all(&self) -> Option<u64> {
        let outputs = self.memo.as_ref().map(|memo| &memo.outputs).filter(|outputs| !outputs.is_empty())?;
        Some(outputs.iter().map(Expected::segments).sum())
    }

    /// About how many bytes are still to come, where it can be told.
    #[must_use]
    pub fn bytes_left(&self) -> Option<u64> {
        let estimates = self.memo.as_ref()?.outputs.iter().map(|o| o.estimated_bytes);
        let estimated = estimates.sum::<Option<u64>>().map(|all| all.saturating_sub(self.bytes));
        let left = self.segments_in_all()?.saturating_sub(self.segments);
        if left == 0 {
            return Some(0);
        }
        // What is there tells more than what a playlist promised.
        let by_average = u128::from(self.bytes) * u128::from(left) / u128::from(self.segments.max(1));
        if self.segments > 0 { u64::try_from(by_average).ok() } else { estimated }
    }
}

/// The unfinished jobs of a folder, in the order of their names.
///
/// # Errors
/// The folder can't be read. A job that can't be read is among the jobs, with the reason.
pub fn survey(folder: &Path) -> Result<Vec<Unfinished>, Error> {
    let mut jobs = Vec::new();
    for entry in std::fs::read_dir(folder).at("can't read", folder)? {
        let path = entry.at("can't read", folder)?.path();
        if path.extension().is_some_and(|e| e == "hls") {
            jobs.extend(unfinished(&path.with_extension("")));
        }
    }
    jobs.sort_by(|a, b| a.output.cmp(&b.output));
    Ok(jobs)
}

/// The unfinished job of an output, if there is one.
#[must_use]
pub fn unfinished(output: &Path) -> Option<Unfinished> {
    let layout = Layout::new(vec![output.to_owned()])?;
    let is_folder = std::fs::symlink_metadata(layout.folder()).is_ok_and(|m| m.is_dir());
    let says_something = || {
        let logged = layout.log().exists() || layout.gapped_log().exists();
        let kept = logged || layout.memo().exists() || layout.part(0).exists();
        kept || waiting(&layout).next().is_some()
    };
    // A lock that nobody has is what a kill at the very beginning, or the very end, has left.
    if !is_folder || !(says_something() || Lock::probe(&layout.lock()).is_err()) {
        return None;
    }
    let mut job = Unfinished {
        output: output.to_owned(),
        condition: Condition::Waiting,
        segments: 0,
        bytes: 0,
        gaps: 0,
        memo: None,
    };
    if let Err(error) = look(&layout, &mut job) {
        job.condition = Condition::Unreadable(error);
    }
    Some(job)
}

fn look(layout: &Layout, job: &mut Unfinished) -> Result<(), Error> {
    let mut records = Log::read(&layout.log())?.records;
    if records.is_empty() {
        // The outputs have their names, and lack segments that a later run may have.
        records = Log::read(&layout.gapped_log())?.records;
    }
    job.memo = Memo::read(layout)?;
    if records.iter().any(|record| matches!(record, Record::Complete(_))) {
        let is_named = !layout.part(0).exists() && job.output.exists();
        job.condition = Condition::Complete { is_named };
    }
    if let Err(error) = Lock::probe(&layout.lock())
        && let Kind::InUse { pid } = error.kind()
    {
        job.condition = Condition::Running { pid };
    }
    let expected = job.memo.as_ref().map(|memo| memo.outputs.as_slice()).unwrap_or_default();
    let counts = |output: usize, index: u64| expected.get(output).is_none_or(|e| e.counts(index));
    let outputs = recover::claims(&records, usize::from(u8::MAX) + 1);
    for (n, placed) in outputs.iter().enumerate() {
        job.segments += placed.iter().filter(|p| !p.is_gap() && counts(n, p.index)).count() as u64;
        job.gaps += placed.iter().filter(|p| p.is_gap()).count() as u64;
        job.bytes += placed.iter().map(|placed| placed.len).sum::<u64>();
    }
    for (unit, len) in waiting(layout) {
        let written = outputs.get(usize::from(unit.output)).map_or(0, Vec::len) as u64;
        if unit.index >= written {
            job.segments += u64::from(counts(usize::from(unit.output), unit.index));
            job.bytes += len;
        }
    }
    Ok(())
}

/// The units that wait on disk, by their names.
fn waiting(layout: &Layout) -> impl Iterator<Item = (crate::Unit, u64)> {
    let entries = std::fs::read_dir(layout.folder()).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| {
        let (unit, len, _) = parse_name(entry.file_name().to_str()?)?;
        Some((unit, len))
    })
}
