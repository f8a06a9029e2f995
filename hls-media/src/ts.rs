//! Packets of MPEG transport streams.

use crate::MediaError;

pub(crate) const PACKET: usize = 188;
const SYNC: u8 = 0x47;

/// Tells whether each packet in sight begins with the sync byte.
pub(crate) fn is_packets(head: &[u8]) -> bool {
    !head.is_empty() && head.chunks(PACKET).take(3).all(|packet| packet.first() == Some(&SYNC))
}

/// Checks the sync byte of every packet of a transport stream, and that the last one is whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packets {
    bytes: u64,
}

impl Packets {
    pub(crate) fn push(&mut self, input: &[u8]) -> Result<(), MediaError> {
        let begun = usize::try_from(self.bytes % PACKET as u64).unwrap_or(0);
        let rest = if begun == 0 { 0 } else { PACKET - begun };
        if let Some(packets) = input.get(rest..) {
            let lost = packets.chunks(PACKET).position(|packet| packet.first() != Some(&SYNC));
            if let Some(index) = lost {
                let offset = self.bytes.saturating_add((rest + index * PACKET) as u64);
                return Err(MediaError::SyncLost { offset });
            }
        }
        self.bytes = self.bytes.saturating_add(input.len() as u64);
        Ok(())
    }

    pub(crate) fn finish(&self) -> Result<(), MediaError> {
        if self.bytes % PACKET as u64 == 0 {
            Ok(())
        } else {
            Err(MediaError::TsTruncated { bytes: self.bytes })
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
