//! All `EXT-X-DATERANGE` tags of a playlist, put together by their IDs.

use std::collections::{HashMap, HashSet};

use crate::{
    AttributeList, Cue, DateRange, DateTime, Error, Interstitial, Line, Quote, WarningKind,
    reader::{Reader, bad_value},
    scalar,
};

const TAG: &str = "EXT-X-DATERANGE";

/// Puts tags together (rfc8216bis-22, section 4.4.5.1); a bad one is left out, as the section asks.
#[derive(Debug, Default)]
pub(crate) struct DateRanges {
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Entry {
    attributes: AttributeList,
    line: u32,
}

impl DateRanges {
    /// Begins with the ranges of an older copy, less those that are gone.
    pub(crate) fn resume(older: &[DateRange], removed: &[String], line: u32) -> Self {
        let gone: HashSet<&str> = removed.iter().map(String::as_str).collect();
        let kept = older.iter().filter(|range| !gone.contains(range.id.as_str()));
        let places = kept.clone().enumerate().map(|(place, range)| (range.id.clone(), place)).collect();
        Self {
            entries: kept.map(|range| Entry { attributes: range.attributes.clone(), line }).collect(),
            places,
        }
    }

    pub(crate) fn tag<'t>(
        &mut self,
        reader: &mut Reader<'t>,
        line: Line<'t>,
        value: &'t str,
    ) -> Result<(), Error> {
        let attributes = reader.attributes(line, value)?;
        let list = reader.keep(line, &attributes)?;
        let Some(id) = list.get("ID").filter(|id| !id.is_empty()) else {
            reader.warn(line, || WarningKind::Missing { tag: TAG, attribute: "ID" });
            return Ok(());
        };
        let limits = &reader.options.limits;
        let place = match self.places.get(id) {
            Some(place) => *place,
            None if self.entries.len() >= limits.date_ranges => {
                return Err(reader.limit(line, "date ranges", limits.date_ranges));
            }
            None => {
                self.places.insert(id.to_owned(), self.entries.len());
                self.entries.push(Entry { attributes: AttributeList::default(), line: line.number });
                self.entries.len() - 1
            }
        };
        let Some(entry) = self.entries.get_mut(place) else { return Ok(()) };
        let conflicts = merge(&mut entry.attributes, &list, limits.date_range_attributes);
        let Some(conflicts) = conflicts else {
            let limit = limits.date_range_attributes;
            return Err(reader.limit(line, "attributes of one date range", limit));
        };
        for conflict in conflicts {
            let attribute = Quote::new(conflict);
            reader.warn(line, || WarningKind::DateRangeConflict { id: Quote::new(id), attribute });
        }
        Ok(())
    }

    /// Leaves out what never got a start, unless an older copy may have it, and finds the ends.
    pub(crate) fn finish(mut self, reader: &mut Reader<'_>, is_delta: bool) -> Vec<DateRange> {
        let entries = std::mem::take(&mut self.entries);
        let mut ranges: Vec<_> = entries.into_iter().map(|entry| read(reader, entry)).collect();
        if !is_delta {
            ranges.retain(|range| {
                if range.start.is_none() {
                    let missing = || WarningKind::Missing { tag: TAG, attribute: "START-DATE" };
                    reader.warnings.add(range.line, missing);
                }
                range.start.is_some()
            });
        }
        let starts = starts(&ranges);
        for range in &mut ranges {
            let by_duration = range
                .start
                .zip(range.duration)
                .map(|(start, length)| start.plus(u64::try_from(length.as_micros()).unwrap_or(u64::MAX)));
            range.end = range.end_date.or(by_duration);
            if let (true, None, Some(class), Some(start)) =
                (range.end_on_next, range.end, &range.class, range.start)
            {
                let of_class = starts.get(class).map(Vec::as_slice).unwrap_or_default();
                range.end = of_class.get(of_class.partition_point(|other| *other <= start)).copied();
            }
        }
        ranges
    }
}

/// The starts of each class in order, where something ends on them.
fn starts(ranges: &[DateRange]) -> HashMap<String, Vec<DateTime>> {
    let mut starts: HashMap<String, Vec<DateTime>> = HashMap::new();
    for range in ranges.iter().filter(|range| range.end_on_next) {
        starts.entry(range.class.clone().unwrap_or_default()).or_default();
    }
    if starts.is_empty() {
        return starts;
    }
    for range in ranges {
        let of_class = range.class.as_ref().and_then(|class| starts.get_mut(class));
        if let (Some(of_class), Some(start)) = (of_class, range.start) {
            of_class.push(start);
        }
    }
    starts.values_mut().for_each(|of_class| of_class.sort_unstable());
    starts
}

/// Adds what is new, and returns the names of what is not as before; `None` where there are too many.
///
/// The limit is small, and keeps the search from growing with the square of a hostile tag.
fn merge<'l>(known: &mut AttributeList, list: &'l AttributeList, limit: usize) -> Option<Vec<&'l str>> {
    let mut conflicts = Vec::new();
    for pair in &list.0 {
        let is_full = known.0.len() >= limit;
        match known.0.iter_mut().find(|other| other.name == pair.name) {
            Some(other) if other.value == pair.value => {}
            Some(other) => {
                conflicts.push(pair.name.as_str());
                *other = pair.clone();
            }
            None if is_full => return None,
            None => known.0.push(pair.clone()),
        }
    }
    Some(conflicts)
}

fn read(reader: &mut Reader<'_>, entry: Entry) -> DateRange {
    let Entry { attributes, line } = entry;
    let date = |name| attributes.get(name).and_then(DateTime::parse);
    let duration = |name| attributes.get(name).and_then(scalar::duration);
    let (start, end_date) = (date("START-DATE"), date("END-DATE"));
    let (length, planned_duration) = (duration("DURATION"), duration("PLANNED-DURATION"));
    let unread = [
        ("START-DATE", start.is_none()),
        ("END-DATE", end_date.is_none()),
        ("DURATION", length.is_none()),
        ("PLANNED-DURATION", planned_duration.is_none()),
    ];
    for (name, _) in unread.into_iter().filter(|(_, unread)| *unread) {
        if let Some(text) = attributes.get(name) {
            reader.warnings.add(line, || bad_value(name, text));
        }
    }
    let scte35 = |name| attributes.get(name).and_then(scalar::hex);
    let has = |word| attributes.get("CUE").is_some_and(|list| scalar::words(list).any(|w| w == word));
    let class = attributes.get("CLASS").map(str::to_owned);
    let is_interstitial = class.as_deref() == Some(Interstitial::CLASS);
    DateRange {
        id: attributes.get("ID").unwrap_or_default().to_owned(),
        start,
        cue: Cue { pre: has("PRE"), post: has("POST"), once: has("ONCE") },
        end_date,
        duration: length,
        planned_duration,
        scte35_cmd: scte35("SCTE35-CMD"),
        scte35_out: scte35("SCTE35-OUT"),
        scte35_in: scte35("SCTE35-IN"),
        end_on_next: attributes.get("END-ON-NEXT") == Some("YES"),
        end: None,
        interstitial: is_interstitial.then(|| Box::new(Interstitial::read(&attributes, reader.base))),
        class,
        attributes,
        line,
    }
}
