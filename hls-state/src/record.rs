//! Records of the log, as bytes.

use std::sync::Arc;

use crate::{Fingerprint, Mark, Placed, Unit};

/// The format written by this version. It stays 0 until the format is promised.
pub(crate) const FORMAT: u32 = 0;
/// Longer notes are refused, in bytes.
pub(crate) const LONGEST_NOTE: usize = 32 << 10;
/// Longer remarks are refused, in bytes.
pub(crate) const LONGEST_REMARK: usize = 64;
const MAGIC: [u8; 8] = *b"hls-log\0";
/// Magic, format, nonce, checksum.
pub(crate) const HEADER_LEN: usize = 8 + 4 + 8 + 4;

/// What the log can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A unit is in the output: a claim, checked against the bytes at the next start.
    Placed(Placed),
    /// Everything above this has been synced to disk.
    Synced,
    /// All outputs are whole; what is left is renaming.
    Complete(Vec<u64>),
    /// A unit is there up to a mark: in its output, or in a file of its own.
    Partial { unit: Unit, aside: bool, mark: Mark },
    /// What the engine wants to know again.
    Note(Arc<[u8]>),
    /// What it wants to know again of a unit.
    Remark { unit: Unit, text: Arc<[u8]> },
}

/// Where reading a log header can end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Header {
    Good { nonce: u64 },
    Newer { format: u32 },
    Bad,
}

pub(crate) fn header(nonce: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN);
    out.extend(MAGIC);
    out.extend(FORMAT.to_le_bytes());
    out.extend(nonce.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

pub(crate) fn parse_header(bytes: &[u8]) -> Header {
    let mut reader = Reader(bytes);
    let fields = (|| Some((reader.take::<8>()?, reader.u32()?, reader.u64()?, reader.u32()?)))();
    match fields {
        Some((MAGIC, format, ..)) if format > FORMAT => Header::Newer { format },
        Some((MAGIC, _, nonce, crc)) if bytes.get(..HEADER_LEN - 4).map(crc32fast::hash) == Some(crc) => {
            Header::Good { nonce }
        }
        _ => Header::Bad,
    }
}

impl Record {
    /// Appends the record: length, kind, payload, nonce of the log, checksum.
    pub(crate) fn encode(&self, nonce: u64, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(80);
        match self {
            Self::Placed(p) => {
                body.push(1);
                body.push(p.output);
                body.extend(p.index.to_le_bytes());
                body.extend(p.identity.to_le_bytes());
                body.extend(p.offset.to_le_bytes());
                body.extend(p.len.to_le_bytes());
                body.extend(p.hash.0.to_le_bytes());
            }
            Self::Synced => body.push(2),
            Self::Complete(lengths) => {
                body.push(3);
                body.extend(lengths.iter().flat_map(|l| l.to_le_bytes()));
            }
            Self::Partial { unit, aside, mark } => {
                body.push(4);
                body.push(unit.output);
                body.extend(unit.index.to_le_bytes());
                body.extend(unit.identity.to_le_bytes());
                body.push(u8::from(*aside));
                body.extend(mark.len.to_le_bytes());
                body.extend(mark.hash.0.to_le_bytes());
                body.extend(mark.note.get(..Mark::LONGEST_NOTE).unwrap_or(&mark.note));
            }
            Self::Note(note) => {
                body.push(5);
                body.extend(note.get(..LONGEST_NOTE).unwrap_or(note));
            }
            Self::Remark { unit, text } => {
                body.push(6);
                body.push(unit.output);
                body.extend(unit.index.to_le_bytes());
                body.extend(unit.identity.to_le_bytes());
                body.extend(text.get(..LONGEST_REMARK).unwrap_or(text));
            }
        }
        body.extend(nonce.to_le_bytes());
        let crc = crc32fast::hash(&body);
        // Records are some dozens of bytes; a job has at most 256 outputs, and notes are bounded.
        out.extend((body.len() as u16).to_le_bytes());
        out.extend(&body);
        out.extend(crc.to_le_bytes());
    }

    /// Reads one record and the number of bytes it takes; `None` at the end, or at the first that is not whole.
    pub(crate) fn decode(bytes: &[u8], nonce: u64) -> Option<(Self, usize)> {
        let len = usize::from(Reader(bytes).u16()?);
        let body = bytes.get(2..2 + len)?;
        let crc = Reader(bytes.get(2 + len..)?).u32()?;
        let (payload, tail) = body.split_at_checked(len.checked_sub(8)?)?;
        if crc32fast::hash(body) != crc || Reader(tail).u64()? != nonce {
            return None;
        }
        let mut reader = Reader(payload);
        let record = match reader.take::<1>()? {
            [1] => Self::Placed(Placed {
                output: reader.take::<1>()?[0],
                index: reader.u64()?,
                identity: u128::from_le_bytes(reader.take()?),
                offset: reader.u64()?,
                len: reader.u64()?,
                hash: Fingerprint(u128::from_le_bytes(reader.take()?)),
            }),
            [2] => Self::Synced,
            [3] => Self::Complete(std::iter::from_fn(|| reader.u64()).collect()),
            [4] => Self::Partial {
                unit: Unit {
                    output: reader.take::<1>()?[0],
                    index: reader.u64()?,
                    identity: u128::from_le_bytes(reader.take()?),
                },
                aside: reader.take::<1>()? != [0],
                mark: Mark {
                    len: reader.u64()?,
                    hash: Fingerprint(u128::from_le_bytes(reader.take()?)),
                    note: reader.0.into(),
                },
            },
            [5] => Self::Note(reader.0.into()),
            [6] => Self::Remark {
                unit: Unit {
                    output: reader.take::<1>()?[0],
                    index: reader.u64()?,
                    identity: u128::from_le_bytes(reader.take()?),
                },
                text: reader.0.into(),
            },
            _ => return None,
        };
        Some((record, 2 + len + 4))
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn placed() -> impl Strategy<Value = Record> {
        any::<(u8, u64, u128, u64, u64, u128)>().prop_map(|(output, index, identity, offset, len, hash)| {
            Record::Placed(Placed { output, index, identity, offset, len, hash: Fingerprint(hash) })
        })
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let one = prop_oneof![
            placed(),
            Just(Record::Synced),
            proptest::collection::vec(any::<u8>(), 0..99).prop_map(|note| Record::Note(note.into())),
            proptest::collection::vec(any::<u64>(), 0..4).prop_map(Record::Complete),
            (any::<(u8, u64, u128)>(), proptest::collection::vec(any::<u8>(), 0..=LONGEST_REMARK)).prop_map(
                |((output, index, identity), text)| Record::Remark {
                    unit: Unit { output, index, identity },
                    text: text.into(),
                }
            ),
            (any::<(u8, u64, u128, bool, u64, u128)>(), proptest::collection::vec(any::<u8>(), 0..99))
                .prop_map(|((output, index, identity, aside, len, hash), note)| Record::Partial {
                    unit: Unit { output, index, identity },
                    aside,
                    mark: Mark { len, hash: Fingerprint(hash), note: note.into() },
                }),
        ];
        proptest::collection::vec(one, 0..20)
    }

    fn decode_all(mut bytes: &[u8], nonce: u64) -> Vec<Record> {
        let mut all = Vec::new();
        while let Some((record, used)) = Record::decode(bytes, nonce) {
            all.push(record);
            bytes = &bytes[used..];
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in records(), nonce: u64) {
            let mut bytes = Vec::new();
            records.iter().for_each(|r| r.encode(nonce, &mut bytes));
            prop_assert_eq!(decode_all(&bytes, nonce), records);
            prop_assert_eq!(decode_all(&bytes, nonce ^ 1), vec![]);
        }

        #[test]
        fn damage_ends_the_log_and_never_invents(records in records(), nonce: u64, cut: usize, flip: (usize, u8)) {
            let mut bytes = Vec::new();
            records.iter().for_each(|r| r.encode(nonce, &mut bytes));
            bytes.truncate(cut % (bytes.len() + 1));
            if !bytes.is_empty() && flip.1 != 0 {
                let at = flip.0 % bytes.len();
                bytes[at] ^= flip.1;
            }
            let read = decode_all(&bytes, nonce);
            prop_assert!(records.starts_with(&read));
        }

        #[test]
        fn no_input_panics(bytes: Vec<u8>, nonce: u64) {
            let _ = decode_all(&bytes, nonce);
            let _ = parse_header(&bytes);
        }
    }

    #[test]
    fn headers() {
        let good = header(5);
        let mut newer = good.clone();
        newer[8] = 9;
        let mut flipped = good.clone();
        flipped[13] ^= 1;
        assert_eq!(parse_header(&good), Header::Good { nonce: 5 });
        assert_eq!(parse_header(&newer), Header::Newer { format: 9 });
        assert_eq!(parse_header(&flipped), Header::Bad);
        assert_eq!(parse_header(&good[..20]), Header::Bad);
    }
}
