//! Content steering (rfc8216bis-22, section 7): when its manifest is loaded, and which pathway is the best one by it.

use std::time::{Duration, Instant};

use hls_parse::{PathwayClone, SteeringManifest};
use url::Url;

/// However short a manifest says it lasts, it is not loaded more often: a server that lies must not make its readers spin.
const SHORTEST_TTL: Duration = Duration::from_secs(1);
/// How long a manifest lasts that does not say (section 7.2).
const USUAL_TTL: Duration = Duration::from_secs(300);
/// For so long a pathway on which something failed is not gone back to, however good the manifest says it is.
const PENALTY: Duration = Duration::from_secs(120);

/// What a request for a manifest has come to.
#[derive(Debug)]
pub(crate) enum Answer {
    Manifest(SteeringManifest),
    /// There will be no other one.
    Over,
    /// What there was counts on; the server may have said when to ask again.
    Failed(Option<Duration>),
}

impl Answer {
    /// What a failed request means (section 7.4).
    pub(crate) fn failed(error: &hls_fetch::Error) -> Self {
        match error.kind() {
            hls_fetch::Kind::Status(410) | hls_fetch::Kind::Scheme(_) => Self::Over,
            hls_fetch::Kind::Status(429) => Self::Failed(error.retry_after()),
            _ => Self::Failed(None),
        }
    }
}

/// Where to ask for a manifest, and what came of it so far.
#[derive(Clone, Debug)]
pub(crate) struct Steering {
    url: Url,
    ttl: Duration,
    /// When the manifest is loaded next; `None`: while it is, and once there is no other.
    due: Option<Instant>,
    /// The pathways, the best one first; empty before the first manifest.
    order: Vec<String>,
    clones: Vec<PathwayClone>,
    /// Pathways on which something has failed, and until when that counts.
    failed: Vec<(String, Instant)>,
    /// There will be no other manifest.
    is_over: bool,
}

impl Steering {
    /// Steering by the manifest of this URL, which is due at once.
    pub(crate) fn new(url: Url, now: Instant) -> Self {
        let (order, clones, failed) = (Vec::new(), Vec::new(), Vec::new());
        Self { url, ttl: USUAL_TTL, due: Some(now), order, clones, failed, is_over: false }
    }

    /// When the manifest is loaded next, if it is.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A request begins; its answer has to come before there is another. `throughput` is in bits per second.
    pub(crate) fn begin(&mut self, pathway: &str, throughput: Option<u64>) -> Url {
        self.due = None;
        // What stands in the playlist is asked nothing.
        if self.url.scheme() == "data" {
            return self.url.clone();
        }
        let mut pairs: Vec<(String, String)> = self.url.query_pairs().into_owned().collect();
        pairs.retain(|(name, _)| !matches!(name.as_str(), "_HLS_pathway" | "_HLS_throughput"));
        pairs.push(("_HLS_pathway".to_owned(), format!("\"{pathway}\"")));
        pairs.extend(throughput.map(|bits| ("_HLS_throughput".to_owned(), bits.to_string())));
        pairs.sort();
        let mut url = self.url.clone();
        url.query_pairs_mut().clear().extend_pairs(pairs);
        url
    }

    /// A request has ended.
    pub(crate) fn answered(&mut self, answer: Answer, now: Instant) {
        let wait = match answer {
            Answer::Manifest(manifest) => {
                (self.url, self.ttl) = (manifest.reload_url, manifest.ttl.max(SHORTEST_TTL));
                (self.order, self.clones) = (manifest.pathway_priority, manifest.clones);
                self.ttl
            }
            Answer::Over => {
                self.is_over = true;
                return;
            }
            Answer::Failed(retry_after) => retry_after.unwrap_or(self.ttl).max(SHORTEST_TTL),
        };
        self.due = now.checked_add(wait);
    }

    /// A request that may be under way will not be heard of any more.
    pub(crate) fn abandoned(&mut self, now: Instant) {
        if self.due.is_none() && !self.is_over {
            self.due = now.checked_add(self.ttl);
        }
    }

    /// What is on a pathway could not be had.
    pub(crate) fn has_failed(&mut self, pathway: &str, now: Instant) {
        self.failed.retain(|(known, until)| known != pathway && *until > now);
        self.failed.push((pathway.to_owned(), now + PENALTY));
    }

    /// Pathways that are made of others.
    pub(crate) fn clones(&self) -> &[PathwayClone] {
        &self.clones
    }

    /// How far behind the best one a pathway is: those that failed lately behind all others, and those that the manifest does
    /// not name behind those it names.
    pub(crate) fn rank(&self, pathway: &str, now: Instant) -> (bool, usize) {
        let has_failed = self.failed.iter().any(|(known, until)| known == pathway && *until > now);
        let place = self.order.iter().position(|known| known == pathway);
        (has_failed, place.unwrap_or(self.order.len()))
    }

    /// The pathway to take in place of `here`, if one of these is better.
    pub(crate) fn better<'p>(
        &self,
        here: &str,
        among: impl IntoIterator<Item = &'p str>,
        now: Instant,
    ) -> Option<&'p str> {
        if self.order.is_empty() {
            return None;
        }
        let best = among.into_iter().min_by_key(|pathway| self.rank(pathway, now))?;
        (self.rank(best, now) < self.rank(here, now)).then_some(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn manifest(json: &str) -> Answer {
        let base = url("https://steer.example/m/a.json?s=1");
        Answer::Manifest(SteeringManifest::parse(json, &base, &hls_parse::Limits::default()).unwrap())
    }

    fn status(status: u16) -> Answer {
        Answer::failed(&hls_fetch::Error::new(hls_fetch::Kind::Status(status)))
    }

    #[test]
    fn when_it_is_loaded_again() {
        let lasts = |ttl: &str| manifest(&format!("{{\"VERSION\":1,{ttl}\"PATHWAY-PRIORITY\":[\"a\"]}}"));
        for (answers, waits) in [
            (vec![lasts("\"TTL\":10,"), lasts("\"TTL\":20,")], &[Some(10), Some(20)][..]),
            (vec![lasts("")], &[Some(300)]),
            // Lies.
            (vec![lasts("\"TTL\":0.001,")], &[Some(1)]),
            (vec![status(503), lasts("\"TTL\":10,"), status(503)], &[Some(300), Some(10), Some(10)]),
            (vec![lasts("\"TTL\":10,"), status(429)], &[Some(10), Some(10)]),
            (vec![Answer::Failed(Some(SECOND * 40))], &[Some(40)]),
            (vec![Answer::Failed(Some(Duration::ZERO))], &[Some(1)]),
            (vec![lasts("\"TTL\":10,"), status(410)], &[Some(10), None]),
            (vec![Answer::failed(&hls_fetch::Error::new(hls_fetch::Kind::Scheme("data".into())))], &[None]),
        ] {
            let mut now = Instant::now();
            let mut steering = Steering::new(url("https://h/s"), now);
            let mut came = Vec::new();
            for answer in answers {
                assert_eq!(steering.due(), Some(now));
                steering.begin("a", None);
                // There is never a second request beside the first one.
                assert_eq!(steering.due(), None);
                now += SECOND / 5;
                steering.answered(answer, now);
                let wait = steering.due().map(|due| due - now);
                came.push(wait.map(|wait| wait.as_secs()));
                now += wait.unwrap_or_default();
            }
            assert_eq!(came, waits);
        }
    }

    #[test]
    fn a_request_that_nobody_heard_the_end_of_counts_as_one() {
        let now = Instant::now();
        for (answer, due) in [(None, Some(USUAL_TTL)), (Some(Answer::Over), None)] {
            let mut steering = Steering::new(url("https://h/s"), now);
            steering.abandoned(now);
            assert_eq!(steering.due(), Some(now));
            steering.begin("a", None);
            answer.into_iter().for_each(|answer| steering.answered(answer, now));
            steering.abandoned(now);
            assert_eq!(steering.due().map(|due| due - now), due);
        }
    }

    #[test]
    fn how_it_is_asked_for() {
        let mut steering = Steering::new(url("https://h/s?z=1&_HLS_pathway=x&a=2"), Instant::now());
        for (throughput, answer, query) in [
            (None, r#"{"VERSION":1,"PATHWAY-PRIORITY":["a"]}"#, "_HLS_pathway=%22a+b%22&a=2&z=1"),
            (
                Some(5000),
                r#"{"VERSION":1,"RELOAD-URI":"../n?t=1","PATHWAY-PRIORITY":["a"]}"#,
                "_HLS_pathway=%22a+b%22&_HLS_throughput=5000&s=1",
            ),
            (None, r#"{"VERSION":1,"PATHWAY-PRIORITY":["a"]}"#, "_HLS_pathway=%22a+b%22&t=1"),
        ] {
            assert_eq!(steering.begin("a b", throughput).query(), Some(query));
            steering.answered(manifest(answer), Instant::now());
        }
    }

    #[test]
    fn which_pathway_is_taken() {
        let now = Instant::now();
        let all = ["a", "b", "c"];
        for (order, failed, here, takes) in [
            (r#"["b","a"]"#, &[][..], "a", Some("b")),
            (r#"["b","a"]"#, &[], "b", None),
            // One that is not there, and one that is not named.
            (r#"["x","c","a"]"#, &[], "a", Some("c")),
            (r#"["x"]"#, &[], "a", None),
            (r#"["b"]"#, &[], "c", Some("b")),
            // What failed lately is not gone back to, unless all has.
            (r#"["a","b"]"#, &["a"], "b", None),
            (r#"["a","b"]"#, &["a"], "c", Some("b")),
            (r#"["a","b"]"#, &["a", "b", "c"], "b", Some("a")),
        ] {
            let mut steering = Steering::new(url("https://h/s"), now);
            assert_eq!(steering.better(here, all, now), None);
            steering.answered(manifest(&format!("{{\"VERSION\":1,\"PATHWAY-PRIORITY\":{order}}}")), now);
            failed.iter().for_each(|pathway| steering.has_failed(pathway, now));
            assert_eq!(
                steering.better(here, all, now + PENALTY - SECOND),
                takes,
                "{order} {failed:?} {here}"
            );
            if failed.len() == 1 {
                assert_eq!(steering.better(here, all, now + PENALTY), Some("a"));
            }
        }
    }
}
