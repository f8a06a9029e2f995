//! A unit that has begun and is not whole: what it takes to go on with it, in this process or another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls_crypto::{CbcDecryptor, Iv, Key};
use hls_fetch::{ByteRange, Digest, DigestCheck, Response};
use hls_state::{Fingerprint, Mark, Partial};
use url::Url;

use crate::error::Error;
use crate::transfer::buffer_pool::Buffers;
use crate::transfer::pipeline::{Pipeline, Whole};
use crate::transfer::resources::Validators;

/// Marks are at least this far apart.
const MARK_EVERY: Duration = Duration::from_millis(500);
/// Longer entity tags are not used.
const LONGEST_TAG: usize = 1024;

/// The first bytes of a unit, all of which are where they belong.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) pipeline: Pipeline,
    /// Bytes of the body that were taken: an offset in what the server sends.
    pub(crate) taken: u64,
    /// Bytes that went on to the output.
    pub(crate) bytes: u64,
    /// What the pipeline has passed and the output has not taken yet.
    pub(crate) in_hand: Vec<Bytes>,
    /// Strong, so that equal means equal byte for byte (RFC 9110 section 8.8.1). Without one a unit starts over.
    etag: Option<String>,
    /// What else is said of it: servers make strong tags of a second and a length, so that a file that is written twice within
    /// one has the same.
    said: Validators,
    /// Compares what comes with the digest that the server sent.
    digest: Option<DigestCheck>,
    /// Which resource the tag is of.
    resource: u128,
    /// Where the chain of ciphertext goes on, until the key is at hand.
    chain: Option<Iv>,
    marked: Instant,
    marked_bytes: u64,
}

impl Begun {
    /// Nothing of it is there yet.
    pub(crate) fn new(
        pipeline: Pipeline,
        url: &Url,
        strong_etag: Option<String>,
        (said, digest): (&Validators, Option<Digest>),
    ) -> Self {
        let etag = strong_etag.filter(|tag| tag.len() <= LONGEST_TAG);
        let (resource, marked) = (resource(url), Instant::now());
        Self {
            pipeline,
            taken: 0,
            bytes: 0,
            in_hand: Vec::new(),
            etag,
            said: *said,
            digest: digest.map(Digest::check),
            resource,
            chain: None,
            marked,
            marked_bytes: 0,
        }
    }

    /// Reads what an earlier run left of a unit. `None`: it is not what the mark says, or comes from elsewhere.
    pub(crate) fn replayed(partial: &Partial, url: &Url, name: String, buffers: Buffers) -> Option<Self> {
        let note = Note::read(&partial.mark.note).filter(|note| note.resource == resource(url))?;
        let mut pipeline = Pipeline::new(None, false, name, buffers);
        let mut is_media = true;
        let right = partial.replay(|piece| is_media &= pipeline.replay(piece).is_ok());
        let len = partial.mark.len;
        (right && is_media).then(|| Self {
            pipeline,
            taken: len,
            bytes: len,
            in_hand: Vec::new(),
            etag: Some(note.etag),
            said: note.said,
            // Of what an earlier run left, the bytes of the body are not at hand.
            digest: None,
            resource: note.resource,
            chain: Some(Iv::from_bytes(note.chain)),
            marked: Instant::now(),
            marked_bytes: len,
        })
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// They are not what they should be.
    pub(crate) fn receive(&mut self, chunk: Bytes) -> Result<(), Error> {
        self.taken += chunk.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(&chunk);
        }
        self.pipeline.push(chunk, &mut self.in_hand)
    }

    /// Ends the unit: all of its body has come.
    ///
    /// # Errors
    /// It is not what it should be.
    pub(crate) fn finish(self) -> Result<Whole, Error> {
        let has_digest = self.digest.map(DigestCheck::matches);
        let mut whole = self.pipeline.finish()?;
        whole.rest.splice(..0, self.in_hand);
        Ok(Whole { has_digest, ..whole })
    }

    /// The output has taken the first part of what was in hand.
    pub(crate) fn handed_on(&mut self) {
        self.bytes +=
            self.in_hand.drain(..1.min(self.in_hand.len())).map(|part| part.len() as u64).sum::<u64>();
    }

    /// Another attempt goes on with it.
    pub(crate) fn go_on(&mut self, key: Option<&Key>) {
        if let (Some(key), Some(chain)) = (key, self.chain.take()) {
            self.pipeline.decrypt_with(CbcDecryptor::new(key, &chain));
        }
    }

    /// Whether another attempt may go on with it.
    pub(crate) fn can_go_on(&self) -> bool {
        self.etag.is_some() && self.taken > 0
    }

    /// What is still to be had, and on which condition. `None`: nothing that could be asked for.
    pub(crate) fn rest(&self, of: Option<ByteRange>) -> Option<(ByteRange, String)> {
        let start = of.map_or(0, |range| range.start).checked_add(self.taken)?;
        let range = ByteRange { start, end: of.and_then(|range| range.end) };
        let left = range.end.is_none_or(|end| start < end);
        Some((range, self.etag.clone()?)).filter(|_| left)
    }

    /// Whether the answer is the rest of the same representation: a server that ignores the condition is not believed.
    /// Where the unit is all of a resource, the answer has to say how long that is: a server may send less than was asked for.
    pub(crate) fn is_continued_by(&self, answer: &Response, of: Option<ByteRange>) -> bool {
        let has_end = answer.total.is_some() || of.is_some_and(|range| range.end.is_some());
        let is_same_tag = answer.strong_etag.is_some() && answer.strong_etag == self.etag;
        answer.status == 206 && has_end && is_same_tag && self.said.is_same(&Validators::of(answer))
    }

    /// How long until the next mark is due; `None` where there is nothing to mark.
    pub(crate) fn next_mark(&self) -> Option<Duration> {
        let can_go_on = self.etag.is_some() && self.in_hand.is_empty() && self.pipeline.can_be_replayed();
        let unmarked = can_go_on && self.bytes > self.marked_bytes;
        unmarked.then(|| MARK_EVERY.saturating_sub(self.marked.elapsed()))
    }

    /// A mark at what has been handed on; `None` where the pipeline has passed more than that, or nothing could go on.
    pub(crate) fn mark(&mut self) -> Option<Mark> {
        if !self.in_hand.is_empty() || !self.pipeline.can_be_replayed() {
            return None;
        }
        (self.marked, self.marked_bytes) = (Instant::now(), self.bytes);
        let etag = self.etag.clone().filter(|_| self.bytes > 0)?;
        let chain = self.pipeline.chain().or(self.chain).map_or([0; 16], |chain| *chain.as_bytes());
        let note = Note { chain, resource: self.resource, etag, said: self.said }.written();
        Some(Mark { len: self.bytes, hash: self.pipeline.hash(), note })
    }
}

/// What a mark needs beside the bytes.
#[derive(Debug, PartialEq, Eq)]
struct Note {
    chain: [u8; 16],
    resource: u128,
    etag: String,
    said: Validators,
}

/// Stands between the tag and what else is said, and in no tag (RFC 9110 section 8.8.3). Older notes end with the tag.
const SEPARATOR: u8 = b'\t';

impl Note {
    fn written(&self) -> Arc<[u8]> {
        let said = self.said.written();
        [&self.chain[..], &self.resource.to_le_bytes(), self.etag.as_bytes(), &[SEPARATOR], &said]
            .concat()
            .into()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (chain, rest) = bytes.split_first_chunk::<16>()?;
        let (resource, rest) = rest.split_first_chunk::<16>()?;
        let mut parts = rest.splitn(2, |byte| *byte == SEPARATOR);
        let (etag, said) =
            (parts.next()?, parts.next().map_or(Some(Validators::default()), Validators::read)?);
        let etag = String::from_utf8(etag.to_vec()).ok().filter(|tag| tag.len() <= LONGEST_TAG)?;
        Some(Self { chain: *chain, resource: u128::from_le_bytes(*resource), etag, said })
    }
}

/// An entity tag tells the representations of one resource apart (RFC 9110 section 8.8.3): it says nothing about another
/// server, and nothing about the same path with another query either. A hash, for a query may be a secret.
fn resource(url: &Url) -> u128 {
    Fingerprint::of(url[..url::Position::AfterQuery].as_bytes()).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_back() {
        let said = Validators::of_length(Some(0x0909));
        let note = Note { chain: [7; 16], resource: 5, etag: "\"tag\"".into(), said };
        let written = note.written();
        assert_eq!(Note::read(&written), Some(note));
        // As an earlier version wrote it.
        let older =
            written.iter().position(|byte| *byte == SEPARATOR).and_then(|at| Note::read(&written[..at]));
        assert_eq!(older.map(|note| (note.etag, note.said)), Some(("\"tag\"".into(), Validators::default())));
        for bad in [&[][..], &[0; 31], &[&[0; 32][..], &[0xff]].concat(), &[b'a'; 33 + LONGEST_TAG]] {
            assert_eq!(Note::read(bad), None);
        }
    }

    #[test]
    fn only_the_same_representation_is_gone_on_with() {
        let url: Url = "https://h/1.ts".parse().unwrap();
        let answer = |tag: Option<&str>, date: Option<&str>, total: Option<u64>| {
            let body = hls_fetch::BoxBody::new(hls_fetch::Chunks::default());
            let mut answer = Response::new(206, url.clone(), None, body);
            (answer.strong_etag, answer.etag) = (tag.map(str::to_owned), tag.map(str::to_owned));
            (answer.last_modified, answer.total) = (date.map(str::to_owned), total);
            answer
        };
        let (tag, date) = (Some("\"a\""), Some("Mon, 02 Nov 2026 08:00:00 GMT"));
        let first = answer(tag, date, Some(100));
        let pipeline = Pipeline::new(None, false, String::new(), Buffers::default());
        let begun = Begun::new(pipeline, &url, first.strong_etag.clone(), (&Validators::of(&first), None));
        for (then, goes_on) in [
            (answer(tag, date, Some(100)), true),
            (answer(tag, None, Some(100)), true),
            (answer(tag, Some("Mon, 02 Nov 2026 08:00:01 GMT"), Some(100)), false),
            (answer(tag, date, Some(101)), false),
            (answer(tag, date, None), false),
            (answer(Some("\"b\""), date, Some(100)), false),
            (answer(None, date, Some(100)), false),
        ] {
            assert_eq!(begun.is_continued_by(&then, None), goes_on, "{then:?}");
        }
    }

    #[test]
    fn the_rest_of_a_range() {
        let url = "https://h/1.ts".parse().unwrap();
        let pipeline = || Pipeline::new(None, false, String::new(), Buffers::default());
        let begun = |taken| Begun {
            taken,
            ..Begun::new(pipeline(), &url, Some("\"a\"".into()), (&Validators::default(), None))
        };
        for (range, taken, expect) in [
            (None, 10, Some("bytes=10-")),
            (ByteRange::new(100, 50), 10, Some("bytes=110-149")),
            (ByteRange::new(100, 50), 50, None),
            (ByteRange::new(100, 50), u64::MAX, None),
        ] {
            let rest = begun(taken).rest(range).map(|(range, _)| range.header());
            assert_eq!(rest.as_deref(), expect);
        }
    }
}
