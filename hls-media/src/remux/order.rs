//! The order in which pictures are shown, from what their slices say: for those that have no timestamp of their own.

use super::nal::Slice;

/// The place of a picture in the order of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Untimed {
    /// Pictures of the same sequence count from the same zero.
    sequence: u32,
    /// `None`: it is not said, as where pictures are shown as they are decoded.
    count: Option<i64>,
    restarts: bool,
}

/// Follows the picture order count (H.264, section 8.2.1.1, and H.265, section 8.3.1).
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    sequence: u32,
    /// The last picture that others count from: the upper part and the lower bits.
    high: i64,
    low: i64,
    /// From decoding to presentation of the last picture with which the order restarts, where it had a timestamp.
    restart: Option<i64>,
    /// What the count grows by from one picture to the next that is shown.
    grain: i64,
}

impl Order {
    /// Takes the first slice of the next picture.
    pub(crate) fn place(&mut self, slice: Option<Slice>, is_sync: bool) -> Untimed {
        let Some(slice) = slice else {
            return Untimed { sequence: self.sequence, count: None, restarts: is_sync };
        };
        if slice.restarts {
            self.sequence = self.sequence.wrapping_add(1);
            (self.high, self.low) = (0, 0);
        }
        let Some((low, bits)) = slice.order else {
            return Untimed { sequence: self.sequence, count: None, restarts: slice.restarts };
        };
        let (low, most) = (i64::from(low), 1_i64 << bits);
        let high = match () {
            () if slice.restarts => 0,
            () if low < self.low && self.low - low >= most / 2 => self.high + most,
            () if low > self.low && low - self.low > most / 2 => self.high - most,
            () => self.high,
        };
        if slice.is_reference {
            (self.high, self.low) = (high, low);
        }
        Untimed { sequence: self.sequence, count: Some(high + low), restarts: slice.restarts }
    }

    /// Hears of the timestamps of a picture, and of one before it that were said as well, where pictures last `step`.
    pub(crate) fn told(
        &mut self,
        (place, dts, pts): (Untimed, i64, i64),
        before: Option<(Untimed, i64)>,
        step: i64,
    ) {
        if place.restarts {
            self.restart = Some(pts - dts);
        }
        // Two pictures with timestamps tell what a step in the count is worth.
        let Some((other, other_pts)) = before.filter(|(other, _)| other.sequence == place.sequence) else {
            return;
        };
        if let Some((count, other)) = place.count.zip(other.count)
            && let Some(grain) = (count - other).saturating_mul(step).checked_div(pts - other_pts)
            && (1..=16).contains(&grain)
        {
            self.grain = grain;
        }
    }

    /// Returns the time from decoding to presentation of each picture, of which the first has `first`, where each lasts `step`.
    pub(crate) fn offsets(&mut self, places: &[Untimed], first: i64, step: i64) -> Vec<i64> {
        let mut counts =
            places.iter().filter_map(|place| Some((place.sequence, place.count?))).collect::<Vec<_>>();
        counts.sort_unstable();
        let grain = counts.windows(2).filter_map(|pair| match pair {
            [(a, low), (b, high)] if a == b => Some(high - low),
            _ => None,
        });
        if let Some(grain) = grain.filter(|grain| *grain > 0 && self.grain == 0).min() {
            self.grain = grain;
        }
        // The picture that the others are counted from: how far it is in decoding, its count, and its offset.
        let mut base = (0_i64, places.first().copied().unwrap_or_default(), first);
        let mut offsets = Vec::with_capacity(places.len());
        for (number, place) in (0_i64..).zip(places) {
            if number > 0 && place.sequence != base.1.sequence {
                base = (number, *place, self.restart.unwrap_or(first));
            }
            let (at, from, offset) = base;
            let shown = place.count.zip(from.count).filter(|_| self.grain > 0);
            offsets.push(match shown {
                Some((count, from)) => {
                    let ahead =
                        (count - from).saturating_mul(step) / self.grain - (number - at).saturating_mul(step);
                    // No picture is shown before it is decoded, nor is any kept for longer than 32 others.
                    offset.saturating_add(ahead).clamp(0, step.saturating_mul(32).max(offset))
                }
                None => offset,
            });
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(low: u32, restarts: bool, is_reference: bool) -> Option<Slice> {
        Some(Slice { field: None, restarts, is_reference, order: Some((low, 4)) })
    }

    /// The offsets of pictures of 3600 ticks; each is its lower bits, whether it restarts the order, and whether others need it.
    fn check(pictures: &[(u32, bool, bool)], first: i64, expect: &[i64]) {
        let mut order = Order::default();
        let places = pictures
            .iter()
            .map(|(low, restarts, needed)| order.place(slice(*low, *restarts, *needed), *restarts));
        let places = places.collect::<Vec<_>>();
        assert_eq!(order.offsets(&places, first, 3600), expect, "{pictures:?}");
    }

    #[test]
    fn pictures_are_shown_in_their_order() {
        let (i, p, b) = (|| (0, true, true), |low| (low, false, true), |low| (low, false, false));
        check(&[i(), p(2), p(4), p(6)], 0, &[0, 0, 0, 0]);
        check(&[i(), p(1), p(2), p(3)], 0, &[0, 0, 0, 0]);
        // Shown as 0 2 3 1: two pictures between.
        check(&[i(), p(6), b(2), b(4), p(12), b(8), b(10)], 3600, &[3600, 10_800, 0, 0, 10_800, 0, 0]);
        // The lower bits wrap.
        check(&[i(), p(6), p(12), p(2), b(0)], 3600, &[3600, 10_800, 18_000, 25_200, 18_000]);
    }

    #[test]
    fn what_is_not_said_is_shown_as_it_is_decoded() {
        let mut order = Order::default();
        let place = order.place(None, false);
        assert_eq!(order.offsets(&[place, place], 1800, 3600), [1800, 1800]);
    }
}
