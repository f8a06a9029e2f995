//! What the system lets this process have.

/// Descriptors that a job has open however few segments it fetches at once: terminal, timers, signals, name look-ups, lock,
/// log, outputs, index.
const FIXED: u64 = 24;
/// A segment at once needs a connection, and may need a file where it waits.
const EACH: u64 = 2;
/// Segments at once at most where nobody says how many.
pub(crate) const UNLESS_TOLD: usize = 16;

/// So many segments at once as there are descriptors for: running out of them would end the job.
pub(crate) fn segments_at_once(wanted: usize) -> usize {
    fitting(wanted, descriptors())
}

/// Why it is fewer than wanted.
pub(crate) fn narrowed(wanted: usize) -> Option<String> {
    let fit = segments_at_once(wanted);
    let limit = descriptors().filter(|_| fit < wanted)?;
    let at_once = crate::human::count(fit as u64, "segment");
    Some(format!("this process may have {limit} files and connections open: {at_once} at once, not {wanted}"))
}

fn fitting(wanted: usize, limit: Option<u64>) -> usize {
    let Some(limit) = limit else { return wanted };
    let fit = limit.saturating_sub(FIXED) / EACH;
    usize::try_from(fit).unwrap_or(usize::MAX).clamp(1, wanted.max(1))
}

/// How many files and connections this process may have open.
pub(crate) fn descriptors() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_fit() {
        for (wanted, limit, expect) in [
            (8, Some(1024), 8),
            (8, Some(32), 4),
            (16, Some(40), 8),
            (8, Some(20), 1),
            (256, None, 256),
            (1, Some(0), 1),
        ] {
            assert_eq!(fitting(wanted, limit), expect, "{wanted} of {limit:?}");
        }
    }
}
