//! What an earlier run left beside the units that are in their outputs.

use std::collections::HashMap;

use crate::part::Part;
use crate::record::Record;
use crate::recover::Found;
use crate::segment::{Growing, Waiting};
use crate::{Error, Layout, Partial, Placed, Unit, recover};

/// Whole units beside the outputs, and units that another run can go on with.
pub(crate) struct NotWhole {
    pub(crate) found: Found,
    pub(crate) growing: HashMap<Unit, Growing>,
    pub(crate) partials: Vec<Partial>,
}

/// Finds the units that wait, in files or in outputs that have their names, and those that another run can go on with; cuts
/// off what is of no use.
pub(crate) fn not_whole(
    layout: &Layout,
    records: &[Record],
    claims: &[Vec<Placed>],
    in_outputs: Option<Vec<Waiting>>,
    parts: &mut [Part],
) -> Result<NotWhole, Error> {
    let folder = layout.folder();
    let mut marks = recover::marks(records, claims);
    let marked = marks.iter().map(|(unit, ..)| Growing::path(folder, unit)).collect::<Vec<_>>();
    let mut found = Found::in_folder(folder, claims, &marked)?;
    marks.retain(|(unit, ..)| found.waiting.iter().all(|w| w.unit != *unit));
    for unit in in_outputs.into_iter().flatten() {
        found.take(unit, claims);
    }
    let (mut growing, mut partials) = (HashMap::new(), Vec::new());
    for (unit, aside, mark) in marks {
        let Some(part) = parts.get(usize::from(unit.output)) else { continue };
        let (path, offset) = match aside {
            true => (Growing::path(folder, &unit), 0),
            false => (part.path.clone(), part.recorded_len()),
        };
        if aside {
            let Some(reopened) = Growing::reopen(folder, &unit, mark.len) else { continue };
            growing.insert(unit, reopened);
        } else if offset.checked_add(mark.len).is_none_or(|end| end > part.end) {
            continue;
        }
        partials.push(Partial { unit, aside, mark, path, offset });
    }
    for (part, n) in parts.iter_mut().zip(0..) {
        let begun = partials.iter().find(|p| p.unit.output == n && !p.aside).map_or(0, |p| p.mark.len);
        part.cut_leftovers(begun)?;
    }
    Ok(NotWhole { found, growing, partials })
}
