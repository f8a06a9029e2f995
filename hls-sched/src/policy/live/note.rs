//! What a recording keeps of its plan, so that the next run knows what it was.

use std::time::Duration;

use super::window::Seen;

/// One planned unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) kind: Written,
    pub(crate) epoch: u32,
    /// The media sequence number; that of the first one where several are lost.
    pub(crate) sequence: u64,
    /// How many segments: 1 but for what is lost.
    pub(crate) count: u64,
    pub(crate) identity: u128,
    pub(crate) seen: Seen,
    /// The discontinuity sequence number; 0 where an older version has noted it.
    pub(crate) discontinuity: u64,
}

/// What a planned unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Segment,
    Init,
    Lost,
}

const LEN: usize = 1 + 4 + 8 + 8 + 16 + 8 + 8 + 8 + 8;
const HEAD: usize = 1 + 1 + 8;
const VERSION: u8 = 2;
/// The version without discontinuity sequence numbers.
const OLDER: u8 = 1;
const NO_DATE: i64 = i64::MIN;
/// So many fit in one note.
const MOST: usize = 400;

/// Notes for units of a track that begin at a place.
pub(crate) fn encode(track: u8, first: u64, units: &[Noted]) -> Vec<Vec<u8>> {
    let chunk = |(n, units): (u64, &[Noted])| {
        let mut out = Vec::with_capacity(HEAD + LEN * units.len());
        out.extend([VERSION, track]);
        out.extend((first + n * MOST as u64).to_le_bytes());
        for unit in units {
            out.push(unit.kind as u8);
            out.extend(unit.epoch.to_le_bytes());
            out.extend(unit.sequence.to_le_bytes());
            out.extend(unit.count.to_le_bytes());
            out.extend(unit.identity.to_le_bytes());
            out.extend(unit.seen.path.to_le_bytes());
            out.extend(unit.seen.at.unwrap_or(NO_DATE).to_le_bytes());
            let micros = u64::try_from(unit.seen.duration.as_micros()).unwrap_or(u64::MAX);
            out.extend(micros.to_le_bytes());
            out.extend(unit.discontinuity.to_le_bytes());
        }
        out
    };
    (0..).zip(units.chunks(MOST)).map(chunk).collect()
}

/// Reads a note: the track, the place of its first unit, and the units. `None`: it is of another kind.
pub(crate) fn decode(note: &[u8]) -> Option<(u8, u64, Vec<Noted>)> {
    let (head, rest) = note.split_at_checked(HEAD)?;
    let len = match head[0] {
        VERSION => LEN,
        OLDER => LEN - size_of::<u64>(),
        _ => return None,
    };
    if rest.len() % len != 0 {
        return None;
    }
    let first = u64::from_le_bytes(head.get(2..)?.try_into().ok()?);
    let units = rest.chunks_exact(len).map(unit).collect::<Option<Vec<_>>>()?;
    Some((head[1], first, units))
}

fn unit(bytes: &[u8]) -> Option<Noted> {
    let mut rest = bytes;
    fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
        let (head, tail) = rest.split_first_chunk::<N>()?;
        *rest = tail;
        Some(*head)
    }
    let kind = match take(&mut rest)? {
        [0] => Written::Segment,
        [1] => Written::Init,
        [2] => Written::Lost,
        _ => return None,
    };
    Some(Noted {
        kind,
        epoch: u32::from_le_bytes(take(&mut rest)?),
        sequence: u64::from_le_bytes(take(&mut rest)?),
        count: u64::from_le_bytes(take(&mut rest)?),
        identity: u128::from_le_bytes(take(&mut rest)?),
        seen: Seen {
            path: u64::from_le_bytes(take(&mut rest)?),
            folder: None,
            at: Some(i64::from_le_bytes(take(&mut rest)?)).filter(|at| *at != NO_DATE),
            duration: Duration::from_micros(u64::from_le_bytes(take(&mut rest)?)),
        },
        discontinuity: take(&mut rest).map_or(0, u64::from_le_bytes),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noted() -> impl Strategy<Value = Noted> {
        let kind = prop_oneof![Just(Written::Segment), Just(Written::Init), Just(Written::Lost)];
        let at = proptest::option::of(i64::MIN + 1..=i64::MAX);
        (kind, any::<(u32, u64, u64, u128, u64, u64, u64)>(), at).prop_map(|(kind, numbers, at)| {
            let (epoch, sequence, count, identity, path, micros, discontinuity) = numbers;
            let seen = Seen { path, folder: None, at, duration: Duration::from_micros(micros) };
            Noted { kind, epoch, sequence, count, identity, seen, discontinuity }
        })
    }

    proptest! {
        #[test]
        fn what_is_noted_is_read(track: u8, first in 0..1_u64 << 60, units in proptest::collection::vec(noted(), 1..900)) {
            let mut all = Vec::new();
            for note in encode(track, first, &units) {
                prop_assert!(note.len() <= 32 << 10);
                let (of, at, some) = decode(&note).unwrap();
                prop_assert_eq!((of, at), (track, first + all.len() as u64));
                all.extend(some);
            }
            prop_assert_eq!(all, units);
        }

        #[test]
        fn what_an_older_version_noted_is_read(track: u8, first in 0..1_u64 << 60, units in proptest::collection::vec(noted(), 1..9)) {
            let notes = encode(track, first, &units);
            let mut old = vec![OLDER, track];
            old.extend(&notes[0][2..HEAD]);
            notes[0][HEAD..].chunks(LEN).for_each(|unit| old.extend(&unit[..LEN - 8]));
            let units = units.into_iter().map(|unit| Noted { discontinuity: 0, ..unit }).collect();
            prop_assert_eq!(decode(&old), Some((track, first, units)));
        }

        #[test]
        fn no_note_panics(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
