//! Stable names for what is odd in a playlist.

use hls_parse::WarningKind;

/// The symbol that scripts may rely on; the wording of messages may change.
pub(super) fn of(kind: &WarningKind) -> &'static str {
    match kind {
        WarningKind::ByteOrderMark => "byte_order_mark",
        WarningKind::BlankBeforeHeader => "blank_before_header",
        WarningKind::NotUtf8 => "not_utf8",
        WarningKind::TextAfterTag => "text_after_tag",
        WarningKind::Repeated(_) => "repeated",
        WarningKind::NoTargetDuration => "no_target_duration",
        WarningKind::BadValue { .. } => "bad_value",
        WarningKind::Missing { .. } => "missing",
        WarningKind::NotWhole { .. } => "not_whole",
        WarningKind::NoDuration(_) => "no_duration",
        WarningKind::HugeDuration => "huge_duration",
        WarningKind::TextAfterDuration => "text_after_duration",
        WarningKind::NoUri => "no_uri",
        WarningKind::NoExtinf => "no_extinf",
        WarningKind::StrayUri => "stray_uri",
        WarningKind::VariantWithoutUri => "variant_without_uri",
        WarningKind::UnknownRequirement(_) => "unknown_requirement",
        WarningKind::BadUri(_) => "bad_uri",
        WarningKind::RangeAfterOtherUri => "range_after_other_uri",
        WarningKind::MapWithoutOffset => "map_without_offset",
        WarningKind::MapWithoutIv => "map_without_iv",
        WarningKind::DateRangeConflict { .. } => "date_range_conflict",
        WarningKind::PartRange(_) => "part_range",
        WarningKind::RangeAfterSkip(_) => "range_after_skip",
        WarningKind::RepeatedAttribute(_) => "repeated_attribute",
        WarningKind::AttributeWithoutValue(_) => "attribute_without_value",
        WarningKind::Unterminated(_) => "unterminated",
        WarningKind::TextAfterQuote(_) => "text_after_quote",
        WarningKind::OutOfPlace(_) => "out_of_place",
        WarningKind::Fault(_) => "fault",
        WarningKind::More(_) => "more",
        _ => "playlist",
    }
}
