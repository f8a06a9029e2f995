//! What is kept of the samples of a unit, behind their data.
//!
//! Numbers are of seven bits a byte, the lowest first; signed ones have their sign in the lowest bit. First come the
//! tracks, then the samples in their order, and where rounds end.

use super::{
    error::RemuxError,
    program::Codec,
    report::LeftOut,
    sample::{Sample, TrackInfo},
    table::{put, take, unzigzag, zigzag},
};

/// The length of the record as four bytes, and what tells its version.
pub(crate) const END: usize = 12;
const VERSION: &[u8; 8] = b"hlsunit2";
/// Without the tables of the stream, and what was left out.
const FIRST_VERSION: &[u8; 8] = b"hlsunit1";
/// More tracks than a transport stream may have here.
const MOST_TRACKS: u64 = 64;
/// In the place of a track: bytes that belong to none of its samples.
const DAMAGED: u64 = MOST_TRACKS;

/// What a sound says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Its timestamp of 90 kHz.
    pub(crate) stamp: Option<i64>,
    pub(crate) samples: u32,
    pub(crate) rate: u32,
}

/// What a record says, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A sample of a track. Of pictures, the times of `dts` and `pts` hold; of sounds, what is heard.
    Sample {
        track: usize,
        sample: Sample,
        heard: Heard,
    },
    /// Bytes between the samples of a track that belong to none.
    Damaged {
        track: usize,
        bytes: u64,
    },
    RoundEnd,
}

#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    lasts: Vec<Last>,
}

/// What numbers are told apart from.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    time: i64,
    rate: u32,
}

impl Writer {
    pub(crate) fn sample(&mut self, track: usize, is_video: bool, sample: &Sample, heard: Heard) {
        if self.lasts.len() <= track {
            self.lasts.resize(track + 1, Last::default());
        }
        let Some(last) = self.lasts.get_mut(track) else { return };
        let is_new = !is_video && heard.rate != last.rate;
        let flags = [sample.is_sync, heard.stamp.is_some() && !is_video, is_new];
        let flags = flags.into_iter().fold(0, |all, flag| all << 1 | u64::from(flag));
        // 0 is the end of a round.
        put(&mut self.bytes, ((track as u64) << 3 | flags) + 1);
        put(&mut self.bytes, u64::from(sample.size));
        put(&mut self.bytes, u64::from(sample.entry));
        if is_video {
            put(&mut self.bytes, zigzag(sample.dts.wrapping_sub(last.time)));
            put(&mut self.bytes, zigzag(sample.pts.wrapping_sub(sample.dts)));
            last.time = sample.dts;
            return;
        }
        put(&mut self.bytes, u64::from(heard.samples));
        if let Some(stamp) = heard.stamp {
            put(&mut self.bytes, zigzag(stamp.wrapping_sub(last.time)));
            last.time = stamp;
        }
        if is_new {
            put(&mut self.bytes, u64::from(heard.rate));
            last.rate = heard.rate;
        }
    }

    pub(crate) fn damaged(&mut self, track: usize, bytes: u64) {
        put(&mut self.bytes, (DAMAGED << 3) + 1);
        put(&mut self.bytes, track as u64);
        put(&mut self.bytes, bytes);
    }

    pub(crate) fn end_round(&mut self) {
        self.bytes.push(0);
    }

    pub(crate) fn finish(self, tracks: &[TrackInfo], codecs: &[Codec], beside: &Beside) -> Vec<u8> {
        let mut record = Vec::new();
        put(&mut record, beside.program.as_ref().map_or(0, |(pid, _)| u64::from(*pid)));
        let map = beside.program.as_ref().map_or(&[][..], |(_, map)| map);
        put(&mut record, map.len() as u64);
        record.extend_from_slice(map);
        put(&mut record, beside.left_out.len() as u64);
        for LeftOut { what, pid, is_missed } in &beside.left_out {
            put(&mut record, u64::from(pid.map_or(0, |pid| pid + 1)) << 1 | u64::from(*is_missed));
            put(&mut record, what.len() as u64);
            record.extend_from_slice(what.as_bytes());
        }
        put(&mut record, tracks.len() as u64);
        for (track, codec) in tracks.iter().zip(codecs) {
            record.push(codec.code());
            record.extend(track.language.unwrap_or_default());
            put(&mut record, u64::from(track.size.0));
            put(&mut record, u64::from(track.size.1));
            put(&mut record, track.entries.len() as u64);
            for entry in &track.entries {
                put(&mut record, entry.len() as u64);
                record.extend_from_slice(entry);
            }
        }
        record.extend(self.bytes);
        let len = u32::try_from(record.len() + END).unwrap_or(u32::MAX);
        record.extend(len.to_be_bytes());
        record.extend(VERSION);
        record
    }
}

/// How long the record is that ends so, its end included.
pub(crate) fn len(end: &[u8]) -> Option<u64> {
    let (len, version) = end.split_first_chunk::<4>()?;
    (version == VERSION || version == FIRST_VERSION).then(|| u64::from(u32::from_be_bytes(*len)))
}

/// What a record says beside its tracks and samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// The PID of the program map, and the map as it came.
    pub(crate) program: Option<(u16, Vec<u8>)>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// The tracks of a record.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    pub(crate) infos: Vec<TrackInfo>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) beside: Beside,
}

/// Reads a record.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    lasts: Vec<(bool, Last)>,
}

impl<'a> Reader<'a> {
    /// Reads the tracks; `None`: it is no record.
    pub(crate) fn new(record: &'a [u8]) -> Option<(Self, Tracks)> {
        let (bytes, end) = record.split_at_checked(record.len().checked_sub(END)?)?;
        if len(end) != Some(record.len() as u64) {
            return None;
        }
        let mut reader = Self { bytes, at: 0, lasts: Vec::new() };
        let mut all = Tracks::default();
        if end.ends_with(VERSION) {
            all.beside = reader.beside()?;
        }
        for _ in 0..reader.number().filter(|count| *count <= MOST_TRACKS)? {
            let codec = Codec::of_code(*reader.some(1)?.first()?)?;
            let is_video = codec.is_video();
            let language = reader.some(3)?.first_chunk::<3>().copied();
            let mut info = if is_video { TrackInfo::video() } else { TrackInfo::sound() };
            info.language = language.filter(|language| *language != [0; 3]);
            info.size = (reader.number()?.try_into().ok()?, reader.number()?.try_into().ok()?);
            for _ in 0..reader.number()? {
                let len = usize::try_from(reader.number()?).ok()?;
                info.entries.push(reader.some(len)?.to_vec());
            }
            reader.lasts.push((is_video, Last::default()));
            all.infos.push(info);
            all.codecs.push(codec);
        }
        Some((reader, all))
    }

    fn beside(&mut self) -> Option<Beside> {
        let pid = u16::try_from(self.number()?).ok()?;
        let len = usize::try_from(self.number()?).ok()?;
        let map = self.some(len)?.to_vec();
        let mut left_out = Vec::new();
        for _ in 0..self.number().filter(|count| *count <= MOST_TRACKS)? {
            let head = self.number()?;
            let len = usize::try_from(self.number()?).ok()?;
            let what = String::from_utf8(self.some(len)?.to_vec()).ok()?;
            let pid = (head >> 1).checked_sub(1).and_then(|pid| u16::try_from(pid).ok());
            left_out.push(LeftOut { what, pid, is_missed: head & 1 != 0 });
        }
        Some(Beside { program: (!map.is_empty()).then_some((pid, map)), left_out })
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    ///
    /// Where the record is none.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, RemuxError> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        self.event().map(Some).ok_or(RemuxError::Differs { input: 0 })
    }

    fn event(&mut self) -> Option<Event> {
        let Some(head) = self.number()?.checked_sub(1) else { return Some(Event::RoundEnd) };
        if head >> 3 == DAMAGED {
            let track = usize::try_from(self.number()?).ok()?;
            return Some(Event::Damaged { track, bytes: self.number()? });
        }
        let track = usize::try_from(head >> 3).ok()?;
        let (is_video, mut last) = *self.lasts.get(track)?;
        // As the first version had it: all sounds are sync samples.
        if !is_video && head & 4 == 0 {
            return Some(Event::Damaged { track, bytes: self.number()? });
        }
        let size = u32::try_from(self.number()?).ok()?;
        let entry = u8::try_from(self.number()?).ok()?;
        let (mut heard, mut dts, mut pts) = (Heard::default(), 0, 0);
        if is_video {
            dts = last.time.wrapping_add(unzigzag(self.number()?));
            pts = dts.wrapping_add(unzigzag(self.number()?));
            last.time = dts;
        } else {
            heard.samples = u32::try_from(self.number()?).ok()?;
            if head & 2 != 0 {
                last.time = last.time.wrapping_add(unzigzag(self.number()?));
                heard.stamp = Some(last.time);
            }
            if head & 1 != 0 {
                last.rate = u32::try_from(self.number()?).ok()?;
            }
            heard.rate = last.rate;
        }
        *self.lasts.get_mut(track)? = (is_video, last);
        let is_sync = head & 4 != 0;
        let sample = Sample { offset: 0, unit: 0, dts, pts, duration: 0, size, is_sync, entry };
        Some(Event::Sample { track, sample, heard })
    }

    fn number(&mut self) -> Option<u64> {
        take(self.bytes, &mut self.at)
    }

    fn some(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.bytes.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = Event> {
        let time = prop_oneof![-9000_i64..9000, any::<i64>()];
        let heard = (proptest::option::of(time.clone()), any::<u32>(), any::<u32>());
        let sample = (0..3_usize, time.clone(), time, any::<u32>(), any::<bool>(), any::<u8>(), heard);
        let sample = sample.prop_map(|(track, dts, pts, size, is_sync, entry, (stamp, samples, rate))| {
            let is_video = track == 0;
            // Of pictures, nothing is heard; of sounds, only that counts, and all are sync samples.
            let (dts, pts) = if is_video { (dts, pts) } else { (0, 0) };
            let is_sync = is_sync || !is_video;
            let heard = if is_video { Heard::default() } else { Heard { stamp, samples, rate } };
            let sample = Sample { offset: 0, unit: 0, dts, pts, duration: 0, size, is_sync, entry };
            Event::Sample { track, sample, heard }
        });
        let damaged = (0..3_usize, any::<u64>()).prop_map(|(track, bytes)| Event::Damaged { track, bytes });
        prop_oneof![8 => sample, 1 => damaged, 1 => Just(Event::RoundEnd)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(events in proptest::collection::vec(event(), 0..200)) {
            let mut video = TrackInfo::video();
            (video.size, video.entries) = ((1920, 1080), vec![vec![1, 2, 3], Vec::new()]);
            let sound = TrackInfo { language: Some(*b"eng"), ..TrackInfo::sound() };
            let (infos, codecs) = (
                vec![video, sound, TrackInfo::sound()],
                vec![Codec::Avc, Codec::Audio(crate::Container::Adts), Codec::Audio(crate::Container::Ac3)],
            );
            let mut writer = Writer::default();
            for event in &events {
                match event {
                    Event::Sample { track, sample, heard } => writer.sample(*track, *track == 0, sample, *heard),
                    Event::Damaged { track, bytes } => writer.damaged(*track, *bytes),
                    Event::RoundEnd => writer.end_round(),
                }
            }
            let left_out = vec![LeftOut { what: "teletext".to_owned(), pid: Some(7), is_missed: true }];
            let beside = Beside { program: Some((0x1000, vec![2, 3, 4])), left_out };
            let record = writer.finish(&infos, &codecs, &beside);
            prop_assert_eq!(len(&record[record.len() - END..]), Some(record.len() as u64));
            let (mut reader, tracks) = Reader::new(&record).unwrap();
            prop_assert_eq!((tracks.infos, tracks.codecs, tracks.beside), (infos, codecs, beside));
            let mut read = Vec::new();
            while let Some(event) = reader.next().unwrap() {
                read.push(event);
            }
            prop_assert_eq!(read, events);
        }
    }
}
