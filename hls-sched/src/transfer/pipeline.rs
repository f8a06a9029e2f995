//! The way of a unit's bytes between socket and output: decrypt, recognise, verify, hash.

use std::sync::Arc;

use bytes::Bytes;
use hls_crypto::{CbcDecryptor, DecryptError, Iv};
use hls_media::remux::{Admission, MayLack, RemuxError, Takes, UnitRemuxer, UnitTracks};
use hls_media::{Container, MediaError, Summary, Verifier};
use hls_state::{Fingerprint, Hasher};

use crate::error::{Error, Kind};
use crate::policy::plan::Pieces;
use crate::transfer::buffer_pool::Buffers;
use crate::transfer::remuxed::refused;

/// A unit that may be no piece is kept up to this size.
const LARGEST_KEPT: usize = 2 << 20;
/// Initialisation sections are kept for comparison up to this size.
pub(crate) const LARGEST_INIT: usize = 4 << 20;

/// What a whole unit turned out to be.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The last bytes of it, which are in no output yet. The budget of memory does not count them: they are one chunk, and what a
    /// piece ends with.
    pub(crate) rest: Vec<Bytes>,
    pub(crate) hash: Fingerprint,
    pub(crate) summary: Arc<Summary>,
    /// All of it, where it was asked for.
    pub(crate) copy: Vec<u8>,
    /// The piece that was made of it, or why none could be.
    pub(crate) piece: Option<Result<Piece, RemuxError>>,
    /// The tracks that a transport stream has, by its begin.
    pub(crate) seen: Option<UnitTracks>,
    /// All of it as it came, where no piece could be made of it and it was kept.
    pub(crate) as_it_came: Option<Vec<u8>>,
    /// It is known that all of it came; else its body merely ended.
    pub(crate) is_bounded: bool,
    /// Its body has the digest that the server sent with it. `None`: the server sent none.
    pub(crate) has_digest: Option<bool>,
}

/// What is known of a piece of an MP4.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) tracks: UnitTracks,
    /// How long tables for it are, in bytes.
    pub(crate) tables: u64,
}

/// Takes a unit in chunks, as they arrive.
#[derive(Debug)]
pub(crate) struct Pipeline {
    decryptor: Option<CbcDecryptor>,
    verifier: Verifier,
    hasher: Hasher,
    copy: Option<Vec<u8>>,
    subject: String,
    buffers: Buffers,
    /// What came before it was known how it begins.
    held: Vec<u8>,
    is_begun: bool,
    /// In the place of what it may be without any bytes.
    empty: Option<Container>,
    /// The output gets a piece of an MP4. An error is told at the end: first it has to be verified that all of it came.
    remuxer: Option<Result<Box<UnitRemuxer>, RemuxError>>,
    /// The unit as it comes, in case that no piece can be made of it.
    as_it_came: Option<Vec<u8>>,
    /// Looks at the begin; `None`: all is seen.
    admission: Option<Admission>,
    seen: Option<UnitTracks>,
    /// An MP4 is made of it, which takes times from tags; else they are left out where players stumble over them.
    needs_tags: bool,
}

impl Pipeline {
    pub(crate) fn new(
        decryptor: Option<CbcDecryptor>,
        keep_copy: bool,
        subject: String,
        buffers: Buffers,
    ) -> Self {
        let copy = keep_copy.then(Vec::new);
        let (verifier, hasher) = (Verifier::new(), Hasher::default());
        let (held, is_begun, empty) = (Vec::new(), false, None);
        Self {
            decryptor,
            verifier,
            hasher,
            copy,
            subject,
            buffers,
            held,
            is_begun,
            empty,
            remuxer: None,
            as_it_came: None,
            admission: None,
            seen: None,
            needs_tags: false,
        }
    }

    /// It may have no bytes, and counts as one of that container then.
    pub(crate) fn may_be_empty(mut self, container: Option<Container>) -> Self {
        self.empty = container;
        self
    }

    /// What is handed on is not what comes, but pieces.
    pub(crate) fn into_pieces(mut self, pieces: Option<&Pieces>, keeps: bool) -> Self {
        let remuxer = |p: &Pieces| Ok(Box::new(UnitRemuxer::new(p.takes, p.may_lack, p.codecs.as_deref())));
        self.remuxer = pieces.map(remuxer);
        self.as_it_came = (keeps && pieces.is_some()).then(Vec::new);
        self
    }

    /// What the begin of the unit tells is an error at once. `mp4`: what an MP4 is made of it.
    pub(crate) fn admitting(mut self, mp4: Option<(Takes, MayLack)>) -> Self {
        self.needs_tags = mp4.is_some();
        self.admission = Some(Admission::new(mp4));
        self
    }

    /// Whether what is handed on tells how to go on in another process.
    pub(crate) fn can_be_replayed(&self) -> bool {
        self.remuxer.is_none() && self.front().unwrap_or(0) == 0
    }

    /// How many bytes in front go nowhere; `None`: that is not known yet.
    fn front(&self) -> Option<usize> {
        let tags = if self.needs_tags { 0 } else { self.verifier.tags()? };
        Some(usize::try_from(self.verifier.lead()? + tags).unwrap_or(usize::MAX))
    }

    /// Takes bytes of the output that an earlier run left.
    pub(crate) fn replay(&mut self, plain: &[u8]) -> Result<(), MediaError> {
        self.hasher.update(plain);
        self.is_begun = true;
        self.verifier.push(plain)
    }

    /// What comes now is encrypted.
    pub(crate) fn decrypt_with(&mut self, decryptor: CbcDecryptor) {
        self.decryptor = Some(decryptor);
    }

    /// The hash of all that has been handed on.
    pub(crate) fn hash(&self) -> Fingerprint {
        self.hasher.finish()
    }

    /// Where the chain of ciphertext goes on behind what has been handed on.
    pub(crate) fn chain(&self) -> Option<Iv> {
        self.decryptor.as_ref().map(|decryptor| decryptor.checkpoint().1)
    }

    /// Takes a chunk. Adds what is ready for the output to `ready`.
    pub(crate) fn push(&mut self, chunk: Bytes, ready: &mut Vec<Bytes>) -> Result<(), Error> {
        let plain = match &mut self.decryptor {
            None => chunk,
            Some(decryptor) => {
                let len = decryptor.releases(chunk.len());
                let fill = |plain: &mut [u8]| decryptor.update_into(&chunk, plain).is_some();
                let plain = self.buffers.filled(len, fill);
                plain.ok_or_else(|| Error::new(Kind::Internal, "internal", "plaintext does not fit"))?
            }
        };
        self.verify(plain, ready)
    }

    /// The end has been reached.
    pub(crate) fn finish(mut self) -> Result<Whole, Error> {
        let mut rest = Vec::new();
        if let Some(decryptor) = self.decryptor.take() {
            let mut plain = Vec::new();
            decryptor.finish(&mut plain).map_err(|e| self.undecipherable(&e))?;
            self.verify(plain.into(), &mut rest)?;
        }
        if let Some(container) = self.empty.filter(|_| !self.verifier.has_begun()) {
            let (summary, copy) = (Summary::empty(container).into(), self.copy.unwrap_or_default());
            return Ok(Whole {
                rest,
                hash: Fingerprint::EMPTY_UNIT,
                summary,
                copy,
                piece: None,
                seen: None,
                as_it_came: None,
                is_bounded: true,
                has_digest: None,
            });
        }
        let summary = self.verifier.finish().map_err(|e| self.not_media(&e))?;
        if !self.is_begun {
            let held = std::mem::take(&mut self.held);
            let behind = held.get(self.front().unwrap_or(0)..).unwrap_or_default().to_vec();
            self.hand_on(behind.into(), &mut rest)?;
        }
        let mut piece = None;
        if let Some(remuxer) = self.remuxer.take() {
            let ended = remuxer.and_then(|remuxer| remuxer.finish());
            piece = Some(ended.map(|end| {
                end.rest.into_iter().for_each(|part| self.pass(part.into(), &mut rest));
                Piece { tracks: end.tracks, tables: end.tables }
            }));
        }
        let (copy, hash) = (self.copy.unwrap_or_default(), self.hasher.finish());
        let as_it_came = self.as_it_came.filter(|_| matches!(piece, Some(Err(_))));
        let seen = self.seen;
        Ok(Whole {
            rest,
            hash,
            summary: summary.into(),
            copy,
            piece,
            seen,
            as_it_came,
            is_bounded: true,
            has_digest: None,
        })
    }

    fn verify(&mut self, plain: Bytes, ready: &mut Vec<Bytes>) -> Result<(), Error> {
        if plain.is_empty() {
            return Ok(());
        }
        self.verifier.push(&plain).map_err(|e| self.not_media(&e))?;
        if self.is_begun {
            return self.hand_on(plain, ready);
        }
        // What is in front of its container goes nowhere.
        let Some(lead) = self.front() else {
            self.held.extend_from_slice(&plain);
            return Ok(());
        };
        self.is_begun = true;
        let plain = if self.held.is_empty() {
            plain.slice(lead.min(plain.len())..)
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(&plain);
            let held = Bytes::from(held);
            held.slice(lead.min(held.len())..)
        };
        self.hand_on(plain, ready)
    }

    fn hand_on(&mut self, plain: Bytes, ready: &mut Vec<Bytes>) -> Result<(), Error> {
        if let Some(admission) = &mut self.admission {
            admission.push(&plain).map_err(|error| refused(&self.subject, &error))?;
            if admission.is_done() {
                self.seen = admission.tracks();
                self.admission = None;
            }
        }
        if self.as_it_came.as_ref().is_some_and(|kept| kept.len() + plain.len() > LARGEST_KEPT) {
            self.as_it_came = None;
        }
        if let Some(kept) = &mut self.as_it_came {
            kept.extend_from_slice(&plain);
        }
        match &mut self.remuxer {
            None => self.pass(plain, ready),
            Some(remuxer) => match remuxer.as_mut().map(|remuxer| remuxer.push(&plain)) {
                Ok(Ok(parts)) => parts.into_iter().for_each(|part| self.pass(part.into(), ready)),
                Ok(Err(error)) => *remuxer = Err(error),
                Err(_) => {}
            },
        }
        Ok(())
    }

    /// Passes bytes on as they go into the output.
    fn pass(&mut self, bytes: Bytes, ready: &mut Vec<Bytes>) {
        if bytes.is_empty() {
            return;
        }
        self.hasher.update(&bytes);
        if let Some(copy) = self.copy.as_mut().filter(|copy| copy.len() + bytes.len() <= LARGEST_INIT) {
            copy.extend_from_slice(&bytes);
        }
        ready.push(bytes);
    }

    fn not_media(&self, error: &MediaError) -> Error {
        let code = match error {
            MediaError::NotMedia { .. } | MediaError::Unrecognised { .. } | MediaError::LongPackets => {
                "content.not_media"
            }
            _ => "content.damaged",
        };
        let made = Error::content(code, format!("{}: {error}", self.subject));
        if *error == MediaError::LongPackets {
            return made.next("take another variant, or another source");
        }
        if self.decryptor.is_some() {
            made.why("after decryption; the key may be the wrong one")
        } else {
            made
        }
    }

    fn undecipherable(&self, error: &DecryptError) -> Error {
        let code = match error {
            DecryptError::NotWholeBlocks { .. } | DecryptError::Empty => "segment.truncated",
            _ => "decrypt.padding",
        };
        let why = match error {
            DecryptError::NotWholeBlocks { .. } => "encrypted segments are whole blocks of 16 bytes",
            DecryptError::Empty => "the server sent nothing",
            _ => "wrong key or initialization vector, or damaged content",
        };
        Error::content(code, format!("{}: {error}", self.subject)).why(why)
    }
}
