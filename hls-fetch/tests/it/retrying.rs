//! `retry` repeats what is transient, and nothing else.

use std::time::Duration;

use hls_fetch::{Class, Error, RetryPolicy, Rule, retry};
use hls_testkit::{Origin, Reply};

use crate::support::{TestResult, client, get, noise};

const PATH: &str = "/seg.ts";

/// The counts of the default policy, without its delays.
fn prompt() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for class in Class::ALL {
        let rule = Rule { base: Duration::from_millis(1), ..policy.rule(class) };
        policy.set(class, rule);
    }
    policy
}

async fn tried(origin: &Origin, policy: &RetryPolicy) -> Result<Vec<u8>, Error> {
    let (client, url) = (client(), origin.url(PATH));
    retry(policy, || get(&client, &url)).await
}

#[tokio::test]
async fn what_is_transient_is_repeated() -> TestResult {
    let origin = Origin::start();
    origin.put(PATH, noise(50_000));
    let bad = [Reply::status(500), Reply::reset_midway(), Reply::truncated(), Reply::status(503)];
    origin.script(PATH, bad);
    assert_eq!(tried(&origin, &prompt()).await?, noise(50_000));
    assert_eq!(origin.requests().len(), 5);
    Ok(())
}

#[tokio::test]
async fn retry_after_is_waited_for() -> TestResult {
    let origin = Origin::start();
    origin.put(PATH, "x");
    origin.script(PATH, [Reply::status(429).header("retry-after", "1")]);
    tried(&origin, &prompt()).await?;
    let seen = origin.requests();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(1), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn the_count_of_the_class_holds() {
    for (status, tries) in [(500, 6), (503, 6), (404, 2), (403, 1), (400, 1)] {
        let origin = Origin::start();
        origin.script(PATH, [Reply::status(status).forever()]);
        let error = tried(&origin, &prompt()).await.expect_err("never well");
        assert_eq!((error.status(), error.attempts()), (Some(status), tries));
        assert_eq!(origin.requests().len(), tries as usize, "{status}");
    }
}

#[tokio::test]
async fn a_wait_beyond_two_minutes_is_a_refusal() {
    let origin = Origin::start();
    origin.script(PATH, [Reply::status(503).header("retry-after", "3600").forever()]);
    let error = tried(&origin, &prompt()).await.expect_err("an hour is too long");
    assert_eq!((error.attempts(), error.retry_after()), (1, Some(Duration::from_secs(3600))));
}
