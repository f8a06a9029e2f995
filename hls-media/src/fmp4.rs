//! Boxes of fragmented MP4.

use crate::{
    Kind, MediaError,
    chain::Chains,
    coding::hash,
    fragment::{Fragments, Needs},
    oddity::{Blank, Found, Odd},
};

/// A `moof` box that is larger is passed without a look; real ones have some kilobytes.
const LARGEST_MOOF: u64 = 1 << 20;

/// The bytes of a brand and its version.
const BRAND: usize = 8;

/// Walks the boxes of one unit at the outermost level, whatever the chunking.
#[derive(Debug, Clone, Default)]
pub(crate) struct Boxes {
    offset: u64,
    begin: u64,
    /// How much of the body of the box is still to come.
    remaining: u64,
    to_end: bool,
    name: [u8; 4],
    header: [u8; 16],
    header_len: usize,
    moov: bool,
    moof: bool,
    mdat: bool,
    /// What the samples of the last `moof` box need.
    needs: Needs,
    /// Where the bodies of `mdat` boxes begin and end that came since.
    data: Option<(u64, u64)>,
    /// How many bytes of `mdat` boxes have been announced since.
    given: u64,
    /// Where the last `moof` box begins, and whether an `mdat` box came behind it.
    last_moof: (u64, bool),
    /// What came of the `moof` box that is being passed; `None` in any other.
    fragment: Option<Vec<u8>>,
    fragments: Fragments,
    /// The sequence numbers of the first `moof` box and of the last one.
    numbers: Option<(u32, u32)>,
    /// A `moof` box was too large to be read.
    has_unread: bool,
    blank: Blank,
    chains: Chains,
    found: Found,
    /// The brand of a segment and its version, where it begins with them.
    brand: Vec<u8>,
    /// A hash of all that is in `moov` boxes.
    section: u64,
}

impl Boxes {
    pub(crate) fn push(&mut self, input: &[u8]) -> Result<(), MediaError> {
        let mut input = input;
        while !input.is_empty() {
            if self.to_end {
                if &self.name == b"mdat" {
                    self.given = self.given.saturating_add(input.len() as u64);
                    self.look_at(input);
                }
                self.offset = self.offset.saturating_add(input.len() as u64);
                break;
            }
            if self.remaining > 0 {
                let skip = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
                let (part, rest) = input.split_at(skip);
                if let Some(fragment) = &mut self.fragment {
                    fragment.extend_from_slice(part);
                }
                match &self.name {
                    b"mdat" => self.look_at(part),
                    b"moov" => self.section = hash(self.section, part),
                    b"styp" if self.begin == 0 => {
                        let missing = BRAND.saturating_sub(self.brand.len()).min(part.len());
                        self.brand.extend_from_slice(part.get(..missing).unwrap_or_default());
                    }
                    _ => {}
                }
                input = rest;
                self.remaining -= skip as u64;
                self.offset = self.offset.saturating_add(skip as u64);
                if let Some(fragment) = self.fragment.take_if(|_| self.remaining == 0) {
                    let bad = |why| MediaError::BadBox { offset: self.begin, why };
                    self.needs = self.fragments.take(Some(&fragment)).map_err(bad)?;
                    if let Some(number) = sequence_number(&fragment) {
                        self.numbers = Some((self.numbers.map_or(number, |(first, _)| first), number));
                    }
                    let runs = std::mem::take(&mut self.needs.runs);
                    self.chains.expect(self.begin, if self.needs.overlap { Vec::new() } else { runs });
                }
                continue;
            }
            if self.header_len == 0 {
                self.begin = self.offset;
            }
            // A 64-bit size follows the header proper.
            let wanted = if self.header_len < 8 { 8 } else { 16 } - self.header_len;
            let (part, rest) = input.split_at(wanted.min(input.len()));
            if let Some(slot) = self.header.get_mut(self.header_len..self.header_len + part.len()) {
                slot.copy_from_slice(part);
            }
            self.header_len += part.len();
            self.offset = self.offset.saturating_add(part.len() as u64);
            input = rest;
            if self.header_len == 8 || self.header_len == 16 {
                self.begin_box()?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<Kind, MediaError> {
        if self.remaining > 0 || self.header_len > 0 {
            let (missing, name) = match self.header_len {
                0 => (self.remaining, self.name.escape_ascii().to_string()),
                len => ((if len < 8 { 8 } else { 16_u64 }).saturating_sub(len as u64), "header".to_owned()),
            };
            return Err(MediaError::BoxTruncated { offset: self.begin, name, missing });
        }
        if let Some((_, end)) = self.data.as_mut().filter(|_| self.to_end && &self.name == b"mdat") {
            *end = self.offset;
        }
        self.has_its_samples()?;
        if self.to_end {
            self.found.add(Odd::Open, self.begin);
        }
        if self.moof && self.needs.bytes == Some(0) {
            return Ok(if self.moov { Kind::Both } else { Kind::Media });
        }
        match (self.moov, self.moof, self.mdat) {
            (true, false, false) => Ok(Kind::Init),
            (true, _, true) => Ok(Kind::Both),
            (false, true, true) => Ok(Kind::Media),
            (_, true, false) => Err(MediaError::MissingBox { name: "mdat" }),
            (false, false, true) => Err(MediaError::MissingBox { name: "moof" }),
            (false, false, false) => Err(MediaError::MissingBox { name: "moov or moof" }),
        }
    }

    pub(crate) fn fragments(&self) -> &Fragments {
        &self.fragments
    }

    /// Returns the sequence numbers of the first `moof` box and of the last one (ISO/IEC 14496-12, section 8.8.5). `None`: not all of
    /// them could be read.
    pub(crate) fn numbers(&self) -> Option<(u32, u32)> {
        self.numbers.filter(|_| !self.has_unread)
    }

    /// Whether it holds boxes and none of them is media or sets any up, such as `styp` alone.
    pub(crate) fn is_empty(&self) -> bool {
        self.remaining == 0 && self.header_len == 0 && !self.moov && !self.moof && !self.mdat
    }

    /// The brand and version that it begins with (ISO/IEC 14496-12, section 8.16.2).
    pub(crate) fn brand(&self) -> Option<[u8; BRAND]> {
        self.brand.first_chunk().copied()
    }

    /// A hash of the `moov` boxes, 0 where there are none.
    pub(crate) fn section(&self) -> u64 {
        self.section
    }

    /// Returns the tracks that had samples, and whether all of them were chains of units with their lengths.
    pub(crate) fn chains(&self) -> &[(u32, bool)] {
        self.chains.tracks()
    }

    /// What is odd about the boxes.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// Looks at data of samples.
    fn look_at(&mut self, part: &[u8]) {
        self.chains.push(self.offset, part);
        if self.blank.begins_in(part) {
            self.found.add(Odd::Blank, self.offset);
        }
    }

    /// Each fragment has the bytes of its samples (ISO/IEC 14496-12, section 8.8.4).
    fn has_its_samples(&mut self) -> Result<(), MediaError> {
        let (begin, has_mdat) = self.last_moof;
        if let (Some((first, last)), Some((from, to))) = (self.needs.span, self.data) {
            let place = |relative: i64| begin.checked_add_signed(relative);
            let is_inside =
                place(first).is_some_and(|first| first >= from) && place(last).is_some_and(|last| last <= to);
            if !is_inside || self.needs.overlap {
                self.found.add(Odd::Outside, begin);
            }
        }
        match self.needs.bytes {
            Some(needed) if needed > self.given && has_mdat => Err(MediaError::BoxTruncated {
                offset: begin,
                name: "mdat".to_owned(),
                missing: needed - self.given,
            }),
            Some(needed) if needed < self.given => {
                self.found.add(Odd::Unused, begin);
                Ok(())
            }
            Some(0) => Ok(()),
            _ if self.moof && !has_mdat => Err(MediaError::MissingBox { name: "mdat" }),
            _ => Ok(()),
        }
    }

    fn begin_box(&mut self) -> Result<(), MediaError> {
        let [a, b, c, d, n0, n1, n2, n3, large @ ..] = self.header;
        let size = u64::from(u32::from_be_bytes([a, b, c, d]));
        if size == 1 && self.header_len == 8 {
            return Ok(());
        }
        self.name = [n0, n1, n2, n3];
        let bad = |why| MediaError::BadBox { offset: self.begin, why };
        if !self.name.iter().all(|&byte| (b' '..=b'~').contains(&byte) || byte == 0xa9) {
            return Err(bad("has no type"));
        }
        let (size, header) = if size == 1 { (u64::from_be_bytes(large), 16) } else { (size, 8) };
        self.to_end = size == 0;
        if !self.to_end {
            self.remaining = size.checked_sub(header).ok_or(bad("is smaller than its header"))?;
        }
        self.header_len = 0;
        match &self.name {
            b"moov" => self.moov = true,
            b"moof" => {
                self.has_its_samples()?;
                (self.needs, self.given, self.last_moof) = (Needs::default(), 0, (self.begin, false));
                self.data = None;
                self.moof = true;
                match self.remaining {
                    1..=LARGEST_MOOF => self.fragment = Some(Vec::new()),
                    0 => {}
                    _ => {
                        self.needs = self.fragments.take(None).unwrap_or_default();
                        self.has_unread = true;
                    }
                }
            }
            b"mdat" => {
                self.mdat = true;
                self.last_moof.1 = true;
                // One without an end has all that is left, which is counted as it comes.
                self.given = self.given.saturating_add(self.remaining);
                let end = self.offset.saturating_add(self.remaining);
                self.data = Some((self.data.map_or(self.offset, |(from, _)| from), end));
                self.blank = Blank::default();
            }
            _ => {}
        }
        Ok(())
    }
}

fn sequence_number(moof: &[u8]) -> Option<u32> {
    let header = children(moof).filter_map(Result::ok).find(|(name, _)| name == b"mfhd");
    header?.1.get(4..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

/// Reads the boxes inside a body that is whole in memory: type and body of each.
pub(crate) fn children(body: &[u8]) -> impl Iterator<Item = Result<([u8; 4], &[u8]), MediaError>> {
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = split_box(rest);
        match split {
            Some((name, body, after)) => {
                rest = after;
                Some(Ok((name, body)))
            }
            None => {
                let offset = (body.len() - rest.len()) as u64;
                rest = &[];
                Some(Err(MediaError::BadBox { offset, why: "inside another does not fit in it" }))
            }
        }
    })
}

fn split_box(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_first_chunk::<4>()?;
    let body = match u32::from_be_bytes(*size) {
        0 => rest.len(),
        1 => {
            let (large, rest) = rest.split_first_chunk::<8>()?;
            let len = usize::try_from(u64::from_be_bytes(*large).checked_sub(16)?).ok()?;
            let (body, after) = rest.split_at_checked(len)?;
            return Some((*name, body, after));
        }
        size => usize::try_from(size.checked_sub(8)?).ok()?,
    };
    let (body, after) = rest.split_at_checked(body)?;
    Some((*name, body, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
    }

    fn check(bytes: &[u8], expect: Result<Kind, &str>) {
        let mut boxes = Boxes::default();
        let got = boxes.push(bytes).and_then(|()| boxes.finish());
        assert_eq!(got.map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{bytes:?}");
    }

    #[test]
    fn units() {
        let init = [boxed(b"ftyp", b"isom"), boxed(b"moov", b"12345")].concat();
        let media = [boxed(b"styp", b"msdh"), boxed(b"moof", b"1"), boxed(b"mdat", &[7; 40])].concat();
        check(&init, Ok(Kind::Init));
        check(&media, Ok(Kind::Media));
        check(&[&init[..], &media].concat(), Ok(Kind::Both));
        check(&media[..13], Err("box header at byte 12 ends 7 bytes too early"));
        check(&media[..media.len() - 3], Err("box mdat at byte 21 ends 3 bytes too early"));
        check(&boxed(b"styp", b"msdh"), Err("box moov or moof is missing"));
        check(&boxed(b"moof", b"x"), Err("box mdat is missing"));
        check(&boxed(b"mdat", b"x"), Err("box moof is missing"));
    }

    /// A fragment that claims a sample more than its run has.
    fn open_short(moof: &[u8]) -> Vec<u8> {
        let at = moof.windows(4).position(|name| name == b"trun").map_or(0, |at| at + 11);
        let mut moof = moof.to_vec();
        moof[at] += 1;
        moof
    }

    #[test]
    fn each_fragment_has_its_samples() {
        let numbers = |all: &[u32]| all.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>();
        let moof = |sizes: &[u32]| {
            let trun = [&[0x200, sizes.len() as u32], sizes].concat();
            let traf = [boxed(b"tfhd", &numbers(&[0, 1])), boxed(b"trun", &numbers(&trun))].concat();
            boxed(b"moof", &boxed(b"traf", &traf))
        };
        let mdat = |len: usize| boxed(b"mdat", &vec![1; len]);
        let len = moof(&[3, 4]).len();
        check(&[moof(&[3, 4]), mdat(7), moof(&[9]), mdat(12)].concat(), Ok(Kind::Media));
        check(&[moof(&[3, 4]), mdat(3), mdat(4)].concat(), Ok(Kind::Media));
        check(&[moof(&[3, 4]), mdat(6)].concat(), Err("box mdat at byte 0 ends 1 bytes too early"));
        check(&[moof(&[3, 4]), mdat(7), moof(&[9])].concat(), Err("box mdat is missing"));
        check(&[moof(&[3, 4]), moof(&[9]), mdat(16)].concat(), Err("box mdat is missing"));
        check(&moof(&[]), Ok(Kind::Media));
        check(&[moof(&[]), moof(&[5]), mdat(5)].concat(), Ok(Kind::Media));
        let odd = |bytes: &[u8]| {
            let mut boxes = Boxes::default();
            let got = boxes.push(bytes).and_then(|()| boxes.finish());
            got.map(|_| boxes.found().list().iter().map(|found| (found.odd, found.at)).collect::<Vec<_>>())
        };
        assert_eq!(odd(&[moof(&[3, 4]), mdat(7)].concat()), Ok(vec![]));
        assert_eq!(odd(&[moof(&[3, 4]), mdat(8)].concat()), Ok(vec![(Odd::Unused, 0)]));
        assert_eq!(odd(&[moof(&[]), mdat(3)].concat()), Ok(vec![(Odd::Unused, 0)]));
        let open = [moof(&[3, 4]), b"\0\0\0\0mdat1234567".to_vec()].concat();
        assert_eq!(odd(&open), Ok(vec![(Odd::Open, len as u64)]));
        assert_eq!(odd(&[open, vec![1]].concat()), Ok(vec![(Odd::Unused, 0), (Odd::Open, len as u64)]));
        let blank = [moof(&[5000]), boxed(b"mdat", &[vec![1; 500], vec![0; 4000], vec![1; 500]].concat())];
        assert!(matches!(odd(&blank.concat()), Ok(found) if matches!(found[..], [(Odd::Blank, _)])));
        check(
            &[&open_short(&moof(&[3, 4]))[..], &mdat(7)].concat(),
            Err("box at byte 0 has more samples than its run tells of"),
        );
        let nobody = boxed(b"moof", &boxed(b"traf", &boxed(b"trun", &numbers(&[0, 0]))));
        check(&[nobody, mdat(7)].concat(), Err("box at byte 0 has samples that belong to no track"));
        let placed = |offset: u32| {
            let traf = [
                boxed(b"tfhd", &numbers(&[0x2_0000, 1])),
                boxed(b"trun", &numbers(&[0x201, 2, offset, 3, 4])),
            ];
            [boxed(b"moof", &boxed(b"traf", &traf.concat())), mdat(7)].concat()
        };
        let begin = placed(0).len() as u32 - 7;
        assert_eq!(odd(&placed(begin)), Ok(vec![]));
        for wrong in [begin - 1, begin + 1, 0, 1 << 20, u32::MAX, i32::MAX as u32] {
            assert_eq!(odd(&placed(wrong)), Ok(vec![(Odd::Outside, 0)]), "{wrong}");
        }
        let short = [moof(&[3, 4]), mdat(7), moof(&[9, 9]), mdat(5)].concat();
        let at = len + 15;
        check(&short, Err(&format!("box mdat at byte {at} ends 13 bytes too early")));
    }

    #[test]
    fn sizes() {
        let large = [&1_u32.to_be_bytes()[..], b"mdat", &20_u64.to_be_bytes(), &[0; 4]].concat();
        let moof = boxed(b"moof", b"");
        check(&[&moof[..], &large].concat(), Ok(Kind::Media));
        check(&[&moof[..], b"\0\0\0\0mdat and so on"].concat(), Ok(Kind::Media));
        check(b"\0\0\0\x07moof", Err("box at byte 0 is smaller than its header"));
        check(b"\0\0\0\x01moof\0\0\0\0\0\0\0\x0f", Err("box at byte 0 is smaller than its header"));
        check(&[&moof[..], b"\0\0\0\x10\x00\x01\x02\x03"].concat(), Err("box at byte 8 has no type"));
    }

    #[test]
    fn nested_boxes_must_fit() {
        let names = |bytes: &[u8]| {
            children(bytes).map(|child| child.map(|(name, _)| name)).collect::<Result<Vec<_>, _>>()
        };
        assert_eq!(
            names(&[boxed(b"trak", b""), boxed(b"mvex", b"x")].concat()),
            Ok(vec![*b"trak", *b"mvex"])
        );
        assert!(names(b"\0\0\0\x10trak").is_err());
        assert!(names(b"\0\0\0\x01trak\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(names(b"\0\0").is_err());
    }
}
