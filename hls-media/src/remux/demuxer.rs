//! The demuxer of an input, whatever its container, and the units that its bytes come in.

use super::{
    error::RemuxError,
    fragmented::Fragmented,
    input::{Input, Unit, Wants},
    packed::Packed,
    report::LeftOut,
    sample::{Sink, TrackInfo},
    sound::Extension,
    transport::Transport,
};
use crate::{
    Container as Kind,
    front::{self, Front, Look},
};

/// Takes an input apart. The same bytes give the same samples, however they are cut.
#[derive(Debug, Clone)]
pub(crate) struct Demuxer {
    container: Container,
    extension: Extension,
    wants: Wants,
    offset: u64,
    /// The unit that is next.
    next: usize,
    timeline: Option<u64>,
}

#[derive(Debug, Clone)]
enum Container {
    Head(Vec<u8>),
    Transport(Box<Transport>),
    Fragmented(Box<Fragmented>),
    Packed(Box<Packed>),
}

impl Demuxer {
    pub(crate) fn new(input: &Input) -> Self {
        let extension = input.codecs.as_deref().map(Extension::of).unwrap_or_default();
        let (container, wants) = (Container::Head(Vec::new()), input.wants());
        Self { container, extension, wants, offset: 0, next: 0, timeline: None }
    }

    pub(crate) fn tracks(&self) -> &[TrackInfo] {
        match &self.container {
            Container::Head(_) => &[],
            Container::Transport(transport) => transport.tracks(),
            Container::Fragmented(fragmented) => fragmented.tracks(),
            Container::Packed(packed) => packed.tracks(),
        }
    }

    /// Streams that are no tracks.
    pub(crate) fn left_out(&self) -> &[LeftOut] {
        match &self.container {
            Container::Transport(transport) => transport.left_out(),
            Container::Fragmented(fragmented) => fragmented.left_out(),
            Container::Head(_) | Container::Packed(_) => &[],
        }
    }

    pub(crate) fn push<S: Sink>(
        &mut self,
        input: &[u8],
        units: &[Unit],
        sink: &mut S,
    ) -> Result<(), RemuxError> {
        let mut input = input;
        while !input.is_empty() {
            while let Some(unit) = units.get(self.next).filter(|unit| unit.offset <= self.offset) {
                self.begin_unit(unit, sink)?;
                self.next += 1;
            }
            let most = units.get(self.next).map_or(u64::MAX, |unit| unit.offset - self.offset);
            let (part, rest) = input.split_at(usize::try_from(most).unwrap_or(usize::MAX).min(input.len()));
            self.pass(part, sink)?;
            self.offset += part.len() as u64;
            input = rest;
        }
        Ok(())
    }

    /// Begins the next unit, wherever it was said to begin.
    pub(crate) fn next_unit<S: Sink>(&mut self, units: &[Unit], sink: &mut S) -> Result<(), RemuxError> {
        let Some(unit) = units.get(self.next) else { return Ok(()) };
        self.begin_unit(unit, sink)?;
        self.next += 1;
        Ok(())
    }

    pub(crate) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), RemuxError> {
        if let Container::Head(head) = &mut self.container {
            let head = std::mem::take(head);
            self.begin(&head, true, sink)?;
        }
        match &mut self.container {
            Container::Head(_) => Err(RemuxError::Empty),
            Container::Transport(transport) => transport.finish(sink),
            Container::Fragmented(fragmented) => fragmented.finish(),
            Container::Packed(packed) => packed.reset(sink),
        }
    }

    fn begin_unit<S: Sink>(&mut self, unit: &Unit, sink: &mut S) -> Result<(), RemuxError> {
        if unit.is_gap {
            match &mut self.container {
                Container::Packed(packed) => packed.pass(unit.duration),
                Container::Transport(transport) => transport.break_off(sink)?,
                Container::Head(_) | Container::Fragmented(_) => {}
            }
            return Ok(());
        }
        let is_new = self.timeline.is_some_and(|timeline| timeline != unit.timeline);
        self.timeline = Some(unit.timeline);
        let number = u32::try_from(self.next).unwrap_or(u32::MAX);
        match &mut self.container {
            Container::Head(_) => {}
            Container::Transport(transport) => {
                if is_new {
                    transport.expect_reset(sink)?;
                }
                transport.begin_unit(number, sink)?;
            }
            Container::Fragmented(fragmented) => fragmented.begin_unit(number),
            Container::Packed(packed) => {
                if is_new {
                    packed.reset(sink)?;
                }
                packed.begin_unit(number);
            }
        }
        Ok(())
    }

    fn pass<S: Sink>(&mut self, part: &[u8], sink: &mut S) -> Result<(), RemuxError> {
        match &mut self.container {
            Container::Head(head) => {
                head.extend_from_slice(part);
                let head = std::mem::take(head);
                self.begin(&head, false, sink)
            }
            Container::Transport(transport) => transport.push(part, sink),
            Container::Fragmented(fragmented) => fragmented.push(part, sink),
            Container::Packed(packed) => packed.push(part, sink),
        }
    }

    fn begin<S: Sink>(&mut self, head: &[u8], is_end: bool, sink: &mut S) -> Result<(), RemuxError> {
        let Look::Is(Front { kind, lead, inside, .. }) = front::look(head, is_end)? else {
            self.container = Container::Head(head.to_vec());
            return Ok(());
        };
        self.container = match kind {
            Kind::MpegTs => Container::Transport(Box::new(Transport::new(self.extension, self.wants))),
            Kind::Fmp4 => Container::Fragmented(Box::new(Fragmented::new(self.wants))),
            Kind::WebVtt => return Err(RemuxError::Subtitles),
            _ => Container::Packed(Box::new(Packed::new(self.extension))),
        };
        // The unit that is under way began before its container was known.
        let number = u32::try_from(self.next.saturating_sub(1)).unwrap_or(u32::MAX);
        match &mut self.container {
            Container::Head(_) => {}
            Container::Transport(transport) => transport.begin_unit(number, sink)?,
            Container::Fragmented(fragmented) => fragmented.begin_unit(number),
            Container::Packed(packed) => packed.begin_unit(number),
        }
        // The rest of a frame that began before is of no use.
        self.pass(head.get(lead + inside..).unwrap_or(&[]), sink)
    }
}
