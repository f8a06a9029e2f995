//! Playlists: fetched, tried again where that helps, and read.

use std::time::Duration;

use hls_fetch::{Decision, Fetch, Request, RetryPolicy, Rule};
use hls_parse::{
    Media, Multivariant, Options, Parsed, Playlist, PlaylistType, RenditionType, Variant, WarningKind,
};
use url::Url;

use crate::error::{Error, Kind};
use crate::event::Retry;

/// A playlist larger than this is an attack (RFC 8216bis names no limit).
const LARGEST: u64 = 64 << 20;
const TRIES: u32 = 4;
/// Subtitles in the place of their playlist are no larger, and no film is longer.
const LARGEST_SUBTITLES: u64 = 8 << 20;
const MOST_SECONDS: u64 = 7 * 86_400;
/// A playlist that says that it is complete and has no end is loaded a second time after its target duration, within these.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A playlist in which lines are missing is loaded a second time after this.
const SHORT_WAIT: Duration = Duration::from_millis(200);

/// Loads a playlist as a job does, tried again where that helps; `within` is the playlist that names it, whose variables it
/// may import.
///
/// # Errors
/// What failed last, and what is no playlist.
pub async fn load_playlist(
    fetch: &dyn Fetch,
    url: &Url,
    within: Option<&Multivariant>,
) -> Result<Parsed, Error> {
    let import = within.map_or(&[][..], |parent| &parent.variables);
    let policy = policy(&RetryPolicy::default());
    let mut parsed = playlist(fetch, url, within.map(Multivariant::base), import, &policy, &|_| ()).await?;
    end(&mut parsed);
    Ok(parsed)
}

/// Reads a playlist that is here already, as a job does; `base` is where it came from.
///
/// # Errors
/// What is no playlist, or one that can't be read without guessing.
pub fn read_playlist(text: &[u8], base: &Url) -> Result<Parsed, Error> {
    read(text, base, &[])
}

/// The policy for playlists: the same classes, fewer attempts.
pub(crate) fn policy(of: &RetryPolicy) -> RetryPolicy {
    let mut policy = of.clone();
    for class in hls_fetch::Class::ALL {
        let rule = policy.rule(class);
        policy.set(class, Rule { tries: rule.tries.min(TRIES), ..rule });
    }
    policy
}

/// Fetches and reads a playlist; relative URLs resolve against where the answer came from (RFC 3986 section 5.1.3).
///
/// # Errors
/// What failed last, and what is no playlist.
pub(crate) async fn playlist(
    fetch: &dyn Fetch,
    url: &Url,
    parent: Option<&Url>,
    import: &[(String, String)],
    policy: &RetryPolicy,
    report: &(dyn Fn(Retry) + Sync),
) -> Result<Parsed, Error> {
    let mut attempt = 0;
    let (mut endless, mut torn) = (None::<Media>, None::<Parsed>);
    loop {
        attempt += 1;
        let error = match once(fetch, url, parent, import).await {
            // A line that was lost on its way is there the next time.
            Ok(parsed) if torn.is_none() && lost_lines(&parsed) > 0 => {
                torn = Some(parsed);
                tokio::time::sleep(SHORT_WAIT).await;
                continue;
            }
            Ok(parsed) if torn.as_ref().is_some_and(|torn| lost_lines(torn) < lost_lines(&parsed)) => {
                return Ok(torn.unwrap_or(parsed));
            }
            Ok(parsed) => match without_end(&parsed) {
                None => return Ok(parsed),
                // A cut answer that happens to end at a line, a film whose end was forgotten, or a live stream.
                Some(media) => match endless.replace(media.clone()) {
                    None => {
                        attempt = 0;
                        let wait = media.target_duration.unwrap_or(SHORTEST_WAIT);
                        tokio::time::sleep(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT)).await;
                        continue;
                    }
                    Some(earlier) if is_alike(&earlier, media) => return Ok(parsed),
                    Some(earlier) => return Ok(as_live(parsed, earlier)),
                },
            },
            Err(error) => error,
        };
        if error.is_final() {
            return Err(error);
        }
        match policy.decide_class(error.class(), attempt, error.retry_after()) {
            Decision::Retry { after } => {
                let (class, message) = (error.class(), error.to_string());
                report(Retry { place: hls_fetch::redacted(url), class, message, attempt, wait: after });
                tokio::time::sleep(after).await;
            }
            Decision::GiveUp => return Err(error.after_attempts(attempt)),
        }
    }
}

/// Returns how many lines are missing that others name.
fn lost_lines(parsed: &Parsed) -> usize {
    use WarningKind::{NoExtinf, NoUri, StrayUri, VariantWithoutUri};
    let is_lost = |kind: &WarningKind| matches!(kind, NoUri | NoExtinf | StrayUri | VariantWithoutUri);
    let lost = parsed.warnings.iter().filter(|warning| is_lost(&warning.kind)).count();
    lost + match &parsed.playlist {
        Playlist::Multivariant(all) => all.variants.iter().map(|variant| lost_groups(all, variant)).sum(),
        Playlist::Media(_) => 0,
    }
}

/// Returns how many groups of renditions a variant names that are not there (rfc8216bis-22, section 4.4.6.2).
fn lost_groups(all: &Multivariant, variant: &Variant) -> usize {
    let kinds = [RenditionType::Audio, RenditionType::Video, RenditionType::Subtitles];
    let named = kinds.into_iter().filter(|kind| variant.group(*kind).is_some());
    named.filter(|kind| all.renditions_of(variant, *kind).next().is_none()).count()
}

/// The playlist, where it says that it is complete (VOD) and has no end.
fn without_end(parsed: &Parsed) -> Option<&Media> {
    match &parsed.playlist {
        Playlist::Media(media) if media.playlist_type == Some(PlaylistType::Vod) && !media.ended => {
            Some(media)
        }
        _ => None,
    }
}

/// Whether two loads of a playlist have the same segments.
fn is_alike(one: &Media, other: &Media) -> bool {
    let all = |media: &Media| {
        media.segments().map(|s| (s.media_sequence(), s.uri().to_owned(), s.duration())).collect::<Vec<_>>()
    };
    all(one) == all(other)
}

/// What changes is live, whatever it says; its older copy has what has left it meanwhile.
fn as_live(mut parsed: Parsed, mut earlier: Media) -> Parsed {
    earlier.playlist_type = None;
    parsed.playlist = Playlist::Media(earlier);
    parsed
}

/// Ends a playlist that says that it is complete and does not change, where its end was left out. Returns what to say of it.
pub(crate) fn end(parsed: &mut Parsed) -> Option<String> {
    without_end(parsed)?;
    if let Playlist::Media(media) = &mut parsed.playlist {
        media.ended = true;
    }
    let message = "it says that it is complete (VOD) and has no end (EXT-X-ENDLIST); it does not change, so it is taken as whole";
    Some(message.to_owned())
}

/// Loads a playlist in one attempt.
///
/// # Errors
/// What failed, and what is no playlist.
pub(crate) async fn once(
    fetch: &dyn Fetch,
    url: &Url,
    parent: Option<&Url>,
    import: &[(String, String)],
) -> Result<Parsed, Error> {
    let failed = |e| Error::fetch("playlist", "the playlist", e);
    let mut request = Request::get(url.clone()).undoing_gzip();
    request.parent = parent.cloned();
    let answer = fetch.fetch(request).await.map_err(failed)?;
    let (base, content_type) = (answer.url.clone(), answer.content_type.clone());
    let text = answer.bytes(LARGEST).await.map_err(failed)?;
    let parsed = read(&text, &base, import).map_err(|error| match content_type {
        Some(kind) if error.code() == "playlist.not_a_playlist" => {
            error.why(format!("the server sent {kind}"))
        }
        _ => error,
    })?;
    Ok(parsed)
}

/// A playlist of one segment for subtitles that have none: WebVTT itself, or SubRip, where a playlist should be.
///
/// # Errors
/// What failed, and what is no subtitles.
pub(crate) async fn subtitles(fetch: &dyn Fetch, url: &Url, parent: &Url) -> Result<Parsed, Error> {
    let failed = |e| Error::fetch("playlist", "the subtitles", e);
    let answer = fetch.fetch(Request::get(url.clone()).found_in(parent)).await.map_err(failed)?;
    let base = answer.url.clone();
    let text = answer.bytes(LARGEST_SUBTITLES).await.map_err(failed)?;
    let text = String::from_utf8_lossy(&text);
    let is_text = text.trim_start_matches('\u{feff}').starts_with("WEBVTT");
    let uri = match hls_media::captions::from_srt(&text) {
        _ if is_text => base.to_string(),
        // It goes the way of all segments, as what it means.
        Some(vtt) => {
            let escaped = vtt.bytes().map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            });
            format!("data:text/vtt,{}", escaped.collect::<String>())
        }
        None => {
            let error =
                Error::new(Kind::Playlist, "playlist.not_a_playlist", "neither a playlist nor subtitles");
            return Err(error.at(format!("GET {}", hls_fetch::redacted(&base))));
        }
    };
    let seconds = last_cue(&text).max(1);
    let playlist =
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:{seconds}\n#EXTINF:{seconds},\n{uri}\n#EXT-X-ENDLIST\n");
    read(playlist.as_bytes(), &base, &[])
}

/// When the last cue ends, in whole seconds.
fn last_cue(text: &str) -> u64 {
    let ends = text.lines().filter_map(|line| line.split_once("-->")?.1.split_whitespace().next());
    let seconds = |time: &str| {
        let clock = time.split(['.', ',']).next()?;
        clock.split(':').try_fold(0_u64, |sum, part| sum.checked_mul(60)?.checked_add(part.parse().ok()?))
    };
    ends.filter_map(seconds).max().unwrap_or(0).saturating_add(1).min(MOST_SECONDS)
}

/// Reads a playlist that is here already.
///
/// # Errors
/// What is no playlist, or one that can't be read without guessing.
pub(crate) fn read(text: &[u8], base: &Url, import: &[(String, String)]) -> Result<Parsed, Error> {
    let mut options = Options::default();
    options.import = import.to_vec();
    options.parse(text, base).map_err(|error| {
        use hls_parse::ErrorKind as Cause;
        let place = format!("{} line {}", hls_fetch::redacted(base), error.line());
        let (code, next) = match error.kind() {
            Cause::NotAPlaylist { .. } => {
                ("playlist.not_a_playlist", "check that this is the address of a playlist (.m3u8)")
            }
            Cause::Limit { .. } => {
                ("playlist.limit", "it is larger than any sane playlist; nothing can be done")
            }
            _ => ("playlist.invalid", "hls info --check lists what is wrong with it"),
        };
        Error::new(Kind::Playlist, code, error.to_string()).at(place).next(next)
    })
}
