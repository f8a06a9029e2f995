//! The table of what goes wrong; one more kind of it is one more row.

mod careless;
mod data;
mod floods;
mod lies;
mod live;
mod local;
mod neighbours;
mod odd;
mod replaced;
mod secrets;
mod tracks;

use anyhow::Result;

use self::lies::Place::{Any, Edge, Inner};
use self::lies::{Adts, Cmaf, Fmp4, Ts, Vtt, lie};
use super::Verdict;
use super::run::Try;

/// One kind of misfortune.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The program is not held to it yet: what breaks the law is counted, and is no failure.
    pub(crate) is_open: bool,
    pub(crate) play: fn(&mut Try<'_>) -> Result<Verdict>,
}

const fn row(name: &'static str, about: &'static str, play: fn(&mut Try<'_>) -> Result<Verdict>) -> Recipe {
    Recipe { name, about, is_open: false, play }
}

const fn open(name: &'static str, about: &'static str, play: fn(&mut Try<'_>) -> Result<Verdict>) -> Recipe {
    Recipe { name, about, is_open: true, play }
}

/// All kinds. Where nothing else is said, the server does it once, twice or for ever, to one segment.
#[rustfmt::skip]
pub(crate) const TABLE: &[Recipe] = &[
    row("replaced.middle", "a file in byte ranges is replaced during the download", replaced::in_the_middle),
    row("replaced.rerun", "segments or the section are replaced between two runs", replaced::between_runs),
    row("replaced.fewer", "the playlist has lost its last segments between two runs", replaced::fewer),
    row("replaced.same-tag", "a segment that is half here is replaced, and keeps its strong tag", replaced::same_tag),
    row("part.tampered", "another program changes, moves or replaces the part file", |t| local::tampered(t, local::ACTS)),
    row("part.pipe", "a pipe that nobody writes to is put in the place of the part file", |t| local::tampered(t, &["a pipe in its place"])),
    row("part.foreign", "a file of somebody else has the name of the part file", local::foreign_part),
    row("cut.unbounded", "a body that ends with its connection is cut", |t| lies::unbounded(t, &[Ts, Fmp4, Cmaf], Inner)),
    row("cut.unbounded-edge", "the first or last body, which ends with its connection, is cut", |t| lies::unbounded(t, &[Ts, Cmaf], Edge)),
    row("cut.unbounded-adts", "frames are missing at the end of a body that ends with its connection", |t| lies::unbounded(t, &[Adts], Any)),
    open("cut.unbounded-vtt", "cues are missing at the end of a body that ends with its connection", |t| lies::unbounded(t, &[Vtt], Any)),
    row("list.one-name", "two streams of a list have one name", |t| local::one_name(t, &[&[], &["--skip-existing"]])),
    row("list.one-name-force", "two streams of a list have one name, with --force", |t| local::one_name(t, &[&["--force"]])),
    row("live.reloads", "every load of a live playlist asks for another one", live::reloads),
    row("live.durations", "a playlist has durations that no clock holds", |t| live::durations(t, live::COMMANDS)),
    row("live.durations-film", "a film is made of a playlist with durations that no clock holds", |t| live::durations(t, &[&["get", "-o", "out.mp4"]])),
    row("live.gaps", "a live playlist lists ever more segments", live::gaps),
    row("flood.cookies", "every answer sets large cookies", floods::cookies),
    row("flood.cues", "subtitles have more cues than anybody reads", |t| floods::cues(t, 10_000..=90_000)),
    row("flood.cues-many", "subtitles have half a million cues", |t| floods::cues(t, 170_000..=300_000)),
    row("flood.samples", "fragments claim samples without bytes", floods::samples),
    row("flood.endless", "bodies, heads and codes of which little is much", floods::endless),
    row("flood.segments", "a playlist lists very many segments", floods::many),
    row("flood.missing", "a playlist declares very many segments missing", floods::missing),
    row("flood.input", "an input file of this machine has no end", local::endless_input),
    row("pipe.idle", "nobody reads the pipe that is the output, and a signal comes", local::idle_pipe),
    row("odd.every", "every segment is odd in one way or two", odd::every_segment),
    row("odd.harmless", "every segment has more in it than it needs", odd::harmless),
    row("lie.segment", "another segment in the place of this one", |t| lie(t, &[Ts, Fmp4, Cmaf, Adts], Any, lies::another_segment)),
    row("lie.neighbours", "several segments in a row are others at first", neighbours::others),
    row("lie.first", "the first segments are of another rendition", neighbours::first_ones),
    row("lie.segment-vtt", "other subtitles in the place of these", |t| lie(t, &[Vtt], Any, lies::another_segment)),
    row("lie.rendition", "a segment of another rendition", |t| lie(t, &[Fmp4], Any, lies::another_rendition)),
    row("lie.rendition-ts", "a transport stream of another rendition", |t| lie(t, &[Ts], Any, lies::another_rendition)),
    row("lie.container", "a segment in another container", |t| lie(t, &[Ts, Fmp4, Cmaf, Adts, Vtt], Any, lies::another_container)),
    row("lie.zeros", "zeros in the place of media", |t| lie(t, &[Ts, Fmp4, Cmaf], Any, lies::zeros)),
    row("lie.zeros-adts", "zeros in frames of ADTS", |t| lie(t, &[Adts], Any, lies::zeros)),
    row("lie.packets", "packets of one PID are missing", |t| lie(t, &[Ts], Inner, lies::packets)),
    open("lie.packets-16", "as many packets of a PID are missing as its counter can't tell", |t| lie(t, &[Ts], Any, lies::sixteen_packets)),
    row("lie.stream", "a segment without its pictures or its sound", |t| lie(t, &[Ts], Any, lies::without_stream)),
    row("lie.data", "noise in the place of samples, or samples away from their place", |t| lie(t, &[Fmp4, Cmaf], Any, data::of_other_samples)),
    row("lie.digest", "one bit is another, and the server sends the digest of the right bytes", data::with_digest),
    row("lie.sound", "a whole packet of sound is missing inside a segment", |t| lie(t, &[Ts], Any, lies::without_sound)),
    row("lie.tail-vtt", "subtitles end inside a line", |t| lie(t, &[Vtt], Any, lies::inside_line)),
    row("lie.map-vtt", "the times of subtitles are mapped to others", |t| lie(t, &[Vtt], Any, lies::another_map)),
    row("lie.noise", "packets of noise", |t| lie(t, &[Ts], Any, lies::noise)),
    row("lie.tail", "the end is missing, with a length that fits", |t| lie(t, &[Ts, Cmaf], Inner, lies::tail)),
    row("lie.tail-edge", "the end of the first or last segment is missing, with a length that fits", |t| lie(t, &[Ts, Cmaf, Adts], Edge, lies::tail)),
    row("lie.anywhere", "the end is missing from any byte on", |t| lie(t, &[Ts, Fmp4, Cmaf, Adts], Any, lies::anywhere)),
    row("lie.front", "the first fragments are missing", |t| lie(t, &[Cmaf], Inner, lies::front)),
    row("lie.front-ts", "the first packets are missing", |t| lie(t, &[Ts], Inner, lies::front)),
    row("lie.front-edge", "the beginning of the first or last segment is missing", |t| lie(t, &[Ts, Cmaf, Adts], Edge, lies::front)),
    row("lie.middle", "packets or fragments are missing in the middle", |t| lie(t, &[Ts, Cmaf], Inner, lies::middle)),
    row("lie.middle-edge", "packets or fragments are missing in the middle of the first or last segment", |t| lie(t, &[Ts, Cmaf], Edge, lies::middle)),
    open("lie.middle-adts", "frames of ADTS are missing in the middle", |t| lie(t, &[Adts], Any, lies::middle)),
    row("lie.twice", "packets or fragments come twice", |t| lie(t, &[Ts, Cmaf], Any, lies::twice)),
    open("lie.twice-adts", "frames of ADTS come twice", |t| lie(t, &[Adts], Any, lies::twice)),
    row("lie.no-mdat", "the last fragment has no mdat", |t| lie(t, &[Fmp4, Cmaf], Any, lies::without_data)),
    row("lie.short-mdat", "an mdat is shorter than its samples", |t| lie(t, &[Fmp4, Cmaf], Any, lies::short_data)),
    row("lie.trun", "samples lie outside the mdat", |t| lie(t, &[Fmp4, Cmaf], Any, lies::outside)),
    row("lie.trun-before", "samples lie 2 GiB before the mdat", |t| lie(t, &[Fmp4, Cmaf], Any, lies::far_before)),
    row("lie.tfdt", "a track of a fragment has another decode time", |t| lie(t, &[Fmp4, Cmaf], Any, lies::another_time)),
    open("lie.tfdt-little", "a track of a fragment has a decode time a little later", |t| lie(t, &[Fmp4, Cmaf], Any, lies::a_little_later)),
    row("lie.moov", "a segment brings another initialization section", |t| lie(t, &[Fmp4, Cmaf], Any, lies::another_section)),
    row("lie.section", "another initialization section, or what is none", |t| lies::section(t, lies::SECTIONS)),
    open("lie.section-free", "an initialization section with free space in it, of which nothing tells", |t| lies::section(t, &["with more in it"])),
    row("lie.playlist", "a playlist that is cut, or none, at first", lies::playlist),
    row("lie.playlist-line", "a playlist without one of its lines of URIs, at first", lies::playlist_line),
    row("lie.time-scale", "a section with another time scale", lies::time_scale),
    row("lie.gzip", "gzip that is whole and holds a part", lies::gzip),
    row("lie.page", "what is no segment, with status 200", lies::page),
    row("lie.redirect", "a redirect to another segment", lies::redirect),
    row("film.one-pass", "a segment is bad once, and nothing else is fetched again", lies::one_pass),
    row("film.tracks", "pictures, sound or subtitles of a film have one bad segment", tracks::one_track),
    row("aes.vector", "ciphertext with another vector", lies::vector),
    row("aes.swapped", "ciphertext of another segment", lies::swapped),
    row("aes.key", "another key", |t| lies::key(t, false)),
    row("aes.key-ever", "another key for ever is not asked for without end", |t| lies::key(t, true)),
    row("aes.numbers", "media sequence numbers that do not fit the vectors", |t| lies::numbers(t, &[Ts, Adts])),
    open("aes.numbers-mp4", "media sequence numbers that do not fit the vectors of fragments", |t| lies::numbers(t, &[Fmp4, Cmaf])),
    row("http.status", "a whole segment under another status", careless::statuses),
    row("http.unasked", "a part that nobody asked for", careless::unasked_part),
    row("http.length", "a length that is not that of the body", careless::length),
    row("http.ranges", "ranges with other totals or places", careless::ranges),
    row("http.failures", "cut connections, errors and what is no HTTP, some times in a row", careless::failures),
    row("secret.ports", "secrets of one origin and another port", secrets::ports),
    row("secret.suffixes", "cookies for a suffix of names", secrets::suffixes),
    row("secret.paths", "tokens in paths", secrets::paths),
    row("secret.referer", "the page that leads to a stream, and other hosts", secrets::referer),
];
