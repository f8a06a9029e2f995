//! Packets of MPEG transport streams.

use crate::{MediaError, continuity::Continuity};

pub(crate) const PACKET: usize = 188;
pub(crate) const SYNC: u8 = 0x47;

/// Tells whether each packet in sight begins with the sync byte.
pub(crate) fn is_packets(head: &[u8]) -> bool {
    !head.is_empty() && head.chunks(PACKET).take(3).all(|packet| packet.first() == Some(&SYNC))
}

/// Checks the sync byte of every packet of a transport stream, and that the last one is whole; whether packets are
/// missing is left to [`Continuity`].
#[derive(Debug, Clone)]
pub(crate) struct Packets {
    bytes: u64,
    /// The beginning of a packet that came in several chunks.
    begun: [u8; PACKET],
    continuity: Continuity,
}

impl Default for Packets {
    fn default() -> Self {
        Self { bytes: 0, begun: [0; PACKET], continuity: Continuity::default() }
    }
}

impl Packets {
    pub(crate) fn push(&mut self, input: &[u8]) -> Result<(), MediaError> {
        let mut input = input;
        let begun = usize::try_from(self.bytes % PACKET as u64).unwrap_or(0);
        if begun > 0 {
            let (part, rest) = input.split_at(input.len().min(PACKET - begun));
            self.begin(begun, part);
            self.bytes = self.bytes.saturating_add(part.len() as u64);
            if begun + part.len() == PACKET {
                let offset = self.bytes.saturating_sub(PACKET as u64);
                self.continuity.packet(offset, self.begun.get(1..).unwrap_or(&[]));
            }
            input = rest;
        }
        let packets = input.chunks_exact(PACKET);
        let rest = packets.remainder();
        for packet in packets {
            match packet {
                [SYNC, packet @ ..] => self.continuity.packet(self.bytes, packet),
                _ => return Err(MediaError::SyncLost { offset: self.bytes }),
            }
            self.bytes = self.bytes.saturating_add(PACKET as u64);
        }
        if rest.first().is_some_and(|first| *first != SYNC) {
            return Err(MediaError::SyncLost { offset: self.bytes });
        }
        self.begin(0, rest);
        self.bytes = self.bytes.saturating_add(rest.len() as u64);
        Ok(())
    }

    pub(crate) fn finish(&self) -> Result<(), MediaError> {
        if self.bytes % PACKET as u64 == 0 {
            Ok(())
        } else {
            Err(MediaError::TsTruncated { bytes: self.bytes })
        }
    }

    pub(crate) fn continuity(&self) -> &Continuity {
        &self.continuity
    }

    fn begin(&mut self, at: usize, part: &[u8]) {
        if let Some(slot) = self.begun.get_mut(at..at + part.len()) {
            slot.copy_from_slice(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<(), MediaError>) {
        let mut packets = Packets::default();
        assert_eq!(packets.push(bytes).and_then(|()| packets.finish()), expect);
    }

    #[test]
    fn packets() {
        let mut stream = std::iter::once(SYNC).chain([0; 187]).collect::<Vec<_>>().repeat(5);
        check(&stream, Ok(()));
        check(&stream[..900], Err(MediaError::TsTruncated { bytes: 900 }));
        stream[376] = 0;
        check(&stream, Err(MediaError::SyncLost { offset: 376 }));
    }
}
