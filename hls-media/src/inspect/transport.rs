//! Transport streams: one pass of decoding times for each elementary stream.

use super::{LEAST, MOST_PROBLEMS, Problem};
use crate::timestamps::{decoding_time, is_pes, nearest};
use crate::ts::{Align, PACKET, Part};

const CLOCK: f64 = 90_000.0;
const NULL: u16 = 0x1fff;
/// More elementary streams than any real transport stream has.
const MANY: usize = 32;
/// Streams that say something less often are subtitles and the like.
const SPARSE: f64 = 0.5;
/// Fewer packets tell nothing.
const LEAST_PACKETS: u64 = 5;
/// A multiplexer that keeps its rate writes fewer padding packets in a row than this.
const MUCH: u64 = 64;
const MOST_JUMPS: usize = 1000;
/// Pictures are out of order by at most 16 (ISO/IEC 14496-10, A.3.1, `MaxDpbFrames`), of two fields each, where only the time they are
/// shown at is there.
const REORDERED: u64 = 32;

/// Follows all streams of a file.
#[derive(Debug, Default)]
pub(super) struct Program {
    align: Align,
    streams: Vec<Stream>,
    /// Where the padding that is under way begins, and how many packets it has.
    padding: Option<(u64, u64)>,
    runs: u64,
    longest: Option<(u64, u64)>,
    /// How often a new clock was announced (ISO/IEC 13818-1, section 2.4.3.5).
    clocks: u64,
}

#[derive(Debug)]
struct Stream {
    pid: u16,
    content: Content,
    /// The latest time since the last step back, and the clock that it was of.
    last: i64,
    clock: u64,
    /// A step back that may be a picture out of order.
    pending: Option<Pending>,
    count: u64,
    /// The sum of all steps that are no jumps, and the widest of them.
    sum: i64,
    widest: i64,
    /// The shortest step.
    usual: i64,
    jumps: Vec<Jump>,
    /// How often times were back for some pictures only, and the first of those steps that are wide.
    detours: u64,
    few: Vec<Jump>,
}

/// What a packet says that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Pictures,
    Sound,
    Other,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    at: u64,
    /// From where to where, by the clock of the stream.
    from: i64,
    ahead: i64,
    is_announced: bool,
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    jump: Jump,
    /// The latest time since then.
    latest: i64,
    packets: u64,
}

impl Program {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut align = std::mem::take(&mut self.align);
        let _: Result<(), ()> = align.push(bytes, |at, part| {
            if let Part::Packet(packet) = part {
                self.packet(at, packet);
            }
            Ok(())
        });
        self.align = align;
    }

    fn packet(&mut self, at: u64, packet: &[u8; PACKET]) {
        let [_, b, c, d, body @ ..] = packet;
        let pid = u16::from(b & 0x1f) << 8 | u16::from(*c);
        if pid == NULL {
            let (_, packets) = self.padding.get_or_insert((at, 0));
            *packets += 1;
            return;
        }
        if let Some(run) = self.padding.take() {
            self.runs += 1;
            self.longest = self.longest.max_by_packets(run);
        }
        let adaptation = if d & 0x20 == 0 { 0 } else { 1 + usize::from(body[0]) };
        let flags = if adaptation > 1 { body[1] } else { 0 };
        // A discontinuity where a clock reference is.
        self.clocks += u64::from(flags & 0x90 == 0x90);
        if b & 0x40 == 0 || d & 0x10 == 0 || d & 0xc0 != 0 {
            return;
        }
        let payload = body.get(adaptation..).unwrap_or(&[]);
        let Some(time) = Some(payload).filter(|payload| is_pes(payload)).and_then(decoding_time) else {
            return;
        };
        let content = Content::of(payload);
        let clocks = self.clocks;
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == pid) {
            let is_announced = flags & 0x80 != 0 || stream.clock != clocks;
            stream.content = content;
            stream.clock = clocks;
            stream.take(time, at, is_announced);
        } else if self.streams.len() < MANY {
            self.streams.push(Stream::new(pid, content, time, clocks));
        }
    }

    pub(super) fn finish(mut self) -> Vec<Problem> {
        let mut align = std::mem::take(&mut self.align);
        let _: Result<(), ()> = align.finish(|at, part| {
            if let Part::Packet(packet) = part {
                self.packet(at, packet);
            }
            Ok(())
        });
        let mut problems = Vec::new();
        if self.streams.is_empty() {
            return vec![Problem::Nothing];
        }
        if let Some((at, packets)) = self.longest.filter(|(_, packets)| *packets >= MUCH && self.runs <= 3) {
            problems.push(Problem::Padding { at, packets });
        }
        self.streams.iter_mut().for_each(Stream::finish);
        let mut found = self.holes();
        found.extend(self.steps_back());
        found.sort_by_key(Problem::place);
        problems.extend(found);
        problems
    }

    /// What only one stream leaves out may be meant so: nobody speaks, a picture stands still.
    fn holes(&self) -> Vec<Problem> {
        let mut dense = self.streams.iter().filter(|stream| stream.is_dense());
        let Some(first) = dense.next() else { return Vec::new() };
        let others = dense.collect::<Vec<_>>();
        let holes = first.told().filter(|jump| jump.ahead > 0 && first.is_hole(jump));
        let shared =
            holes.filter(|jump| others.iter().all(|other| other.told().any(|own| own.is_alike(jump))));
        shared.map(|jump| Problem::Hole { at: jump.at, seconds: jump.ahead as f64 / CLOCK }).collect()
    }

    /// Pictures and sound are decoded in their order, whatever the other streams do (ISO/IEC 13818-1, section 2.4.3.7). A stream of
    /// something else goes back where all do.
    fn steps_back(&self) -> Vec<Problem> {
        let mut told: Vec<&Jump> = Vec::new();
        for stream in self.streams.iter().filter(|stream| stream.count > LEAST_PACKETS) {
            let others = || self.streams.iter().filter(|other| other.pid != stream.pid);
            let is_shared = |jump: &Jump| {
                let mut dense = others().filter(|other| other.is_dense());
                stream.is_dense() && dense.all(|other| other.told().any(|own| own.is_alike(jump)))
            };
            // The clock is that of all, and one announcement is for one step.
            let is_announced =
                |jump: &Jump| others().any(|other| other.announces(jump) > stream.announces(jump));
            let known = told.clone();
            let is_new = |jump: &Jump| !known.iter().any(|known| known.is_alike(jump));
            let steps = stream.told().filter(|jump| jump.ahead < 0 && is_new(jump));
            let steps = steps.filter(|jump| stream.content != Content::Other || is_shared(jump));
            told.extend(steps.filter(|jump| !is_announced(jump)).take(MOST_PROBLEMS));
        }
        let problem = |jump: &Jump| Problem::Back { at: jump.at, seconds: -jump.ahead as f64 / CLOCK };
        told.into_iter().map(problem).collect()
    }
}

trait Longest {
    fn max_by_packets(self, run: (u64, u64)) -> Self;
}

impl Longest for Option<(u64, u64)> {
    fn max_by_packets(self, run: (u64, u64)) -> Self {
        match self {
            Some(longest) if longest.1 >= run.1 => Some(longest),
            _ => Some(run),
        }
    }
}

impl Content {
    fn of(payload: &[u8]) -> Self {
        let id = payload.get(3).copied().unwrap_or(0);
        let front = payload.get(8).and_then(|len| payload.get(9 + usize::from(*len)..)).unwrap_or(&[]);
        match id {
            0xe0..=0xef => Self::Pictures,
            0xc0..=0xdf => Self::Sound,
            // Private streams are subtitles and the like too; AC-3, DTS and Opus begin like this.
            0xbd | 0xfd => match front {
                [0x0b, 0x77, ..] => Self::Sound,
                [0x7f, b, ..] if b & 0xe0 == 0xe0 => Self::Sound,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

impl Jump {
    /// Whether both are at about the same time, and as far.
    fn is_alike(&self, other: &Self) -> bool {
        let near = |a: i64, b: i64| nearest(a - b).unsigned_abs() as f64 <= 1.5 * CLOCK;
        near(self.from, other.from)
            && (self.ahead > 0) == (other.ahead > 0)
            && (self.ahead - other.ahead).unsigned_abs() as f64 <= 1.5 * CLOCK
    }
}

impl Stream {
    fn new(pid: u16, content: Content, time: i64, clock: u64) -> Self {
        let (jumps, few) = (Vec::new(), Vec::new());
        Self {
            pid,
            content,
            last: time,
            clock,
            pending: None,
            count: 1,
            sum: 0,
            widest: 0,
            usual: 0,
            jumps,
            detours: 0,
            few,
        }
    }

    fn take(&mut self, time: i64, at: u64, is_announced: bool) {
        if let Some(mut pending) = self.pending.take() {
            let ahead = nearest(time - self.last);
            let is_behind = ahead < 0 && !is_announced;
            pending.packets += 1;
            // A step back from pictures that are out of order.
            if is_behind && ahead < pending.jump.ahead && self.is_wide(ahead - pending.jump.ahead) {
                let jump = Jump { at, ahead, ..pending.jump };
                pending = Pending { jump, latest: time, packets: 1 };
            }
            if nearest(time - pending.latest) > 0 {
                pending.latest = time;
            }
            if is_behind {
                self.count += 1;
                match pending.packets <= REORDERED {
                    true => self.pending = Some(pending),
                    false => {
                        self.note(pending.jump);
                        self.last = pending.latest;
                    }
                }
                return;
            }
            self.return_from(pending.jump);
            if is_announced {
                self.last = pending.latest;
            }
        }
        let ahead = nearest(time - self.last);
        let jump = Jump { at, from: self.last, ahead, is_announced };
        if ahead < 0 && !is_announced && self.content == Content::Pictures {
            self.count += 1;
            self.pending = Some(Pending { jump, latest: time, packets: 1 });
            return;
        }
        if ahead > 0 && (self.usual == 0 || ahead < self.usual) && ahead as f64 <= SPARSE * CLOCK {
            self.usual = ahead;
        }
        if !self.note(jump) {
            self.sum = self.sum.saturating_add(ahead);
            self.widest = self.widest.max(ahead);
            self.count += 1;
        }
        self.last = time;
    }

    /// Notes a step that is a jump; `false`: it is none.
    fn note(&mut self, jump: Jump) -> bool {
        let is_jump = self.is_wide(jump.ahead);
        if is_jump && self.jumps.len() < MOST_JUMPS {
            self.jumps.push(jump);
        }
        is_jump
    }

    fn is_wide(&self, ahead: i64) -> bool {
        let usual = if ahead > 0 { 2.5 * self.usual as f64 } else { 0.0 };
        ahead.unsigned_abs() as f64 >= (LEAST * CLOCK).max(usual)
    }

    /// Times are again where they were before a step back.
    fn return_from(&mut self, jump: Jump) {
        self.detours += 1;
        if self.is_wide(jump.ahead) && self.few.len() < MOST_PROBLEMS {
            self.few.push(jump);
        }
    }

    fn finish(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.return_from(pending.jump);
        }
    }

    /// The jumps that nothing announces. Where pictures return from a step back time and again, it is their order.
    fn told(&self) -> impl Iterator<Item = &Jump> {
        let are_ordered = self.detours <= 3 || self.detours.saturating_mul(REORDERED + 1) <= self.count;
        let few = if are_ordered { &self.few[..] } else { &[] };
        self.jumps.iter().filter(|jump| !jump.is_announced).chain(few)
    }

    /// How many steps like this one it announces.
    fn announces(&self, jump: &Jump) -> usize {
        self.jumps.iter().filter(|own| own.is_announced && own.is_alike(jump)).count()
    }

    fn is_dense(&self) -> bool {
        self.count > LEAST_PACKETS && self.sum as f64 / CLOCK / (self.count as f64) < SPARSE
    }

    /// Where that many are as wide, it is how the stream is made.
    fn is_hole(&self, jump: &Jump) -> bool {
        let alike = self.told().filter(|other| other.ahead >= jump.ahead).count() as u64;
        jump.ahead > self.widest.saturating_mul(3) && alike * 20 < self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURES: (u16, u8) = (0x100, 0xe0);
    const SOUND: (u16, u8) = (0x101, 0xc0);
    const DATA: (u16, u8) = (0x102, 0xbd);

    type Packets = Vec<[u8; PACKET]>;

    /// A packet that begins with this time, in seconds; `flags` are those of its adaptation field.
    fn packet((pid, id): (u16, u8), seconds: f64, flags: u8, front: [u8; 2]) -> [u8; PACKET] {
        let time = ((seconds * CLOCK).round() as i64).rem_euclid(1 << 33);
        let part = |shift: u32, bits: u32| (time >> shift & ((1 << bits) - 1)) as u8;
        let mut packet = [0xff; PACKET];
        packet[..4].copy_from_slice(&[0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x30]);
        packet[4..6].copy_from_slice(&[7, flags]);
        packet[12..21].copy_from_slice(&[0, 0, 1, id, 0, 0, 0x80, 0x80, 5]);
        let stamp =
            [0x21 | part(30, 3) << 1, part(22, 8), part(15, 7) << 1 | 1, part(7, 8), part(0, 7) << 1 | 1];
        packet[21..26].copy_from_slice(&stamp);
        packet[26..28].copy_from_slice(&front);
        packet
    }

    /// What a stream has from one time to another, in steps of so many milliseconds.
    fn run(of: (u16, u8), from: f64, to: f64, step: f64) -> Vec<(f64, [u8; PACKET])> {
        let count = ((to - from) * 1000.0 / step).round() as u32;
        let times = (0..count).map(|n| from + f64::from(n) * step / 1000.0);
        times.map(|time| (time, packet(of, time, 0, [0, 0]))).collect()
    }

    /// Streams beside one another.
    fn part(runs: &[Vec<(f64, [u8; PACKET])>]) -> Packets {
        let mut all = runs.concat();
        all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        all.into_iter().map(|(_, packet)| packet).collect()
    }

    fn both(from: f64, to: f64) -> Packets {
        part(&[run(PICTURES, from, to, 40.0), run(SOUND, from, to, 64.0)])
    }

    fn alone(of: (u16, u8), from: f64, to: f64) -> Packets {
        part(&[run(of, from, to, 40.0)])
    }

    /// Pictures in the order that they are decoded in, with the times that they are shown at: pyramids of so many.
    fn pyramids(from: u32, to: u32, size: u32) -> Packets {
        fn between(low: u32, high: u32, order: &mut Vec<u32>) {
            let middle = (low + high) / 2;
            if middle > low {
                order.push(middle);
                between(low, middle, order);
                between(middle, high, order);
            }
        }
        let mut order = vec![from];
        for low in (from..to).step_by(size as usize) {
            order.push(low + size);
            between(low, low + size, &mut order);
        }
        order.iter().map(|n| packet(PICTURES, f64::from(*n) * 0.04, 0, [0, 0])).collect()
    }

    /// Sets flags in the first packet of a stream.
    fn flagged(mut packets: Packets, (pid, _): (u16, u8), flags: u8) -> Packets {
        if let Some(packet) = packets.iter_mut().find(|packet| packet[2] == pid as u8) {
            packet[5] = flags;
        }
        packets
    }

    fn front(mut packets: Packets, front: [u8; 2]) -> Packets {
        packets.iter_mut().for_each(|packet| packet[26..28].copy_from_slice(&front));
        packets
    }

    /// Holds what is told to the seconds that are expected, those of steps back being negative.
    fn check(what: &str, parts: &[Packets], expect: &[f64]) {
        let mut program = Program::default();
        program.push(parts.concat().as_flattened());
        let told = program.finish().into_iter().map(|problem| match problem {
            Problem::Hole { seconds, .. } => seconds,
            Problem::Back { seconds, .. } => -seconds,
            other => panic!("{what}: {other}"),
        });
        let told = told.map(|seconds| (seconds * 100.0).round() / 100.0).collect::<Vec<_>>();
        assert_eq!(told, expect, "{what}");
    }

    #[test]
    fn steps_back_of_all_streams() {
        check("it goes on", &[both(0.0, 4.0), both(4.0, 8.0)], &[]);
        check("it begins anew", &[both(0.0, 4.0), both(0.0, 4.0)], &[-3.96]);
        check("a part is there twice", &[both(0.0, 4.0), both(2.0, 8.0)], &[-1.96]);
        check("twice", &[both(0.0, 4.0), both(2.0, 6.0), both(1.0, 8.0)], &[-1.96, -4.96]);
        check("three times the same", &[both(0.0, 4.0), both(0.0, 4.0), both(0.0, 4.0)], &[-3.96, -3.96]);
        let wrap = f64::from(1_u32 << 31) * 4.0 / CLOCK;
        check("times come around", &[both(wrap - 4.0, wrap + 4.0)], &[]);
        check(
            "they come around anew",
            &[both(wrap - 2.0, wrap + 2.0), both(wrap - 2.0, wrap + 2.0)],
            &[-3.96],
        );
    }

    #[test]
    fn steps_back_of_one_stream() {
        for of in [PICTURES, SOUND] {
            let again = alone(of, 0.0, 4.0);
            let from_the_end = if of == SOUND { -9.92 } else { -9.96 };
            check("the other one ends", &[both(0.0, 10.0), again.clone()], &[from_the_end]);
            check("the other one begins later", &[again.clone(), both(0.0, 4.0)], &[-3.96]);
            check("it is alone", &[again.clone(), again.clone()], &[-3.96]);
            check("a short end", &[again, alone(of, 3.5, 4.0)], &[-0.46]);
            let (other, step) = if of == SOUND { (PICTURES, 40.0) } else { (SOUND, 64.0) };
            let goes_on = run(other, 0.0, 8.0, step);
            for (by, expect) in [(0.2, vec![]), (1.0, vec![-0.96]), (3.0, vec![-2.96])] {
                // What is back lies among what goes on.
                let back =
                    run(of, 4.0 - by, 8.0 - by, 40.0).into_iter().map(|(at, packet)| (at + by, packet));
                let parts = [goes_on.clone(), run(of, 0.0, 4.0, 40.0), back.collect()];
                check("the other one goes on", &[part(&parts)], &expect);
            }
        }
        let two =
            [run(PICTURES, 0.0, 4.0, 40.0), run(SOUND, 0.0, 4.0, 64.0), run((0x105, 0xc1), 0.0, 4.0, 32.0)];
        check("two of three", &[part(&two), both(0.0, 4.0)], &[-3.96]);
        let dolby = front(alone(DATA, 0.0, 4.0), [0x0b, 0x77]);
        check("AC-3", &[both(0.0, 4.0), dolby.clone(), dolby], &[-3.96]);
    }

    #[test]
    fn what_may_go_back() {
        let data = alone(DATA, 0.0, 4.0);
        check("subtitles and the like", &[both(0.0, 4.0), data.clone(), data.clone()], &[]);
        let seldom = part(&[run(DATA, 0.0, 4.0, 900.0)]);
        check("seldom", &[both(0.0, 4.0), seldom.clone(), both(4.0, 8.0), seldom.clone()], &[]);
        check("nothing else is there", &[data.clone(), data], &[-3.96]);
        for size in [2, 4, 8, 16] {
            check("pictures out of order", &[pyramids(0, 320, size)], &[]);
            let sound = part(&[run(SOUND, 0.0, 12.8, 64.0)]);
            check("beside sound", &[pyramids(0, 320, size), sound], &[]);
            let twice = [pyramids(0, 320, size), pyramids(0, 320, size)];
            check("out of order, and anew", &twice, &[-12.8]);
        }
    }

    #[test]
    fn announced_steps() {
        let again = both(0.0, 4.0);
        for (of, flags, expect) in [
            (PICTURES, 0x90, vec![]),
            (SOUND, 0x90, vec![]),
            (PICTURES, 0x80, vec![]),
            (PICTURES, 0x10, vec![-3.96]),
            (DATA, 0x90, vec![-3.96]),
        ] {
            check("flags", &[both(0.0, 4.0), flagged(again.clone(), of, flags)], &expect);
        }
        // A clock reference in a packet of its own.
        let clock = vec![packet((0x1f0, 0xbe), 0.0, 0x90, [0, 0])];
        check("a clock by itself", &[both(0.0, 4.0), clock.clone(), again.clone()], &[]);
        check("once for two", &[both(0.0, 4.0), clock, again.clone(), again], &[-3.96]);
        let told = flagged(alone(PICTURES, 0.0, 4.0), PICTURES, 0x80);
        let announced = flagged(pyramids(0, 320, 8), PICTURES, 0x80);
        check("out of order", &[pyramids(0, 320, 8), announced.clone(), announced], &[]);
        check("pictures alone", &[both(0.0, 4.0), told.clone(), told], &[]);
    }

    #[test]
    fn holes_are_those_of_all_streams() {
        check("all", &[both(0.0, 4.0), both(6.0, 8.0)], &[2.04]);
        let lacking = [run(PICTURES, 0.0, 8.0, 40.0), run(SOUND, 0.0, 4.0, 64.0), run(SOUND, 6.0, 8.0, 64.0)];
        check("one", &[part(&lacking)], &[]);
        check("a hole, and back", &[both(0.0, 4.0), both(6.0, 8.0), both(2.0, 4.0)], &[2.04, -5.96]);
    }
}
