//! Whether the packets of a unit go on where those of the one before ended, by their continuity counters.

/// More streams than any real transport stream has.
const MANY: usize = 32;

/// The counters that a unit begins and ends with, one of each stream and table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Border(Vec<Edge>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    pid: u16,
    /// `None`: it says itself that it does not go on.
    first: Option<u8>,
    last: u8,
    /// Its first packet begins a packet of an elementary stream, or a table.
    begins: bool,
}

impl Border {
    /// A packet came of a stream that is not being followed by its counters otherwise.
    pub(crate) fn take(&mut self, pid: usize, counter: u8, (announced, begins): (bool, bool)) {
        let Ok(pid) = u16::try_from(pid) else { return };
        let has_room = self.0.len() < MANY;
        match self.0.iter_mut().find(|edge| edge.pid == pid) {
            Some(edge) => edge.last = counter,
            None if has_room => {
                let first = Some(counter).filter(|_| !announced);
                self.0.push(Edge { pid, first, last: counter, begins });
            }
            None => {}
        }
    }

    /// With the counters that streams end with, where those are known.
    pub(crate) fn ending(mut self, last: impl Fn(u16) -> Option<u8>) -> Self {
        for edge in &mut self.0 {
            edge.last = last(edge.pid).unwrap_or(edge.last);
        }
        self
    }

    /// Each stream, and whether its first packet begins something.
    pub(crate) fn begins(&self) -> impl Iterator<Item = (u16, bool)> {
        self.0.iter().map(|edge| (edge.pid, edge.begins))
    }

    /// Each stream that is in both units, and whether it goes on from this one to the next.
    pub(crate) fn with(&self, next: &Self) -> Vec<(u16, bool)> {
        let goes_on = |edge: &Edge| {
            let after = next.0.iter().find(|after| after.pid == edge.pid)?;
            Some((edge.pid, after.first? == edge.last.wrapping_add(1) & 0x0f))
        };
        self.0.iter().filter_map(goes_on).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on() {
        let border = |packets: &[(usize, u8)]| {
            let mut border = Border::default();
            packets.iter().for_each(|(pid, counter)| border.take(*pid, *counter, (false, false)));
            border
        };
        let check = |before: &[(usize, u8)], after: &[(usize, u8)], expect: &[(u16, bool)]| {
            assert_eq!(border(before).with(&border(after)), expect, "{before:?}, {after:?}");
        };
        check(&[(256, 3), (256, 4)], &[(256, 5)], &[(256, true)]);
        check(&[(256, 14), (256, 15)], &[(256, 0)], &[(256, true)]);
        check(&[(256, 3)], &[(256, 5)], &[(256, false)]);
        check(&[(256, 3)], &[(256, 3)], &[(256, false)]);
        check(&[(256, 3), (257, 9)], &[(257, 10), (256, 7)], &[(256, false), (257, true)]);
        check(&[(256, 3)], &[(257, 4)], &[]);
        let mut announced = Border::default();
        announced.take(256, 9, (true, true));
        assert_eq!(border(&[(256, 3)]).with(&announced), [], "it says itself that it does not go on");
        let followed = border(&[(256, 3)]).ending(|pid| (pid == 256).then_some(8));
        assert_eq!(followed.with(&border(&[(256, 9)])), [(256, true)]);
    }
}
