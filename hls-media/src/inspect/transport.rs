//! Transport streams: one pass of decoding times for each elementary stream.

use super::{LEAST, Problem};
use crate::timestamps::{decoding_time, is_pes, nearest};
use crate::ts::{Align, PACKET, Part};

const CLOCK: f64 = 90_000.0;
const NULL: u16 = 0x1fff;
/// More elementary streams than any real transport stream has.
const MANY: usize = 32;
/// Streams that say something less often are subtitles and the like.
const SPARSE: f64 = 0.5;
/// A multiplexer that keeps its rate writes fewer padding packets in a row than this.
const MUCH: u64 = 64;
const MOST_JUMPS: usize = 1000;

/// Follows all streams of a file.
#[derive(Debug, Default)]
pub(super) struct Program {
    align: Align,
    streams: Vec<Stream>,
    /// Where the padding that is under way begins, and how many packets it has.
    padding: Option<(u64, u64)>,
    runs: u64,
    longest: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Stream {
    pid: u16,
    last: i64,
    count: u64,
    /// The sum of all steps that are no jumps, and the widest of them.
    sum: i64,
    widest: i64,
    /// The shortest step.
    usual: i64,
    jumps: Vec<Jump>,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    at: u64,
    /// From where to where, by the clock of the stream.
    from: i64,
    ahead: i64,
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
        if b & 0x40 == 0 || d & 0x10 == 0 || d & 0xc0 != 0 {
            return;
        }
        let adaptation = if d & 0x20 == 0 { 0 } else { 1 + usize::from(body[0]) };
        let announced = adaptation > 1 && body.get(1).is_some_and(|flags| flags & 0x80 != 0);
        let payload = body.get(adaptation..).unwrap_or(&[]);
        let Some(time) = Some(payload).filter(|payload| is_pes(payload)).and_then(decoding_time) else {
            return;
        };
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.pid == pid) {
            stream.take(time, at, announced);
        } else if self.streams.len() < MANY {
            let jumps = Vec::new();
            self.streams.push(Stream { pid, last: time, count: 1, sum: 0, widest: 0, usual: 0, jumps });
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
        let dense = self.streams.iter().filter(|stream| stream.is_dense()).collect::<Vec<_>>();
        let Some((first, others)) = dense.split_first() else { return problems };
        // What only one stream leaves out may be meant so: nobody speaks, a picture stands still.
        for jump in first.jumps.iter().filter(|jump| first.is_jump(jump)) {
            let is_shared = others.iter().all(|other| other.has_alike(jump));
            let seconds = jump.ahead as f64 / CLOCK;
            match is_shared {
                true if seconds > 0.0 => problems.push(Problem::Hole { at: jump.at, seconds }),
                true => problems.push(Problem::Back { at: jump.at, seconds: -seconds }),
                false => {}
            }
        }
        problems
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

impl Stream {
    fn take(&mut self, time: i64, at: u64, announced: bool) {
        let ahead = nearest(time - self.last);
        if ahead > 0 && (self.usual == 0 || ahead < self.usual) && ahead as f64 <= SPARSE * CLOCK {
            self.usual = ahead;
        }
        let least = (LEAST * CLOCK).max(2.5 * self.usual as f64);
        let is_jump = ahead.unsigned_abs() as f64 >= least;
        if is_jump && !announced && self.jumps.len() < MOST_JUMPS {
            self.jumps.push(Jump { at, from: self.last, ahead });
        } else if !is_jump {
            self.sum = self.sum.saturating_add(ahead);
            self.widest = self.widest.max(ahead);
            self.count += 1;
        }
        self.last = time;
    }

    fn is_dense(&self) -> bool {
        self.count > 5 && self.sum as f64 / CLOCK / (self.count as f64) < SPARSE
    }

    /// Where that many are as wide, it is how the stream is made.
    fn is_jump(&self, jump: &Jump) -> bool {
        let alike = self.jumps.iter().filter(|other| other.ahead >= jump.ahead).count() as u64;
        jump.ahead < 0 || jump.ahead > self.widest.saturating_mul(3) && alike * 20 < self.count
    }

    /// Whether it jumps too at about the same time, and as far.
    fn has_alike(&self, jump: &Jump) -> bool {
        let near = |a: i64, b: i64| nearest(a - b).unsigned_abs() as f64 <= 1.5 * CLOCK;
        self.jumps.iter().any(|other| {
            near(other.from, jump.from)
                && (other.ahead > 0) == (jump.ahead > 0)
                && (other.ahead - jump.ahead).unsigned_abs() as f64 <= 1.5 * CLOCK
        })
    }
}
