//! A broadcast of the test kit as a transport, in the time of the runtime: with paused time, hours pass in moments.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hls_fetch::{BoxBody, Chunks, Error, Fetch, FetchFuture, Kind, Request, Response};
use hls_testkit::{Answer, Broadcast, Manner, Transmission};
use tokio::time::{Instant, sleep};
use url::Url;

/// What a client waits for the head of an answer.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// What each request takes of the real time.
const MOMENT: Duration = Duration::from_millis(2);
/// Threads of jobs that have had something to do for longer than this hang.
const LONGEST: Duration = Duration::from_secs(30);

/// Answers requests out of memory, whatever host they are for.
#[derive(Clone, Debug)]
pub(crate) struct OnAir {
    transmission: Arc<Mutex<Transmission>>,
    began: Instant,
    latency: Duration,
    rewrite: Option<fn(usize, String) -> String>,
    remake: Option<fn(&str, Bytes) -> Bytes>,
    playlists: Arc<AtomicUsize>,
}

impl OnAir {
    /// The transmission begins now.
    pub(crate) fn new(broadcast: &Broadcast) -> Self {
        let transmission = Arc::new(Mutex::new(broadcast.start()));
        Self {
            transmission,
            began: Instant::now(),
            latency: Duration::ZERO,
            rewrite: None,
            remake: None,
            playlists: Arc::default(),
        }
    }

    pub(crate) fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// What is made of each playlist on its way, by how many have gone before.
    pub(crate) fn rewritten(mut self, rewrite: fn(usize, String) -> String) -> Self {
        self.rewrite = Some(rewrite);
        self
    }

    /// What is made of each segment on its way, by its path.
    pub(crate) fn remade(mut self, remake: fn(&str, Bytes) -> Bytes) -> Self {
        self.remake = Some(remake);
        self
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:1{path}")
    }

    pub(crate) fn transmission(&self) -> MutexGuard<'_, Transmission> {
        self.transmission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn respond(&self, request: Request) -> Result<Response, Error> {
        let _ = tokio::task::spawn_blocking(threads_catch_up).await;
        sleep(self.latency).await;
        let url = &request.url;
        let at = self.began.elapsed();
        let mut answer = self.transmission().answer(url.path(), url.query().unwrap_or(""), at);
        if let Some(rewrite) = self.rewrite.filter(|_| url.path().ends_with(".m3u8") && answer.status == 200)
        {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            answer.body = rewrite(self.playlists.fetch_add(1, Ordering::Relaxed), text).into();
        }
        if let Some(remake) = self.remake.filter(|_| url.path().ends_with(".ts") && answer.status == 200) {
            answer.body = remake(url.path(), answer.body);
        }
        match answer.manner {
            Manner::Reset => Err(Error::new(Kind::Reset).at(url)),
            Manner::Silence => {
                sleep(HEAD_TIME).await;
                Err(Error::new(Kind::FirstByteTimeout { after: HEAD_TIME }).at(url))
            }
            Manner::Whole if answer.after > HEAD_TIME => {
                sleep(HEAD_TIME).await;
                Err(Error::new(Kind::FirstByteTimeout { after: HEAD_TIME }).at(url))
            }
            Manner::Whole => {
                sleep(answer.after).await;
                respond(&request, url, &answer)
            }
        }
    }
}

/// Waits until the threads of all jobs, which write and sync, have nothing to do. Paused time leaps on when all of the runtime waits,
/// but not while a blocking task runs. So without this it would leap from one timer to the next while a thread waits for a core, and
/// segments would leave the playlist before there is room for them.
fn threads_catch_up() {
    let until = std::time::Instant::now() + LONGEST;
    // One thread may wake another between two looks.
    let mut idle = 0;
    while idle < 2 && std::time::Instant::now() < until {
        std::thread::sleep(MOMENT / 2);
        idle = if are_threads_idle() { idle + 1 } else { 0 };
    }
}

/// Tells whether all threads of jobs wait for something, by what Linux says of them (proc_pid_stat(5)). Elsewhere nothing says that.
fn are_threads_idle() -> bool {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return true };
    tasks.filter_map(Result::ok).all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // `123 (name) S ...`, and a thread that has ended says nothing.
        let (before, after) = stat.rsplit_once(") ").unwrap_or_default();
        !before.contains("(hls-") || after.starts_with('S')
    })
}

impl Fetch for OnAir {
    fn fetch(&self, request: Request) -> FetchFuture<'_> {
        Box::pin(self.respond(request))
    }
}

fn respond(request: &Request, url: &Url, answer: &Answer) -> Result<Response, Error> {
    if answer.status != 200 {
        return Err(Error::new(Kind::Status(answer.status)).at(url));
    }
    let header = |name: &str| answer.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let etag = header("etag");
    let total = answer.body.len() as u64;
    // A range of what has changed since is answered with all of it.
    let range = request.range.filter(|_| request.if_range.is_none() || request.if_range == etag);
    let (status, body) = match range {
        None => (200, answer.body.clone()),
        Some(range) => {
            let end = range.end.unwrap_or(total).min(total);
            if range.start >= end {
                return Err(Error::new(Kind::Status(416)).at(url));
            }
            (206, answer.body.slice(range.start as usize..end as usize))
        }
    };
    if let Some(limit) = request.max_bytes.filter(|limit| *limit < body.len() as u64) {
        return Err(Error::new(Kind::TooLarge { limit }).at(url));
    }
    let chunks: Chunks = body.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
    let mut response = Response::new(status, url.clone(), Some(body.len() as u64), BoxBody::new(chunks));
    response.content_type = header("content-type");
    response.strong_etag = etag;
    response.total = range.map(|_| total);
    Ok(response)
}

mod tests {
    use hls_testkit::{Of, Outage};

    use super::*;
    use crate::support::{Folder, Outcome, job, same};

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_ended_is_had_out_of_memory() -> Outcome {
        let two = Duration::from_secs(2);
        let outage = Outage::new(Of::Segments, Duration::ZERO, Duration::from_millis(20));
        let broadcast = Broadcast::synthetic(two, 100_000).running(9).window(9).total(9).aes128([3; 16]);
        let broadcast = broadcast.outage(outage.reset()).missing(4, Some(1), None);
        let air = OnAir::new(&broadcast).latency(Duration::from_millis(10));
        let folder = Folder::new()?;
        let url = air.url(&broadcast.playlist_path(0, 0));
        let done =
            job(&url).fetch(Arc::new(air.clone())).output(folder.file("out.ts")).start().finish().await?;
        assert_eq!(done.segments, 9);
        same(&folder.file("out.ts"), &air.transmission().bytes(0, 0, 9))
    }
}
