//! Days of live streams in which everything goes wrong, in virtual time: what the live clock and the window make of them, held
//! against what was there to be had.

mod oracle;
mod recorder;
mod story;

use std::time::Duration;

use oracle::Oracle;
pub(crate) use recorder::Hands;
use recorder::Recorder;
use story::Story;

/// What came of one stream.
pub(crate) struct Day {
    /// What it was, in words.
    pub(crate) what: String,
    /// Segments that some playlist told of, and those that every recorder could have had that looks as often as it may.
    pub(crate) told: usize,
    pub(crate) owed: usize,
    /// Segments that were had, and those said to be lost.
    pub(crate) had: usize,
    pub(crate) named: u64,
    pub(crate) looks: usize,
    /// What is wrong, in words.
    pub(crate) wrong: Vec<String>,
}

/// Follows the stream of this seed, and judges what came of it.
///
/// # Errors
/// What the stream says is no playlist, or tells of segments that there are none of.
pub(crate) fn day(seed: u64, lasts: Duration, hands: Hands) -> Result<Day, String> {
    let story = Story::of(seed, lasts);
    let oracle = Oracle::of(&story);
    let recorder = Recorder::follow(&story, &oracle, hands).map_err(|why| format!("seed {seed}: {why}"))?;
    let wrong = [oracle.missed(&recorder.had), recorder.wrong(&story, &oracle)].concat();
    Ok(Day {
        what: story.what,
        told: oracle.told,
        owed: oracle.owed.len(),
        had: recorder.had.len(),
        named: recorder.named,
        looks: recorder.looks.len(),
        wrong,
    })
}
