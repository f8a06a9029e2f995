//! What the begin of a unit tells of all that follows: whether it can be used at all.

use super::{
    alone::UnitTracks,
    error::RemuxError,
    fragmented::Fragmented,
    index::Recorder,
    init,
    input::{MayLack, Takes, Wants},
    program::{self, Codec, Sections, What},
};
use crate::{
    fmp4::children,
    ts::{PACKET, SYNC},
};

/// Streams are told apart within so many packets, or not at all.
const MOST_PACKETS: u32 = 20_000;

/// Looks at the begin of a unit, before the rest of it has come: is it encrypted although nobody said so, and does it have
/// tracks that an MP4 can't hold?
///
/// It ends with the first packets of a transport stream, whose program map tells, or with the `moov` box of an initialization
/// section; other units have nothing that it could look at.
#[derive(Debug)]
pub struct Admission {
    /// Where an MP4 is made: what it takes.
    wants: Option<Wants>,
    packet: Vec<u8>,
    association: Sections,
    maps: Vec<(u16, Sections)>,
    /// Streams that are audio or video, and those whose packets have to tell.
    media: Vec<u16>,
    unknown: Vec<(u16, u8)>,
    codecs: Vec<Codec>,
    packets: u32,
    is_done: bool,
}

impl Admission {
    /// Begins a unit. `mp4`: an MP4 is made of it, with these tracks.
    #[must_use]
    pub fn new(mp4: Option<(Takes, MayLack)>) -> Self {
        Self {
            wants: mp4.map(|(takes, may_lack)| Wants { takes, may_lack }),
            packet: Vec::new(),
            association: Sections::default(),
            maps: Vec::new(),
            media: Vec::new(),
            unknown: Vec::new(),
            codecs: Vec::new(),
            packets: 0,
            is_done: false,
        }
    }

    /// Whether nothing that comes now can change the answer.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns the tracks of the unit, as far as they are known; `None`: it is no transport stream, or nothing of it has come.
    #[must_use]
    pub fn tracks(&self) -> Option<UnitTracks> {
        (!self.codecs.is_empty()).then(|| UnitTracks(self.codecs.clone()))
    }

    /// Judges whether the tracks of an initialization section can go on with those of another one.
    ///
    /// # Errors
    ///
    /// [`RemuxError::Changes`]: a track would have another codec.
    pub fn agree(&self, one: &[u8], other: &[u8]) -> Result<(), RemuxError> {
        let (mut both, mut nobody) = (Fragmented::new(self.wants.unwrap_or_default()), Recorder::default());
        let bound = both.push(one, &mut nobody).and_then(|()| both.push(other, &mut nobody));
        // What is damaged is for the verifier to tell.
        bound.or_else(|error| if matches!(error, RemuxError::Changes { .. }) { Err(error) } else { Ok(()) })
    }

    /// Takes more bytes of the unit.
    ///
    /// # Errors
    ///
    /// [`RemuxError::Encrypted`], and [`RemuxError::Unsupported`] where an MP4 is made.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), RemuxError> {
        let mut rest = bytes;
        while !self.is_done && !rest.is_empty() {
            let (part, after) = rest.split_at((PACKET - self.packet.len()).min(rest.len()));
            rest = after;
            if part.len() == PACKET {
                self.whole(part)?;
                continue;
            }
            self.packet.extend_from_slice(part);
            if self.packet.len() == PACKET {
                let packet = std::mem::take(&mut self.packet);
                self.whole(&packet)?;
            }
        }
        Ok(())
    }

    /// Takes a packet, or as many bytes of anything else.
    fn whole(&mut self, packet: &[u8]) -> Result<(), RemuxError> {
        // All that begins otherwise is another container, or damaged.
        self.is_done = packet.first() != Some(&SYNC) || self.packets >= MOST_PACKETS;
        self.packets += 1;
        if self.is_done { Ok(()) } else { self.packet(packet) }
    }

    /// Judges an initialization section of fragmented MP4.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn init(&self, section: &[u8]) -> Result<(), RemuxError> {
        for child in children(section) {
            let Ok((name, body)) = child else { break };
            if &name == b"moov" {
                let wants = self.wants.unwrap_or_default();
                return match init::read(body, wants) {
                    Err(error @ (RemuxError::Encrypted { .. } | RemuxError::Unsupported { .. })) => {
                        Err(error)
                    }
                    // What is damaged is for the verifier to tell.
                    _ => Ok(()),
                };
            }
        }
        Ok(())
    }

    fn packet(&mut self, packet: &[u8]) -> Result<(), RemuxError> {
        let [_, b, c, d, body @ ..] = packet else { return Ok(()) };
        let (pid, begins) = (u16::from(b & 0x1f) << 8 | u16::from(*c), b & 0x40 != 0);
        let adaptation = if d & 0x20 == 0 { 0 } else { 1 + usize::from(body.first().copied().unwrap_or(0)) };
        let Some(payload) = body.get(adaptation..).filter(|_| d & 0x10 != 0) else { return Ok(()) };
        if d & 0xc0 != 0 && self.media.contains(&pid) {
            let what = "scrambled (transport_scrambling_control)".to_owned();
            return Err(RemuxError::Encrypted { what });
        }
        if pid == 0 {
            if let Some(found) = self.association.push(begins, payload).and_then(program::map_pids) {
                self.maps = found.iter().map(|pid| (*pid, Sections::default())).collect();
            }
            return Ok(());
        }
        if let Some(at) = self.unknown.iter().position(|(known, _)| *known == pid).filter(|_| begins) {
            let (_, kind) = self.unknown.swap_remove(at);
            self.judge(&program::told_by_packet(kind, payload))?;
        }
        let map = self.maps.iter_mut().find(|(known, _)| *known == pid);
        let Some(section) = map.and_then(|(_, map)| map.push(begins, payload)).map(<[u8]>::to_vec) else {
            self.is_done = !self.media.is_empty() && self.unknown.is_empty();
            return Ok(());
        };
        let Some(streams) = program::streams(&section)? else { return Ok(()) };
        self.maps.clear();
        for stream in streams {
            match &stream.what {
                What::Unknown(kind) => self.unknown.push((stream.pid, *kind)),
                What::Data(_) => {}
                what => {
                    self.media.push(stream.pid);
                    self.judge(what)?;
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self, what: &What) -> Result<(), RemuxError> {
        match what {
            What::Carried(codec) => {
                self.codecs.push(*codec);
                Ok(())
            }
            What::Media(kind, what) if self.wants.is_some_and(|wants| wants.needs(*kind)) => {
                Err(RemuxError::unsupported(what))
            }
            _ => Ok(()),
        }
    }
}
