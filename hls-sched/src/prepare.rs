//! From a URL to a plan: playlists loaded, a variant chosen, outputs named, an earlier run compared.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use hls_media::Container;
use hls_parse::{DateTime, Media, Parsed, Playlist};
use hls_state::{DiskStore, Layout, Making, Options, Recovered, ResumeStore};
use tokio::sync::mpsc;
use url::Url;

use crate::attempt::Transport;
use crate::choice::Choice;
use crate::error::{Error, Kind};
use crate::event::{Event, Plan, Retry};
use crate::job::{Config, Format, Input, Output};
use crate::pipe::PipeStore;
use crate::plan::{Track, Tracks};
use crate::product::{self, Product};
use crate::{load, manifest, name, recorded, select, space};

/// A track with what its name depends on.
pub(crate) struct Chosen {
    pub(crate) track: Track,
    pub(crate) source: Source,
    pub(crate) container: Container,
    pub(crate) about: About,
    has_pictures: bool,
    height: Option<u32>,
}

/// What the playlist says of a track.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) language: Option<String>,
    pub(crate) name: Option<String>,
    /// It is the one to play of its kind unless another is asked for.
    pub(crate) is_default: bool,
    pub(crate) codecs: Option<String>,
}

impl Chosen {
    /// What tells a side track from others in names.
    fn tag(&self) -> &str {
        self.about.language.as_deref().or(self.about.name.as_deref()).unwrap_or("1")
    }
}

/// How a job ends.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// The outputs, the main one first.
    pub(crate) outputs: Vec<PathBuf>,
    /// What each of them is made of; empty where each one is a track.
    pub(crate) products: Vec<Product>,
    /// The names of tracks that are no outputs.
    pub(crate) tracks: Vec<String>,
}

/// The same; where a stream that has not begun is to be waited for, until it has.
pub(crate) async fn choose_patiently(
    config: &Config,
    (prior, goes_on): (Option<Choice>, bool),
    transport: &Transport,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<(Vec<Chosen>, Option<Choice>), Error> {
    let mut is_said = false;
    loop {
        let error = match choose(config, (prior.clone(), goes_on), transport, events).await {
            Err(error) if config.live.wait && may_begin_later(&error) => error,
            result => return result,
        };
        if !std::mem::replace(&mut is_said, true) {
            let message = format!("waiting for the stream to begin: {error}");
            let _ = events.send(Event::Warning { kind: "live.waiting", message });
        }
        tokio::time::sleep(LOOK_EVERY.max(error.retry_after().unwrap_or_default())).await;
    }
}

/// What a server says of a stream that has not begun.
fn may_begin_later(error: &Error) -> bool {
    match error.kind() {
        Kind::Temporary => true,
        Kind::Refused => error.class() == hls_fetch::Class::Permanent,
        Kind::Playlist => matches!(error.code(), "playlist.empty" | "playlist.not_a_playlist"),
        _ => false,
    }
}

/// How often it is looked whether a stream has begun.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where a media playlist is loaded from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) url: Url,
    pub(crate) parent: Option<Url>,
    /// Variables of the playlist that names it.
    pub(crate) import: Vec<(String, String)>,
    /// Where else the same is to be had.
    pub(crate) elsewhere: Vec<Url>,
}

impl Source {
    /// Turns to the next place, where there is one.
    pub(crate) fn turn(&mut self) -> bool {
        if self.elsewhere.is_empty() {
            return false;
        }
        let next = self.elsewhere.remove(0);
        let last = std::mem::replace(&mut self.url, next);
        self.elsewhere.push(last);
        true
    }
}

/// Loads the playlists and chooses what to take: the main track first. `goes_on`: a recording of it has begun, so that it is live
/// even if it has ended meanwhile.
pub(crate) async fn choose(
    config: &Config,
    (prior, goes_on): (Option<Choice>, bool),
    transport: &Transport,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<(Vec<Chosen>, Option<Choice>), Error> {
    let report = |retry: Retry| {
        let _ = events.send(Event::Retry(retry));
    };
    let policy = load::policy(&config.policy);
    let load = async |url: &Url, parent: Option<&Url>, import: &[(String, String)]| {
        load::playlist(&*transport.fetch, url, parent, import, &policy, &report).await
    };
    let parsed = match &config.input {
        Input::Url(url) => load(url, None, &[]).await?,
        Input::Text(text, base) => load::read(text, base, &[])?,
    };
    warn(&parsed, events);
    let playlist = match parsed.playlist {
        Playlist::Media(media) => {
            let label = String::new();
            let track = planned(label, media, None, config, goes_on)?;
            let source =
                Source { url: config.url().clone(), parent: None, import: Vec::new(), elsewhere: Vec::new() };
            let container = name::expected_container(&track.media());
            let (has_pictures, height) = (!config.audio_only, None);
            let about = About { is_default: true, ..About::default() };
            return Ok((vec![Chosen { track, source, container, about, has_pictures, height }], None));
        }
        Playlist::Multivariant(playlist) => playlist,
    };
    let select = config.select.clone().unwrap_or_default();
    let (variant, audio) = match prior {
        Some(choice) => {
            let variant = choice.variant(&playlist)?;
            (variant, choice.audio(&playlist, variant)?)
        }
        None => {
            let variant = select.choose(&playlist)?;
            (variant, select::audio_of(&playlist, variant))
        }
    };
    let choice = Choice::of(&playlist, variant, audio);
    let base = playlist.base();
    let elsewhere = |url: &Url| match *url == variant.url {
        true => choice.elsewhere(&playlist, variant),
        false => choice.audio_elsewhere(&playlist, url),
    };
    let chosen = |url: &Url, parsed: Parsed, label: String, bandwidth, has_pictures, height, about| {
        warn(&parsed, events);
        let Playlist::Media(media) = parsed.playlist else {
            let nested =
                Error::new(Kind::Playlist, "playlist.nested", "a variant leads to another list of variants");
            return Err(nested.at(hls_fetch::redacted(base)));
        };
        let track = planned(label, media, bandwidth, config, goes_on)?;
        let import = playlist.variables.clone();
        let source =
            Source { url: url.clone(), parent: Some(base.clone()), import, elsewhere: elsewhere(url) };
        let container = name::expected_container(&track.media());
        Ok(Chosen { track, source, container, about, has_pictures, height })
    };
    let variables = &playlist.variables;
    let main = async || {
        let parsed = load(&variant.url, Some(base), variables).await?;
        let (height, pictures) = (variant.resolution.map(|r| r.height), select::has_pictures(variant));
        let about = About { is_default: true, codecs: variant.codecs.clone(), ..About::default() };
        chosen(&variant.url, parsed, select::label(variant), variant.bandwidth, pictures, height, about)
    };
    let side = async || {
        let Some((rendition, url)) = audio.and_then(|r| Some((r, r.url.as_ref()?))) else { return Ok(None) };
        let parsed = load(url, Some(base), variables).await?;
        let language = rendition.language.clone().unwrap_or_else(|| rendition.name.clone());
        let label = format!("audio {}", hls_fetch::escaped(&language, 40));
        let about = About {
            language: rendition.language.clone(),
            name: Some(rendition.name.clone()),
            is_default: true,
            codecs: variant.codecs.clone(),
        };
        chosen(url, parsed, label, None, false, None, about).map(Some)
    };
    if config.audio_only {
        if let Some(alone) = side().await? {
            return Ok((vec![alone], Some(choice)));
        }
        if select::has_pictures(variant) {
            let mut sound = playlist.clone();
            sound.variants.retain(|v| !select::has_pictures(v));
            let Ok(variant) = select.choose(&sound) else {
                let none = Error::new(Kind::Usage, "select.no_match", "the stream has no audio of its own");
                return Err(none.why("audio and video are in the same segments"));
            };
            let parsed = load(&variant.url, Some(base), variables).await?;
            let (label, choice) = (select::label(variant), Choice::of(&sound, variant, None));
            let about = About { is_default: true, codecs: variant.codecs.clone(), ..About::default() };
            let alone = chosen(&variant.url, parsed, label, variant.bandwidth, false, None, about)?;
            return Ok((vec![alone], Some(choice)));
        }
    }
    let (main, side) = tokio::join!(main(), side());
    Ok((std::iter::once(main?).chain(side?).collect(), Some(choice)))
}

/// What an earlier run into the same output has chosen; nothing where the user chooses, or wants it to be forgotten. Where the
/// name of the output depends on the variant, that has to be chosen first.
pub(crate) fn earlier_choice(config: &Config) -> Option<Choice> {
    if config.select.is_some() || config.restart {
        return None;
    }
    candidates(config).iter().find_map(|path| Choice::kept(hls_state::Memo::of(path)?.choice))
}

fn warn(parsed: &Parsed, events: &mpsc::UnboundedSender<Event>) {
    for warning in &parsed.warnings {
        let _ = events.send(Event::Warning { kind: "playlist", message: warning.to_string() });
    }
}

/// The track of a playlist: as long as it says, or growing where it has no end.
fn planned(
    label: String,
    media: Media,
    bandwidth: Option<u64>,
    config: &Config,
    goes_on: bool,
) -> Result<Track, Error> {
    if media.ended && !goes_on {
        return Track::new(label, media, bandwidth, config.allow_gaps);
    }
    let place = hls_fetch::redacted(media.base());
    match &config.input {
        Input::Text(..) if label.is_empty() && !media.ended => {
            let error =
                Error::new(Kind::Playlist, "playlist.live", "the playlist has no end (EXT-X-ENDLIST)");
            return Err(error
                .at(place)
                .why("more segments will come, and nobody can tell where")
                .next("give its URL, so that it can be loaded again"));
        }
        _ if media.segments().len() == 0 && !goes_on => {
            let error = Error::new(Kind::Playlist, "playlist.empty", "the live stream has no segments yet");
            return Err(error.at(place).next("--wait waits for it to begin"));
        }
        _ => {}
    }
    Track::growing(label, media, bandwidth)
}

/// Says early what would only be found out at the end: outputs that exist, a folder that can't be written to, another
/// process at work. Nothing has been requested yet.
pub(crate) fn probe(config: &Config) -> Result<(), Error> {
    for path in &candidates(config) {
        let path = recorded::next_part(path, config.force).path;
        hls_state::probe(&path, config.force).map_err(Error::state)?;
        probe_manifest(config, &path)?;
    }
    Ok(())
}

/// Whether a recording has begun that this job goes on with.
pub(crate) fn goes_on(config: &Config) -> bool {
    !config.restart && candidates(config).iter().any(|path| recorded::has_begun(path, config.force))
}

/// What the main output may be called, as far as that can be told before the stream is known.
fn candidates(config: &Config) -> Vec<PathBuf> {
    match &config.output {
        Output::File(path) => vec![path.clone()],
        Output::Template(template) if !template.contains('{') || template.contains("{name}") => {
            let stem = template.replace("{name}", &config.suggested_name());
            if template.contains('{') && Path::new(&stem).extension().is_some() && !template.ends_with('}') {
                return vec![PathBuf::from(stem)];
            }
            name::EXTENSIONS.iter().map(|extension| PathBuf::from(format!("{stem}.{extension}"))).collect()
        }
        _ => Vec::new(),
    }
}

/// A file that has the name of the manifest and is none stays, unless all is to be replaced.
fn probe_manifest(config: &Config, output: &Path) -> Result<(), Error> {
    let path = manifest::manifest_path(output);
    let is_free = || std::fs::symlink_metadata(&path).is_err() || manifest::is_one(&path);
    if !config.manifest || config.force || is_free() {
        return Ok(());
    }
    let message = format!("the name of the manifest is taken: {}", manifest::shown(&path));
    let error = Error::new(Kind::Exists, "manifest.exists", message);
    Err(error.next("--force replaces it, -o gives another name"))
}

/// The names of the outputs, checked against what is in them.
pub(crate) fn outputs(config: &Config, chosen: &[Chosen], part: u32) -> Result<Ends, Error> {
    let Some((main, sides)) = chosen.split_first() else { return Ok(Ends::default()) };
    let checked = |path: PathBuf| {
        let is_free = config.format == Format::Join || product::is_made(config.format, &path, chosen);
        let checked = match is_free {
            true => Ok(()),
            false => check_format(config, chosen)
                .and_then(|()| name::check(&path, main.container, main.has_pictures)),
        };
        checked.map(|()| path)
    };
    let path = match &config.output {
        Output::File(path) => checked(path.clone())?,
        Output::Template(template) => {
            let path = filled(template, config, main, part);
            match template.contains('{') && Path::new(&path).extension().is_some() && !template.ends_with('}')
            {
                true => checked(PathBuf::from(path))?,
                false => checked(PathBuf::from(format!("{path}.{}", extension(config, chosen))))?,
            }
        }
        Output::Writer(_) if sides.is_empty() => {
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
    let has_number = matches!(&config.output, Output::Template(template) if template.contains("{n}"));
    let path = if has_number { path } else { name::numbered(&path, part) };
    probe_manifest(config, &path)?;
    if product::is_made(config.format, &path, chosen) {
        let extensions = chosen.iter().map(|c| name::extension(c.container, c.has_pictures));
        let tracks = extensions.enumerate().map(|(n, extension)| Layout::track(n, extension)).collect();
        let products = vec![Product { tracks: (0..chosen.len()).collect() }];
        return Ok(Ends { outputs: vec![path], products, tracks });
    }
    let mut outputs = vec![path];
    for side in sides {
        let extension = name::extension(side.container, side.has_pictures);
        outputs.push(name::beside(&outputs[0], &format!("audio-{}", side.tag()), extension));
    }
    Ok(Ends { outputs, ..Ends::default() })
}

/// The extension of a name that has none: that of the container, but where several tracks make one file.
fn extension(config: &Config, chosen: &[Chosen]) -> &'static str {
    let is_one = product::is_made(config.format, Path::new("x.mp4"), chosen);
    match chosen {
        [main, sides @ ..] if !is_one || sides.is_empty() && config.format != Format::Mp4 => {
            name::extension(main.container, main.has_pictures)
        }
        _ => "mp4",
    }
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

/// Opens the store of the job and finds out what an earlier run left.
pub(crate) async fn open(
    config: &Config,
    ends: &Ends,
    tracks: usize,
    is_live: bool,
) -> Result<(Box<dyn ResumeStore>, Recovered, Option<Making>), Error> {
    if let Output::Writer(out) = &config.output {
        let out = out.lock().unwrap_or_else(PoisonError::into_inner).take();
        let out = out.ok_or_else(|| Error::new(Kind::Internal, "internal", "the output was used before"))?;
        let mut recovered = Recovered::default();
        recovered.outputs = vec![Vec::new(); tracks];
        return Ok((Box::new(PipeStore::new(out)), recovered, None));
    }
    let mut options = Options::new(ends.outputs.clone());
    options.tracks = ends.tracks.clone();
    options.durability = config.durability;
    options.keep_gaps = config.allow_gaps || is_live;
    options.final_gaps = is_live;
    options.force = config.force;
    options.restart = config.restart;
    // An output that has its name already is hashed at once, which takes a while for large files.
    let opened = tokio::task::spawn_blocking(move || DiskStore::open(options)).await;
    let opened =
        opened.map_err(|_| Error::new(Kind::Internal, "internal", "the store could not be opened"))?;
    let (store, recovered) = opened.map_err(Error::state)?;
    let making = store.making();
    Ok((Box::new(store), recovered, making))
}

/// What the job is about to do.
pub(crate) fn plan(
    outputs: &[PathBuf],
    tracks: &Tracks,
    (resumed_segments, resumed_bytes): (u64, u64),
) -> Plan {
    let estimates = tracks.0.iter().map(|t| t.estimated_bytes()).collect::<Vec<_>>();
    let known: u64 = estimates.iter().flatten().sum();
    Plan {
        outputs: outputs.to_vec(),
        tracks: tracks.0.iter().map(|t| t.label.clone()).collect(),
        segments: tracks.segments(),
        resumed_segments,
        resumed_bytes,
        duration: tracks.0.iter().map(|t| t.duration()).max().unwrap_or_default(),
        is_live: tracks.is_growing(),
        estimated_bytes: estimates.first().copied().flatten().map(|_| known),
        free_bytes: outputs.first().and_then(|output| space::free_beside(output)),
    }
}
