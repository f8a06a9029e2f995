//! What the thread that writes does with what it is told, where stores fail.

use super::*;
use bytes::Bytes;
use hls_state::{Fingerprint, Mark, Placed, Unit};
use std::sync::Mutex;

/// Fails at one of its calls, and notes how it ended.
#[derive(Debug)]
struct Failing {
    at: usize,
    calls: usize,
    ended: Arc<Mutex<Vec<&'static str>>>,
}

impl Failing {
    fn call<T>(&mut self, done: T) -> Result<T, Error> {
        self.calls += 1;
        if self.calls == self.at {
            Err(Error::from_io("can't write", "x".as_ref(), std::io::ErrorKind::StorageFull.into()))
        } else {
            Ok(done)
        }
    }
}

impl ResumeStore for Failing {
    fn takes_unverified(&self) -> bool {
        true
    }
    fn write(&mut self, _: u8, _: u64, _: &[IoSlice<'_>]) -> Result<(), Error> {
        self.call(())
    }
    fn cut(&mut self, _: u8, _: u64) -> Result<(), Error> {
        self.call(())
    }
    fn record(&mut self, _: Placed) -> Result<(), Error> {
        self.call(())
    }
    fn mark(&mut self, _: Unit, _: bool, _: Mark) -> Result<(), Error> {
        Ok(())
    }
    fn set_aside(&mut self, _: Unit, _: &[IoSlice<'_>]) -> Result<(), Error> {
        self.call(())
    }
    fn keep_aside(&mut self, _: Unit, _: Fingerprint) -> Result<bool, Error> {
        self.call(true)
    }
    fn drop_aside(&mut self, _: Unit) {}
    fn place_aside(&mut self, _: Unit, _: u64) -> Result<Option<Placed>, Error> {
        self.call(None)
    }
    fn maintain(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn close(&mut self) -> Result<(), Error> {
        self.ended.lock().unwrap().push("closed");
        Ok(())
    }
    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        self.ended.lock().unwrap().push("finished");
        Ok(Vec::new())
    }
}

/// Has no descriptors for some of its calls.
#[derive(Debug)]
struct Short(u32);

impl ResumeStore for Short {
    fn takes_unverified(&self) -> bool {
        true
    }
    fn write(&mut self, _: u8, _: u64, _: &[IoSlice<'_>]) -> Result<(), Error> {
        Ok(())
    }
    fn cut(&mut self, _: u8, _: u64) -> Result<(), Error> {
        Ok(())
    }
    fn record(&mut self, _: Placed) -> Result<(), Error> {
        Ok(())
    }
    fn mark(&mut self, _: Unit, _: bool, _: Mark) -> Result<(), Error> {
        Ok(())
    }
    fn set_aside(&mut self, _: Unit, _: &[IoSlice<'_>]) -> Result<(), Error> {
        let Some(left) = self.0.checked_sub(1) else { return Ok(()) };
        self.0 = left;
        Err(Error::from_io("can't create", "x".as_ref(), std::io::Error::from_raw_os_error(24)))
    }
    fn keep_aside(&mut self, _: Unit, _: Fingerprint) -> Result<bool, Error> {
        Ok(false)
    }
    fn drop_aside(&mut self, _: Unit) {}
    fn place_aside(&mut self, _: Unit, _: u64) -> Result<Option<Placed>, Error> {
        Ok(None)
    }
    fn maintain(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        Ok(Vec::new())
    }
}

#[test]
fn what_follows_on_is_written_in_one_call() {
    let write = |output, offset, len: usize| {
        Message::Do(Command::Write { output, offset, data: Bytes::from(vec![0; len]) })
    };
    let placed = Placed { output: 0, index: 0, identity: 0, offset: 0, len: 2, hash: Fingerprint(0) };
    let record = || Message::Do(Command::Record(placed));
    let cut = || Message::Do(Command::Cut { output: 0, offset: 5 });
    // Messages, how many of them belong together, and how many bytes these write.
    for (messages, together, bytes) in [
        (vec![write(0, 3, 2)], 1, 2),
        (vec![write(0, 3, 2), write(0, 5, 4), write(0, 9, 1)], 3, 7),
        (vec![write(0, 3, 2), record(), write(0, 5, 4), record()], 4, 6),
        (vec![write(0, 3, 2), write(0, 6, 4)], 1, 2),
        (vec![write(0, 3, 2), write(1, 5, 4)], 1, 2),
        (vec![write(0, 3, 2), cut(), write(0, 5, 4)], 1, 2),
        (vec![write(0, 3, 2), Message::Annotate(vec![1]), write(0, 5, 4)], 1, 2),
        (vec![write(0, 3, 2), Message::Finish], 1, 2),
    ] {
        let mut run = Run::default();
        let taken = messages.iter().take_while(|message| run.takes(message)).count();
        assert_eq!((taken, run.end - run.begin), (together, bytes), "{messages:?}");
    }
}

/// Has room for so many bytes, and notes what was done.
#[derive(Debug)]
struct Room(u64, Arc<Mutex<Vec<String>>>);

impl ResumeStore for Room {
    fn takes_unverified(&self) -> bool {
        true
    }
    fn write(&mut self, _: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        let end = offset + data.iter().map(|piece| piece.len() as u64).sum::<u64>();
        if end > self.0 {
            let full = std::io::ErrorKind::StorageFull.into();
            return Err(Error::from_io("can't write", "x".as_ref(), full));
        }
        self.1.lock().unwrap().push(format!("{offset}..{end}"));
        Ok(())
    }
    fn cut(&mut self, _: u8, _: u64) -> Result<(), Error> {
        Ok(())
    }
    fn record(&mut self, placed: Placed) -> Result<(), Error> {
        self.1.lock().unwrap().push(format!("record {}", placed.index));
        Ok(())
    }
    fn mark(&mut self, _: Unit, _: bool, _: Mark) -> Result<(), Error> {
        Ok(())
    }
    fn set_aside(&mut self, _: Unit, _: &[IoSlice<'_>]) -> Result<(), Error> {
        Ok(())
    }
    fn keep_aside(&mut self, _: Unit, _: Fingerprint) -> Result<bool, Error> {
        Ok(true)
    }
    fn drop_aside(&mut self, _: Unit) {}
    fn place_aside(&mut self, _: Unit, _: u64) -> Result<Option<Placed>, Error> {
        Ok(None)
    }
    fn maintain(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn close(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        Ok(Vec::new())
    }
}

#[test]
fn on_a_full_disk_the_units_that_fit_are_recorded() {
    for (room, expect) in [
        (6, vec!["0..6", "record 0", "record 1", "record 2"]),
        (5, vec!["0..2", "record 0", "2..4", "record 1"]),
        (1, vec![]),
    ] {
        let done = Arc::new(Mutex::new(Vec::new()));
        let (messages, mut inbox) = queue();
        for index in 0..3 {
            let offset = index * 2;
            let data = Bytes::from_static(b"12");
            messages.send(Message::Do(Command::Write { output: 0, offset, data }));
            let placed = Placed { output: 0, index, identity: 0, offset, len: 2, hash: Fingerprint(0) };
            messages.send(Message::Do(Command::Record(placed)));
        }
        let in_flight = Arc::new(InFlight::default());
        in_flight.bytes.store(6, Ordering::Relaxed);
        let mut worker = Worker {
            store: Box::new(Room(room, Arc::clone(&done))),
            memo: Memo::default(),
            noted: false,
            reports: mpsc::unbounded_channel().0,
            in_flight,
            failed: false,
            checked: true,
        };
        let mut waiting = inbox.there();
        while let Some(message) = waiting.take() {
            waiting = worker.write(message, &mut inbox).or_else(|| inbox.there());
        }
        assert_eq!(*done.lock().unwrap(), expect, "{room}");
        assert_eq!((worker.failed, worker.in_flight.bytes.load(Ordering::Relaxed)), (room < 6, 0));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn where_no_file_can_be_opened_it_is_tried_again_for_a_while() {
    for (times, ends) in [(0, "Finished"), (3, "Finished"), (u32::MAX, "Closed")] {
        let (reports, mut heard) = mpsc::unbounded_channel();
        let writer = Writer::start(Box::new(Short(times)), Memo::default(), reports).unwrap();
        let unit = Unit { output: 0, index: 1, identity: 0 };
        writer.carry_out(Command::SetAside(unit, Bytes::from_static(b"12")));
        writer.carry_out(Command::KeepAside(unit, Fingerprint(0)));
        writer.finish();
        let mut all = Vec::new();
        while let Some(report) = heard.recv().await {
            all.push(format!("{report:?}").split(['(', ' ']).next().unwrap_or_default().to_owned());
        }
        let expect: &[&str] = match times {
            0 => &["Checked", "Lost", ends],
            3 => &["Checked", "OutOfDescriptors", "Lost", ends],
            _ => &["Checked", "OutOfDescriptors", "Failed", ends],
        };
        assert_eq!(all, expect);
    }
}

#[tokio::test]
async fn nothing_that_failed_is_ever_finished() {
    for (at, expect, first) in [(0, "finished", "Finished"), (1, "closed", "Failed"), (5, "closed", "Failed")]
    {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let (reports, mut heard) = mpsc::unbounded_channel();
        let store = Failing { at, calls: 0, ended: Arc::clone(&ended) };
        let writer = Writer::start(Box::new(store), Memo::default(), reports).unwrap();
        for n in 0..5 {
            // One track and then the other, so that each write is a call of its own.
            let data = Bytes::from_static(b"12");
            writer.carry_out(Command::Write { output: n % 2, offset: u64::from(n), data });
        }
        writer.finish();
        assert!(matches!(heard.recv().await, Some(Report::Checked)));
        let report = format!("{:?}", heard.recv().await);
        assert!(report.contains(first), "{at}: {report}");
        while heard.recv().await.is_some() {}
        assert_eq!(*ended.lock().unwrap(), [expect], "{at}");
    }
}
