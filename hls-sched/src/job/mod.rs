//! The front door: a job is built, started, listened to, and finished.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hls_fetch::{Fetch, RetryPolicy};
use hls_parse::DateTime;
use hls_state::Durability;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use url::Url;

use crate::config::{Config, Format, Input, Output};
use crate::control::{Control, End};
use crate::engine;
use crate::error::{Error, Kind};
use crate::event::{Event, Finished};
use crate::policy::live::From;
use crate::policy::live::{LiveConfig, Split};
use crate::policy::rendition::Wanted;
use crate::policy::variant::Select;

/// How to start a job.
#[must_use]
pub struct JobBuilder(Config);

impl JobBuilder {
    fn new(input: Input) -> Self {
        Self(Config {
            input,
            output: Output::Template("{name}".to_owned()),
            also: Mutex::new(None),
            fetch: None,
            selects: Vec::new(),
            audio: Wanted::default(),
            subtitles: Wanted::default(),
            audio_only: false,
            video_only: false,
            format: Format::default(),
            concurrency: None,
            give_up_after: None,
            live: LiveConfig::default(),
            rate: None,
            policy: RetryPolicy::default(),
            durability: Durability::default(),
            force: false,
            spared: Vec::new(),
            restart: false,
            manifest: false,
            keep_free: None,
            allow_gaps: false,
            allow_missing_tracks: false,
            strict: false,
            options: Vec::new(),
            remembered: None,
            #[cfg(feature = "client")]
            headers: hls_fetch::HeaderRules::default(),
        })
    }

    /// Writes to this file; side outputs are named after it.
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.output = Output::File(path.into());
        self
    }

    /// Writes to a file whose name has fields: `{name}`, `{height}`, `{lang}`, `{host}`. Without an extension the one of
    /// the stream's container is added.
    pub fn output_template(mut self, template: impl Into<String>) -> Self {
        self.0.output = Output::Template(template.into());
        self
    }

    /// Writes verified bytes in order to `out`: a pipe, which takes nothing back.
    pub fn writer(mut self, out: impl Write + Send + 'static) -> Self {
        self.0.output = Output::Writer(Mutex::new(Some(Box::new(out))));
        self
    }

    /// Uses this transport instead of a client of its own.
    pub fn fetch(mut self, fetch: Arc<dyn Fetch>) -> Self {
        self.0.fetch = Some(fetch);
        self
    }

    /// Adds a header field to the job's own client, sent as [`HeaderRules`](hls_fetch::HeaderRules) says.
    ///
    /// # Errors
    /// A name or value that HTTP does not allow.
    #[cfg(feature = "client")]
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        self.0.headers.add(name, value).map_err(|e| Error::fetch("request", "the header", e))?;
        Ok(self)
    }

    /// Writes the main output to this writer too, as it is verified: behind the file, out of which it is read, so that a slow
    /// reader keeps nothing waiting but the end of the job. One that goes away ends nothing. A recording that is gone on with is
    /// copied from there on. For outputs that are the bytes of one track.
    pub fn also(mut self, out: impl Write + Send + 'static) -> Self {
        self.0.also = Mutex::new(Some(Box::new(out)));
        self
    }

    /// Chooses a variant; unless told, that of an earlier run into the same output, and else the best one.
    pub fn select(self, select: Select) -> Self {
        self.selects(vec![select])
    }

    /// Chooses several variants, each of which becomes an output of its own (`movie.1080p.mp4`, `movie.480p.mp4`); what they
    /// share is fetched once.
    pub fn selects(mut self, selects: Vec<Select>) -> Self {
        self.0.selects = selects;
        self
    }

    /// Chooses among the audio renditions.
    pub fn audio(mut self, audio: Wanted) -> Self {
        self.0.audio = audio;
        self
    }

    /// Chooses among the subtitles: they go into an MP4, or beside other outputs. Where the output is called `.vtt` or
    /// `.srt`, they are all that is taken.
    pub fn subtitles(mut self, subtitles: Wanted) -> Self {
        self.0.subtitles = subtitles;
        self
    }

    /// Takes the audio alone, as an output called `.m4a` does by itself.
    pub fn audio_only(mut self, audio_only: bool) -> Self {
        self.0.audio_only = audio_only;
        self
    }

    /// Takes the pictures alone.
    pub fn video_only(mut self, video_only: bool) -> Self {
        self.0.video_only = video_only;
        self
    }

    /// Says what the output has to be.
    pub fn format(mut self, format: Format) -> Self {
        self.0.format = format;
        self
    }

    /// Fetches this many segments at once, whatever the servers make of it. Unless told, it is as many as serve best: four to
    /// begin with, up to 16 for each origin and 32 in all.
    pub fn concurrency(mut self, attempts: usize) -> Self {
        self.0.concurrency = Some(attempts.max(1));
        self
    }

    /// Ends the job with an error of [`Kind::Temporary`] once no byte has come for this long; ten minutes unless told, `None`
    /// never. Until then an origin that is gone is waited for.
    ///
    /// A recording ends well then, with what it has: half an hour after the playlist last had something new, unless told.
    pub fn give_up_after(mut self, time: Option<Duration>) -> Self {
        self.0.give_up_after = Some(time);
        self
    }

    /// Says where a recording of a live stream begins: with all that the playlist holds, or, where the output is a pipe, near
    /// to its edge, unless told.
    pub fn from(mut self, from: From) -> Self {
        self.0.live.from = Some(from);
        self
    }

    /// Ends a recording once it is this long, at the end of a segment.
    pub fn duration(mut self, duration: Option<Duration>) -> Self {
        self.0.live.duration = duration;
        self
    }

    /// Ends a recording at this time: that of the stream where it has one, else that of this machine.
    pub fn until(mut self, time: Option<DateTime>) -> Self {
        self.0.live.until = time;
        self
    }

    /// Waits for a stream that has not begun.
    pub fn wait(mut self, wait: bool) -> Self {
        self.0.live.wait = wait;
        self
    }

    /// Begins another file, of a recording, whenever one is this long or large.
    pub fn split(mut self, split: Option<Split>) -> Self {
        self.0.live.split = split;
        self
    }

    /// Caps the rate of all connections together, in bytes per second. No more segments are fetched at once than it takes to
    /// reach it.
    pub fn limit_rate(mut self, bytes_per_second: Option<u64>) -> Self {
        self.0.rate = bytes_per_second;
        self
    }

    /// Replaces the table of what is tried again.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.0.policy = policy;
        self
    }

    /// Says what has to survive; for a job that takes over ten seconds the loss of power too, unless told.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.0.durability = durability;
        self
    }

    /// Replaces an output that exists, at the very end.
    pub fn force(mut self, force: bool) -> Self {
        self.0.force = force;
        self
    }

    /// Names outputs that are never replaced: other jobs of the same list have written them.
    pub fn spare(mut self, outputs: Vec<PathBuf>) -> Self {
        self.0.spared = outputs;
        self
    }

    /// Discards what an earlier run left.
    pub fn restart(mut self, restart: bool) -> Self {
        self.0.restart = restart;
        self
    }

    /// Takes what is odd for an error, also where the server sends the same bytes again (default: it is kept, with a warning).
    pub fn strict(mut self, strict: bool) -> Self {
        self.0.strict = strict;
        self
    }

    /// Ends without segments that can't be had, and says which in [`Finished::gaps`] and in `OUT.gaps.json`; the same job
    /// again fills them where it can. Else the first such segment ends the job.
    pub fn allow_gaps(mut self, allow_gaps: bool) -> Self {
        self.0.allow_gaps = allow_gaps;
        self
    }

    /// Leaves audio, video and subtitles out that an MP4 can't hold; without it, they are an error as soon as they are seen.
    /// [`Finished::missing`](crate::Finished::missing) tells of them.
    pub fn allow_missing_tracks(mut self, allow: bool) -> Self {
        self.0.allow_missing_tracks = allow;
        self
    }

    /// Writes a manifest beside the main output, as [`manifest_path`](crate::manifest_path) names it: what every byte of the
    /// outputs has to be. They are read once more for that, at the end.
    pub fn manifest(mut self, manifest: bool) -> Self {
        self.0.manifest = manifest;
        self
    }

    /// Keeps these words of a command line with an unfinished job: what its next run needs too, for whoever lists jobs. They
    /// have no secrets.
    pub fn options(mut self, words: Vec<String>) -> Self {
        self.0.options = words;
        self
    }

    /// Keeps these words of a command line with an unfinished job, secrets included: all that its next run needs.
    pub fn remember(mut self, words: Option<Vec<String>>) -> Self {
        self.0.remembered = words;
        self
    }

    /// Pauses the job with an error of [`Kind::Full`] as soon as less than this is free on the disk, in bytes. `Some(0)` also
    /// begins where the size that the playlist foretells does not fit; `None` does not, and looks no further.
    pub fn keep_free(mut self, bytes: Option<u64>) -> Self {
        self.0.keep_free = bytes;
        self
    }

    /// Starts the job on the current tokio runtime, of either flavour.
    pub fn start(mut self) -> Job {
        let (events, inbox) = mpsc::unbounded_channel();
        let control = watch::channel(Control { rate: self.0.rate, end: End::None }).0;
        let orders = control.subscribe();
        let task = tokio::spawn(async move {
            self.transport()?;
            engine::run(Arc::new(self.0), events, orders).await
        });
        Job { inbox, control, task: Some(task) }
    }

    /// Starts the job and reads its verified bytes here, in order.
    pub fn into_reader(self) -> Reader {
        let (sender, chunks) = mpsc::channel(4);
        Reader { chunks, job: self.writer(ChannelWriter(sender)).start() }
    }

    fn transport(&mut self) -> Result<(), Error> {
        if self.0.fetch.is_some() {
            return Ok(());
        }
        #[cfg(feature = "client")]
        {
            let headers = std::mem::take(&mut self.0.headers);
            let client = hls_fetch::Client::builder()
                .rules(headers)
                .connections(self.0.concurrency.unwrap_or(CONNECTIONS))
                .build();
            let client = client.map_err(|e| Error::fetch("request", "the client", e))?;
            self.0.fetch = Some(Arc::new(client.for_input(self.0.url())));
            Ok(())
        }
        #[cfg(not(feature = "client"))]
        Err(Error::new(Kind::Usage, "configuration", "a job needs a transport").next("give one with fetch()"))
    }
}

impl fmt::Debug for JobBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobBuilder").field("url", &self.0.shown_url()).finish_non_exhaustive()
    }
}

/// A download that runs. Dropping it cancels it; what was done is kept for the next run.
#[derive(Debug)]
pub struct Job {
    inbox: mpsc::UnboundedReceiver<Event>,
    control: watch::Sender<Control>,
    task: Option<JoinHandle<Result<Finished, Error>>>,
}

impl Job {
    /// A download of the stream whose playlist is at `url`.
    #[allow(clippy::new_ret_no_self)]
    pub fn get(url: Url) -> JobBuilder {
        JobBuilder::new(Input::Url(url))
    }

    /// A download of the stream whose playlist is here; `base` is where it came from.
    pub fn get_playlist(text: Vec<u8>, base: Url) -> JobBuilder {
        JobBuilder::new(Input::Text(text, base))
    }

    /// What happens next; `None` once the job has ended.
    pub async fn next(&mut self) -> Option<Event> {
        self.inbox.recv().await
    }

    /// A handle to steer the job with.
    #[must_use]
    pub fn handle(&self) -> JobHandle {
        JobHandle { control: self.control.clone() }
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Whatever kept the job from its output.
    pub async fn finish(mut self) -> Result<Finished, Error> {
        let Some(task) = self.task.as_mut() else { return Err(gone()) };
        let result = task.await;
        self.task = None;
        result.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> Error {
    Error::new(Kind::Internal, "internal", "the job ended without a result")
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Steers a job from elsewhere.
#[derive(Clone, Debug)]
pub struct JobHandle {
    control: watch::Sender<Control>,
}

impl JobHandle {
    /// Changes the cap, in bytes per second.
    pub fn set_rate(&self, bytes_per_second: Option<u64>) {
        self.control.send_modify(|control| control.rate = bytes_per_second);
    }

    /// Ends the job soon: what is under way may come to its end for a few seconds, nothing new begins, and all is kept.
    pub fn stop(&self) {
        self.control.send_modify(|control| control.end = control.end.max(End::Stop));
    }

    /// Ends the job at once; what is verified is kept.
    pub fn cancel(&self) {
        self.control.send_modify(|control| control.end = End::Cancel);
    }
}

/// The verified bytes of a job, in order.
#[derive(Debug)]
pub struct Reader {
    chunks: mpsc::Receiver<Vec<u8>>,
    job: Job,
}

impl Reader {
    /// The next bytes; `None` at the end, which [`finish`](Self::finish) then judges.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        self.chunks.recv().await
    }

    /// A handle to steer the job with.
    #[must_use]
    pub fn handle(&self) -> JobHandle {
        self.job.handle()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Whatever kept the job from delivering all bytes.
    pub async fn finish(mut self) -> Result<Finished, Error> {
        self.chunks.close();
        self.job.finish().await
    }
}

/// Hands bytes to a task of the same process; waits for it where it is slow.
struct ChannelWriter(mpsc::Sender<Vec<u8>>);

impl Write for ChannelWriter {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(data.to_vec());
        sent.map(|()| data.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Connections kept ready for each origin where nobody says how many segments to fetch at once.
#[cfg(feature = "client")]
const CONNECTIONS: usize = 16;
