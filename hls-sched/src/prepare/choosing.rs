//! Playlists loaded, and tracks chosen.

use std::time::Duration;

use hls_media::Container;
use hls_media::remux::{MayLack, Takes};
use hls_parse::{Media, Multivariant, Parsed, Playlist, Rendition};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::config::{Config, Format, Input};
use crate::error::{Error, Kind};
use crate::event::{Event, Retry};
use crate::policy::name;
use crate::policy::pick::{self, Pick, Wishes};
use crate::policy::plan::Track;
use crate::policy::remembered::Choice;
use crate::policy::rendition;
use crate::policy::source::Source;
use crate::policy::variant;
use crate::transfer::attempt::Transport;
use crate::transfer::playlist;

/// A track with what its name depends on.
pub(crate) struct Chosen {
    pub(crate) track: Track,
    pub(crate) source: Source,
    pub(crate) container: Container,
    pub(crate) about: About,
    pub(crate) role: Role,
    pub(crate) has_pictures: bool,
    pub(crate) height: Option<u32>,
}

/// What a track is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The segments of a variant.
    Main,
    Audio,
    Subtitles,
    /// Some segments, which tell when the stream begins.
    Clock,
}

/// What the playlist says of a track.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) language: Option<String>,
    pub(crate) name: Option<String>,
    /// It is the one to play of its kind unless another is asked for.
    pub(crate) is_default: bool,
    pub(crate) codecs: Option<String>,
    pub(crate) takes: Takes,
    /// What an MP4 may be without, where it can't hold it.
    pub(crate) may_lack: MayLack,
    /// By the playlist there is no sound in its segments.
    pub(crate) has_no_sound: bool,
}

impl Chosen {
    /// What tells a side track from others in names.
    pub(crate) fn tag(&self) -> String {
        let tag = self.about.language.as_deref().or(self.about.name.as_deref()).unwrap_or("1");
        let kind = if self.role == Role::Subtitles { "subs" } else { "audio" };
        format!("{kind}-{tag}")
    }
}

/// What becomes one film.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Film {
    /// What tells it from the others: `1080p`.
    pub(crate) label: String,
    /// Its tracks, the main one first. Films may share tracks.
    pub(crate) tracks: Vec<usize>,
}

/// All that was chosen.
#[derive(Default)]
pub(crate) struct Selection {
    pub(crate) chosen: Vec<Chosen>,
    pub(crate) films: Vec<Film>,
    /// One for each film; none where there was nothing to choose.
    pub(crate) choices: Vec<Choice>,
    /// Where to ask which pathway to take.
    pub(crate) steering: Option<Url>,
    /// Optional tracks that could not be fetched.
    pub(crate) missing: Vec<String>,
}

/// What was chosen of a live stream, for the next part of its recording: nothing has to be loaded for that, and what the stream
/// came from may be gone by then.
pub(crate) struct Again {
    chosen: Vec<(Container, About, Role, bool, Option<u32>)>,
    films: Vec<Film>,
    choices: Vec<Choice>,
    steering: Option<Url>,
}

impl Again {
    pub(crate) fn of(selection: &Selection) -> Self {
        let chosen = selection.chosen.iter();
        Self {
            chosen: chosen
                .map(|c| (c.container, c.about.clone(), c.role, c.has_pictures, c.height))
                .collect(),
            films: selection.films.clone(),
            choices: selection.choices.clone(),
            steering: selection.steering.clone(),
        }
    }

    /// The same tracks, without any unit, from where they come now.
    ///
    /// # Errors
    /// As [`Track::growing`].
    pub(crate) fn selection(self, tracks: &[Track], sources: Vec<Source>) -> Result<Selection, Error> {
        let all = self.chosen.into_iter().zip(tracks).zip(sources);
        let again = |(((container, about, role, has_pictures, height), track), source): (_, _)| {
            let track: &Track = track;
            let media = Media::clone(&track.media());
            let track = Track::growing(track.label.clone(), media, track.bandwidth)?;
            Ok(Chosen { track, source, container, about, role, has_pictures, height })
        };
        let chosen = all.map(again).collect::<Result<_, Error>>()?;
        let (films, choices, steering) = (self.films, self.choices, self.steering);
        Ok(Selection { chosen, films, choices, steering, missing: Vec::new() })
    }
}

/// The same; where a stream that has not begun is to be waited for, until it has, and where a recording goes on, as patiently as
/// that would wait for its stream.
pub(crate) async fn choose_patiently(
    config: &Config,
    (prior, goes_on): (Vec<Choice>, bool),
    transport: &Transport,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<Selection, Error> {
    let mut is_said = false;
    let began = Instant::now();
    let is_patient = || config.live_patience().is_none_or(|patience| began.elapsed() < patience);
    loop {
        let (error, wait, what) = match choose(config, (&prior, goes_on), transport, events).await {
            Err(error) if config.live.wait && may_begin_later(&error) => (error, LOOK_EVERY, "begin"),
            Err(error) if goes_on && error.kind() == Kind::Temporary && is_patient() => {
                (error, LOOK_AGAIN, "be there again")
            }
            result => return result,
        };
        if !std::mem::replace(&mut is_said, true) {
            let message = format!("waiting for the stream to {what}: {error}");
            let _ = events.send(Event::Warning { kind: "live.waiting", message });
        }
        tokio::time::sleep(wait.max(error.retry_after().unwrap_or_default())).await;
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
/// How long after the last try it is looked again whether one is there again of which something is recorded already.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Loads the playlists and chooses what to take. `goes_on`: a recording of it has begun, so that it is live even if it has
/// ended meanwhile.
pub(crate) async fn choose(
    config: &Config,
    (prior, goes_on): (&[Choice], bool),
    transport: &Transport,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<Selection, Error> {
    let is_joined = config.format == Format::Join;
    let mut parsed = match &config.input {
        Input::Url(url) => load(config, url, None, &[], transport, events).await?,
        Input::Text(text, base) => playlist::read(text, base, &[])?,
    };
    warn(&mut parsed, events);
    let playlist = match parsed.playlist {
        Playlist::Media(media) => {
            // It lists no renditions, so a language that is asked for is not there.
            config.audio.of(&[], "audio")?;
            config.subtitles.of(&[], "subtitle")?;
            let mut selection = single(config, media, goes_on)?;
            for chosen in &mut selection.chosen {
                chosen.look_into_section(transport, is_joined).await?;
            }
            return Ok(selection);
        }
        Playlist::Multivariant(playlist) => playlist,
    };
    let wishes = config.wishes();
    let picks = pick::pick(&wishes, prior, &playlist)?;
    let mut needed = Needed { playlist: &playlist, parts: Vec::new() };
    let mut films = picks.iter().map(|pick| needed.film(&wishes, pick)).collect::<Vec<_>>();
    let choices = picks.iter().map(|pick| Choice::of(&playlist, pick.variant, pick.audio.first().copied()));
    let choices = choices.collect::<Vec<_>>();
    let loaded = needed.load(config, transport, events).await?;
    let (mut chosen, mut missing) = (Vec::new(), Vec::new());
    let (may_lack, mut there) = (needed.may_lack(), Vec::new());
    for (part, media) in needed.parts.into_iter().zip(loaded) {
        there.push(false);
        let label = part.label.clone();
        let Some(media) = media else {
            missing.push(label);
            continue;
        };
        let mut part = part.chosen(config, &playlist, &choices, media, goes_on)?;
        match part.look_into_section(transport, is_joined).await {
            Err(error) if may_lack => {
                let message = format!("{label} is left out: {error}");
                let _ = events.send(Event::Warning { kind: "track.missing", message });
                missing.push(label);
                continue;
            }
            looked => looked?,
        }
        chosen.push(part);
        if let Some(last) = there.last_mut() {
            *last = true;
        }
    }
    chosen.iter_mut().for_each(|chosen| chosen.about.may_lack = config.may_lack());
    renumber(&mut films, &there);
    if chosen.iter().any(|chosen| chosen.track.is_growing()) {
        leave_clocks_out(&mut chosen, &mut films);
    }
    let labels = labels(&picks);
    let films = films.into_iter().zip(labels).map(|(tracks, label)| Film { label, tracks }).collect();
    let steering = playlist.content_steering.map(|steering| steering.url);
    Ok(Selection { chosen, films, choices, steering, missing })
}

/// Of a stream that grows, some segments could only be had with all of the others.
fn leave_clocks_out(chosen: &mut Vec<Chosen>, films: &mut [Vec<usize>]) {
    let stays = chosen.iter().map(|chosen| chosen.role != Role::Clock).collect::<Vec<_>>();
    renumber(films, &stays);
    chosen.retain(|chosen| chosen.role != Role::Clock);
}

/// Takes tracks out of films that do not stay, and gives the others their new numbers.
fn renumber(films: &mut [Vec<usize>], stays: &[bool]) {
    let stays = |n: usize| stays.get(n).copied().unwrap_or(false);
    for tracks in films {
        tracks.retain(|n| stays(*n));
        tracks.iter_mut().for_each(|n| *n = (0..*n).filter(|n| stays(*n)).count());
    }
}

/// A media playlist is all there is.
fn single(config: &Config, media: Media, goes_on: bool) -> Result<Selection, Error> {
    let has_section = media.segments().next().is_some_and(|first| first.map().is_some());
    let track = planned(String::new(), media, None, config, goes_on)?;
    let source = Source::plain(config.url().clone());
    let container = name::expected_container(&track.media());
    let takes = match (config.wants_sound_alone(), config.video_only) {
        (true, _) => Takes::Sound,
        (_, true) => Takes::Pictures,
        _ => Takes::All,
    };
    // In fMP4 there may be anything: its section tells.
    let may_be_text = container == Container::Fmp4 && has_section && config.wishes().subtitles_only;
    let is_text = container == Container::WebVtt || may_be_text;
    let chosen = Chosen {
        track,
        source,
        container,
        about: About { is_default: true, takes, may_lack: config.may_lack(), ..About::default() },
        role: if is_text { Role::Subtitles } else { Role::Main },
        has_pictures: takes != Takes::Sound && !is_text,
        height: None,
    };
    let films = vec![Film { label: String::new(), tracks: vec![0] }];
    Ok(Selection { chosen: vec![chosen], films, choices: Vec::new(), steering: None, missing: Vec::new() })
}

/// The media playlists that are needed, each once.
struct Needed<'m> {
    playlist: &'m Multivariant,
    parts: Vec<Part<'m>>,
}

struct Part<'m> {
    url: &'m Url,
    role: Role,
    /// The film that it was first needed for.
    pick: usize,
    label: String,
    about: About,
    bandwidth: Option<u64>,
    has_pictures: bool,
    height: Option<u32>,
    variant: &'m hls_parse::Variant,
    rendition: Option<&'m Rendition>,
}

impl<'m> Needed<'m> {
    /// Adds what a film needs; returns its tracks.
    fn film(&mut self, wishes: &Wishes, pick: &Pick<'m>) -> Vec<usize> {
        let number = self.parts.iter().map(|part| part.pick + 1).max().unwrap_or(0);
        let mut tracks = Vec::new();
        let variant = pick.variant;
        let main = |role, takes| Part {
            url: &variant.url,
            role,
            pick: number,
            label: variant::label(variant),
            about: About {
                is_default: true,
                codecs: variant.codecs.clone(),
                takes,
                has_no_sound: pick.has_no_sound,
                ..About::default()
            },
            bandwidth: variant.bandwidth.filter(|_| role == Role::Main),
            has_pictures: variant::has_pictures(variant) && takes != Takes::Sound,
            height: variant.resolution.map(|r| r.height),
            variant,
            rendition: None,
        };
        if let Some(takes) = pick.takes {
            tracks.push(self.add(main(Role::Main, takes)));
        }
        for (n, rendition) in pick.audio.iter().enumerate() {
            tracks.push(self.add(side(rendition, Role::Audio, "audio", number, variant, n == 0)));
        }
        for rendition in &pick.subtitles {
            let is_shown = rendition.default || rendition.forced;
            tracks.push(self.add(side(rendition, Role::Subtitles, "subtitles", number, variant, is_shown)));
        }
        if wishes.subtitles_only {
            tracks.push(self.add(main(Role::Clock, Takes::All)));
        }
        tracks
    }

    fn add(&mut self, part: Part<'m>) -> usize {
        let known = self.parts.iter().position(|known| known.url == part.url && known.role == part.role);
        known.unwrap_or_else(|| {
            self.parts.push(part);
            self.parts.len() - 1
        })
    }

    /// Whether what subtitles are of is there without them.
    fn may_lack(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.role, Role::Main | Role::Audio))
    }

    fn nested(&self) -> Error {
        Error::new(Kind::Playlist, "playlist.nested", "a variant leads to another list of variants")
            .at(hls_fetch::redacted(self.playlist.base()))
    }

    /// Loads them all side by side.
    async fn load(
        &self,
        config: &Config,
        transport: &Transport,
        events: &mpsc::UnboundedSender<Event>,
    ) -> Result<Vec<Option<Media>>, Error> {
        let may_lack = self.may_lack();
        let mut loads = JoinSet::new();
        for (n, part) in self.parts.iter().enumerate() {
            let (url, base) = (part.url.clone(), self.playlist.base().clone());
            let (variables, policy) = (self.playlist.variables.clone(), playlist::policy(&config.policy));
            let (fetch, events) = (transport.fetch.clone(), events.clone());
            let is_text = part.role == Role::Subtitles;
            loads.spawn(async move {
                let report = |retry: Retry| {
                    let _ = events.send(Event::Retry(retry));
                };
                let mut parsed =
                    playlist::playlist(&*fetch, &url, Some(&base), &variables, &policy, &report).await;
                if is_text && parsed.as_ref().is_err_and(|e| e.code() == "playlist.not_a_playlist") {
                    parsed = playlist::subtitles(&*fetch, &url, &base).await;
                }
                (n, parsed)
            });
        }
        let mut loaded = self.parts.iter().map(|_| None).collect::<Vec<_>>();
        while let Some(ended) = loads.join_next().await {
            let ended =
                ended.map_err(|_| Error::new(Kind::Internal, "internal", "loading a playlist panicked"));
            let (n, parsed) = ended?;
            let part = self.parts.get(n);
            let parsed = parsed.and_then(|parsed| match parsed.playlist {
                Playlist::Multivariant(_) => Err(self.nested()),
                Playlist::Media(_) => Ok(parsed),
            });
            let mut parsed = match parsed {
                Err(error) if may_lack && part.is_some_and(|part| part.may_be_missing(&error)) => {
                    let label = part.map_or("", |part| part.label.as_str());
                    let message = format!("{label} can't be fetched and is left out: {error}");
                    let _ = events.send(Event::Warning { kind: "track.missing", message });
                    continue;
                }
                parsed => parsed?,
            };
            warn(&mut parsed, events);
            let Playlist::Media(media) = parsed.playlist else { return Err(self.nested()) };
            if let Some(place) = loaded.get_mut(n) {
                *place = Some(media);
            }
        }
        self.load_short(&mut loaded, config, transport).await;
        Ok(loaded)
    }

    /// Loads playlists of pictures and sound again that are much shorter than the longest: an old copy may have lost its end.
    async fn load_short(&self, loaded: &mut [Option<Media>], config: &Config, transport: &Transport) {
        let all = loaded.iter().flatten().filter(|media| media.ended);
        let longest = all.map(Media::duration).max().unwrap_or_default();
        let (base, policy) = (self.playlist.base(), playlist::policy(&config.policy));
        for (part, place) in self.parts.iter().zip(loaded) {
            let Some(media) = place.as_ref().filter(|media| media.ended) else { continue };
            // A server may say any number.
            let usual = media.target_duration.unwrap_or_default().saturating_mul(2).max(longest / 50);
            if part.role == Role::Subtitles || media.duration().saturating_add(usual) >= longest {
                continue;
            }
            let variables = &self.playlist.variables;
            let again =
                playlist::playlist(&*transport.fetch, part.url, Some(base), variables, &policy, &|_| ())
                    .await;
            if let Ok(Playlist::Media(again)) = again.map(|parsed| parsed.playlist)
                && again.duration() > media.duration()
            {
                *place = Some(again);
            }
        }
    }
}

fn side<'m>(
    rendition: &'m Rendition,
    role: Role,
    kind: &str,
    pick: usize,
    variant: &'m hls_parse::Variant,
    is_default: bool,
) -> Part<'m> {
    Part {
        // One without a URL is inside the variant, and not picked.
        url: rendition.url.as_ref().unwrap_or(&variant.url),
        role,
        pick,
        label: format!("{kind} {}", hls_fetch::escaped(rendition::called(rendition), 40)),
        about: About {
            language: rendition.language.clone(),
            name: Some(rendition.name.clone()),
            is_default,
            codecs: variant.codecs.clone(),
            takes: Takes::All,
            may_lack: MayLack::default(),
            has_no_sound: false,
        },
        bandwidth: None,
        has_pictures: false,
        height: None,
        variant,
        rendition: Some(rendition),
    }
}

impl Part<'_> {
    /// Whether a film is whole but for this, as far as an error says so.
    fn may_be_missing(&self, error: &Error) -> bool {
        let is_of_it =
            matches!(error.kind(), Kind::Refused | Kind::Temporary | Kind::Content | Kind::Playlist);
        self.role == Role::Subtitles && is_of_it
    }

    fn chosen(
        self,
        config: &Config,
        playlist: &Multivariant,
        choices: &[Choice],
        media: Media,
        goes_on: bool,
    ) -> Result<Chosen, Error> {
        let alike = choices.get(self.pick).map(|choice| choice.elsewhere(playlist, self.variant));
        let source =
            Source::named(playlist, (self.variant, self.rendition), alike.as_deref().unwrap_or_default());
        let mut track = planned(self.label, media, self.bandwidth, config, goes_on)?;
        let resolution = self.variant.resolution.filter(|_| self.has_pictures && self.role == Role::Main);
        track.resolution = resolution.map(|size| (size.width, size.height));
        if self.role == Role::Clock {
            track = track.into_clock();
        }
        let container = match self.role {
            Role::Subtitles => name::expected_subtitles(&track.media()),
            _ => name::expected_container(&track.media()),
        };
        let (about, role, has_pictures, height) = (self.about, self.role, self.has_pictures, self.height);
        Ok(Chosen { track, source, container, about, role, has_pictures, height })
    }
}

/// What tells films apart in names: the height, and where that is not enough, the bandwidth.
fn labels(picks: &[Pick<'_>]) -> Vec<String> {
    let height = |pick: &Pick<'_>| pick.variant.resolution.map(|r| format!("{}p", r.height));
    let bandwidth = |pick: &Pick<'_>| pick.variant.bandwidth.map(|b| format!("{}k", b / 1000));
    let joined = |parts: [Option<String>; 2]| parts.into_iter().flatten().collect::<Vec<_>>().join("-");
    let mut labels = Vec::new();
    for (n, pick) in picks.iter().enumerate() {
        let is_alone =
            |other: &Pick<'_>| height(other) != height(pick) || std::ptr::eq(other.variant, pick.variant);
        let mut label = match height(pick) {
            Some(height) if picks.iter().all(is_alone) => height,
            height => joined([height, bandwidth(pick)]),
        };
        if label.is_empty() || labels.contains(&label) {
            label = joined([Some(label).filter(|label| !label.is_empty()), Some((n + 1).to_string())]);
        }
        labels.push(label);
    }
    labels
}

async fn load(
    config: &Config,
    url: &Url,
    parent: Option<&Url>,
    import: &[(String, String)],
    transport: &Transport,
    events: &mpsc::UnboundedSender<Event>,
) -> Result<Parsed, Error> {
    let report = |retry: Retry| {
        let _ = events.send(Event::Retry(retry));
    };
    playlist::playlist(&*transport.fetch, url, parent, import, &playlist::policy(&config.policy), &report)
        .await
}

fn warn(parsed: &mut Parsed, events: &mpsc::UnboundedSender<Event>) {
    if let Some(message) = playlist::end(parsed) {
        let _ = events.send(Event::Warning { kind: "playlist", message });
    }
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
