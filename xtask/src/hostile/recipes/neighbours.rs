//! Several segments that follow one another, each with the bytes of another one at first: they fit one another, and not the rest.

use anyhow::Result;

use super::Verdict;
use super::lies::{Adts, Cmaf, Fmp4, Ts, another_rendition, times};
use crate::hostile::case::{Case, MORE};
use crate::hostile::run::Try;

/// Says which segments come in the place of which others.
fn places(t: &mut Try<'_>, n: usize) -> Result<Vec<(usize, usize)>> {
    let kinds =
        ["two swapped", "three in a circle", "a block", "one back from there on", "one ahead from there on"];
    let kind = t.pick("segments", &kinds)?;
    let at = |t: &mut Try<'_>, most: usize| t.number("from", 0..=most as u64) as usize;
    Ok(match kind {
        "two swapped" => {
            let at = at(t, n - 2);
            vec![(at, at + 1), (at + 1, at)]
        }
        "three in a circle" => {
            let at = at(t, n - 3);
            vec![(at, at + 1), (at + 1, at + 2), (at + 2, at)]
        }
        "a block" => {
            let len = t.number("so many", 2..=n as u64 / 3) as usize;
            let at = at(t, n - 2 * len);
            (at..at + len).map(|place| (place, place + len)).collect()
        }
        "one back from there on" => {
            let at = at(t, n - 2);
            (at + 1..n).map(|place| (place, place - 1)).collect()
        }
        _ => {
            let at = at(t, n - 2);
            (at..n - 1).map(|place| (place, place + 1)).collect()
        }
    })
}

/// Serves the bytes of other segments for several in a row, once for each.
pub(super) fn others(t: &mut Try<'_>) -> Result<Verdict> {
    let mut case = Case::draw(t, &[Ts, Fmp4, Cmaf, Adts], 8)?;
    let places = places(t, case.show.segments.len())?;
    // Each of them is asked for again, and so are those beside it.
    case.most += 4 * places.len() + MORE;
    for (place, by) in places {
        let told = case.show.with(place, case.show.segments[by].clone());
        let reply = case.manner.reply(told.served(place));
        case.origin.script(&case.published.segment_paths[place], [times(reply, 1)]);
    }
    let right = case.truth(t, &case.show)?;
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}

/// Serves another rendition for the first segments, once for each, so that they are usual before the right ones come.
pub(super) fn first_ones(t: &mut Try<'_>) -> Result<Verdict> {
    let mut case = Case::draw(t, &[Ts], 16)?;
    let n = t.number("so many", 1..=case.show.segments.len() as u64 / 5) as usize;
    case.most += 4 * n + MORE;
    for place in 0..n {
        let told = case.show.with(place, another_rendition(t, &case.show, place)?);
        let reply = case.manner.reply(told.served(place));
        case.origin.script(&case.published.segment_paths[place], [times(reply, 1)]);
    }
    let right = case.truth(t, &case.show)?;
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}
