//! What survives a kill: lock, log, segment files and final rename of a resumable job.
//!
//! A job writes one or more output files, each the concatenation of *units* in order. This crate keeps those bytes safe
//! while they arrive and finds them again after a crash. It knows nothing of what the units are.
//!
//! - [`DiskStore`] keeps a job on disk: `OUT.part` grows beside the output, `OUT.hls/` holds the lock, the log `written`,
//!   units that wait for their turn, and an index that may vanish.
//! - [`ResumeStore`] is the seam: what an engine asks of a store.
//! - [`survey`] says which jobs of a folder are not finished, and [`remove`] forgets one.
//! - [`Recovered`] says what an earlier run left. A job goes on with it at once, while all of it is hashed again; nothing is
//!   finished before that is through and whatever was found damaged has been had again.
//!
//! **Files are the truth.** A record in the log is a claim, checked against `OUT.part` in the next run; a segment
//! file's name is its own record. `docs/state-format.md` has the format.
//!
//! # Example
//! ```
//! use hls_state::{DiskStore, Fingerprint, Options, Placed, ResumeStore};
//! use std::io::IoSlice;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let output = folder.path().join("movie.ts");
//! let (mut store, recovered) = DiskStore::open(Options::new(vec![output.clone()]))?;
//! assert!(recovered.outputs[0].is_empty());
//!
//! store.write(0, 0, &[IoSlice::new(b"first unit")])?;
//! let hash = Fingerprint::of(b"first unit");
//! store.record(Placed { output: 0, index: 0, identity: 7, offset: 0, len: 10, hash })?;
//! store.finish()?;
//! assert_eq!(std::fs::read(output)?, b"first unit");
//! # Ok(())
//! # }
//! ```

mod beside;
mod check;
mod clean;
mod complete;
mod disk;
mod error;
mod fingerprint;
mod index;
mod layout;
mod lock;
mod log;
mod making;
mod memo;
mod options;
mod outputs;
mod part;
mod position;
mod record;
mod recover;
mod sealed;
mod segment;
mod store;
mod survey;
mod sync;
mod sys;
mod unfinished;

pub use beside::Beside;
pub use clean::{Removed, remove};
pub use disk::DiskStore;
pub use error::{Error, Kind};
pub use fingerprint::{Fingerprint, Hasher};
pub use index::is_index_thread;
pub use layout::Layout;
pub use making::{Growth, Made, Making};
pub use memo::{Ended, Expected, Memo};
pub use options::{Durability, Options};
pub use outputs::{probe, probe_part};
pub use position::Position;
pub use recover::{Aside, Partial, Recovered, notes_of};
pub use sealed::{Sealed, SealedReader, Sealing};
pub use store::{Checked, Mark, Placed, ResumeStore, Unit};
pub use survey::{Condition, Unfinished, survey, unfinished};
pub use sys::{free_space, open_to_read};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
