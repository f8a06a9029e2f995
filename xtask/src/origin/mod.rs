//! `cargo xtask origin live`: a live stream on this machine, well or not, to try things with.

mod fault;
mod value;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hls_testkit::{Broadcast, LowLatency, Media, Origin};

use self::value::{duration, number};

pub(crate) fn run(args: &[String]) -> Result<()> {
    let Some((what, rest)) = args.split_first() else { bail!("origin of what? cargo xtask origin live") };
    ensure!(what == "live", "no such origin: {what}");
    let options = Options::read(rest)?;
    let (address, lasts) = (options.address.clone(), options.lasts);
    let ip = address
        .parse::<SocketAddr>()
        .with_context(|| format!("{address} is no address like 127.0.0.1:8090"))?
        .ip();
    ensure!(ip.is_loopback(), "{address} is not an address of this machine alone");
    let origin = Origin::builder().latency(options.latency_ms).bind(&address)?;
    let live = options.broadcast()?.publish(&origin);
    println!("multivariant  {}", live.master_url);
    println!("media         {}", live.playlist_url);
    println!("\nEnds with Ctrl-C. Times of faults count from now.");
    match lasts {
        Some(time) => std::thread::sleep(time),
        None => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
    }
    let (asked, polls) = (live.asked(), live.polls(0));
    let refused = asked.iter().filter(|asked| asked.status != 200).count();
    println!(
        "{} requests, {refused} of them not answered with 200, {} for the media playlist",
        asked.len(),
        polls.len()
    );
    Ok(())
}

struct Options {
    address: String,
    latency_ms: u64,
    lasts: Option<Duration>,
    content: String,
    segment: Duration,
    bytes: usize,
    /// What changes the description, in the order it was given.
    changes: Vec<Change>,
}

type Change = Box<dyn FnOnce(Broadcast) -> Broadcast>;

impl Options {
    fn read(args: &[String]) -> Result<Self> {
        let mut options = Self {
            address: "127.0.0.1:0".to_owned(),
            latency_ms: 0,
            lasts: None,
            content: "ts".to_owned(),
            segment: Duration::from_secs(2),
            bytes: 100_000,
            changes: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let mut value = || args.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--address" => options.address.clone_from(value()?),
                "--latency" => options.latency_ms = duration(value()?)?.as_millis() as u64,
                "--for" => options.lasts = Some(duration(value()?)?),
                "--content" => options.content.clone_from(value()?),
                "--segment" => options.segment = duration(value()?)?,
                "--bytes" => options.bytes = number(value()?)?,
                switch @ ("--event" | "--dated" | "--no-end") => options.changes.push(of_switch(switch)?),
                other => options.changes.push(of_value(other, value()?)?),
            }
        }
        Ok(options)
    }

    fn broadcast(self) -> Result<Broadcast> {
        let real = |media| {
            ensure!(self.segment == Duration::from_secs(2), "real media has segments of 2s");
            Ok(Broadcast::from_media(media))
        };
        let broadcast = match self.content.as_str() {
            "ts" => Broadcast::synthetic(self.segment, self.bytes),
            "fmp4" => Broadcast::synthetic_fmp4(self.segment, self.bytes),
            "real-ts" => real(Media::Ts)?,
            "real-fmp4" => real(Media::Fmp4)?,
            "real-audio" => real(Media::AudioAdts)?,
            other => bail!("no such content: {other} (ts, fmp4, real-ts, real-fmp4, real-audio)"),
        };
        Ok(self.changes.into_iter().fold(broadcast, |broadcast, change| change(broadcast)))
    }
}

fn of_switch(name: &str) -> Result<Change> {
    Ok(match name {
        "--event" => Box::new(Broadcast::event_type),
        "--no-end" => Box::new(Broadcast::without_end),
        "--dated" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
            let now = u64::try_from(now.as_millis())?;
            Box::new(move |broadcast| broadcast.dated(now))
        }
        other => bail!("no such option: {other}"),
    })
}

fn of_value(name: &str, value: &str) -> Result<Change> {
    Ok(match name {
        "--window" => with(number(value)?, Broadcast::window),
        "--running" => with(number(value)?, Broadcast::running),
        "--total" => with(number(value)?, Broadcast::total),
        "--sequence" => with(number(value)?, Broadcast::first_sequence),
        "--target" => with(number(value)?, Broadcast::target_duration),
        "--retention" => with(duration(value)?, Broadcast::retention),
        "--tokens" => with(duration(value)?, Broadcast::tokens),
        "--rotate" => {
            let every = number(value)?;
            Box::new(move |broadcast| broadcast.aes128(*b"a key of 16 byte").rotate_every(every))
        }
        "--audio" => {
            let segment = duration(value)?;
            Box::new(move |broadcast| broadcast.real_audio("en", segment, 1000))
        }
        "--parts" => {
            let part = duration(value)?;
            Box::new(move |b| b.low_latency(LowLatency::new(part).deltas(Duration::from_secs(36))))
        }
        "--pathway" => {
            let id = value.to_owned();
            Box::new(move |broadcast| broadcast.pathway(&id, ""))
        }
        "--fault" => fault::read(value)?,
        other => bail!("no such option: {other}"),
    })
}

fn with<T: 'static>(value: T, change: fn(Broadcast, T) -> Broadcast) -> Change {
    Box::new(move |broadcast| change(broadcast, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Broadcast> {
        Options::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())?.broadcast()
    }

    #[test]
    fn lines() -> Result<()> {
        let mut live =
            read("--segment 500ms --window 3 --running 4 --total 9 --sequence 70 --event")?.start();
        let text = live.answer("/live/a/video/index.m3u8", "", Duration::from_secs(60)).body;
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:70\n"), "{text}");
        assert!(text.contains("seg00078.ts\n#EXT-X-ENDLIST"), "{text}");
        read(
            "--content real-ts --audio 1500ms --pathway b --tokens 30s --parts 500ms --rotate 5 --dated --no-end",
        )?;
        for wrong in [
            "--segment",
            "--segment 2",
            "--window x",
            "--nothing 1",
            "--content mkv",
            "--content real-ts --segment 1s",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        Ok(())
    }
}
