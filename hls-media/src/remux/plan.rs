//! What the output will be: its tracks, the order of its data, and where each piece is.

use std::time::Duration;

use super::{
    clock::{FLICKS, flicks, scaled, ticks},
    clocks::Decided,
    error::RemuxError,
    index::{Chunk, Indexed, in_flicks},
    report::{Finding, Irregularity, Report},
    sample::TrackInfo,
    table::{Cursor, Table},
    text::{Text, TextTrack},
    timeline::{Timeline, duration, opening},
};

/// Ticks in a second of the movie as a whole, so that edits are exact.
pub(crate) const MOVIE: u32 = 90_000;
/// What tracks, or timestamps and playlist, may be apart before it is told.
const APART: Duration = Duration::from_millis(500);

/// All that is known before the first byte is written.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) inputs: Vec<Indexed>,
    pub(crate) texts: Vec<Text>,
    pub(crate) tracks: Vec<PlannedTrack>,
    /// The input of each round, in the order of the output. Rounds of one input keep their order.
    pub(crate) order: Vec<u16>,
    pub(crate) chapters: Vec<(Duration, String)>,
    pub(crate) report: Report,
    /// Where text is in the output; all else is placed from there on, or is where it is.
    pub(crate) text_at: u64,
}

/// Where the samples of a track come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Input { input: usize, track: usize },
    Text(usize),
}

/// A track of the output.
#[derive(Debug)]
pub(crate) struct PlannedTrack {
    pub(crate) source: Source,
    pub(crate) info: TrackInfo,
    pub(crate) language: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) is_enabled: bool,
    /// Tracks of which one is played have the same number, which is not 0.
    pub(crate) group: u16,
    /// The number of the first sample of each span, and when it is decoded in ticks of the track.
    pub(crate) spans: Vec<(u64, i64)>,
    /// Time that is empty before the first sample, in flicks.
    pub(crate) begin: i64,
    /// Where in the media the presentation begins.
    pub(crate) media_time: i64,
    pub(crate) totals: Totals,
}

/// What has to be known of a whole track before it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) samples: u64,
    pub(crate) bytes: u64,
    pub(crate) syncs: u64,
    /// Runs of equal durations, and of equal offsets.
    pub(crate) duration_runs: u64,
    pub(crate) offset_runs: u64,
    pub(crate) has_offsets: bool,
    /// What has to be added to all offsets so that none is negative.
    pub(crate) lift: i64,
    pub(crate) last_duration: u32,
    /// When the last sample to be presented ends, in ticks from the first one's decoding.
    pub(crate) end: i64,
    /// The sum of all durations.
    pub(crate) duration: u64,
}

/// Walks the samples of a track: where each of them is on the timeline of the output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walk {
    cursor: Cursor,
    number: u64,
    span: usize,
    nominal: i64,
    last: Option<i64>,
    is_video: bool,
}

/// A sample on the timeline of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) dts: i64,
    /// From decoding to presentation.
    pub(crate) offset: i64,
    pub(crate) size: u32,
    pub(crate) is_sync: bool,
}

impl Walk {
    pub(crate) fn new(info: &TrackInfo) -> Self {
        Self { is_video: &info.handler == b"vide", ..Self::default() }
    }

    pub(crate) fn next(&mut self, table: &Table, spans: &[(u64, i64)]) -> Option<Timed> {
        let mut rows = table.rows_from(self.cursor);
        let row = rows.next()?;
        self.cursor = rows.cursor();
        match spans.get(self.span) {
            Some((first, dts)) if *first == self.number => {
                self.nominal = *dts;
                self.span += 1;
            }
            _ => self.nominal = self.nominal.saturating_add(row.step),
        }
        self.number += 1;
        // Decoding never goes back. Pictures are presented when they should be all the same; sounds, where they overlap,
        // come a moment later, since hardly a player expects audio to have offsets.
        let dts = self.last.map_or(self.nominal, |last| self.nominal.max(last.saturating_add(1)));
        self.last = Some(dts);
        let moved = if self.is_video { dts.saturating_sub(self.nominal) } else { 0 };
        let offset = row.offset.saturating_sub(moved);
        Some(Timed { dts, offset, size: row.size, is_sync: row.is_sync })
    }
}

impl Totals {
    fn of(
        info: &TrackInfo,
        table: &Table,
        spans: &[(u64, i64)],
        last_duration: u32,
    ) -> Result<Self, RemuxError> {
        let mut totals = Self { last_duration: last_duration.max(1), ..Self::default() };
        let (mut walk, mut before, mut run, mut offsets) = (Walk::new(info), None::<Timed>, None, None);
        let (mut lowest, mut highest) = (0_i64, 0_i64);
        let bad = || RemuxError::BadTimestamp { offset: 0 };
        while let Some(sample) = walk.next(table, spans) {
            if let Some(before) = before {
                let lasts = u32::try_from(sample.dts.saturating_sub(before.dts)).map_err(|_| bad())?;
                totals.add_duration(lasts, &mut run);
                totals.end =
                    totals.end.max(before.dts.saturating_add(before.offset).saturating_add(i64::from(lasts)));
            }
            if offsets != Some(sample.offset) {
                totals.offset_runs += 1;
                offsets = Some(sample.offset);
            }
            (lowest, highest) = (lowest.min(sample.offset), highest.max(sample.offset));
            totals.samples += 1;
            totals.bytes += u64::from(sample.size);
            totals.syncs += u64::from(sample.is_sync);
            before = Some(sample);
        }
        if let Some(last) = before {
            totals.add_duration(totals.last_duration, &mut run);
            let lasts = i64::from(totals.last_duration);
            totals.end = totals.end.max(last.dts.saturating_add(last.offset).saturating_add(lasts));
        }
        totals.lift = -lowest;
        totals.has_offsets = (lowest, highest) != (0, 0);
        if highest.saturating_sub(lowest) > i64::from(i32::MAX)
            || totals.end.saturating_add(totals.lift) > i64::MAX / 4
        {
            return Err(bad());
        }
        if totals.samples > u64::from(u32::MAX) {
            return Err(RemuxError::TooMany { what: "samples" });
        }
        Ok(totals)
    }

    fn add_duration(&mut self, lasts: u32, run: &mut Option<u32>) {
        if *run != Some(lasts) {
            self.duration_runs += 1;
            *run = Some(lasts);
        }
        self.duration = self.duration.saturating_add(u64::from(lasts));
    }
}

impl PlannedTrack {
    /// When the presentation of the track ends, in flicks.
    pub(crate) fn end(&self) -> i64 {
        let lasts = self.totals.end.saturating_add(self.totals.lift).saturating_sub(self.media_time);
        self.begin.saturating_add(flicks(lasts, self.info.timescale))
    }
}

impl Plan {
    pub(crate) fn new(inputs: Vec<Indexed>, texts: &[TextTrack]) -> Result<Self, RemuxError> {
        let timeline = Timeline::new(&inputs);
        let mut tracks = Vec::new();
        for (number, input) in inputs.iter().enumerate() {
            tracks.extend(of_input(number, input, &timeline)?);
        }
        if tracks.is_empty() {
            return Err(RemuxError::Empty);
        }
        // Video first. Within a kind, the order of the inputs.
        tracks.sort_by_key(|track| match &track.info.handler {
            b"vide" => 0,
            b"soun" => 1,
            _ => 2,
        });
        enable(&mut tracks, &inputs);
        let report = report(&inputs, &tracks, &timeline);
        let chapters = chapters(&inputs, &timeline);
        let end = tracks.iter().map(PlannedTrack::end).max().and_then(duration).unwrap_or_default();
        let mut plan = Self {
            order: order(&inputs, &timeline),
            inputs,
            texts: Vec::new(),
            tracks,
            chapters,
            report,
            text_at: 0,
        };
        for track in texts {
            let text = Text::subtitles(track);
            plan.add_text(text, track.language.clone(), track.name.clone(), track.is_default, 2)?;
        }
        if !plan.chapters.is_empty() {
            plan.add_text(Text::chapters(&plan.chapters, end), None, Some("Chapters".to_owned()), false, 0)?;
        }
        Ok(plan)
    }

    fn add_text(
        &mut self,
        text: Text,
        language: Option<String>,
        name: Option<String>,
        is_enabled: bool,
        group: u16,
    ) -> Result<(), RemuxError> {
        if text.table.len() == 0 {
            return Ok(());
        }
        let spans = vec![(0, 0)];
        let totals = Totals::of(&text.info, &text.table, &spans, text.last_duration)?;
        self.tracks.push(PlannedTrack {
            source: Source::Text(self.texts.len()),
            info: text.info.clone(),
            language,
            name,
            is_enabled,
            group,
            spans,
            begin: 0,
            media_time: 0,
            totals,
        });
        self.texts.push(text);
        Ok(())
    }

    pub(crate) fn table(&self, track: &PlannedTrack) -> Option<&Table> {
        match track.source {
            Source::Input { input, track } => {
                Some(&self.inputs.get(input)?.tracks.get(track)?.recorded.table)
            }
            Source::Text(number) => Some(&self.texts.get(number)?.table),
        }
    }

    /// Walks over all chunks of media in the order of the output: the input, the chunk, and where it is if it is there already.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (usize, Chunk, Option<u64>)> {
        let mut places = vec![(0, 0); self.inputs.len()];
        self.order.iter().flat_map(move |number| {
            let input = usize::from(*number);
            let (indexed, place) = (self.inputs.get(input), places.get_mut(input));
            let chunks = indexed.zip(place).and_then(|(indexed, (round, chunk))| {
                let (from, begun) = (*chunk, indexed.rounds.get(*round)?);
                *chunk += begun.chunks as usize;
                *round += 1;
                Some((indexed.chunks.get(from..*chunk)?, begun.at))
            });
            let (chunks, mut at) = chunks.unwrap_or((&[], None));
            chunks.iter().map(move |chunk| {
                let begin = at;
                at = at.map(|at| at + u64::from(chunk.bytes));
                (input, *chunk, begin)
            })
        })
    }

    /// How many bytes of text the output has.
    pub(crate) fn text_len(&self) -> u64 {
        self.texts.iter().map(|text| text.data.len() as u64).sum()
    }

    /// How many bytes of data the output has.
    pub(crate) fn data_len(&self) -> u64 {
        self.tracks.iter().map(|track| track.totals.bytes).sum()
    }

    pub(crate) fn end(&self) -> i64 {
        self.tracks.iter().map(PlannedTrack::end).max().unwrap_or(0)
    }
}

fn of_input(number: usize, input: &Indexed, timeline: &Timeline) -> Result<Vec<PlannedTrack>, RemuxError> {
    let mut tracks = Vec::new();
    for (track, indexed) in input.tracks.iter().enumerate() {
        let (info, recorded) = (&indexed.info, &indexed.recorded);
        let (Some(first), Some(last)) = (recorded.spans.first(), recorded.spans.last()) else { continue };
        let placed = |ticks: i64, epoch| {
            flicks(ticks.saturating_add(info.shift), info.timescale)
                .saturating_add(timeline.shift(number, epoch))
        };
        let origin = placed(first.first_dts, first.epoch);
        let spans = recorded.spans.iter().map(|span| {
            let ahead = placed(span.first_dts, span.epoch).saturating_sub(origin);
            (span.first, if span.first == 0 { 0 } else { ticks(ahead, info.timescale) })
        });
        let spans = spans.collect::<Vec<_>>();
        let totals = Totals::of(info, &recorded.table, &spans, last.last_duration)?;
        let opens = opening(indexed, first);
        let is_sound = &info.handler == b"soun";
        tracks.push(PlannedTrack {
            source: Source::Input { input: number, track },
            info: info.clone(),
            language: input.input.language.clone().filter(|_| is_sound || input.tracks.len() == 1),
            name: input.input.name.clone().filter(|_| is_sound || input.tracks.len() == 1),
            is_enabled: false,
            group: u16::from(is_sound),
            spans,
            begin: placed(opens, first.epoch).max(0),
            media_time: opens.saturating_sub(first.first_dts).saturating_add(totals.lift),
            totals,
        });
    }
    Ok(tracks)
}

/// Of each kind the first track is played, or the first of the input that is the default.
fn enable(tracks: &mut [PlannedTrack], inputs: &[Indexed]) {
    for handler in [b"vide", b"soun"] {
        let is_default = |track: &PlannedTrack| match track.source {
            Source::Input { input, .. } => inputs.get(input).is_some_and(|input| input.input.is_default),
            Source::Text(_) => false,
        };
        let of_kind = |track: &PlannedTrack| &track.info.handler == handler;
        let chosen = tracks.iter().position(|track| of_kind(track) && is_default(track));
        let chosen = chosen.or_else(|| tracks.iter().position(of_kind));
        if let Some(track) = chosen.and_then(|chosen| tracks.get_mut(chosen)) {
            track.is_enabled = true;
        }
    }
}

/// Puts the rounds of all inputs into the order of time.
fn order(inputs: &[Indexed], timeline: &Timeline) -> Vec<u16> {
    let mut next = vec![0_usize; inputs.len()];
    let total = inputs.iter().map(|input| input.rounds.len()).sum();
    let mut order = Vec::with_capacity(total);
    while order.len() < total {
        let begins = inputs.iter().enumerate().zip(&next).filter_map(|((number, input), next)| {
            let round = input.rounds.get(*next)?;
            Some((round.begin.saturating_add(timeline.shift(number, round.epoch)), number))
        });
        let Some((_, number)) = begins.min() else { break };
        if let Some(next) = next.get_mut(number) {
            *next += 1;
        }
        order.push(u16::try_from(number).unwrap_or(u16::MAX));
    }
    order
}

/// When each unit of an input begins in the output, where that is known.
fn begins<'a>(
    number: usize,
    input: &'a Indexed,
    timeline: &'a Timeline,
) -> impl Iterator<Item = (usize, Option<i64>)> {
    input.begins.iter().enumerate().map(move |(unit, begin)| {
        let epoch = input.epoch_of(u32::try_from(unit).unwrap_or(u32::MAX));
        (unit, begin.map(|(at, _)| at.saturating_add(timeline.shift(number, epoch))))
    })
}

fn chapters(inputs: &[Indexed], timeline: &Timeline) -> Vec<(Duration, String)> {
    let mut chapters = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        // Backwards, since what is missing is placed by what comes behind it.
        let (mut next, mut last) = (None::<i64>, Vec::new());
        let units = begins(number, input, timeline).zip(&input.input.units).collect::<Vec<_>>();
        for ((_, begin), unit) in units.iter().rev() {
            let lasts = in_flicks(unit.duration);
            let at = begin.or_else(|| next.map(|next| next.saturating_sub(lasts)));
            next = at.or(next);
            if let Some(title) = &unit.chapter {
                last.push((at, title.clone()));
            }
        }
        // Behind the last picture: there.
        let end = units
            .iter()
            .rev()
            .find_map(|((_, begin), unit)| Some(begin.as_ref()?.saturating_add(in_flicks(unit.duration))));
        let placed =
            last.into_iter().rev().filter_map(|(at, title)| Some((duration(at.or(end)?.max(0))?, title)));
        chapters.extend(placed);
    }
    chapters.sort_by_key(|(at, _): &(Duration, _)| *at);
    // The first picture may be a little later than the first sound.
    if let Some((at, _)) = chapters.first_mut().filter(|(at, _)| *at < APART) {
        *at = Duration::ZERO;
    }
    chapters.dedup_by(|a, b| a == b);
    chapters
}

fn report(inputs: &[Indexed], tracks: &[PlannedTrack], timeline: &Timeline) -> Report {
    let mut report = Report::default();
    let id = |input: usize, track: usize| {
        let found = tracks.iter().position(|planned| planned.source == Source::Input { input, track });
        found.and_then(|found| u32::try_from(found + 1).ok())
    };
    for one in &timeline.decided {
        let (input, what) = match one {
            Decided::Numbers { input } => (*input, Irregularity::Numbers),
            Decided::Baseline { input, by } => {
                (*input, Irregularity::Baseline { by_micros: scaled(*by, 1_000_000, FLICKS) })
            }
        };
        report.findings.push(Finding { input, unit: 0, track: None, at: Duration::ZERO, what });
    }
    for one in inputs.iter().flat_map(|input| &input.left_out) {
        if !report.left_out.contains(one) {
            report.left_out.push(one.clone());
        }
    }
    let last = tracks.iter().map(PlannedTrack::end).max().unwrap_or(0);
    for (number, input) in inputs.iter().enumerate() {
        for noted in &input.notes.kept {
            let at = noted.at.saturating_add(timeline.shift(number, noted.epoch));
            let (unit, track) = (noted.unit as usize, id(number, noted.track));
            let at = duration(at.max(0)).unwrap_or_default();
            report.findings.push(Finding { input: number, unit, track, at, what: noted.what });
        }
        report.more += input.notes.more;
        report.findings.extend(drift(number, input, timeline));
        for (track, planned) in tracks.iter().enumerate() {
            let Source::Input { input: of, .. } = planned.source else { continue };
            let ends = [
                (true, planned.begin, planned.begin),
                (false, last.saturating_sub(planned.end()), planned.end()),
            ];
            for (at_begin, off, at) in ends.into_iter().filter(|_| of == number) {
                let Some(by) = duration(off).filter(|by| *by >= APART) else { continue };
                let unit = if at_begin { 0 } else { input.begins.len().saturating_sub(1) };
                let track = u32::try_from(track + 1).ok();
                let at = duration(at.max(0)).unwrap_or_default();
                report.findings.push(Finding {
                    input: number,
                    unit,
                    track,
                    at,
                    what: Irregularity::Apart { at_begin, by },
                });
            }
        }
    }
    report
}

/// The worst that timestamps are off what the playlist says, where it is worth telling.
fn drift(number: usize, input: &Indexed, timeline: &Timeline) -> Option<Finding> {
    let (mut first, mut expected) = (None, 0_i64);
    let mut worst = None::<(i64, usize, i64)>;
    let mut epoch = 0;
    for ((unit, begin), known) in begins(number, input, timeline).zip(&input.input.units) {
        let Some(at) = begin else {
            expected = expected.saturating_add(in_flicks(known.duration));
            continue;
        };
        let of = input.epoch_of(u32::try_from(unit).unwrap_or(u32::MAX));
        // A new clock begins where the media before it ends, which is not what is in question here.
        if first.is_none() || of != epoch {
            (first, expected, epoch) = (Some(at), 0, of);
        }
        let off = at.saturating_sub(first.unwrap_or(at)).saturating_sub(expected);
        if worst.is_none_or(|(worst, ..)| off.saturating_abs() > worst.saturating_abs()) {
            worst = Some((off, unit, at));
        }
        expected = expected.saturating_add(in_flicks(known.duration));
    }
    let (off, unit, at) = worst.filter(|(off, ..)| off.saturating_abs() >= in_flicks(APART))?;
    let by_micros = scaled(off, 1_000_000, super::clock::FLICKS);
    let at = duration(at.max(0)).unwrap_or_default();
    Some(Finding { input: number, unit, track: None, at, what: Irregularity::Drift { by_micros } })
}
