//! The bytes of a track under the name of an output, beside others that are made of theirs.

use hls_state::Placed;

use super::source::Source;
use super::{Product, Step, Told, placed};
use crate::error::Error;

pub(super) fn make(
    step: &Step,
    product: &Product,
    all: &[Vec<Placed>],
    write: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    told: &mut Told<'_>,
) -> Result<(), Error> {
    for number in product.tracks.iter().copied() {
        let Some(path) = step.making.tracks().get(number) else { continue };
        let mut source = Source::open(path, placed(all, number))?;
        loop {
            let bytes = source.next()?;
            if bytes.is_empty() {
                break;
            }
            told.read(bytes.len())?;
            write(bytes)?;
        }
    }
    Ok(())
}
