//! The `moov` box: made piece by piece, so that its tables are never held whole.

use super::{
    boxes::{boxed, full, nest, words},
    clock::{FLICKS, MPEG, scaled},
    language,
    plan::{MOVIE, Plan, PlannedTrack, Source, Walk},
};

/// Everything in front of the data, and how far it is written.
#[derive(Debug)]
pub(crate) struct Front {
    pieces: std::vec::IntoIter<Piece>,
    table: Option<Writing>,
    len: u64,
    data_at: u64,
    is_large: bool,
}

#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    Table { track: usize, kind: Kind },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Durations,
    Offsets,
    Syncs,
    Sizes,
    ChunkRuns,
    Chunks,
}

/// A table that is being written.
#[derive(Debug)]
struct Writing {
    track: usize,
    kind: Kind,
    walk: Walk,
    number: u32,
    run: Option<(u32, u32)>,
    last_dts: Option<i64>,
}

impl Front {
    pub(crate) fn new(plan: &Plan) -> Self {
        let (ftyp, data) = (ftyp(), plan.data_len());
        // Whether offsets need 64 bits depends on how long the tables are, and they depend on that.
        let with = |is_large| {
            let pieces = moov(plan, is_large);
            let len = pieces.iter().map(|piece| piece.len(plan, is_large)).sum::<u64>();
            (pieces, len + ftyp.len() as u64 + if is_large { 16 } else { 8 })
        };
        let (pieces, front) = with(false);
        let is_large = front + data > u64::from(u32::MAX);
        let (mut pieces, front) = if is_large { with(true) } else { (pieces, front) };
        pieces.insert(0, Piece::Bytes(ftyp));
        pieces.push(Piece::Bytes(if is_large {
            [&[0, 0, 0, 1][..], b"mdat", &(data + 16).to_be_bytes()].concat()
        } else {
            [&u32::try_from(data + 8).unwrap_or(u32::MAX).to_be_bytes()[..], b"mdat"].concat()
        }));
        Self { pieces: pieces.into_iter(), table: None, len: front, data_at: front, is_large }
    }

    /// The tables alone, for data that is where the plan says.
    pub(crate) fn tables(plan: &Plan, is_large: bool) -> Self {
        let pieces = moov(plan, is_large);
        let len = pieces.iter().map(|piece| piece.len(plan, is_large)).sum();
        Self { pieces: pieces.into_iter(), table: None, len, data_at: 0, is_large }
    }

    /// How long it is.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes more of it, until `out` has about `most` bytes. `false`: nothing is left.
    pub(crate) fn write(&mut self, plan: &Plan, out: &mut Vec<u8>, most: usize) -> bool {
        while out.len() < most {
            match &mut self.table {
                Some(table) => {
                    if table.write(plan, self.data_at, self.is_large, out, most) {
                        self.table = None;
                    }
                }
                None => match self.pieces.next() {
                    Some(Piece::Bytes(bytes)) => out.extend(bytes),
                    Some(Piece::Table { track, kind }) => {
                        self.table = Some(Writing {
                            track,
                            kind,
                            walk: plan
                                .tracks
                                .get(track)
                                .map_or(Walk::default(), |track| Walk::new(&track.info)),
                            number: 0,
                            run: None,
                            last_dts: None,
                        });
                    }
                    None => return !out.is_empty(),
                },
            }
        }
        true
    }
}

impl Piece {
    fn len(&self, plan: &Plan, is_large: bool) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Table { track, kind } => table_len(plan, *track, *kind, is_large),
        }
    }
}

pub(crate) fn ftyp() -> Vec<u8> {
    boxed(b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41")
}

fn moov(plan: &Plan, is_large: bool) -> Vec<Piece> {
    let movie_duration = movie_ticks(plan.end());
    let mut mvhd = Vec::new();
    mvhd.extend([0; 16]);
    mvhd.extend(MOVIE.to_be_bytes());
    mvhd.extend(movie_duration.to_be_bytes());
    // Normal speed, full volume.
    mvhd.extend([0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    mvhd.extend(matrix());
    mvhd.extend([0; 24]);
    mvhd.extend((plan.tracks.len() as u32 + 1).to_be_bytes());
    let mut inner = vec![Piece::Bytes(full(b"mvhd", 1, 0, &mvhd))];
    for number in 0..plan.tracks.len() {
        inner.extend(trak(plan, number, is_large));
    }
    if let Some(udta) = udta(plan) {
        inner.push(Piece::Bytes(udta));
    }
    wrapped(b"moov", inner, plan, is_large)
}

/// Puts the header of a box in front of what is in it.
fn wrapped(name: &[u8; 4], mut inner: Vec<Piece>, plan: &Plan, is_large: bool) -> Vec<Piece> {
    let len = 8 + inner.iter().map(|piece| piece.len(plan, is_large)).sum::<u64>();
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    inner.insert(0, Piece::Bytes([&len.to_be_bytes()[..], name].concat()));
    inner
}

pub(crate) fn matrix() -> Vec<u8> {
    words([0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000])
}

/// Rounded up: an edit that ends early would cut off the last picture.
fn movie_ticks(flicks: i64) -> u64 {
    let per_tick = FLICKS / i64::from(MPEG);
    u64::try_from(flicks.max(0)).unwrap_or(0).div_ceil(per_tick as u64)
}

fn trak(plan: &Plan, number: usize, is_large: bool) -> Vec<Piece> {
    let Some(track) = plan.tracks.get(number) else { return Vec::new() };
    let mut inner = vec![Piece::Bytes(tkhd(track, number))];
    inner.push(Piece::Bytes(nest(b"edts", &[elst(track)])));
    // The chapters belong to the first track.
    let chapters =
        plan.tracks.iter().position(|track| &track.info.handler == b"text" && track.source_is_text());
    if let (0, Some(chapters)) = (number, chapters) {
        inner.push(Piece::Bytes(nest(b"tref", &[boxed(b"chap", &(chapters as u32 + 1).to_be_bytes())])));
    }
    let mut minf = vec![Piece::Bytes(track.info.header.clone())];
    // The data is in this file.
    minf.push(Piece::Bytes(nest(
        b"dinf",
        &[full(b"dref", 0, 0, &[words([1]), full(b"url ", 0, 1, &[])].concat())],
    )));
    let mut stsd = (track.info.entries.len() as u32).to_be_bytes().to_vec();
    stsd.extend(of_one_type(&track.info.entries).concat());
    let mut stbl = vec![Piece::Bytes(full(b"stsd", 0, 0, &stsd))];
    let kinds = [Kind::Durations, Kind::Offsets, Kind::Syncs, Kind::ChunkRuns, Kind::Sizes, Kind::Chunks];
    for kind in kinds {
        // A track without these has no offsets, or nothing but sync samples.
        let is_there = match kind {
            Kind::Offsets => track.totals.has_offsets,
            Kind::Syncs => track.totals.syncs < track.totals.samples,
            _ => true,
        };
        if is_there {
            stbl.push(Piece::Bytes(table_head(plan, number, kind, is_large)));
            stbl.push(Piece::Table { track: number, kind });
        }
    }
    // The head of each table is counted as a piece of its own.
    let mut stbl_len = 8;
    for piece in &stbl {
        stbl_len += match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Table { track, kind } => table_len(plan, *track, *kind, is_large),
        };
    }
    let head = u32::try_from(stbl_len).unwrap_or(u32::MAX).to_be_bytes();
    minf.push(Piece::Bytes([&head[..], b"stbl"].concat()));
    minf.extend(stbl);
    let mut mdia = vec![Piece::Bytes(mdhd(track)), Piece::Bytes(hdlr(track))];
    if let Some(language) = &track.language {
        mdia.push(Piece::Bytes(full(b"elng", 0, 0, &[language.as_bytes(), &[0]].concat())));
    }
    mdia.extend(wrapped(b"minf", minf, plan, is_large));
    inner.extend(wrapped(b"mdia", mdia, plan, is_large));
    wrapped(b"trak", inner, plan, is_large)
}

impl PlannedTrack {
    fn source_is_text(&self) -> bool {
        matches!(self.source, Source::Text(_))
    }
}

/// Returns sample entries of one type. Players read none of a second type in a track, so where some say that parameter sets come with
/// the samples (`avc3`, `hev1`: ISO/IEC 14496-15), all do: those may have sets in the entry too.
fn of_one_type(entries: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut entries = entries.to_vec();
    for (without, with) in [(b"avc1", b"avc3"), (b"hvc1", b"hev1")] {
        if entries.iter().any(|entry| entry.get(4..8) == Some(with)) {
            let others =
                entries.iter_mut().filter_map(|entry| entry.get_mut(4..8)).filter(|name| name == without);
            others.for_each(|name| name.copy_from_slice(with));
        }
    }
    entries
}

fn tkhd(track: &PlannedTrack, number: usize) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend(words([number as u32 + 1, 0]));
    body.extend(movie_ticks(track.end()).to_be_bytes());
    body.extend([0; 8]);
    body.extend([0, 0]);
    body.extend(track.group.to_be_bytes());
    body.extend(if &track.info.handler == b"soun" { [1, 0, 0, 0] } else { [0; 4] });
    body.extend(track.info.matrix.map_or_else(matrix, |turned| turned.to_vec()));
    let (width, height) = track.info.size;
    body.extend(words([width << 16, height << 16]));
    full(b"tkhd", 1, if track.is_enabled { 3 } else { 2 }, &body)
}

fn elst(track: &PlannedTrack) -> Vec<u8> {
    let edit =
        |lasts: u64, media: i64| [&lasts.to_be_bytes()[..], &media.to_be_bytes(), &[0, 1, 0, 0]].concat();
    // A tick more or less at the begin would move the picture against the sound.
    let begin = scaled(track.begin, i64::from(MOVIE), FLICKS);
    let lasts = movie_ticks(track.end().saturating_sub(track.begin));
    let mut edits = Vec::new();
    if begin > 0 {
        edits.push(edit(begin.unsigned_abs(), -1));
    }
    edits.push(edit(lasts, track.media_time));
    full(b"elst", 1, 0, &[words([edits.len() as u32]), edits.concat()].concat())
}

fn mdhd(track: &PlannedTrack) -> Vec<u8> {
    let code = track.language.as_deref().and_then(language::iso_639_2).or(track.info.language);
    let mut body = vec![0; 16];
    body.extend(track.info.timescale.to_be_bytes());
    body.extend(track.totals.duration.to_be_bytes());
    body.extend(language::packed(code.unwrap_or(*b"und")).to_be_bytes());
    body.extend([0, 0]);
    full(b"mdhd", 1, 0, &body)
}

fn hdlr(track: &PlannedTrack) -> Vec<u8> {
    let name = track.name.as_deref().unwrap_or(match &track.info.handler {
        b"vide" => "Video",
        b"soun" => "Audio",
        _ => "Text",
    });
    let mut body = vec![0; 4];
    body.extend(track.info.handler);
    body.extend([0; 12]);
    body.extend(name.bytes().filter(|byte| *byte != 0));
    body.push(0);
    full(b"hdlr", 0, 0, &body)
}

/// Chapters as Nero has them, for players that do not look for a track.
fn udta(plan: &Plan) -> Option<Vec<u8>> {
    let chapters =
        plan.chapters.get(..plan.chapters.len().min(255)).filter(|chapters| !chapters.is_empty())?;
    let mut body = vec![0, 0, 0, 0, chapters.len() as u8];
    for (at, title) in chapters {
        let mut len = title.len().min(255);
        while !title.is_char_boundary(len) {
            len -= 1;
        }
        // In parts of 100 ns.
        body.extend(u64::try_from(at.as_nanos() / 100).unwrap_or(u64::MAX).to_be_bytes());
        body.push(len as u8);
        body.extend_from_slice(title.as_bytes().get(..len).unwrap_or(&[]));
    }
    Some(nest(b"udta", &[full(b"chpl", 1, 0, &body)]))
}

/// The number of entries in a table.
fn count(plan: &Plan, number: usize, kind: Kind) -> u64 {
    let Some(track) = plan.tracks.get(number) else { return 0 };
    match kind {
        Kind::Durations => track.totals.duration_runs,
        Kind::Offsets => track.totals.offset_runs,
        Kind::Syncs => track.totals.syncs,
        Kind::Sizes => track.totals.samples,
        Kind::ChunkRuns => ChunkRuns::new(chunks(plan, number)).count() as u64,
        Kind::Chunks => chunks(plan, number).count() as u64,
    }
}

fn entry_len(kind: Kind, is_large: bool) -> u64 {
    match kind {
        Kind::Durations | Kind::Offsets => 8,
        Kind::Syncs | Kind::Sizes => 4,
        Kind::ChunkRuns => 12,
        Kind::Chunks => {
            if is_large {
                8
            } else {
                4
            }
        }
    }
}

fn table_len(plan: &Plan, number: usize, kind: Kind, is_large: bool) -> u64 {
    count(plan, number, kind) * entry_len(kind, is_large)
}

/// Everything of a table but its entries.
fn table_head(plan: &Plan, number: usize, kind: Kind, is_large: bool) -> Vec<u8> {
    let count = count(plan, number, kind);
    let name = match kind {
        Kind::Durations => b"stts",
        Kind::Offsets => b"ctts",
        Kind::Syncs => b"stss",
        Kind::Sizes => b"stsz",
        Kind::ChunkRuns => b"stsc",
        Kind::Chunks => {
            if is_large {
                b"co64"
            } else {
                b"stco"
            }
        }
    };
    // Sizes of their own for all samples.
    let sizes: &[u8] = if kind == Kind::Sizes { &[0; 4] } else { &[] };
    let len = 16 + sizes.len() as u64 + count * entry_len(kind, is_large);
    let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    [&short(len)[..], name, &[0; 4], sizes, &short(count)].concat()
}

/// A chunk of a track: where it is in the data, how many samples it has, and their sample entry from 1.
struct Placed {
    at: u64,
    samples: u32,
    entry: u32,
}

/// The chunks of a track. Text stands in front of all media, one chunk for each track.
fn chunks(plan: &Plan, number: usize) -> impl Iterator<Item = Placed> {
    let source = plan.tracks.get(number).map(|track| track.source);
    let mut at = plan.text_at;
    let text = plan.texts.iter().enumerate().filter_map(move |(number, text)| {
        let begin = at;
        at += text.data.len() as u64;
        let samples = u32::try_from(text.table.len()).unwrap_or(u32::MAX);
        (source == Some(Source::Text(number))).then_some(Placed { at: begin, samples, entry: 1 })
    });
    let mut at = plan.text_at + plan.text_len();
    let media = plan.chunks().filter_map(move |(input, chunk, is_at)| {
        let begin = is_at.unwrap_or(at);
        at += u64::from(chunk.bytes);
        let own = Source::Input { input, track: usize::from(chunk.track) };
        let placed = Placed { at: begin, samples: chunk.samples, entry: u32::from(chunk.entry) + 1 };
        (source == Some(own)).then_some(placed)
    });
    text.chain(media)
}

/// Runs of chunks that are alike: the number of the first one, samples in each, and the sample entry.
struct ChunkRuns<I> {
    chunks: I,
    number: u32,
    last: Option<(u32, u32)>,
}

impl<I> ChunkRuns<I> {
    fn new(chunks: I) -> Self {
        Self { chunks, number: 0, last: None }
    }
}

impl<I: Iterator<Item = Placed>> Iterator for ChunkRuns<I> {
    type Item = [u32; 3];

    fn next(&mut self) -> Option<[u32; 3]> {
        loop {
            let chunk = self.chunks.next()?;
            self.number += 1;
            let like = (chunk.samples, chunk.entry);
            if self.last != Some(like) {
                self.last = Some(like);
                return Some([self.number, chunk.samples, chunk.entry]);
            }
        }
    }
}

impl Writing {
    /// Writes entries; `true`: all are written.
    fn write(&mut self, plan: &Plan, data_at: u64, is_large: bool, out: &mut Vec<u8>, most: usize) -> bool {
        // There are few chunks: two in a second and track.
        if self.kind == Kind::ChunkRuns {
            out.extend(ChunkRuns::new(chunks(plan, self.track)).flat_map(words::<3>));
            return true;
        }
        if self.kind == Kind::Chunks {
            for chunk in chunks(plan, self.track) {
                let at = data_at + chunk.at;
                match u32::try_from(at) {
                    Ok(short) if !is_large => out.extend(short.to_be_bytes()),
                    _ => out.extend(at.to_be_bytes()),
                }
            }
            return true;
        }
        let Some(track) = plan.tracks.get(self.track) else { return true };
        let Some(table) = plan.table(track) else { return true };
        while out.len() < most {
            let Some(sample) = self.walk.next(table, &track.spans) else {
                self.end(track, out);
                return true;
            };
            self.number += 1;
            match self.kind {
                Kind::Sizes => out.extend(sample.size.to_be_bytes()),
                Kind::Syncs if sample.is_sync => out.extend(self.number.to_be_bytes()),
                Kind::Syncs => {}
                Kind::Offsets => {
                    let offset = sample.offset.saturating_add(track.totals.lift);
                    self.take(u32::try_from(offset).unwrap_or(0), out);
                }
                _ => {
                    if let Some(last) = self.last_dts.replace(sample.dts) {
                        self.take(u32::try_from(sample.dts - last).unwrap_or(0), out);
                    }
                }
            }
        }
        false
    }

    fn take(&mut self, value: u32, out: &mut Vec<u8>) {
        match &mut self.run {
            Some((count, of)) if *of == value => *count += 1,
            run => {
                if let Some((count, of)) = run.replace((1, value)) {
                    out.extend(words([count, of]));
                }
            }
        }
    }

    fn end(&mut self, track: &PlannedTrack, out: &mut Vec<u8>) {
        if self.kind == Kind::Durations {
            self.take(track.totals.last_duration, out);
        }
        if let Some((count, of)) = self.run.take() {
            out.extend(words([count, of]));
        }
    }
}
