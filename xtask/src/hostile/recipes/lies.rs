//! Answers that HTTP can't tell from good ones: whole, and still not what the segment is.

use anyhow::{Context, Result};
use hls_testkit::{Bytes, Media, Reply, Resource};

use super::Verdict;
use crate::hostile::bytes::{self, PACKET};
use crate::hostile::case::{Case, MORE, Output};
use crate::hostile::run::Try;
use crate::hostile::show::{Container, Framing, Manner, Show};

pub(super) use Container::{Adts, Cmaf, Fmp4, Ts, Vtt};

/// Makes other clear bytes of a segment.
type Damage = fn(&mut Try<'_>, &Show, usize) -> Result<Vec<u8>>;

/// How often a lie is told; the last is for ever.
const TIMES: [u32; 6] = [1, 1, 1, 1, 2, u32::MAX];

pub(super) fn times(reply: Reply, n: u32) -> Reply {
    if n == u32::MAX { reply.forever() } else { reply.times(n) }
}

/// Which segments are lied about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Any,
    /// The first or the last, which only one neighbour can give away.
    Edge,
    /// One between two others.
    Inner,
}

/// Serves a damaged segment once, twice or for ever.
pub(super) fn lie(
    t: &mut Try<'_>,
    containers: &[Container],
    place: Place,
    damage: Damage,
) -> Result<Verdict> {
    let case = Case::draw(t, containers, 4)?;
    let at = at(t, &case.show, place);
    let bad = damage(t, &case.show, at)?;
    let told = case.show.with(at, bad);
    let n = t.pick("times", &TIMES)?;
    tell(t, &case, at, &told, case.manner.reply(told.served(at)), n)
}

fn at(t: &mut Try<'_>, show: &Show, place: Place) -> usize {
    let last = show.segments.len() - 1;
    let is_edge = place == Place::Edge || (place == Place::Any && t.dice.below(2) == 0);
    let at = match is_edge {
        true => last * t.dice.below(2) as usize,
        false => 1 + t.dice.below(last as u64 - 1) as usize,
    };
    t.note(format!("segment {at}"));
    at
}

/// A segment: the first, the last, or another.
pub(super) fn any(t: &mut Try<'_>, show: &Show) -> usize {
    at(t, show, Place::Any)
}

/// A segment between two others.
pub(super) fn inner(t: &mut Try<'_>, show: &Show) -> usize {
    at(t, show, Place::Inner)
}

/// Has this answer given `n` times for a segment; `told` is the stream as the answer has it.
fn tell(t: &Try<'_>, case: &Case, at: usize, told: &Show, reply: Reply, n: u32) -> Result<Verdict> {
    let right = case.truth(t, &case.show)?;
    // What no output can be made of can't be kept either.
    let kept = if n > 1 { case.truth(t, told).ok() } else { None };
    case.origin.script(&case.published.segment_paths[at], [times(reply, n)]);
    let end = case.run(t, &[])?;
    // A server that never has other bytes is right by itself.
    let is_all = kept.as_ref().filter(|_| n == u32::MAX);
    let is_told = is_all.map(|all| case.judge(t, &end, all, None)).transpose()?;
    if matches!(is_told, Some(Verdict::Right)) {
        return Ok(Verdict::Kept);
    }
    case.concluded(t, &end, &right, kept.as_ref())
}

pub(super) fn another_segment(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let n = show.segments.len();
    let by = match t.dice.below(3) {
        0 => 1,
        1 => n - 1,
        _ => 1 + t.dice.below(n as u64 - 1) as usize,
    };
    t.note(format!("segment {} in its place", (at + by) % n));
    Ok(show.segments[(at + by) % n].to_vec())
}

pub(super) fn another_rendition(_: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let media = if show.container == Ts { Media::AudioTs } else { Media::AudioFmp4 };
    let pieces = media.segments();
    Ok(pieces[at % pieces.len()].to_vec())
}

pub(super) fn another_container(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let others = Container::ALL
        .into_iter()
        .filter(|one| *one != show.container && !(one.is_mp4() && show.container.is_mp4()));
    let other = t.pick("container", &others.collect::<Vec<_>>())?;
    Ok(Show::new(other, show.segments.len(), 2)?.segments[at].to_vec())
}

/// Zeros from some byte on in all that the headers of the container lead to.
pub(super) fn zeros(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let from = t.number("zeros from byte", 0..=bad.len() as u64 * 3 / 4) as usize;
    let keeps_starts = t.dice.below(2) == 0;
    match show.container {
        Ts => {
            for (nth, packet) in bad.chunks_exact_mut(PACKET).enumerate().skip(from / PACKET) {
                let is_start = packet[1] & 0x40 != 0;
                if nth > 1 && !(is_start && keeps_starts) && bytes::pid(packet) >= 0x100 {
                    let at = bytes::payload(packet);
                    packet[at..].fill(0);
                }
            }
        }
        Fmp4 | Cmaf => {
            for data in bytes::all(&show.segments[at], *b"mdat") {
                let range = data.range();
                bad[range.start.max(from).min(range.end)..range.end].fill(0);
            }
        }
        _ => {
            for frame in bytes::frames(&show.segments[at]).into_iter().filter(|frame| frame.start > from) {
                bad[frame.start + 7..frame.end].fill(0);
            }
        }
    }
    Ok(bad)
}

/// A segment without one of its elementary streams.
pub(super) fn without_stream(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let gone = t.pick("stream", &[0x100_u16, 0x101])?;
    let kept = show.segments[at].chunks_exact(PACKET).filter(|packet| bytes::pid(packet) != gone);
    Ok(kept.collect::<Vec<_>>().concat())
}

/// One packet of the elementary stream of sound is missing, and the counter of the others goes on.
pub(super) fn without_sound(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let is_sound = |packet: &&[u8]| bytes::pid(packet) == 0x101;
    let begins = |packet: &[u8]| packet[1] & 0x40 != 0;
    let count =
        show.segments[at].chunks_exact(PACKET).filter(is_sound).filter(|packet| begins(packet)).count();
    // What the first and the last segment begin and end with is told by nothing.
    let gone = t.number("packet", 1..=count.saturating_sub(2).max(1) as u64) as usize;
    let (mut nth, mut lost, mut kept) = (0, 0_u8, Vec::new());
    for packet in show.segments[at].chunks_exact(PACKET) {
        if !is_sound(&packet) {
            kept.extend_from_slice(packet);
            continue;
        }
        nth += usize::from(begins(packet));
        if nth == gone + 1 {
            lost = lost.wrapping_add(1);
            continue;
        }
        let mut packet = packet.to_vec();
        packet[3] = packet[3] & 0xf0 | packet[3].wrapping_sub(lost) & 0x0f;
        kept.extend(packet);
    }
    Ok(kept)
}

/// Subtitles that end inside the text of a cue.
pub(super) fn inside_line(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let text = &show.segments[at];
    let times = bytes::places(text, b"-->").pop().context("no cue")?;
    let line = text[times..].iter().position(|byte| *byte == b'\n').context("no text")? + times + 1;
    let len = text[line..].iter().position(|byte| *byte == b'\n').unwrap_or(text.len() - line);
    let to = t.number("bytes of the last line", 1..=len.max(2) as u64 - 1) as usize;
    Ok(text[..line + to].to_vec())
}

/// Subtitles whose times are mapped to others.
pub(super) fn another_map(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let ticks = t.number("ticks", 1..=900_000);
    let text = std::str::from_utf8(&show.segments[at])?;
    let map = format!("X-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:00:00:00.000");
    Ok(match text.lines().find(|line| line.starts_with("X-TIMESTAMP-MAP")) {
        Some(line) => text.replacen(line, &map, 1),
        None => text.replacen("WEBVTT\n", &format!("WEBVTT\n{map}\n"), 1),
    }
    .into_bytes())
}

/// Packets of one PID are missing, so that its counter jumps.
pub(super) fn packets(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let n = t.pick("missing packets", &[1, 2, 7, 14])?;
    without_packets(t, show, at, n)
}

/// Packets of one PID are missing, as many as the counter can't tell from none, or from a packet that comes twice.
pub(super) fn sixteen_packets(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let n = t.pick("missing packets", &[15, 16, 32])?;
    without_packets(t, show, at, n)
}

fn without_packets(t: &mut Try<'_>, show: &Show, at: usize, n: usize) -> Result<Vec<u8>> {
    let mut pids = show.segments[at].chunks(PACKET).map(bytes::pid).collect::<Vec<_>>();
    pids.sort_unstable();
    let counts = pids.chunk_by(|a, b| a == b).filter(|all| all.len() > n + 2).map(|all| (all[0], all.len()));
    let (pid, count) = *t.dice.among(&counts.collect::<Vec<_>>())?;
    let first = t.number("from packet", 0..=(count - n) as u64) as usize;
    t.note(format!("of PID {pid:#x}"));
    let mut seen = 0;
    let kept = show.segments[at].chunks(PACKET).filter(|packet| {
        let nth = if bytes::pid(packet) == pid {
            seen += 1;
            seen - 1
        } else {
            usize::MAX
        };
        !(first..first + n).contains(&nth)
    });
    Ok(kept.collect::<Vec<_>>().concat())
}

/// Where a segment may be cut and still hold together.
fn borders(show: &Show, at: usize) -> Vec<usize> {
    let bytes = &show.segments[at];
    match show.container {
        Ts => (0..bytes.len()).step_by(PACKET).collect(),
        Fmp4 | Cmaf => bytes::all(bytes, *b"mdat").iter().map(|data| data.end).collect(),
        Adts => bytes::frames(bytes).iter().map(|frame| frame.start).collect(),
        Vtt => bytes::places(bytes, b"\n\n").iter().map(|at| at + 2).collect(),
    }
}

/// The end is missing, from a border between packets, fragments, frames or cues on.
pub(super) fn tail(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let length = show.segments[at].len();
    let all = borders(show, at).into_iter().filter(|end| *end > length / 3 && *end < length);
    let end = *t.dice.among(&all.collect::<Vec<_>>())?;
    t.note(format!("{end} of {length} bytes"));
    Ok(show.segments[at][..end].to_vec())
}

/// The end is missing from anywhere on.
pub(super) fn anywhere(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let length = show.segments[at].len();
    // An odd number of bytes is no number of packets.
    let end = (t.dice.below(length as u64 - 1) as usize | 1).min(length - 1);
    t.note(format!("{end} of {length} bytes"));
    Ok(show.segments[at][..end].to_vec())
}

/// The beginning is missing up to a border.
pub(super) fn front(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let length = show.segments[at].len();
    let all = borders(show, at).into_iter().filter(|begin| *begin > 0 && *begin < length * 2 / 3);
    let begin = *t.dice.among(&all.collect::<Vec<_>>())?;
    t.note(format!("all but the first {begin} of {length} bytes"));
    Ok(show.segments[at][begin..].to_vec())
}

/// Packets, fragments or frames are missing in the middle.
pub(super) fn middle(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let all = borders(show, at);
    let begin = 1 + t.dice.below(all.len() as u64 / 2) as usize;
    let n = 1 + t.dice.below((all.len() - begin).min(14) as u64) as usize;
    let (from, to) = (all[begin - 1], all[(begin - 1 + n).min(all.len() - 1)]);
    t.note(format!("bytes {from} to {to} are missing"));
    Ok([&show.segments[at][..from], &show.segments[at][to..]].concat())
}

/// Packets, fragments or frames come twice.
pub(super) fn twice(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let all = borders(show, at);
    let begin = t.dice.below(all.len() as u64 / 2) as usize;
    // Sixteen packets are a row of their own.
    let n = 2 + t.dice.below(13) as usize;
    let (from, to) = (all[begin], all[(begin + n).min(all.len() - 1)]);
    t.note(format!("bytes {from} to {to} come twice"));
    Ok([&show.segments[at][..to], &show.segments[at][from..]].concat())
}

/// A `moof` without its `mdat` at the end.
pub(super) fn without_data(_: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let last = bytes::all(&show.segments[at], *b"moof").pop().context("no fragment")?;
    Ok(show.segments[at][..last.end].to_vec())
}

/// An `mdat` that says it is shorter than its samples, and is.
pub(super) fn short_data(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let last = bytes::all(&bad, *b"mdat").pop().context("no data")?;
    let less = t.number("bytes less", 1..=(last.end - last.start) as u64 / 2) as usize;
    bad.truncate(bad.len() - less);
    let size = (last.end - last.start - less) as u32;
    bad[last.start..last.start + 4].copy_from_slice(&size.to_be_bytes());
    Ok(bad)
}

/// A run of samples begins outside its `mdat` (ISO/IEC 14496-12, section 8.8.8).
pub(super) fn outside(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let run = *t.dice.among(&bytes::all(&bad, *b"trun"))?;
    let by = t.pick("data offset", &[0, 1, 8, 100_000, i32::MAX, -1])?;
    bad[run.start + 16..run.start + 20].copy_from_slice(&by.to_be_bytes());
    Ok(bad)
}

/// A run of samples begins as far before its `mdat` as can be said.
pub(super) fn far_before(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let run = *t.dice.among(&bytes::all(&bad, *b"trun"))?;
    bad[run.start + 16..run.start + 20].copy_from_slice(&i32::MIN.to_be_bytes());
    Ok(bad)
}

/// The decode time of one track of a fragment is another one.
pub(super) fn another_time(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let by = t.pick("ticks later", &[100_000, 10_000_000, u64::MAX - 150_000, u64::MAX / 2])?;
    later(t, show, at, by)
}

/// The decode time of one track of a fragment is half a second later for pictures, or an eighth of one for sound.
pub(super) fn a_little_later(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    later(t, show, at, 6400)
}

fn later(t: &mut Try<'_>, show: &Show, at: usize, by: u64) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let time = *t.dice.among(&bytes::all(&bad, *b"tfdt"))?;
    let field = &mut bad[time.start + 12..time.start + 20];
    let old = u64::from_be_bytes((&*field).try_into()?);
    field.copy_from_slice(&old.wrapping_add(by).to_be_bytes());
    Ok(bad)
}

/// The segment brings an initialization section of its own, which differs from that of its `EXT-X-MAP`.
pub(super) fn another_section(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let section = if t.dice.below(2) == 0 { Media::AudioFmp4.init() } else { Media::Fmp4.second_init() };
    Ok([section.unwrap_or_default(), &show.segments[at]].concat())
}

/// Whole packets of noise behind their sync bytes.
pub(super) fn noise(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let all = (bad.len() / PACKET) as u64;
    let (first, n) = (t.number("noise from packet", 2..=all - 1), t.number("packets of noise", 2..=all / 4));
    for packet in bad.chunks_exact_mut(PACKET).skip(first as usize).take(n as usize) {
        packet[1..].fill_with(|| t.dice.below(256) as u8);
    }
    Ok(bad)
}

/// Gzip that holds the begin of the segment only, and is whole as such.
pub(super) fn gzip(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &[Ts, Fmp4, Cmaf, Adts], 4)?;
    let at = any(t, &case.show);
    let whole = case.show.served(at);
    let part = t.number("per cent", 30..=99) as usize;
    let code = Resource::gzipped(&whole[..whole.len() * part / 100]);
    let told = case.show.with(at, case.show.segments[at].slice(..case.show.segments[at].len() * part / 100));
    let n = t.pick("times", &TIMES)?;
    tell(t, &case, at, &told, Reply::serving(code), n)
}

/// An answer that can't be kept, whatever it is.
fn once(t: &mut Try<'_>, case: &Case, at: usize, reply: Reply) -> Result<Verdict> {
    let n = t.pick("times", &[1, 1, 2])?;
    let right = case.truth(t, &case.show)?;
    case.origin.script(&case.published.segment_paths[at], [times(reply, n)]);
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}

/// What is no segment at all, with status 200.
pub(super) fn page(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &Container::ALL, 3)?;
    let at = any(t, &case.show);
    let what = t.pick("body", &["page", "nothing", "JSON", "playlist", "zeros", "text"])?;
    let reply = match what {
        "page" => Reply::html(),
        "nothing" => Reply::empty(),
        "JSON" => Reply::ok(&b"{\"error\":\"not available in your country\"}"[..]),
        "playlist" => Reply::ok(case.published.playlist.clone()),
        "zeros" => Reply::ok(vec![0; case.show.segments[at].len()]),
        _ => Reply::ok(&b"Service unavailable\n"[..]),
    };
    // Subtitles of nothing are what many servers have where nobody speaks.
    if what == "nothing" && case.show.container == Vtt {
        let told = case.show.with(at, Bytes::new());
        return tell(t, &case, at, &told, reply, 2);
    }
    once(t, &case, at, reply)
}

/// A redirect to another segment.
pub(super) fn redirect(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &[Ts, Fmp4, Cmaf, Adts], 4)?;
    let at = any(t, &case.show);
    let n = case.show.segments.len();
    let other = (at + 1 + t.dice.below(n as u64 - 1) as usize) % n;
    t.note(format!("to segment {other}"));
    let told = case.show.with(at, case.show.segments[other].clone());
    let n = t.pick("times", &TIMES)?;
    tell(t, &case, at, &told, Reply::redirect(&case.published.segment_paths[other]), n)
}

fn encrypted(t: &mut Try<'_>, containers: &[Container]) -> Result<Case> {
    let mut case = Case::draw(t, containers, 4)?;
    if !case.show.is_encrypted {
        let mut show = case.show.clone();
        show.is_encrypted = true;
        case = Case::of(t, show, case.output, case.manner)?;
    }
    Ok(case)
}

/// Ciphertext with the vector of another segment.
pub(super) fn vector(t: &mut Try<'_>) -> Result<Verdict> {
    let case = encrypted(t, &[Ts, Fmp4, Cmaf, Adts])?;
    let at = any(t, &case.show);
    let mut other = case.show.clone();
    other.sequence += 1 + t.dice.below(20);
    once(t, &case, at, case.manner.reply(other.served(at)))
}

/// The ciphertext of another segment.
pub(super) fn swapped(t: &mut Try<'_>) -> Result<Verdict> {
    let case = encrypted(t, &[Ts, Fmp4, Cmaf, Adts])?;
    let (at, n) = (any(t, &case.show), case.show.segments.len());
    let other = (at + 1 + t.dice.below(n as u64 - 1) as usize) % n;
    t.note(format!("segment {other} in its place"));
    once(t, &case, at, case.manner.reply(case.show.served(other)))
}

/// Another key of the right length, a few times or for ever.
pub(super) fn key(t: &mut Try<'_>, for_ever: bool) -> Result<Verdict> {
    let mut case = encrypted(t, &[Ts, Fmp4, Cmaf, Adts])?;
    // All that is under way with the wrong key may come again.
    case.most += 2 * case.show.segments.len();
    let n = if for_ever { u32::MAX } else { t.pick("times", &[1, 2])? };
    let right = case.truth(t, &case.show)?;
    let path = case.published.key_paths.first().context("no key")?;
    case.origin.script(path, [times(Reply::ok(&b"another key, 16b"[..]), n)]);
    let end = case.run(t, &[])?;
    let verdict = case.judge(t, &end, &right, None)?;
    case.origin.script(path, []);
    match verdict {
        Verdict::Refused(_) => case.concluded(t, &end, &right, None),
        other => Ok(other),
    }
}

/// A playlist whose numbers do not fit the vectors.
pub(super) fn numbers(t: &mut Try<'_>, containers: &[Container]) -> Result<Verdict> {
    let mut case = encrypted(t, containers)?;
    case.most += 2 * case.show.segments.len();
    let by = t.number("numbers later", 1..=300);
    let said = format!("#EXT-X-MEDIA-SEQUENCE:{}", case.show.sequence);
    let wrong = format!("#EXT-X-MEDIA-SEQUENCE:{}", case.show.sequence + by);
    let text = case.published.playlist.replacen(&said, &wrong, 1);
    case.origin.put(&case.published.playlist_path, text.into_bytes());
    let right = case.truth(t, &case.show)?;
    let end = case.run(t, &[])?;
    case.judge(t, &end, &right, None)
}

/// A body without a length is cut, anywhere or between packets, fragments, frames or cues.
pub(super) fn unbounded(t: &mut Try<'_>, containers: &[Container], place: Place) -> Result<Verdict> {
    let drawn = Case::draw(t, containers, 4)?;
    let mut manner = drawn.manner;
    if !manner.framing.is_unbounded() {
        manner.framing = *t.dice.among(&[Framing::Close, Framing::Http10])?;
    }
    // The others may have a length.
    let has_length = t.dice.below(2) == 0;
    let rest = if has_length { Manner { framing: Framing::Length, ..manner } } else { manner };
    let case = Case::of(t, drawn.show, drawn.output, rest)?;
    let at = at(t, &case.show, place);
    let is_inside = t.dice.below(3) == 0;
    let damage = if is_inside || case.show.container == Fmp4 { anywhere } else { tail };
    let bad = damage(t, &case.show, at)?;
    let told = case.show.with(at, bad.clone());
    // Ciphertext is cut as such, which is seen by its blocks or its padding.
    let body: Bytes = match (case.show.is_encrypted, is_inside) {
        (true, true) => case.show.served(at).slice(..bad.len()),
        (true, false) => case.show.served(at).slice(..bad.len() / 16 * 16),
        _ => bad.into(),
    };
    let n = t.pick("times", &TIMES)?;
    t.note(format!("{:?}", manner.framing));
    tell(t, &case, at, &told, manner.reply(body), n)
}

/// Another initialization section, or what is none, once or twice.
pub(super) fn section(t: &mut Try<'_>, kinds: &[&str]) -> Result<Verdict> {
    let case = Case::draw(t, &[Fmp4, Cmaf], 3)?;
    let what = t.pick("section", kinds)?;
    let section = Media::Fmp4.init().unwrap_or_default();
    let reply = match what {
        "of sound alone" => case.manner.reply(Media::AudioFmp4.init().unwrap_or_default()),
        "with more in it" => case.manner.reply(Media::Fmp4.second_init().unwrap_or_default()),
        "cut" => case.manner.reply(&section[..t.dice.below(section.len() as u64) as usize]),
        "a segment" => case.manner.reply(case.show.segments[0].clone()),
        "page" => Reply::html(),
        _ => Reply::empty(),
    };
    let n = t.pick("times", &[1, 2])?;
    let right = case.truth(t, &case.show)?;
    let path = case.published.init_paths.first().context("no section")?;
    case.origin.script(path, [times(reply, n)]);
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}

/// Sections that show by themselves, or beside the segments, that they are wrong.
pub(super) const SECTIONS: &[&str] = &["of sound alone", "cut", "a segment", "page", "nothing"];

/// A playlist that is cut, or none, when it is first loaded.
pub(super) fn playlist(t: &mut Try<'_>) -> Result<Verdict> {
    let mut case = Case::draw(t, &[Ts, Fmp4, Cmaf, Adts, Vtt], 3)?;
    // It has no end then, and is loaded again after a target duration.
    case.most += 4;
    let text = case.published.playlist.clone();
    let what = t.pick("playlist", &["cut at a line", "cut anywhere", "page", "nothing", "another show"])?;
    let lines = text.lines().count();
    let body = match what {
        "cut at a line" => {
            text.lines().take(1 + t.dice.below(lines as u64 - 1) as usize).collect::<Vec<_>>().join("\n")
                + "\n"
        }
        "cut anywhere" => text[..1 + t.dice.below(text.len() as u64 - 1) as usize].to_owned(),
        "page" => "<!DOCTYPE html><html></html>".to_owned(),
        "nothing" => String::new(),
        _ => text.replace("seg0", "other0"),
    };
    t.note(format!("{} of {} bytes", body.len(), text.len()));
    let manner = case.manner;
    let reply = if manner.framing.is_unbounded() { Reply::ok(body).http10_close() } else { Reply::ok(body) };
    let right = case.truth(t, &case.show)?;
    case.origin.script(&case.published.playlist_path, [reply]);
    let end = case.run(t, &[])?;
    case.judge(t, &end, &right, None)
}

/// A playlist that lacks one of its URIs when it is first loaded.
pub(super) fn playlist_line(t: &mut Try<'_>) -> Result<Verdict> {
    let mut case = Case::draw(t, &[Ts, Fmp4, Cmaf, Adts, Vtt], 4)?;
    case.most += 1;
    let gone = any(t, &case.show);
    let text = case.published.playlist.clone();
    let uris: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let body = text.replacen(&format!("{}\n", uris[gone]), "", 1);
    let right = case.truth(t, &case.show)?;
    case.origin.script(&case.published.playlist_path, [case.manner.reply(body)]);
    let end = case.run(t, &[])?;
    case.judge(t, &end, &right, None)
}

/// A section with the time scale of another stream, once.
pub(super) fn time_scale(t: &mut Try<'_>) -> Result<Verdict> {
    let mut case = Case::draw(t, &[Fmp4, Cmaf], 4)?;
    case.most += MORE;
    let mut section = Media::Fmp4.init().unwrap_or_default().to_vec();
    let (by, of) = t.pick("time scale", &[(1, 2), (2, 1), (147, 160), (160, 147), (9, 8)])?;
    // Version 0: two times, then the scale (ISO/IEC 14496-12, section 8.4.2.2).
    for name in bytes::places(&section, b"mdhd") {
        let scale = bytes::word(&section, name + 16)?;
        section[name + 16..name + 20].copy_from_slice(&(scale * by / of).to_be_bytes());
    }
    let right = case.truth(t, &case.show)?;
    let path = case.published.init_paths.first().context("no section")?;
    case.origin.script(path, [case.manner.reply(section)]);
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}

/// A film is made of a transport stream in one pass, and one segment is bad once: nothing else comes twice.
pub(super) fn one_pass(t: &mut Try<'_>) -> Result<Verdict> {
    let drawn = Case::draw(t, &[Ts], 12)?;
    let mut case =
        Case::of(t, drawn.show, Output::Film, Manner { framing: Framing::Length, ..drawn.manner })?;
    case.most = 1 + case.published.files.len() + MORE;
    let at = any(t, &case.show);
    let damage = *t.dice.among(&[anywhere as Damage, noise, packets])?;
    let bad = damage(t, &case.show, at)?;
    let told = case.show.with(at, bad);
    tell(t, &case, at, &told, case.manner.reply(told.served(at)), 1)
}
