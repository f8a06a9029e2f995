//! Codec configurations of initialisation sections.

use hls_media::{Configuration, Kind, Verifier};
use proptest::prelude::*;

fn boxed(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, &body].concat()
}

struct Init {
    created: u32,
    timescale: u32,
    profile: u8,
    bitrate: u8,
    width: u16,
}

const PLAIN: Init = Init { created: 1, timescale: 90_000, profile: 100, bitrate: 1, width: 1280 };

impl Init {
    fn bytes(&self) -> Vec<u8> {
        let avcc = boxed(b"avcC", &[&[1, self.profile, 0, 31, 0xff]]);
        let btrt = boxed(b"btrt", &[&[self.bitrate; 12]]);
        let avc1 = boxed(
            b"avc1",
            &[&[0; 24], &self.width.to_be_bytes(), &720_u16.to_be_bytes(), &[0; 50], &avcc, &btrt],
        );
        let config = [&[4, 17, 0x40, 0x15][..], &[self.bitrate; 11], &[5, 2, 0x12, 0x10]].concat();
        let esds = boxed(b"esds", &[&[0; 4], &[3, 22, 0, 1, 0], &config]);
        let mp4a =
            boxed(b"mp4a", &[&[0; 16], &[0, 2, 0, 16], &[0; 4], &(48_000_u32 << 16).to_be_bytes(), &esds]);
        let trex = |id: u32| boxed(b"trex", &[&[0; 4], &id.to_be_bytes(), &[0, 0, 0, 1], &[0; 12]]);
        let mvex = boxed(b"mvex", &[&trex(1), &trex(2)]);
        let moov = boxed(b"moov", &[&self.trak(1, b"vide", &avc1), &self.trak(2, b"soun", &mp4a), &mvex]);
        [boxed(b"ftyp", &[b"isom"]), moov].concat()
    }

    fn trak(&self, id: u32, handler: &[u8; 4], entry: &[u8]) -> Vec<u8> {
        let times = self.created.to_be_bytes();
        let tkhd = boxed(b"tkhd", &[&[0; 4], &times, &times, &id.to_be_bytes(), &[0; 68]]);
        let mdhd = boxed(b"mdhd", &[&[0; 4], &times, &times, &self.timescale.to_be_bytes(), &[0; 8]]);
        let hdlr = boxed(b"hdlr", &[&[0; 8], handler, &[0; 13]]);
        let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry]);
        let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd])]);
        boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])])
    }

    fn read(&self) -> Configuration {
        Configuration::from_init(&self.bytes()).expect("a configuration")
    }
}

#[test]
fn an_init_section_is_read() {
    let configuration = PLAIN.read();
    assert_eq!(configuration.to_string(), "avc1 1280x720 + mp4a 48000 Hz");
    let [video, audio] = &configuration.tracks[..] else { unreachable!("two tracks") };
    assert_eq!((video.id, &video.handler, video.timescale), (1, b"vide", 90_000));
    assert_eq!(audio.entries[0].channels, 2);
    assert_eq!(video.entries[0].config.len(), 1);

    let mut verifier = Verifier::new();
    verifier.push(&PLAIN.bytes()).expect("boxes");
    assert_eq!(verifier.finish().expect("whole").kind, Kind::Init);
}

#[test]
fn only_what_matters_makes_a_difference() {
    assert_eq!(Init { created: 9, ..PLAIN }.read(), PLAIN.read());
    assert_eq!(Init { bitrate: 9, ..PLAIN }.read(), PLAIN.read());
    assert_ne!(Init { profile: 77, ..PLAIN }.read(), PLAIN.read());
    assert_ne!(Init { width: 640, ..PLAIN }.read(), PLAIN.read());
    assert_ne!(Init { timescale: 1000, ..PLAIN }.read(), PLAIN.read());
}

#[test]
fn what_is_missing_is_named() {
    fn check(bytes: &[u8], expect: &str) {
        let error = Configuration::from_init(bytes).expect_err("no configuration");
        assert_eq!(error.to_string(), expect);
    }
    check(b"", "box moov is missing");
    check(&boxed(b"moov", &[]), "box trak is missing");
    check(&boxed(b"moov", &[&boxed(b"trak", &[])]), "box tkhd is missing");
    let bytes = PLAIN.bytes();
    check(&bytes[..bytes.len() - 1], "box at byte 12 inside another does not fit in it");
}

proptest! {
    #[test]
    fn damaged_init_sections_never_panic(
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..8),
        cut in 0_usize..800,
    ) {
        let mut bytes = PLAIN.bytes();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        let _ = Configuration::from_init(&bytes);
    }
}
