//! Keys, each fetched once however many segments need it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hls_crypto::Key;
use hls_fetch::{Decision, Fetch, Request, RetryPolicy};
use tokio::sync::OnceCell;
use url::Url;

use crate::error::Error;
use crate::event::Retry;

type Cell = Arc<OnceCell<Arc<Key>>>;

/// A page instead of a key is larger than a key; nothing needs more of it than this to say so.
const LARGEST_ANSWER: u64 = 1 << 20;

/// The keys of a job.
#[derive(Debug)]
pub(crate) struct Keys {
    cells: Mutex<HashMap<Url, Cell>>,
    policy: RetryPolicy,
}

impl Keys {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self { cells: Mutex::default(), policy }
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
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            match cells.get(url) {
                Some(cell) => Arc::clone(cell),
                None => Arc::clone(cells.entry(url.clone()).or_default()),
            }
        };
        let found = cell.get_or_try_init(|| self.fetch(fetch, url, parent, report)).await?;
        Ok(Arc::clone(found))
    }

    /// A segment could not be deciphered with this key: the next attempt asks for it again.
    pub(crate) fn doubt(&self, url: &Url) {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner).remove(url);
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
    use super::*;

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
