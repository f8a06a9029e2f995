//! What is tried again, how often, and after how long: one table.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use crate::{Class, Error, draw};

/// What follows from one class of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Attempts in all, the first one included; 1 means that nothing is tried again.
    pub tries: u32,
    /// Bound of the first delay; it doubles with each attempt.
    pub base: Duration,
    /// The delay never exceeds this.
    pub cap: Duration,
}

/// The table of rules, one for each [`Class`]. Replace any of them with [`RetryPolicy::set`].
///
/// | class | tries | base | why |
/// |---|---|---|---|
/// | network | 6 | 0.5 s | comes and goes |
/// | server | 6 | 0.5 s | another backend may answer |
/// | throttled | 6 | 1 s | told to slow down; `Retry-After` holds |
/// | permanent | 2 | 0.5 s | an edge may be behind for a moment |
/// | content | 3 | 0.5 s | a page instead of a segment may go away |
/// | range | 2 | 0.5 s | one bad cache among several |
/// | auth, client, security, local | 1 | – | the same question gets the same answer |
///
/// Delays are drawn evenly between zero and `min(cap, base x 2^n)` ("full jitter": AWS Architecture Blog, 2015), cap 20 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    rules: BTreeMap<Class, Rule>,
    longest_wait: Duration,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this delay.
    Retry {
        /// Time to wait first.
        after: Duration,
    },
    /// The failure is final.
    GiveUp,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let rule = |tries, base_ms| Rule {
            tries,
            base: Duration::from_millis(base_ms),
            cap: Duration::from_secs(20),
        };
        let rules = Class::ALL
            .into_iter()
            .map(|class| {
                let rule = match class {
                    Class::Network | Class::Server => rule(6, 500),
                    Class::Throttled => rule(6, 1000),
                    Class::Content => rule(3, 500),
                    Class::Permanent | Class::Range => rule(2, 500),
                    Class::Auth | Class::Client | Class::Security | Class::Local => rule(1, 500),
                };
                (class, rule)
            })
            .collect();
        Self { rules, longest_wait: Duration::from_secs(120) }
    }
}

impl RetryPolicy {
    /// The rule for a class.
    #[must_use]
    pub fn rule(&self, class: Class) -> Rule {
        let none = Rule { tries: 1, base: Duration::ZERO, cap: Duration::ZERO };
        self.rules.get(&class).copied().unwrap_or(none)
    }

    /// Replaces the rule for a class.
    pub fn set(&mut self, class: Class, rule: Rule) {
        self.rules.insert(class, rule);
    }

    /// Allows `retries` repetitions of everything that is transient, as `--retries` does; 0 means one attempt each.
    pub fn set_retries(&mut self, retries: u32) {
        for (class, rule) in &mut self.rules {
            if class.is_transient() {
                rule.tries = retries.saturating_add(1);
            } else {
                rule.tries = rule.tries.min(retries.saturating_add(1));
            }
        }
    }

    /// Decides after `attempts` attempts have failed, the last one with `class`.
    ///
    /// `draw` returns a delay between zero and the bound that it is given. A `Retry-After` above two minutes is a
    /// refusal: the failure is final.
    #[must_use]
    pub fn decide(
        &self,
        class: Class,
        attempts: u32,
        retry_after: Option<Duration>,
        draw: impl FnOnce(Duration) -> Duration,
    ) -> Decision {
        let rule = self.rule(class);
        let asked = retry_after.unwrap_or_default();
        if attempts >= rule.tries || asked > self.longest_wait {
            return Decision::GiveUp;
        }
        let doublings = attempts.saturating_sub(1).min(16);
        let bound = rule.base.saturating_mul(1 << doublings).min(rule.cap);
        // A little on top of what was asked for, or all clients come back in the same instant.
        let after = if asked.is_zero() { draw(bound) } else { asked + draw(asked / 10) };
        Decision::Retry { after }
    }

    /// Decides with a delay drawn at random.
    #[must_use]
    pub fn decide_class(&self, class: Class, attempts: u32, retry_after: Option<Duration>) -> Decision {
        self.decide(class, attempts, retry_after, draw)
    }

    /// Decides about an error, with a delay drawn at random.
    #[must_use]
    pub fn decide_now(&self, error: &Error, attempts: u32) -> Decision {
        self.decide_class(error.class(), attempts, error.retry_after())
    }
}

/// Repeats `attempt` as the policy says: for those who use this crate alone.
///
/// # Errors
/// The error of the last attempt.
pub async fn retry<T, F>(policy: &RetryPolicy, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut attempts = 0;
    loop {
        let error = match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        attempts += 1;
        match policy.decide_now(&error, attempts) {
            Decision::Retry { after } => tokio::time::sleep(after).await,
            Decision::GiveUp => return Err(error.after_attempts(attempts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn decisions() {
        let policy = RetryPolicy::default();
        let most = |d: Duration| d;
        let retry = |ms| Decision::Retry { after: Duration::from_millis(ms) };
        for (class, attempts, retry_after, expect) in [
            (Class::Network, 1, None, retry(500)),
            (Class::Network, 3, None, retry(2000)),
            (Class::Network, 5, None, retry(8000)),
            (Class::Network, 6, None, Decision::GiveUp),
            (Class::Throttled, 1, None, retry(1000)),
            (Class::Throttled, 1, Some(5 * S), retry(5500)),
            (Class::Throttled, 1, Some(121 * S), Decision::GiveUp),
            (Class::Permanent, 1, None, retry(500)),
            (Class::Permanent, 2, None, Decision::GiveUp),
            (Class::Auth, 1, None, Decision::GiveUp),
            (Class::Security, 1, None, Decision::GiveUp),
        ] {
            assert_eq!(policy.decide(class, attempts, retry_after, most), expect, "{class} {attempts}");
        }
    }

    #[test]
    fn retries_replaces_the_counts() {
        let mut policy = RetryPolicy::default();
        policy.set_retries(0);
        assert!(Class::ALL.into_iter().all(|c| policy.rule(c).tries == 1));
        let mut policy = RetryPolicy::default();
        policy.set_retries(20);
        assert_eq!((policy.rule(Class::Network).tries, policy.rule(Class::Permanent).tries), (21, 2));
    }

    proptest::proptest! {
        #[test]
        fn never_early_never_above_the_cap(class in 0..Class::ALL.len(), attempts in 1..40_u32, after in 0..200_u64, part in 0.0..1.0_f64) {
            let (policy, class) = (RetryPolicy::default(), Class::ALL[class]);
            let asked = (after > 0).then(|| Duration::from_secs(after));
            if let Decision::Retry { after } = policy.decide(class, attempts, asked, |bound| bound.mul_f64(part)) {
                proptest::prop_assert!(after >= asked.unwrap_or_default());
                proptest::prop_assert!(after <= Duration::from_secs(132));
                proptest::prop_assert!(attempts < policy.rule(class).tries);
            }
        }
    }
}
