//! Packets of an elementary stream that begin anywhere: the access units in them are the same.

use std::fs;

use super::made::{has_ffmpeg, made};
use super::remux_one;
use super::structure::bodies;

/// An access unit: its bytes, DTS and PTS.
type AccessUnit = (Vec<u8>, u64, u64);
/// A packet: its bytes, and DTS and PTS.
type Packet = (Vec<u8>, Option<(u64, u64)>);

const PID: u16 = 0x100;

/// The access units of a transport stream with video alone, of which each is in a packet of its own.
fn access_units(stream: &[u8]) -> Vec<AccessUnit> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    for packet in stream.chunks(188) {
        if u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) != PID || packet[3] & 0x10 == 0 {
            continue;
        }
        let adaptation = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
        if packet[1] & 0x40 != 0 {
            units.push(Vec::new());
        }
        units.last_mut().expect("a packet has begun").extend(&packet[4 + adaptation..]);
    }
    let time = |b: &[u8]| {
        u64::from(b[0] >> 1 & 7) << 30
            | u64::from(b[1]) << 22
            | u64::from(b[2] >> 1) << 15
            | u64::from(b[3]) << 7
            | u64::from(b[4] >> 1)
    };
    let read = |pes: Vec<u8>| {
        let (pts, body) = (time(&pes[9..]), 9 + usize::from(pes[8]));
        let dts = if pes[7] >> 6 == 3 { time(&pes[14..]) } else { pts };
        (pes[body..].to_vec(), dts, pts)
    };
    units.into_iter().map(read).collect()
}

/// A transport stream with these packets; the tables are those of the original.
fn stream(tables: &[u8], packets: &[Packet]) -> Vec<u8> {
    let (mut out, mut counter) = (tables.to_vec(), 0_u8);
    for (body, time) in packets {
        let stamp = |mark: u8, t: u64| {
            [
                mark << 4 | (t >> 29) as u8 & 0xe | 1,
                (t >> 22) as u8,
                (t >> 14) as u8 | 1,
                (t >> 7) as u8,
                (t << 1) as u8 | 1,
            ]
        };
        let times = time.map(|(dts, pts)| [stamp(3, pts), stamp(1, dts)].concat()).unwrap_or_default();
        let flags = if times.is_empty() { 0 } else { 0xc0 };
        let pes = [&[0, 0, 1, 0xe0, 0, 0, 0x80, flags, times.len() as u8][..], &times, body].concat();
        for (number, part) in pes.chunks(184).enumerate() {
            let begins = if number == 0 { 0x40 } else { 0 };
            out.extend([0x47, begins | (PID >> 8) as u8, PID as u8]);
            match 184 - part.len() {
                0 => out.push(0x10 | counter),
                1 => out.extend([0x30 | counter, 0]),
                room => {
                    out.extend([0x30 | counter, room as u8 - 1, 0]);
                    out.extend(vec![0xff; room - 2]);
                }
            }
            out.extend(part);
            counter = (counter + 1) & 0xf;
        }
    }
    out
}

/// Where NAL units begin in an access unit, with their start codes.
fn starts(unit: &[u8]) -> Vec<usize> {
    let all = (0..unit.len().saturating_sub(3)).filter(|at| unit[*at..].starts_with(&[0, 0, 1]));
    all.map(|at| if at > 0 && unit[at - 1] == 0 { at - 1 } else { at }).collect()
}

fn check(name: &str, encoder: &str, encoding: &str) {
    if !has_ffmpeg(&[encoder]) {
        return;
    }
    let source = format!(
        "-f lavfi -i testsrc2=s=160x90:r=25:d=4 -pix_fmt yuv420p -threads 1 -c:v {encoder} {encoding} -f mpegts"
    );
    let original = fs::read(made("ts", &source)).expect("the file is there");
    let pid = |packet: &[u8]| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
    let tables = original.chunks(188).filter(|packet| matches!(pid(packet), 0 | 0x1000)).take(2);
    let tables = tables.collect::<Vec<_>>().concat();
    let units = access_units(&original);
    let boxes = |bytes: &[u8]| {
        let mp4 = remux_one(bytes).mp4;
        [*b"stts", *b"ctts", *b"stsz", *b"stss"]
            .map(|name| bodies(&mp4, &name).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>())
    };
    let expect = boxes(&original);
    let whole =
        || units.iter().map(|(body, dts, pts)| (body.clone(), Some((*dts, *pts)))).collect::<Vec<Packet>>();
    let together = |count: usize| {
        let packet = |some: &[AccessUnit]| {
            (some.iter().flat_map(|unit| unit.0.clone()).collect::<Vec<_>>(), Some((some[0].1, some[0].2)))
        };
        units.chunks(count).map(packet).collect::<Vec<Packet>>()
    };
    let sparse = |every: usize| {
        let packets = whole().into_iter().enumerate();
        packets.map(|(n, (body, time))| (body, time.filter(|_| n % every == 0))).collect::<Vec<Packet>>()
    };
    // Each NAL unit in a packet of its own, with the timestamp of its picture or only the first with it.
    let apart = |all: bool| {
        let mut packets = Vec::new();
        for (body, dts, pts) in &units {
            let starts = starts(body);
            let ends = starts[1..].iter().copied().chain([body.len()]);
            for (n, (from, to)) in starts.iter().zip(ends).enumerate() {
                packets.push((body[*from..to].to_vec(), Some((*dts, *pts)).filter(|_| all || n == 0)));
            }
        }
        packets
    };
    // The last bytes of each picture are in the packet in which the next one begins.
    let shifted = || {
        let (mut packets, mut rest) = (Vec::new(), Vec::new());
        for (body, dts, pts) in &units {
            let cut = body.len().saturating_sub(17).max(body.len() / 2);
            packets.push(([rest, body[..cut].to_vec()].concat(), Some((*dts, *pts))));
            rest = body[cut..].to_vec();
        }
        packets.push((rest, None));
        packets
    };
    let layouts: [(&str, Vec<Packet>); 8] = [
        ("as it was", whole()),
        ("two pictures in a packet", together(2)),
        ("five pictures in a packet", together(5)),
        ("all in one packet a second", together(25)),
        ("timestamps at each third", sparse(3)),
        ("a packet for each NAL unit", apart(true)),
        ("a packet for each NAL unit, the first with a timestamp", apart(false)),
        ("pictures that end in the next packet", shifted()),
    ];
    for (layout, packets) in layouts {
        let found = boxes(&stream(&tables, &packets));
        assert!(found == expect, "{name}: {layout}");
    }
}

#[test]
fn access_units_are_found_wherever_packets_begin() {
    check("h264", "libx264", "-preset veryfast -g 25 -bf 2 -x264-params scenecut=0:aud=1");
    check(
        "h264 without delimiters",
        "libx264",
        "-preset veryfast -g 25 -bf 3 -x264-params scenecut=0:slices=3:b-pyramid=normal",
    );
    check("h264 in its order", "libx264", "-preset ultrafast -g 25 -bf 0");
    check("h264 of fields", "libx264", "-preset veryfast -g 25 -bf 2 -vf scale=160:96 -flags +ildct+ilme");
    check("hevc", "libx265", "-preset ultrafast -x265-params log-level=none:keyint=25:bframes=2:slices=2");
    check(
        "hevc with delimiters",
        "libx265",
        "-preset ultrafast -x265-params log-level=none:keyint=25:bframes=3:aud=1:open-gop=0",
    );
}
