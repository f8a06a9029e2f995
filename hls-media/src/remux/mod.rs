//! One MP4 of transport streams, fragmented MP4 and packed audio.
//!
//! It takes two passes over the inputs. In the first, an [`Index`] takes all bytes of an input and keeps some bytes for
//! each sample. What comes of it makes a [`Remuxer`], which knows the whole `moov` box then and writes it first; in the
//! second pass it takes the same bytes again and gives out the data. Memory does not grow with the size of the media,
//! but for the index.
//!
//! ```
//! use hls_media::remux::{Index, Input, Remuxer, Step};
//!
//! # fn frame(number: u8) -> [u8; 16] {
//! #     [0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc, number, 1, 2, 3, 4, 5, 6, 7, 8]
//! # }
//! # let audio = (0..100).flat_map(frame).collect::<Vec<u8>>();
//! let mut index = Index::new(Input { language: Some("en".to_owned()), ..Input::default() });
//! for chunk in audio.chunks(1000) {
//!     index.push(chunk)?;
//! }
//! let mut remuxer = Remuxer::new(vec![index.finish()?], &[])?;
//!
//! let (mut chunks, mut mp4) = (audio.chunks(1000), Vec::new());
//! loop {
//!     match remuxer.step()? {
//!         Step::Write(bytes) => mp4.extend_from_slice(bytes),
//!         Step::Read(input) => match chunks.next() {
//!             Some(chunk) => remuxer.push(input, chunk)?,
//!             None => remuxer.end(input)?,
//!         },
//!         Step::Done => break,
//!     }
//! }
//! assert_eq!(&mp4[4..8], b"ftyp");
//! assert_eq!(mp4.len() as u64, remuxer.len());
//! # Ok::<(), hls_media::remux::RemuxError>(())
//! ```
//!
//! # Piece by piece
//!
//! Segments of a transport stream that are whole by themselves need no second pass: a [`UnitRemuxer`] makes a piece of each,
//! which goes into the output as it is, behind room for what a [`Film`] makes of the records in all pieces at the end.
//!
//! # Time
//!
//! The first picture or sound is at 0. What shares a clock keeps its distance, to the tick: timestamps are not touched,
//! but for audio that is within 2 ms of what the count of its samples says. Each timeline of the playlist is put behind
//! the one before. Holes stay holes, and all that is odd is in the [`Report`].

pub(crate) mod aac;
mod admission;
mod alone;
pub(crate) mod avc;
pub(crate) mod bits;
pub(crate) mod boxes;
pub(crate) mod clock;
mod clocks;
mod demuxer;
pub(crate) mod dts;
mod entry;
mod error;
mod film;
pub(crate) mod fragmented;
mod frames;
pub(crate) mod hevc;
mod index;
pub(crate) mod init;
pub(crate) mod input;
mod language;
mod latm;
mod moov;
pub(crate) mod nal;
pub(crate) mod opus;
mod order;
mod packed;
mod pairing;
mod pes;
mod pictures;
mod plan;
mod program;
mod record;
mod remuxer;
mod report;
mod run;
pub(crate) mod sample;
mod sound;
mod table;
mod text;
mod timeline;
mod transport;

pub use admission::Admission;
pub use alone::{UNIT_END, UnitEnd, UnitRemuxer, UnitTracks, record_len};
pub use error::RemuxError;
pub use film::{Film, FilmFront, Written};
pub use index::{Index, Indexed};
pub use input::{Input, MayLack, Takes, Unit};
pub use remuxer::{Remuxer, Step};
pub use report::{Finding, Irregularity, LeftOut, Report};
pub use run::RunRemuxer;
pub use text::{TextCue, TextTrack};
pub use timeline::Timeline;
