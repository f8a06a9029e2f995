//! Memory for plaintext, used again while the processor still has it at hand.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Idle memory is kept up to this many buffers.
const MOST_IDLE: usize = 8;

/// Buffers that come back when the last reader is done with them. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

struct Lent {
    memory: Vec<u8>,
    len: usize,
    home: Buffers,
}

impl Buffers {
    /// Has `fill` write all of `len` bytes of any content, and returns them; `None` where it says that it did not.
    pub(crate) fn filled(&self, len: usize, fill: impl FnOnce(&mut [u8]) -> bool) -> Option<Bytes> {
        let mut memory = self.idle(len).unwrap_or_else(|| vec![0; len]);
        let filled = fill(memory.get_mut(..len)?);
        filled.then(|| Bytes::from_owner(Lent { memory, len, home: self.clone() }))
    }

    /// A buffer that is large enough, and of which at least half is needed: what waits to be written counts by its length.
    fn idle(&self, len: usize) -> Option<Vec<u8>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |memory: &Vec<u8>| memory.len() >= len && memory.len() / 2 <= len;
        let last = idle.iter().rposition(fits)?;
        Some(idle.remove(last))
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut idle = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_is_never_much_too_large() {
        let buffers = Buffers::default();
        let idle = |of: &Buffers| of.0.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>();
        let fill = |with: u8| {
            move |out: &mut [u8]| {
                out.fill(with);
                true
            }
        };
        let first = buffers.filled(100, fill(1)).unwrap();
        let second = first.slice(10..20);
        drop(first);
        assert_eq!((idle(&buffers), &second[..]), (vec![], &[1; 10][..]));
        drop(second);
        assert_eq!(idle(&buffers), [100]);
        let half = buffers.filled(50, fill(2)).unwrap();
        let tiny = buffers.filled(49, fill(3)).unwrap();
        assert_eq!((&half[..], &tiny[..]), (&[2; 50][..], &[3; 49][..]));
        drop((half, tiny));
        assert_eq!(idle(&buffers), [100, 49]);
        assert_eq!(buffers.filled(10, |_| false), None);
        drop((0..20).map(|n| buffers.filled(n, fill(0)).unwrap()).collect::<Vec<_>>());
        assert_eq!(idle(&buffers).len(), MOST_IDLE);
    }
}
