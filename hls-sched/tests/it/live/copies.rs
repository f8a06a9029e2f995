//! A recording that is read while it grows.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use hls_testkit::{Gate, Origin, Reply, Step, Vod};

use super::*;

/// What a reader has got.
#[derive(Clone, Default)]
struct Got(Arc<Mutex<Vec<u8>>>);

impl Got {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Got {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader that takes nothing before it is told to.
struct Slow(Got, Option<Receiver<()>>);

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(gate) = self.1.take() {
            gate.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_the_bytes_of_the_file_with_each_part() -> Outcome {
    let got = Got::default();
    let split = Some(hls_sched::Split::Duration(SECOND * 20));
    let recorded =
        record(&noise(40), Duration::ZERO, |job| job.also(got.clone()).split(split).manifest(true)).await?;
    assert!(recorded.done.outputs.len() > 1, "{:?}", recorded.done.outputs);
    let files = recorded.done.outputs.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let offered = recorded.air.transmission().bytes(0, 0, 40);
    assert!(got.bytes() == files.concat() && got.bytes() == offered, "{} bytes", got.bytes().len());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_keeps_no_segment_waiting() -> Outcome {
    let broadcast = noise(60).window(4).running(4);
    let (air, folder, got) = (OnAir::new(&broadcast), Folder::in_memory()?, Got::default());
    let (open, gate) = channel();
    let job = job(&air, &broadcast.playlist_path(0, 0)).output(folder.file("out.ts"));
    let mut job = job.also(Slow(got.clone(), Some(gate))).start();
    let mut segments = 0;
    while segments < 60 {
        let event = job.next().await.ok_or("it ended without all of it")?;
        segments += usize::from(matches!(event, Event::Segment(_)));
    }
    assert!(got.bytes().is_empty(), "nothing was taken");
    open.send(())?;
    let done = job.finish().await?;
    assert!(done.gaps.is_empty(), "{:?}", done.gaps);
    same(&folder.file("out.ts"), &air.transmission().bytes(0, 0, 60))?;
    same(&folder.file("out.ts"), &got.bytes())
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_goes_away_ends_nothing() -> Outcome {
    let (open, gate) = channel();
    drop(open);
    let slow = Slow(Got::default(), Some(gate));
    let recorded = record(&noise(30), Duration::ZERO, |job| job.also(slow)).await?;
    assert_eq!(recorded.warnings(), ["output.reader"]);
    recorded.is_whole(0, 30)
}

#[tokio::test(start_paused = true)]
async fn what_is_not_the_bytes_of_one_track_is_not_copied() -> Outcome {
    let broadcast = noise(20).audio("en", &[SECOND * 2], 9);
    let air = OnAir::new(&broadcast);
    let folder = Folder::in_memory()?;
    let job = job(&air, &broadcast.master_path()).output(folder.file("out.ts")).also(Got::default());
    let error = job.start().finish().await.err().ok_or("it was copied")?;
    assert_eq!((error.kind(), error.code()), (hls_sched::Kind::Usage, "output.tracks"));
    Ok(())
}

#[tokio::test]
async fn of_a_download_that_is_gone_with_on_a_reader_gets_all_once_it_is_checked() -> Outcome {
    let (origin, folder) = (Origin::start(), Folder::in_memory()?);
    let vod = Vod::synthetic(20, 60_000).publish(&origin);
    let out = folder.file("out.ts");
    let gate = Gate::new();
    let held = Reply::resource().steps([Step::UpTo(50), Step::Wait(gate.clone()), Step::Rest]);
    origin.script(&vod.segment_paths[10], [held]);
    let mut first = crate::support::job(&vod.url).output(&out).start();
    let mut segments = 0;
    while segments < 19 {
        let event = first.next().await.ok_or("it ended")?;
        segments += usize::from(matches!(event, Event::Segment(_)));
    }
    first.handle().cancel();
    assert!(first.finish().await.is_err());
    gate.open();
    origin.script(&vod.segment_paths[10], []);
    // One of those that are there is damaged: it is had again before anything of it is read.
    for is_damaged in [true, false] {
        let part = folder.file("out.ts.part");
        if is_damaged {
            let mut bytes = std::fs::read(&part)?;
            bytes[70_000] ^= 1;
            std::fs::write(&part, bytes)?;
        }
        let got = Got::default();
        let again = crate::support::job(&vod.url).output(&out).restart(!is_damaged).force(true);
        again.also(got.clone()).start().finish().await?;
        assert!(got.bytes() == std::fs::read(&out)? && got.bytes() == vod.expected, "{is_damaged}");
    }
    Ok(())
}
