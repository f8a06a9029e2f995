//! The one thread that writes: it carries out the assembler's commands in order.

mod inbox;

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hls_state::{Ended, Error, Kind, Memo, Placed, ResumeStore};
use tokio::sync::{Notify, mpsc};

use self::inbox::{Inbox, Messages, Nothing, queue};
use crate::place::Place;
use crate::policy::assembler::Command;

/// Attempts wait while more than this has been handed over and not written.
const MOST_IN_FLIGHT: u64 = 4 << 20;
/// Pieces written in one call, and bytes: more of them would wait for each other in memory.
const MOST_PIECES: usize = 64;
const MOST_AT_ONCE: u64 = 1 << 20;
/// Records and syncs are seen to this soon after something was written, and this often while nothing is.
const MAINTAIN_SOON: Duration = Duration::from_millis(10);
const MAINTAIN_IDLE: Duration = Duration::from_millis(250);
/// Where no file can be opened, another one may have been closed this much later; so many times.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(50);
const DESCRIPTOR_TRIES: u32 = if cfg!(test) { 10 } else { 100 };
/// Of a job that ends before, only a failure is noted. One that goes on without a memo may choose another variant.
const MEMO_AFTER: Duration = Duration::from_millis(100);

/// What the thread has to say.
#[derive(Debug)]
pub(crate) enum Report {
    /// A unit that had been set aside is in its output, or turned out to be damaged.
    Placed(Place, bool),
    /// A unit has a record or a name of its own: the next run will find it.
    Saved(Place),
    /// A unit that had been set aside could not be made to last and is gone.
    Lost(Place),
    /// No more files may be open; it is tried again for a while.
    OutOfDescriptors,
    /// A unit of an earlier run is not what its record says.
    Damaged(Placed),
    /// What an earlier run left has been checked: no more of it is damaged.
    Checked,
    Failed(Error),
    Finished(Result<Vec<PathBuf>, Error>),
    Closed(Result<(), Error>),
}

#[derive(Debug)]
enum Message {
    Do(Command),
    /// Words for the next run.
    Annotate(Vec<u8>),
    Remark(hls_state::Unit, Vec<u8>),
    Finish,
    /// Something of the job stays after its end, and why.
    Note(Ended),
    /// The end before the end, and the reason for it.
    Close(Ended),
}

#[derive(Debug)]
pub(crate) struct Writer {
    messages: Messages,
    in_flight: Arc<InFlight>,
}

#[derive(Debug, Default)]
struct InFlight {
    bytes: AtomicU64,
    fewer: Notify,
}

impl Writer {
    pub(crate) fn start(
        store: Box<dyn ResumeStore>,
        memo: Memo,
        reports: mpsc::UnboundedSender<Report>,
    ) -> std::io::Result<Self> {
        let (messages, inbox) = queue();
        let in_flight = Arc::new(InFlight::default());
        let shared = Arc::clone(&in_flight);
        let worker =
            Worker { store, memo, noted: false, reports, in_flight: shared, failed: false, checked: false };
        std::thread::Builder::new().name("hls-write".into()).spawn(move || worker.run(inbox))?;
        Ok(Self { messages, in_flight })
    }

    /// Hands over a command; a thread that is gone has said why.
    pub(crate) fn carry_out(&self, command: Command) {
        self.in_flight.bytes.fetch_add(size(&command), Ordering::Relaxed);
        self.messages.send(Message::Do(command));
    }

    /// Keeps words for the next run, in order with what is recorded.
    pub(crate) fn annotate(&self, note: Vec<u8>) {
        self.messages.send(Message::Annotate(note));
    }

    /// Keeps what is known of where a unit came from, for the next run.
    pub(crate) fn remark(&self, unit: hls_state::Unit, text: Vec<u8>) {
        self.messages.send(Message::Remark(unit, text));
    }

    pub(crate) fn finish(&self) {
        self.messages.send(Message::Finish);
    }

    pub(crate) fn note(&self, reason: Ended) {
        self.messages.send(Message::Note(reason));
    }

    pub(crate) fn close(&self, reason: Ended) {
        self.messages.send(Message::Close(reason));
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.bytes.load(Ordering::Relaxed)
    }

    /// Whether attempts wait for the thread.
    pub(crate) fn is_behind(&self) -> bool {
        self.in_flight() > MOST_IN_FLIGHT
    }

    /// Waits until the thread has caught up enough.
    pub(crate) async fn ready(&self) {
        while self.is_behind() {
            let fewer = self.in_flight.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if self.in_flight() <= MOST_IN_FLIGHT {
                return;
            }
            fewer.await;
        }
    }
}

impl Message {
    /// How many bytes of media it has.
    fn bytes(&self) -> u64 {
        if let Self::Do(command) = self { size(command) } else { 0 }
    }

    /// Tells whether it wakes the thread at once. What is written and recorded as it comes does not.
    fn is_urgent(&self) -> bool {
        use Command::{Mark, Record, Write};
        !matches!(
            self,
            Self::Annotate(_) | Self::Remark(..) | Self::Do(Write { .. } | Record(_) | Mark { .. })
        )
    }
}

fn size(command: &Command) -> u64 {
    match command {
        Command::Write { data, .. } | Command::SetAside(_, data) => data.len() as u64,
        _ => 0,
    }
}

/// Bytes of an output that are written in one call.
#[derive(Debug, Default)]
struct Run {
    output: u8,
    begin: u64,
    end: u64,
}

impl Run {
    /// Returns whether a message may be carried out with the run: it writes what follows on, or records what is in it.
    fn takes(&mut self, message: &Message) -> bool {
        match message {
            Message::Do(Command::Write { output, offset, data }) => {
                let is_first = self.begin == self.end;
                if is_first {
                    (self.output, self.begin, self.end) = (*output, *offset, *offset);
                }
                let follows = (*output, *offset) == (self.output, self.end);
                self.end += if follows { data.len() as u64 } else { 0 };
                follows
            }
            Message::Do(Command::Record(_)) | Message::Remark(..) => true,
            _ => false,
        }
    }
}

fn piece(message: &Message) -> Option<IoSlice<'_>> {
    match message {
        Message::Do(Command::Write { data, .. }) => Some(IoSlice::new(data)),
        _ => None,
    }
}

struct Worker {
    store: Box<dyn ResumeStore>,
    memo: Memo,
    /// Whether the memo is on the disk.
    noted: bool,
    reports: mpsc::UnboundedSender<Report>,
    in_flight: Arc<InFlight>,
    failed: bool,
    /// What an earlier run left has been checked to its end.
    checked: bool,
}

impl Worker {
    fn run(mut self, mut inbox: Inbox) {
        let started = Instant::now();
        let mut maintained = started;
        if self.memo.remembered.is_some() {
            self.keep_memo();
        }
        let mut waiting = None;
        let mut idle = true;
        self.hear_of_check();
        loop {
            let message = match waiting.take() {
                Some(message) => Ok(message),
                None => inbox.next(if idle && self.checked { MAINTAIN_IDLE } else { MAINTAIN_SOON }),
            };
            idle &= message.is_err();
            match message {
                Ok(message @ Message::Do(Command::Write { .. })) => waiting = self.write(message, &mut inbox),
                Ok(message @ (Message::Do(_) | Message::Annotate(_) | Message::Remark(..))) => {
                    self.obey(&message);
                }
                // Whoever hears of the end may start anew at once, so the lock is gone by then.
                Ok(Message::Finish) if self.failed => {
                    // All seemed to be there when this was sent. Whoever sent it hears of the failure next.
                    self.keep_memo();
                    let closed = self.store.close();
                    drop(self.store);
                    let _ = self.reports.send(Report::Closed(closed));
                    return;
                }
                Ok(Message::Finish) => {
                    let finished = self.store.finish();
                    if let Err(error) = &finished {
                        self.memo.ended = Some(ended(error));
                        self.keep_memo();
                    }
                    drop(self.store);
                    let _ = self.reports.send(Report::Finished(finished));
                    return;
                }
                Ok(Message::Note(reason)) => {
                    self.memo.ended = Some(reason);
                    self.keep_memo();
                }
                Ok(Message::Close(reason)) => {
                    self.memo.ended = Some(reason);
                    self.keep_memo();
                    let closed = self.store.close();
                    drop(self.store);
                    let _ = self.reports.send(Report::Closed(closed));
                    return;
                }
                Err(Nothing::Yet) => {}
                Err(Nothing::More) => {
                    // The job was dropped: what is here is kept for the next run.
                    let _ = self.store.close();
                    return;
                }
            }
            if maintained.elapsed() >= MAINTAIN_SOON && !self.failed {
                let result = self.patiently(|this| this.store.maintain());
                self.note(result);
                self.hear_of_check();
                maintained = Instant::now();
                idle = true;
                if !self.noted && started.elapsed() >= MEMO_AFTER {
                    self.keep_memo();
                }
            }
        }
    }

    /// Writes what follows on from the first message in the same call, also behind records, which are made after it. Returns
    /// the first message that is neither.
    fn write(&mut self, first: Message, inbox: &mut Inbox) -> Option<Message> {
        let mut run = Run::default();
        run.takes(&first);
        let mut all = vec![first];
        let mut other = None;
        while all.len() < MOST_PIECES && run.end - run.begin < MOST_AT_ONCE {
            match inbox.there() {
                Some(message) if run.takes(&message) => all.push(message),
                Some(message) => {
                    other = Some(message);
                    break;
                }
                None => break,
            }
        }
        if all.len() > 1 && !self.failed {
            let slices: Vec<IoSlice<'_>> = all.iter().filter_map(piece).collect();
            let (output, offset) = (run.output, run.begin);
            match self.patiently(|this| this.store.write(output, offset, &slices)) {
                Ok(()) => {
                    all.retain(|message| piece(message).is_none());
                    self.written(run.end - run.begin);
                }
                // Each is tried by itself: on a disk that is full, the units that fit are kept.
                Err(_) if self.store.takes_unverified() => {}
                // What went into a pipe can't be written again.
                Err(error) => self.note(Err(error)),
            }
        }
        all.iter().for_each(|message| self.obey(message));
        other
    }

    /// Carries out a message that says what is to be kept.
    fn obey(&mut self, message: &Message) {
        let result = self.patiently(|this| match message {
            _ if this.failed => Ok(()),
            Message::Do(command) => this.carry_out(command.clone()),
            Message::Annotate(note) => this.store.annotate(note),
            Message::Remark(unit, text) => this.store.remark(*unit, text),
            Message::Finish | Message::Note(_) | Message::Close(_) => Ok(()),
        });
        self.note(result);
        if let Message::Do(command) = message {
            self.written(size(command));
        }
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Error> {
        let store = &mut self.store;
        match command {
            Command::Write { output, offset, data } => store.write(output, offset, &[IoSlice::new(&data)]),
            Command::Cut { output, offset } => store.cut(output, offset),
            Command::Record(placed) => {
                store.record(placed)?;
                let place = Place { track: placed.output, index: placed.index };
                let _ = self.reports.send(Report::Saved(place));
                Ok(())
            }
            Command::Mark { unit, aside, mark } => store.mark(unit, aside, mark),
            Command::SetAside(unit, data) => store.set_aside(unit, &[IoSlice::new(&data)]),
            Command::KeepAside(unit, hash) => {
                let place = Place { track: unit.output, index: unit.index };
                let kept = store.keep_aside(unit, hash)?;
                let _ = self.reports.send(if kept { Report::Saved(place) } else { Report::Lost(place) });
                Ok(())
            }
            Command::DropAside(unit) => {
                store.drop_aside(unit);
                Ok(())
            }
            Command::PlaceAside(unit, offset) => {
                let place = Place { track: unit.output, index: unit.index };
                let right = store.place_aside(unit, offset)?.is_some();
                let _ = self.reports.send(Report::Placed(place, right));
                Ok(())
            }
        }
    }

    /// Makes a call again while no file can be opened for it: whoever hears of that ends attempts, which close theirs.
    fn patiently(&mut self, mut call: impl FnMut(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        for attempt in 0..DESCRIPTOR_TRIES {
            match call(self) {
                Err(error) if error.kind() == Kind::Descriptors => {}
                result => return result,
            }
            if attempt == 0 {
                let _ = self.reports.send(Report::OutOfDescriptors);
            }
            std::thread::sleep(DESCRIPTOR_WAIT);
        }
        call(self)
    }

    /// Passes on what the check of an earlier run's outputs has found.
    fn hear_of_check(&mut self) {
        if self.checked || self.failed {
            return;
        }
        match self.store.checked() {
            Ok(checked) => {
                let damaged = checked.damaged.into_iter().map(Report::Damaged);
                for report in damaged.chain(checked.is_done.then_some(Report::Checked)) {
                    let _ = self.reports.send(report);
                }
                self.checked = checked.is_done;
            }
            Err(error) => self.note(Err(error)),
        }
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result
            && !self.failed
        {
            self.failed = true;
            self.memo.ended = Some(ended(&error));
            let _ = self.reports.send(Report::Failed(error));
        }
    }

    fn keep_memo(&mut self) {
        self.store.keep_memo(&self.memo);
        self.noted = true;
    }

    fn written(&self, bytes: u64) {
        let before = self.in_flight.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before > MOST_IN_FLIGHT && before - bytes <= MOST_IN_FLIGHT {
            self.in_flight.fewer.notify_waiters();
        }
    }
}

fn ended(error: &Error) -> Ended {
    Ended::new(error.code(), error.to_string())
}

#[cfg(test)]
mod tests;
