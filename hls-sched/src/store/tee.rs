//! The main output a second time, for a reader: read from its file behind what is verified, so a slow reader keeps nobody.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use hls_state::{Checked, Error, Placed, ResumeStore};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::event::Event;
use crate::store::observer::{Watch, Watched};

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
    ) -> Watched<Copied> {
        let to = self.to.clone();
        let is_checked = there == 0 || is_skipped;
        let from = if is_skipped { there } else { 0 };
        let copied =
            Copied { to, part, from, end: there, is_open: false, late: None, is_checked, was_damaged: false };
        Watched::new(inner, copied)
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

/// Has the first output of a store copied.
pub(crate) struct Copied {
    to: Sender<Told>,
    part: PathBuf,
    from: u64,
    /// Up to where all is verified, or claimed to be.
    end: u64,
    is_open: bool,
    /// The file, where it could not be copied before it got its name.
    late: Option<File>,
    /// What an earlier run left is as it should be.
    is_checked: bool,
    was_damaged: bool,
}

impl Copied {
    fn tell(&mut self) {
        if !self.is_checked || self.end <= self.from {
            return;
        }
        if !self.is_open {
            // Its bytes stay the same under another name.
            let Ok(file) = hls_state::open_to_read(&self.part) else { return };
            self.is_open = true;
            let _ = self.to.send(Told::File(file, self.from));
        }
        let _ = self.to.send(Told::Verified(self.end));
    }
}

impl Watch for Copied {
    fn placed(&mut self, placed: Placed) {
        if placed.output == 0 {
            self.end = self.end.max(placed.offset.saturating_add(placed.len));
            self.tell();
        }
    }

    fn checked(&mut self, checked: &Checked) {
        // What is damaged is mended in the middle; all of it is known to be right when it gets its name.
        self.was_damaged |= !checked.damaged.is_empty();
        if !self.is_checked && checked.is_done && !self.was_damaged {
            self.is_checked = true;
            self.tell();
        }
    }

    fn finishes(&mut self, _: &mut dyn ResumeStore) -> Result<(), Error> {
        // The name that it has now goes first.
        self.late = hls_state::open_to_read(&self.part).ok().filter(|_| !self.is_open);
        Ok(())
    }

    fn finished(&mut self) {
        if let Some(file) = self.late.take() {
            let _ = self.to.send(Told::File(file, self.from));
            let _ = self.to.send(Told::Verified(self.end));
        }
    }
}
