//! Packets of MPEG transport streams.

use crate::{
    continuity::Continuity,
    oddity::{Found, Odd, Oddity},
};

pub(crate) const PACKET: usize = 188;
pub(crate) const SYNC: u8 = 0x47;
/// Where the search for the next packet begins, behind bytes that are no packet.
const REACH: usize = 2 * PACKET;
/// As many sync bytes in a row are no accident.
const IN_A_ROW: usize = 3;

/// Tells whether each packet in sight begins with the sync byte.
pub(crate) fn is_packets(head: &[u8]) -> bool {
    !head.is_empty() && head.chunks(PACKET).take(IN_A_ROW).all(|packet| packet.first() == Some(&SYNC))
}

/// Finds where packets begin: there, and in the next three places, is a sync byte. `is_end`: nothing comes behind `head`.
pub(crate) fn find_packets(head: &[u8], is_end: bool) -> Option<usize> {
    let begins = |at: &usize| {
        let mut places = (0..=IN_A_ROW).map(|n| at + n * PACKET).take_while(|place| *place < head.len());
        let count = places.clone().count();
        let is_enough = count > IN_A_ROW || is_end && (head.len() - at) % PACKET == 0;
        is_enough && places.all(|place| head.get(place) == Some(&SYNC))
    };
    (0..head.len()).find(begins)
}

/// Cuts a transport stream into its packets, and passes over all else: bytes behind a packet that was cut, a packet
/// without its sync byte, padding of another kind.
///
/// The same bytes give the same packets, however they are cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct Align {
    /// Where the first of the bytes that are held is.
    offset: u64,
    held: Vec<u8>,
}

/// What [`Align`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A packet.
    Packet(&'a [u8; PACKET]),
    /// A packet that ends too early.
    Cut(&'a [u8]),
    /// Bytes that are no packet.
    Strange(&'a [u8]),
}

enum Step {
    Packet,
    Cut(usize),
    Strange(usize),
    More,
}

impl Align {
    /// Takes bytes, and hands on each part with where it begins.
    pub(crate) fn push<E>(
        &mut self,
        input: &[u8],
        mut take: impl FnMut(u64, Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut input = input;
        while !self.held.is_empty() {
            // No more than what it takes to be in step again.
            let wanted = (REACH + IN_A_ROW * PACKET).saturating_sub(self.held.len()).min(input.len());
            let (part, rest) = input.split_at(wanted);
            let before = self.held.len();
            self.held.extend_from_slice(part);
            let passed = pass(&self.held, false, &mut self.offset, &mut take)?;
            if passed >= before {
                // What is left came just now: it is looked at where it lies.
                self.held.clear();
                input = input.get(passed - before..).unwrap_or(&[]);
                break;
            }
            self.held.drain(..passed);
            input = rest;
            if input.is_empty() && passed == 0 {
                return Ok(());
            }
        }
        let passed = pass(input, false, &mut self.offset, &mut take)?;
        self.held.extend_from_slice(input.get(passed..).unwrap_or(&[]));
        Ok(())
    }

    /// Hands on all that a unit ends with but the begin of a packet, which the next unit may go on with.
    pub(crate) fn settle<E>(
        &mut self,
        mut take: impl FnMut(u64, Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = self.held.as_slice();
        loop {
            let (part, behind) = match step(rest, true) {
                Step::Packet => match rest.split_first_chunk() {
                    Some((packet, behind)) => (Part::Packet(packet), behind),
                    None => break,
                },
                Step::Cut(len) if len < rest.len() => {
                    let (cut, behind) = rest.split_at(len);
                    (Part::Cut(cut), behind)
                }
                Step::Strange(len) => {
                    let (strange, behind) = rest.split_at(len.min(rest.len()));
                    (Part::Strange(strange), behind)
                }
                Step::Cut(_) | Step::More => break,
            };
            take(self.offset, part)?;
            self.offset += (rest.len() - behind.len()) as u64;
            rest = behind;
        }
        let left = rest.len();
        self.held.drain(..self.held.len() - left);
        Ok(())
    }

    /// Ends the stream.
    pub(crate) fn finish<E>(
        &mut self,
        mut take: impl FnMut(u64, Part<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let held = std::mem::take(&mut self.held);
        pass(&held, true, &mut self.offset, &mut take).map(drop)
    }
}

/// Hands on all parts that can be told; returns how many bytes they have.
#[inline]
fn pass<E>(
    bytes: &[u8],
    is_end: bool,
    offset: &mut u64,
    take: &mut impl FnMut(u64, Part<'_>) -> Result<(), E>,
) -> Result<usize, E> {
    let mut at = 0;
    loop {
        // The way of nearly all packets: another one begins behind each.
        let packets = bytes.get(at..).unwrap_or(&[]).chunks_exact(PACKET);
        let packets = packets.filter_map(<[u8]>::first_chunk::<PACKET>);
        let behind = bytes.get(at + PACKET..).unwrap_or(&[]).iter().step_by(PACKET);
        let begin = *offset - at as u64;
        for (packet, next) in packets.zip(behind) {
            if packet[0] != SYNC || *next != SYNC {
                break;
            }
            take(begin + at as u64, Part::Packet(packet))?;
            at += PACKET;
        }
        *offset = begin + at as u64;
        let rest = bytes.get(at..).unwrap_or(&[]);
        let len = match step(rest, is_end) {
            Step::Packet => match rest.first_chunk() {
                Some(packet) => {
                    take(*offset, Part::Packet(packet))?;
                    PACKET
                }
                None => return Ok(at),
            },
            Step::Cut(len) => {
                take(*offset, Part::Cut(rest.get(..len).unwrap_or(rest)))?;
                len
            }
            Step::Strange(len) => {
                take(*offset, Part::Strange(rest.get(..len).unwrap_or(rest)))?;
                len
            }
            Step::More => return Ok(at),
        };
        at += len;
        *offset += len as u64;
    }
}

#[inline]
fn step(bytes: &[u8], is_end: bool) -> Step {
    match (bytes.first(), bytes.get(PACKET)) {
        (None, _) => Step::More,
        (Some(&SYNC), Some(&SYNC)) => Step::Packet,
        (Some(&SYNC), None) if !is_end => Step::More,
        (Some(&SYNC), None) if bytes.len() == PACKET => Step::Packet,
        (Some(&SYNC), None) => Step::Cut(bytes.len()),
        (Some(first), _) => out_of_step(bytes, *first == SYNC, is_end),
    }
}

/// Looks for the next packet.
fn out_of_step(bytes: &[u8], begins: bool, is_end: bool) -> Step {
    if bytes.len() < REACH + IN_A_ROW * PACKET && !is_end {
        return Step::More;
    }
    let is_packet = |at: &usize| {
        let mut places = (0..IN_A_ROW).map(|n| at + n * PACKET).take_while(|place| *place < bytes.len());
        let count = places.clone().count();
        let ends = (bytes.len() - at) % PACKET == 0;
        (count == IN_A_ROW || count > 1 || ends) && places.all(|place| bytes.get(place) == Some(&SYNC))
    };
    match (1..bytes.len().min(REACH + 1)).find(is_packet) {
        Some(at) if begins && at < PACKET => Step::Cut(at),
        Some(at) if !begins => Step::Strange(at),
        None if !begins => Step::Strange(bytes.len().min(REACH + 1)),
        _ => Step::Packet,
    }
}

/// Checks the packets of a unit: whether each is in its place, and with [`Continuity`] what can be told of their content.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packets {
    align: Align,
    seen: Seen,
}

/// What has been seen of a unit.
#[derive(Debug, Clone, Default)]
struct Seen {
    continuity: Continuity,
    found: Found,
    good: u64,
    strange: u64,
    /// Bytes that are no packet and all zero, up to the end of what has been seen.
    zeros: Option<(u64, u64)>,
}

impl Packets {
    pub(crate) fn push(&mut self, input: &[u8]) {
        let Self { align, seen } = self;
        let _: Result<(), ()> = align.push(input, |offset, part| {
            seen.take(offset, part);
            Ok(())
        });
    }

    /// Ends the unit; `false`: too little of it is packets.
    pub(crate) fn finish(&mut self) -> bool {
        let Self { align, seen } = self;
        let _: Result<(), ()> = align.finish(|offset, part| {
            seen.take(offset, part);
            Ok(())
        });
        if let Some((at, len)) = seen.zeros.take() {
            seen.found.add(Odd::Zeros, at);
            seen.strange += len;
        }
        seen.good > 0 && seen.strange <= seen.good / 4
    }

    /// Whether no packet is whole.
    pub(crate) fn is_short(&self) -> bool {
        self.seen.good == 0
    }

    /// Where it lost its sync first.
    pub(crate) fn lost_at(&self) -> u64 {
        let lost = |oddity: &&Oddity| matches!(oddity.odd, Odd::Sync | Odd::Zeros | Odd::CutTail);
        self.seen.found.list().iter().find(lost).map_or(0, |oddity| oddity.at)
    }

    /// What is odd about it.
    pub(crate) fn oddities(&self) -> Vec<Oddity> {
        self.seen.found.list().iter().chain(self.seen.continuity.found().list()).copied().collect()
    }

    pub(crate) fn continuity(&self) -> &Continuity {
        &self.seen.continuity
    }
}

impl Seen {
    #[inline]
    fn take(&mut self, offset: u64, part: Part<'_>) {
        match part {
            // The way of nearly all packets.
            Part::Packet([SYNC, packet @ ..]) if self.zeros.is_none() => {
                self.good += PACKET as u64;
                self.continuity.packet(offset, packet);
            }
            part => self.take_rare(offset, part),
        }
    }

    #[cold]
    fn take_rare(&mut self, offset: u64, part: Part<'_>) {
        match part {
            Part::Packet(packet) => {
                self.good += PACKET as u64;
                if let Some((at, len)) = self.zeros.take() {
                    self.found.add(if len < PACKET as u64 { Odd::Zeros } else { Odd::Sync }, at);
                    self.strange += len;
                }
                if let [SYNC, packet @ ..] = packet {
                    self.continuity.packet(offset, packet);
                }
            }
            // It goes on in the next unit, or never.
            Part::Cut(_) => self.found.add(Odd::CutTail, offset),
            Part::Strange(bytes) => {
                let is_zero = bytes.iter().all(|byte| *byte == 0);
                let len = bytes.len() as u64;
                match &mut self.zeros {
                    Some((_, zeros)) if is_zero => *zeros += len,
                    None if is_zero => self.zeros = Some((offset, len)),
                    None if bytes.starts_with(b"ID3") => self.found.add(Odd::Tag, offset),
                    _ => {
                        let begun = self.zeros.take();
                        self.found.add(Odd::Sync, begun.map_or(offset, |(at, _)| at));
                        self.strange += len + begun.map_or(0, |(_, len)| len);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(n: usize) -> Vec<u8> {
        std::iter::once(SYNC).chain([1; 187]).collect::<Vec<_>>().repeat(n)
    }

    /// Whatever the chunks, the same parts come of it.
    fn parts(bytes: &[u8]) -> Vec<(u64, char, usize)> {
        let cut = |size: usize| {
            let (mut align, mut parts) = (Align::default(), Vec::new());
            let mut take = |offset, part: Part<'_>| {
                parts.push(match part {
                    Part::Packet(_) => (offset, 'p', PACKET),
                    Part::Cut(bytes) => (offset, 'c', bytes.len()),
                    Part::Strange(bytes) => (offset, 's', bytes.len()),
                });
                Ok::<(), ()>(())
            };
            for chunk in bytes.chunks(size) {
                align.push(chunk, &mut take).unwrap();
            }
            align.finish(&mut take).unwrap();
            parts
        };
        let whole = cut(bytes.len().max(1));
        for size in [1, 7, 100, 188, 189, 563, 1000] {
            assert_eq!(cut(size), whole, "chunks of {size}");
        }
        whole
    }

    #[test]
    fn a_unit_ends_with_all_but_the_begin_of_a_packet() {
        let packet = packets(1);
        let check = |what: &str, unit: &[u8], expect: &str, left: usize| {
            let (mut align, mut kinds) = (Align::default(), String::new());
            let mut take = |_, part: Part<'_>| {
                kinds.push(match part {
                    Part::Packet(_) => 'p',
                    Part::Cut(_) => 'c',
                    Part::Strange(_) => 's',
                });
                Ok::<(), ()>(())
            };
            align.push(unit, &mut take).unwrap();
            align.settle(&mut take).unwrap();
            assert_eq!((kinds.as_str(), align.held.len()), (expect, left), "{what}");
        };
        check("whole", &packets(3), "ppp", 0);
        check("goes on behind the border", &[&packet[..], &packet[..100]].concat(), "p", 100);
        check("zeros", &[&packet[..], &[0; 564]].concat(), "pss", 0);
        check("a few zeros", &[&packet[..], &[0; 20]].concat(), "ps", 0);
        check("cut, and another one", &[&packet[..100], &packet[..]].concat(), "cp", 0);
        check("nothing", &[], "", 0);
    }

    #[test]
    fn what_is_no_packet_is_passed_over() {
        let check = |what: &str, bytes: &[u8], expect: &str, others: &[(u64, usize)]| {
            let parts = parts(bytes);
            let kinds = parts.iter().map(|(_, kind, _)| *kind).collect::<String>();
            assert_eq!(kinds, expect, "{what}");
            let odd = parts.iter().filter(|(_, kind, _)| *kind != 'p').map(|(at, _, len)| (*at, *len));
            assert_eq!(odd.collect::<Vec<_>>(), others, "{what}");
            assert_eq!(parts.iter().map(|(_, _, len)| len).sum::<usize>(), bytes.len(), "{what}");
        };
        check("nothing", &[], "", &[]);
        check("packets", &packets(5), "ppppp", &[]);
        check("a cut end", &packets(5)[..900], "ppppc", &[(752, 148)]);
        let mut damaged = packets(6);
        damaged[376] = 0;
        check("one without its sync byte", &damaged, "ppsppp", &[(376, 188)]);
        let mut damaged = packets(6);
        damaged[940] = 0;
        check("the last one", &damaged, "ppppps", &[(940, 188)]);
        check("zeros behind", &[packets(4), vec![0; 16]].concat(), "pppps", &[(752, 16)]);
        let between = [packets(4), vec![0; 16], packets(4)].concat();
        check("zeros between", &between, "ppppspppp", &[(752, 16)]);
        let cut = [&packets(4)[..652], &packets(4)[..]].concat();
        check("a cut packet before others", &cut, "pppcpppp", &[(564, 88)]);
        check("the rest of a packet in front", &packets(5)[88..], "spppp", &[(0, 100)]);
        let far = [packets(4), vec![9; 2000], packets(4)].concat();
        let odd = parts(&far);
        assert_eq!(odd.iter().filter(|(_, kind, _)| *kind == 'p').count(), 8, "{odd:?}");
    }

    #[test]
    fn where_packets_begin() {
        for (front, n, is_end, expect) in [
            (0, 4, false, Some(0)),
            (70, 4, false, Some(70)),
            (70, 3, false, None),
            (70, 3, true, Some(70)),
            (1000, 9, false, Some(1000)),
        ] {
            let head = [vec![0x89; front], packets(n)].concat();
            assert_eq!(find_packets(&head, is_end), expect, "{n} behind {front}");
        }
    }

    #[test]
    fn too_little_of_it() {
        let check = |bytes: &[u8], expect| {
            let mut packets = Packets::default();
            packets.push(bytes);
            assert_eq!(packets.finish(), expect);
        };
        check(&packets(9), true);
        check(&[packets(9), vec![0; 300]].concat(), true);
        check(&[packets(9), vec![0; 900]].concat(), false);
        check(&[packets(9), vec![3; 900]].concat(), false);
    }
}
