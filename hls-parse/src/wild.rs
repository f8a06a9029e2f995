//! Tags that no draft has, and streams have all the same.

use std::time::Duration;

use url::Url;

use crate::{AttributeList, Resolution, attribute::Attributes, scalar};

/// A tag that announces or ends an advertisement, in front of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Marker {
    /// What it says.
    pub kind: MarkerKind,
    /// The place of the segment that it stands in front of, counted from 0; the number of segments where it
    /// stands behind all.
    pub segment: usize,
    /// The line, counted from 1.
    pub line: u32,
}

/// What a [`Marker`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkerKind {
    /// `EXT-X-CUE-OUT`: an advertisement begins.
    #[non_exhaustive]
    Out {
        /// How long it will take.
        duration: Option<Duration>,
    },
    /// `EXT-X-CUE-OUT-CONT`: it goes on.
    #[non_exhaustive]
    Continued {
        /// How much of it has passed.
        elapsed: Option<Duration>,
        /// How long the whole takes.
        duration: Option<Duration>,
        /// SCTE35, as it stands there, mostly Base64.
        scte35: Option<String>,
    },
    /// `EXT-X-CUE-IN`: it is over.
    In,
    /// `EXT-OATCLS-SCTE35`: a splice message in Base64, as it stands there.
    Scte35(String),
}

impl MarkerKind {
    pub(crate) fn read(name: &str, value: &str, attributes: &Attributes<'_>) -> Option<Self> {
        let get = |name: &str| {
            let mut pairs = attributes.0.iter();
            pairs.find(|pair| pair.name.eq_ignore_ascii_case(name)).map(|pair| &*pair.value)
        };
        let duration = get("DURATION").and_then(scalar::duration);
        match name {
            "EXT-X-CUE-OUT" => Some(Self::Out { duration: duration.or_else(|| scalar::duration(value)) }),
            "EXT-X-CUE-OUT-CONT" => {
                let (elapsed, whole) = value.split_once('/').unwrap_or((value, ""));
                Some(Self::Continued {
                    elapsed: get("ElapsedTime")
                        .and_then(scalar::duration)
                        .or_else(|| scalar::duration(elapsed)),
                    duration: duration.or_else(|| scalar::duration(whole)),
                    scte35: get("SCTE35").map(str::to_owned),
                })
            }
            "EXT-X-CUE-IN" => Some(Self::In),
            "EXT-OATCLS-SCTE35" => Some(Self::Scte35(value.to_owned())),
            _ => None,
        }
    }
}

/// A segment that will come, by `EXT-X-PREFETCH`; it has no number and no duration yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prefetch {
    /// The URI as the playlist has it, its variables replaced.
    pub uri: String,
    /// The URI resolved.
    pub url: Url,
    /// The line, counted from 1.
    pub line: u32,
}

/// How the thumbnails of an image segment are laid out, by `EXT-X-TILES`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tiles {
    /// The size of one thumbnail.
    pub resolution: Option<Resolution>,
    /// LAYOUT: how many thumbnails there are in a row, and how many rows.
    pub layout: Option<Resolution>,
    /// DURATION: how long one thumbnail stands for.
    pub duration: Option<Duration>,
    /// The place of the segment that it stands in front of, counted from 0.
    pub segment: usize,
    /// Every attribute of the tag.
    pub attributes: AttributeList,
    /// The line, counted from 1.
    pub line: u32,
}
