//! Keys, each fetched once however many segments need it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hls_crypto::Key;
use hls_fetch::{Decision, Fetch, Request, RetryPolicy};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use crate::error::Error;
use crate::event::Retry;

type Cell = Arc<OnceCell<Arc<Key>>>;

/// A server that has brought the same key so often, with which segments could not be deciphered, has no other for a while.
const ENOUGH: u32 = 3;
/// Keys of live streams change under their names, and sometimes late: so long after the last request it is asked again.
const WHILE: Duration = Duration::from_secs(10);

/// A page instead of a key is larger than a key; nothing needs more of it than this to say so.
const LARGEST_ANSWER: u64 = 1 << 20;

/// What is known of one key.
#[derive(Debug, Default)]
struct Known {
    cell: Cell,
    /// What came the last time, where that was doubted.
    doubted: Option<Arc<Key>>,
    /// How often that came again, since a segment could be deciphered with it.
    same: u32,
    /// When it was doubted last.
    since: Option<Instant>,
}

/// The keys of a job.
#[derive(Debug)]
pub(crate) struct Keys {
    known: Mutex<HashMap<Url, Known>>,
    policy: RetryPolicy,
}

impl Keys {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { known: Mutex::default(), policy }
    }

    /// The key at `url`; `report` hears of attempts that are repeated.
    ///
    /// # Errors
    /// What failed last; no further attempt for a segment can help then, unless there was no descriptor for it.
    pub(crate) async fn get(
        &self,
        fetch: &dyn Fetch,
        url: &Url,
        parent: &Url,
        report: impl Fn(Retry),
    ) -> Result<Arc<Key>, Error> {
        let cell = self.known(url, |known| Arc::clone(&known.cell));
        let found = cell.get_or_try_init(|| self.fetch(fetch, url, parent, report)).await?;
        Ok(Arc::clone(found))
    }

    /// A segment could not be deciphered with this key: the next attempt asks for it again, unless that has been done meanwhile or
    /// often enough.
    pub(crate) fn doubt(&self, url: &Url, key: &Arc<Key>) {
        self.known(url, |known| {
            let is_current = known.cell.get().is_some_and(|current| Arc::ptr_eq(current, key));
            if !is_current {
                return;
            }
            let is_same = known.doubted.as_ref().is_some_and(|doubted| doubted == key);
            known.same = if is_same { known.same + 1 } else { 0 };
            known.doubted = Some(Arc::clone(key));
            let now = Instant::now();
            let is_long_ago = known.since.is_none_or(|since| now - since >= WHILE);
            if known.same < ENOUGH || is_long_ago {
                known.since = Some(now);
                known.cell = Cell::default();
            }
        });
    }

    /// A segment could be deciphered with this key.
    pub(crate) fn trust(&self, url: &Url) {
        self.known(url, |known| (known.doubted, known.same) = (None, 0));
    }

    fn known<T>(&self, url: &Url, with: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(url) {
            Some(known) => with(known),
            None => with(all.entry(url.clone()).or_default()),
        }
    }

    async fn fetch(
        &self,
        fetch: &dyn Fetch,
        url: &Url,
        parent: &Url,
        report: impl Fn(Retry),
    ) -> Result<Arc<Key>, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match attempt_once(fetch, url, parent).await {
                Ok(key) => return Ok(Arc::new(key)),
                Err(error) => error,
            };
            // Whoever asks for segments hears of that, and asks for fewer.
            if error.is_out_of_descriptors() {
                return Err(error);
            }
            match self.policy.decide_class(error.class(), attempt, error.retry_after()) {
                Decision::Retry { after } => {
                    report(Retry {
                        place: hls_fetch::redacted(url),
                        class: error.class(),
                        message: error.to_string(),
                        attempt,
                        wait: after,
                    });
                    tokio::time::sleep(after).await;
                }
                Decision::GiveUp => return Err(error.after_attempts(attempt).finally()),
            }
        }
    }
}

/// Keys that were written by an editor or by `echo` end in a line feed, which players leave out.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    match bytes {
        [key @ .., b'\r', b'\n'] | [key @ .., b'\n' | b'\r'] if key.len() == 16 => key,
        _ => bytes,
    }
}

async fn attempt_once(fetch: &dyn Fetch, url: &Url, parent: &Url) -> Result<Key, Error> {
    let failed = |e| Error::fetch("key", "the key", e);
    let answer = fetch.fetch(Request::get(url.clone()).found_in(parent)).await.map_err(failed)?;
    let bytes = answer.bytes(LARGEST_ANSWER).await.map_err(failed)?;
    Key::from_bytes(without_line_end(&bytes)).map_err(|e| {
        Error::content("key.length", format!("the key is not a key: {e}"))
            .at(format!("GET {}", hls_fetch::redacted(url)))
            .why("AES-128 keys are 16 bytes")
            .next("the server may want a header or a cookie to hand out the key")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use hls_fetch::{BoxBody, Response};

    use super::*;

    /// Hands out the first key, and after so many requests the second.
    struct Server {
        asked: AtomicUsize,
        changes_after: usize,
    }

    impl Fetch for Server {
        fn fetch(&self, request: Request) -> hls_fetch::FetchFuture<'_> {
            Box::pin(async move {
                let asked = self.asked.fetch_add(1, Ordering::Relaxed);
                let key = if asked < self.changes_after { [1_u8; 16] } else { [2; 16] };
                let chunks: hls_fetch::Chunks = std::iter::once(Bytes::copy_from_slice(&key)).collect();
                Ok(Response::new(200, request.url, Some(16), BoxBody::new(chunks)))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_doubted_is_asked_for_as_often_as_may_help() {
        let url: Url = "http://h/key".parse().unwrap();
        let (keys, server) =
            (Keys::new(RetryPolicy::default()), Server { asked: AtomicUsize::new(0), changes_after: 5 });
        let asked = || server.asked.load(Ordering::Relaxed);
        let get = async || keys.get(&server, &url, &url, |_| {}).await.unwrap();
        // Eight segments fail at once with the same key, again and again.
        for _ in 0..8 {
            let key = get().await;
            (0..8).for_each(|_| keys.doubt(&url, &key));
        }
        let first = get().await;
        assert_eq!(asked(), 4, "once, and three times more");
        tokio::time::sleep(WHILE).await;
        keys.doubt(&url, &first);
        assert_eq!((get().await, asked()), (Arc::clone(&first), 5));
        keys.trust(&url);
        keys.doubt(&url, &get().await);
        assert_ne!(get().await, first, "it has changed");
        keys.doubt(&url, &first);
        get().await;
        assert_eq!(asked(), 6, "another one has come since");
    }

    #[test]
    fn a_line_end_is_no_part_of_a_key() {
        let key = [b'\n'; 16];
        let check = |bytes: &[u8], len| assert_eq!(without_line_end(bytes).len(), len, "{bytes:?}");
        check(&key, 16);
        check(&key[..15], 15);
        check(&[&key[..], b"\n"].concat(), 16);
        check(&[&key[..], b"\r\n"].concat(), 16);
        check(&[&key[..], b"\n\n"].concat(), 18);
        check(&[&key[..], b"x"].concat(), 17);
    }
}
