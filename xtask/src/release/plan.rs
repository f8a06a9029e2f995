//! What a release would do: which crates, in which order, to which versions, and what stands in its way.
//!
//! Nothing here looks at a disk or a registry: what there is comes in as [`Crate`]s, the plan goes out.

use std::collections::BTreeMap;
use std::fmt;

use super::version::{Bump, Version};

/// A crate that may be published, as the planner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    /// What its manifest says.
    pub(crate) version: Version,
    /// The version of its newest tag.
    pub(crate) tagged: Option<Version>,
    /// What others get has changed since that tag.
    pub(crate) changed: bool,
    /// Others can build on it: a breaking change below it may break them too.
    pub(crate) is_library: bool,
    pub(crate) changelog: Noted,
    /// The crates of ours that it is built from.
    pub(crate) needs: Vec<String>,
    pub(crate) verdict: Verdict,
}

/// What the changelog of a crate has to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    /// There are lines under Unreleased.
    pub(crate) unreleased: bool,
    /// One of these lines begins with "Breaking:".
    pub(crate) breaking: bool,
    /// The versions that have a section.
    pub(crate) versions: Vec<Version>,
}

/// What a comparison of two public interfaces came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is nothing to compare: no change, no tag, or no library.
    Needless,
    Compatible,
    /// The rules that were broken.
    Breaking(Vec<String>),
    /// No comparison was made, and why.
    NotMade(String),
    /// The comparison itself went wrong.
    Failed(String),
}

#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In the order in which they have to be published.
    pub(crate) steps: Vec<Step>,
    /// What has to be mended first.
    pub(crate) refusals: Vec<String>,
    /// What whoever releases has to know.
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// What its manifest says now.
    pub(crate) from: Version,
    pub(crate) to: Version,
    pub(crate) why: Why,
    /// The crates of ours below it that are released with it.
    pub(crate) because_of: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    First,
    Changed(Bump),
    /// Only what it is built from has changed.
    Below(Bump),
}

/// Plans the release of whatever has changed, and of what is built from that.
pub(crate) fn plan(crates: &[Crate]) -> Plan {
    let mut plan = Plan::default();
    let Some(order) = order(crates) else {
        plan.refusals.push("the crates need each other in a circle".to_owned());
        return plan;
    };
    let mut bumps: BTreeMap<&str, Bump> = BTreeMap::new();
    for one in order {
        let because_of: Vec<String> =
            one.needs.iter().filter(|name| bumps.contains_key(name.as_str())).cloned().collect();
        let below = because_of.iter().filter_map(|name| bumps.get(name.as_str())).max().copied();
        let Some(why) = why(one, below) else { continue };
        let to = match (one.tagged, why) {
            (None, _) | (_, Why::First) => one.version,
            (Some(tagged), Why::Changed(bump) | Why::Below(bump)) => one.version.max(tagged.after(bump)),
        };
        // A first release breaks nobody.
        bumps.insert(&one.name, why.bump());
        plan.object(one, why, to);
        plan.steps.push(Step { name: one.name.clone(), from: one.version, to, why, because_of });
    }
    plan
}

/// Returns all crates in an order in which each follows what it needs, or nothing where there is none.
pub(crate) fn order(crates: &[Crate]) -> Option<Vec<&Crate>> {
    let mut done: Vec<&Crate> = Vec::new();
    while done.len() < crates.len() {
        let has = |name: &str| done.iter().any(|one| one.name == name);
        let ours = |name: &str| crates.iter().any(|one| one.name == name);
        let next = crates
            .iter()
            .find(|one| !has(&one.name) && one.needs.iter().all(|need| has(need) || !ours(need)))?;
        done.push(next);
    }
    Some(done)
}

fn why(one: &Crate, below: Option<Bump>) -> Option<Why> {
    // A program has no interface that others build on.
    let below = below.map(|bump| if one.is_library { bump } else { Bump::Compatible });
    let own = match &one.verdict {
        Verdict::Breaking(_) => Bump::Breaking,
        _ if one.changelog.breaking => Bump::Breaking,
        _ => Bump::Compatible,
    };
    match (one.tagged, one.changed, below) {
        (None, ..) => Some(Why::First),
        (_, true, below) => Some(Why::Changed(below.map_or(own, |below| below.max(own)))),
        (_, false, Some(below)) => Some(Why::Below(below)),
        (_, false, None) => None,
    }
}

impl Why {
    const fn bump(self) -> Bump {
        match self {
            Self::First => Bump::Compatible,
            Self::Changed(bump) | Self::Below(bump) => bump,
        }
    }
}

impl Plan {
    fn object(&mut self, one: &Crate, why: Why, to: Version) {
        let name = &one.name;
        let told = one.changelog.unreleased || one.changelog.versions.contains(&to);
        if !told && !matches!(why, Why::Below(_)) {
            self.refusals
                .push(format!("{name}: CHANGELOG.md says nothing under Unreleased about what has changed"));
        }
        if one.tagged.is_some_and(|tagged| one.version < tagged) {
            self.refusals
                .push(format!("{name}: the manifest says {}, and a later version is tagged", one.version));
        }
        match &one.verdict {
            Verdict::Breaking(rules) => {
                self.warnings.push(format!("{name}: breaks who builds on it: {}", rules.join(", ")));
            }
            Verdict::NotMade(reason) => {
                self.warnings.push(format!("{name}: NOT COMPARED with what was released: {reason}"));
            }
            Verdict::Failed(reason) => {
                self.refusals.push(format!("{name}: the comparison with what was released failed: {reason}"));
            }
            Verdict::Needless | Verdict::Compatible => {}
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            writeln!(f, "nothing has changed since the last release")?;
        }
        for (number, step) in (1..).zip(&self.steps) {
            let why = match step.why {
                Why::First => "its first release".to_owned(),
                Why::Changed(Bump::Compatible) => "changed".to_owned(),
                Why::Changed(Bump::Breaking) => "changed, breaking".to_owned(),
                Why::Below(_) => format!("only below it: {}", step.because_of.join(", ")),
            };
            let versions = match step.from == step.to {
                true => step.to.to_string(),
                false => format!("{} -> {}", step.from, step.to),
            };
            writeln!(f, "{number}. {:<11} {versions:<16} {why}", step.name)?;
        }
        for warning in &self.warnings {
            writeln!(f, "!! {warning}")?;
        }
        for refusal in &self.refusals {
            writeln!(f, "REFUSED {refusal}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    /// The house, released as 0.1.0, with what the tests change.
    fn house(change: impl Fn(&mut Crate)) -> Vec<Crate> {
        let leaves = ["hls-parse", "hls-crypto", "hls-media", "hls-fetch", "hls-state"];
        let engine: &[&str] = &leaves;
        let needs: [(&str, &[&str]); 7] = [
            ("hls-cli", &["hls-sched", "hls-fetch", "hls-parse", "hls-state"]),
            ("hls-sched", engine),
            (leaves[0], &[]),
            (leaves[1], &[]),
            (leaves[2], &[]),
            (leaves[3], &[]),
            (leaves[4], &[]),
        ];
        let crates = needs.into_iter().map(|(name, needs)| Crate {
            name: name.to_owned(),
            version: version("0.1.0"),
            tagged: Some(version("0.1.0")),
            changed: false,
            is_library: name != "hls-cli",
            changelog: Noted { versions: vec![version("0.1.0")], ..Noted::default() },
            needs: needs.iter().map(|&need| need.to_owned()).collect(),
            verdict: Verdict::Needless,
        });
        crates
            .map(|mut one| {
                change(&mut one);
                one
            })
            .collect()
    }

    fn change(one: &mut Crate, verdict: Verdict) {
        (one.changed, one.changelog.unreleased, one.verdict) = (true, true, verdict);
    }

    fn check(crates: &[Crate], expect: &str) -> Plan {
        let plan = plan(crates);
        let steps: Vec<String> = plan.steps.iter().map(|step| format!("{} {}", step.name, step.to)).collect();
        assert_eq!(steps.join(", "), expect);
        plan
    }

    #[test]
    fn nothing_changed_nothing_planned() {
        let plan = check(&house(|_| ()), "");
        assert!(plan.refusals.is_empty());
        assert_eq!(plan.to_string(), "nothing has changed since the last release\n");
    }

    #[test]
    fn a_leaf_takes_its_dependents_with_it_and_nothing_else() {
        let crates = house(|one| {
            if one.name == "hls-crypto" {
                change(one, Verdict::Compatible);
            }
        });
        let plan = check(&crates, "hls-crypto 0.1.1, hls-sched 0.1.1, hls-cli 0.1.1");
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        assert_eq!(plan.steps[1].why, Why::Below(Bump::Compatible));
        assert_eq!(plan.steps[1].because_of, ["hls-crypto"]);
    }

    #[test]
    fn what_breaks_below_breaks_libraries_and_not_the_program() {
        let crates = house(|one| match one.name.as_str() {
            "hls-fetch" => change(one, Verdict::Breaking(vec!["function_missing".to_owned()])),
            "hls-parse" => change(one, Verdict::Compatible),
            _ => (),
        });
        let plan = check(&crates, "hls-parse 0.1.1, hls-fetch 0.2.0, hls-sched 0.2.0, hls-cli 0.1.1");
        assert_eq!(plan.warnings, ["hls-fetch: breaks who builds on it: function_missing"]);
    }

    #[test]
    fn the_changelog_may_say_that_it_breaks() {
        let crates = house(|one| {
            if one.name == "hls-state" {
                change(one, Verdict::Compatible);
                one.changelog.breaking = true;
            }
        });
        check(&crates, "hls-state 0.2.0, hls-sched 0.2.0, hls-cli 0.1.1");
    }

    #[test]
    fn a_first_release_takes_the_version_that_is_there() {
        let crates = house(|one| (one.tagged, one.changelog.unreleased) = (None, true));
        let plan = check(
            &crates,
            "hls-parse 0.1.0, hls-crypto 0.1.0, hls-media 0.1.0, hls-fetch 0.1.0, hls-state 0.1.0, hls-sched 0.1.0, \
             hls-cli 0.1.0",
        );
        assert!(plan.refusals.is_empty());
        assert!(plan.steps.iter().all(|step| step.why == Why::First));
    }

    #[test]
    fn a_change_without_a_line_is_refused() {
        let crates = house(|one| one.changed = one.name == "hls-media");
        let plan = check(&crates, "hls-media 0.1.1, hls-sched 0.1.1, hls-cli 0.1.1");
        assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
        assert!(plan.refusals[0].starts_with("hls-media: "), "{:?}", plan.refusals);
    }

    #[test]
    fn what_was_bumped_stays_as_it_is() {
        let crates = house(|one| {
            let released = ["hls-media", "hls-sched", "hls-cli"].contains(&one.name.as_str());
            if released {
                (one.version, one.changed) = (version("0.1.1"), true);
                one.changelog.versions.push(one.version);
            }
        });
        let plan = check(&crates, "hls-media 0.1.1, hls-sched 0.1.1, hls-cli 0.1.1");
        assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    }

    #[test]
    fn what_was_not_compared_is_told() {
        let crates = house(|one| match one.name.as_str() {
            "hls-parse" => change(one, Verdict::NotMade("it is not installed".to_owned())),
            "hls-media" => change(one, Verdict::Failed("no rustdoc".to_owned())),
            _ => (),
        });
        let plan = plan(&crates);
        assert!(plan.to_string().contains("hls-parse: NOT COMPARED"), "{plan}");
        assert!(
            plan.refusals.iter().any(|refusal| refusal.starts_with("hls-media: the comparison")),
            "{plan}"
        );
    }

    #[test]
    fn circles_and_versions_that_go_back_are_refused() {
        let circle = house(|one| {
            if one.name == "hls-parse" {
                one.needs.push("hls-sched".to_owned());
            }
        });
        assert_eq!(plan(&circle).refusals.len(), 1);
        let back = house(|one| {
            if one.name == "hls-cli" {
                change(one, Verdict::Needless);
                one.tagged = Some(version("0.3.0"));
            }
        });
        let plan = check(&back, "hls-cli 0.3.1");
        assert!(plan.refusals[0].contains("a later version is tagged"), "{plan}");
    }
}
