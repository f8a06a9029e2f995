//! How a job ends: the names of its outputs, and what each of them is made of.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hls_media::Container;
use hls_media::remux::FilmFront;
use hls_parse::DateTime;
use hls_state::Layout;

use super::choosing::{Chosen, Role, Selection};
use super::probe_manifest;
use crate::config::{Config, Format, Output};
use crate::error::{Error, Kind};
use crate::policy::extension::Made;
use crate::policy::name;
use crate::policy::plan::Pieces;
use crate::prepare::form::{self, Outputs, Product};

/// How a job ends.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The outputs, the main one first.
    pub(crate) outputs: Vec<PathBuf>,
    /// Those that are made of tracks.
    pub(crate) products: Vec<Product>,
    /// For each track its name, where it is no output; empty where all are.
    pub(crate) tracks: Vec<Option<String>>,
    /// The one output grows as an MP4, of these pieces.
    pub(crate) pieces: Option<Pieces>,
}

impl Ends {
    /// Tells whether an MP4 is made of whole tracks.
    pub(crate) fn makes_mp4(&self) -> bool {
        self.products.iter().any(|product| product.made == Made::Mp4)
    }

    /// Tells whether an MP4 is made of this track, with others or alone.
    pub(crate) fn makes_mp4_of(&self, track: usize) -> bool {
        self.products.iter().any(|product| product.made == Made::Mp4 && product.tracks.contains(&track))
    }

    /// Whether each output is the bytes of a track.
    pub(crate) fn is_joined(&self) -> bool {
        self.products.is_empty() && self.pieces.is_none()
    }

    /// Where all of it lies.
    pub(crate) fn layout(&self) -> Option<Layout> {
        match self.tracks.is_empty() {
            true => Layout::new(self.outputs.clone()),
            false => Layout::of_tracks(self.outputs.clone(), &self.tracks),
        }
    }

    /// Whether the bytes of a track are an output.
    pub(crate) fn is_output(&self, track: usize) -> bool {
        self.pieces.is_none() && self.tracks.get(track).is_none_or(Option::is_none)
    }
}

/// A run that ends in the middle of a larger segment would begin it anew, if the output were made of pieces.
const LARGEST_PIECE: u64 = 32 << 20;
const LONGEST_PIECE: Duration = Duration::from_secs(60);

/// The names of the outputs, checked against what is in them.
///
/// `whole_tracks`: nothing is made before all of it is there.
pub(crate) fn outputs(
    config: &Config,
    selection: &Selection,
    part: u32,
    whole_tracks: bool,
) -> Result<Ends, Error> {
    let chosen = &selection.chosen;
    let Some((main, sides)) = chosen.split_first() else { return Ok(Ends::default()) };
    let path = match &config.output {
        Output::File(path) => path.clone(),
        Output::Template(template) => {
            let path = filled(template, config, main, part);
            match template.contains('{') && Path::new(&path).extension().is_some() && !template.ends_with('}')
            {
                true => PathBuf::from(path),
                false => PathBuf::from(format!("{path}.{}", extension(config, selection))),
            }
        }
        Output::Writer(_) if sides.is_empty() => {
            check_parts(config, main)?;
            return check_format(config, chosen).map(|()| Ends::default());
        }
        Output::Writer(_) => {
            let url = config.shown_url();
            return Err(Error::new(
                Kind::Usage,
                "output.tracks",
                "audio and video are separate, and a pipe takes one stream",
            )
            .why("joining them in one stream is not in this version")
            .next(format!(
                "use -o FILE for both, or hls get --audio-only -o - '{url}' for the audio alone"
            )));
        }
    };
    let kind = form::outputs_of(config.format, &path, selection);
    // What an older release has begun is finished as it was begun.
    let kind = match kind {
        Outputs::Made(Made::Mp4) if form::was_joined(selection) && was_begun_joined(&path, selection) => {
            Outputs::Joined
        }
        kind => kind,
    };
    if !matches!(kind, Outputs::Made(_)) {
        check_parts(config, main)?;
        if config.format != Format::Join {
            check_format(config, chosen)?;
            name::check(&path, main.container, main.has_pictures)?;
        }
    }
    let has_number = matches!(&config.output, Output::Template(template) if template.contains("{n}"));
    let path = if has_number { path } else { name::numbered(&path, part) };
    let (outputs, products) = match kind {
        Outputs::Made(kind) => made(kind, &path, selection),
        Outputs::Beside => beside(&path, selection),
        Outputs::Joined => (unmade(&path, selection, own_extension), Vec::new()),
    };
    outputs.iter().take(1).try_for_each(|main| probe_manifest(config, main))?;
    if kind == Outputs::Joined {
        return Ok(Ends { outputs, ..Ends::default() });
    }
    let is_track = |n: usize| kind != Outputs::Beside || products.iter().any(|product| product.output == n);
    let name = |(n, c): (usize, &Chosen)| is_track(n).then(|| Layout::track(n, own_extension(c)));
    let tracks = chosen.iter().enumerate().map(name).collect::<Vec<_>>();
    let begun = || Layout::of_tracks(outputs.clone(), &tracks).is_some_and(|layout| has_begun(&layout));
    if let Some(pieces) = pieces(kind, selection).filter(|_| !whole_tracks && !begun()) {
        return Ok(Ends { outputs, pieces: Some(pieces), ..Ends::default() });
    }
    Ok(Ends { outputs, products, tracks, pieces: None })
}

/// Whether an earlier run has begun to join what is made of tracks now.
fn was_begun_joined(path: &Path, selection: &Selection) -> bool {
    let Some(layout) = Layout::new(unmade(path, selection, own_extension)) else { return false };
    let is_there =
        |n: usize| layout.part(n).exists() || layout.outputs().get(n).is_some_and(|path| path.exists());
    layout.has_log() && !has_tracks(&layout) && (0..layout.outputs().len()).any(is_there)
}

/// Whether something in the folder of a job is a track.
fn has_tracks(layout: &Layout) -> bool {
    let mut entries = std::fs::read_dir(layout.folder()).into_iter().flatten().flatten();
    entries.any(|entry| Layout::is_track_name(&entry.file_name()))
}

/// Whether an earlier run has something of the tracks.
fn has_begun(layout: &Layout) -> bool {
    let track =
        |n: usize| layout.part(n).exists() || layout.outputs().get(n).is_some_and(|path| path.exists());
    (0..layout.outputs().len()).any(track)
}

/// How an output is made while its segments come; `None`: of whole tracks, at the end.
fn pieces(kind: Outputs, selection: &Selection) -> Option<Pieces> {
    let ([one], [_], Outputs::Made(Made::Mp4)) = (&selection.chosen[..], &selection.films[..], kind) else {
        return None;
    };
    let (track, media) = (&one.track, one.track.media());
    if track.is_growing() {
        return None;
    }
    let longest = media.segments().map(|segment| segment.duration()).max().unwrap_or_default();
    let largest = media.segments().filter_map(|segment| Some(segment.byte_range()?.length)).max();
    let usual = track.bandwidth.map(|bits| (bits as f64 * longest.as_secs_f64() / 8.0) as u64);
    let fits = longest <= LONGEST_PIECE && largest.or(usual).is_none_or(|bytes| bytes <= LARGEST_PIECE);
    let is_plain =
        one.container == Container::MpegTs && track.init_places().is_empty() && !media.i_frames_only;
    (fits && is_plain).then(|| Pieces {
        takes: one.about.takes,
        may_lack: one.about.may_lack,
        codecs: one.about.codecs.clone(),
        room: FilmFront::room(track.duration().as_secs_f64(), None),
    })
}

/// The extension of the bytes of a track.
fn own_extension(chosen: &Chosen) -> &'static str {
    name::extension(chosen.container, chosen.has_pictures)
}

/// Each track is an output.
fn unmade(path: &Path, selection: &Selection, extension: impl Fn(&Chosen) -> &'static str) -> Vec<PathBuf> {
    let mut outputs: Vec<PathBuf> = Vec::new();
    for (n, chosen) in selection.chosen.iter().enumerate() {
        let film = selection.films.iter().find(|film| film.tracks.first() == Some(&n));
        let mut name = match film {
            Some(film) if selection.films.len() > 1 => name::tagged(path, &film.label),
            Some(_) => path.to_owned(),
            None => name::beside(path, &chosen.tag(), extension(chosen)),
        };
        let mut number = 1;
        while outputs.contains(&name) {
            number += 1;
            name = name::beside(path, &format!("{}-{number}", chosen.tag()), extension(chosen));
        }
        outputs.push(name);
    }
    outputs
}

/// Subtitles are made of theirs, and told the time by the track they belong to; every other track is an output.
fn beside(path: &Path, selection: &Selection) -> (Vec<PathBuf>, Vec<Product>) {
    let text = |(n, chosen): (usize, &Chosen)| {
        let film = selection.films.iter().find(|film| film.tracks.contains(&n));
        let clock = film.and_then(|film| film.tracks.first().copied()).filter(|first| *first != n);
        let tracks = || std::iter::once(n).chain(clock).collect();
        chosen.is_text().then(|| Product { made: Made::Vtt, output: n, tracks: tracks() })
    };
    let extension = |chosen: &Chosen| if chosen.is_text() { "vtt" } else { own_extension(chosen) };
    (unmade(path, selection, extension), selection.chosen.iter().enumerate().filter_map(text).collect())
}

/// The outputs that are made of tracks.
fn made(kind: Made, path: &Path, selection: &Selection) -> (Vec<PathBuf>, Vec<Product>) {
    let films = &selection.films;
    match kind {
        Made::Mp4 => {
            let name = |label: &str| match films.len() {
                1 => path.to_owned(),
                _ => name::tagged(path, label),
            };
            let of = films.iter().enumerate().map(|(output, film)| {
                (name(&film.label), Product { made: kind, output, tracks: film.tracks.clone() })
            });
            of.unzip()
        }
        Made::Vtt | Made::Srt => {
            let role = |n: &usize| selection.chosen.get(*n).map(|chosen| chosen.role);
            let of = |wanted: Role| {
                let all = films.iter().flat_map(|film| &film.tracks).copied();
                all.filter(|n| role(n) == Some(wanted)).collect::<Vec<_>>()
            };
            let mut texts = of(Role::Subtitles);
            texts.dedup();
            let clock = of(Role::Clock).first().copied();
            let mut outputs: Vec<PathBuf> = Vec::new();
            for n in &texts {
                let tag = selection.chosen.get(*n).map(|chosen| chosen.about.language.clone());
                let tag = tag.flatten().unwrap_or_else(|| (outputs.len() + 1).to_string());
                let mut name = if texts.len() > 1 { name::tagged(path, &tag) } else { path.to_owned() };
                if outputs.contains(&name) {
                    name = name::tagged(path, &format!("{tag}-{}", outputs.len() + 1));
                }
                outputs.push(name);
            }
            let products = texts.iter().enumerate().map(|(output, n)| Product {
                made: kind,
                output,
                tracks: std::iter::once(*n).chain(clock).collect(),
            });
            (outputs, products.collect())
        }
    }
}

/// The extension of a name that has none: that of the container, but where several tracks make one file.
fn extension(config: &Config, selection: &Selection) -> &'static str {
    let Some(main) = selection.chosen.first() else { return "mp4" };
    let own = name::extension(main.container, main.has_pictures);
    let kind = form::outputs_of(config.format, Path::new("x.mp4"), selection);
    let is_made = matches!(kind, Outputs::Made(_));
    let has_sides = selection.films.iter().any(|film| film.tracks.len() > 1);
    match is_made && (has_sides || config.format == Format::Mp4 || form::is_partly_taken(main)) {
        true if main.has_pictures => "mp4",
        true => "m4a",
        false => own,
    }
}

/// A part of what the segments hold can only be had by making something of it.
fn check_parts(config: &Config, main: &Chosen) -> Result<(), Error> {
    let (message, one) = match (config.wants_sound_alone(), config.video_only) {
        // Of a media playlist nobody knows what is in it.
        (true, _) if main.source.parent.is_some() => ("the stream has no audio of its own", "-o NAME.m4a"),
        (_, true) if !main.about.has_no_sound => ("the stream has no pictures of their own", "-o NAME.mp4"),
        _ => return Ok(()),
    };
    if !form::is_partly_taken(main) {
        return Ok(());
    }
    let none =
        Error::new(Kind::Usage, "select.no_match", message).why("audio and video are in the same segments");
    Err(none.next(format!("{one} takes out of them what is wanted, at the end")))
}

fn check_format(config: &Config, chosen: &[Chosen]) -> Result<(), Error> {
    let wanted = match config.format {
        Format::Auto | Format::Join => return Ok(()),
        Format::Ts => Container::MpegTs,
        Format::Mp4 => Container::Fmp4,
    };
    match chosen.iter().find(|c| c.container != wanted) {
        None => Ok(()),
        Some(other) => {
            let message = format!("the stream is {}, and {wanted} was asked for", other.container);
            let error = Error::new(Kind::Usage, "output.container", message);
            let is_live = chosen.iter().any(|chosen| chosen.track.is_growing());
            let why = match is_live {
                true => "a recording keeps the container that the stream comes in",
                false => "nothing here makes this container of another one",
            };
            Err(error.why(why).next("leave --format out, or use --format join"))
        }
    }
}

fn filled(template: &str, config: &Config, main: &Chosen, part: u32) -> String {
    let height = main.height.map(|h| h.to_string()).unwrap_or_default();
    let host = config.host();
    // Recordings of one stream are told apart by their time.
    let dated = match main.track.is_growing() && template == "{name}" {
        true => "{name}-{start}",
        false => template,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = DateTime::from_unix_micros(i64::try_from(now.as_micros()).unwrap_or_default());
    name::with_start(dated, now)
        .replace("{n}", &part.to_string())
        .replace("{name}", &config.suggested_name())
        .replace("{height}", &height)
        .replace("{lang}", &name::sanitise(main.about.language.as_deref().unwrap_or("und")))
        .replace("{host}", &name::sanitise(&host))
}
