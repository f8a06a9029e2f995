//! Segments of a live stream whose key is not to be had: their ciphertext is kept until it is, as the stream forgets it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hls_crypto::Key;
use hls_fetch::{Body, BoxBody, Fetch, Kind, Request, Response};
use tokio::sync::mpsc;
use url::Url;

use crate::attempt::{Transport, limit};
use crate::error::Error;
use crate::pace::Account;
use crate::plan::{Track, Unit};

/// A key that has not come by then may take long.
const KEY_WAIT: Duration = Duration::from_secs(1);
/// Bytes are written and read in pieces of about this size.
const PIECE: usize = 256 << 10;
/// No more is kept than this: half a day of a stream in high definition.
const MOST: u64 = 32 << 30;
/// What can't be deciphered so often is not what it should be, and is asked for anew.
const MOST_FAILURES: u8 = 3;

/// The ciphertext of units, by their identities, in unnamed files.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Where the files are; `None`: where the system has such files.
    folder: Option<PathBuf>,
    all: Mutex<HashMap<u128, Entry>>,
    is_needed: AtomicBool,
}

#[derive(Debug)]
enum Entry {
    Coming,
    Here { file: Arc<Mutex<File>>, length: u64, failures: u8 },
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
    /// Nothing yet; files will be in this folder.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder: folder.filter(|folder| !folder.as_os_str().is_empty()), ..Self::default() }
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
    async fn keep(&self, fetch: &dyn Fetch, request: Request, identity: u128, account: &mut Account<'_>) {
        {
            let mut all = self.all();
            let kept = all.values().map(|entry| match entry {
                Entry::Here { length, .. } => *length,
                Entry::Coming => 0,
            });
            if kept.sum::<u64>() >= MOST || all.contains_key(&identity) {
                return;
            }
            all.insert(identity, Entry::Coming);
        }
        let coming = Coming(self, identity);
        if let Some((file, length)) = self.fetched(fetch, request, account).await {
            let file = Arc::new(Mutex::new(file));
            self.all().insert(identity, Entry::Here { file, length, failures: 0 });
        }
        drop(coming);
    }

    async fn fetched(
        &self,
        fetch: &dyn Fetch,
        request: Request,
        account: &mut Account<'_>,
    ) -> Option<(File, u64)> {
        account.before_request().await;
        let answer = fetch.fetch(request).await.ok()?;
        account.answered(answer.length);
        let mut body = answer.body;
        let folder = self.folder.clone();
        let made = tokio::task::spawn_blocking(move || match folder {
            Some(folder) => tempfile::tempfile_in(folder),
            None => tempfile::tempfile(),
        });
        let mut file = made.await.ok()?.ok()?;
        let (mut length, mut is_over) = (0, false);
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
            length += size as u64;
            let written = tokio::task::spawn_blocking(move || {
                piece.iter().try_for_each(|chunk| file.write_all(chunk)).map(|()| file)
            });
            file = written.await.ok()?.ok()?;
        }
        Some((file, length))
    }

    /// The answer for a unit that is here, as its server had it.
    pub(crate) fn answer(&self, identity: u128, url: &Url) -> Option<Response> {
        let (file, length) = match self.all().get(&identity)? {
            Entry::Here { file, length, .. } => (Arc::clone(file), *length),
            Entry::Coming => return None,
        };
        let (pieces, received) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || read(&file, length, &pieces));
        Some(Response::new(200, url.clone(), Some(length), BoxBody::new(Pieces(received))))
    }

    /// A unit is in its output, or is not wanted any more.
    pub(crate) fn forget(&self, identity: u128) {
        self.all().remove(&identity);
    }

    /// A unit could not be deciphered. Its key may be wrong, or it is.
    pub(crate) fn doubt(&self, identity: u128) {
        let mut all = self.all();
        if let Some(Entry::Here { failures, .. }) = all.get_mut(&identity) {
            *failures += 1;
            if *failures >= MOST_FAILURES {
                all.remove(&identity);
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
        self.kept.keep(&*self.fetch, request_for(track, unit), unit.identity, &mut account).await;
    }
}

/// Whether a unit is one that is kept until its key comes.
pub(crate) fn waits_for_keys(unit: &Unit) -> bool {
    unit.live.is_some() && unit.cipher.is_some()
}

pub(crate) fn request_for(track: &Track, unit: &Unit) -> Request {
    let request = Request::get(unit.url.clone()).range(unit.range).at_most(limit(track, unit));
    request.found_in(track.media().base())
}

fn read(file: &Mutex<File>, length: u64, to: &mpsc::Sender<Result<Bytes, hls_fetch::Error>>) {
    let mut position = 0;
    while position < length {
        let size = (length - position).min(PIECE as u64) as usize;
        let mut piece = vec![0; size];
        let read = {
            // Others may read the same file, elsewhere in it.
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(position)).and_then(|_| file.read_exact(&mut piece))
        };
        let piece = match read {
            Ok(()) => Ok(Bytes::from(piece)),
            Err(_) => Err(hls_fetch::Error::new(Kind::Truncated { got: position, want: Some(length) })),
        };
        position += size as u64;
        let is_over = piece.is_err();
        if to.blocking_send(piece).is_err() || is_over {
            return;
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
    use crate::pace::Pacer;

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
        let (kept, pacer) = (Kept::new(None), Pacer::new(None));
        let account = &mut pacer.account();
        let request = || Request::get("http://h/1.ts".parse().unwrap());
        let length = 3 * PIECE + 17;
        kept.keep(&Server(length, false), request(), 1, account).await;
        kept.keep(&Server(length, true), request(), 1, account).await;
        kept.keep(&Server(length, true), request(), 2, account).await;
        assert_eq!((kept.has(1), kept.knows(2)), (true, false));
        for _ in 0..2 {
            let bytes = read_all(&kept, 1).await.unwrap();
            assert!(bytes.len() == length && bytes.iter().zip(0_usize..).all(|(b, n)| *b == (n % 251) as u8));
            kept.doubt(1);
        }
        kept.doubt(1);
        assert!(read_all(&kept, 1).await.is_none());
        kept.keep(&Server(0, false), request(), 3, account).await;
        assert_eq!(read_all(&kept, 3).await, Some(Vec::new()));
        kept.forget(3);
        assert!(!kept.knows(3));
    }
}
