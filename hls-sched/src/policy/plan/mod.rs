//! What has to be had, in order: the units of each track.

mod locked;
mod peek;
mod recent;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hls_fetch::ByteRange;
use hls_media::remux::{MayLack, Takes};
use hls_parse::{Encryption, Media, Segment};
use hls_state::{Fingerprint, Hasher};
use url::Url;

use self::recent::Recent;
use crate::error::{Error, Kind};
use crate::place::Place;

/// Bit that marks the initialisation section of a segment among units.
const INIT: u32 = 1 << 31;
/// Each segment that is missing is remembered with what is told of it, and takes some 800 bytes. These are a day of two seconds each.
const MOST_GAPS: u32 = 43_200;

/// One output: a media playlist and its units, each segment after the initialisation section it needs.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) label: String,
    /// Where the units are: a link may expire, and a fresh one takes its place.
    media: RwLock<Arc<Media>>,
    recent: Recent,
    /// Number of a segment; with [`INIT`], the initialisation section that the segment needs.
    units: Vec<u32>,
    /// Segments before each initialisation section, where there is one: tells segments from units.
    inits: Vec<u32>,
    /// The units of a stream that grows, in place of those.
    growing: Option<RwLock<Growing>>,
    /// It has some segments only, however many the playlist has.
    is_partial: bool,
    pub(crate) bandwidth: Option<u64>,
    /// How large its pictures are, by the playlist: width and height in pixels.
    pub(crate) resolution: Option<(u32, u32)>,
    /// What the output holds of a unit is not its bytes.
    pub(crate) pieces: Option<Pieces>,
    /// What an MP4 takes that is made of it, and what it may be without; `None`: none is made.
    pub(crate) mp4: Option<(Takes, MayLack)>,
    /// It holds subtitles as text.
    pub(crate) is_text: bool,
}

/// How units become pieces of an MP4, each by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    pub(crate) takes: Takes,
    /// What it may be without, where an MP4 can't hold it.
    pub(crate) may_lack: MayLack,
    /// The `CODECS` of the playlist.
    pub(crate) codecs: Option<String>,
    /// Where the first of them begins, in bytes.
    pub(crate) room: u64,
}

/// What the identity of a unit is changed by where a piece is kept of it, both halves: one is never taken for the other.
const PIECE: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// The units of a stream that grows.
#[derive(Debug, Default)]
struct Growing {
    units: Vec<Arc<Unit>>,
    /// Places of the initialization sections.
    inits: Vec<u64>,
    duration: Duration,
}

/// One thing to fetch.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) url: Url,
    pub(crate) range: Option<ByteRange>,
    pub(crate) cipher: Option<Cipher>,
    pub(crate) is_init: bool,
    /// The playlist says that it is missing, or it can't be decrypted.
    pub(crate) is_gap: bool,
    /// It is encrypted in a way that is not supported: its bytes must not be written as they are (rfc8216bis-22, section 6.3.6).
    pub(crate) is_unreadable: bool,
    /// Number among the segments of the track, from 0.
    pub(crate) number: u64,
    pub(crate) sequence: u64,
    pub(crate) duration: Duration,
    pub(crate) identity: u128,
    /// What only a stream that grows tells of its units.
    pub(crate) live: Option<LiveUnit>,
}

/// What only a stream that grows tells of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveUnit {
    /// How often the numbers had begun anew.
    pub(crate) epoch: u32,
    /// How many segments it stands for: 1 but for what is lost.
    pub(crate) count: u64,
    /// It had left the playlist before it could be had.
    pub(crate) is_lost: bool,
    /// Where it begins, from the start of the recording.
    pub(crate) start: Duration,
    /// When, by the clock of the stream, in microseconds since 1970.
    pub(crate) at: Option<i64>,
    /// The discontinuity sequence number; never less than that of the unit before.
    pub(crate) discontinuity: u64,
}

impl LiveUnit {
    /// The number of its timeline: greater than all before it where its stream was started anew.
    pub(crate) fn timeline(self) -> u64 {
        const BITS: u32 = 40;
        u64::from(self.epoch & 0xff_ffff) << BITS | self.discontinuity.min((1 << BITS) - 1)
    }
}

/// How a unit is encrypted.
#[derive(Clone, Debug)]
pub(crate) struct Cipher {
    pub(crate) key: Url,
    pub(crate) iv: [u8; 16],
}

impl Track {
    /// Plans a media playlist.
    ///
    /// # Errors
    /// Nothing to download, gaps, or encryption that is not supported: refused before any segment is fetched.
    pub(crate) fn new(
        label: String,
        media: Media,
        bandwidth: Option<u64>,
        allow_gaps: bool,
    ) -> Result<Self, Error> {
        if media.segments().len() == 0 {
            return Err(Error::new(Kind::Playlist, "playlist.empty", "the playlist has no segments"));
        }
        refuse_unreadable(&media)?;
        let mut units = Vec::with_capacity(media.segments().len() + media.maps().len());
        let mut inits = Vec::new();
        let (mut last, mut gaps) = (None, 0);
        for (n, segment) in (0..INIT).zip(media.segments()) {
            gaps += u32::from(segment.is_gap());
            if gaps > MOST_GAPS {
                let message =
                    format!("the playlist says that more than {MOST_GAPS} segments are missing (EXT-X-GAP)");
                return Err(Error::new(Kind::Refused, "segment.gap", message)
                    .at(format!("line {}", segment.line()))
                    .next("try another variant with -s"));
            }
            if segment.is_gap() && !allow_gaps {
                let message = format!("the playlist says that segment {n} is missing (EXT-X-GAP)");
                return Err(Error::new(Kind::Refused, "segment.gap", message)
                    .at(format!("line {}", segment.line()))
                    .next("try another variant with -s, or add --allow-gaps to finish without it"));
            }
            let map = segment.map();
            if map.is_some() && map != last {
                inits.push(n);
                units.push(n | INIT);
            }
            last = map;
            units.push(n);
        }
        let media = RwLock::new(Arc::new(media));
        Ok(Self {
            label,
            media,
            recent: Recent::default(),
            units,
            inits,
            growing: None,
            is_partial: false,
            bandwidth,
            resolution: None,
            pieces: None,
            mp4: None,
            is_text: false,
        })
    }

    /// A track of a stream that grows, without any unit yet.
    ///
    /// # Errors
    /// Encryption that is not supported.
    pub(crate) fn growing(label: String, media: Media, bandwidth: Option<u64>) -> Result<Self, Error> {
        refuse_unreadable(&media)?;
        let (units, inits, growing) = (Vec::new(), Vec::new(), Some(RwLock::default()));
        let media = RwLock::new(Arc::new(media));
        Ok(Self {
            label,
            media,
            recent: Recent::default(),
            units,
            inits,
            growing,
            is_partial: false,
            bandwidth,
            resolution: None,
            pieces: None,
            mp4: None,
            is_text: false,
        })
    }

    /// The first segment of each timeline alone, and the last one where another timeline follows, with the sections they
    /// need: they tell when each timeline begins.
    pub(crate) fn into_clock(mut self) -> Self {
        let media = self.media();
        let mut ends: Vec<(u32, u32, u64)> = Vec::new();
        for (n, segment) in (0..INIT).zip(media.segments()).filter(|(_, segment)| !segment.is_gap()) {
            let timeline = segment.discontinuity_sequence();
            match ends.last_mut() {
                Some((_, last, known)) if *known == timeline => *last = n,
                _ => ends.push((n, n, timeline)),
            }
        }
        let turns = ends.len().saturating_sub(1);
        let mut wanted = Vec::new();
        for (turn, (first, last, _)) in ends.into_iter().enumerate() {
            wanted.push(first);
            wanted.extend((turn < turns && last > first).then_some(last));
        }
        let (mut units, mut inits) = (Vec::new(), Vec::new());
        let mut map = None;
        for (n, segment) in wanted.into_iter().filter_map(|n| Some((n, media.segment(n as usize)?))) {
            if segment.map().is_some() && segment.map() != map {
                inits.push((units.len() - inits.len()) as u32);
                units.push(n | INIT);
            }
            map = segment.map();
            units.push(n);
        }
        (self.units, self.inits, self.is_partial) = (units, inits, true);
        self.recent.clear();
        self
    }

    /// The track of the same playlist as it is elsewhere.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn alike(&self, media: Media, allow_gaps: bool) -> Result<Self, Error> {
        let track = Self::new(self.label.clone(), media, self.bandwidth, allow_gaps)?;
        Ok(if self.is_partial { track.into_clock() } else { track })
    }

    /// Returns the number of the first segment that is another one in the same playlist as it is now. Where most have other paths that
    /// are not among those of before, paths are signed anew with each load, and tell nothing.
    pub(crate) fn differs_from(&self, now: &Media) -> Option<u64> {
        let fresh = self.alike(now.clone(), true).ok()?;
        let all = self.units().max(fresh.units());
        let identities =
            |n: u64| [self, &fresh].map(|track| track.unit_as_it_comes(n).map(|unit| unit.identity));
        let (mut other, mut first) = (0_u64, None);
        for n in 0..all {
            match identities(n) {
                [Some(before), Some(now)] if before == now => {}
                [Some(before), Some(now)] if is_alike(before, now) => {
                    other += 1;
                    first = first.or(Some(n));
                }
                _ => return Some(self.segments_before(n.min(self.units()))),
            }
        }
        let paths = |track: &Self| -> HashSet<String> {
            let units = (0..all).filter_map(|n| track.unit_as_it_comes(n));
            units.map(|unit| unit.url.path().to_owned()).collect()
        };
        let first = first?;
        let is_told = other <= all / 2 || paths(self) == paths(&fresh);
        is_told.then(|| self.segments_before(first))
    }

    pub(crate) fn is_growing(&self) -> bool {
        self.growing.is_some()
    }

    /// Adds a unit to a stream that grows. Its number, start and identity are set here, but for an identity that is known.
    pub(crate) fn append(&self, mut unit: Unit) -> Arc<Unit> {
        let Some(growing) = &self.growing else { return Arc::new(unit) };
        let mut growing = growing.write().unwrap_or_else(PoisonError::into_inner);
        unit.number = growing.units.len() as u64 - growing.inits.len() as u64;
        if let Some(live) = &mut unit.live {
            live.start = growing.duration;
        }
        growing.duration += unit.duration;
        if unit.is_init {
            let place = growing.units.len() as u64;
            growing.inits.push(place);
        }
        let unit = Arc::new(unit);
        growing.units.push(Arc::clone(&unit));
        unit
    }

    /// Has a unit of a stream that grows be had by another URL.
    pub(crate) fn relocate(&self, index: u64, fresh: &Unit) {
        let Some(growing) = &self.growing else { return };
        let mut growing = growing.write().unwrap_or_else(PoisonError::into_inner);
        let Some(unit) = usize::try_from(index).ok().and_then(|index| growing.units.get_mut(index)) else {
            return;
        };
        let known = Arc::make_mut(unit);
        (known.url, known.cipher) = (fresh.url.clone(), fresh.cipher.clone());
    }

    /// Takes the playlist that was loaded last.
    pub(crate) fn listed(&self, media: Media) {
        *self.media.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(media);
    }

    fn grown<T>(&self, read: impl FnOnce(&Growing) -> T) -> Option<T> {
        let growing = self.growing.as_ref()?;
        Some(read(&growing.read().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(crate) fn media(&self) -> Arc<Media> {
        Arc::clone(&self.media.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the URLs of the same playlist, loaded again.
    ///
    /// # Errors
    /// The number of the first segment that is another one there; nothing is taken then.
    pub(crate) fn renew(&self, fresh: &Self) -> Result<(), u64> {
        let differs = |index: &u64| {
            let [old, new] =
                [self, fresh].map(|track| track.unit_as_it_comes(*index).map(|unit| unit.identity));
            !old.zip(new).is_some_and(|(old, new)| is_alike(old, new))
        };
        let first = (0..self.units().max(fresh.units())).find(differs);
        match first {
            Some(index) => Err(self.segments_before(index.min(self.units()))),
            None => {
                *self.media.write().unwrap_or_else(PoisonError::into_inner) = fresh.media();
                self.recent.clear();
                Ok(())
            }
        }
    }

    pub(crate) fn units(&self) -> u64 {
        self.grown(|growing| growing.units.len()).unwrap_or(self.units.len()) as u64
    }

    pub(crate) fn segments(&self) -> u64 {
        let (units, inits) =
            self.grown(|g| (g.units.len(), g.inits.len())).unwrap_or((self.units.len(), self.inits.len()));
        (units - inits) as u64
    }

    /// Segments among the first `units` units.
    pub(crate) fn segments_before(&self, units: u64) -> u64 {
        if let Some(inits) = self.grown(|growing| growing.inits.partition_point(|place| *place < units)) {
            return units - inits as u64;
        }
        let inits =
            self.inits.iter().zip(0_u64..).filter(|(n, before)| u64::from(**n) + before < units).count();
        units - inits as u64
    }

    /// Places of the initialisation sections among the units.
    pub(crate) fn init_places(&self) -> Vec<u64> {
        if let Some(inits) = self.grown(|growing| growing.inits.clone()) {
            return inits;
        }
        self.inits.iter().zip(0_u64..).map(|(n, before)| u64::from(*n) + before).collect()
    }

    pub(crate) fn has_several_inits(&self) -> bool {
        self.grown(|growing| growing.inits.len()).unwrap_or(self.inits.len()) > 1
    }

    pub(crate) fn unit(&self, index: u64) -> Option<Unit> {
        let mut unit = self.unit_as_it_comes(index)?;
        if self.pieces.is_some() {
            unit.identity ^= PIECE;
        }
        Some(unit)
    }

    fn unit_as_it_comes(&self, index: u64) -> Option<Unit> {
        let at = usize::try_from(index).ok()?;
        if let Some(unit) = self.grown(|growing| growing.units.get(at).map(|unit| Unit::clone(unit))) {
            return unit;
        }
        let code = *self.units.get(at)?;
        let number = code & !INIT;
        let read = || Unit::of(&self.media().segment(number as usize)?, code & INIT != 0, None);
        self.recent.unit(index, read)
    }

    pub(crate) fn duration(&self) -> Duration {
        if self.is_partial {
            return (0..self.units()).filter_map(|index| self.unit(index)).map(|unit| unit.duration).sum();
        }
        self.grown(|growing| growing.duration).unwrap_or_else(|| self.media().duration())
    }

    pub(crate) fn estimated_bytes(&self) -> Option<u64> {
        if self.is_growing() {
            return None;
        }
        let seconds = self.duration().as_secs_f64();
        let ranges = self.media().segments().map(|s| s.byte_range().map(|r| r.length)).sum::<Option<u64>>();
        ranges
            .filter(|_| !self.is_partial)
            .or_else(|| self.bandwidth.map(|b| (b as f64 * seconds / 8.0) as u64))
    }

    /// How a unit is called in messages.
    pub(crate) fn name(&self, unit: &Unit) -> String {
        match unit.is_init {
            true => "the initialization section".to_owned(),
            false => format!("segment {} (sequence {})", unit.number, unit.sequence),
        }
    }
}

/// Refuses what can't be read from here on.
fn refuse_unreadable(media: &Media) -> Result<(), Error> {
    if media.skipped_segments > 0 {
        return Err(Error::new(
            Kind::Playlist,
            "playlist.delta",
            "the playlist leaves out its beginning (EXT-X-SKIP)",
        ));
    }
    let mut all = media.encryptions().chain(media.maps().iter().map(|map| &map.encryption));
    all.find_map(locked::refusal).map_or(Ok(()), Err)
}

impl Unit {
    /// The unit for a segment, or for the initialization section that it needs. `None`: its URL can't be made out.
    pub(crate) fn of(segment: &Segment<'_>, is_init: bool, live: Option<LiveUnit>) -> Option<Self> {
        let map = segment.map();
        let (url, range, encryption) = match map.filter(|_| is_init) {
            Some(map) => (map.url.clone(), map.byte_range, &map.encryption),
            None => (segment.url().ok()?, segment.byte_range(), segment.encryption()),
        };
        let cipher = match encryption {
            Encryption::Aes128 { url, iv, .. } => {
                let implicit = || u128::from(segment.media_sequence()).to_be_bytes();
                let iv = iv.unwrap_or_else(implicit);
                Some(Cipher { key: Url::clone(url), iv })
            }
            _ => None,
        };
        let empty = segment.empty_range().filter(|_| !is_init);
        let empty = empty.map(|start| ByteRange { start, end: Some(start) });
        let asked = |r: hls_parse::ByteRange| ByteRange::new(r.offset, r.length);
        let range = empty.or_else(|| range.and_then(asked));
        let mut unit = Self {
            url,
            range,
            cipher,
            is_init,
            is_gap: peek::is_gap(segment, is_init),
            is_unreadable: peek::is_unreadable(encryption),
            number: segment.index() as u64,
            sequence: segment.media_sequence(),
            duration: if is_init { Duration::ZERO } else { segment.duration() },
            identity: 0,
            live,
        };
        let map = map.map(|m| (m.url.path().to_owned(), m.byte_range.map(|r| (r.offset, r.length))));
        unit.identity = unit.identify(segment.discontinuity_sequence(), map.as_ref());
        Some(unit)
    }

    /// What tells this unit from every other, without host and query: a stream may move, and tokens change.
    ///
    /// The upper half is the unit's place in the structure of the stream, the lower half the paths and keys it is had by.
    fn identify(&self, discontinuity: u64, map: Option<&(String, Option<(u64, u64)>)>) -> u128 {
        let [mut structure, mut paths] = [Hasher::default(), Hasher::default()];
        let add = |hasher: &mut Hasher, bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        let range = |range: Option<(u64, u64)>| {
            range.map_or([0; 16], |(a, b)| (u128::from(a) << 64 | u128::from(b)).to_le_bytes())
        };
        add(&mut structure, &[u8::from(self.is_init)]);
        // A playlist that is read once has only one epoch.
        add(&mut structure, &self.live.map_or(0, |live| u64::from(live.epoch)).to_le_bytes());
        add(&mut structure, &discontinuity.to_le_bytes());
        add(&mut structure, &self.sequence.to_le_bytes());
        add(&mut structure, &self.duration.as_millis().to_le_bytes());
        add(&mut structure, &range(self.range.and_then(|r| Some((r.start, r.length()?)))));
        add(&mut paths, self.url.path().as_bytes());
        if let Some((path, bytes)) = map {
            add(&mut structure, &range(*bytes));
            add(&mut paths, path.as_bytes());
        }
        if let Some(cipher) = &self.cipher {
            add(&mut structure, b"AES-128");
            add(&mut paths, cipher.key.path().as_bytes());
            add(&mut paths, &cipher.iv);
        }
        let [structure, paths] = [structure, paths].map(|hasher| hasher.finish().0 & u128::from(u64::MAX));
        structure << 64 | paths
    }
}

/// Whether both may be the same unit, had by other paths or keys: only its bytes can tell.
pub(crate) fn is_alike(one: u128, other: u128) -> bool {
    one >> 64 == other >> 64
}

/// All tracks of a job.
#[derive(Debug)]
pub(crate) struct Tracks(pub(crate) Vec<Track>);

impl Tracks {
    pub(crate) fn at(&self, place: Place) -> Option<(&Track, Unit)> {
        let track = self.0.get(usize::from(place.track))?;
        Some((track, track.unit(place.index)?))
    }

    /// Whether there is one without an end.
    pub(crate) fn is_growing(&self) -> bool {
        self.0.iter().any(Track::is_growing)
    }

    pub(crate) fn segments(&self) -> u64 {
        self.0.iter().map(Track::segments).sum()
    }
}

/// Tells keys apart whose URLs differ in what is not written down.
pub(crate) fn key_hash(key: &Url) -> u128 {
    Fingerprint::of(key.as_str().as_bytes()).0
}

#[cfg(test)]
mod tests;
