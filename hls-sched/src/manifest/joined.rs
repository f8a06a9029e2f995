//! Whether an output of the bytes as they came is right as a whole.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hls_media::{Joint, Problem};

use crate::error::{Error, Kind};

/// Enough for the boxes in front of the samples of most segments.
const PIECE: usize = 16 << 10;

/// Returns what is wrong with the outputs; where there are none, `written` has judged what went into a pipe.
pub(crate) async fn problems(outputs: Vec<PathBuf>, written: &Mutex<Joint>) -> Result<Vec<Problem>, Error> {
    if outputs.is_empty() {
        return Ok(written.lock().unwrap_or_else(PoisonError::into_inner).problems());
    }
    let all = tokio::task::spawn_blocking(move || {
        let each = outputs
            .iter()
            .map(|path| of_file(path).map_err(|e| hls_state::Error::from_io("can't read", path, e).into()));
        each.collect::<Result<Vec<_>, Error>>().map(|all| all.concat())
    });
    all.await.map_err(|_| Error::new(Kind::Internal, "internal", "the outputs could not be judged"))?
}

/// Reads what is around the samples, and passes over these.
fn of_file(path: &Path) -> std::io::Result<Vec<Problem>> {
    let mut file = hls_state::open_to_read(path)?;
    let (mut joint, mut buffer) = (Joint::new(), vec![0; PIECE]);
    let mut left = file.metadata()?.len();
    while left > 0 {
        let passed = joint.pass_over(left);
        left -= passed;
        file.seek(SeekFrom::Current(i64::try_from(passed).unwrap_or(i64::MAX)))?;
        let got = file.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        joint.push(buffer.get(..got).unwrap_or_default());
        left = left.saturating_sub(got as u64);
    }
    Ok(joint.problems())
}
