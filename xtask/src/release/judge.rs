//! Whose a name is, and how long a registry asks to wait.

use std::time::{Duration, SystemTime};

use super::index::Listing;
use super::version::Version;
use crate::calendar::http_date;

/// A registry that asks for more than this is asked again by a person.
pub(crate) const WAIT_AT_MOST: Duration = Duration::from_secs(30 * 60);
/// What a registry that gives no time gets.
const WAIT_UNTOLD: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has published under this name.
    Free,
    /// The name is ours, and this version is not there.
    New,
    /// This version is there.
    There,
    /// The name belongs to somebody else, and why that is thought.
    Taken(String),
}

/// Tells what can be done with a name; `owner` is who publishes, where that was said.
pub(crate) fn standing(
    version: Version,
    repository: &str,
    owner: Option<&str>,
    listing: Option<&Listing>,
) -> Standing {
    let Some(listing) = listing else { return Standing::Free };
    let theirs = listing.repository.as_deref().unwrap_or("nowhere");
    if !same(theirs, repository) {
        let owners = match &listing.owners[..] {
            [] => "an owner who is not told".to_owned(),
            owners => owners.join(", "),
        };
        let versions: Vec<String> = listing.versions.iter().map(Version::to_string).collect();
        return Standing::Taken(format!("{} of {owners}, from {theirs}", versions.join(", ")));
    }
    if let Some(owner) = owner
        && !listing.owners.is_empty()
        && !listing.owners.iter().any(|known| known.eq_ignore_ascii_case(owner))
    {
        return Standing::Taken(format!("{owner} is not among its owners: {}", listing.owners.join(", ")));
    }
    if listing.versions.contains(&version) { Standing::There } else { Standing::New }
}

/// Tells whether two addresses are those of one repository.
fn same(one: &str, other: &str) -> bool {
    let plain = |address: &str| {
        let address = address.to_lowercase();
        let address = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest);
        address.trim_end_matches('/').trim_end_matches(".git").to_owned()
    };
    plain(one) == plain(other)
}

/// Returns how long to wait before an upload is tried again, from what cargo printed; nothing, where that was no limit
/// on the rate.
///
/// Cargo shows the headers of an answer only where its body is none of the registry's own; else the time is in the text.
pub(crate) fn wait_of(said: &str, now: SystemTime) -> Option<Duration> {
    if !said.contains("429") {
        return None;
    }
    let lines = || said.lines().map(str::trim);
    let header = lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("retry-after").then_some(value.trim())
    });
    let date = said.split("try again after ").nth(1).or(header);
    let until = date.and_then(http_date).map(|until| until.duration_since(now).unwrap_or_default());
    // The date has no fractions of a second.
    let until = until.map(|wait| wait + Duration::from_secs(1));
    let seconds = header.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    Some(seconds.or(until).unwrap_or(WAIT_UNTOLD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_name_is() {
        let version: Version = "0.1.4".parse().unwrap();
        let listing = |repository: Option<&str>, owners: &[&str], versions: &[&str]| Listing {
            versions: versions.iter().map(|version| version.parse().unwrap()).collect(),
            repository: repository.map(str::to_owned),
            owners: owners.iter().map(|&owner| owner.to_owned()).collect(),
        };
        let check = |listing: Option<Listing>, owner, expect: &Standing| {
            assert_eq!(
                &standing(version, "https://h/us/hls", owner, listing.as_ref()),
                expect,
                "{listing:?}"
            );
        };
        check(None, None, &Standing::Free);
        check(Some(listing(Some("https://h/us/hls"), &["us"], &["0.1.3"])), None, &Standing::New);
        check(Some(listing(Some("HTTPS://h/us/HLS.git/"), &["us"], &["0.1.3"])), Some("US"), &Standing::New);
        check(Some(listing(Some("https://h/us/hls"), &[], &["0.1.4"])), Some("us"), &Standing::There);
        let taken = |text: &str| Standing::Taken(text.to_owned());
        check(
            Some(listing(Some("https://h/them/hls"), &["them"], &["0.1.4"])),
            None,
            &taken("0.1.4 of them, from https://h/them/hls"),
        );
        check(
            Some(listing(None, &[], &["0.1.0", "0.1.4"])),
            None,
            &taken("0.1.0, 0.1.4 of an owner who is not told, from nowhere"),
        );
        check(
            Some(listing(Some("https://h/us/hls"), &["them"], &["0.1.3"])),
            Some("us"),
            &taken("us is not among its owners: them"),
        );
    }

    #[test]
    fn how_long_to_wait() {
        let now = http_date("Wed, 02 Dec 2026 10:00:00 GMT").unwrap();
        let check = |said: &str, expect: Option<u64>| {
            assert_eq!(wait_of(said, now), expect.map(Duration::from_secs), "{said}");
        };
        check(
            "error: failed to publish\n  the remote server responded with an error (status 403 Forbidden): no",
            None,
        );
        check(
            "  the remote server responded with an error (status 429 Too Many Requests): You have published too many new \
             crates in a short period of time. Please try again after Wed, 02 Dec 2026 10:09:00 GMT or email us",
            Some(541),
        );
        check(
            "  failed to get a 200 OK response, got 429\nheaders:\n\tRetry-After: 7\n\nbody:\nslow",
            Some(7),
        );
        check("got 429\n\tretry-after: Wed, 02 Dec 2026 10:00:05 GMT", Some(6));
        check("try again after Wed, 02 Dec 2026 09:00:00 GMT (429)", Some(1));
        check("429 Too Many Requests", Some(60));
    }
}
