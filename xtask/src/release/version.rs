//! Versions as `MAJOR.MINOR.PATCH`, which is all that this workspace uses.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

/// What a change asks of the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bump {
    Compatible,
    Breaking,
}

impl Version {
    /// Returns the lowest version behind this one that may carry such a change.
    ///
    /// Below 1.0 the minor number says that something breaks. From 1.0 on what is compatible raises the minor number:
    /// whether something was added or only mended is not told apart, and a minor release is right for both.
    pub(crate) const fn after(self, bump: Bump) -> Self {
        match (self.major, bump) {
            (0, Bump::Compatible) => Self { patch: self.patch + 1, ..self },
            (0, Bump::Breaking) | (_, Bump::Compatible) => Self { minor: self.minor + 1, patch: 0, ..self },
            (_, Bump::Breaking) => Self { major: self.major + 1, minor: 0, patch: 0 },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>();
        let numbers = numbers.with_context(|| format!("{text} is not MAJOR.MINOR.PATCH"))?;
        let [major, minor, patch] = numbers[..] else { bail!("{text} is not MAJOR.MINOR.PATCH") };
        Ok(Self { major, minor, patch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_up() {
        let check = |from: &str, bump, to: &str| {
            assert_eq!(from.parse::<Version>().unwrap().after(bump).to_string(), to, "{from} {bump:?}");
        };
        check("0.1.0", Bump::Compatible, "0.1.1");
        check("0.1.7", Bump::Breaking, "0.2.0");
        check("1.4.2", Bump::Compatible, "1.5.0");
        check("1.4.2", Bump::Breaking, "2.0.0");
        assert!("0.10.0".parse::<Version>().unwrap() > "0.9.9".parse().unwrap());
        for bad in ["1.2", "1.2.3.4", "1.2.x", "1.2.3-rc.1", ""] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
