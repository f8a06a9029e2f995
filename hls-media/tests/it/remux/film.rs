//! Units remuxed by themselves: the same samples at the same times as of all in one.

use std::fs;
use std::time::Duration;

use hls_media::remux::{
    Film, FilmFront, Finding, Index, Input, Irregularity, RemuxError, Report, TextCue, TextTrack, UNIT_END,
    Unit, UnitRemuxer, UnitTracks, record_len,
};
use hls_testkit::{Media, judge};

use super::made::{folder, has_ffmpeg};
use super::structure::bodies;
use super::{Output, remux};

/// What the output holds of each unit.
fn alone(input: &Input, bytes: &[u8]) -> Result<Vec<(usize, Vec<u8>, UnitTracks)>, RemuxError> {
    let begins = input.units.iter().map(|unit| unit.offset as usize).collect::<Vec<_>>();
    let begins = if begins.is_empty() { vec![0] } else { begins };
    let mut all = Vec::new();
    for (number, begin) in begins.iter().enumerate() {
        if input.units.get(number).is_some_and(|unit| unit.is_gap) {
            continue;
        }
        let unit = &bytes[*begin..begins.get(number + 1).copied().unwrap_or(bytes.len())];
        let mut remuxer = UnitRemuxer::new(input.takes, input.may_lack, input.codecs.as_deref());
        let mut out = Vec::new();
        for piece in unit.chunks(30_011) {
            out.extend(remuxer.push(piece)?.concat());
        }
        let end = remuxer.finish()?;
        out.extend(end.rest.concat());
        all.push((number, out, end.tracks));
    }
    Ok(all)
}

/// Makes an MP4 of units, in a room of this size.
fn film(
    input: &Input,
    units: &[(usize, Vec<u8>, UnitTracks)],
    texts: &[TextTrack],
    room: u64,
) -> (Vec<u8>, bool) {
    let (mut film, mut mp4) = (Film::new(input.clone()), vec![0; room as usize]);
    for (number, unit, _) in units {
        let len = record_len(&unit[unit.len() - UNIT_END..]).expect("a record") as usize;
        let taken = film.unit(*number, mp4.len() as u64, unit.len() as u64, &unit[unit.len() - len..]);
        taken.expect("its record");
        mp4.extend(unit);
    }
    let (front, end) = (film.finish(texts).expect("a film"), mp4.len() as u64);
    let fits = front.write(room, end, false, |at, bytes| {
        let at = at as usize;
        mp4.resize(mp4.len().max(at + bytes.len()), 0);
        mp4[at..at + bytes.len()].copy_from_slice(bytes);
        Ok::<(), ()>(())
    });
    (mp4, fits.expect("nothing fails").fits)
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// The samples of each track with their data, and all that is said of them but where they are.
fn samples(mp4: &[u8]) -> Vec<Vec<(&[u8], Vec<u8>)>> {
    let tracks = bodies(mp4, b"trak");
    let of = |track: &&[u8]| {
        let one = |name| bodies(track, name).first().copied().unwrap_or_default();
        let (sizes, runs, chunks) = (one(b"stsz"), one(b"stsc"), one(b"stco"));
        let (mut all, mut number) = (Vec::new(), 0);
        for chunk in 0..word(chunks, 4) {
            let run =
                (0..word(runs, 4)).rev().find(|run| word(runs, 8 + run * 12) <= chunk + 1).expect("a run");
            let mut at = word(chunks, 8 + chunk * 4);
            for _ in 0..word(runs, 12 + run * 12) {
                let len = word(sizes, 12 + number * 4);
                all.push((&mp4[at..at + len], runs[16 + run * 12..20 + run * 12].to_vec()));
                at += len;
                number += 1;
            }
        }
        assert_eq!(number, word(sizes, 8));
        all
    };
    tracks.iter().map(of).collect()
}

/// Makes one input in this way too, where it can be, and holds it to what came of the other.
pub(super) fn check(input: &Input, bytes: &[u8], texts: &[TextTrack], other: &Output) {
    let offsets = input.units.iter().map(|unit| unit.offset as usize).collect::<Vec<_>>();
    let is_cut = offsets.is_sorted_by(|a, b| a < b) && offsets.iter().all(|at| *at < bytes.len());
    if bytes.first() != Some(&0x47) || !is_cut || offsets.first().is_some_and(|first| *first > 0) {
        return;
    }
    let Ok(units) = alone(input, bytes) else { return };
    if units.windows(2).any(|pair| pair[0].2 != pair[1].2) {
        return;
    }
    let (mp4, fits) = film(input, &units, texts, FilmFront::room(60.0, None));
    assert!(fits && &mp4[4..8] == b"ftyp" && &mp4[36..40] == b"moov");
    for name in
        [b"stts", b"ctts", b"stss", b"stsd", b"elst", b"mdhd", b"tkhd", b"mvhd", b"elng", b"hdlr", b"chpl"]
    {
        assert!(
            bodies(&mp4, name) == bodies(&other.mp4, name),
            "{} differs:\n{:?}\n{:?}",
            String::from_utf8_lossy(name),
            bodies(&mp4, name),
            bodies(&other.mp4, name)
        );
    }
    assert!(samples(&mp4) == samples(&other.mp4), "samples differ");
}

/// A stream of several units as they come from the testkit.
fn input() -> (Input, Vec<u8>) {
    let segments = Media::Ts.segments();
    let mut offset = 0;
    let units = segments.iter().map(|segment| {
        let unit = super::unit(offset, 0);
        offset += segment.len();
        unit
    });
    (Input { units: units.collect(), ..Input::default() }, segments.concat())
}

#[test]
fn units_by_themselves_make_the_same_film() {
    let (input, bytes) = input();
    assert!(alone(&input, &bytes).is_ok(), "each of these is whole");
    let text = TextTrack {
        cues: vec![TextCue {
            begin: Duration::from_secs(1),
            end: Duration::from_secs(2),
            text: "One".into(),
        }],
        ..TextTrack::default()
    };
    for texts in [vec![], vec![text]] {
        // Compares with the film.
        remux(&[(input.clone(), &bytes)], &texts).expect("it can be remuxed");
    }
}

/// Units whose begin is told as they come are the same as those of which it was known.
#[test]
fn units_that_begin_somewhere() {
    let (input, bytes) = input();
    let somewhere = |unit: &Unit| Unit { offset: Unit::SOMEWHERE, ..unit.clone() };
    let open = Input { units: input.units.iter().map(somewhere).collect(), ..input.clone() };
    let mut index = Index::new(open.clone());
    for (n, unit) in input.units.iter().enumerate() {
        let end = input.units.get(n + 1).map_or(bytes.len(), |next| next.offset as usize);
        index.begin_unit().expect("it begins");
        for piece in bytes[unit.offset as usize..end].chunks(9973) {
            index.push(piece).expect("it is media");
        }
    }
    let known = index.finish_with(input.units.clone()).expect("a film").expect("the same units");
    let mut index = Index::new(input.clone());
    index.push(&bytes).expect("it is media");
    assert_eq!(format!("{known:?}"), format!("{:?}", index.finish().expect("a film")));
    assert!(Index::new(open).finish_with(input.units[1..].to_vec()).expect("no error").is_none());
}

#[test]
fn a_room_that_is_too_small_has_the_tables_behind() {
    let (input, bytes) = input();
    let units = alone(&input, &bytes).expect("each of these is whole");
    for (room, expect) in [(64, false), (4096, false), (1 << 20, true)] {
        let (mp4, fits) = film(&input, &units, &[], room);
        assert_eq!(fits, expect, "{room}");
        let all = super::remux_one(&bytes);
        assert!(samples(&mp4) == samples(&all.mp4), "{room}");
        if has_ffmpeg(&[]) {
            let path = folder().join(format!("room-{room}.out.mp4"));
            fs::write(&path, &mp4).expect("it can be written");
            judge::ffmpeg_silent(&path).check();
        }
    }
}

#[test]
fn what_is_not_whole_by_itself_is_found_out() {
    let (input, bytes) = input();
    let cut = input.units[1].offset as usize;
    let by_itself = |bytes: &[u8]| {
        let mut remuxer = UnitRemuxer::new(input.takes, input.may_lack, None);
        remuxer.push(bytes)?;
        remuxer.finish().map(drop)
    };
    assert_eq!(by_itself(&bytes[..cut]), Ok(()));
    // Without its tables, or with a packet of the stream before them.
    let of_stream = (0..cut).step_by(188).find(|at| bytes[at + 1] & 0x1f == 1 && bytes[at + 1] & 0x40 == 0);
    let inside = of_stream.expect("a packet that goes on");
    // The first frame of sound begins in a unit that is not here.
    let mut headless = bytes[..cut].to_vec();
    let begins = (0..cut).step_by(188).find(|at| bytes[at + 1] & 0x5f == 0x41 && bytes[at + 2] == 1);
    let sound = begins.expect("a packet of sound");
    let header = (sound..sound + 188).find(|at| headless[*at] == 0xff && headless[at + 1] == 0xf1);
    headless[header.expect("a frame")] = 0;
    for (what, bytes) in [
        ("no first frame", headless),
        ("no tables", bytes[3 * 188..cut].to_vec()),
        ("goes on from before", [&bytes[inside..inside + 188], &bytes[..cut]].concat()),
        ("nothing", Vec::new()),
    ] {
        assert_eq!(by_itself(&bytes), Err(RemuxError::NotAlone), "{what}");
    }
    // Wherever it is cut: nothing is taken for whole that loses a sample.
    let whole = super::remux_one(&bytes[..cut]).mp4;
    let count = |mp4: &[u8]| samples(mp4).iter().map(Vec::len).sum::<usize>();
    for at in (188..cut).step_by(188 * 7) {
        let (first, second) = bytes[..cut].split_at(at);
        let both = [first, second].map(|part| by_itself(part).is_ok());
        if both == [true, true] {
            let parts = [first, second].map(|part| count(&super::remux_one(part).mp4));
            assert_eq!(parts.iter().sum::<usize>(), count(&whole), "cut at {at}");
        }
    }
}

/// Some segmenters cut anywhere, and mark as a discontinuity what goes on.
#[test]
fn a_packet_of_a_stream_may_end_behind_a_discontinuity() {
    let (mut input, bytes) = input();
    let right = super::remux_one(&bytes).mp4;
    for late in [1, 2, 5, 9, 30] {
        for (number, unit) in input.units.iter_mut().enumerate().skip(1) {
            *unit = super::unit(unit.offset as usize + if number == 1 { late * 188 } else { 0 }, 1);
        }
        let output = remux(&[(input.clone(), &bytes)], &[]).expect("it can be remuxed");
        let is_lost = |finding: &Finding| matches!(finding.what, Irregularity::Skipped { .. });
        assert!(!output.report.findings.iter().any(is_lost), "{late} packets: {:?}", output.report);
        assert!(samples(&output.mp4) == samples(&right), "{late} packets");
        input.units[1].offset -= late as u64 * 188;
    }
}

/// A sound that is damaged in the middle of a unit is left out and told of, in this way as in the other.
#[test]
fn a_damaged_sound_needs_no_other_unit() {
    let (input, mut bytes) = input();
    // The second header of a frame in a packet of sound.
    let packets = (0..input.units[1].offset as usize).step_by(188);
    let sound = packets.filter(|at| bytes[at + 1] & 0x1f == 1 && bytes[at + 1] & 0x40 == 0);
    let header =
        sound.flat_map(|at| at + 4..at + 186).filter(|at| bytes[*at] == 0xff && bytes[at + 1] == 0xf1);
    let headers = header.collect::<Vec<_>>();
    bytes[headers[headers.len() / 2]] = 0;
    let output = remux(&[(input.clone(), &bytes)], &[]).expect("it can be remuxed");
    let lost = |report: &Report| {
        report.findings.iter().filter(|f| matches!(f.what, Irregularity::Skipped { .. })).count()
    };
    assert_eq!(lost(&output.report), 1, "{:?}", output.report);
    let units = alone(&input, &bytes).expect("each of these is whole");
    let mut film = Film::new(input.clone());
    for (number, unit, _) in &units {
        let len = record_len(&unit[unit.len() - UNIT_END..]).expect("a record") as usize;
        film.unit(*number, 4096, unit.len() as u64, &unit[unit.len() - len..]).expect("its record");
    }
    assert_eq!(lost(film.finish(&[]).expect("a film").report()), 1);
}

#[test]
fn a_record_that_is_damaged_is_refused() {
    let (input, bytes) = input();
    let units = alone(&input, &bytes).expect("each of these is whole");
    let unit = &units[0].1;
    let len = record_len(&unit[unit.len() - UNIT_END..]).expect("a record") as usize;
    let record = &unit[unit.len() - len..];
    for at in 0..len {
        for bits in [0x01, 0x80, 0xff] {
            let mut record = record.to_vec();
            record[at] ^= bits;
            // Whatever it says now, nothing breaks.
            let mut film = Film::new(input.clone());
            if film.unit(0, 4096, unit.len() as u64, &record).is_ok() {
                let _ = film
                    .finish(&[])
                    .map(|front| front.write(1 << 20, 1 << 21, false, |_, _| Ok::<(), ()>(())));
            }
        }
        assert!(Film::new(input.clone()).unit(0, 0, unit.len() as u64, &record[..at]).is_err());
    }
}
