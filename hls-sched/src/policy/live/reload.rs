//! How a playlist is asked for where its server does more than the usual: it answers when there is news, and leaves out what is
//! known (rfc8216bis-22, section 6.2.5).

use std::time::{Duration, Instant};

use hls_parse::Media;
use url::Url;

/// Longer target durations are not believed.
const LONGEST_TARGET: Duration = Duration::from_secs(60);
/// Where the usual works and more than that has failed so often, it is not asked for again.
const MOST_FAILURES: u8 = 2;

/// What the server of a playlist does, and what has come of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asking {
    /// The media sequence number that is waited for; `None`: the server answers at once.
    next: Option<u64>,
    target: Duration,
    /// How old a copy may be for a delta update on top of it.
    skip_within: Option<Duration>,
    copied: Option<Instant>,
    /// How often in a row it was asked to do more, and failed.
    failures: u8,
    /// The next load asks for nothing special.
    is_plain: bool,
    /// The load that runs waits for news.
    pub(crate) waits: bool,
    /// The load that runs may leave out what is known.
    pub(crate) skips: bool,
}

impl Asking {
    /// Takes note of a playlist that was read.
    pub(crate) fn read(&mut self, media: &Media, now: Instant) {
        let control = media.server_control.unwrap_or_default();
        if self.waits || self.skips {
            self.failures = 0;
        }
        self.is_plain = self.failures >= MOST_FAILURES;
        self.target = media.target_duration.unwrap_or_default();
        self.next = (control.can_block_reload && !media.ended).then(|| media.end_sequence());
        self.skip_within = control.can_skip_until.filter(|_| !media.ended).map(|until| until / 2);
        self.copied = Some(now);
    }

    /// A load has failed: the next one asks for nothing special.
    pub(crate) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(u8::from(self.waits || self.skips));
        (self.waits, self.skips, self.is_plain) = (false, false, true);
    }

    /// It was asked to wait for news, and answered without any at once: it is asked as any other from now on.
    pub(crate) fn did_not_wait(&mut self) {
        (self.failures, self.is_plain) = (MOST_FAILURES, true);
    }

    /// A delta update did not fit: the whole playlist is loaded next.
    pub(crate) fn does_not_fit(&mut self) {
        self.copied = None;
    }

    /// Whether the next load waits at the server, and not here.
    pub(crate) fn is_blocking(&self) -> bool {
        self.next.is_some() && !self.is_plain
    }

    /// The URL for the next load.
    pub(crate) fn url(&mut self, url: &Url, now: Instant) -> Url {
        let next = self.next.filter(|_| !self.is_plain);
        let is_fresh =
            self.skip_within.zip(self.copied).is_some_and(|(within, copied)| now - copied < within);
        self.waits = next.is_some();
        self.skips = is_fresh && !self.is_plain;
        if !self.waits && !self.skips {
            return url.clone();
        }
        // In the order of their names, so that copies on the way are shared (section 6.2.5).
        let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        pairs.retain(|(name, _)| !name.starts_with("_HLS_"));
        pairs.extend(next.map(|next| ("_HLS_msn".to_owned(), next.to_string())));
        pairs.extend(self.skips.then(|| ("_HLS_skip".to_owned(), "YES".to_owned())));
        pairs.sort();
        let mut asked = url.clone();
        asked.query_pairs_mut().clear().extend_pairs(pairs);
        asked
    }

    /// How long the answer may take: three target durations of waiting (section 6.2.5.2), and some for the way.
    pub(crate) fn patience(&self, plain: Duration) -> Duration {
        if self.waits { plain.saturating_add(self.target.min(LONGEST_TARGET) * 3) } else { plain }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(control: &str, end: &str) -> Media {
        let text = format!(
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:{control}\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:2,\na.ts\n{end}"
        );
        match hls_parse::parse(text.as_bytes(), &"https://h/i.m3u8".parse().unwrap()).unwrap().playlist {
            hls_parse::Playlist::Media(media) => media,
            _ => panic!("a media playlist"),
        }
    }

    #[test]
    fn it_is_asked_for_what_the_server_can_do() {
        let plain: Url = "https://h/i.m3u8?a=1&z=2".parse().unwrap();
        let now = Instant::now();
        for (control, end, later, query, waits) in [
            ("HOLD-BACK=6", "", 1, "a=1&z=2", false),
            ("CAN-BLOCK-RELOAD=YES", "", 1, "_HLS_msn=8&a=1&z=2", true),
            ("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12", "", 5, "_HLS_msn=8&_HLS_skip=YES&a=1&z=2", true),
            ("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12", "", 6, "_HLS_msn=8&a=1&z=2", true),
            ("CAN-SKIP-UNTIL=12", "", 5, "_HLS_skip=YES&a=1&z=2", false),
            ("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12", "#EXT-X-ENDLIST\n", 1, "a=1&z=2", false),
        ] {
            let mut asking = Asking::default();
            assert_eq!(asking.url(&plain, now), plain);
            asking.read(&media(control, end), now);
            let asked = asking.url(&plain, now + Duration::from_secs(later));
            assert_eq!((asked.query(), asking.waits), (Some(query), waits), "{control}");
            let patience = asking.patience(Duration::from_secs(10)).as_secs();
            assert_eq!(patience, if waits { 16 } else { 10 });
        }
    }

    #[test]
    fn a_server_that_can_not_do_what_it_says_is_not_asked_again() {
        let plain: Url = "https://h/i.m3u8".parse().unwrap();
        let now = Instant::now();
        let mut asking = Asking::default();
        asking.read(&media("CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12", ""), now);
        asking.does_not_fit();
        assert_eq!(asking.url(&plain, now).query(), Some("_HLS_msn=8"));
        for special in [true, false] {
            asking.failed();
            assert_eq!(asking.url(&plain, now), plain);
            asking.read(&media("CAN-BLOCK-RELOAD=YES", ""), now);
            assert_eq!((asking.is_blocking(), asking.url(&plain, now) != plain), (special, special));
        }
    }
}
