//! Credentials stay with the origin they were meant for.

use hls_fetch::{Client, HeaderRules};
use hls_testkit::{Origin, Request};

use crate::support::{TestResult, failure, get, url};

const BOUND: [&str; 3] = ["x-token", "cookie", "authorization"];
const EVERYWHERE: [&str; 2] = ["user-agent", "referer"];

fn rules() -> Result<HeaderRules, hls_fetch::Error> {
    let mut rules = HeaderRules::default();
    for name in BOUND.into_iter().chain(EVERYWHERE) {
        rules.add(name, "value=1")?;
    }
    Ok(rules)
}

/// Two hosts with a resource each, and a client whose input lies on the first.
fn two_hosts(rules: HeaderRules) -> Result<(Origin, Origin, Client), Box<dyn std::error::Error>> {
    let (home, other) = (Origin::start(), Origin::bind("127.0.0.2:0")?);
    home.put("/a", "home");
    other.put("/a", "other");
    let client =
        Client::builder().rules(rules).allow_private(true).build()?.for_input(&url(&home.url("/index.m3u8")));
    Ok((home, other, client))
}

fn has_all(request: &Request, names: &[&str]) -> bool {
    names.iter().all(|name| request.header(name) == Some("value=1"))
}

fn has_none(request: &Request, names: &[&str]) -> bool {
    names.iter().all(|name| request.header(name).is_none())
}

#[tokio::test]
async fn another_host_gets_no_credentials() -> TestResult {
    let (home, other, client) = two_hosts(rules()?)?;
    get(&client, &home.url("/a")).await?;
    get(&client, &other.url("/a")).await?;
    let (at_home, abroad) = (&home.requests()[0], &other.requests()[0]);
    assert!(has_all(at_home, &BOUND) && has_all(at_home, &EVERYWHERE), "{at_home:?}");
    assert!(has_none(abroad, &BOUND) && has_all(abroad, &EVERYWHERE), "{abroad:?}");
    Ok(())
}

#[tokio::test]
async fn another_port_is_another_origin() -> TestResult {
    let (_, _, client) = two_hosts(rules()?)?;
    let neighbour = Origin::start();
    neighbour.put("/a", "neighbour");
    get(&client, &neighbour.url("/a")).await?;
    assert!(has_none(&neighbour.requests()[0], &BOUND));
    Ok(())
}

#[tokio::test]
async fn a_redirect_takes_no_credentials_along_and_none_come_back() -> TestResult {
    let (home, other, client) = two_hosts(rules()?)?;
    home.redirect("/there", &other.url("/back"));
    other.redirect("/back", &home.url("/a"));
    assert_eq!(get(&client, &home.url("/there")).await?, b"home");
    let (first, away, back) = (&home.requests()[0], &other.requests()[0], &home.requests()[1]);
    assert!(has_all(first, &BOUND));
    assert!(has_none(away, &BOUND) && has_all(away, &EVERYWHERE), "{away:?}");
    assert!(has_none(back, &BOUND) && has_all(back, &EVERYWHERE), "{back:?}");
    Ok(())
}

#[tokio::test]
async fn a_foreign_redirect_home_brings_no_credentials() -> TestResult {
    let (home, other, client) = two_hosts(rules()?)?;
    other.redirect("/lure", &home.url("/a"));
    get(&client, &other.url("/lure")).await?;
    assert!(has_none(&home.requests()[0], &BOUND));
    Ok(())
}

#[tokio::test]
async fn without_a_job_they_belong_to_the_url_asked_for() -> TestResult {
    let (home, other) = (Origin::start(), Origin::bind("127.0.0.2:0")?);
    other.put("/a", "other");
    home.redirect("/a", &other.url("/a"));
    let client = Client::builder().rules(rules()?).allow_private(true).build()?;
    get(&client, &home.url("/a")).await?;
    assert!(has_all(&home.requests()[0], &BOUND));
    assert!(has_none(&other.requests()[0], &BOUND));
    Ok(())
}

#[tokio::test]
async fn one_host_more_where_it_is_said() -> TestResult {
    let mut rules = rules()?;
    rules.add_for_host("127.0.0.2", "X-Token", "value=1")?;
    let (home, other, client) = two_hosts(rules)?;
    home.redirect("/there", &other.url("/a"));
    get(&client, &other.url("/a")).await?;
    get(&client, &home.url("/there")).await?;
    for request in other.requests() {
        assert!(has_all(&request, &["x-token"]) && has_none(&request, &["cookie", "authorization"]));
    }
    Ok(())
}

#[tokio::test]
async fn credentials_in_a_url_go_where_it_leads_and_into_no_error() -> TestResult {
    let origin = Origin::start();
    let url = origin.url("/missing").replace("http://", "http://user:pass@");
    let error = failure(&Client::builder().build()?, &url).await;
    assert_eq!(origin.requests()[0].header("authorization"), Some("Basic dXNlcjpwYXNz"));
    assert!(!format!("{error:?}").contains("pass"), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn what_would_change_the_question_is_dropped() -> TestResult {
    let mut rules = HeaderRules::default();
    for name in ["Range", "If-None-Match", "Accept-Encoding", "Host", "Connection", "Content-Length"] {
        assert!(!rules.add(name, "1")?, "{name}");
    }
    let (home, _, client) = two_hosts(rules)?;
    get(&client, &home.url("/a")).await?;
    let seen = &home.requests()[0];
    assert!(has_none(seen, &["range", "if-none-match", "connection", "content-length"]), "{seen:?}");
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("host"), Some(home.address().to_string().as_str()));
    Ok(())
}
