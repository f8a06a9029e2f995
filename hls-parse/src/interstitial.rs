//! Interstitials: other content that is scheduled by date ranges.

use std::time::Duration;

use url::Url;

use crate::{AttributeList, scalar};

/// What a date range of class `com.apple.hls.interstitial` says (rfc8216bis-22, appendix D).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Interstitial {
    /// X-ASSET-URI, resolved: a playlist.
    pub asset_url: Option<Url>,
    /// X-ASSET-LIST, resolved: a JSON document that lists assets.
    pub asset_list_url: Option<Url>,
    /// X-RESUME-OFFSET: seconds after the start where the primary content goes on. `None` is the duration of
    /// what was played.
    pub resume_offset: Option<f64>,
    /// X-PLAYOUT-LIMIT: how much is played at most.
    pub playout_limit: Option<Duration>,
    /// X-SNAP holds OUT: leave the primary content at the nearest segment boundary.
    pub snap_out: bool,
    /// X-SNAP holds IN: return at the nearest segment boundary.
    pub snap_in: bool,
    /// X-RESTRICT holds SKIP: nobody may skip ahead within it.
    pub restrict_skip: bool,
    /// X-RESTRICT holds JUMP: nobody may seek over it.
    pub restrict_jump: bool,
    /// X-CONTENT-MAY-VARY: others may get other content; true where absent.
    pub content_may_vary: bool,
    /// X-TIMELINE-OCCUPIES: what it takes on the timeline shown.
    pub timeline_occupies: TimelineOccupies,
    /// X-TIMELINE-STYLE: how it is shown there.
    pub timeline_style: TimelineStyle,
    /// X-SKIP-CONTROL-OFFSET: when a skip button appears.
    pub skip_control_offset: Option<Duration>,
    /// X-SKIP-CONTROL-DURATION: how long it stays.
    pub skip_control_duration: Option<Duration>,
    /// X-SKIP-CONTROL-LABEL-ID: what is written on it.
    pub skip_control_label_id: Option<String>,
}

/// What an interstitial takes on a timeline (appendix D, X-TIMELINE-OCCUPIES).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TimelineOccupies {
    /// A point.
    #[default]
    Point,
    /// Its duration.
    Range,
}

/// How an interstitial is shown on a timeline (appendix D, X-TIMELINE-STYLE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TimelineStyle {
    /// Set off from the primary content.
    #[default]
    Highlight,
    /// As the primary content.
    Primary,
}

impl Interstitial {
    pub(crate) const CLASS: &str = "com.apple.hls.interstitial";

    pub(crate) fn read(attributes: &AttributeList, base: &Url) -> Self {
        let url = |name| attributes.get(name).and_then(|uri| base.join(uri).ok());
        let duration = |name| attributes.get(name).and_then(scalar::duration);
        let has =
            |name, word| attributes.get(name).is_some_and(|list| scalar::words(list).any(|w| w == word));
        Self {
            asset_url: url("X-ASSET-URI"),
            asset_list_url: url("X-ASSET-LIST"),
            resume_offset: attributes.get("X-RESUME-OFFSET").and_then(scalar::signed),
            playout_limit: duration("X-PLAYOUT-LIMIT"),
            snap_out: has("X-SNAP", "OUT"),
            snap_in: has("X-SNAP", "IN"),
            restrict_skip: has("X-RESTRICT", "SKIP"),
            restrict_jump: has("X-RESTRICT", "JUMP"),
            content_may_vary: attributes.get("X-CONTENT-MAY-VARY") != Some("NO"),
            timeline_occupies: match attributes.get("X-TIMELINE-OCCUPIES") {
                Some("RANGE") => TimelineOccupies::Range,
                _ => TimelineOccupies::Point,
            },
            timeline_style: match attributes.get("X-TIMELINE-STYLE") {
                Some("PRIMARY") => TimelineStyle::Primary,
                _ => TimelineStyle::Highlight,
            },
            skip_control_offset: duration("X-SKIP-CONTROL-OFFSET"),
            skip_control_duration: duration("X-SKIP-CONTROL-DURATION"),
            skip_control_label_id: attributes.get("X-SKIP-CONTROL-LABEL-ID").map(str::to_owned),
        }
    }
}
