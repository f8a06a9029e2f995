//! One MP4 of many things. The judge is ffmpeg: what it decodes has to be the same before and after.

mod decoded;
mod film;
mod hostile;
mod made;
mod matrix;
mod packets;
mod splices;
mod structure;
mod subtitles;

use std::time::Duration;

use hls_media::remux::{Index, Input, RemuxError, Remuxer, Report, Step, TextTrack, Timeline, Unit};

/// What comes out of a remux.
pub(super) struct Output {
    pub(super) mp4: Vec<u8>,
    pub(super) report: Report,
    pub(super) timeline: Timeline,
}

/// Remuxes inputs, pushed in pieces of a length that fits nothing.
pub(super) fn remux(inputs: &[(Input, &[u8])], texts: &[TextTrack]) -> Result<Output, RemuxError> {
    const PIECE: usize = 50_021;
    let mut indexed = Vec::new();
    for (input, bytes) in inputs {
        let mut index = Index::new(input.clone());
        for piece in bytes.chunks(PIECE) {
            index.push(piece)?;
        }
        indexed.push(index.finish()?);
    }
    let timeline = Timeline::new(&indexed);
    let mut remuxer = Remuxer::new(indexed, texts)?;
    let mut pieces = inputs.iter().map(|(_, bytes)| bytes.chunks(PIECE / 2)).collect::<Vec<_>>();
    let mut mp4 = Vec::new();
    loop {
        match remuxer.step()? {
            Step::Write(bytes) => mp4.extend_from_slice(bytes),
            Step::Read(input) => match pieces[input].next() {
                Some(piece) => remuxer.push(input, piece)?,
                None => remuxer.end(input)?,
            },
            Step::Done => break,
        }
    }
    assert_eq!(mp4.len() as u64, remuxer.len(), "the length that was foretold");
    let output = Output { mp4, report: remuxer.report().clone(), timeline };
    if let [(input, bytes)] = inputs {
        film::check(input, bytes, texts, &output);
    }
    Ok(output)
}

/// A unit of four seconds.
pub(super) fn unit(offset: usize, timeline: u64) -> Unit {
    Unit { offset: offset as u64, duration: Duration::from_secs(4), timeline, ..Unit::default() }
}

/// Remuxes one input of which nothing is known.
pub(super) fn remux_one(bytes: &[u8]) -> Output {
    remux(&[(Input::default(), bytes)], &[]).expect("it can be remuxed")
}
