//! Which tracks the streams of another part of a transport stream go on with.

use super::{error::RemuxError, program::Codec};

/// A code of ISO 639-2; `None`: nothing says it.
pub(super) type Language = Option<[u8; 3]>;

/// Returns for each stream the track that it goes on with; `None`: none of those that are known, so that it is a new one.
///
/// All streams of a part are paired at once. One that has the codec and the language of a track goes on with that track, wherever
/// both stand. What is left pairs where a language is not said, and last where languages differ, as the one stream of a part
/// that is in another language.
///
/// # Errors
///
/// [`RemuxError::Changes`]: a stream would go on with a track of another codec.
pub(super) fn pair(
    known: &[(Codec, Language)],
    is_free: impl Fn(usize) -> bool,
    streams: &[(Codec, Language)],
    offset: u64,
) -> Result<Vec<Option<usize>>, RemuxError> {
    type Speaks = fn(Language, Language) -> bool;
    let rounds: [Speaks; 3] = [|a, b| a == b, |a, b| a.is_none() || b.is_none(), |_, _| true];
    let mut places: Vec<Option<usize>> = vec![None; streams.len()];
    let find = |places: &[Option<usize>], fits: &dyn Fn(&(Codec, Language)) -> bool| {
        let mut free =
            known.iter().enumerate().filter(|(at, _)| is_free(*at) && !places.contains(&Some(*at)));
        free.find(|(_, track)| fits(track)).map(|(at, _)| at)
    };
    for speaks in rounds {
        for (number, (codec, language)) in streams.iter().enumerate() {
            if places.get(number) == Some(&None) {
                let place = find(&places, &|track| track.0 == *codec && speaks(track.1, *language));
                places.get_mut(number).into_iter().for_each(|slot| *slot = place);
            }
        }
    }
    for ((codec, _), _) in streams.iter().zip(&places).filter(|(_, place)| place.is_none()) {
        let other = find(&places, &|track| track.0.is_video() == codec.is_video());
        if let Some((other, _)) = other.and_then(|at| known.get(at)) {
            let (from, to) = (other.name().to_owned(), codec.name().to_owned());
            return Err(RemuxError::Changes { offset, what: "codec", from, to });
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Container;

    #[test]
    fn who_goes_on_with_what() {
        let (aac, ac3) = (Codec::Audio(Container::Adts), Codec::Audio(Container::Ac3));
        let (eng, fra, deu) = (Some(*b"eng"), Some(*b"fra"), Some(*b"deu"));
        let check = |known: &[(Codec, Language)], streams: &[(Codec, Language)], expect: &[Option<usize>]| {
            let found = pair(known, |_| true, streams, 0).expect("no codec changes");
            assert_eq!(found, expect, "{known:?} {streams:?}");
        };
        check(&[], &[(Codec::Avc, None), (aac, eng)], &[None, None]);
        check(&[(aac, eng)], &[(aac, fra), (aac, eng)], &[None, Some(0)]);
        check(&[(aac, fra)], &[(aac, eng), (aac, fra)], &[None, Some(0)]);
        check(&[(aac, eng), (aac, fra)], &[(aac, fra), (aac, eng)], &[Some(1), Some(0)]);
        check(&[(aac, eng), (aac, fra)], &[(aac, fra)], &[Some(1)]);
        check(&[(aac, eng)], &[(aac, fra)], &[Some(0)]);
        check(&[(aac, None)], &[(aac, fra), (aac, deu)], &[Some(0), None]);
        check(&[(aac, eng), (aac, None)], &[(aac, fra), (aac, eng)], &[Some(1), Some(0)]);
        check(&[(ac3, eng)], &[(aac, eng), (ac3, eng)], &[None, Some(0)]);
        check(&[(aac, eng)], &[(ac3, eng), (aac, fra)], &[None, Some(0)]);
        check(&[(aac, eng), (ac3, eng)], &[(ac3, eng)], &[Some(1)]);
        for (known, streams) in [
            (vec![(aac, eng)], vec![(ac3, eng)]),
            (vec![(Codec::Avc, None), (aac, eng)], vec![(Codec::Hevc, None), (aac, eng)]),
            (vec![(aac, eng), (aac, fra)], vec![(aac, eng), (ac3, fra)]),
        ] {
            let found = pair(&known, |_| true, &streams, 7);
            assert!(matches!(found, Err(RemuxError::Changes { offset: 7, .. })), "{found:?}");
        }
        assert_eq!(pair(&[(aac, eng)], |_| false, &[(ac3, eng)], 0), Ok(vec![None]));
    }
}
