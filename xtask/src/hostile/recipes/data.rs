//! Data of samples that are not those of their samples, and bytes that do not have the digest that their server sends.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hls_testkit::{Reply, judge};

use super::Verdict;
use super::lies::{self, Adts, Cmaf, Fmp4, Ts, times};
use crate::hostile::bytes;
use crate::hostile::case::Case;
use crate::hostile::run::Try;
use crate::hostile::show::Show;

/// Noise in the place of samples, or the samples a few bytes away from where they should be.
pub(super) fn of_other_samples(t: &mut Try<'_>, show: &Show, at: usize) -> Result<Vec<u8>> {
    let mut bad = show.segments[at].to_vec();
    let is_noise = t.pick("data", &["moved", "noise"])? == "noise";
    let by = t.number("bytes", 1..=400) as usize;
    for data in bytes::all(&show.segments[at], *b"mdat") {
        let data = &mut bad[data.range()];
        match is_noise {
            true => data.iter_mut().for_each(|byte| *byte = t.dice.below(256) as u8),
            false => data.rotate_left(by % data.len().max(1)),
        }
    }
    Ok(bad)
}

/// All answers have the digests of the right bytes, and one has other bytes.
pub(super) fn with_digest(t: &mut Try<'_>) -> Result<Verdict> {
    let case = Case::draw(t, &[Ts, Fmp4, Cmaf, Adts], 4)?;
    let field = t.pick("field", &["Content-Digest", "Repr-Digest", "Digest"])?;
    let at = lies::any(t, &case.show);
    let n = t.pick("times", &[1, 2, u32::MAX])?;
    let right = case.truth(t, &case.show)?;
    for (number, path) in case.published.segment_paths.iter().enumerate() {
        let served = case.show.served(number);
        let hash = judge::sha256(&served);
        let hash: Vec<_> =
            (0..32).filter_map(|n| u8::from_str_radix(&hash[2 * n..2 * n + 2], 16).ok()).collect();
        let value = match field {
            "Digest" => format!("SHA-256={}", STANDARD.encode(&hash)),
            _ => format!("sha-256=:{}:", STANDARD.encode(&hash)),
        };
        let mut replies = vec![Reply::resource().header(field, &value).forever()];
        if number == at {
            let mut bad = served.to_vec();
            let byte = t.number("byte", 0..=served.len() as u64 - 1) as usize;
            bad[byte] ^= 1 << t.dice.below(8);
            replies.insert(0, times(Reply::ok(bad).header(field, &value), n));
        }
        case.origin.script(path, replies);
    }
    let end = case.run(t, &[])?;
    case.concluded(t, &end, &right, None)
}
