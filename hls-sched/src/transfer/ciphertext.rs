//! Segments of a live stream whose key is not to be had: their ciphertext is kept until it is, as the stream forgets it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hls_crypto::Key;
use hls_fetch::{Body, BoxBody, Fetch, Kind, Request, Response};
use hls_state::{Sealed, SealedReader, Sealing};
use tokio::sync::mpsc;
use tokio::time::Instant;
use url::Url;

use crate::error::Error;
use crate::policy::plan::{Cipher, Track, Unit, key_hash};
use crate::transfer::attempt::Transport;
use crate::transfer::rate_limit::Account;

/// A segment larger than this is an attack.
const LARGEST_SEGMENT: u64 = 2 << 30;
/// A key that has not come by then may take long.
const KEY_WAIT: Duration = Duration::from_secs(1);
/// Bytes are written and read in pieces of about this size.
const PIECE: usize = 256 << 10;
/// No more is kept than this: half a day of a stream in high definition.
const MOST: u64 = 32 << 30;
/// What can't be deciphered so often is not what it should be, and is asked for anew.
const MOST_FAILURES: u8 = 3;
/// What is in its output is kept for so much longer: until its record is on the disk.
const BEHIND: Duration = Duration::from_secs(10);

/// The ciphertext of units, by their identities, in files of the job; unnamed ones where there is no job to find them again.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The folder of the job; `None`: there is none, and the system knows a place.
    folder: Mutex<Option<PathBuf>>,
    all: Mutex<HashMap<u128, Entry>>,
    is_needed: AtomicBool,
}

#[derive(Debug)]
enum Entry {
    Coming,
    Here {
        stored: Stored,
        failures: u8,
        /// Since when it is in its output.
        done: Option<Instant>,
    },
}

#[derive(Clone, Debug)]
enum Stored {
    Named(Sealed),
    Unnamed(Arc<Mutex<File>>, u64),
}

impl Stored {
    fn len(&self) -> u64 {
        match self {
            Self::Named(sealed) => sealed.len,
            Self::Unnamed(_, len) => *len,
        }
    }
}

/// What grows.
enum Growing {
    Named(Box<Sealing>),
    Unnamed(File, u64),
}

impl Growing {
    fn begin(folder: Option<&Path>, identity: u128, note: Vec<u8>) -> Option<Self> {
        match folder {
            Some(folder) => Sealing::create(folder, identity, note).ok().map(Box::new).map(Self::Named),
            None => tempfile::tempfile().ok().map(|file| Self::Unnamed(file, 0)),
        }
    }

    fn append(&mut self, data: &[u8]) -> Option<()> {
        match self {
            Self::Named(sealing) => sealing.append(data).ok(),
            Self::Unnamed(file, len) => {
                *len += data.len() as u64;
                file.write_all(data).ok()
            }
        }
    }

    fn end(self) -> Option<Stored> {
        match self {
            Self::Named(sealing) => sealing.commit().ok().map(Stored::Named),
            Self::Unnamed(file, len) => Some(Stored::Unnamed(Arc::new(Mutex::new(file)), len)),
        }
    }
}

/// Takes an entry out again that did not come.
struct Coming<'a>(&'a Kept, u128);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut all = self.0.all();
        if matches!(all.get(&self.1), Some(Entry::Coming)) {
            all.remove(&self.1);
        }
    }
}

impl Kept {
    /// Finds what an earlier run has kept in the folder of a job, and keeps more there from now on.
    pub(crate) fn open(&self, folder: PathBuf) {
        let here = |sealed| Entry::Here { stored: Stored::Named(sealed), failures: 0, done: None };
        let found = Sealed::find(&folder).into_iter().map(|sealed| (sealed.identity, here(sealed)));
        *self.all() = found.collect();
        *self.folder.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
    }

    /// How a unit is encrypted that an earlier run has kept, and the hash of the whole URL that its key had.
    pub(crate) fn cipher(&self, identity: u128) -> Option<(Cipher, u128)> {
        match self.all().get(&identity)? {
            Entry::Here { stored: Stored::Named(sealed), .. } => read_note(&sealed.note),
            _ => None,
        }
    }

    /// Whether a key could not be had lately, so that ciphertext should be kept.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_needed.load(Ordering::Relaxed)
    }

    /// A key could be had, or not.
    pub(crate) fn set_needed(&self, is_needed: bool) {
        self.is_needed.store(is_needed, Ordering::Relaxed);
    }

    /// Whether a unit is here, or on its way.
    pub(crate) fn knows(&self, identity: u128) -> bool {
        self.all().contains_key(&identity)
    }

    /// Whether a unit is here.
    pub(crate) fn has(&self, identity: u128) -> bool {
        matches!(self.all().get(&identity), Some(Entry::Here { .. }))
    }

    /// Fetches the ciphertext of a unit and keeps it. What fails is asked for again by whoever needs it.
    async fn keep(
        &self,
        fetch: &dyn Fetch,
        request: Request,
        (identity, note): (u128, Vec<u8>),
        account: &mut Account<'_>,
    ) {
        {
            let mut all = self.all();
            let kept = all.values().map(|entry| match entry {
                Entry::Here { stored, .. } => stored.len(),
                Entry::Coming => 0,
            });
            if kept.sum::<u64>() >= MOST || all.contains_key(&identity) {
                return;
            }
            all.insert(identity, Entry::Coming);
        }
        let coming = Coming(self, identity);
        if let Some(stored) = self.fetched(fetch, request, (identity, note), account).await {
            self.all().insert(identity, Entry::Here { stored, failures: 0, done: None });
        }
        drop(coming);
    }

    async fn fetched(
        &self,
        fetch: &dyn Fetch,
        request: Request,
        (identity, note): (u128, Vec<u8>),
        account: &mut Account<'_>,
    ) -> Option<Stored> {
        account.before_request().await;
        let answer = fetch.fetch(request).await.ok()?;
        account.answered(answer.length);
        let mut body = answer.body;
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let begun = tokio::task::spawn_blocking(move || Growing::begin(folder.as_deref(), identity, note));
        let mut growing = begun.await.ok()??;
        let mut is_over = false;
        while !is_over {
            let (mut piece, mut size) = (Vec::new(), 0);
            while size < PIECE && !is_over {
                account.before_read().await;
                match body.next().await.ok()? {
                    Some(chunk) => {
                        account.received(chunk.len() as u64);
                        size += chunk.len();
                        piece.push(chunk);
                    }
                    None => is_over = true,
                }
            }
            let written = tokio::task::spawn_blocking(move || {
                piece.iter().try_for_each(|chunk| growing.append(chunk)).map(|()| growing)
            });
            growing = written.await.ok()??;
        }
        tokio::task::spawn_blocking(|| growing.end()).await.ok()?
    }

    /// The answer for a unit that is here, as its server had it.
    pub(crate) fn answer(&self, identity: u128, url: &Url) -> Option<Response> {
        let mut all = self.all();
        let stored = match all.get(&identity)? {
            Entry::Here { stored, .. } => stored.clone(),
            Entry::Coming => return None,
        };
        let (length, reading) = (stored.len(), Reading::of(stored));
        let Some(mut reading) = reading else {
            remove(all.remove(&identity));
            return None;
        };
        let (pieces, received) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || reading.send(length, &pieces));
        Some(Response::new(200, url.clone(), Some(length), BoxBody::new(Pieces(received))))
    }

    /// A unit is not wanted any more.
    pub(crate) fn forget(&self, identity: u128) {
        remove(self.all().remove(&identity));
    }

    /// A unit is in its output: what is kept of it goes a while later, when its record is on the disk too.
    pub(crate) fn is_done(&self, identity: u128) {
        if let Some(Entry::Here { done, .. }) = self.all().get_mut(&identity) {
            *done = Some(Instant::now());
        }
    }

    /// Takes away what has been in its output for a while.
    pub(crate) fn sweep(&self, now: Instant) {
        self.all().retain(|_, entry| match entry {
            Entry::Here { stored, done: Some(since), .. } if now - *since >= BEHIND => {
                take_away(stored.clone());
                false
            }
            _ => true,
        });
    }

    /// A unit could not be deciphered. Its key may be wrong, or it is.
    pub(crate) fn doubt(&self, identity: u128) {
        let mut all = self.all();
        if let Some(Entry::Here { failures, .. }) = all.get_mut(&identity) {
            *failures += 1;
            if *failures >= MOST_FAILURES {
                remove(all.remove(&identity));
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u128, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport {
    /// The key of a unit. While that does not come, a unit of a live stream is kept as it is, for the stream will have forgotten
    /// it by then.
    pub(crate) async fn key_or_ciphertext(
        &self,
        track: &Track,
        unit: &Unit,
        key: impl Future<Output = Result<Arc<Key>, Error>>,
    ) -> Result<Arc<Key>, Error> {
        if !waits_for_keys(unit) {
            return key.await;
        }
        tokio::pin!(key);
        let result = match tokio::time::timeout(KEY_WAIT, &mut key).await {
            Ok(result) => {
                self.kept.set_needed(result.is_err());
                if result.is_err() {
                    self.keep(track, unit).await;
                }
                result
            }
            Err(_) => {
                self.kept.set_needed(true);
                tokio::join!(self.keep(track, unit), key).1
            }
        };
        self.kept.set_needed(result.is_err());
        result
    }

    /// Keeps the ciphertext of a unit.
    pub(crate) async fn keep(&self, track: &Track, unit: &Unit) {
        let mut account = self.pacer.account();
        let note = unit.cipher.as_ref().map(note).unwrap_or_default();
        self.kept.keep(&*self.fetch, request_for(track, unit), (unit.identity, note), &mut account).await;
    }
}

/// Whether a unit is one that is kept until its key comes.
pub(crate) fn waits_for_keys(unit: &Unit) -> bool {
    unit.live.is_some() && unit.cipher.is_some()
}

pub(crate) fn request_for(track: &Track, unit: &Unit) -> Request {
    let request = Request::get(unit.url.clone()).range(unit.range).at_most(limit(track, unit));
    let request = request.found_in(track.media().base());
    let request = if unit.live.is_some() { request.of_what_grows() } else { request };
    // Ciphertext may look like anything.
    if unit.cipher.is_none() { request.undoing_gzip() } else { request }
}

/// What a unit may have at most: eight times what its bandwidth says, and never more than is sane.
fn limit(track: &Track, unit: &Unit) -> u64 {
    if let Some(length) = unit.range.and_then(|r| r.length()) {
        return length;
    }
    let by_bandwidth =
        track.bandwidth.map(|bits| (bits as f64 * unit.duration.as_secs_f64()) as u64 + (16 << 20));
    by_bandwidth.unwrap_or(LARGEST_SEGMENT).min(LARGEST_SEGMENT)
}

/// What has to be known of a unit to decipher it later. No secret: the server wants those again.
fn note(cipher: &Cipher) -> Vec<u8> {
    let mut key = cipher.key.clone();
    key.set_query(None);
    key.set_fragment(None);
    let is_plain = key.set_username("").is_ok() && key.set_password(None).is_ok();
    if !is_plain || !matches!(key.scheme(), "http" | "https" | "file") {
        return Vec::new();
    }
    format!("{:032x} {:032x} {key}", u128::from_be_bytes(cipher.iv), key_hash(&cipher.key)).into_bytes()
}

fn read_note(note: &[u8]) -> Option<(Cipher, u128)> {
    let mut fields = std::str::from_utf8(note).ok()?.splitn(3, ' ');
    let mut number = || u128::from_str_radix(fields.next()?, 16).ok();
    let (iv, hash) = (number()?.to_be_bytes(), number()?);
    Some((Cipher { key: fields.next()?.parse().ok()?, iv }, hash))
}

fn remove(entry: Option<Entry>) {
    if let Some(Entry::Here { stored, .. }) = entry {
        take_away(stored);
    }
}

fn take_away(stored: Stored) {
    if let Stored::Named(sealed) = stored {
        sealed.remove();
    }
}

/// What is read.
enum Reading {
    Named(Box<SealedReader>),
    Unnamed { file: Arc<Mutex<File>>, position: u64, length: u64 },
}

impl Reading {
    /// `None`: it is gone.
    fn of(stored: Stored) -> Option<Self> {
        match stored {
            Stored::Named(sealed) => sealed.open().ok().map(|reader| Self::Named(Box::new(reader))),
            Stored::Unnamed(file, length) => Some(Self::Unnamed { file, position: 0, length }),
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Named(reader) => reader.next(PIECE).ok(),
            Self::Unnamed { file, position, length } => {
                let size = (*length - *position).min(PIECE as u64) as usize;
                let mut piece = vec![0; size];
                // Others may read the same file, elsewhere in it.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(*position)).and_then(|_| file.read_exact(&mut piece)).ok()?;
                *position += size as u64;
                Some(piece)
            }
        }
    }

    fn send(&mut self, length: u64, to: &mpsc::Sender<Result<Bytes, hls_fetch::Error>>) {
        let mut sent = 0;
        while sent < length {
            let piece = self.next().map(Bytes::from).filter(|piece| !piece.is_empty());
            let wrong = || hls_fetch::Error::new(Kind::Truncated { got: sent, want: Some(length) });
            let piece = piece.ok_or_else(wrong);
            sent += piece.as_ref().map_or(length, |piece| piece.len() as u64);
            if to.blocking_send(piece).is_err() {
                return;
            }
        }
    }
}

/// The bytes of a file, as they are read.
struct Pieces(mpsc::Receiver<Result<Bytes, hls_fetch::Error>>);

impl Body for Pieces {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, hls_fetch::Error>> {
        self.0.poll_recv(cx).map(Option::transpose)
    }
}

#[cfg(test)]
mod tests {
    use hls_fetch::{Chunks, FetchFuture};

    use super::*;
    use crate::transfer::rate_limit::Pacer;

    /// Answers with so many bytes, then with an error.
    struct Server(usize, bool);

    impl Fetch for Server {
        fn fetch(&self, request: Request) -> FetchFuture<'_> {
            Box::pin(async move {
                if self.1 {
                    return Err(hls_fetch::Error::new(Kind::Reset));
                }
                let bytes: Vec<u8> = (0..self.0).map(|n| (n % 251) as u8).collect();
                let chunks: Chunks = bytes.chunks(1000).map(Bytes::copy_from_slice).collect();
                Ok(Response::new(200, request.url, Some(self.0 as u64), BoxBody::new(chunks)))
            })
        }
    }

    async fn read_all(kept: &Kept, identity: u128) -> Option<Vec<u8>> {
        let url: Url = "http://h/1.ts".parse().ok()?;
        let bytes = kept.answer(identity, &url)?.bytes(1 << 30).await.ok()?;
        Some(bytes.to_vec())
    }

    #[tokio::test]
    async fn what_is_kept_is_had_as_often_as_it_takes() {
        let folder = tempfile::tempdir().unwrap();
        let named = Kept::default();
        named.open(folder.path().to_owned());
        for kept in [Kept::default(), named] {
            is_had_as_often_as_it_takes(&kept).await;
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    async fn is_had_as_often_as_it_takes(kept: &Kept) {
        let pacer = Pacer::new(None);
        let account = &mut pacer.account();
        let request = || Request::get("http://h/1.ts".parse().unwrap());
        let length = 3 * PIECE + 17;
        kept.keep(&Server(length, false), request(), (1, Vec::new()), account).await;
        kept.keep(&Server(length, true), request(), (1, Vec::new()), account).await;
        kept.keep(&Server(length, true), request(), (2, Vec::new()), account).await;
        assert_eq!((kept.has(1), kept.knows(2)), (true, false));
        for _ in 0..2 {
            let bytes = read_all(kept, 1).await.unwrap();
            assert!(bytes.len() == length && bytes.iter().zip(0_usize..).all(|(b, n)| *b == (n % 251) as u8));
            kept.doubt(1);
        }
        kept.doubt(1);
        assert!(read_all(kept, 1).await.is_none());
        kept.keep(&Server(0, false), request(), (3, Vec::new()), account).await;
        assert_eq!(read_all(kept, 3).await, Some(Vec::new()));
        kept.forget(3);
        assert!(!kept.knows(3));
    }

    #[tokio::test(start_paused = true)]
    async fn another_run_knows_what_was_kept_and_how_to_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, pacer) = (Kept::default(), Pacer::new(None));
        kept.open(folder.path().to_owned());
        let account = &mut pacer.account();
        let url = |text: &str| -> Url { text.parse().unwrap() };
        let ciphers =
            ["https://u:p@h/k?token=1#x", "data:,secret"].map(|key| Cipher { key: url(key), iv: [7; 16] });
        for (n, cipher) in (1..).zip(&ciphers) {
            let request = Request::get(url("http://h/1.ts"));
            kept.keep(&Server(500, false), request, (n, note(cipher)), account).await;
        }
        let next = Kept::default();
        next.open(folder.path().to_owned());
        let (cipher, hash) = next.cipher(1).unwrap();
        assert_eq!((cipher.key.as_str(), cipher.iv), ("https://h/k", [7; 16]));
        assert_eq!(hash, key_hash(&ciphers[0].key));
        // A key is never written down.
        assert!(next.has(2) && next.cipher(2).is_none());
        assert_eq!(read_all(&next, 1).await.map(|bytes| bytes.len()), Some(500));
        next.is_done(1);
        next.sweep(Instant::now());
        assert!(next.has(1));
        tokio::time::sleep(BEHIND).await;
        next.sweep(Instant::now());
        assert!(!next.has(1) && next.has(2));
        // What has changed on the disk is not taken for what it was.
        let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(read_all(&next, 2).await.is_none());
    }
}
