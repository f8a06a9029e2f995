//! Small real media: H.264 and AAC, twelve seconds in segments of two.
//!
//! `media/make.sh` made it, from a generated picture and a generated tone.

/// One of the kinds of media in this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Video and audio in MPEG transport streams.
    Ts,
    /// The same packets in fragmented MP4, with an init section.
    Fmp4,
    /// Audio alone, in transport streams.
    AudioTs,
    /// Audio alone, in fragmented MP4.
    AudioFmp4,
    /// Audio alone, packed (ADTS).
    AudioAdts,
}

macro_rules! segments {
    ($folder:literal, $extension:literal) => {
        [
            include_bytes!(concat!("../media/", $folder, "/seg0.", $extension)),
            include_bytes!(concat!("../media/", $folder, "/seg1.", $extension)),
            include_bytes!(concat!("../media/", $folder, "/seg2.", $extension)),
            include_bytes!(concat!("../media/", $folder, "/seg3.", $extension)),
            include_bytes!(concat!("../media/", $folder, "/seg4.", $extension)),
            include_bytes!(concat!("../media/", $folder, "/seg5.", $extension)),
        ]
    };
}

impl Media {
    /// Seconds of each segment.
    pub const SEGMENT_SECONDS: f64 = 2.0;

    /// Columns and rows of the pictures.
    pub const SIZE: (u32, u32) = (160, 90);

    /// Returns the seconds of the last segment, where they are not those of the others: sound alone ends after 89 frames of 1,024 samples.
    pub fn last_seconds(self) -> Option<f64> {
        matches!(self, Self::AudioFmp4 | Self::AudioAdts).then_some(89.0 * 1024.0 / 48_000.0)
    }

    /// When the first picture or sound of the transport streams is presented, in ticks of 90 kHz.
    pub const FIRST_TIMESTAMP: u64 = 126_000;

    /// Returns the segments in order.
    pub fn segments(self) -> [&'static [u8]; 6] {
        match self {
            Self::Ts => segments!("ts", "ts"),
            Self::Fmp4 => segments!("fmp4", "m4s"),
            Self::AudioTs => segments!("audio-ts", "ts"),
            Self::AudioFmp4 => segments!("audio-fmp4", "m4s"),
            Self::AudioAdts => segments!("audio-adts", "aac"),
        }
    }

    /// Returns the init section that the segments need, if they need one.
    pub fn init(self) -> Option<&'static [u8]> {
        match self {
            Self::Fmp4 => Some(include_bytes!("../media/fmp4/init0.mp4")),
            Self::AudioFmp4 => Some(include_bytes!("../media/audio-fmp4/init0.mp4")),
            Self::Ts | Self::AudioTs | Self::AudioAdts => None,
        }
    }

    /// Returns an init section of other bytes with the same codec configuration.
    pub fn second_init(self) -> Option<&'static [u8]> {
        (self == Self::Fmp4).then_some(include_bytes!("../media/fmp4/init1.mp4"))
    }

    /// Returns the extension of a segment.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ts | Self::AudioTs => "ts",
            Self::Fmp4 | Self::AudioFmp4 => "m4s",
            Self::AudioAdts => "aac",
        }
    }

    /// Returns the `CODECS` attribute.
    pub fn codecs(self) -> &'static str {
        match self {
            Self::Ts | Self::Fmp4 => "avc1.64000c,mp4a.40.2",
            Self::AudioTs | Self::AudioFmp4 | Self::AudioAdts => "mp4a.40.2",
        }
    }
}
