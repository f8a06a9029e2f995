//! Whether segments of fragmented MP4 in a row are one right file.

use super::{Problem, mp4::Mp4};

/// A hole of this many seconds is longer than a missing segment would leave. So another clock begins there.
const OTHER_CLOCK: f64 = 10.0;

/// Judges bytes that are joined as they came: whether their times go on, begin near 0, and samples are where the fragments say.
///
/// It looks at fragmented MP4 only. The packets of other containers bring their clocks with them, and players follow those.
#[derive(Debug, Default)]
pub struct Joint(State);

#[derive(Debug)]
enum State {
    Front(Vec<u8>),
    Mp4(Box<Mp4>),
    Other,
}

impl Default for State {
    fn default() -> Self {
        Self::Front(Vec::new())
    }
}

impl Joint {
    /// Begins a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes more bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Mp4(mp4) => mp4.push(bytes),
            State::Front(front) => {
                front.extend_from_slice(bytes);
                let Some(name) = front.get(4..8) else { return };
                // A box type is four printable characters (ISO/IEC 14496-12, 4.2); nothing else begins like that.
                let is_box = name.iter().all(|byte| byte.is_ascii_alphanumeric());
                let front = std::mem::take(front);
                self.0 = if is_box { State::Mp4(Box::default()) } else { State::Other };
                self.push(&front);
            }
            State::Other => {}
        }
    }

    /// Passes over the bytes that come next and tell nothing, such as samples; returns how many there are, at most `most`.
    pub fn pass_over(&mut self, most: u64) -> u64 {
        match &mut self.0 {
            State::Mp4(mp4) => mp4.pass_over(most),
            State::Front(_) => 0,
            State::Other => most,
        }
    }

    /// Returns what is wrong with the file so far.
    pub fn problems(&self) -> Vec<Problem> {
        let State::Mp4(mp4) = &self.0 else { return Vec::new() };
        let is_wrong = |problem: &&Problem| match problem {
            Problem::Hole { seconds, .. } => *seconds >= OTHER_CLOCK,
            Problem::Back { .. } | Problem::Late { .. } | Problem::Outside { .. } => true,
            _ => false,
        };
        let mut all: Vec<Problem> = Vec::new();
        for problem in mp4.problems().into_iter().filter(|problem| is_wrong(&problem)) {
            // Tracks of one fragment share their place.
            let is_alike =
                |other: &Problem| std::mem::discriminant(other) == std::mem::discriminant(&problem);
            if !all.last().is_some_and(|last| is_alike(last) && last.place() == problem.place()) {
                all.push(problem);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    }

    fn words(all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// One track of pictures, with 1000 ticks in a second.
    fn section() -> Vec<u8> {
        let tkhd = boxed(b"tkhd", &words(&[3, 0, 0, 1]));
        let mdhd = boxed(b"mdhd", &words(&[0, 0, 0, 1000, 0, 0]));
        let hdlr = boxed(b"hdlr", &[&[0; 8][..], b"vide", &[0; 12]].concat());
        let minf = boxed(b"minf", &boxed(b"stbl", &boxed(b"stsd", &[0; 8])));
        let mdia = boxed(b"mdia", &[mdhd, hdlr, minf].concat());
        let trak = boxed(b"trak", &[tkhd, mdia].concat());
        let trex = boxed(b"trex", &words(&[0, 1, 1, 0, 0, 0]));
        let moov = boxed(b"moov", &[trak, boxed(b"mvex", &trex)].concat());
        [boxed(b"ftyp", b"iso6\0\0\0\0"), moov].concat()
    }

    /// Two seconds from `start` on: one sample of 100 bytes, `offset` bytes behind the begin of its fragment, or of the file.
    fn segment(start: u64, absolute: bool) -> Vec<u8> {
        let tfhd = match absolute {
            true => boxed(b"tfhd", &words(&[1, 1, 0, 0])),
            false => boxed(b"tfhd", &words(&[0x2_0000, 1])),
        };
        let tfdt = boxed(b"tfdt", &[words(&[0x0100_0000]), start.to_be_bytes().to_vec()].concat());
        let trun = |offset: u32| boxed(b"trun", &words(&[0x301, 1, offset, 2000, 100]));
        let moof = |offset| boxed(b"moof", &boxed(b"traf", &[&tfhd[..], &tfdt, &trun(offset)].concat()));
        let length = moof(0).len() as u32;
        [moof(length + 8), boxed(b"mdat", &[7; 100])].concat()
    }

    fn told(bytes: &[u8], step: usize) -> Vec<String> {
        let mut joint = Joint::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let passed = joint.pass_over(rest.len() as u64) as usize;
            rest = &rest[passed..];
            let (now, behind) = rest.split_at(step.min(rest.len()));
            joint.push(now);
            rest = behind;
        }
        joint.problems().iter().map(|problem| problem.to_string().chars().take(24).collect()).collect()
    }

    #[test]
    fn what_may_be_joined() {
        let check = |what: &str, starts: &[u64], expect: &[&str]| {
            let segments = starts.iter().flat_map(|start| segment(*start, false));
            let file: Vec<u8> = section().into_iter().chain(segments).collect();
            for step in [1, 7, 64, file.len()] {
                assert_eq!(told(&file, step), expect, "{what}, {step} bytes at a time");
            }
        };
        check("it goes on", &[0, 2000, 4000], &[]);
        check("it begins at 10 s", &[10_000, 12_000], &[]);
        check("a segment is missing", &[0, 8000], &[]);
        check("it begins again", &[0, 2000, 0, 2000], &["timestamps go back by 4."]);
        check("another clock", &[0, 1_000_000], &["998.00 s are missing at "]);
        check("a wall clock", &[1_700_000_000_000], &["it begins at 1700000000 "]);
        check("nothing", &[], &[]);
    }

    #[test]
    fn samples_are_where_fragments_say() {
        let file = [section(), segment(0, true), segment(2000, true)].concat();
        assert_eq!(told(&file, 64), ["samples of track 1 are o"]);
    }

    #[test]
    fn other_containers_are_not_looked_at() {
        for bytes in [&b"\x47\x40\x00\x10\x00\x00\xb0\x0d"[..], b"WEBVTT\n\n", b"ID3\x04\0\0\0\0\0\0", b"ab"]
        {
            assert_eq!(told(bytes, 3), Vec::<String>::new());
        }
    }
}
