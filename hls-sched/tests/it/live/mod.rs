//! Recordings of broadcasts of the test kit, most of them in paused time: what is in the file, and what is said of it.

mod copies;
mod ends;
mod films;
mod hostile;
mod outages;
mod plain;
mod renewal;
mod steering;
mod sync;
mod tracks;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hls_sched::{Durability, Event, Finished, Job, JobBuilder, StoppedBy};
use hls_testkit::Broadcast;

use crate::on_air::OnAir;
use crate::support::{Folder, Outcome, same};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Noise in segments of two seconds, with an end after `total`.
pub(crate) fn noise(total: usize) -> Broadcast {
    Broadcast::synthetic(SECOND * 2, 3000).total(total)
}

/// What a recording has come to.
pub(crate) struct Recorded {
    pub(crate) air: OnAir,
    pub(crate) folder: Folder,
    pub(crate) done: Finished,
    pub(crate) events: Vec<Event>,
}

pub(crate) fn job(air: &OnAir, path: &str) -> JobBuilder {
    let url = air.url(path).parse().expect("a URL");
    Job::get(url).fetch(Arc::new(air.clone())).durability(Durability::Fast)
}

/// Records the picture of a broadcast into `out.ts`.
pub(crate) async fn record(
    broadcast: &Broadcast,
    latency: Duration,
    with: impl FnOnce(JobBuilder) -> JobBuilder,
) -> Result<Recorded, Box<dyn Error>> {
    let air = OnAir::new(broadcast).latency(latency);
    record_from(air, &broadcast.playlist_path(0, 0), with).await
}

pub(crate) async fn record_from(
    air: OnAir,
    path: &str,
    with: impl FnOnce(JobBuilder) -> JobBuilder,
) -> Result<Recorded, Box<dyn Error>> {
    let folder = Folder::new()?;
    let (done, events) = record_into(&folder, &air, path, with).await?;
    Ok(Recorded { air, folder, done, events })
}

pub(crate) async fn record_into(
    folder: &Folder,
    air: &OnAir,
    path: &str,
    with: impl FnOnce(JobBuilder) -> JobBuilder,
) -> Result<(Finished, Vec<Event>), Box<dyn Error>> {
    let mut job = with(job(air, path).output(folder.file("out.ts"))).start();
    let mut events = Vec::new();
    while let Some(event) = job.next().await {
        events.push(event);
    }
    Ok((job.finish().await?, events))
}

/// Runs it until it is told to end, after this time.
pub(crate) async fn stopped_after(job: JobBuilder, time: Duration) -> Result<Finished, hls_sched::Error> {
    let mut job = job.start();
    let handle = job.handle();
    let stopping = async {
        tokio::time::sleep(time).await;
        handle.stop();
    };
    let listening = async { while job.next().await.is_some() {} };
    tokio::join!(stopping, listening);
    job.finish().await
}

impl Recorded {
    /// The file has the segments `from..to` of the production, nothing is missing, and nothing was asked for too often.
    pub(crate) fn is_whole(&self, from: usize, to: usize) -> Outcome {
        self.has(&(from..to).collect::<Vec<_>>(), &[])
    }

    /// The file has all that was ever in the playlist, and nothing is missing.
    pub(crate) fn has_all(&self) -> Outcome {
        self.is_polite();
        self.has_all_of_it()
    }

    /// The same, of a server that is asked before there is news, and waits for it.
    pub(crate) fn has_all_of_it(&self) -> Outcome {
        let offered = self.air.transmission().offered(0, Duration::from_secs(1 << 20));
        let listed = offered.iter().filter(|offer| offer.appeared.is_some());
        self.has_segments(&listed.map(|offer| offer.index).collect::<Vec<_>>(), &[])
    }

    /// The file has these segments of the production, and lacks so many others in so many places.
    pub(crate) fn has(&self, segments: &[usize], gaps: &[u64]) -> Outcome {
        self.is_polite();
        self.has_segments(segments, gaps)
    }

    fn has_segments(&self, segments: &[usize], gaps: &[u64]) -> Outcome {
        let file = self.done.outputs.first().ok_or("no output")?;
        has(&self.air, file, segments)?;
        let missing: Vec<_> = self.done.gaps.iter().map(|gap| gap.count).collect();
        assert_eq!(missing, gaps, "{:?}", self.done.gaps);
        Ok(())
    }

    /// Never more than two requests for a playlist in a target duration (rfc8216bis-22, section 6.3.4).
    pub(crate) fn is_polite(&self) {
        self.is_polite_within(SECOND * 2);
    }

    pub(crate) fn is_polite_within(&self, target: Duration) {
        // The requests of a window that is open at one end.
        let most = self.air.transmission().most_polls(0, target - Duration::from_millis(20));
        assert!(most <= 2, "{most} in {target:?}: {:?}", self.air.transmission().polls(0));
    }

    pub(crate) fn warnings(&self) -> Vec<&'static str> {
        let kind = |event: &Event| match event {
            Event::Warning { kind, .. } => Some(*kind),
            _ => None,
        };
        self.events.iter().filter_map(kind).collect()
    }

    pub(crate) fn stopped_by(&self, by: StoppedBy) {
        assert_eq!(self.done.stopped_by, Some(by));
    }
}

/// A file has these segments of the production, each once, in this order.
pub(crate) fn has(air: &OnAir, file: &Path, segments: &[usize]) -> Outcome {
    let offered = air.transmission().offered(0, Duration::from_secs(1 << 20));
    let bytes = std::fs::read(file)?;
    let mut expected = Vec::new();
    for index in segments {
        let offer = offered.iter().find(|offer| offer.index == *index).ok_or("never made")?;
        expected.extend_from_slice(&offer.bytes());
    }
    if bytes != expected {
        // Which ones they are says more than where they differ.
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        while let Some(offer) = offered.iter().find(|offer| rest.starts_with(&offer.bytes())) {
            found.push(offer.index);
            rest = &rest[offer.bytes().len()..];
        }
        assert_eq!(found, segments, "and {} bytes more", rest.len());
        same(file, &expected)?;
    }
    Ok(())
}
