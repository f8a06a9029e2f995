//! The rules for media playlists.

use std::{collections::HashMap, time::Duration};

use super::{
    Checker, Found,
    attributes::{Strict, is_float},
    rules::Place,
};
use crate::{
    Content, DateTime, Line, Lines, Quote,
    scalar::{self, Decimal},
};

/// Goes through a media playlist and reports what breaks a rule.
pub(super) struct Check<'t> {
    base: Checker<'t>,
    target: Option<Duration>,
    part_target: Option<Duration>,
    control: Option<(Line<'t>, Strict<'t>)>,
    /// Durations are held to a target that may come after them.
    durations: Vec<(Line<'t>, &'t str, Duration)>,
    parts: Vec<(Line<'t>, &'t str, Duration)>,
    first_part: Option<Line<'t>>,
    has_segments: bool,
    has_discontinuities: bool,
    i_frames_only: bool,
    first_map: Option<u32>,
    extinf: bool,
    range: Option<(Line<'t>, &'t str)>,
    last_range: Option<&'t str>,
    last_part_range: Option<&'t str>,
    /// The key in the format `identity` that is in effect: whether it is AES-128, and has a vector.
    identity: Option<(bool, bool)>,
    date_ranges: HashMap<&'t str, DateTags<'t>>,
    first_date_range: Option<Line<'t>>,
    has_dates: bool,
    last_line: Option<Line<'t>>,
}

/// What is known of a date range so far.
struct DateTags<'t> {
    first: Line<'t>,
    values: HashMap<&'t str, &'t str>,
}

impl<'t> Check<'t> {
    pub(super) fn new(base: Checker<'t>) -> Self {
        Self {
            base,
            target: None,
            part_target: None,
            control: None,
            durations: Vec::new(),
            parts: Vec::new(),
            first_part: None,
            has_segments: false,
            has_discontinuities: false,
            i_frames_only: false,
            first_map: None,
            extinf: false,
            range: None,
            last_range: None,
            last_part_range: None,
            identity: None,
            date_ranges: HashMap::new(),
            first_date_range: None,
            has_dates: false,
            last_line: None,
        }
    }

    pub(super) fn run(mut self, lines: Lines<'t>) -> Found {
        for line in lines {
            self.last_line = Some(line);
            let attributes = self.base.line(line, Place::Media).map(|(_, attributes)| attributes);
            match line.content {
                Content::Tag { name, value } => self.tag(line, name, value, attributes.unwrap_or_default()),
                Content::Uri(uri) => self.uri(line, uri),
                Content::Blank | Content::Comment => {}
            }
        }
        self.finish()
    }

    fn tag(&mut self, line: Line<'t>, name: &'t str, value: &'t str, attributes: Strict<'t>) {
        match name {
            "EXTINF" => self.extinf(line, value),
            "EXT-X-BYTERANGE" => {
                self.base.version.need(4, line.number, "EXT-X-BYTERANGE");
                if value.starts_with('"') || scalar::byte_range(value).is_none() {
                    let quote = Quote::new(value);
                    self.base.report(line, value, "4.4.4.2", || format!("not a byte range: {quote}"));
                }
                self.range = Some((line, value));
            }
            "EXT-X-DISCONTINUITY" => self.has_discontinuities = true,
            "EXT-X-KEY" => self.key(line, value, &attributes),
            "EXT-X-MAP" => self.map(line, &attributes),
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.has_dates = true;
                if DateTime::parse(value).is_none() {
                    let quote = Quote::new(value);
                    self.base.report(line, value, "4.4.4.6", || format!("not a date and time: {quote}"));
                }
            }
            "EXT-X-TARGETDURATION" => self.target = value.parse().ok().map(Duration::from_secs),
            "EXT-X-MEDIA-SEQUENCE" if self.has_segments => {
                self.base.report(line, line.raw, "4.4.3.2", || format!("{name} stands behind a segment"));
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" if self.has_segments || self.has_discontinuities => {
                self.base.report(line, line.raw, "4.4.3.3", || {
                    format!("{name} stands behind a segment or a discontinuity")
                });
            }
            "EXT-X-PLAYLIST-TYPE" if !matches!(value, "EVENT" | "VOD") => {
                let quote = Quote::new(value);
                self.base.report(line, value, "4.4.3.5", || format!("neither EVENT nor VOD: {quote}"));
            }
            "EXT-X-I-FRAMES-ONLY" => {
                self.i_frames_only = true;
                self.base.version.need(4, line.number, "EXT-X-I-FRAMES-ONLY");
            }
            "EXT-X-PART-INF" => self.part_target = attributes.get("PART-TARGET").and_then(scalar::duration),
            "EXT-X-SERVER-CONTROL" => self.control = Some((line, attributes)),
            "EXT-X-PART" => self.part(line, &attributes),
            "EXT-X-DATERANGE" => self.date_range(line, &attributes),
            "EXT-X-RENDITION-REPORT" => {
                if let Some(uri) = attributes.get("URI").filter(|uri| url::Url::parse(uri).is_ok()) {
                    self.base.report(line, uri, "4.4.5.4", || format!("the URI of {name} is not relative"));
                }
            }
            "EXT-X-SKIP" => {
                let skips_dates = attributes.has("RECENTLY-REMOVED-DATERANGES");
                let (version, what) =
                    if skips_dates { (10, "EXT-X-SKIP of date ranges") } else { (9, "EXT-X-SKIP") };
                self.base.version.need(version, line.number, what);
            }
            _ => {}
        }
    }

    fn extinf(&mut self, line: Line<'t>, value: &'t str) {
        self.extinf = true;
        let number = value.split_once(',').map_or(value, |(number, _)| number);
        if !is_float(number) {
            let quote = Quote::new(number);
            self.base
                .report(line, number, "4.4.4.1", || format!("the duration is no decimal number: {quote}"));
        }
        if number.len() == value.len() {
            self.base
                .report(line, value, "4.4.4.1", || "the comma behind the duration is missing".to_owned());
        }
        if number.contains('.') {
            self.base.version.need(3, line.number, "an EXTINF that is no whole number");
        }
        if let Decimal::Value { duration, .. } = scalar::seconds(number) {
            self.durations.push((line, number, duration));
        }
    }

    fn uri(&mut self, line: Line<'t>, uri: &'t str) {
        // What a skipped segment says goes on into the first one that is there (section 6.3.7).
        let goes_on = !self.has_segments && self.base.seen.contains_key("EXT-X-SKIP");
        self.has_segments = true;
        if !std::mem::take(&mut self.extinf) {
            self.base.report(line, uri, "4.4.4.1", || "a segment has no EXTINF".to_owned());
        }
        self.last_part_range = None;
        if let Some((tag, text)) = self.range.take() {
            if !text.contains('@') && self.last_range != Some(uri) && !goes_on {
                self.base.report(tag, text, "4.4.4.2", || {
                    "a byte range has no offset, and the segment before is no range of the same resource"
                        .to_owned()
                });
            }
            self.last_range = Some(uri);
        } else {
            self.last_range = None;
        }
    }

    fn key(&mut self, line: Line<'t>, value: &'t str, attributes: &Strict<'t>) {
        let method = attributes.get("METHOD").unwrap_or("");
        super::multivariant::key(&mut self.base, line, value, attributes, "4.4.4.4");
        if method == "NONE" {
            self.identity = None;
            if attributes.iter().count() > 1 {
                self.base.report(line, value, "4.4.4.4", || "METHOD=NONE has other attributes".to_owned());
            }
        } else if matches!(attributes.get("KEYFORMAT"), None | Some("identity")) {
            self.identity = Some((method == "AES-128", attributes.has("IV")));
        }
    }

    fn map(&mut self, line: Line<'t>, attributes: &Strict<'t>) {
        self.base.version.need(5, line.number, "EXT-X-MAP");
        self.first_map.get_or_insert(line.number);
        if let Some(range) = attributes.get("BYTERANGE").filter(|range| !range.contains(['@', '{'])) {
            self.base
                .report(line, range, "4.4.4.5", || "the byte range of EXT-X-MAP has no offset".to_owned());
        }
        if self.identity == Some((true, false)) {
            self.base.report(line, line.raw, "4.4.4.5", || {
                "EXT-X-MAP is encrypted with AES-128, and the key has no IV".to_owned()
            });
        }
    }

    fn part(&mut self, line: Line<'t>, attributes: &Strict<'t>) {
        self.first_part.get_or_insert(line);
        if let Some((text, duration)) =
            attributes.get("DURATION").and_then(|t| Some((t, scalar::duration(t)?)))
        {
            self.parts.push((line, text, duration));
        }
        let uri = attributes.get("URI");
        match attributes.get("BYTERANGE") {
            Some(range) => {
                if !range.contains(['@', '{']) && (uri.is_none() || self.last_part_range != uri) {
                    self.base.report(line, range, "4.4.4.9", || {
                        "a byte range has no offset, and no part of the same segment and resource before it".to_owned()
                    });
                }
                self.last_part_range = uri;
            }
            None => self.last_part_range = None,
        }
    }

    fn date_range(&mut self, line: Line<'t>, attributes: &Strict<'t>) {
        self.first_date_range.get_or_insert(line);
        let section = "4.4.5.1";
        let Some(id) = attributes.get("ID") else { return };
        let known = self.date_ranges.entry(id);
        let tags = known.or_insert_with(|| DateTags { first: line, values: HashMap::new() });
        let mut conflicts = Vec::new();
        for attribute in attributes.iter() {
            let before = tags.values.insert(attribute.name, attribute.value);
            if before.is_some_and(|before| before != attribute.value) {
                conflicts.push(attribute);
            }
        }
        for attribute in conflicts {
            let (name, id) = (Quote::new(attribute.name), Quote::new(id));
            self.base.report(line, attribute.name, section, || {
                format!("{name} of the date range {id} is not as before")
            });
        }
        for name in ["DURATION", "PLANNED-DURATION"] {
            if let Some(value) = attributes.get(name).filter(|value| value.starts_with('-')) {
                self.base.report(line, value, section, || format!("{name} is negative"));
            }
        }
        if attributes.has("END-ON-NEXT") {
            if !attributes.has("CLASS") {
                self.base.report(line, line.raw, section, || "END-ON-NEXT without CLASS".to_owned());
            }
            if attributes.has("DURATION") || attributes.has("END-DATE") {
                self.base.report(line, line.raw, section, || {
                    "END-ON-NEXT together with DURATION or END-DATE".to_owned()
                });
            }
        }
        if let Some(cue) = attributes.get("CUE") {
            let both =
                scalar::words(cue).any(|word| word == "PRE") && scalar::words(cue).any(|word| word == "POST");
            let known = scalar::words(cue).all(|word| matches!(word, "PRE" | "POST" | "ONCE"));
            if both || !known {
                let quote = Quote::new(cue);
                self.base.report(line, cue, section, || format!("CUE is none that may be: {quote}"));
            }
        }
    }

    fn finish(mut self) -> Found {
        if let Some(line) = self.first_map.filter(|_| !self.i_frames_only) {
            self.base.version.need(6, line, "EXT-X-MAP outside of I-frame playlists");
        }
        let last = self.last_line;
        match (self.target, last) {
            (None, Some(last)) if !self.base.seen.contains_key("EXT-X-TARGETDURATION") => {
                self.base.report(last, last.raw, "4.4.3.1", || "EXT-X-TARGETDURATION is missing".to_owned());
            }
            _ => {}
        }
        if let Some(target) = self.target {
            for (line, text, duration) in std::mem::take(&mut self.durations) {
                let rounded = duration.saturating_add(Duration::from_millis(500)).as_secs();
                if rounded > target.as_secs() {
                    self.base.report(line, text, "4.4.3.1", || {
                        format!("the duration is longer than the target of {} s", target.as_secs())
                    });
                }
            }
        }
        self.finish_low_latency();
        self.finish_date_ranges();
        self.base.finish()
    }

    fn finish_low_latency(&mut self) {
        match (self.part_target, self.first_part) {
            (Some(target), _) => {
                for (line, text, duration) in std::mem::take(&mut self.parts) {
                    if duration > target {
                        self.base.report(line, text, "4.4.3.7", || {
                            "the part is longer than PART-TARGET".to_owned()
                        });
                    }
                }
            }
            (None, Some(part)) if !self.base.seen.contains_key("EXT-X-PART-INF") => {
                self.base.report(part, part.raw, "4.4.3.7", || {
                    "there are parts, and no EXT-X-PART-INF".to_owned()
                });
            }
            _ => {}
        }
        let Some((line, control)) = self.control.take() else { return };
        let section = "4.4.3.8";
        let least = [
            ("CAN-SKIP-UNTIL", self.target, 6, "target durations"),
            ("HOLD-BACK", self.target, 3, "target durations"),
            ("PART-HOLD-BACK", self.part_target, 2, "part targets"),
        ];
        for (name, unit, times, units) in least {
            let value = control.get(name).and_then(|text| Some((text, scalar::duration(text)?)));
            let short = value.zip(unit).filter(|((_, value), unit)| *value < unit.saturating_mul(times));
            if let Some(((text, _), _)) = short {
                self.base.report(line, text, section, || format!("{name} is less than {times} {units}"));
            }
        }
        if control.has("CAN-SKIP-DATERANGES") && !control.has("CAN-SKIP-UNTIL") {
            self.base
                .report(line, line.raw, section, || "CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL".to_owned());
        }
        if self.part_target.is_some() && !control.has("PART-HOLD-BACK") {
            self.base.report(line, line.raw, section, || {
                "there is EXT-X-PART-INF, and no PART-HOLD-BACK".to_owned()
            });
        }
    }

    fn finish_date_ranges(&mut self) {
        let section = "4.4.5.1";
        let is_delta = self.base.seen.contains_key("EXT-X-SKIP");
        for tags in std::mem::take(&mut self.date_ranges).into_values() {
            let line = tags.first;
            let Some(start) = tags.values.get("START-DATE") else {
                if !is_delta {
                    self.base
                        .report(line, line.raw, section, || "EXT-X-DATERANGE has no START-DATE".to_owned());
                }
                continue;
            };
            let Some(start) = DateTime::parse(start) else { continue };
            let end = tags.values.get("END-DATE").and_then(|text| DateTime::parse(text));
            if end.is_some_and(|end| end < start) {
                self.base.report(line, line.raw, section, || "END-DATE is before START-DATE".to_owned());
            }
            let duration = tags.values.get("DURATION").and_then(|text| scalar::duration(text));
            let by_duration = duration.map(|d| start.plus(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)));
            if end.zip(by_duration).is_some_and(|(end, by_duration)| end != by_duration) {
                self.base.report(line, line.raw, section, || {
                    "END-DATE is not START-DATE and DURATION together".to_owned()
                });
            }
        }
        if let Some(line) = self.first_date_range.filter(|_| !self.has_dates && !is_delta) {
            self.base.report(line, line.raw, section, || {
                "there are date ranges, and no EXT-X-PROGRAM-DATE-TIME".to_owned()
            });
        }
    }
}
