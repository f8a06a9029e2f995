//! Everything that can be asked of a playlist, and what has to hold for each.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem::discriminant;

use hls_parse::{Content, Error, Media, Multivariant, Options, Parsed, Playlist, RenditionType};
use url::Url;

/// What an input made the reader do.
pub(crate) struct Seen {
    pub(crate) is_playlist: bool,
    /// Equal for inputs that are read in the same ways.
    pub(crate) signature: u64,
}

thread_local! {
    static LAST: RefCell<Option<Media>> = const { RefCell::new(None) };
}

pub(crate) fn at(input: &[u8], number: u64) -> Seen {
    let base: Url = "https://h/m/index.m3u8?tok=a%20b".parse().expect("a valid URL");
    let mut options = Options::default();
    options.import = vec![("imported".to_owned(), "x".to_owned())];
    let read = options.parse(input, &base);
    options.inspect = true;
    let inspected = options.parse(input, &base);
    let signature = signature(&read);
    match (&read, &inspected) {
        (Ok(read), Ok(inspected)) => same(&read.playlist, &inspected.playlist),
        (read, inspected) => {
            assert!(read.is_err() || inspected.is_ok(), "inspecting fails, reading does not")
        }
    }
    for parsed in [&read, &inspected].into_iter().flatten() {
        for warning in &parsed.warnings {
            assert!(!warning.to_string().contains(|c: char| c.is_control()), "a control character");
        }
    }
    if let Err(error) = &read {
        assert!(!error.to_string().contains(|c: char| c.is_control()), "a control character");
        assert!(error.to_string().len() < 1000, "a long message");
    }
    options.strict = true;
    options.inspect = false;
    let strict = options.parse(input, &base);
    assert!(strict.is_err() || read.is_ok(), "strict reading forgives what reading does not");
    for violation in hls_parse::check(input, &base, &options) {
        assert!(!violation.to_string().contains(|c: char| c.is_control()), "a control character");
        assert!(violation.line > 0 && violation.column > 0, "a place");
    }
    if let Ok(read) = &read {
        written(&read.playlist, &base);
    }
    let is_playlist = read.is_ok();
    for parsed in [read, inspected].into_iter().flatten() {
        match parsed.playlist {
            Playlist::Media(media) => of_media(media, number),
            Playlist::Multivariant(playlist) => of_multivariant(&playlist),
        }
    }
    Seen { is_playlist, signature }
}

/// What is written is read back, with as many of everything.
fn written(playlist: &Playlist, base: &Url) {
    let Ok(text) = hls_parse::write(playlist) else { return };
    match (playlist, hls_parse::parse(&text, base).map(|parsed| parsed.playlist)) {
        (Playlist::Media(media), Ok(Playlist::Media(back))) => {
            assert_eq!(media.segments().len(), back.segments().len(), "segments written");
            for (a, b) in media.segments().zip(back.segments()) {
                let of = |segment: hls_parse::Segment<'_>| {
                    let times = (segment.duration(), segment.date_time(), segment.is_gap());
                    (segment.media_sequence(), segment.iv(), segment.byte_range(), times)
                };
                assert_eq!(of(a), of(b), "a segment written");
                assert_eq!((a.uri(), a.encryption()), (b.uri(), b.encryption()), "a segment written");
                assert_eq!((a.map(), a.title()), (b.map(), b.title()), "a segment written");
            }
        }
        (Playlist::Multivariant(playlist), Ok(Playlist::Multivariant(back))) => {
            let uris = |playlist: &Multivariant| {
                let variants = playlist.variants.iter().chain(&playlist.i_frame_variants);
                variants.map(|variant| variant.url.clone()).collect::<Vec<_>>()
            };
            assert_eq!(uris(playlist), uris(&back), "variants written");
            assert_eq!(playlist.renditions.len(), back.renditions.len(), "renditions written");
        }
        (_, back) => assert_eq!(back.err(), None, "what is written is a playlist of the other kind, or none"),
    }
}

fn same(read: &Playlist, inspected: &Playlist) {
    let urls = |playlist: &Playlist| match playlist {
        Playlist::Media(media) => (media.segments().len(), media.maps().len(), media.media_sequence as usize),
        Playlist::Multivariant(playlist) => {
            (playlist.variants.len(), playlist.renditions.len(), playlist.i_frame_variants.len())
        }
    };
    assert_eq!(urls(read), urls(inspected), "inspecting reads something else");
}

fn signature(read: &Result<Parsed, Error>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match read {
        Err(error) => discriminant(error.kind()).hash(&mut hasher),
        Ok(parsed) => {
            // Sets of two are enough to lead on; larger ones are nearly all different.
            let mut kinds: Vec<_> =
                parsed.warnings.iter().map(|warning| discriminant(&warning.kind)).collect();
            kinds.dedup();
            kinds.truncate(2);
            kinds.hash(&mut hasher);
            match &parsed.playlist {
                Playlist::Media(media) => {
                    let few = |count: usize| count.min(3);
                    (few(media.segments().len()), few(media.maps().len()), media.ended).hash(&mut hasher);
                    few(media.encryptions().count()).hash(&mut hasher);
                    (few(media.date_ranges.len()), few(media.markers.len())).hash(&mut hasher);
                    (few(media.preload_hints.len()), few(media.rendition_reports.len())).hash(&mut hasher);
                    (media.skipped_segments > 0, media.i_frames_only, media.start.is_some())
                        .hash(&mut hasher);
                }
                Playlist::Multivariant(playlist) => {
                    let few = |count: usize| count.min(2);
                    (few(playlist.variants.len()), few(playlist.renditions.len())).hash(&mut hasher);
                    (few(playlist.session_data.len()), few(playlist.session_keys.len())).hash(&mut hasher);
                    (few(playlist.i_frame_variants.len()), few(playlist.variables.len())).hash(&mut hasher);
                }
            }
        }
    }
    hasher.finish()
}

fn of_media(media: Media, number: u64) {
    let uris = media.lines().filter(|line| matches!(line.content, Content::Uri(_))).count();
    assert_eq!(media.segments().len(), uris, "a segment for each URI");
    let mut before = None;
    for segment in media.segments() {
        assert!(segment.url().is_ok(), "a URL that reading has checked");
        assert!(segment.byte_range().is_none_or(|range| range.length > 0 && range.end() > range.offset));
        assert!(segment.keys().len() <= 8, "a limit");
        assert!(Some(segment.line()) > before, "lines in order");
        before = Some(segment.line());
        for part in segment.parts() {
            let _ = (part.url(), part.byte_range(), part.encryption(), part.map(), part.duration());
        }
        let _ = (segment.iv(), segment.encryption(), segment.map(), segment.title(), segment.bitrate());
        let _ = (segment.media_sequence(), segment.date_time(), segment.program_date_time());
    }
    for part in media.open_parts() {
        let _ = (part.url(), part.byte_range(), part.encryption(), part.map());
    }
    let _ = (media.duration(), media.hold_back(), media.start_offset(), media.end_sequence());
    let _ = media.preload_hints.iter().map(hls_parse::PreloadHint::last_byte).max();
    LAST.with_borrow_mut(|last| {
        // An older copy that has nothing to do with this one is the worst that a server can send.
        if let Some(older) = last.as_ref().filter(|_| media.skipped_segments > 0) {
            let _ = media.clone().merge(older).map(|merged| merged.segments().len());
        }
        if let Some(older) = last.as_ref() {
            let _ = media.compare(older);
        }
        if number % 7 == 0 && media.skipped_segments == 0 {
            *last = Some(media);
        }
    });
}

fn of_multivariant(playlist: &Multivariant) {
    for variant in playlist.variants.iter().chain(&playlist.i_frame_variants) {
        for kind in [RenditionType::Audio, RenditionType::Subtitles, RenditionType::ClosedCaptions] {
            let _ = playlist.renditions_of(variant, kind).count();
        }
        let _ = (variant.pathway(), variant.dynamic_range(), variant.allowed_protection().count());
    }
    for rendition in &playlist.renditions {
        let _ = (rendition.channel_count(), rendition.is_in_variant());
    }
}
