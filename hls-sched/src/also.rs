//! The main output a second time, for a reader: read from its file behind what is verified, so a slow reader keeps nobody.

use std::fmt;
use std::fs::File;
use std::io::{IoSlice, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use hls_state::{Checked, Error, Fingerprint, Mark, Memo, Placed, ResumeStore, Unit};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::event::Event;

/// Bytes are copied in pieces of this size.
const PIECE: usize = 256 << 10;

/// What the thread that copies is told.
enum Told {
    /// The next file begins, to be copied from there on.
    File(File, u64),
    /// So many bytes of it are verified.
    Verified(u64),
}

/// Copies files to a reader, one behind the other.
#[derive(Debug)]
pub(crate) struct Also {
    to: Sender<Told>,
    ended: oneshot::Receiver<()>,
}

impl Also {
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn start(
        mut out: Box<dyn Write + Send>,
        events: UnboundedSender<Event>,
    ) -> std::io::Result<Self> {
        let ((to, told), (ends, ended)) = (channel(), oneshot::channel());
        std::thread::Builder::new().name("hls-also".to_owned()).spawn(move || {
            if let Err(error) = copy(&told, &mut *out) {
                let message =
                    format!("whoever read the copy takes no more of it ({error}); the file goes on");
                let _ = events.send(Event::Warning { kind: "output.reader", message });
            }
            let _ = ends.send(());
        })?;
        Ok(Self { to, ended })
    }

    /// A store that has the first output of another one copied. `part` is where its bytes are until it has its name, `there` how
    /// many an earlier run has left, which are `skipped`, or else copied once they have been checked.
    pub(crate) fn over(
        &self,
        inner: Box<dyn ResumeStore>,
        (part, there, is_skipped): (PathBuf, u64, bool),
    ) -> Copied {
        let to = self.to.clone();
        let is_checked = there == 0 || is_skipped;
        Copied {
            inner,
            to,
            part,
            from: if is_skipped { there } else { 0 },
            end: there,
            is_open: false,
            is_checked,
            was_damaged: false,
        }
    }

    /// Waits until all is copied, or the reader has gone.
    pub(crate) async fn finish(self) {
        drop(self.to);
        // A thread that is gone without a word has copied what it could.
        let _ = self.ended.await;
    }
}

fn copy(told: &Receiver<Told>, out: &mut dyn Write) -> std::io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut current: Option<(File, u64)> = None;
    for told in told {
        match (told, &mut current) {
            (Told::File(mut file, from), current) => {
                file.seek(SeekFrom::Start(from))?;
                *current = Some((file, from));
            }
            (Told::Verified(end), Some((file, position))) => {
                while *position < end {
                    let most = usize::try_from(end - *position).unwrap_or(PIECE).min(PIECE);
                    let piece = buffer.get_mut(..most).unwrap_or_default();
                    file.read_exact(piece)?;
                    out.write_all(piece)?;
                    *position += most as u64;
                }
                out.flush()?;
            }
            (Told::Verified(_), None) => {}
        }
    }
    Ok(())
}

/// A store whose first output is copied.
pub(crate) struct Copied {
    inner: Box<dyn ResumeStore>,
    to: Sender<Told>,
    part: PathBuf,
    from: u64,
    /// Up to where all is verified, or claimed to be.
    end: u64,
    is_open: bool,
    /// What an earlier run left is as it should be.
    is_checked: bool,
    was_damaged: bool,
}

impl Copied {
    fn note(&mut self, placed: Placed) {
        if placed.output == 0 {
            self.end = self.end.max(placed.offset.saturating_add(placed.len));
            self.tell();
        }
    }

    fn tell(&mut self) {
        if !self.is_checked || self.end <= self.from {
            return;
        }
        if !self.is_open {
            // Its bytes stay the same under another name.
            let Ok(file) = File::open(&self.part) else { return };
            self.is_open = true;
            let _ = self.to.send(Told::File(file, self.from));
        }
        let _ = self.to.send(Told::Verified(self.end));
    }
}

impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copied").field("inner", &self.inner).field("end", &self.end).finish_non_exhaustive()
    }
}

impl ResumeStore for Copied {
    fn takes_unverified(&self) -> bool {
        self.inner.takes_unverified()
    }

    fn write(&mut self, output: u8, offset: u64, data: &[IoSlice<'_>]) -> Result<(), Error> {
        self.inner.write(output, offset, data)
    }

    fn cut(&mut self, output: u8, offset: u64) -> Result<(), Error> {
        self.inner.cut(output, offset)
    }

    fn record(&mut self, placed: Placed) -> Result<(), Error> {
        self.inner.record(placed)?;
        self.note(placed);
        Ok(())
    }

    fn mark(&mut self, unit: Unit, aside: bool, mark: Mark) -> Result<(), Error> {
        self.inner.mark(unit, aside, mark)
    }

    fn annotate(&mut self, note: &[u8]) -> Result<(), Error> {
        self.inner.annotate(note)
    }

    fn set_aside(&mut self, unit: Unit, data: &[IoSlice<'_>]) -> Result<(), Error> {
        self.inner.set_aside(unit, data)
    }

    fn keep_aside(&mut self, unit: Unit, hash: Fingerprint) -> Result<bool, Error> {
        self.inner.keep_aside(unit, hash)
    }

    fn drop_aside(&mut self, unit: Unit) {
        self.inner.drop_aside(unit);
    }

    fn place_aside(&mut self, unit: Unit, offset: u64) -> Result<Option<Placed>, Error> {
        let placed = self.inner.place_aside(unit, offset)?;
        placed.into_iter().for_each(|placed| self.note(placed));
        Ok(placed)
    }

    fn maintain(&mut self) -> Result<(), Error> {
        self.inner.maintain()
    }

    fn checked(&mut self) -> Result<Checked, Error> {
        let checked = self.inner.checked()?;
        // What is damaged is mended in the middle; all of it is known to be right when it gets its name.
        self.was_damaged |= !checked.damaged.is_empty();
        if !self.is_checked && checked.is_done && !self.was_damaged {
            self.is_checked = true;
            self.tell();
        }
        Ok(checked)
    }

    fn keep_memo(&mut self, memo: &Memo) {
        self.inner.keep_memo(memo);
    }

    fn close(&mut self) -> Result<(), Error> {
        self.inner.close()
    }

    fn finish(&mut self) -> Result<Vec<PathBuf>, Error> {
        if !self.is_open {
            // The name that it has now goes first.
            let file = File::open(&self.part);
            let finished = self.inner.finish()?;
            if let Ok(file) = file {
                let _ = self.to.send(Told::File(file, self.from));
                let _ = self.to.send(Told::Verified(self.end));
            }
            return Ok(finished);
        }
        self.inner.finish()
    }
}
