//! What servers say of resources: by that, the parts of one resource are known to be parts of the same bytes, in this run and
//! across runs.
//!
//! A resource that is fetched in byte ranges may be replaced between two of them, and then they do not belong together. What
//! tells is its length, its strong entity tag and the time it was modified:
//!
//! - Another length is another resource, whatever else is said.
//! - The same strong tag is the same resource (RFC 9110 section 8.8.1), whatever its time: copies of it have times of their own.
//! - Without two strong tags, the same time is the same resource: weak tags differ between servers that compress or not.
//! - Another strong tag, or without such another time, or the one where the other was, is a doubt: a resource that was replaced looks like that, and so do
//!   several servers under one name that make tags of what only they know. So the same part is asked for again, over other
//!   connections. Where an answer comes with yet other words and the same bytes, both are being served at this time, and
//!   those words tell nothing. Where all answers have the new words, the resource was replaced.
//! - An answer without any words can't be compared where all others had some, or where it holds all of the resource and all others were
//!   parts, or the other way round. So the first part is asked for again, and this one where that does not come in the same way: their bytes
//!   tell.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hls_crypto::{CbcDecryptor, Iv, Key};
use hls_fetch::{ByteRange, Oddity, Response};
use hls_state::Fingerprint;
use url::Url;

use crate::error::Error;
use crate::place::Place;
use crate::policy::doubt::DAMAGED;
use crate::policy::plan::{Track, Unit};
use crate::transfer::attempt::{Shared, Transport, Way};
use crate::transfer::ciphertext::request_for;
use crate::transfer::pipeline::Pipeline;

/// A doubt is settled with so many requests at most.
const MOST_REQUESTS: usize = 3;
/// When so many doubts have proved unfounded, the words of a resource tell nothing.
const MOST_DOUBTS: u8 = 3;
/// So many different words are kept of a resource.
const MOST_SEEN: usize = 8;

/// What a server says of a resource: hashes, as tags can be long and may tell more than is to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    etag: Option<u64>,
    /// The tag is fit to tell bytes apart.
    is_strong: bool,
    modified: Option<u64>,
    /// How long the whole resource is.
    pub(crate) total: Option<u64>,
    /// All of the resource was sent for a part of it. `None`: that is not known.
    is_whole: Option<bool>,
}

impl Validators {
    pub(crate) fn of(answer: &Response) -> Self {
        let hash = |text: &str| Fingerprint::of(text.as_bytes()).0 as u64;
        let opaque = answer.etag.as_deref().map(|tag| hash(tag.strip_prefix("W/").unwrap_or(tag)));
        Self {
            etag: opaque,
            is_strong: answer.strong_etag.is_some(),
            modified: answer.last_modified.as_deref().map(hash),
            total: answer.total,
            is_whole: match answer.oddity {
                Some(Oddity::Whole) => Some(true),
                None if answer.status == 206 => Some(false),
                _ => None,
            },
        }
    }

    /// What is said where only a length is.
    pub(crate) fn of_length(total: Option<u64>) -> Self {
        Self { total, ..Self::default() }
    }

    /// Whether it says anything.
    pub(crate) fn is_telling(&self) -> bool {
        self.etag.is_some() || self.modified.is_some() || self.total.is_some()
    }

    /// Whether the lengths are different ones.
    pub(crate) fn is_other_length(&self, other: &Self) -> bool {
        self.total.zip(other.total).is_some_and(|(a, b)| a != b)
    }

    /// Whether both can be said of the same bytes.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        if self.is_other_length(other) {
            return false;
        }
        let is_same_tag = self.etag.zip(other.etag).map(|(a, b)| a == b);
        let is_same_time = self.modified.zip(other.modified).map(|(a, b)| a == b);
        match (is_same_tag, is_same_time) {
            (Some(true), _) => true,
            (Some(false), _) if self.is_strong && other.is_strong => false,
            (_, Some(is_same)) => is_same,
            (Some(false), None) => false,
            // Where the one has only a tag and the other only a time, somebody else speaks.
            (None, None) => !(self.is_worded() && other.is_worded()),
        }
    }

    /// Whether more is said than a length.
    fn is_worded(&self) -> bool {
        self.etag.is_some() || self.modified.is_some()
    }

    /// Tells whether nothing in it can be compared with what all these say, though they agree among themselves.
    fn is_vague(&self, beside: &[Self]) -> bool {
        let has_lost_words = beside.iter().all(Self::is_worded);
        let is_other_way =
            self.is_whole.is_some_and(|way| beside.iter().all(|other| other.is_whole == Some(!way)));
        !beside.is_empty() && !self.is_worded() && (has_lost_words || is_other_way)
    }

    /// Whether nothing that both say is different: tags aside, which are compared as they are.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        !self.is_other_length(other) && self.modified.zip(other.modified).is_none_or(|(a, b)| a == b)
    }

    /// What is kept for the next run: a byte of flags, and each of the three in eight.
    pub(crate) fn written(&self) -> Vec<u8> {
        let flags = [self.etag.is_some(), self.is_strong, self.modified.is_some(), self.total.is_some()];
        let flags = (0..).zip(flags).fold(0_u8, |all, (n, flag)| all | u8::from(flag) << n);
        let fields =
            [self.etag, self.modified, self.total].map(|field| field.unwrap_or_default().to_le_bytes());
        [&[flags][..], &fields.concat()].concat()
    }

    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (flags, rest) = text.split_first()?;
        let mut fields = rest.as_chunks::<8>().0.iter().map(|field| u64::from_le_bytes(*field));
        let mut next = |bit: u8| fields.next().map(|field| (flags & 1 << bit != 0).then_some(field));
        let (etag, modified, total) = (next(0)?, next(2)?, next(3)?);
        Some(Self { etag, is_strong: flags & 2 != 0, modified, total, is_whole: None })
    }
}

/// What is to be thought of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs to what is there.
    Same,
    /// It may be of another resource.
    Doubtful,
    /// What it says can't be compared.
    Vague,
    /// It is.
    Changed,
}

/// What servers have said of the resources that are fetched in parts.
#[derive(Debug, Default)]
pub(crate) struct Resources {
    known: Mutex<HashMap<u128, Known>>,
    /// Held while a part is compared: what comes of it is for all that came at the same time.
    comparing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    seen: Vec<Validators>,
    first: Option<First>,
    /// Doubts that have proved unfounded.
    unfounded: u8,
}

/// The first part of a resource that came whole.
#[derive(Clone, Debug)]
struct First {
    unit: Box<Unit>,
    hash: Fingerprint,
    /// Its hash is that of its bytes, and not of the piece that is made of it.
    as_it_comes: bool,
}

impl Known {
    fn judge(&self, said: &Validators) -> Verdict {
        if self.seen.iter().any(|seen| seen.is_other_length(said)) {
            return Verdict::Changed;
        }
        let agrees = self.seen.is_empty() || self.seen.iter().any(|seen| seen.agrees(said));
        match agrees {
            _ if self.unfounded >= MOST_DOUBTS => Verdict::Same,
            true if said.is_vague(&self.seen) => Verdict::Vague,
            true => Verdict::Same,
            false => Verdict::Doubtful,
        }
    }

    fn learn(&mut self, said: Validators) {
        if !self.seen.contains(&said) && self.seen.len() < MOST_SEEN {
            self.seen.push(said);
        }
    }
}

impl Resources {
    /// Judges what is said of a part that is on its way.
    pub(crate) fn judge(&self, url: &Url, said: &Validators) -> Verdict {
        self.all().get(&key(url)).map_or(Verdict::Same, |known| known.judge(said))
    }

    /// Judges again what is said of a part that is whole, and takes it for the truth where nothing is against it.
    pub(crate) fn settle(&self, url: &Url, said: Validators) -> Verdict {
        let mut all = self.all();
        let known = all.entry(key(url)).or_default();
        let verdict = known.judge(&said);
        if verdict == Verdict::Same {
            known.learn(said);
        }
        verdict
    }

    /// Keeps a part of a resource that came whole, where none is kept yet.
    fn keep_first(&self, unit: &Unit, hash: Fingerprint, as_it_comes: bool) {
        let mut all = self.all();
        let known = all.entry(key(&unit.url)).or_default();
        known.first.get_or_insert_with(|| First { unit: Box::new(unit.clone()), hash, as_it_comes });
    }

    fn first(&self, url: &Url) -> Option<First> {
        self.all().get(&key(url))?.first.clone()
    }

    /// A doubt has proved unfounded: both of these are said of the same bytes.
    fn believe(&self, url: &Url, both: [Validators; 2]) {
        let mut all = self.all();
        let known = all.entry(key(url)).or_default();
        known.unfounded = known.unfounded.saturating_add(1);
        both.into_iter().for_each(|said| known.learn(said));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u128, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which resource a URL is of. A hash, for a query may be a secret.
fn key(url: &Url) -> u128 {
    Fingerprint::of(url[..url::Position::AfterQuery].as_bytes()).0
}

/// Whether the parts of a resource have to belong together: one that a stream still writes to grows with each part.
pub(crate) fn is_part(unit: &Unit) -> bool {
    unit.range.is_some() && unit.live.is_none()
}

impl Shared {
    /// Keeps what the server says of a unit, so that the next run can tell whether it is still the same. What a live stream
    /// had is gone by then.
    pub(crate) fn remember(&self, place: Place, unit: &Unit, said: &Validators) {
        if unit.live.is_none() && said.is_telling() {
            let unit = hls_state::Unit { output: place.track, index: place.index, identity: unit.identity };
            self.writer.remark(unit, said.written());
        }
    }
}

impl Transport {
    /// Refuses an answer that is known to be of another resource than the parts that are there.
    pub(crate) fn judge(&self, unit: &Unit, said: &Validators) -> Result<(), Error> {
        match is_part(unit) && self.resources.judge(&unit.url, said) == Verdict::Changed {
            true => Err(Error::resource_changed(&unit.url)),
            false => Ok(()),
        }
    }

    /// Makes sure that a part that is whole belongs to those that are there.
    pub(crate) async fn settle(
        &self,
        (track, unit): (&Track, &Unit),
        (said, hash): (Validators, Fingerprint),
        key: Option<&Key>,
        way: &Way,
    ) -> Result<(), Error> {
        if !is_part(unit) {
            return Ok(());
        }
        let verdict = self.resources.settle(&unit.url, said);
        if verdict == Verdict::Same {
            self.resources.keep_first(unit, hash, way.as_it_comes);
        }
        match verdict {
            Verdict::Same => Ok(()),
            Verdict::Vague => {
                let _turn = self.resources.comparing.lock().await;
                match self.resources.settle(&unit.url, said) {
                    Verdict::Vague => Box::pin(self.compare((track, unit), (said, hash), key, way)).await,
                    Verdict::Same => Ok(()),
                    Verdict::Changed | Verdict::Doubtful => Err(Error::resource_changed(&unit.url)),
                }
            }
            Verdict::Changed => Err(Error::resource_changed(&unit.url)),
            // On the heap: most attempts have no need of it.
            Verdict::Doubtful => Box::pin(self.prove((track, unit), (said, hash), key, way)).await,
        }
    }

    /// Asks for a part again until an answer has other validators than the first one. Where the bytes are the same, both are
    /// validators of one resource.
    async fn prove(
        &self,
        (track, unit): (&Track, &Unit),
        (said, hash): (Validators, Fingerprint),
        key: Option<&Key>,
        way: &Way,
    ) -> Result<(), Error> {
        for _ in 0..MOST_REQUESTS {
            let request = request_for(track, unit).fresh_connection();
            let failed = |e| Error::fetch("segment", &track.name(unit), e);
            let answer = self.fetch.fetch(request).await.map_err(failed)?;
            let again = Validators::of(&answer);
            if again.is_other_length(&said) {
                return Err(Error::resource_changed(&unit.url));
            }
            if again.agrees(&said) {
                continue;
            }
            if self.hash_of((track, unit), answer, key, way).await? != hash {
                return Err(Error::resource_changed(&unit.url));
            }
            self.resources.believe(&unit.url, [said, again]);
            return Ok(());
        }
        Err(Error::resource_changed(&unit.url))
    }

    /// Asks for the first part of a resource again, and for this one where that comes in another way, and compares their bytes.
    async fn compare(
        &self,
        (track, unit): (&Track, &Unit),
        (said, hash): (Validators, Fingerprint),
        key: Option<&Key>,
        way: &Way,
    ) -> Result<(), Error> {
        let key_of = |unit: &Unit| unit.cipher.as_ref().map(|cipher| cipher.key.clone());
        // Under another key, or as a piece, its hash would be another one.
        let is_comparable = |first: &First| {
            key_of(unit) == key_of(&first.unit)
                && first.as_it_comes == way.as_it_comes
                && first.unit.range != unit.range
        };
        let Some(first) = self.resources.first(&unit.url).filter(is_comparable) else {
            self.resources.believe(&unit.url, [said; 2]);
            return Ok(());
        };
        // The first part, if it comes in that way too; else the same bytes of this one, however they come.
        for (unit, hash, is_any) in [(&*first.unit, first.hash, false), (unit, hash, true)] {
            let request = request_for(track, unit).fresh_connection();
            let failed = |e| Error::fetch("segment", &track.name(unit), e);
            let answer = self.fetch.fetch(request).await.map_err(failed)?;
            let again = Validators::of(&answer);
            if is_any || again.is_worded() == said.is_worded() && again.is_whole == said.is_whole {
                match self.hash_of((track, unit), answer, key, way).await? == hash {
                    true => self.resources.believe(&unit.url, [said; 2]),
                    false if is_any => {
                        let message = format!("{} was another one the second time", track.name(unit));
                        return Err(Error::content(DAMAGED, message));
                    }
                    false => return Err(Error::resource_changed(&unit.url)),
                }
                break;
            }
        }
        Ok(())
    }

    /// Reads a part to its end. Returns the hash of what it is in the output.
    async fn hash_of(
        &self,
        (track, unit): (&Track, &Unit),
        answer: Response,
        key: Option<&Key>,
        way: &Way,
    ) -> Result<Fingerprint, Error> {
        let failed = |e| Error::fetch("segment", &track.name(unit), e);
        let mut body = answer.body;
        let iv = unit.cipher.as_ref().map(|cipher| Iv::from_bytes(cipher.iv));
        let decryptor = key.zip(iv).map(|(key, iv)| CbcDecryptor::new(key, &iv));
        let pipeline = Pipeline::new(decryptor, false, track.name(unit), self.buffers.clone());
        let pieces = track.pieces.as_ref().filter(|_| !way.as_it_comes);
        let mut pipeline = pipeline.into_pieces(pieces, way.may_be_unfit).admitting(track.mp4);
        let mut passed = Vec::new();
        while let Some(chunk) = body.next().await.map_err(failed)? {
            self.meters.receive(chunk.len() as u64);
            // Only its hash counts.
            pipeline.push(chunk, &mut passed)?;
            passed.clear();
        }
        Ok(pipeline.finish()?.hash)
    }

    /// What a server says of a unit now, for one byte. `None`: it can't be asked that, or sends all of it for that byte.
    pub(crate) async fn said_of(&self, track: &Track, unit: &Unit) -> Option<Validators> {
        let byte = ByteRange::new(unit.range.map_or(0, |range| range.start), 1);
        let request = request_for(track, unit).range(byte);
        if let Some(said) = self.wholes.said(&request) {
            return Some(said).filter(Validators::is_telling);
        }
        match self.fetch.fetch(request).await {
            Ok(answer) if answer.oddity == Some(Oddity::Whole) => None,
            Ok(answer) => Some(Validators::of(&answer)).filter(Validators::is_telling),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"strong" time length`, `W/weak`, or `-` for nothing.
    fn said(text: &str) -> Validators {
        let mut fields = text.split(' ').map(|field| Some(field).filter(|field| *field != "-"));
        let mut next = || fields.next().flatten();
        let hash = |text: &str| Fingerprint::of(text.as_bytes()).0 as u64;
        let (tag, time, total) = (next(), next(), next());
        Validators {
            etag: tag.map(|tag| hash(tag.strip_prefix("W/").unwrap_or(tag))),
            is_strong: tag.is_some_and(|tag| !tag.starts_with("W/")),
            modified: time.map(hash),
            total: total.and_then(|total| total.parse().ok()),
            is_whole: None,
        }
    }

    #[test]
    fn what_is_evidence() {
        use Verdict::{Changed, Doubtful, Same, Vague};
        for (first, then, expect) in [
            ("a t1 10", "a t1 10", Same),
            ("a t1 10", "b t2 11", Changed),
            ("a t1 10", "a t1 11", Changed),
            ("- - 10", "- - 11", Changed),
            ("- - 10", "- - 10", Same),
            ("- - 10", "- - -", Same),
            // Copies of one file under one name.
            ("a t1 10", "a t2 10", Same),
            ("W/a t1 10", "W/b t1 10", Same),
            ("W/a t1 10", "a t1 10", Same),
            ("W/a t1 10", "b t1 10", Same),
            ("W/a t1 10", "W/a t2 10", Same),
            // A file that was replaced, or several servers: asked for again.
            ("a t1 10", "b t1 10", Doubtful),
            ("a t1 10", "b t2 10", Doubtful),
            ("a - 10", "b - 10", Doubtful),
            ("a - -", "b - -", Doubtful),
            ("- t1 10", "- t2 10", Doubtful),
            ("W/a t1 10", "W/b t2 10", Doubtful),
            ("W/a - 10", "W/b - 10", Doubtful),
            ("a t1 10", "- t2 10", Doubtful),
            // Nothing to compare.
            ("a - 10", "- t1 10", Doubtful),
            // The words are gone.
            ("a - 10", "- - 10", Vague),
            ("a t1 10", "- - 10", Vague),
            ("- t1 10", "a t1 10", Same),
            ("- - -", "a t1 10", Same),
        ] {
            let (resources, url) = (Resources::default(), "http://h/all.ts?k=1".parse().unwrap());
            assert_eq!(resources.judge(&url, &said(first)), Same);
            assert_eq!(resources.settle(&url, said(first)), Same);
            for _ in 0..2 {
                assert_eq!(resources.judge(&url, &said(then)), expect, "{first}, {then}");
                assert_eq!(resources.settle(&url, said(then)), expect, "{first}, {then}");
            }
            let other = "http://h/all.ts?k=2".parse().unwrap();
            assert_eq!(resources.settle(&other, said(then)), Same, "another resource");
        }
    }

    #[test]
    fn words_that_have_proved_to_tell_nothing_are_not_listened_to() {
        let (resources, url) = (Resources::default(), "http://h/all.ts".parse().unwrap());
        resources.settle(&url, said("a t1 10"));
        for (n, next) in ["b t2 10", "c t3 10", "d t4 10"].into_iter().enumerate() {
            assert_eq!(resources.settle(&url, said(next)), Verdict::Doubtful, "{n}");
            resources.believe(&url, [said("a t1 10"), said(next)]);
            assert_eq!(resources.settle(&url, said(next)), Verdict::Same, "{n}");
        }
        assert_eq!(resources.settle(&url, said("e t5 10")), Verdict::Same);
        assert_eq!(resources.settle(&url, said("e t5 11")), Verdict::Changed, "a length tells always");
    }

    #[test]
    fn what_was_said_is_read_back() {
        for text in ["a t1 10", "W/a - -", "- t1 -", "- - 18446744073709551615", "- - -"] {
            assert_eq!(Validators::read(&said(text).written()), Some(said(text)), "{text}");
        }
        assert!(said("a t1 10").written().len() <= 64);
        for bad in [&[][..], &[0xff], &[0; 24]] {
            assert_eq!(Validators::read(bad), None);
        }
    }
}
