//! One answer of an origin, good or bad.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// One answer: what is served, and what happens on the way.
///
/// A constructor says what is served; methods change how. Without [`steps`](Self::steps) the whole body is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) source: Source,
    pub(super) headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    pub(super) range: RangeRule,
    pub(super) change: Change,
    pub(super) steps: Vec<Step>,
    pub(super) delay: Duration,
    pub(super) times: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Resource,
    Given(Box<super::Resource>),
    Fixed { status: u16, body: Bytes, content_type: &'static str },
    Raw(Bytes),
    Hang,
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Claimed(u64),
    Chunked,
    UntilClose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeRule {
    Honour,
    Ignore,
    Shift,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Nothing,
    Halve,
    Noise(usize),
}

/// One step in the sending of a body.
///
/// Steps that end before the body does leave it cut: the connection is closed there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Sends the next bytes of the body.
    Bytes(usize),
    /// Sends the body up to this many hundredths of it.
    UpTo(u8),
    /// Sends what is left.
    Rest,
    /// Sends what is left at this rate.
    Drip {
        /// Bytes a second.
        bytes_per_s: u64,
    },
    /// Sends noise in the place of the next bytes of the body, or beyond its end.
    Garbage(usize),
    /// Sends these bytes over and over, until the client goes away.
    Endless(Bytes),
    /// Waits this many milliseconds.
    Sleep(u64),
    /// Waits until the gate is open.
    Wait(Gate),
    /// Sends nothing any more, and keeps the connection open.
    Stall,
    /// Closes the connection in order (FIN), with all of its streams.
    Close,
    /// Resets the connection (RST), or in HTTP/2 the stream (`RST_STREAM`).
    Reset,
}

impl Reply {
    /// Serves the resource at the path, or 404 if there is none.
    pub fn resource() -> Self {
        Self::from(Source::Resource)
    }

    /// Serves this resource, whatever is at the path.
    pub fn serving(resource: super::Resource) -> Self {
        Self::from(Source::Given(Box::new(resource)))
    }

    /// Answers with this status and a short text as its body.
    pub fn status(status: u16) -> Self {
        Self::fixed(status, format!("status {status}\n"), "text/plain")
    }

    /// Answers 200 with this body.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::fixed(200, body, "application/octet-stream")
    }

    /// Answers 200 with a page that asks to log in.
    pub fn html() -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>{}</body></html>\n",
            "<p>Please sign in to continue.</p>".repeat(60)
        );
        Self::fixed(200, page, "text/html; charset=utf-8")
    }

    /// Answers 200 with an empty body.
    pub fn empty() -> Self {
        Self::ok(Bytes::new())
    }

    /// Redirects (302) to `location`, which may be relative.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// Sends these bytes in the place of an HTTP response, then closes the connection.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::from(Source::Raw(bytes.into()))
    }

    /// Never answers.
    pub fn hang() -> Self {
        Self::from(Source::Hang)
    }

    /// Refuses the request before anything of it is done: `REFUSED_STREAM` in HTTP/2, a closed connection before that.
    pub fn refused() -> Self {
        Self::from(Source::Refuse)
    }

    /// Promises the whole resource, and closes the connection (FIN) after half of it.
    pub fn truncated() -> Self {
        Self::resource().steps([Step::UpTo(50), Step::Close])
    }

    /// Resets the connection after half of the resource.
    pub fn reset_midway() -> Self {
        Self::resource().steps([Step::UpTo(50), Step::Reset])
    }

    /// Goes silent after half of the resource.
    pub fn stall_midway() -> Self {
        Self::resource().steps([Step::UpTo(50), Step::Stall])
    }

    /// Sends half of the resource chunked, and closes the connection without the last chunk.
    pub fn chunked_cut() -> Self {
        Self::truncated().chunked()
    }

    /// Serves half of the resource as if it were all of it, cut at a TS packet: HTTP can't tell.
    pub fn short_consistent() -> Self {
        Self { change: Change::Halve, ..Self::resource() }
    }

    /// Serves the resource with `n` bytes of noise in its middle: HTTP can't tell.
    pub fn noise(n: usize) -> Self {
        Self { change: Change::Noise(n), ..Self::resource() }
    }

    /// Answers 206 with a range that begins one byte after the one asked for.
    pub fn range_mismatch() -> Self {
        Self { range: RangeRule::Shift, ..Self::resource() }
    }

    /// Answers 200 with the whole resource, whatever range is asked for.
    pub fn ignore_range() -> Self {
        Self { range: RangeRule::Ignore, ..Self::resource() }
    }

    /// Adds a header, replacing the origin's own one of that name.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Claims this `Content-Length`, whatever the body is.
    pub fn content_length(mut self, claimed: u64) -> Self {
        self.framing = Framing::Claimed(claimed);
        self
    }

    /// Sends the body chunked.
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Answers as HTTP/1.0 without a length: the body ends where the connection does.
    pub fn http10_close(mut self) -> Self {
        self.framing = Framing::UntilClose;
        self
    }

    /// Sends the body step by step.
    pub fn steps(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps = steps.into_iter().collect();
        self
    }

    /// Waits this many milliseconds before the answer, on top of the origin's latency.
    pub fn delay(mut self, ms: u64) -> Self {
        self.delay = Duration::from_millis(ms);
        self
    }

    /// Stands for `n` replies of a script.
    pub fn times(mut self, n: u32) -> Self {
        self.times = Some(n);
        self
    }

    /// Stands for all further replies of a script.
    pub fn forever(mut self) -> Self {
        self.times = None;
        self
    }

    fn fixed(status: u16, body: impl Into<Bytes>, content_type: &'static str) -> Self {
        Self::from(Source::Fixed { status, body: body.into(), content_type })
    }
}

impl From<Source> for Reply {
    fn from(source: Source) -> Self {
        Self {
            source,
            headers: Vec::new(),
            framing: Framing::Length,
            range: RangeRule::Honour,
            change: Change::Nothing,
            steps: vec![Step::Rest],
            delay: Duration::ZERO,
            times: Some(1),
        }
    }
}

/// A gate that replies wait at until a test opens it, so that no test has to guess a time.
#[derive(Clone, Debug)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    /// Makes a closed gate.
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Opens it, for good.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        // An error means that the sender is gone, which `self` is not.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
