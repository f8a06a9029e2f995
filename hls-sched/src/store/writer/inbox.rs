//! The queue between the attempts and the thread that writes. It wakes the thread seldom: a wake-up costs as much as a small segment.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Message;

/// A message that comes right after others waits this long for more.
const GATHER: Duration = Duration::from_millis(1);
/// This many waiting bytes end that wait.
const MUCH: u64 = 256 << 10;

/// Begins a queue.
pub(super) fn queue() -> (Messages, Inbox) {
    let shared = Arc::new(Shared::default());
    let inbox = Inbox { shared: Arc::clone(&shared), taken: VecDeque::new(), gathers: false };
    (Messages(shared), inbox)
}

/// The end of the queue for those who send. The queue ends with it.
#[derive(Debug)]
pub(super) struct Messages(Arc<Shared>);

/// The end of the queue for the thread.
#[derive(Debug)]
pub(super) struct Inbox {
    shared: Arc<Shared>,
    /// What was taken from the queue at once.
    taken: VecDeque<Message>,
    /// Something was done just now.
    gathers: bool,
}

/// Why no message comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nothing {
    /// None came in time.
    Yet,
    /// Nobody is left to send one.
    More,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    told: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: u64,
    /// Somebody waits for the last message.
    is_urgent: bool,
    is_closed: bool,
    waits: Waits,
}

/// What the thread waits for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waits {
    #[default]
    Nothing,
    Any,
    Much,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut queue = self.lock();
        change(&mut queue);
        let wakes = queue.waits != Waits::Nothing && queue.is_enough(queue.waits);
        if wakes {
            queue.waits = Waits::Nothing;
        }
        drop(queue);
        if wakes {
            self.told.notify_one();
        }
    }

    /// Waits for at most so long.
    fn wait<'a>(
        &'a self,
        mut queue: MutexGuard<'a, Queue>,
        waits: Waits,
        most: Duration,
    ) -> MutexGuard<'a, Queue> {
        let until = Instant::now() + most;
        while !queue.is_enough(waits) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queue.waits = waits;
            queue = self.told.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.waits = Waits::Nothing;
        queue
    }
}

impl Queue {
    fn is_enough(&self, waits: Waits) -> bool {
        let is_enough = match waits {
            Waits::Much => self.is_urgent || self.bytes >= MUCH,
            Waits::Any | Waits::Nothing => !self.messages.is_empty(),
        };
        is_enough || self.is_closed
    }
}

impl Messages {
    /// Hands over a message.
    pub(super) fn send(&self, message: Message) {
        self.0.change(|queue| {
            if queue.is_closed {
                return;
            }
            queue.bytes += message.bytes();
            queue.is_urgent |= message.is_urgent();
            queue.messages.push_back(message);
        });
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.0.change(|queue| queue.is_closed = true);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.is_closed = true;
        queue.messages.clear();
    }
}

impl Inbox {
    /// Returns the next message, and waits for one for at most so long.
    pub(super) fn next(&mut self, most: Duration) -> Result<Message, Nothing> {
        if let Some(message) = self.there() {
            return Ok(message);
        }
        let mut queue = self.shared.lock();
        if std::mem::take(&mut self.gathers) {
            queue = self.shared.wait(queue, Waits::Much, GATHER);
        }
        queue = self.shared.wait(queue, Waits::Any, most);
        let is_closed = queue.is_closed;
        drop(queue);
        self.there().ok_or(if is_closed { Nothing::More } else { Nothing::Yet })
    }

    /// Returns the next message where one is there.
    pub(super) fn there(&mut self) -> Option<Message> {
        if self.taken.is_empty() {
            let mut queue = self.shared.lock();
            std::mem::swap(&mut self.taken, &mut queue.messages);
            (queue.bytes, queue.is_urgent) = (0, false);
        }
        let next = self.taken.pop_front();
        self.gathers |= next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Message {
        Message::Annotate(Vec::new())
    }

    #[test]
    fn messages_come_in_order_and_the_end_behind_them() {
        let (messages, mut inbox) = queue();
        assert_eq!(inbox.next(Duration::ZERO).unwrap_err(), Nothing::Yet);
        for n in 0..3 {
            messages.send(Message::Annotate(vec![n]));
        }
        drop(messages);
        for n in 0..3 {
            assert!(matches!(inbox.next(Duration::ZERO), Ok(Message::Annotate(note)) if note == [n]));
        }
        assert_eq!(inbox.next(Duration::from_secs(9)).unwrap_err(), Nothing::More);
    }

    #[test]
    fn what_is_urgent_or_first_wakes_the_thread() {
        let (messages, mut inbox) = queue();
        let thread = std::thread::spawn(move || {
            (0..3).map(|_| inbox.next(Duration::from_secs(60)).is_ok()).collect::<Vec<_>>()
        });
        for message in [note(), note(), Message::Finish] {
            std::thread::sleep(GATHER / 4);
            messages.send(message);
        }
        assert_eq!(thread.join().unwrap(), [true; 3]);
    }

    #[test]
    fn what_is_little_waits_for_more() {
        for (waits, urgent, bytes, count, expect) in [
            (Waits::Any, false, 0, 0, false),
            (Waits::Any, false, 0, 1, true),
            (Waits::Much, false, MUCH - 1, 1, false),
            (Waits::Much, false, MUCH, 1, true),
            (Waits::Much, true, 0, 1, true),
        ] {
            let messages = std::iter::repeat_with(note).take(count).collect();
            let queue = Queue { messages, bytes, is_urgent: urgent, is_closed: false, waits };
            assert_eq!(queue.is_enough(waits), expect);
            assert!(Queue { is_closed: true, ..queue }.is_enough(waits));
        }
    }
}
