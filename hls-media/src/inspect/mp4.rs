//! MP4, flat and fragmented: timelines of fragments, tables, where samples are.

use super::samples::{Run, Samples, Sizes as RunSizes};
use super::tables::{Sizes, all, chunks, long, runs, word};
use super::{LEAST, Problem};
use crate::fmp4::children;

/// Larger boxes are not looked into.
const LARGEST: u64 = 256 << 20;
/// Who begins later than a day by its timestamps has a wall clock there.
const LATE: f64 = 86_400.0;
const MANY: usize = 256;

/// Walks the boxes of a file, and keeps what tells of samples.
#[derive(Debug, Default)]
pub(super) struct Mp4 {
    offset: u64,
    header: Vec<u8>,
    remaining: u64,
    to_end: bool,
    name: [u8; 4],
    begin: u64,
    body: Option<Vec<u8>>,
    tracks: Vec<Track>,
    is_fragmented: bool,
    /// Samples are looked at.
    looks: bool,
    /// Its tables were there before it.
    is_known: bool,
    /// Where data is, in order.
    data: Vec<(u64, u64)>,
    /// What the fragment that is under way needs: a track, and from where to where.
    needs: Vec<(u32, u64, u64)>,
    problems: Vec<Problem>,
}

#[derive(Debug, Default)]
struct Track {
    id: u32,
    handler: [u8; 4],
    timescale: u32,
    default_duration: u32,
    default_size: u32,
    default_entry: u32,
    samples: u64,
    /// When the last fragment ends.
    end: Option<u64>,
    chunks: Vec<(u64, u64)>,
    content: Option<Box<Samples>>,
}

impl Track {
    fn is_seen_or_heard(&self) -> bool {
        matches!(&self.handler, b"vide" | b"soun")
    }
}

impl Mp4 {
    /// Begins a file whose samples are looked at. Its tables may be behind them, and known already.
    pub(super) fn looking(tables: Option<&[u8]>) -> Self {
        let mut mp4 = Self { looks: true, is_known: tables.is_some(), ..Self::default() };
        if let Some(moov) = tables {
            _ = mp4.moov(moov);
        }
        mp4
    }

    pub(super) fn push(&mut self, input: &[u8]) {
        let mut input = input;
        while !input.is_empty() {
            if self.remaining > 0 || self.to_end {
                let most = if self.to_end { input.len() as u64 } else { self.remaining };
                let (part, rest) =
                    input.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(input.len()));
                match &mut self.body {
                    Some(body) => body.extend_from_slice(part),
                    None => {
                        for content in self.tracks.iter_mut().filter_map(|track| track.content.as_mut()) {
                            content.push(self.offset, part);
                        }
                    }
                }
                self.offset += part.len() as u64;
                self.remaining = self.remaining.saturating_sub(part.len() as u64);
                input = rest;
                if self.remaining == 0 && !self.to_end {
                    self.end_box();
                }
                continue;
            }
            let Some((&first, rest)) = input.split_first() else { return };
            if self.header.is_empty() {
                self.begin = self.offset;
            }
            self.header.push(first);
            self.offset += 1;
            input = rest;
            self.begin_box();
        }
    }

    /// Passes over the rest of a box that tells nothing, at most `most` bytes; returns how many.
    pub(super) fn pass_over(&mut self, most: u64) -> u64 {
        if self.body.is_some() || !self.header.is_empty() {
            return 0;
        }
        let passed = if self.to_end { most } else { self.remaining.min(most) };
        self.offset += passed;
        self.remaining = self.remaining.saturating_sub(passed);
        passed
    }

    /// What is wrong where the file ends here.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let outside = self.needs.iter().filter(|(_, begin, end)| !self.holds(*begin, *end));
        let outside = outside.map(|(track, ..)| Problem::Outside { track: *track });
        self.problems.iter().cloned().chain(outside).collect()
    }

    fn begin_box(&mut self) {
        let Some((size, name)) =
            word(&self.header, 0).zip(self.header.get(4..8).and_then(<[u8]>::first_chunk::<4>))
        else {
            return;
        };
        let (size, header) = match (size, long(&self.header, 8)) {
            (1, None) => return,
            (1, Some(size)) => (size, 16),
            (size, _) => (u64::from(size), 8),
        };
        (self.name, self.to_end) = (*name, size == 0);
        self.remaining = size.saturating_sub(header);
        self.header.clear();
        let is_tables = &self.name == b"moof" || &self.name == b"moov" && !self.is_known;
        let is_wanted = is_tables && self.remaining <= LARGEST;
        self.body = is_wanted.then(Vec::new);
        if &self.name == b"mdat" {
            let end = if self.to_end { u64::MAX } else { self.offset.saturating_add(self.remaining) };
            match self.data.last_mut() {
                Some((_, last)) if *last == self.begin => *last = end,
                _ => self.data.push((self.offset, end)),
            }
        }
        if self.remaining == 0 && !self.to_end {
            self.end_box();
        }
    }

    fn end_box(&mut self) {
        let Some(body) = self.body.take() else { return };
        match &self.name {
            b"moov" => _ = self.moov(&body),
            b"moof" => {
                self.settle();
                _ = self.moof(&body);
            }
            _ => {}
        }
    }

    fn moov(&mut self, moov: &[u8]) -> Option<()> {
        for trak in all(moov, *b"trak").take(MANY) {
            let Some(mut track) = self.trak(trak) else { continue };
            // A section that comes again goes on with its tracks.
            let known = self.tracks.iter_mut().find(|known| known.id == track.id);
            match known.filter(|_| track.samples == 0) {
                Some(known) => {
                    track.end = known.end.filter(|_| known.timescale == track.timescale);
                    (track.samples, track.chunks) = (known.samples, std::mem::take(&mut known.chunks));
                    if let (Some(content), Some(earlier)) = (&mut track.content, known.content.take()) {
                        content.follow(*earlier);
                    }
                    *known = track;
                }
                None => self.tracks.push(track),
            }
        }
        for trex in all(moov, *b"mvex").flat_map(|mvex| all(mvex, *b"trex")) {
            self.is_fragmented = true;
            let id = word(trex, 4);
            if let Some(track) = self.tracks.iter_mut().find(|track| Some(track.id) == id) {
                track.default_entry = word(trex, 8)?;
                (track.default_duration, track.default_size) = (word(trex, 12)?, word(trex, 16)?);
            }
        }
        self.is_fragmented |= all(moov, *b"mvex").next().is_some();
        Some(())
    }

    fn trak(&mut self, trak: &[u8]) -> Option<Track> {
        let one = |body, name: &[u8; 4]| all(body, *name).next();
        let (tkhd, mdia) = (one(trak, b"tkhd")?, one(trak, b"mdia")?);
        let (mdhd, hdlr) = (one(mdia, b"mdhd")?, one(mdia, b"hdlr")?);
        let minf = one(mdia, b"minf")?;
        let stbl = one(minf, b"stbl")?;
        let wide = |body: &[u8]| body.first() == Some(&1);
        let id = word(tkhd, if wide(tkhd) { 20 } else { 12 })?;
        let timescale = word(mdhd, if wide(mdhd) { 20 } else { 12 })?;
        let lasts = if wide(mdhd) { long(mdhd, 24)? } else { u64::from(word(mdhd, 16)?) };
        let handler = *hdlr.get(8..12)?.first_chunk::<4>()?;
        let mut track = Track { id, handler, timescale, ..Track::default() };
        let stsd = one(stbl, b"stsd")?;
        let mut content = Samples::of(stsd);
        for (format, _) in children(stsd.get(8..)?).filter_map(Result::ok) {
            if matches!(&format, b"encv" | b"enca" | b"encs" | b"enct") {
                self.problems.push(Problem::Encrypted { by: format.escape_ascii().to_string() });
            }
        }
        // Data in other files can't be looked at (8.7.2).
        let dref = one(minf, b"dinf").and_then(|dinf| one(dinf, b"dref")).and_then(|dref| dref.get(8..));
        let mut references = dref.into_iter().flat_map(children).filter_map(Result::ok);
        let is_elsewhere =
            references.any(|(_, reference)| reference.get(3).is_some_and(|flags| flags & 1 == 0));
        let sizes = one(stbl, b"stsz").map(Sizes::of).unwrap_or_default();
        track.samples = sizes.count;
        if sizes.count > 0 {
            let mut wrong = |what| self.problems.push(Problem::Table { track: id, what });
            let stts = one(stbl, b"stts").map(runs).unwrap_or_default();
            let (count, sum) = stts.iter().fold((0_u64, 0_u64), |(count, sum), (n, d)| {
                (count + u64::from(*n), sum.saturating_add(u64::from(*n) * u64::from(*d)))
            });
            if count != sizes.count {
                wrong("has other decoding times than samples");
            }
            // Edits and rounding may differ by a little, and the last sample may last for any time.
            let differs = sum.abs_diff(lasts) as f64 / f64::from(timescale.max(1));
            if timescale == 0 || differs > 1.0 && differs > 0.02 * (lasts as f64 / f64::from(timescale)) {
                wrong("says that it lasts otherwise than its samples do");
            }
            if one(stbl, b"ctts")
                .map(runs)
                .is_some_and(|ctts| ctts.iter().map(|(n, _)| u64::from(*n)).sum::<u64>() != sizes.count)
            {
                wrong("has other times of presentation than samples");
            }
            match chunks(stbl, &sizes) {
                Some(_) if is_elsewhere => {}
                Some(chunks) => {
                    if self.looks && content.is_known() {
                        let from = content.keep(sizes.each_listed());
                        content.reserve(chunks.len());
                        let mut first = 0;
                        for chunk in &chunks {
                            let (begin, count, entry) = (chunk.begin, chunk.count, chunk.entry);
                            let size = match sizes.each() {
                                0 => RunSizes::From(from.saturating_add(first)),
                                each => RunSizes::Each(each),
                            };
                            content.expect(Run { begin, count, sizes: size, entry });
                            first = first.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
                        }
                        content.sort();
                    }
                    track.chunks = chunks.iter().map(|chunk| (chunk.begin, chunk.end)).collect();
                }
                None => wrong("has chunks that do not hold its samples"),
            }
        }
        track.content = (self.looks && content.is_known()).then(|| Box::new(content));
        Some(track)
    }

    fn moof(&mut self, moof: &[u8]) -> Option<()> {
        let mut at = self.begin;
        for traf in all(moof, *b"traf") {
            let tfhd = all(traf, *b"tfhd").next()?;
            let flags = word(tfhd, 0)?;
            let id = word(tfhd, 4)?;
            let number = self.tracks.iter().position(|track| track.id == id)?;
            let track = self.tracks.get_mut(number)?;
            let mut next = 8;
            // Without a base of its own, a track goes on where the data of the one before it end (8.8.7.1).
            let mut base = if flags & 0x2_0000 != 0 { self.begin } else { at };
            if flags & 1 != 0 {
                base = long(tfhd, next)?;
                next += 8;
            }
            let mut entry = track.default_entry;
            if flags & 2 != 0 {
                entry = word(tfhd, next)?;
                next += 4;
            }
            if let Some(content) = &mut track.content {
                content.forget();
            }
            let mut optional = |flag: u32, default: u32| {
                if flags & flag == 0 {
                    return Some(default);
                }
                next += 4;
                word(tfhd, next - 4)
            };
            let duration = optional(8, track.default_duration)?;
            let size = optional(0x10, track.default_size)?;
            let mut lasts = 0_u64;
            for trun in all(traf, *b"trun") {
                let flags = word(trun, 0)?;
                let count = word(trun, 4)?;
                let mut next = 8;
                if flags & 1 != 0 {
                    at = base
                        .checked_add_signed(i64::from(i32::from_be_bytes(word(trun, next)?.to_be_bytes())))?;
                    next += 4;
                }
                next += if flags & 4 != 0 { 4 } else { 0 };
                let fields = (flags >> 8 & 0xf).count_ones() as usize * 4;
                let begin = at;
                let content = track.content.as_mut().filter(|_| flags & 0x200 != 0);
                let mut sizes = RunSizes::Each(size);
                if let Some(content) = content {
                    // The size stands behind the duration of each.
                    let rows = trun.get(next + if flags & 0x100 != 0 { 4 } else { 0 }..).unwrap_or(&[]);
                    let rows = rows.chunks(fields.max(4)).filter_map(|row| word(row, 0));
                    sizes = RunSizes::From(content.keep(rows.take(usize::try_from(count).unwrap_or(0))));
                }
                if let Some(content) = &mut track.content {
                    content.expect(Run { begin, count, sizes, entry });
                }
                for _ in 0..count {
                    let mut field = next;
                    let mut take = |flag: u32, default: u32| {
                        if flags & flag == 0 {
                            return Some(default);
                        }
                        field += 4;
                        word(trun, field - 4)
                    };
                    lasts = lasts.checked_add(u64::from(take(0x100, duration)?))?;
                    at = at.checked_add(u64::from(take(0x200, size)?))?;
                    // Without any field of its own each is as the others.
                    if fields == 0 {
                        let more = u64::from(count) - 1;
                        lasts = lasts.checked_add(more * u64::from(duration))?;
                        at = at.checked_add(more * u64::from(size))?;
                        break;
                    }
                    next += fields;
                }
                track.samples += u64::from(count);
                if flags & 1 != 0 && at > begin {
                    self.needs.push((id, begin, at));
                }
            }
            let tfdt = all(traf, *b"tfdt").next();
            let start = tfdt.and_then(|tfdt| match tfdt.first() {
                Some(1) => long(tfdt, 4),
                _ => word(tfdt, 4).map(u64::from),
            });
            let Some(start) = start else { continue };
            if track.is_seen_or_heard() && track.timescale > 0 {
                let seconds = |ticks: u64| ticks as f64 / f64::from(track.timescale);
                match track.end {
                    None if seconds(start) > LATE => {
                        self.problems.push(Problem::Late { seconds: seconds(start) });
                    }
                    Some(end) if seconds(end) - seconds(start) > LEAST => {
                        let seconds = seconds(end) - seconds(start);
                        self.problems.push(Problem::Back { at: self.begin, seconds });
                    }
                    Some(end) if seconds(start) - seconds(end) > LEAST => {
                        let seconds = seconds(start) - seconds(end);
                        self.problems.push(Problem::Hole { at: self.begin, seconds });
                    }
                    _ => {}
                }
            }
            track.end = start.checked_add(lasts);
        }
        // One of a kind proves as much as a thousand.
        self.problems.truncate(MANY);
        Some(())
    }

    /// Whether what the fragment before needs is there by now.
    fn settle(&mut self) {
        let needs = std::mem::take(&mut self.needs);
        self.tell_overlaps(needs.clone());
        for (track, begin, end) in needs {
            if !self.holds(begin, end) && !self.problems.contains(&Problem::Outside { track }) {
                self.problems.push(Problem::Outside { track });
            }
        }
        // Older data is of no more use where all of it comes in order.
        if self.is_fragmented && self.data.len() > MANY {
            self.data.drain(..self.data.len() - MANY / 2);
        }
    }

    /// Data may be there for several samples, but none has a part of another one: that is a wrong place or a wrong size.
    fn tell_overlaps(&mut self, mut places: Vec<(u32, u64, u64)>) {
        if !self.looks {
            return;
        }
        places.sort_unstable_by_key(|(_, begin, end)| (*begin, *end));
        let mut widest = (0, 0);
        for (track, begin, end) in places {
            let (first, last) = widest;
            if first < begin && begin < last && last < end {
                let problem = Problem::Table { track, what: "has samples that begin inside others" };
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
            if end > last {
                widest = (begin, end);
            }
        }
    }

    fn holds(&self, begin: u64, end: u64) -> bool {
        let behind = self.data.partition_point(|(first, _)| *first <= begin);
        let found = behind.checked_sub(1).and_then(|at| self.data.get(at));
        begin == end || found.is_some_and(|(_, last)| end <= *last)
    }

    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.settle();
        // It needs its memory no more.
        let contents = self.tracks.iter_mut().filter_map(|track| Some((track.id, track.content.take()?)));
        let samples = contents.flat_map(|(id, content)| content.problems(id).collect::<Vec<_>>());
        let samples = samples.collect::<Vec<_>>();
        let mut problems = std::mem::take(&mut self.problems);
        problems.extend(samples);
        let chunks = self
            .tracks
            .iter()
            .flat_map(|track| track.chunks.iter().map(|(begin, end)| (track.id, *begin, *end)));
        let chunks = chunks.collect();
        self.tell_overlaps(chunks);
        problems.append(&mut self.problems);
        for track in &self.tracks {
            if track.chunks.iter().any(|(begin, end)| !self.holds(*begin, *end)) {
                problems.push(Problem::Outside { track: track.id });
            }
            if track.samples == 0 && track.is_seen_or_heard() {
                problems.push(Problem::EmptyTrack { track: track.id });
            }
        }
        if self.tracks.is_empty() {
            problems.push(Problem::Nothing);
        }
        problems
    }
}
